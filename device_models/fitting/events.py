"""A history of pulses and readings, divided into experiments.

A device's history is cut at everything that changes it (a pulse, a write, a forming step): a
*segment* is such an event and the readings until the next one. The first reading of a segment is
the state after its event; the last one is the state before the next event.
"""

import math
from collections import Counter
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from .conductance import Readings
from .measurements import Floats, Ints, Pulses, Reads, Retention, Written

READ, RELAX, PULSE, WRITE, OTHER = range(5)
Bools = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class DeviceEvents:
    """What was done to devices, one row per action, in the order of the file.

    Attributes:
        device: Number of the device.
        kind: READ; RELAX, a reading after a wait; PULSE; WRITE, a write with verification; OTHER,
            something that changes the device and is no single pulse.
        polarity: Of a pulse, +1 SET, -1 RESET, 0 unknown.
        g_siemens: Reading of this row (of a pulse: after it); nan if there is none.
        v_volts: Amplitude; nan if unknown.
        width_seconds: Pulse width; nan if unknown.
        time_seconds: Clock; nan if unknown.
        target_siemens: Of a write; nan if unknown.
    """

    device: Ints
    kind: Ints
    polarity: Ints
    g_siemens: Floats
    v_volts: Floats
    width_seconds: Floats
    time_seconds: Floats
    target_siemens: Floats

    def take(self, rows: NDArray[np.intp]) -> "DeviceEvents":
        """The events of some rows."""
        return DeviceEvents(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


@dataclass(frozen=True, kw_only=True, eq=False)
class Experiments:
    """The tables of one history; a table without rows is left out."""

    pulses: tuple[Pulses, ...]
    reads: tuple[Reads, ...]
    retention: tuple[Retention, ...]
    written: tuple[Written, ...]
    used: int
    dropped: dict[str, int]


def experiments(
    events: DeviceEvents, readings: Readings, source: str, kelvin: float = math.nan
) -> Experiments:
    """Divide a history into experiments.

    Args:
        events: In the order of the file; devices may be interleaved.
        readings: Its readings, in the same order, for the reasons of what is dropped.
        source: Written into the tables.
        kelvin: Temperature of the devices; nan if unknown.
    """
    order = np.argsort(events.device, kind="stable")
    e = events.take(order)
    cut = _Segments.of(e)
    pulses, beside, lost_pulses = _pulses(e, cut, source)
    reads, in_series = _reads(e, cut, source)
    retention, relaxed = _retention(e, cut, kelvin, source)
    wrote = (e.kind == WRITE) & np.isfinite(e.g_siemens)
    reading = (e.kind == READ) | (e.kind == RELAX)
    idle = reading & np.isfinite(e.g_siemens) & ~(in_series | relaxed | beside)
    dropped = Counter(readings.dropped(np.isin(events.kind, (READ, RELAX, WRITE))))
    dropped.update(lost_pulses)
    dropped["reading beside no usable pulse and in no series"] = int(idle.sum())
    dropped["other operation"] = int((e.kind == OTHER).sum())
    written = Written(
        device=e.device[wrote],
        target_siemens=e.target_siemens[wrote],
        g_siemens=e.g_siemens[wrote],
        stuck=np.zeros(int(wrote.sum()), np.int64),
        reached=np.full(int(wrote.sum()), -1),
        source=source,
    )
    return Experiments(
        pulses=(pulses,) if len(pulses) else (),
        reads=(reads,) if len(reads) else (),
        retention=(retention,) if len(retention) else (),
        written=(written,) if len(written) else (),
        used=len(e.device) - sum(dropped.values()),
        dropped={reason: n for reason, n in dropped.items() if n},
    )


@dataclass(frozen=True, eq=False)
class _Segments:
    """Where the segments of a history begin, and their first and last readings.

    Attributes:
        of_row: Segment of each row.
        start: First row of each segment.
        first: Row of the first reading of each segment, -1 if it has none.
        last: Row of the last reading, -1 if none.
        follows: Whether the segment before is of the same device.
    """

    of_row: Ints
    start: Ints
    first: Ints
    last: Ints
    follows: Bools

    @classmethod
    def of(cls, e: DeviceEvents) -> "_Segments":
        """Cut a history that is sorted by device."""
        new_device = np.diff(e.device, prepend=-1) != 0
        starts = new_device | (e.kind >= PULSE)
        of_row = np.cumsum(starts) - 1
        start = np.flatnonzero(starts)
        read = np.flatnonzero(np.isfinite(e.g_siemens) & (e.kind != OTHER))
        first = np.full(len(start), -1)
        last = np.full(len(start), -1)
        last[of_row[read]] = read  # of several rows the last assignment wins
        first[of_row[read[::-1]]] = read[::-1]
        return cls(of_row, start, first, last, ~new_device[start])


def _pulses(e: DeviceEvents, cut: _Segments, source: str) -> tuple[Pulses, Bools, dict[str, int]]:
    """The pulses with a reading on both sides, those readings' rows, and how many have none."""
    segment = np.flatnonzero(e.kind[cut.start] == PULSE)
    row = cut.start[segment]
    after = cut.first[segment]
    before = np.where(cut.follows[segment], cut.last[segment - 1], -1)
    has_polarity = e.polarity[row] != 0
    whole = has_polarity & (after >= 0) & (before >= 0)
    ramp, index = _ramps(e.device[row], e.polarity[row])
    lost = {
        "pulse of unknown polarity": int((~has_polarity).sum()),
        "pulse without a reading after it": int((has_polarity & (after < 0)).sum()),
        "pulse without a reading before it": int(
            (has_polarity & (after >= 0) & (before < 0)).sum()
        ),
    }
    row, after, before = row[whole], after[whole], before[whole]
    beside = np.zeros(len(e.device), bool)
    beside[after] = beside[before] = True
    table = Pulses(
        device=e.device[row],
        ramp=ramp[whole],
        index=index[whole],
        polarity=e.polarity[row],
        g_before_siemens=e.g_siemens[before],
        g_after_siemens=e.g_siemens[after],
        v_volts=e.v_volts[row],
        width_seconds=e.width_seconds[row],
        source=source,
    )
    return table, beside, lost


def _ramps(device: Ints, polarity: Ints) -> tuple[Ints, Ints]:
    """Number of the ramp (from 0 on each device) and index in it, of pulses sorted by device."""
    n = np.arange(len(device))
    new_device = np.diff(device, prepend=-1) != 0
    new_ramp = new_device | (np.diff(polarity, prepend=0) != 0)
    ramp = np.cumsum(new_ramp)
    first_of_device = np.maximum.accumulate(np.where(new_device, n, 0))
    first_of_ramp = np.maximum.accumulate(np.where(new_ramp, n, 0))
    return ramp - ramp[first_of_device], n - first_of_ramp


def _reads(e: DeviceEvents, cut: _Segments, source: str) -> tuple[Reads, Bools]:
    """Two or more reads in one segment are a series; time that runs backwards begins another."""
    row = np.flatnonzero((e.kind == READ) & np.isfinite(e.g_siemens))
    back = np.diff(e.time_seconds[row], prepend=-np.inf) < 0.0
    starts = (np.diff(cut.of_row[row], prepend=-1) != 0) | back
    series = np.cumsum(starts) - 1
    many = (np.bincount(series, minlength=1) >= 2)[series]
    row = row[many]
    _, series = np.unique(series[many], return_inverse=True)
    used = np.zeros(len(e.device), bool)
    used[row] = True
    return reads_table(series, e.device[row], e.time_seconds[row], e.g_siemens[row], source), used


def reads_table(series: Ints, device: Ints, time: Floats, g: Floats, source: str) -> Reads:
    """Repeated reads with the median interval of each series.

    Args:
        series: Ascending, shape (rows,).
        device: Number of the device.
        time: Seconds, ascending inside a series; nan if unknown.
        g: Siemens.
        source: The file.
    """
    dt = _median_steps(series, time)
    return Reads(
        series=series, device=device, time_seconds=time, g_siemens=g, dt_seconds=dt, source=source
    )


def _median_steps(series: Ints, time: Floats) -> Floats:
    """Median time step of each row's series; nan where no step is known."""
    is_step = (np.diff(series) == 0) & np.isfinite(np.diff(time))
    of_step, steps = series[1:][is_step], np.diff(time)[is_step]
    steps = steps[np.lexsort((steps, of_step))]  # ascending inside each series
    count = np.bincount(of_step, minlength=int(series.max(initial=-1)) + 1)
    start = np.cumsum(count) - count
    has = count > 0
    median = np.full(len(count), np.nan)
    low, high = (start + (count - 1) // 2)[has], (start + count // 2)[has]
    median[has] = 0.5 * steps[low] + 0.5 * steps[high]
    return median[series]


def _retention(
    e: DeviceEvents, cut: _Segments, kelvin: float, source: str
) -> tuple[Retention, Bools]:
    """Readings after a wait, with the time since the event that began their segment."""
    since = e.time_seconds - e.time_seconds[cut.start[cut.of_row]]
    began = e.kind[cut.start[cut.of_row]] >= PULSE
    used = (e.kind == RELAX) & np.isfinite(e.g_siemens) & began & (since >= 0.0)
    segment = cut.of_row[used]
    table = Retention(
        device=e.device[used],
        time_seconds=since[used],
        g_siemens=e.g_siemens[used],
        initial_siemens=e.g_siemens[cut.first[segment]],
        target_siemens=e.target_siemens[cut.start[segment]],
        temperature_kelvin=np.full(int(used.sum()), kelvin),
        source=source,
    )
    return table, used
