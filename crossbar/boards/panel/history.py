"""What happened to the cells of a board: its last pulses and reads, whoever asked for them."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...array.counters import Counters
from ..protocol import Board, BoardInfo, Emulator, Indices, PulseBatch, PulseShape

OPERATIONS = 2000  # that are remembered at most
DEVICES = 1_000_000  # of all of them together: some 20 MB
Floats = NDArray[np.floating]
Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Pulsing:
    """One programming operation; arrays are (devices,).

    Attributes:
        seconds: When, after the start of the instrument.
        device: Flat indices.
        count: Signed pulses.
        volts: Amplitudes, positive; nan where the board does not say its own.
        width_seconds: Likewise.
        before: Siemens before it: the truth of an emulator, else the last read; nan: never read.
        after: Siemens after it: the truth of an emulator, else the next read, for one device alone.
    """

    seconds: float
    device: NDArray[np.int32]
    count: NDArray[np.int32]
    volts: Floats
    width_seconds: Floats
    before: Floats
    after: Floats


class Reading(NamedTuple):
    """One read of devices.

    Attributes:
        seconds: When, after the start of the instrument.
        device: Flat indices (devices,); None: all of them.
        siemens: What came back, (devices,).
    """

    seconds: float
    device: NDArray[np.int64] | None
    siemens: Floats


class CellEvent(NamedTuple):
    """What happened to one cell: a pulse with `count`, or a read with `count` 0.

    Attributes:
        seconds: When, after the start of the instrument.
        count: Signed pulses; 0: a read.
        volts: Amplitude; nan for a read.
        width_seconds: Of a pulse; nan for a read.
        before: Siemens before a pulse; nan for a read.
        siemens: What was read, or siemens after a pulse.
    """

    seconds: float
    count: int  # type: ignore[assignment]  # hides tuple.count, which means nothing here
    volts: float
    width_seconds: float
    before: float
    siemens: float


class Recent(Generic[Entry]):
    """The newest entries, oldest first; the oldest go where there are too many."""

    def __init__(self) -> None:
        """Start empty."""
        self._entries: deque[tuple[Entry, int]] = deque()
        self._devices = 0

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._entries)

    def add(self, entry: Entry, devices: int) -> None:
        """Append an entry about so many devices; it stays, however many they are."""
        self._entries.append((entry, devices))
        self._devices += devices
        while len(self) > 1 and (len(self) > OPERATIONS or self._devices > DEVICES):
            self._devices -= self._entries.popleft()[1]

    def newest_first(self) -> Iterator[Entry]:
        """All of them."""
        return (entry for entry, _ in reversed(self._entries))


class WatchedBoard:
    """Another board, with a memory of what passed through. It adds no read and no pulse.

    Attributes:
        board: The array.
        pulses: The last programming operations.
        reads: The last reads, likewise; products of vectors are not among them.
        last_siemens: Of each device, as read last; nan: not yet. (devices,)
        last_seconds: When that was.
        set_pulses: Sent to each device since the board is watched, (devices,).
        reset_pulses: Likewise.
    """

    def __init__(self, board: Board, emulator: Emulator | None, started: float) -> None:
        """Watch a board.

        Args:
            board: The array.
            emulator: Its truths; None for a real board.
            started: `time.monotonic()` of the moment that times are counted from.
        """
        size = board.info.shape[0] * board.info.shape[1]
        self.board, self._emulator, self._started = board, emulator, started
        self.pulses = Recent[Pulsing]()
        self.reads = Recent[Reading]()
        self.last_siemens = np.full(size, np.nan)
        self.last_seconds = np.full(size, np.nan)
        self.set_pulses = np.zeros(size, np.int64)
        self.reset_pulses = np.zeros(size, np.int64)
        self._unread: dict[int, Pulsing] = {}  # of a real board: pulses whose effect none has read
        self._everything = np.arange(size)

    @property
    def info(self) -> BoardInfo:
        """See `Board.info`."""
        return self.board.info

    @property
    def counters(self) -> Counters:
        """See `Board.counters`."""
        return self.board.counters

    def read(self, device: Indices | None = None) -> Tensor:
        """See `Board.read`."""
        result = self.board.read(device)
        values = result.numpy().reshape(-1).copy()
        if values.size:
            flat = None if device is None else np.asarray(device, np.int64).reshape(-1).copy()
            self._note_read(Reading(self._now(), flat, values))
        return result

    def vmm(self, volts: Tensor) -> Tensor:
        """See `Board.vmm`."""
        return self.board.vmm(volts)

    def pulse(self, pulses: PulseBatch, shape: PulseShape | None = None) -> None:
        """See `Board.pulse`."""
        before = self._siemens(pulses.device)
        self.board.pulse(pulses, shape)
        if len(pulses.device):
            self._note_pulses(pulses, shape, before)

    def wait(self, seconds: float) -> None:
        """See `Board.wait`."""
        self.board.wait(seconds)

    def close(self) -> None:
        """See `Board.close`."""
        self.board.close()

    def truth(self) -> NDArray[Any] | None:
        """Siemens of all devices as they are, which costs no read; None for a real board."""
        if self._emulator is None:
            return None
        values: NDArray[Any] = self._emulator.array_siemens().numpy().reshape(-1)
        return values

    def history(self, device: int, most: int) -> list[CellEvent]:
        """What happened to one device as far as it is remembered, newest first.

        Args:
            device: Flat index.
            most: How many events at most.
        """
        events: list[CellEvent] = []
        for pulse in self.pulses.newest_first():
            for at in np.flatnonzero(pulse.device == device):
                amplitude, width = pulse.volts[at], pulse.width_seconds[at]
                change = float(pulse.before[at]), float(pulse.after[at])
                count = int(pulse.count[at])
                events.append(
                    CellEvent(pulse.seconds, count, float(amplitude), float(width), *change)
                )
            if len(events) >= most:
                break
        seen = 0
        for read in self.reads.newest_first():
            values = read.siemens[self._positions(read, device)]
            seen += len(values)
            events += [CellEvent(read.seconds, 0, np.nan, np.nan, np.nan, float(g)) for g in values]
            if seen >= most:
                break
        return sorted(events, key=lambda event: -event.seconds)[:most]

    @staticmethod
    def _positions(read: Reading, device: int) -> NDArray[np.intp]:
        """Where a device stands in a read."""
        if read.device is None:
            return np.array([device])
        return np.flatnonzero(read.device == device)

    def _now(self) -> float:
        return time.monotonic() - self._started

    def _siemens(self, device: Indices) -> Floats:
        """What is known of devices now."""
        truth = self.truth()
        siemens = self.last_siemens if truth is None else truth
        within = (device >= 0) & (device < siemens.size)  # the board refuses others
        values = np.full(device.shape, np.nan)
        values[within] = siemens[device[within]]
        return values

    def _note_read(self, read: Reading) -> None:
        """Remember a read."""
        device = self._everything if read.device is None else read.device
        self.last_siemens[device] = read.siemens
        self.last_seconds[device] = read.seconds
        for waiting in [d for d in self._unread if read.device is None or d in read.device]:
            self._unread.pop(waiting).after[0] = self.last_siemens[waiting]
        self.reads.add(read, read.siemens.size)

    def _note_pulses(self, pulses: PulseBatch, shape: PulseShape | None, before: Floats) -> None:
        """Remember a programming operation."""
        device, count = pulses.device.astype(np.int32), pulses.count.astype(np.int32)
        info, given = self.info, PulseShape() if shape is None else shape
        volts = _each(given.volts, info.set_volts, info.reset_volts, count)
        width = _each(given.seconds, info.set_seconds, info.reset_seconds, count)
        is_real = self._emulator is None
        after = np.full(device.size, np.nan) if is_real else self._siemens(device)
        entry = Pulsing(self._now(), device, count, volts, width, before, after)
        self.set_pulses[device] += np.maximum(count, 0)
        self.reset_pulses[device] += np.maximum(-count, 0)
        if is_real:
            for d in self._unread.keys() & set(device.tolist()):
                del self._unread[d]
            if device.size == 1:
                self._unread[int(device[0])] = entry
        self.pulses.add(entry, device.size)


def _each(
    given: float | NDArray[np.float64] | None,
    of_set: float | None,
    of_reset: float | None,
    count: NDArray[np.int32],
) -> Floats:
    """Amplitude or width of each device; nan where the board does not say its own."""
    if given is not None:
        return np.broadcast_to(np.asarray(given, np.float64), count.shape).copy()
    up, down = (np.nan if value is None else value for value in (of_set, of_reset))
    return np.where(count > 0, up, down)
