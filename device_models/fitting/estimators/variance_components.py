"""Spread between devices, without the sampling errors of their estimates."""

from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from ..measurements import Floats, Ints


class Spread(NamedTuple):
    """Standard deviation between devices with its 95 % interval, and the mean of each group."""

    sigma: float
    low: float
    high: float
    means: Floats


def between(values: Floats, errors: Floats, group: Ints) -> Spread:
    """Random effects by moments: values ~ Normal(mean of the group, sigma^2 + errors^2).

    With w = 1 / (sigma^2 + errors^2) the sum Q(sigma) = sum w (value - weighted mean)^2 is
    chi-squared with as many degrees of freedom as there are values more than groups. The estimate
    solves Q = that number; the interval is where Q lies between the quantiles of chi-squared, which
    holds for few devices too. Where Q(0) lies below the degrees of freedom the estimate is 0, and
    the upper end is where Q has fallen from there as far as it would from the degrees of freedom:
    overestimated errors do not shrink the interval to a point (this rule is not from the sources).

    Args:
        values: One per device.
        errors: Standard error of each, positive or zero.
        group: Values of one group share one mean (SET gains, RESET gains).

    Source:
        R. C. Paule and J. Mandel, J. Res. NBS 87, 377, 1982; W. Viechtbauer, Stat. Med. 26, 37,
        2007 (the interval).
    """
    freedom = len(values) - len(np.unique(group))
    top = 10.0 * float(np.std(values)) + 10.0 * float(errors.max(initial=0.0)) + 1e-9

    def excess(sigma: float, wanted: float) -> float:
        weight = 1.0 / (sigma**2 + errors**2 + 1e-18)
        residual = values - _means(values, weight, group)[group]
        return float((weight * residual**2).sum()) - wanted

    def solve(wanted: float) -> float:
        if excess(0.0, wanted) <= 0.0:
            return 0.0
        if excess(top, wanted) >= 0.0:
            return top
        return float(optimize.brentq(excess, 0.0, top, args=(wanted,), xtol=1e-9))

    sigma = solve(float(freedom))
    low = solve(float(stats.chi2.ppf(0.975, freedom)))
    usual = min(1.0, excess(0.0, 0.0) / freedom)
    high = solve(usual * float(stats.chi2.ppf(0.025, freedom)))
    return Spread(sigma, low, high, _means(values, 1.0 / (sigma**2 + errors**2 + 1e-18), group))


def _means(values: Floats, weight: Floats, group: Ints) -> Floats:
    """Weighted mean of each group."""
    return np.bincount(group, weight * values) / np.bincount(group, weight)
