"""95 % intervals by resampling devices.

A resample of n units with replacement is a row of counts. An estimator made of sums over units is
repeated for all resamples by the product of the counts, shape (resamples, units), with the sums.
"""

import numpy as np
from scipy import stats

from ..measurements import Floats, Ints

FEW_DEVICES = 8  # devices below which an interval is called uncertain itself
PAIRS = 4  # devices below which their ramps are resampled
BLOCKS = 20  # pieces of a history that is all there is


def weights(units: int, resamples: int, generator: np.random.Generator) -> Floats:
    """How often each resample takes each unit, shape (1 + resamples, units).

    The first row is the sample itself: every unit once.
    """
    drawn = generator.multinomial(units, np.full(units, 1.0 / units), size=resamples)
    return np.vstack([np.ones((1, units)), drawn]).astype(np.float64)


def picks(units: int, resamples: int, generator: np.random.Generator) -> Ints:
    """Which units each resample takes, shape (1 + resamples, units); the first takes every one."""
    drawn = generator.integers(units, size=(resamples, units))
    return np.vstack([np.arange(units)[None], drawn]).astype(np.int64)


def units(device: Ints, ramp: Ints | None = None) -> tuple[Ints, Ints]:
    """What is resampled: the unit of each row, and the device of each unit.

    Devices, if there are several. Fewer than `PAIRS` are cut into their ramps, where these are
    `FEW_DEVICES` or more, and one device with few ramps into `BLOCKS` equal runs of rows: the
    interval then holds for these devices only. (Of two devices half of the
    resamples take one of them twice.)

    Args:
        device: Number of the device of each row.
        ramp: Number of the ramp of each row.
    """
    names, of_row = np.unique(device, return_inverse=True)
    if ramp is not None and len(names) < PAIRS:
        keys = of_row * (int(ramp.max(initial=0)) + 1) + ramp
        _, first, unit = np.unique(keys, return_index=True, return_inverse=True)
        if len(first) >= FEW_DEVICES:
            return unit.astype(np.int64), of_row[first].astype(np.int64)
    if len(names) > 1:
        return of_row.astype(np.int64), np.arange(len(names))
    pieces = max(1, min(BLOCKS, len(device) // 4))
    of_row = np.arange(len(device)) * pieces // max(1, len(device))
    return of_row.astype(np.int64), np.zeros(int(of_row.max(initial=0)) + 1, np.int64)


def interval(draws: Floats, units: int, *, log: bool = False) -> tuple[float, float]:
    """Percentile interval of a bootstrap, widened for few units.

    The spread of n resampled units is that of n - 1 independent ones, and its tails are those of
    Student's t: distances from the estimate are stretched by sqrt(n / (n - 1)) t(n - 1) / z.

    Args:
        draws: The estimate, then its repeats; nan where a repeat failed. Shape (1 + resamples,).
        units: n.
        log: Stretch the distances of the logarithms, for positive numbers known by their ratio.
    """
    if log:
        low, high = interval(np.log(draws), units)
        return float(np.exp(low)), float(np.exp(high))
    value, repeats = float(draws[0]), draws[1:][np.isfinite(draws[1:])]
    if len(repeats) < 2:
        return value, value
    low, high = np.quantile(repeats, (0.025, 0.975))
    wider = stretch(units)
    below, above = min(0.0, low - value), max(0.0, high - value)
    return float(value + wider * below), float(value + wider * above)


def stretch(units: int) -> float:
    """What distances of repeats from the estimate are multiplied by, see `interval`."""
    n = max(units, 2)
    return float(np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1) / stats.norm.ppf(0.975))


def sums(unit: Ints, count: int, *columns: Floats) -> list[Floats]:
    """Each column summed inside each unit."""
    return [np.bincount(unit, column, minlength=count).astype(np.float64) for column in columns]


def quantiles(x: Floats, unit: Ints, weight: Floats, levels: Floats) -> Floats:
    """Quantiles of every resample, shape (resamples, levels), each one of the values.

    Args:
        x: Values, shape (rows,).
        unit: Unit of each value.
        weight: From `weights`, shape (resamples, units).
        levels: Probabilities, shape (levels,).
    """
    order = np.argsort(x)
    ascending, unit = x[order], unit[order]
    result = np.empty((len(weight), len(levels)))
    for i, counts in enumerate(weight):
        total = np.cumsum(counts[unit])
        row = np.searchsorted(total, levels * total[-1])
        result[i] = ascending[np.minimum(row, len(ascending) - 1)]
    return result


def few_devices_warnings(devices: int, what: str) -> tuple[str, ...]:
    """The warning that an interval rests on few devices; empty for `FEW_DEVICES` and more."""
    if devices == 1:
        return (f"{what}: one device only; its intervals hold for this device, not for the type",)
    if devices < FEW_DEVICES:
        return (f"{what}: {devices} devices only; the intervals are widened and uncertain",)
    return ()
