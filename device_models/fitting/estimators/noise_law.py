"""How a relative variance grows with resistance: least squares for all resamples at once."""

from typing import NamedTuple

import numpy as np

from ..measurements import Floats

DECADES = 0.5  # of resistance that a slope needs
EXPONENTS = np.linspace(0.0, 2.5, 251)


class NoiseLaw(NamedTuple):
    """y(R) = floor^2 + fraction^2 (R / knee)^(2 exponent), one of each per resample."""

    floor: Floats
    fraction: Floats
    exponent: Floats


def fit(
    weight: Floats,
    variance: Floats,
    ohms: Floats,
    rows: Floats,
    *,
    knee: float,
    exponents: Floats,
    with_floor: bool,
    reweighted: bool = True,
) -> NoiseLaw:
    """Fit relative variances against resistance, weighted by rows / expected^2.

    A sample variance scatters in proportion to its expectation, so the weights follow the fit; no
    logarithm is taken, so estimates at or below zero need no special case.

    Args:
        weight: Of each resample and unit, shape (resamples, units).
        variance: Relative variance of each unit, shape (units,); may be negative.
        ohms: Resistance of each unit.
        rows: Degrees of freedom of each variance.
        knee: Resistance at which the growing part is `fraction`.
        exponents: Values to try; a single one is fixed.
        with_floor: Whether there is a floor.
        reweighted: False: `rows` are the precisions themselves.
    """
    grown = (ohms[None, :] / knee) ** (2.0 * exponents[:, None])  # (exponents, units)
    pooled = max(float((rows * variance).sum() / rows.sum()), 1e-18)
    expected = np.ones(variance.shape)
    for _ in range(4 if reweighted else 0):
        best = _solve(weight[:1], variance, grown, rows / expected**2, with_floor)
        k = int(best[2][0])
        expected = np.maximum(best[0][0] + best[1][0] * grown[k], 1e-3 * pooled)
    floor2, fraction2, which = _solve(weight, variance, grown, rows / expected**2, with_floor)
    return NoiseLaw(np.sqrt(floor2), np.sqrt(fraction2), exponents[which])


def _solve(
    weight: Floats, y: Floats, grown: Floats, precision: Floats, with_floor: bool
) -> tuple[Floats, Floats, "np.ndarray[tuple[int], np.dtype[np.intp]]"]:
    """Non-negative least squares on (1, grown) for every exponent; the best one."""
    w = weight * precision  # (resamples, units)
    s1, sy = w.sum(1)[:, None], (w @ y)[:, None]
    sx, sxx, sxy = w @ grown.T, w @ (grown**2).T, w @ (grown * y).T
    slope_only = np.maximum(sxy / sxx, 0.0)
    a, b = np.zeros_like(sx), slope_only
    if with_floor:
        det = np.maximum(s1 * sxx - sx**2, 1e-12 * s1 * sxx)
        free_a, free_b = (sxx * sy - sx * sxy) / det, (s1 * sxy - sx * sy) / det
        flat = np.maximum(sy / s1, 0.0) + 0.0 * sx
        inside = (free_a >= 0.0) & (free_b >= 0.0)
        flat_better = flat**2 * s1 - 2 * flat * sy < slope_only**2 * sxx - 2 * slope_only * sxy
        a = np.where(inside, free_a, np.where(flat_better, flat, 0.0))
        b = np.where(inside, free_b, np.where(flat_better, 0.0, slope_only))
    loss = a**2 * s1 + 2 * a * b * sx + b**2 * sxx - 2 * a * sy - 2 * b * sxy
    best = loss.argmin(1)
    rows = np.arange(len(w))
    return a[rows, best], b[rows, best], best


def spans(ohms: Floats) -> bool:
    """Whether resistances are far enough apart to fit an exponent."""
    low, high = np.quantile(ohms, (0.02, 0.98))
    return bool(np.log10(high / low) >= DECADES)
