"""Ramps of pulses, number by number: where devices stand after the first, the n-th, the last."""

from itertools import pairwise

import numpy as np

from .measurements import Floats, Measurements, Pulses

FRACTIONS = (0.0, 0.1, 0.3, 0.6)  # of a usual ramp: the pulses after which it is looked at
FEWEST = 20  # ramps of which quantiles are taken


def numbers(measurements: Measurements, sign: int) -> list[int]:
    """Pulse numbers, from 1, that at least `FEWEST` ramps of one polarity reach; none of few ramps.

    The end of a ramp is none of them: it has a quantity of its own.
    """
    each = [np.empty(0), *(_lengths(table, sign) for table in measurements.pulses)]
    lengths = np.concatenate(each)
    if len(lengths) < FEWEST:
        return []
    usual = float(np.sort(lengths)[-FEWEST]) if len(lengths) < 2 * FEWEST else np.median(lengths)
    return sorted({1 + int(fraction * (usual - 1)) for fraction in FRACTIONS if usual > 1})


def after(measurements: Measurements, sign: int, number: int) -> Floats:
    """Reading after the pulse of that number of each ramp that has it, siemens."""
    readings = [np.empty(0)]
    for table in measurements.pulses:
        rows = _sorted(table, sign)
        first, length = _starts(rows)
        reached = first[length >= number]
        readings.append(rows.g_after_siemens[reached + number - 1])
    return np.concatenate(readings)


def wrong_way(steps: Floats, sign: int) -> float:
    """Fraction of steps that lead against their pulses; nan of none."""
    return float(np.mean(sign * steps < 0.0)) if len(steps) else np.nan


def _sorted(table: Pulses, sign: int) -> Pulses:
    """The pulses of one polarity, ramp by ramp."""
    rows = table.take(table.polarity == sign)
    return rows.take(np.lexsort((rows.index, rows.ramp, rows.device)))


def _starts(rows: Pulses) -> tuple[Floats, Floats]:
    """First row and length of every ramp of sorted pulses."""
    if not len(rows):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    new = np.flatnonzero((np.diff(rows.ramp) != 0) | (np.diff(rows.device) != 0)) + 1
    ends = [0, *new.tolist(), len(rows)]
    return np.array(ends[:-1]), np.array([b - a for a, b in pairwise(ends)])


def _lengths(table: Pulses, sign: int) -> Floats:
    return _starts(_sorted(table, sign))[1].astype(np.float64)
