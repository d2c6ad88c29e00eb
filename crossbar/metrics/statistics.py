"""95 % confidence intervals of fractions and of means."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z = 1.959964  # 97.5 % quantile of the standard normal


def wilson_interval(fraction: float, trials: int) -> tuple[float, float]:
    """Lower and upper end of the 95 % interval of a fraction of independent trials.

    Source:
        E. B. Wilson, J. Am. Stat. Assoc. 22(158), 209-212, 1927.
    """
    z, n = Z, trials
    middle = (fraction + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(fraction * (1 - fraction) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def student_interval(samples: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean over the last axis, and half the width of its 95 % interval by Student's t.

    Args:
        samples: Independent draws of a normal quantity along the last axis. One sample has no
            interval: its half width is 0.

    Source:
        "Student", Biometrika 6(1), 1-25, 1908.
    """
    from scipy.stats import t as student  # half a second that the command line need not wait for

    values = np.asarray(samples, np.float64)
    n, mean = values.shape[-1], np.asarray(values.mean(-1))
    if n < 2:
        return mean, np.zeros(mean.shape)
    return mean, np.asarray(values.std(-1, ddof=1) * student.ppf(0.975, n - 1) / math.sqrt(n))
