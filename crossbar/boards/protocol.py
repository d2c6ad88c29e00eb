"""The seam: all that a trainer may ask of an array of devices, emulated or real."""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from device_models.errors import LimitError, ShapeError

from ..array.counters import Counters

Axis = Literal["word", "bit"]


@dataclass(frozen=True)
class BoardInfo:
    """What a board is.

    Attributes:
        name: Who answers.
        shape: (word lines, bit lines).
        tile_shape: Largest (word lines, bit lines) that are read together.
        v_read_volts: Read voltage.
        t_read_seconds: Duration of one read.
        is_emulator: Whether the devices are simulated.
    """

    name: str
    shape: tuple[int, int]
    tile_shape: tuple[int, int]
    v_read_volts: float
    t_read_seconds: float
    is_emulator: bool


class PulseBatch(NamedTuple):
    """Signed pulses for some devices of an array, each named once.

    Attributes:
        where: Flat indices of the devices, int32 (devices,), in any order.
        counts: Their signed pulses, int32 (devices,); a device with 0 gets none.
    """

    where: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, counts: Tensor) -> Self:
        """Of an array of counts, whole numbers."""
        flat = counts.to(torch.int32).contiguous().view(-1).numpy()
        where = np.flatnonzero(flat != 0).astype(np.int32)
        return cls(where, flat[where])

    def array(self, shape: tuple[int, int]) -> Tensor:
        """As an array of counts, int32, 0 where nothing is sent."""
        counts = torch.zeros(shape, dtype=torch.int32)
        counts.view(-1).numpy()[self.where] = self.counts
        return counts


class Board(Protocol):
    """An array of devices that can be read and pulsed, and nothing else.

    Conductances cannot be set: `program` too sends pulses and reads back.
    """

    info: BoardInfo
    counters: Counters

    def read_one(self, word_line: int, bit_line: int) -> float:
        """Conductance of one device, siemens, with the noise of one read."""

    def read_slice(self, line: int, axis: Literal["word", "bit"]) -> Tensor:
        """Conductances along one word or bit line, siemens."""

    def read_all(self) -> Tensor:
        """Conductances of every device, siemens, (word lines, bit lines)."""

    def vmm(self, v_volts: Tensor) -> Tensor:
        """Bit-line currents, amperes, (vectors, bit lines), for voltages (vectors, word lines)."""

    def pulse_one(self, word_line: int, bit_line: int, count: int) -> None:
        """Send `count` SET pulses to one device, RESET pulses if negative."""

    def pulse_slice(self, line: int, axis: Literal["word", "bit"], counts: Tensor) -> None:
        """Send each device along one line its own signed number of pulses."""

    def pulse_array(self, counts: Tensor) -> None:
        """Send every device its own signed number of pulses, (word lines, bit lines)."""

    def program(self, targets_siemens: Tensor, only: Tensor | None = None) -> Tensor:
        """Bring every selected device near its target by pulses and verifying reads.

        Args:
            targets_siemens: One per device, (word lines, bit lines).
            only: Devices that are read and programmed, bool; None for all that are selected.
        Returns:
            What the last reads found, siemens; the targets, where nothing was read.
        """

    def close(self) -> None:
        """Let go of the array; idempotent."""


def check_line(shape: tuple[int, int], line: int, axis: Axis) -> None:
    """Raise LimitError for a line that the array does not have; a negative one is none."""
    lines = shape[0 if axis == "word" else 1]
    if not 0 <= line < lines:
        raise LimitError(
            f"there is no {axis} line {line}, the array has 0 to {lines - 1}; nothing was sent"
        )


def counts_of_one(shape: tuple[int, int], word_line: int, bit_line: int, count: int) -> Tensor:
    """Counts of an array of which one device gets pulses; LimitError if it has no such device."""
    check_line(shape, word_line, "word")
    check_line(shape, bit_line, "bit")
    counts = torch.zeros(shape, dtype=torch.int32)
    counts[word_line, bit_line] = count
    return counts


def counts_of_line(shape: tuple[int, int], line: int, axis: Axis, counts: Tensor) -> Tensor:
    """Counts of an array of which one line gets pulses.

    Raises:
        LimitError: The array has no such line.
        ShapeError: There is not one count for each device of the line.
    """
    check_line(shape, line, axis)
    everywhere = torch.zeros(shape, dtype=torch.int32)
    along = (everywhere if axis == "word" else everywhere.T)[line]
    if counts.shape != along.shape:  # torch would send a single count to the whole line
        raise ShapeError(
            f"counts has shape {tuple(counts.shape)}, the line {tuple(along.shape)}; "
            "no pulse was applied"
        )
    along.copy_(counts)
    return everywhere
