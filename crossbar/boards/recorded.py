"""A session with a board, written to a file as it goes, and the board that answers from it.

A file is lines of JSON. The first says the board and its counters. Each call is two lines: what is
asked, written before the board is asked, and what came back. So a session that was killed says of
its last call whether the board may have seen it. Arrays are base64 of their bytes with dtype and
shape, and JSON writes a float with all its digits: what is played back is equal to the last bit.
"""

import base64
import builtins
import json
import re
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import asdict
from os import PathLike
from pathlib import Path
from typing import Any, NotRequired, TypedDict, TypeVar

import numpy as np
import torch
from torch import Tensor

from device_models import errors
from device_models.errors import DataError, HardwareError
from device_models.printable import printable
from device_models.record import shown
from device_models.typed_json import checked, parse

from ..array.counters import Counters
from .protocol import Board, BoardInfo, Indices, PulseBatch, PulseShape

FORMAT, VERSION = "xbar session", 1
DTYPE = re.compile("[<|](b1|[iu][1248]|f[248])")  # of arrays in a file
LONGEST_SHOWN, LONGEST_TEXT = 80, 2000  # characters of an argument, of an error
T = TypeVar("T")


class RecordingBoard:
    """A board that writes down all that is asked of it and all that it answers.

    Every line goes to the operating system before the call goes on, so that a killed process loses
    none; a power cut may lose the last ones.

    Attributes:
        board: The board that is asked.
        path: The file.
    """

    def __init__(self, board: Board, path: str | PathLike[str]) -> None:
        """Start a session.

        Raises:
            DataError: The file exists or cannot be written; nothing was sent.
        """
        self.board, self.path, self._number = board, Path(path), 0
        try:
            self._file = self.path.open("x", encoding="ascii", newline="\n")
        except OSError as e:
            raise DataError(f"{path}: {e.strerror}; nothing was sent") from e
        info, counters = asdict(board.info), board.counters.as_dict()
        head = {"format": FORMAT, "version": VERSION, "info": info, "counters": counters}
        self._counters = counters  # as they last were
        self._write(head)

    @property
    def info(self) -> BoardInfo:
        """Of the board."""
        return self.board.info

    @property
    def counters(self) -> Counters:
        """Of the board."""
        return self.board.counters

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`."""
        asked = {"device": None if device is None else _packed(np.asarray(device))}
        return self._call("read", asked, lambda: self.board.read(device))

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`."""
        asked = {"volts": _packed(volts.detach().numpy())}
        return self._call("vmm", asked, lambda: self.board.vmm(volts))

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`."""
        self._call("pulse", _asked_pulses(pulses, shape), lambda: self.board.pulse(pulses, shape))

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self._call("wait", {"seconds": float(seconds)}, lambda: self.board.wait(seconds))

    def close(self) -> None:
        """See `Board.close`; ends the session."""
        if not self._file.closed:
            try:
                self._call("close", {}, self.board.close)
            finally:
                self._file.close()

    def _call(self, name: str, asked: dict[str, Any], call: Callable[[], T]) -> T:
        """Write down a call, make it, and write down what came back."""
        self._number += 1
        self._write({"call": self._number, "name": name} | asked)
        outcome: dict[str, Any] = {"of": self._number}
        try:
            result = call()
        except BaseException as e:
            outcome["error"] = {"kind": type(e).__name__, "text": str(e)}
            with suppress(Exception):  # a board that is gone does not count any more
                self._counters = self.board.counters.as_dict()
            raise
        else:
            if isinstance(result, Tensor):
                outcome["result"] = _packed(result.detach().numpy())
            if name != "close":  # a closed board is asked nothing
                self._counters = self.board.counters.as_dict()
            return result
        finally:
            self._write(outcome | {"counters": self._counters})

    def _write(self, line: dict[str, Any]) -> None:
        """Append a line and hand it to the operating system."""
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


class PlayedBoard:
    """The board of a recorded session: it answers as the recorded one did, errors too.

    Only the recorded calls are answered, in their order and with their arguments.

    Attributes:
        path: The file.
        info: Of the recorded board.
        counters: Of it, as they were after the last call that was played.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        """Open a session.

        Raises:
            DataError: The file cannot be read, or is no session.
        """
        self.path, self._line, self._is_closed = Path(path), 0, False
        self._lines = self._open()
        head = self._next("it is empty")
        if head.get("format") != FORMAT or head.get("version") != VERSION:
            raise DataError(f"{self.path}:1: no {FORMAT} of version {VERSION}")
        try:
            described: _Head = checked(_Head, head, "it", finite=False)
        except ValueError as e:
            raise DataError(f"{self.path}:1: it does not describe a board: {e}") from e
        self.info, self.counters = described["info"], described["counters"]

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`."""
        asked = {"device": None if device is None else _packed(np.asarray(device))}
        return _read(self._play("read", asked))

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`."""
        return _read(self._play("vmm", {"volts": _packed(volts.detach().numpy())}))

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`."""
        self._play("pulse", _asked_pulses(pulses, shape))

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self._play("wait", {"seconds": float(seconds)})

    def close(self) -> None:
        """See `Board.close`; a session may be left before its end."""
        self._is_closed = True
        self._lines.close()

    def _play(self, name: str, asked: dict[str, Any]) -> Tensor | None:
        """What came back from a call, if the session goes on with this one.

        Raises:
            HardwareError: It goes on with another one; or an error of no known class was recorded.
            DataError: It ends here.
        """
        if self._is_closed:
            raise HardwareError(f"{self.path}: the played board is closed")
        recorded = self._next(f"the session ends here, {name} was asked")
        line = self._line
        try:
            difference = _difference(recorded, {"name": name} | asked)
        except ValueError as e:
            raise DataError(f"{self.path}:{line}: {e}") from e
        if difference:
            raise HardwareError(f"{self.path}:{line}: another call was recorded: {difference}")
        outcome = self._next(
            f"the session was cut off during this {name}, the board may have seen it"
        )
        if outcome.get("of") != recorded.get("call"):
            raise DataError(f"{self.path}:{self._line}: it does not answer line {line}")
        try:
            answer: _Outcome = checked(_Outcome, outcome, "it", finite=False)
            result = answer.get("result")
            array = None if result is None else torch.from_numpy(_unpacked(result))
        except ValueError as e:
            raise DataError(f"{self.path}:{self._line}: {e}") from e
        self.counters = answer["counters"]
        if error := answer.get("error"):
            raise _error(error["kind"], error["text"])
        return array

    def _next(self, at_end: str) -> dict[str, Any]:
        """The next line as a mapping."""
        text = next(self._lines, "")
        if not text:
            raise DataError(f"{self.path}:{self._line}: {at_end}")
        self._line += 1
        if not text.endswith("\n"):
            raise DataError(f"{self.path}:{self._line}: the last line is torn; {at_end}")
        try:
            line = parse(text)
        except ValueError as e:
            raise DataError(f"{self.path}:{self._line}: not JSON: {e}") from e
        if not isinstance(line, dict):
            raise DataError(f"{self.path}:{self._line}: not a mapping")
        return line

    def _open(self) -> Generator[str, None, None]:
        """The lines of the file, each with its end."""
        try:
            with self.path.open(encoding="ascii", newline="\n") as file:
                yield from file
        except (OSError, UnicodeError) as e:
            reason = getattr(e, "strerror", None) or "not a text file"
            raise DataError(f"{self.path}: {reason}") from e


def open_recording(
    where: str, *, token: str | None = None, timeout_seconds: float | None = None
) -> PlayedBoard:
    """The board of the session in a file.

    Args:
        where: The file.
        token: Not looked at: a file asks for none.
        timeout_seconds: Likewise.
    """
    return PlayedBoard(where)


def _asked_pulses(pulses: PulseBatch, shape: PulseShape | None) -> dict[str, Any]:
    """Pulses as they are written down."""
    volts, seconds, amperes = PulseShape() if shape is None else shape
    return {
        "device": _packed(np.asarray(pulses.device)),
        "count": _packed(np.asarray(pulses.count)),
        "volts": _number(volts),
        "seconds": _number(seconds),
        "compliance_amperes": _number(amperes),
    }


def _number(value: Any) -> Any:
    """A number, an array of them or None as it is written down."""
    if isinstance(value, np.ndarray):
        return _packed(value)
    return None if value is None else float(value)


def _packed(array: np.ndarray) -> dict[str, Any]:
    """An array as JSON, in the order of its elements, little-endian."""
    plain = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
    text = base64.b64encode(plain.tobytes()).decode("ascii")
    return {"dtype": plain.dtype.str, "shape": list(array.shape), "base64": text}


def _unpacked(packed: "_Packed") -> np.ndarray:
    """The array of `_packed`.

    Raises:
        ValueError: It says none.
    """
    if not DTYPE.fullmatch(packed["dtype"]):
        raise ValueError(f"an array of {shown(packed['dtype'])}, not of numbers")
    flat = np.frombuffer(base64.b64decode(packed["base64"]), packed["dtype"])
    return flat.reshape(packed["shape"]).copy()


def _read(result: Tensor | None) -> Tensor:
    """What a read gave.

    Raises:
        DataError: The session does not say it.
    """
    if result is None:
        raise DataError("a recorded read has no result")
    return result


def _difference(recorded: dict[str, Any], asked: dict[str, Any]) -> str:
    """How a call differs from the recorded one, in words; empty if it does not.

    Raises:
        ValueError: The recorded one has an array that is none.
    """
    if recorded.get("name") != asked["name"]:
        return f"{_shown(recorded.get('name'))}, and {asked['name']} was asked"
    for key, value in asked.items():
        other = recorded.get(key)
        if isinstance(value, dict) and isinstance(other, dict):
            pair = (_unpacked(checked(_Packed, packed, key)) for packed in (other, value))
            text = _array_difference(*pair)
        else:
            is_equal = other == value or (other != other and value != value)  # nan is nan
            text = "" if is_equal else f"{_shown(other)}, and {_shown(value)} was asked"
        if text:
            return f"{asked['name']} with {key} {text}"
    return ""


def _shown(value: Any) -> str:
    """An argument in a message."""
    return "an array" if isinstance(value, dict) else printable(str(value))[:LONGEST_SHOWN]


def _array_difference(recorded: np.ndarray, asked: np.ndarray) -> str:
    """How two arrays differ, in words; empty if they are equal."""
    if recorded.shape != asked.shape:
        return f"of shape {recorded.shape}, and {asked.shape} was asked"
    differs = ~((recorded == asked) | ((recorded != recorded) & (asked != asked)))
    if not differs.any():
        return ""
    place = tuple(int(i) for i in np.argwhere(differs)[0])
    index = ", ".join(map(str, place))
    return f"[{index}] = {recorded[place]}, and {asked[place]} was asked"


def _error(kind: str, text: str) -> BaseException:
    """A recorded error, of its class where that is known; what ends a program is not among them."""
    text = " ".join(printable(text).split("\n"))[:LONGEST_TEXT]
    cls = getattr(errors, kind, None) or getattr(builtins, kind, None)
    if isinstance(cls, type) and issubclass(cls, Exception | KeyboardInterrupt):
        try:
            return cls(text)
        except TypeError:  # one that takes more than a message
            pass
    return HardwareError(f"{_shown(kind)}: {text}")


class _Packed(TypedDict):
    """An array, see `_packed`."""

    dtype: str
    shape: tuple[int, ...]
    base64: str


class _Error(TypedDict):
    """What a call raised."""

    kind: str
    text: str


class _Head(TypedDict):
    """The first line, beside the format."""

    info: BoardInfo
    counters: Counters


class _Outcome(TypedDict):
    """What came back from a call."""

    counters: Counters
    error: NotRequired[_Error | None]
    result: NotRequired[_Packed | None]
