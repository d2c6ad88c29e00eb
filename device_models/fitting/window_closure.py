"""Devices that stop switching in the middle of a table of cycles, as an endurance test ends.

A cycle is closed if the ratio of its two states, as a logarithm, is below a quarter of that of the
open cycles of its device (their 90 % quantile). A device is dead from the first of the closed
cycles that end its record, if these are `FEWEST_CLOSED` or more. Its life is the number of cycles
until then; the lives of the others are longer than their records.
"""

from collections import Counter
from dataclasses import replace

import numpy as np

from .measurements import Cycles, Floats, Lifetimes, Measurements

OPEN = 0.9  # quantile of the ratios of a device that is its open window
CLOSED = 0.25  # of the open window, as a logarithm
LEAST = 0.4  # logarithm of the ratio of an open window
FEWEST_OPEN = 5
FEWEST_CLOSED = 10
SHOWN = 3
REASON = "after the window of the device had closed"


def without_closed(measurements: Measurements) -> Measurements:
    """Measurements without the cycles of dead devices, with lives and a warning if there are any.

    Args:
        measurements: Of one file.
    """
    if not measurements.cycles:
        return measurements
    cycles = Cycles.join(measurements.cycles)
    order = np.lexsort((cycles.cycle, cycles.device))
    rows = cycles.take(order)
    starts = np.flatnonzero(np.diff(rows.device, prepend=-1))
    ends = np.r_[starts[1:], len(rows)]
    window = np.log(rows.lrs_siemens) - np.log(rows.hrs_siemens)
    use, lives = np.ones(len(rows), bool), list[tuple[int, int, bool]]()
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        last = start + _open_cycles(window[start:end])
        use[last:end] = False
        cycles_lived = int(rows.cycle[last - 1] - rows.cycle[start]) + 1
        lives.append((int(rows.device[start]), cycles_lived, last < end))
    if use.all():
        return measurements
    device, life, died = (np.array(column) for column in zip(*lives, strict=True))
    lifetimes = Lifetimes(device=device, cycles=life, died=died, source=cycles.source)
    return _said(
        replace(measurements, cycles=(rows.take(use),), lifetimes=(lifetimes,)), int((~use).sum())
    )


def _open_cycles(window: Floats) -> int:
    """How many cycles of a device come before its window closes for good; all if it does not.

    Args:
        window: Logarithm of the ratio of both states, in the order of the cycles; nan if unknown.
    """
    finite = np.isfinite(window)
    if finite.sum() < FEWEST_OPEN + FEWEST_CLOSED:
        return len(window)
    full = float(np.quantile(window[finite], OPEN))
    closed = window < CLOSED * full
    open_rows = np.flatnonzero(finite & ~closed)
    last = int(open_rows[-1]) + 1
    tail = int((finite[last:] & closed[last:]).sum())
    dead = full >= LEAST and len(open_rows) >= FEWEST_OPEN and tail >= FEWEST_CLOSED
    return last if dead else len(window)


def _said(measurements: Measurements, count: int) -> Measurements:
    """The measurements with what was left out in notes and warnings."""
    (lives,) = measurements.lifetimes
    dead = np.flatnonzero(lives.died)
    first = ", ".join(
        f"{measurements.devices[lives.device[i]]} after {lives.cycles[i]} cycles"
        for i in dead[:SHOWN]
    )
    more = ", ..." if len(dead) > SHOWN else ""
    warning = (
        f"{lives.source}: the window of {len(dead)} of {len(lives)} devices closed ({first}{more}) "
        f"and did not open again: the {count} cycles from there on are left out of levels and "
        "window, and tell the endurance"
    )
    (note,) = measurements.notes
    dropped = Counter(note.dropped)
    dropped[REASON] += count
    note = replace(note, used=note.used - count, dropped=dict(dropped))
    return replace(measurements, notes=(note,), warnings=(*measurements.warnings, warning))
