"""Normal scores of the levels of some devices, and how nearly standard normal they are.

Scores are those of the simplest law of levels that the rows do not refute (`cycle_memory` chooses):
log-normal, or quantiles at few or many probabilities.

Source:
    M. S. Bartlett, Supplement J. R. Stat. Soc. 8, 27, 1946 (variances of a sample of correlated
    normal numbers).
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from ..measurements import Floats

LINE = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
KNOTS = (
    (),
    (0.05, 0.25, 0.5, 0.75, 0.95),
    (0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975, 0.99),
)
STEEPEST = 30.0  # slope of scores, over that of the log-normal: many equal levels have no slope


def scores_of(x: Floats, probabilities: Floats) -> tuple[Floats, Floats]:
    """Normal scores of values, and the logarithms of their slopes, (rows,) each.

    Args:
        x: Values, (rows,).
        probabilities: Where quantiles are knots of the scores, which are linear between them and
            beyond; none: linear everywhere.
    """
    ends = ndtri(LINE)
    q = np.quantile(x, LINE)
    line = max(float(ends @ ends) / max(float(q @ ends), 1e-12), 1e-12)
    if len(probabilities) == 0:
        return (x - q[len(q) // 2]) * line, np.full(len(x), np.log(line))
    q, first = np.unique(np.quantile(x, probabilities), return_index=True)
    if len(q) < 2:
        return scores_of(x, probabilities[:0])
    at = ndtri(probabilities[first])
    slopes = np.minimum(np.diff(at) / np.diff(q), STEEPEST * line)
    at = at[0] + np.append(0.0, np.cumsum(slopes * np.diff(q)))
    i = np.clip(np.searchsorted(q, x) - 1, 0, len(slopes) - 1)
    return at[i] + slopes[i] * (x - q[i]), np.log(slopes[i])


def line_variances(
    d2d_share: ArrayLike,
    memory_share: ArrayLike,
    memory_cycles: ArrayLike,
    devices: int,
    cycles: int,
) -> tuple[Floats, Floats]:
    """Variances of the mean and of ln(variance) of the scores of all cycles of some devices.

    Scores are standard normal for the type of device, those of n measured devices of T cycles only
    nearly so: by mean(rho) / n and 2 mean(rho^2) / n of the T x T correlations of one of them.

    Args:
        d2d_share: s of `cycle_memory`, any shape.
        memory_share: m, broadcast to it.
        memory_cycles: L, broadcast to it.
        devices: n.
        cycles: T.
    """
    s, m, length = (
        np.asarray(x, np.float64)[..., None] for x in (d2d_share, memory_share, memory_cycles)
    )
    lag = np.arange(cycles)
    pairs = np.where(lag, 2.0, 1.0) * (cycles - lag) / cycles**2  # their share of all pairs
    rho = np.where(lag, s + (1.0 - s) * m * np.exp(-lag / length), 1.0)
    return rho @ pairs / devices, 2.0 * rho**2 @ pairs / devices
