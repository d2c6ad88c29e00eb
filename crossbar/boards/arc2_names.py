"""Channels and words of an ArC TWO as its Python interface has them; `pyarc2` uses them.

Names and values are those of pyarc2 0.6 and libarc2, and so are the lines of the channels.
"""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from device_models.errors import HardwareError

from .protocol import Grid

CHANNELS, SIDE = 64, 32
BIT_CHANNELS: NDArray[np.int64] = np.r_[0:16, 32:48]
WORD_CHANNELS: NDArray[np.int64] = np.r_[16:32, 48:64]
STANDARD_VOLTS, EXTENDED_VOLTS = 10.0, 20.0
# 16 bit over 20 V, and the clock of the pulse generators, which give no pulse below two periods.
LEAST_SECONDS = 40e-9
GRID = Grid(
    dac_volts=2 * STANDARD_VOLTS / 2**16,
    most_volts=STANDARD_VOLTS,
    time_seconds=20e-9,
    least_seconds=LEAST_SECONDS,
)


class ArC2Error(HardwareError):
    """What the instrument refuses."""


class BiasOrder(Enum):
    """Which lines are biased high, one after another the lines of the other axis are low."""

    Rows = "rows"
    Cols = "cols"


class DataMode(Enum):
    """Which channels of a result are handed out."""

    Words = "words"
    Bits = "bits"
    All = "all"


class ReadType(Enum):
    """What a result holds."""

    Current = "current"
    Voltage = "voltage"


class ReadAfter(Enum):
    """When a ramp reads."""

    Pulse = "pulse"
    Block = "block"
    Ramp = "ramp"
    Never = "never"

    @staticmethod
    def from_str(name: str) -> "ReadAfter":
        """By name, lower case.

        Raises:
            ValueError: There is no such one.
        """
        return ReadAfter(name)


@dataclass(frozen=True)
class ReadAt:
    """At which voltage a ramp reads: its own, another one, or never."""

    kind: Literal["bias", "arb", "never"]
    volts: float = 0.0
    Bias: ClassVar["ReadAt"]
    Never: ClassVar["ReadAt"]

    @staticmethod
    def Arb(voltage: float) -> "ReadAt":  # the name of the interface
        """At a voltage."""
        return ReadAt("arb", float(voltage))

    def voltage(self) -> float:
        """That of `Arb`.

        Raises:
            ArC2Error: It is another kind.
        """
        if self.kind != "arb":
            raise ArC2Error(f"a read at {self.kind} has no voltage of its own")
        return self.volts


ReadAt.Bias = ReadAt("bias")
ReadAt.Never = ReadAt("never")


@dataclass(frozen=True)
class WaitFor:
    """How long a train of reads goes on."""

    nanos: int = 0
    iterations: int = 0

    @staticmethod
    def Nanos(nanos: int) -> "WaitFor":  # the name of the interface
        """So many nanoseconds."""
        return WaitFor(nanos=nanos)

    @staticmethod
    def Millis(millis: int) -> "WaitFor":  # the name of the interface
        """So many milliseconds."""
        return WaitFor(nanos=millis * 1_000_000)

    @staticmethod
    def Iterations(iterations: int) -> "WaitFor":  # the name of the interface
        """So many reads."""
        return WaitFor(iterations=iterations)


class IdleMode(Enum):
    """How channels are left."""

    Float = 0b01
    SoftGnd = 0b10
    HardGnd = 0b11


class ControlMode(Enum):
    """Where the daughterboard routes its channels; an emulated array has one place only."""

    Header = "header"
    Internal = "internal"


class OutputRange(Enum):
    """Range of a channel: 10 V or 20 V, either sign."""

    STD = "std"
    EXT = "ext"


def line_of(channel: int) -> tuple[Literal["word", "bit"], int]:
    """The line that a channel drives.

    Raises:
        ArC2Error: There is no such channel.
    """
    if not 0 <= channel < CHANNELS:
        raise ArC2Error(f"there is no channel {channel}, an ArC TWO has 0 to {CHANNELS - 1}")
    half, place = divmod(channel, SIDE)
    axis: Literal["word", "bit"] = "bit" if place < SIDE // 2 else "word"
    return axis, half * SIDE // 2 + place % (SIDE // 2)


def channels_of(axis: Literal["word", "bit"]) -> NDArray[np.int64]:
    """The channels of all word or bit lines, in their order."""
    return WORD_CHANNELS if axis == "word" else BIT_CHANNELS
