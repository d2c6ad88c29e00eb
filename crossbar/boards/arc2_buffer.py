"""The command buffer of an emulated ArC TWO, and the state of its channels."""

import operator
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Self

import numpy as np
from numpy.typing import NDArray

from device_models.errors import LimitError, ShapeError

from . import lab
from .arc2_names import (
    BIT_CHANNELS,
    CHANNELS,
    EXTENDED_VOLTS,
    STANDARD_VOLTS,
    WORD_CHANNELS,
    ArC2Error,
    ControlMode,
    DataMode,
    IdleMode,
    OutputRange,
    ReadType,
    channels_of,
    line_of,
)
from .lines import Lines
from .protocol import Board

Amperes = NDArray[np.float32]
Channels = Iterable[int]
NANOS_PER_SECOND = 1e9  # divided by: 100 ns are then the 1e-07 s that a person writes


class CommandBuffer:
    """What waits, how each channel is driven, and what was measured; see `pyarc2.Instrument`."""

    def __init__(self, board: Board, *, init: bool) -> None:
        """Take an array; `init` brings its channels to 0 V, else they are at hard ground."""
        self._lines = Lines(board)
        self._queue: deque[Callable[[], None]] = deque()
        self._results: deque[Amperes] = deque()
        self._volts = np.zeros(CHANNELS)
        self._is_open = np.zeros(CHANNELS, np.bool_)
        self._most_volts = np.full(CHANNELS, STANDARD_VOLTS)
        if not init:
            self._lines.ground_all()

    # The command buffer

    def execute(self) -> Self:
        """Carry out what waits. An error ends it, and what comes after is dropped."""
        try:
            while self._queue:
                self._queue.popleft()()
        except (LimitError, ShapeError) as e:
            raise ArC2Error(str(e)) from e
        finally:
            self._queue.clear()
        return self

    def busy(self) -> bool:
        """Whether commands are being carried out: never, `execute` returns when they are."""
        return False

    def wait(self) -> None:
        """Until everything is carried out."""

    def delay(self, nanos: int) -> Self:
        """Let device time pass."""
        seconds = whole_nanos(nanos) / NANOS_PER_SECOND
        return self._later(lambda: self._lines.wait(seconds))

    def _later(self, command: Callable[[], None]) -> Self:
        """Queue a command."""
        self._queue.append(command)
        return self

    # Channels

    def ground_all(self) -> Self:
        """Drive all channels to 0 V."""
        return self._later(lambda: self._drive({}, 0.0))

    ground_all_fast = ground_all

    def float_all(self) -> Self:
        """Disconnect all channels from their drivers."""
        return self.open_channels(range(CHANNELS))

    def open_channels(self, channels: Channels) -> Self:
        """Disconnect channels from their drivers."""
        opened = mask_of(channels)
        return self._later(lambda: self._is_open.__setitem__(opened, True))

    def config_channels(
        self, config: Iterable[tuple[int, float]], base: float | None = None
    ) -> Self:
        """Drive channels to voltages, the others to `base`, or as they are for None."""
        volts = {int(channel): self._checked(v, channel) for channel, v in config}
        return self._later(lambda: self._drive(volts, base))

    def _drive(self, volts: dict[int, float], base: float | None) -> None:
        """Set voltages of channels, and of all others if given."""
        if base is not None:
            self._volts[:] = base
            self._is_open[:] = False
        for channel, value in volts.items():
            self._volts[channel], self._is_open[channel] = value, False

    def connect_to_gnd(self, chans: Channels) -> Self:
        """Switch these channels to hard ground, and no others."""
        grounded = mask_of(chans)
        return self._later(lambda: self._ground(grounded))

    def gnd_add(self, chans: Channels) -> Self:
        """Switch channels to hard ground, besides others."""
        grounded = mask_of(chans)
        return self._later(lambda: self._ground(self._grounded() | grounded))

    def gnd_remove(self, chans: Channels) -> Self:
        """Release channels from hard ground."""
        released = mask_of(chans)
        return self._later(lambda: self._ground(self._grounded() & ~released))

    def _grounded(self) -> NDArray[np.bool_]:
        """Which channels are at hard ground."""
        grounded = np.zeros(CHANNELS, np.bool_)
        grounded[WORD_CHANNELS] = self._lines.grounded_words
        grounded[BIT_CHANNELS] = self._lines.grounded_bits
        return grounded

    def _ground(self, grounded: NDArray[np.bool_]) -> None:
        """Put these channels at hard ground."""
        self._lines.grounded_words = grounded[WORD_CHANNELS]
        self._lines.grounded_bits = grounded[BIT_CHANNELS]

    def finalise_operation(
        self, mode: IdleMode | None = None, control: ControlMode | None = None
    ) -> None:
        """Leave the channels in an idle mode; None: as they are. An emulator has no `control`."""
        if mode is None:
            return
        if not isinstance(mode, IdleMode):
            raise ArC2Error(f"an idle mode is one of IdleMode, not {mode!r}")
        self.connect_to_gnd(range(CHANNELS) if mode is IdleMode.HardGnd else ()).ground_all()
        if mode is not IdleMode.SoftGnd:
            self.float_all()
        self.execute()

    def set_channel_range(self, chans: Channels, rng: OutputRange) -> Self:
        """Choose the range of channels."""
        most = EXTENDED_VOLTS if rng is OutputRange.EXT else STANDARD_VOLTS
        self._most_volts[mask_of(chans)] = most
        return self

    def _open_currents(self, highs: NDArray[np.bool_]) -> Amperes:
        """Currents of channels with the voltages that are there: I = sum G (V - V_other)."""
        currents = np.full(CHANNELS, np.nan, np.float32)
        grounded = self._grounded()
        volts = np.where(grounded, 0.0, self._volts)
        measured = highs & ~self._is_open & ~grounded
        axes: tuple[tuple[lab.Axis, lab.Axis], ...] = (("word", "bit"), ("bit", "word"))
        for driven, axis in axes:
            others, channels = channels_of(driven), channels_of(axis)
            channels = channels[measured[channels]]
            for value in np.unique(volts[channels]):  # all lines at one voltage in one product
                across = np.where(self._is_open[others], 0.0, value - volts[others])
                here = channels[volts[channels] == value]
                lines = [line_of(int(channel))[1] for channel in here]
                currents[here] = lab.vmm(self._lines.board, across, driven)[0, lines]
        return currents

    # Results

    def pick_one(self, mode: DataMode, rtype: ReadType = ReadType.Current) -> Amperes | None:
        """The next result, (64,) or (32,) of the word or bit channels; None if there is none."""
        if rtype is not ReadType.Current:
            raise ArC2Error("an emulated ArC TWO measures currents alone")
        if not self._results:
            return None
        currents = self._results.popleft()
        if mode is DataMode.All:
            return currents
        return currents[WORD_CHANNELS if mode is DataMode.Words else BIT_CHANNELS]

    def get_iter(self, mode: DataMode, rtype: ReadType | None = None) -> Iterator[Amperes]:
        """All results, in the order they were measured; each is handed out once."""
        while (result := self.pick_one(mode, rtype or ReadType.Current)) is not None:
            yield result

    def _checked(self, volts: float, channel: int) -> float:
        """A voltage within the range of a channel."""
        line_of(int(channel))
        most = self._most_volts[int(channel)]
        if not abs(volts) <= most:
            raise ArC2Error(
                f"{volts:g} V on channel {channel} is beyond +/-{most:g} V; nothing was sent"
            )
        return float(volts)


def whole_nanos(nanos: int) -> int:
    """Whole nanoseconds.

    Raises:
        TypeError: It is no whole number, as in pyarc2.
        ArC2Error: It is negative.
    """
    whole = operator.index(nanos)
    if whole < 0:
        raise ArC2Error(f"{whole} ns is no time; nothing was sent")
    return whole


def mask_of(channels: Channels) -> NDArray[np.bool_]:
    """Channels as (64,) bool."""
    mask = np.zeros(CHANNELS, np.bool_)
    for channel in channels:
        line_of(int(channel))
        mask[int(channel)] = True
    return mask


def crossing(channel: int) -> NDArray[np.int64]:
    """The channels of the lines that cross the line of a channel, in their order."""
    return channels_of("bit" if line_of(channel)[0] == "word" else "word")


def devices_between(low: int, highs: Channels) -> tuple[lab.Axis, int, NDArray[np.bool_]]:
    """The devices between a low channel and high ones: axis and number of the line, and a mask."""
    axis, line = line_of(low)
    chosen, across = mask_of(highs), crossing(low)
    if chosen.sum() != chosen[across].sum():
        raise ArC2Error(f"channel {low} and a high channel are both {axis} lines; nothing was sent")
    return axis, line, chosen[across]
