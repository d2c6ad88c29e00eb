"""The seam: all that a trainer may ask of an array of devices, emulated or real."""

from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from ..counters import Counters


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

    def program(self, targets_siemens: Tensor) -> None:
        """Bring every selected device near its target by pulses and verifying reads."""

    def close(self) -> None:
        """Let go of the array; idempotent."""
