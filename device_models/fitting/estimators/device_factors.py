"""Log-normal factors of devices to their white and slow read noise.

Each series is first fitted alone: S(k) = exp(a) + exp(b) P(k), in the notation of `whittle`, with
the shape P of the fit of all. The logarithms a (and b) of series i of device d then are

    y_i = ln(law(R_i)^2) + 2 s z_d + e_i,   z_d ~ Normal(0, 1),  e_i ~ Normal(0, v_i + c^2),

v_i the error of the fit of one series and c the scatter of the series of one device (0 where each
has one). Law, s and c follow by maximum likelihood: the law is that of a median device, and one
device that is ten times as noisy as the others does not raise it, as it does raise the mean of the
powers. Intervals follow the profile, widened by Student's t for the devices.

Source:
    S. R. Searle, G. Casella and C. E. McCulloch, Variance Components, Wiley, 1992, chapter 6. Its
    use for spectra is ours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from ..measurements import Floats, Ints
from . import likelihood, whittle
from .likelihood import Box, Minimum, Value
from .spectra import Spectra

ROUNDS = 3  # of weights and levels
STEPS = 15  # of the level of each series
LOOSE = 4.0  # e-folds of power that a level which its series does not tell may be off the law
VAGUE = 2.0  # e-folds of power; levels that are known less well tell nothing
MOST = 3.0  # largest s
NONE = 1e-4  # s that stands for none
SPREAD, SCATTER = -2, -1  # indices of s and c in the parameters of `LevelFit`


class Levels(NamedTuple):
    """One level of each series, shape (series,): y, v and the device; resistance."""

    y: Floats
    variance: Floats
    unit: Ints
    ohms: Floats

    def take(self, rows: NDArray[Any]) -> "Levels":
        """Some of the series."""
        return Levels(*(part[rows] for part in self))


def levels(spectra: Spectra, theta: Floats, laws: tuple[float, float]) -> tuple[Levels, Levels]:
    """White and slow level of every series that tells them.

    Args:
        spectra: Of all series.
        theta: The fit of all, as in `whittle.expected`.
        laws: Knee and cap of the white noise.
    """
    series, count = spectra.series, len(spectra.ohms)
    white, slow, shape = whittle.parts(spectra, theta, *laws)
    start = np.log(np.stack([white, slow + whittle.LEAST]))
    p, x = shape[spectra.table_index], start.copy()
    weight = spectra.count / (1.0 + spectra.count * 0.09)
    hessian = np.zeros((3, count))
    for _ in range(ROUNDS):
        for _ in range(STEPS):
            x, hessian = _step(spectra, x, start, p, weight)
        s = np.exp(x[0])[series] + np.exp(x[1])[series] * p
        weight = whittle.weights(spectra, s)
    determinant = hessian[0] * hessian[1] - hessian[2] ** 2
    long = spectra.long
    variance = np.stack([hessian[1], hessian[0]]) / determinant
    short_count = np.bincount(series, spectra.count)
    x[0] = np.where(long, x[0], x[0] - digamma(short_count) + np.log(short_count))
    variance[0] = np.where(long, variance[0], polygamma(1, short_count))
    there = [variance[0] < VAGUE**2, long & (variance[1] < VAGUE**2)]
    white_levels, slow_levels = (
        Levels(x[i], variance[i], spectra.unit, spectra.ohms).take(there[i]) for i in range(2)
    )
    return white_levels, slow_levels


def _step(
    spectra: Spectra, x: Floats, start: Floats, p: Floats, weight: Floats
) -> tuple[Floats, Floats]:
    """One scoring step of the levels of all series, and the curvature (aa, bb, ab)."""
    series, n = spectra.series, x.shape[1]
    parts = np.exp(x[0])[series], np.exp(x[1])[series] * p
    s = parts[0] + parts[1] + whittle.LEAST
    off = weight * (1.0 - spectra.power / s)
    pulls = [np.bincount(series, off * part / s, n) for part in parts]
    pairs = ((0, 0), (1, 1), (0, 1))
    sums = [np.bincount(series, weight * parts[i] * parts[j] / s**2, n) for i, j in pairs]
    gradient = [g + (x[i] - start[i]) / LOOSE**2 for i, g in enumerate(pulls)]
    h = [sums[0] + LOOSE**-2, sums[1] + LOOSE**-2, sums[2] + 0.0]
    determinant = h[0] * h[1] - h[2] ** 2
    step = np.stack([
        (h[1] * gradient[0] - h[2] * gradient[1]) / determinant,
        (h[0] * gradient[1] - h[2] * gradient[0]) / determinant,
    ])  # fmt: skip
    return x - np.clip(step, -1.0, 1.0), np.stack(h)


@dataclass(frozen=True, eq=False)
class LevelFit:
    """Law and scatter of one kind of level.

    Attributes:
        loss: Negative log-likelihood of (parameters of the law, s, c).
        box: Their limits.
        best: Its minimum.
        gain: By how much it is likelier than without a factor of the device.
    """

    loss: likelihood.Loss
    box: Box
    best: Minimum
    gain: float

    @property
    def sigma(self) -> float:
        """s."""
        return float(self.best.at[SPREAD])


def fit(
    levels: Levels,
    law: Callable[[Floats, Floats], Floats],
    start: Floats,
    low: Floats,
    high: Floats,
) -> LevelFit:
    """Fit the law of a median device and the spread of the factors.

    Args:
        levels: Of the series.
        law: ln(law^2) of resistances and parameters.
        start: Parameters of the law.
        low: Their limits; equal ones are fixed.
        high: The same.
    """
    several = len(np.unique(levels.unit)) < len(levels.unit)
    scatter = np.log(30.0) if several else 0.0
    box = Box(np.append(low, [0.0, 0.0]), np.append(high, [MOST, scatter]))
    loss = _loss(levels, law)
    begin = [np.append(start, [s, min(0.1, scatter)]) for s in (0.05, 0.4, 1.0)]
    best = min((likelihood.minimise(loss, at, box) for at in begin), key=lambda m: m.value.loss)
    none = likelihood.minimise(loss, best.at, box.fixed(len(start), 0.0))
    return LevelFit(loss, box, best, none.value.loss - best.value.loss)


def _loss(levels: Levels, law: Callable[[Floats, Floats], Floats]) -> likelihood.Loss:
    """The likelihood of the module, its slopes by differences, its expected curvature."""
    unit = np.unique(levels.unit, return_inverse=True)[1]

    def minus_log(theta: Floats) -> float:
        v, tau = levels.variance + theta[SCATTER] ** 2, 4.0 * theta[SPREAD] ** 2
        r = levels.y - law(levels.ohms, theta)
        one, weighted = np.bincount(unit, 1.0 / v), np.bincount(unit, r / v)
        grown = 1.0 + tau * one
        squares = float((r**2 / v).sum() - (tau * weighted**2 / grown).sum())
        return 0.5 * (float(np.log(v).sum() + np.log(grown).sum()) + squares)

    def value(theta: Floats) -> Value:
        h = 1e-5
        shifts = h * np.eye(len(theta))
        slope = np.array([(minus_log(theta + d) - minus_log(theta - d)) / (2 * h) for d in shifts])
        mean = np.stack([(law(levels.ohms, theta + d) - law(levels.ohms, theta - d)) / (2 * h)
                         for d in shifts])  # fmt: skip
        v, tau = levels.variance + theta[SCATTER] ** 2, 4.0 * theta[SPREAD] ** 2
        one = np.bincount(unit, 1.0 / v)
        sums = np.stack([np.bincount(unit, row / v, len(one)) for row in mean])
        curvature = (mean / v) @ mean.T - (sums * tau / (1.0 + tau * one)) @ sums.T
        device = 8.0 * theta[SPREAD] * one / (1.0 + tau * one)
        series = 2.0 * theta[SCATTER] / v
        curvature[SPREAD, SPREAD] += 0.5 * float(device @ device)
        curvature[SCATTER, SCATTER] += 0.5 * float(series @ series)
        return Value(minus_log(theta), slope, curvature + 1e-6 * np.eye(len(theta)))

    return value


def interval(fitted: LevelFit, k: int, gain: float) -> tuple[float, float]:
    """Where the profile of parameter k rises by less than `gain`, see `likelihood.interval`."""
    return likelihood.interval(fitted.loss, fitted.best, fitted.box, k, gain)
