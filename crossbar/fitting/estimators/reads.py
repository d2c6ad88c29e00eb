"""White and slow read noise from repeated reads.

With x = g / mean(g) of a series, half the mean squared difference of reads k apart (the variogram)

    v(k) = white^2 + slow^2 / K sum_j (1 - exp(-k dt / tau_j))

separates the part that does not depend on the lag from the part that does, and unlike the sample
autocovariance it is not biased by the mean of a series that is shorter than its slowest fluctuation.
The K times tau are evenly spaced in the logarithm, as in `device_models.physics`.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np

from device_models import physics
from device_models.pulsed import Pulsed

from ..measurements import Floats, Ints, Reads
from . import bootstrap, growth
from .part import Part

LONG = 64  # reads from which a series tells a time constant
LAGS = 24
TIMES = 14  # time constants that are tried, from the shortest interval to 10 times the series
MOST = 2000  # long series that are used


@dataclass(frozen=True, eq=False)
class _Series:
    """One row per series.

    Attributes:
        unit: What is resampled.
        ohms: 1 / mean conductance.
        rows: Number of reads.
        white: Relative variance of the white part, per pair of times, shape (series, pairs).
        slow: The same of the slow part; zero for short series.
        loss: Weighted squares that the fit leaves, shape (series, pairs).
    """

    unit: Ints
    ohms: Floats
    rows: Floats
    white: Floats
    slow: Floats
    loss: Floats


def estimate(
    reads: Reads, model: Pulsed, *, generator: np.random.Generator, resamples: int
) -> Part:
    """Fit the laws of white and slow read noise; see `Pulsed` for them.

    `read_knee_ohms` stays: it only says where the fractions hold.
    """
    bounds = np.flatnonzero(np.diff(reads.series, prepend=-1, append=-1) != 0)
    long = _long(reads, bounds)
    pairs = _pairs(reads, long) if long else np.empty((0, 2))
    found = _series(reads, bounds, long, pairs)
    devices = len(np.unique(reads.device))
    units = int(found.unit.max()) + 1
    drawn = bootstrap.weights(units, resamples, generator)
    best = (drawn[:, found.unit] @ found.loss).argmin(1)
    part = Part(
        devices=devices,
        rows=len(reads),
        files=(reads.source,),
        warnings=bootstrap.few(devices, "repeated reads"),
    )
    if units == 1:
        words = "one series only: the intervals of its read noise are unknown, not zero"
        part = replace(part, warnings=(*part.warnings, words))
    part = _add_white(part, found, drawn, best, model)
    if not long:
        words = f"no series of {LONG} reads with a clock: slow noise, if any, is in the white part"
        return replace(part, warnings=(*part.warnings, words))
    return _add_slow(part, found, drawn, best, model, pairs)


def _long(reads: Reads, bounds: Ints) -> list[tuple[int, int]]:
    """First and last + 1 row of the series that tell a time constant."""
    spans = itertools.pairwise(bounds)
    return [(int(a), int(b)) for a, b in spans if b - a >= LONG and reads.dt_seconds[a] > 0.0][
        :MOST
    ]


def _pairs(reads: Reads, long: list[tuple[int, int]]) -> Floats:
    """Shortest and longest time constants to try, shape (pairs, 2)."""
    steps = np.array([reads.dt_seconds[a] for a, _ in long])
    lasting = max((b - a) * dt for (a, b), dt in zip(long, steps, strict=True))
    times = np.geomspace(steps.min(), 10.0 * lasting, TIMES)
    return np.array([(s, t) for s in times for t in times if t > 1.5 * s])


def _series(reads: Reads, bounds: Ints, long: list[tuple[int, int]], pairs: Floats) -> _Series:
    """The variances of every series; of a short one only neighbours are compared."""
    first, count = bounds[:-1], np.diff(bounds)
    number = np.repeat(np.arange(len(first)), count)
    mean = np.add.reduceat(reads.g_siemens, first) / count
    same = np.diff(number) == 0
    squares = 0.5 * (np.diff(reads.g_siemens) / mean[number[1:]]) ** 2
    neighbours = np.bincount(number[1:][same], squares[same], minlength=len(first)) / (count - 1)
    columns = max(len(pairs), 1)
    white = np.repeat(neighbours[:, None], columns, 1)
    slow, loss = np.zeros_like(white), np.zeros_like(white)
    place = {a: i for i, a in enumerate(first)}
    for a, b in long:
        i = place[a]
        white[i], slow[i], loss[i] = _variogram_fit(
            reads.g_siemens[a:b] / mean[i], float(reads.dt_seconds[a]), pairs
        )
    several = len(np.unique(reads.device)) > 1
    label = reads.device[first] if several else np.arange(len(first))
    unit = np.unique(label, return_inverse=True)[1].astype(np.int64)
    return _Series(unit, 1.0 / np.maximum(mean, 1e-12), count - 1.0, white, slow, loss)


def variogram(x: Floats) -> tuple[Ints, Floats]:
    """Lags, evenly spaced in the logarithm up to a third of the series, and v at each."""
    lags = np.unique(np.geomspace(1, max(2, len(x) // 3), LAGS).astype(int))
    return lags, np.array([0.5 * np.mean((x[k:] - x[:-k]) ** 2) for k in lags])


def _variogram_fit(x: Floats, dt: float, pairs: Floats) -> tuple[Floats, Floats, Floats]:
    """White and slow variance and the loss for every pair of times, by weighted least squares."""
    lags, v = variogram(x)
    w = (len(x) / lags) / (v**2 + 1e-30)  # long lags average few independent pieces
    k = np.arange(physics.COMPONENTS) / (physics.COMPONENTS - 1)
    tau = pairs[:, :1] * (pairs[:, 1:] / pairs[:, :1]) ** k
    grown = (1.0 - np.exp(-dt * lags[None, None, :] / tau[:, :, None])).mean(1)  # (pairs, lags)
    s1, sy = w.sum(), (w * v).sum()
    sx, sxx, sxy = grown @ w, grown**2 @ w, grown @ (w * v)
    det = np.maximum(s1 * sxx - sx**2, 1e-12 * s1 * sxx)
    white, slow = (sxx * sy - sx * sxy) / det, (s1 * sxy - sx * sy) / det
    white = np.where(slow < 0.0, sy / s1, np.maximum(white, 0.0))
    slow = np.where(slow < 0.0, 0.0, np.where(white == 0.0, sxy / sxx, slow))
    rest = ((v - white[:, None] - slow[:, None] * grown) ** 2) @ w
    return white, slow, rest


def _law(
    drawn: Floats, variance: Floats, found: _Series, model: Pulsed, kept: float, *, floor: bool
) -> tuple[growth.Growth, bool]:
    """Growth with resistance for every resample, and whether the exponent is a free one.

    `variance` has a row per resample, for each has its own best time constants.
    """
    free = growth.spans(found.ohms) and len(found.ohms) > 2
    rows = [
        growth.fit(
            weight[found.unit][None, :],
            y,
            found.ohms,
            found.rows,
            knee=model.read_knee_ohms,
            exponents=growth.EXPONENTS if free else np.array([kept]),
            with_floor=floor,
        )
        for weight, y in zip(drawn, variance, strict=True)
    ]
    columns = [np.concatenate([getattr(r, name) for r in rows]) for name in growth.Growth._fields]
    return growth.Growth(*columns), free


def _add(part: Part, units: int, words: str, *, log: bool = False, **draws: Floats) -> Part:
    """The part with some parameters, from their repeats."""
    return replace(
        part,
        values=part.values | {name: float(d[0]) for name, d in draws.items()},
        intervals=part.intervals
        | {n: bootstrap.interval(d, units, log=log) for n, d in draws.items()},
        words=part.words | dict.fromkeys(draws, words),
    )


def _add_white(
    part: Part,
    found: _Series,
    drawn: Floats,
    best: "np.ndarray[tuple[int], np.dtype[np.intp]]",
    model: Pulsed,
) -> Part:
    """Floor, fraction and, where the resistances differ enough, exponent of the white part."""
    law, free = _law(drawn, found.white[:, best].T, found, model, model.read_exponent, floor=True)
    units = drawn.shape[1]
    words = "white part of repeated reads"
    part = _add(part, units, words, read_floor=law.floor, read_fraction=law.fraction)
    return _add(part, units, words, read_exponent=law.exponent) if free else part


def _add_slow(
    part: Part,
    found: _Series,
    drawn: Floats,
    best: "np.ndarray[tuple[int], np.dtype[np.intp]]",
    model: Pulsed,
    pairs: Floats,
) -> Part:
    """Fraction, exponent and times of the slow part, from the long series."""
    there = found.loss.any(1)
    some = _Series(*(getattr(found, n)[there] for n in _Series.__dataclass_fields__))
    law, free = _law(drawn, some.slow[:, best].T, some, model, model.slow_exponent, floor=False)
    units = drawn.shape[1]
    words = f"part of the reads that depends on the lag, {int(there.sum())} series"
    part = _add(part, units, words, slow_fraction=law.fraction)
    if law.fraction[0] == 0.0:
        return part
    part = _add(
        part,
        units,
        f"{words}; effective: slower and faster than the reads nothing is seen",
        log=True,
        slow_shortest_seconds=pairs[best, 0],
        slow_longest_seconds=pairs[best, 1],
    )
    part = _add(part, units, words, slow_exponent=law.exponent) if free else part
    edge = pairs[best[0], 1] >= 0.99 * pairs[:, 1].max()
    more = ("the slowest time constant lies beyond the reads: its value is a lower bound",)
    return replace(part, warnings=(*part.warnings, *(more if edge else ())))
