"""Minimum of a negative log-likelihood in a box, and intervals from its profile.

The likelihood may be a quasi-likelihood: its score then scatters by more or less than its curvature
H says. With the variance J of the score, the parameter k of the minimum has the variance
(H^-1 J H^-1)_kk, and twice the loss that the profile of k gains at the truth is a chi-square of one
degree of freedom times (H^-1 J H^-1)_kk / (H^-1)_kk. Intervals that follow the profile may be
lopsided, and end at the border of the box where the data do not exclude it.

Source:
    R. E. Chandler and S. Bate, Biometrika 94(1), 167-183, 2007: adjusted profile likelihood.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..measurements import Floats

STEPS = 80
TOLERANCE = 1e-5  # of the loss, which counts in units of one
ENDS = 12  # minima in search of one end of an interval
RIDGE = 1e-7  # fraction of the curvature of each parameter that is added


class Value(NamedTuple):
    """Loss at some parameters, its gradient, shape (p,), and a positive curvature, (p, p)."""

    loss: float
    gradient: Floats
    curvature: Floats


Loss = Callable[[Floats], Value]


class Box(NamedTuple):
    """Lowest and highest parameters, each of shape (p,); equal ones are fixed.

    A loss may be symmetric in two parameters: `pair` are such, the lesser first.
    """

    low: Floats
    high: Floats
    pair: tuple[int, int] = (-1, -1)

    def fixed(self, k: int, value: float) -> "Box":
        """The same box with one parameter fixed, and its partner limited by it."""
        low, high = self.low.copy(), self.high.copy()
        lesser, greater = self.pair
        if k == lesser:
            low[greater] = max(low[greater], value)
        if k == greater:
            high[lesser] = min(high[lesser], value)
        low[k] = high[k] = value
        return self._replace(low=low, high=high)


class Minimum(NamedTuple):
    """Parameters of the least loss, and its value there."""

    at: Floats
    value: Value


def minimise(
    loss: Loss, start: Floats, box: Box, *, steps: int = STEPS, tolerance: float = TOLERANCE
) -> Minimum:
    """Damped scoring steps; a parameter at a border that pulls outwards waits there.

    Args:
        loss: What is minimised.
        start: Shape (p,); moved into the box.
        box: Limits.
        steps: How many are tried.
        tolerance: Gain of the loss that is worth no further step.
    """
    at = np.clip(start, box.low, box.high)
    value, damping = loss(at), 1e-3
    for _ in range(steps):
        stays = (at <= box.low) & (value.gradient >= 0.0)
        stays |= (at >= box.high) & (value.gradient <= 0.0)
        free = np.flatnonzero(~stays)
        if not len(free):
            break
        h, g = value.curvature[np.ix_(free, free)], value.gradient[free]
        size = np.sqrt(np.maximum(np.diag(h), 1e-12))
        damped = h / np.outer(size, size) + damping * np.eye(len(free))
        step = -np.linalg.solve(damped, g / size) / size
        trial = at.copy()
        trial[free] += step
        trial = np.clip(trial, box.low, box.high)
        trial_value = loss(trial)
        if trial_value.loss < value.loss:
            gained = value.loss - trial_value.loss
            at, value, damping = trial, trial_value, max(damping / 5.0, 1e-9)
            if gained < tolerance:
                break
        elif damping > 1e4 or -float(g @ step) < tolerance:
            break
        else:
            damping = max(5.0 * damping, 1e-4)
    return Minimum(at, value)


def inflation(curvature: Floats, score_variance: Floats, free: NDArray[np.bool_]) -> Floats:
    """(H^-1 J H^-1)_kk / (H^-1)_kk of the free parameters, 1 for the others; shape (p,)."""
    ratios = np.ones(len(curvature))
    inverse = np.linalg.inv(_regular(curvature[np.ix_(free, free)])[0])
    ratios[free] = np.diag(sandwich(curvature, score_variance, free))[free] / np.diag(inverse)
    return np.maximum(ratios, 1e-6)


def sandwich(curvature: Floats, score_variance: Floats, free: NDArray[np.bool_]) -> Floats:
    """H^-1 J H^-1 of the free parameters, 0 for the others; shape (p, p)."""
    covariance = np.zeros_like(curvature)
    which = np.ix_(free, free)
    h, ridge = _regular(curvature[which])
    inverse = np.linalg.inv(h)
    covariance[which] = inverse @ (score_variance[which] + ridge) @ inverse
    return covariance


def _regular(h: Floats) -> tuple[Floats, Floats]:
    """A curvature that has an inverse where the data say nothing, and the ridge that was added."""
    ridge = np.diag(RIDGE * np.diag(h) + 1e-12)
    return h + ridge, ridge


def interval(loss: Loss, best: Minimum, box: Box, k: int, gain: float) -> tuple[float, float]:
    """Where the profile of parameter k lies less than `gain` above the minimum.

    Args:
        loss: What was minimised.
        best: Its minimum.
        box: Limits; an end of the interval beyond them is the limit itself.
        k: Number of the parameter.
        gain: Of the loss: half the quantile of chi-square, times the inflation.
    """
    free = box.high > box.low
    h = best.value.curvature[np.ix_(free, free)]
    inverse = np.linalg.inv(_regular(h)[0])
    column = np.zeros(len(best.at))
    index = int(np.flatnonzero(free).tolist().index(k))
    sigma = float(np.sqrt(max(inverse[index, index], 1e-24)))
    column[free] = inverse[:, index] / sigma**2  # how the others follow parameter k
    low, high = (
        _end(loss, best, box, k, gain, sign * sigma * np.sqrt(2.0 * gain), column)
        for sign in (-1.0, 1.0)
    )
    return low, high


def _end(
    loss: Loss, best: Minimum, box: Box, k: int, gain: float, step: float, follow: Floats
) -> float:
    """One end of an interval: the root of sqrt(profile - minimum) - sqrt(gain), nearly a line."""
    border = box.low[k] if step < 0.0 else box.high[k]
    inner, outer = best.at[k], np.nan  # the end lies between
    height, above = -np.sqrt(gain), np.nan
    near, c = best.at, best.at[k] + step
    for _ in range(ENDS):
        c = max(c, border) if step < 0.0 else min(c, border)
        start = near + (c - near[k]) * follow
        constrained = minimise(loss, start, box.fixed(k, float(c)), steps=25, tolerance=1e-3 * gain)
        rise = np.sqrt(max(constrained.value.loss - best.value.loss, 0.0)) - np.sqrt(gain)
        if abs(rise) < 0.02 * np.sqrt(gain):
            return float(c)
        if rise < 0.0:
            inner, height, near = c, rise, constrained.at
            if c == border:
                return float(border)
        else:
            outer, above = c, rise
        if np.isnan(outer):
            c = inner + 2.0 * (inner - best.at[k])
        else:
            fraction = np.clip(height / (height - above), 0.1, 0.9)
            c = inner + fraction * (outer - inner)
    return float(inner if np.isnan(outer) else 0.5 * (inner + outer))
