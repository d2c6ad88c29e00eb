"""Draws of parameters from their intervals: the uncertainty of a fit, as numbers to simulate with.

A parameter with the value v and the 95 % interval [l, h] is drawn from a split normal distribution:
of a standard normal z it is v + z (h - v) / 1.96 above v and v + z (v - l) / 1.96 below it, in the
logarithm where v and l are positive. So 95 % of the draws lie in the interval, and the ends of an
asymmetric profile are preserved. Correlated z give correlated parameters (a Gaussian copula; its
use here is not from the source).

Source:
    K. F. Wallis, Statistical Science 29(1), 106-112, 2014: the split (two-piece) normal.
"""

import numpy as np

from ...record import Range
from ..measurements import Floats

Z = 1.959964  # 97.5 % quantile of the standard normal
UNKNOWN = 10.0  # factor within which a positive number lies of which neither end is known


def scores(covariance: Floats, count: int, generator: np.random.Generator) -> Floats:
    """Standard normal numbers with the correlations of a covariance, shape (count, p).

    Args:
        covariance: Shape (p, p); only its correlations count. A variance of 0 has none.
        count: Draws.
        generator: Their source.
    """
    size, axes = np.linalg.eigh(_correlation(covariance))
    half = axes * np.sqrt(np.maximum(size, 0.0))
    half /= np.sqrt((half**2).sum(1, keepdims=True))  # what was clipped keeps the variance 1
    z: Floats = generator.standard_normal((count, len(size))) @ half.T
    return z


def depth(z: Floats, covariance: Floats) -> Floats:
    """Minus the log-density of `scores`, up to a constant; shape (count,)."""
    inverse = np.linalg.pinv(_correlation(covariance), rcond=1e-9, hermitian=True)
    minus_log_density: Floats = 0.5 * np.einsum("ij,jk,ik->i", z, inverse, z)
    return minus_log_density


def _correlation(covariance: Floats) -> Floats:
    sigma = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    safe = np.where(sigma > 0.0, sigma, 1.0)
    correlation: Floats = np.where(
        np.outer(sigma, sigma) > 0.0, covariance / np.outer(safe, safe), 0.0
    )
    np.fill_diagonal(correlation, 1.0)
    return correlation


def drawn(
    z: Floats, value: float, interval: tuple[float, float], allowed: Range | None = None
) -> Floats:
    """Draws of one parameter, see the module.

    An end at the border of the range of the field is unknown, unless it is 0: that side takes the
    spread of the other one. Where both are, a positive value is known within the factor `UNKNOWN`
    and another one exactly.

    Args:
        z: Standard normal numbers, any shape.
        value: The estimate.
        interval: Ends of its 95 % interval.
        allowed: Range of the field; the draws are clipped to it.

    Returns:
        Shape of `z`, in the unit of `value`.
    """
    low, high = interval
    logs = value > 0.0 and low > 0.0
    middle, *ends = np.log([value, low, high]) if logs else (value, low, high)
    below, above = max(middle - ends[0], 0.0), max(ends[1] - middle, 0.0)
    if allowed is not None:
        no_low, no_high = low <= allowed.low != 0.0, high >= allowed.high
        if no_low and no_high:
            below = above = np.log(UNKNOWN) if logs else 0.0
        below, above = above if no_low else below, below if no_high else above
    draws = middle + z * np.where(z > 0.0, above, below) / Z
    draws = np.exp(draws) if logs else draws
    return np.clip(draws, allowed.low, allowed.high) if allowed is not None else draws
