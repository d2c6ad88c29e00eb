"""Tests between groups of samples, with effect sizes, intervals and corrected p values.

`scipy.stats` does the tests. A test that cannot be made (a group of one, or no spread at all) has
nan in the place of its numbers.

Source:
    Effects: L. V. Hedges and I. Olkin, Statistical Methods for Meta-Analysis, 1985: g and its
    variance, also of paired samples. M. Tomczak and E. Tomczak, Trends Sport Sci. 1(21), 19-25,
    2014: epsilon squared. Correction: S. Holm, Scand. J. Stat. 6, 65-70, 1979.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .statistics import Z

Floats = NDArray[np.float64]
NAN = float("nan")
DRAWS = 400  # of a bootstrap
STUDENT, WELCH, PAIRED, KRUSKAL = "student_t", "welch_t", "paired_t", "kruskal_wallis"


class Comparison(NamedTuple):
    """What one test says.

    Attributes:
        test: `student_t` (equal variances, as published), `welch_t`, `paired_t`, `kruskal_wallis`.
        samples: Of each group.
        means: Of each group.
        difference: Mean of the second group minus that of the first; nan of several.
        low, high: 95 % interval of the difference.
        statistic: t, or H.
        degrees: Degrees of freedom.
        p: Two-sided, uncorrected.
        effect_name: `hedges_g`, `hedges_g_paired` (both of the second group minus the first, in
            standard deviations) or `epsilon_squared` (0: groups alike, 1: ranks follow them).
        effect, effect_low, effect_high: Size of the effect and its 95 % interval.
    """

    test: str
    samples: tuple[int, ...]
    means: tuple[float, ...]
    difference: float
    low: float
    high: float
    statistic: float
    degrees: float
    p: float
    effect_name: str
    effect: float
    effect_low: float
    effect_high: float


def compare_means(a: ArrayLike, b: ArrayLike, test: str) -> Comparison:
    """A t test of b against a: `STUDENT`, `WELCH` or, of samples that belong together, `PAIRED`.

    Args:
        a: Samples of the control.
        b: Samples of the other group; as many as `a` where they are paired.
        test: Which.
    """
    from scipy import stats  # half a second that the command line need not wait for

    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    asked: dict[str, Callable[[], Any]] = {
        STUDENT: lambda: stats.ttest_ind(y, x, equal_var=True),
        WELCH: lambda: stats.ttest_ind(y, x, equal_var=False),
        PAIRED: lambda: stats.ttest_rel(y, x),
    }
    means = float(x.mean()), float(y.mean())
    base = Comparison(
        test, (len(x), len(y)), means, means[1] - means[0], *(NAN,) * 5, "hedges_g", *(NAN,) * 3
    )
    spread = (y - x).std() if test == PAIRED else max(x.std(), y.std())
    if min(len(x), len(y)) < 2 or spread <= 1e-12 * max(map(abs, means)):
        return base
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a group without spread beside one that has some
        done = asked[test]()
        ends = done.confidence_interval(0.95)
    name, effect, error = paired_effect(x, y) if test == PAIRED else two_sample_effect(x, y)
    return base._replace(
        low=float(ends.low), high=float(ends.high), statistic=float(done.statistic),
        degrees=float(done.df), p=float(done.pvalue), effect_name=name, effect=effect,
        effect_low=effect - Z * error, effect_high=effect + Z * error,
    )  # fmt: skip


def two_sample_effect(a: Floats, b: Floats) -> tuple[str, float, float]:
    """Hedges' g of two groups, b minus a, and its standard error."""
    n, m = len(a), len(b)
    pooled = math.sqrt(((n - 1) * a.var(ddof=1) + (m - 1) * b.var(ddof=1)) / (n + m - 2))
    g = _unbiased(n + m - 2) * float(b.mean() - a.mean()) / pooled
    return "hedges_g", g, math.sqrt((n + m) / (n * m) + g * g / (2 * (n + m)))


def paired_effect(a: Floats, b: Floats) -> tuple[str, float, float]:
    """Hedges' g of differences, b minus a, and its standard error."""
    n, each = len(a), b - a
    g = _unbiased(n - 1) * float(each.mean()) / float(each.std(ddof=1))
    return "hedges_g_paired", g, math.sqrt(1.0 / n + g * g / (2 * n))


def _unbiased(degrees: int) -> float:
    """Hedges' correction of the bias of small samples."""
    return 1.0 - 3.0 / (4.0 * degrees - 1.0)


def compare_ranks(
    groups: Sequence[ArrayLike], *, generator: np.random.Generator, draws: int = DRAWS
) -> Comparison:
    """Kruskal-Wallis test of several groups.

    Args:
        groups: Samples of each.
        generator: Draws the samples again, within their groups, for the interval of the effect.
        draws: So many times.
    """
    from scipy import stats

    each = [np.asarray(group, np.float64) for group in groups]
    sizes, means = tuple(map(len, each)), tuple(float(g.mean()) if len(g) else NAN for g in each)
    base = Comparison(KRUSKAL, sizes, means, *(NAN,) * 6, "epsilon_squared", *(NAN,) * 3)
    together = np.concatenate(each) if each else np.zeros(0)
    if len(each) < 2 or min(sizes) < 2 or np.ptp(together) == 0.0:
        return base
    done = stats.kruskal(*each)
    again = [
        epsilon_squared([g[generator.integers(0, len(g), len(g))] for g in each])
        for _ in range(draws)
    ]
    low, high = np.quantile(again, (0.025, 0.975))
    return base._replace(
        statistic=float(done.statistic), degrees=len(each) - 1.0, p=float(done.pvalue),
        effect=epsilon_squared(each), effect_low=float(low), effect_high=float(high),
    )  # fmt: skip


def epsilon_squared(groups: Sequence[Floats]) -> float:
    """H / (n - 1), H corrected for ties: the share of the variance of ranks between groups."""
    from scipy.stats import rankdata

    ranks = rankdata(np.concatenate(groups))
    bounds = np.cumsum([len(group) for group in groups])[:-1]
    between = sum(len(r) * (r.mean() - ranks.mean()) ** 2 for r in np.split(ranks, bounds))
    total = float(((ranks - ranks.mean()) ** 2).sum())
    return float(between / total) if total > 0.0 else 0.0


def holm(p: Sequence[float]) -> list[float]:
    """p values corrected for their number: the family errs once in twenty at 0.05.

    The k-th smallest of m is multiplied by m - k + 1, and is at least those before it; nan is no
    test and stays.
    """
    corrected = [NAN] * len(p)
    order = sorted((i for i, value in enumerate(p) if not math.isnan(value)), key=p.__getitem__)
    largest = 0.0
    for k, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - k) * p[i]))
        corrected[i] = largest
    return corrected
