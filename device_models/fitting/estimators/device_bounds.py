"""Upper end of the window from devices that each stop at a bound of their own.

A device whose full SETs all end at one level is at its own bound, g_high = g_max exp(-sigma |z|)
with z of the device (`Pulsed`). Of n devices the largest lies below g_max, by a gap that is
exponential with the mean scale

    s = sigma sqrt(pi / 2) / n                    (n small gaps of a half-normal density at 0),

so ln g_max is the largest ln g_high plus s, and its 95 % interval goes from -s ln 0.975 to
-s ln 0.025 above it. sigma^2 is the mean square of the distances from there.

Source:
    Order statistics of a density that is not 0 at its end: L. de Haan and A. Ferreira, Extreme
    Value Theory, Springer, 2006. That the bounds are half-normal is the model of `Pulsed`.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats

from ..measurements import Floats, Ints

FEWEST = 8  # devices
SHARP = 0.3  # spread of the cycles of a device over that of the devices: more is no bound
ROUNDS = 20  # of the end and the spread, each from the other


class UpperBound(NamedTuple):
    """The end of a window and the spread of the devices below it.

    Attributes:
        g_max_siemens, g_max_interval: With its 95 % interval.
        sigma, sigma_interval: In ln g.
        draws: Of g_max, (resamples,).
    """

    g_max_siemens: float
    g_max_interval: tuple[float, float]
    sigma: float
    sigma_interval: tuple[float, float]
    draws: Floats


def upper_bound(
    logs: Floats, device: Ints, resamples: int, generator: np.random.Generator
) -> UpperBound | None:
    """The upper end of the window; None where the devices have no bounds of their own.

    Args:
        logs: ln g after full SETs, (cycles,).
        device: Of each.
        resamples: Draws.
        generator: Of the draws.
    """
    names, which, count = np.unique(device, return_inverse=True, return_counts=True)
    n = len(names)
    if n < FEWEST or count.min() < 2:
        return None
    mean = np.bincount(which, logs) / count
    within = float(np.sqrt(((logs - mean[which]) ** 2).sum() / (len(logs) - n)))
    if not within < SHARP * float(mean.std(ddof=1)):
        return None
    top, gap = float(mean.max()), 0.0
    for _ in range(ROUNDS):
        sigma = float(np.sqrt(np.mean((top + gap - mean) ** 2)))
        gap = sigma * np.sqrt(np.pi / 2.0) / n
    low, high = top - gap * np.log(0.975), top - gap * np.log(0.025)
    ends = sigma * np.sqrt(n / stats.chi2.ppf((0.975, 0.025), n))
    return UpperBound(
        g_max_siemens=float(np.exp(top + gap)),
        g_max_interval=(float(np.exp(low)), float(np.exp(high))),
        sigma=sigma,
        sigma_interval=(float(ends[0]), float(ends[1])),
        draws=np.exp(top + gap * generator.exponential(size=resamples)),
    )
