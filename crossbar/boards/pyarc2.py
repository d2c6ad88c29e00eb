"""The names of pyarc2, for scripts of an ArC TWO to run on an emulated board.

    from crossbar.boards.pyarc2 import Instrument, find_ids  # in place of: from pyarc2 import ...

32 x 32 devices, amperes, whole nanoseconds, nan where nothing is selected. Commands wait until
`execute`, or until something is read at once; methods chain. As in libarc2 (72f8c9f):

- the low channel is biased at minus the read voltage, the current is that of the high channel;
- `BiasOrder.Rows` takes the word lines as low, one after another: results are [word, bit];
  `Cols` takes the bit lines: [bit, word];
- a ramp has the voltages of [start, stop).

The voltage of a pulse is that of the high channel over the low one. A device sees that of its bit
line over its word line: above 0 it is set, below 0 it is reset. So a positive pulse with a bit line
as the low channel resets. Reads are ohmic and disturb nothing. Left out, and refused as attributes
that do not exist: fast open slices, selectors, auxiliary DACs, digital lines, voltage reads.
"""

import math
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from device_models.errors import ShapeError
from device_models.presets import load_device

from ..array.tile import Tiling
from . import lab
from .arc2_buffer import (
    NANOS_PER_SECOND,
    Amperes,
    Channels,
    CommandBuffer,
    crossing,
    devices_between,
    mask_of,
    whole_nanos,
)
from .arc2_names import (
    BIT_CHANNELS,
    CHANNELS,
    GRID,
    SIDE,
    WORD_CHANNELS,
    ArC2Error,
    BiasOrder,
    ControlMode,
    DataMode,
    IdleMode,
    OutputRange,
    ReadAfter,
    ReadAt,
    ReadType,
    WaitFor,
)
from .protocol import Board
from .quantised import QuantisedBoard
from .simulated import SimulatedBoard

__all__ = [
    "ArC2Error",
    "BiasOrder",
    "ControlMode",
    "DataMode",
    "IdleMode",
    "Instrument",
    "OutputRange",
    "ReadAfter",
    "ReadAt",
    "ReadType",
    "WaitFor",
    "default_board",
    "find_ids",
    "plug_in",
    "unplug",
]

READ_VOLTS, READ_SECONDS = 0.2, 320e-6  # an averaged read takes 320 us

# The instruments on this computer: port -> the array that is bonded to it. As with real ones, a
# script that connects again meets the devices as it left them.
_plugged: dict[int, Board] = {}


def plug_in(board: Board) -> int:
    """Connect an array of 32 x 32 devices; the port that `find_ids` will list.

    Raises:
        ShapeError: It has another shape.
    """
    if board.info.shape != (SIDE, SIDE):
        raise ShapeError(f"an ArC TWO drives 32 x 32 devices, {board.info.name} has another shape")
    port = max(_plugged, default=-1) + 1
    _plugged[port] = board
    return port


def unplug(port: int) -> None:
    """Disconnect an array; nothing happens to it."""
    _plugged.pop(port, None)


def find_ids() -> list[int]:
    """The ports of all instruments.

    Where no array was plugged in, that of `default_board` behind the steps of the instrument in its
    standard range. An array that is plugged in has the steps that it is given.
    """
    return sorted(_plugged) or [plug_in(QuantisedBoard(default_board(), GRID))]


def default_board(device: str = "oxram", seed: int = 0) -> SimulatedBoard:
    """A new array of 32 x 32 devices with a transistor each, without wires or faults."""
    return SimulatedBoard(
        load_device(device), Tiling(SIDE, SIDE, SIDE, SIDE),
        torch.ones(SIDE, SIDE, dtype=torch.bool), v_read_volts=READ_VOLTS,
        t_read_seconds=READ_SECONDS, seed=seed, index=0,
    )  # fmt: skip


class Instrument(CommandBuffer):
    """An ArC TWO with an array. For its methods see pyarc2; channels are 0 to 63.

    Every method raises ArC2Error for a channel that does not exist, two channels of one axis where
    a device is meant, or a voltage beyond the range; nothing was queued or sent.
    """

    def __init__(self, port: int, firmware: str, init: bool = True) -> None:
        """Connect.

        Args:
            port: One of `find_ids`.
            firmware: Not looked at: an emulator needs none.
            init: Whether to bring the channels to 0 V, without hard ground.
        """
        if port not in find_ids():
            raise ArC2Error(f"no ArC TWO at port {port}; there are {find_ids()}")
        super().__init__(_plugged[port], init=init)

    # Reads

    def read_one(self, low: int, high: int, vread: float) -> float:
        """Current of a device, amperes."""
        return float(self._read(low, [high], vread)[high])

    def read_slice(self, chan: int, vread: float) -> Amperes:
        """Currents of the devices of a line, (32,)."""
        highs = crossing(chan)
        return self._read(chan, highs, vread)[highs]

    def read_slice_masked(self, chan: int, mask: Channels, vread: float) -> Amperes:
        """Currents of some devices of a line, (32,), nan elsewhere."""
        return self._read(chan, mask, vread)[crossing(chan)]

    def read_all(self, vread: float, order: BiasOrder) -> Amperes:
        """Currents of all devices, (32, 32); for which index is which see the module."""
        return np.stack([self.read_slice(int(low), vread) for low in _lows(order)])

    def read_slice_open(self, highs: Channels, ground_after: bool = True) -> Amperes:
        """Currents of channels, all at once, with the voltages that are there; (64,), else nan."""
        self.read_slice_open_deferred(highs, ground_after).execute()
        return self._results.pop()

    def read_slice_open_deferred(self, highs: Channels, ground_after: bool = True) -> Self:
        """`read_slice_open` into the results."""
        chosen = mask_of(highs)

        def read() -> None:
            self._results.append(self._open_currents(chosen))
            if ground_after:
                self._drive({}, 0.0)

        return self._later(read)

    def read_train(
        self,
        low: int,
        high: int,
        vread: float,
        interpulse: int,
        preload: float | None,
        condition: WaitFor,
    ) -> None:
        """Read a device again and again, at once, into the results."""
        del preload  # a bias between reads disturbs nothing here
        count = condition.iterations
        if not count:
            count = max(1, math.ceil(condition.nanos / max(1, whole_nanos(interpulse))))
        self._train(low, [high], vread, count, interpulse).execute()

    def generate_read_train(
        self,
        lows: Channels | None,
        highs: Channels,
        vread: float,
        nreads: int,
        inter_nanos: int,
        ground: bool,
    ) -> Self:
        """Queue reads of channels, with `lows` at minus the read voltage; None: as they are."""
        volts = {int(low): -self._checked(vread, int(low)) for low in lows or ()}
        for _ in range(nreads):
            self.config_channels(volts.items()).read_slice_open_deferred(highs, False)
            self.delay(inter_nanos)
        return self.ground_all() if ground else self

    def _train(self, low: int, highs: Channels, vread: float, count: int, inter_nanos: int) -> Self:
        """Queue reads of devices of one line."""
        for _ in range(count):
            self._read_later(low, highs, vread).delay(inter_nanos)
        return self

    def _read(self, low: int, highs: Channels, vread: float) -> Amperes:
        """Carry out what waits, then read devices of one line; (64,)."""
        self._read_later(low, highs, vread).execute()
        self._drive({}, 0.0)
        return self._results.pop()

    def _read_later(self, low: int, highs: Channels, vread: float) -> Self:
        """Queue the read of devices of one line into the results."""
        axis, line, mask = devices_between(low, highs)
        volts, channels = self._checked(vread, low), crossing(low)

        def read() -> None:
            currents = np.full(CHANNELS, np.nan, np.float32)
            currents[channels] = lab.read_slice(self._lines, line, axis, mask) * volts
            self._results.append(currents)

        return self._later(read)

    # Pulses

    def pulse_one(self, low: int, high: int, voltage: float, nanos: int) -> Self:
        """Queue a pulse to a device."""
        return self._pulse(low, [high], voltage, nanos)

    def pulse_slice(self, chan: int, voltage: float, nanos: int) -> Self:
        """Queue a pulse to the devices of a line, its channel low."""
        return self._pulse(chan, crossing(chan), voltage, nanos)

    def pulse_slice_masked(self, chan: int, voltage: float, nanos: int, mask: Channels) -> Self:
        """Queue a pulse to some devices of a line, its channel low."""
        return self._pulse(chan, mask, voltage, nanos)

    def pulse_all(self, voltage: float, nanos: int, order: BiasOrder) -> Self:
        """Queue a pulse to every device, line by line."""
        for low in _lows(order):
            self.pulse_slice(int(low), voltage, nanos)
        return self

    def pulseread_one(self, low: int, high: int, vpulse: float, nanos: int, vread: float) -> float:
        """`pulse_one`, then `read_one`."""
        return self.pulse_one(low, high, vpulse, nanos).read_one(low, high, vread)

    def pulseread_slice(self, chan: int, vpulse: float, nanos: int, vread: float) -> Amperes:
        """`pulse_slice`, then `read_slice`."""
        return self.pulse_slice(chan, vpulse, nanos).read_slice(chan, vread)

    def pulseread_slice_masked(
        self, chan: int, mask: Channels, vpulse: float, nanos: int, vread: float
    ) -> Amperes:
        """`pulse_slice_masked`, then `read_slice_masked`."""
        chosen = list(mask)
        self.pulse_slice_masked(chan, vpulse, nanos, chosen)
        return self.read_slice_masked(chan, chosen, vread)

    def pulseread_all(self, vpulse: float, nanos: int, vread: float, order: BiasOrder) -> Amperes:
        """Pulse and read line after line, (32, 32); see `read_all`."""
        return np.stack(
            [self.pulseread_slice(int(low), vpulse, nanos, vread) for low in _lows(order)]
        )

    def _pulse(self, low: int, highs: Channels, voltage: float, nanos: int) -> Self:
        """Queue a pulse to devices of one line; one of 0 V takes its time and does nothing."""
        axis, line, mask = devices_between(low, highs)
        over = self._checked(voltage, low)
        volts = over if axis == "word" else -over  # of the bit line over the word line
        seconds = whole_nanos(nanos) / NANOS_PER_SECOND

        def pulse() -> None:
            if volts and mask.any():
                lab.pulse_slice(self._lines, line, axis, volts, seconds, mask)

        return self._later(pulse)

    def generate_ramp(
        self,
        low: int,
        high: int,
        vstart: float,
        vstep: float,
        vstop: float,
        pw_nanos: int,
        inter_nanos: int,
        num_pulses: int,
        read_at: ReadAt,
        read_after: ReadAfter,
    ) -> Self:
        """Queue a staircase of pulses to a device, with reads into the results."""
        if vstep == 0.0 or (vstop < vstart) != (vstep < 0.0):
            raise ArC2Error(f"no ramp goes from {vstart:g} to {vstop:g} V in steps of {vstep:g} V")
        steps = math.ceil(np.float32(vstop - vstart) / np.float32(vstep))
        is_read = read_at.kind != "never" and read_after is not ReadAfter.Never
        volts = [float(vstart + vstep * i) for i in range(steps)]
        for v in volts:
            self._checked(v, low)
        for v in volts:
            at = v if read_at.kind == "bias" else read_at.volts
            if num_pulses == 0 and is_read and read_after is ReadAfter.Pulse:
                self._read_later(low, [high], at)
            for number in range(num_pulses):
                self._pulse(low, [high], v, pw_nanos)
                is_last = number == num_pulses - 1
                now = read_after is ReadAfter.Pulse or (read_after is ReadAfter.Block and is_last)
                if is_read and now:
                    self._read_later(low, [high], at)
                self.delay(inter_nanos)
        if is_read and read_after is ReadAfter.Ramp and volts:
            at = volts[-1] if read_at.kind == "bias" else read_at.volts
            self._read_later(low, [high], at)
        return self


def _lows(order: BiasOrder) -> NDArray[np.int64]:
    """The channels that are low one after another."""
    if not isinstance(order, BiasOrder):
        raise ArC2Error(f"a bias order is BiasOrder.Rows or BiasOrder.Cols, not {order!r}")
    return WORD_CHANNELS if order is BiasOrder.Rows else BIT_CHANNELS
