"""A board behind a TCP socket, as any other `Board`."""

import dataclasses
import json
import math
import re
import warnings
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from device_models.errors import ConfigError, HardwareError, LimitError

from ...array.counters import Counters
from ..protocol import (
    BoardInfo,
    Grid,
    Indices,
    PulseBatch,
    PulseShape,
    check_batch,
    check_devices,
    check_volts,
)
from .parser import block, quoted
from .wire import Wire

TIMEOUT_SECONDS = 30.0
REFUSED = (-221, -222, -223)  # nothing was sent, and another wish may be granted
_ERROR = re.compile(r'(-?[0-9]+),"((?:[^"]|"")*)"')
_ERRORS = b"SYST:ERR:ALL?\n"


class ScpiBoard:
    """A board that an SCPI instrument of `xbar serve` answers for.

    Every operation is one exchange: what it sends goes out in one piece, with the question for
    errors behind it, while answers come in. Numbers travel as blocks of as many bits as the board
    computes in, so a read is the number that the board read, to the last bit. The output of the
    instrument is switched on by the first pulse; other clients may read meanwhile, and not pulse.

    Attributes:
        info: See `Board`; as the instrument says.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        token: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        """Connect.

        Args:
            host: Name or address of the server.
            port: Of it.
            token: What it asks for; None: nothing.
            timeout_seconds: Of every answer.

        Raises:
            HardwareError: Nobody answers, or it is no such instrument, or the token is wrong.
        """
        self._wire = Wire(host, port, timeout_seconds)
        self._is_output = False
        try:
            if token is not None:
                self._tell(f"SYST:TOK {quoted(token)}")
            self._tell("*CLS", "FORM REAL,64", "FORM:BORD SWAP")
            about = json.loads(self._ask_text("SYST:BOAR?"))
            self._dtype = {32: torch.float32, 64: torch.float64}[about["bits"]]
            self._bytes = about["bits"] // 8
            self._block_bytes = int(about["block_bytes"])
            self.info = info_of(about)
        except HardwareError:
            self.close()
            raise
        except (ValueError, KeyError, TypeError) as e:
            self.close()
            address = self._wire.address
            raise HardwareError(f"{address} is no board of xbar serve; nothing was sent") from e

    def __enter__(self) -> Self:
        """This board."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    @property
    def counters(self) -> Counters:
        """See `Board.counters`; one exchange."""
        return Counters(**json.loads(self._ask_text("SYST:COUN?")))

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`."""
        if device is None:
            return self._numbers([b"READ:ALL?\n"]).view(self.info.shape)
        device = np.asarray(device)
        check_devices(self.info, device)
        whole = device.reshape(-1).astype("<i4")
        most = self._block_bytes // whole.itemsize
        pieces = [whole[first : first + most] for first in range(0, whole.size, most)]
        queries = [b"READ:DEV? " + block(piece.tobytes()) + b"\n" for piece in pieces]
        return self._numbers(queries).view(device.shape)

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`."""
        words, bits = self.info.shape
        check_volts(self.info, volts)
        rows = volts.to(self._dtype).numpy().astype(f"<f{self._bytes}", copy=False)
        most = max(self._block_bytes // (self._bytes * words), 1)
        pieces = [rows[first : first + most] for first in range(0, len(rows), most)]
        queries = [b"READ:VMM? WL," + block(piece.tobytes()) + b"\n" for piece in pieces]
        return self._numbers(queries).view(-1, bits)

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`.

        Raises:
            LimitError: Beyond the limits of the instrument or of the board; nothing was sent.
            HardwareError: Another client writes, or the connection is lost.
        """
        check_batch(self.info, pulses)
        if not len(pulses.device):
            return
        message = b"PULS:ARR " + _whole(pulses.device) + b"," + _whole(pulses.count)
        if shape is not None:
            message += b"," + _each(shape.volts) + b"," + _each(shape.seconds)
            if shape.compliance_amperes is not None:
                message += b"," + _number(shape.compliance_amperes)
        before = [] if self._is_output else [b"OUTP ON\n"]
        self._exchange([*before, message + b"\n"])
        self._is_output = True

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self._exchange([b"SYST:WAIT " + _number(seconds) + b"\n"])

    def close(self) -> None:
        """See `Board.close`; the output of the instrument goes off, its cells stay as they are."""
        self._wire.close()

    def _tell(self, *commands: str) -> None:
        """Give commands."""
        self._exchange([f"{command}\n".encode("latin-1", "replace") for command in commands])

    def _ask_text(self, query: str) -> str:
        """The text that a query answers in quotes."""
        (answer,) = self._exchange([f"{query}\n".encode()])
        return answer.decode("latin-1")[1:-1].replace('""', '"')

    def _numbers(self, queries: list[bytes]) -> Tensor:
        """The numbers that queries answer, one after the other, as the board has them."""
        if not queries:
            return torch.zeros(0, dtype=self._dtype)
        expected, kind = len(queries), f"<f{self._bytes}"
        if self._bytes == 4:  # amplitudes and widths are always of 64 bits
            queries = [b"FORM REAL,32\n", *queries, b"FORM REAL,64\n"]
        answers = self._exchange(queries)
        if len(answers) != expected:
            self.close()
            raise HardwareError(f"{self._wire.address}: an answer is missing")
        values = np.concatenate([np.frombuffer(answer, kind, offset=1) for answer in answers])
        return torch.from_numpy(values.astype(kind[1:], copy=False))

    def _exchange(self, messages: list[bytes]) -> list[bytes]:
        """Send messages, and take their answers; the errors they left become exceptions.

        All answers but that of the errors are blocks or in quotes.
        """
        *answers, errors = self._wire.exchange([*messages, _ERRORS], _is_error)
        for code, text in _ERROR.findall(errors.decode("latin-1")):
            self._raise(int(code), text)
        return answers

    def _raise(self, code: int, text: str) -> None:
        """Turn an entry of the error queue into an exception."""
        short = text.partition(";")[2] or text
        if code in REFUSED:
            end = "" if "nothing was" in short else "; nothing was sent"
            raise LimitError(f"{self._wire.address}: {short}{end}")
        if code > 0:
            warnings.warn(f"{self._wire.address}: {text}", RuntimeWarning, stacklevel=4)
        elif code < 0:
            raise HardwareError(f"{self._wire.address}: {code}, {text}")


def info_of(about: dict[str, Any]) -> BoardInfo:
    """What a board is, from JSON.

    Raises:
        KeyError, TypeError: That is not all of it.
    """
    names = {field.name for field in dataclasses.fields(BoardInfo)}
    given = {name: value for name, value in about.items() if name in names}
    for name in ("shape", "tile_shape"):
        given[name] = int(given[name][0]), int(given[name][1])
    if given.get("grid") is not None:
        given["grid"] = Grid(**given["grid"])
    return BoardInfo(**given)


def open_tcp(where: str, *, token: str | None, timeout_seconds: float) -> ScpiBoard:
    """The board of `HOST:PORT`, `HOST` or `[IPV6]:PORT`; port 5025 where none is given.

    Raises:
        ConfigError: It is no such text.
        HardwareError: Nobody answers there.
    """
    if "@" in where:  # not said again: it may be a secret
        raise ConfigError(
            "an address has no token or name before an @; --token or XBAR_TOKEN gives the token; "
            "nothing was sent"
        )
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/\[\]]+))(?::([0-9]{1,5}))?", where)
    if match is None or int(match[3] or 1) not in range(1, 65536):
        raise ConfigError(f"tcp://{where} is no address; one is tcp://HOST:PORT; nothing was sent")
    host, port = match[1] or match[2], int(match[3] or 5025)
    return ScpiBoard(host, port, token=token, timeout_seconds=timeout_seconds)


def _is_error(answer: bytes) -> bool:
    """Whether this answers `SYST:ERR:ALL?`."""
    return answer[:1] not in (b"#", b'"')


def _whole(values: np.ndarray) -> bytes:
    """Whole numbers as a block of 32 bits each."""
    return block(np.asarray(values, "<i4").tobytes())


def _each(values: NDArray[np.float64] | float | None) -> bytes:
    """A number, a block of one each, or the board's own."""
    if values is None:
        return b"DEF"
    if isinstance(values, np.ndarray) and values.ndim:
        return block(values.astype("<f8").tobytes())
    return _number(float(values))


def _number(value: float) -> bytes:
    """A number as text, to the last bit.

    Raises:
        LimitError: It is not finite, which no instrument has a number for.
    """
    if not math.isfinite(value):
        raise LimitError(f"{value} is no amplitude, width, current or time; nothing was sent")
    return repr(float(value)).encode()
