"""A board whose answers are looked at before anybody computes with them."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from device_models.errors import BoardError, HardwareError, ShapeError, XbarError

from ..array.counters import Counters
from .protocol import BoardInfo, Indices, PulseBatch, PulseShape

MEMBERS = ("info", "counters", "read", "vmm", "pulse", "wait", "close")
# Noise may bring a read below zero; ours: by so much of the largest conductance, and of a read of
# so many devices no more than this part.
NEGATIVE_SIEMENS, NEGATIVE_PART, MANY = 0.05, 0.75, 16
T = TypeVar("T")


class CheckedBoard:
    """A board of somebody else's, whose answers have to be what `Board` says.

    Reads and products are torch tensors of floating point, of the right shape, and finite: who asks
    for a device that is not there cannot go on. Conductances are not negative, but for noise. What
    goes wrong in a driver is one line. A measurement takes numbers as they are read.

    Attributes:
        board: The board.
        info: Of it.
    """

    def __init__(
        self,
        board: Any,
        *,
        most_siemens: float | None = None,
        source: str = "the board",
        any_siemens: bool = False,
    ) -> None:
        """Look at a board; nothing is sent.

        Args:
            board: What should be a `Board`.
            most_siemens: Largest conductance that a device may have; None where unknown.
            source: Where it came from, for the message that it is none.
            any_siemens: Whether a read may be nan, where no device is, or negative.

        Raises:
            BoardError: It has not the members of a board, or its `info` is none.
            HardwareError: A member raises something else.
        """
        missing = [name for name in MEMBERS if _member(board, name, source) is None]
        if missing:
            raise BoardError(
                f"{source} gave {kind_of(board)}, which is no board: it has no "
                f"{', '.join(missing)}; nothing was sent"
            )
        self.board, self._most_siemens, self._any_siemens = board, most_siemens, any_siemens
        self.info = _checked_info(board.info, source)

    @property
    def counters(self) -> Counters:
        """See `Board.counters`."""
        counters = self._ask("counters", lambda: self.board.counters)
        if not isinstance(counters, Counters):
            raise self._wrong("counters", kind_of(counters), "Counters")
        return counters

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`.

        Raises:
            BoardError, ShapeError: That is no read of devices.
        """
        shape = self.info.shape if device is None else np.shape(device)
        values = self._tensor("read", self._ask("read", lambda: self.board.read(device)), shape)
        if self._any_siemens or not values.numel():
            return values
        wrong = self._unphysical(values)
        if wrong is None:
            return values
        number = wrong if device is None else int(np.asarray(device).reshape(-1)[wrong])
        word, bit = divmod(number, self.info.shape[1])
        value = f"{float(values.reshape(-1)[wrong]):g} S for word line {word}, bit line {bit}"
        raise self._wrong("read", value, "a conductance, finite and not negative")

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`.

        Raises:
            BoardError, ShapeError: That is no product.
        """
        shape = len(volts), self.info.shape[1]
        values = self._tensor("vmm", self._ask("vmm", lambda: self.board.vmm(volts)), shape)
        finite = torch.isfinite(values)
        if bool(finite.all()):
            return values
        vector, bit = divmod(int((~finite).reshape(-1).nonzero()[0]), shape[1])
        value = f"{float(values[vector, bit]):g} A on bit line {bit} for vector {vector}"
        raise self._wrong("vmm", value, "a finite current")

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`."""
        self._ask("pulse", lambda: self.board.pulse(pulses, shape))

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self._ask("wait", lambda: self.board.wait(seconds))

    def close(self) -> None:
        """See `Board.close`."""
        self._ask("close", self.board.close)

    def _ask(self, call: str, ask: Callable[[], T]) -> T:
        """Ask the board; what its driver raises becomes one line.

        Raises:
            XbarError: That of the board, or a HardwareError of another one.
        """
        try:
            return ask()
        except XbarError:
            raise
        except Exception as e:  # whatever the libraries of a driver have
            raise HardwareError(f"{self.info.name}: {call}: {in_one_line(e)}") from e

    def _tensor(self, call: str, value: Any, shape: tuple[int, ...]) -> Tensor:
        """An answer that is a tensor of numbers of this shape.

        Raises:
            BoardError, ShapeError: It is none.
        """
        expected = f"a torch tensor of floating point, {shape}"
        if not isinstance(value, Tensor):
            raise self._wrong(call, kind_of(value), expected)
        answer = (
            f"{str(value.dtype).removeprefix('torch.')} on {value.device}, {tuple(value.shape)}"
        )
        if not value.is_floating_point() or value.device.type != "cpu":
            raise self._wrong(call, answer, expected)
        if tuple(value.shape) != shape:
            raise ShapeError(f"{self.info.name}: {call} gave {answer}, expected {expected}")
        return value

    def _unphysical(self, values: Tensor) -> int | None:
        """Position of a conductance that cannot be; None if all can."""
        flat, least = values.detach().reshape(-1), -math.inf
        if self._most_siemens is not None:
            least = -NEGATIVE_SIEMENS * self._most_siemens
        below = flat < 0.0
        if len(flat) >= MANY and int(below.sum()) > NEGATIVE_PART * len(flat):
            least = 0.0
        wrong = ~torch.isfinite(flat) | (flat < least)
        return int(wrong.nonzero()[0]) if bool(wrong.any()) else None

    def _wrong(self, call: str, answer: str, expected: str) -> BoardError:
        """What a wrong answer is told."""
        return BoardError(f"{self.info.name}: {call} gave {answer}, expected {expected}")


def in_one_line(error: BaseException) -> str:
    """The type of an error and its words, `OSError: USB gone`."""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def kind_of(value: Any) -> str:
    """What a value is, in a message."""
    if isinstance(value, np.ndarray):
        return f"a numpy array {value.dtype} {value.shape}"
    return "None" if value is None else f"{type(value).__name__} {str(value)[:40]!r}"


def _member(board: Any, name: str, source: str) -> Any:
    """A member of what should be a board; None where there is none.

    Raises:
        XbarError: That of the board, or a HardwareError of another one.
    """
    try:
        return getattr(board, name, None)
    except XbarError:
        raise
    except Exception as e:  # whatever the libraries of a driver have
        raise HardwareError(f"{source}: {name}: {in_one_line(e)}; nothing was sent") from e


def _checked_info(info: Any, source: str) -> BoardInfo:
    """The description of a board, if it is one.

    Raises:
        BoardError: It is none.
    """
    if not isinstance(info, BoardInfo):
        raise BoardError(
            f"{source}: info is {kind_of(info)}, expected a BoardInfo; nothing was sent"
        )
    for name in ("shape", "tile_shape"):
        shape = getattr(info, name)
        is_pair = isinstance(shape, tuple) and len(shape) == 2
        if not is_pair or not all(isinstance(n, int) and n > 0 for n in shape):
            raise BoardError(
                f"{info.name}: info.{name} is {shape!r}, expected (word lines, bit lines); "
                "nothing was sent"
            )
    for name in ("read_volts", "read_seconds"):
        value = getattr(info, name)
        if not isinstance(value, (int, float)) or not 0.0 < value < math.inf:
            raise BoardError(
                f"{info.name}: info.{name} is {value!r}, expected a number above 0; nothing was "
                "sent"
            )
    return info
