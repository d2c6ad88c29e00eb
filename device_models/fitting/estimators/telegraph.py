"""Telegraph noise of a population of devices, by simulation: are there traps, and which.

No likelihood is at hand, so sets of series are simulated with parameters from a wide prior and
reduced to the numbers of `read_features`; every further round draws from the part of the prior
that the one before left. The parameters are regressed on the numbers, the sets nearest to the
measured one in the regression are accepted and moved to it along its slopes: their parameters are
draws from an approximate posterior. A parameter of which the reads tell nothing keeps its prior,
and the end of its interval is then that of its range.

The same is done for white and slow noise without traps. Each half of the devices predicts the
features of the other; traps are in the fit where they predict clearly better.

Source:
    M. A. Beaumont et al., Genetics 162, 2025-2035, 2002: regression adjustment. P. Fearnhead and
    D. Prangle, J. R. Stat. Soc. B 74, 419-474, 2012: regressions as summaries. M. Deistler et al.,
    NeurIPS 2022: truncated proposals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..measurements import Floats, Ints, Reads
from . import read_features
from .read_features import Design

SETS = {"traps": (300, 400, 500, 600), "slow": (300, 500)}  # simulated in each round
ACCEPTED = 0.25  # of them
WIDER = 0.25  # of the accepted range, on either side, in the second round
RIDGE = 3.0
LEAST_DEVICES = 8  # that a choice needs
CLEARLY = 2.0  # standard errors over devices
STRETCH = 1.25  # of amplitude and exponent: without it 33 and 35 of 38 intervals held the truth
MOST_RATIO = 5.0  # that one device says for or against traps, log-density
EDGE = 0.03  # of the prior: an end nearer to its border is not known
TRAPS = {  # field without its prefix: ends of the prior
    "white": (-1.5, 0.5), "d2d_sigma": (0.0, 1.5), "amplitude": (0.0, 0.0),
    "exponent": (0.0, 3.0), "shortest_seconds": (0.0, 0.0), "longest_seconds": (0.0, 0.0),
    "traps": (np.log(0.1), np.log(8.0)), "sigma": (0.0, 2.0), "duty_sigma": (0.0, 3.0),
}  # fmt: skip
SLOW = {name: TRAPS[name] for name in list(TRAPS)[:6]} | {"slow_d2d_sigma": (0.0, 2.0)}
LOGS = ("white", "amplitude", "shortest_seconds", "longest_seconds", "traps")
SIMULATE = {"traps": read_features.simulate_traps, "slow": read_features.simulate_slow}


class MeasuredSeries(NamedTuple):
    """What a population of traps is beside.

    Attributes:
        design: Of the series.
        features: Measured ones, shape (series, features).
        white: Relative white noise of a median device at the resistance of each series.
        spans: Whether resistances differ enough for an exponent.
        exponent: Where they do not.
        cap: Of the amplitude.
    """

    design: Design
    features: Floats
    white: Floats
    spans: bool
    exponent: float
    cap: float

    @property
    def ohms(self) -> float:
        """Resistance in the middle of the series."""
        return float(np.exp(np.mean(np.log(self.design.ohms))))


@dataclass(frozen=True, eq=False)
class Population:
    """Sets simulated in the last round.

    Attributes:
        names: Of the parameters.
        theta: Parameters of the sets, logarithms of `LOGS`, shape (sets, parameters).
        low: Ends of the prior of the first round.
        high: The same.
        features: Shape (sets, series, features).
    """

    names: tuple[str, ...]
    theta: Floats
    low: Floats
    high: Floats
    features: Floats


def measured_series(
    reads: Reads, white: Callable[[Floats], Floats], *, spans: bool, exponent: float, cap: float
) -> MeasuredSeries | None:
    """The series that tell of traps; None if there are too few devices.

    Args:
        reads: All of them.
        white: Relative white noise of a median device at some resistances.
        spans: See `MeasuredSeries`, as `exponent` and `cap`.
        exponent: See there.
        cap: See there.
    """
    chosen = read_features.of_reads(reads)
    if chosen is None or int(chosen[0].unit.max()) + 1 < LEAST_DEVICES:
        return None
    design, g = chosen
    measured = read_features.features(g)
    return MeasuredSeries(design, measured, white(design.ohms), spans, exponent, cap)


def simulated(table: MeasuredSeries, kind: str, *, generator: np.random.Generator) -> Population:
    """Rounds of sets, each from what the one before left of the prior.

    Args:
        table: What was measured.
        kind: "traps" or "slow".
        generator: Of parameters, devices and reads.
    """
    priors = dict(TRAPS if kind == "traps" else SLOW) | _priors(table)
    names = tuple(priors)
    low, high = np.array(list(priors.values())).T
    begin, end = low, high
    for sets in SETS[kind]:
        theta = begin + (end - begin) * generator.random((sets, len(names)))
        ends = [names.index(f"{which}_seconds") for which in ("shortest", "longest")]
        theta[:, ends] = np.sort(theta[:, ends], axis=1)
        features = SIMULATE[kind](table.design, *_arguments(table, names, theta), generator)
        population = Population(names, theta, low, high, features)
        draws = posterior(table, population)
        a, b = np.quantile(draws, (0.02, 0.98), axis=0)
        begin, end = np.maximum(low, a - WIDER * (b - a)), np.minimum(high, b + WIDER * (b - a))
    return population


def _priors(table: MeasuredSeries) -> dict[str, tuple[float, float]]:
    """Those that depend on what was read: amplitude of a trap or of slow noise, times, exponent."""
    spread = np.exp(table.features[:, 0] + table.features[:, 2])
    largest = min(5.0 * float(spread.max()), 1.0)
    shortest = float(table.design.near_seconds.min())
    times = np.log(0.1 * shortest), np.log(10.0 * table.design.lasting_seconds)
    exponent = (0.0, 3.0) if table.spans else (table.exponent, table.exponent)
    return {
        "amplitude": (np.log(0.05 * float(spread.min())), np.log(largest)),
        "shortest_seconds": times,
        "longest_seconds": times,
        "exponent": exponent,
    }


def _arguments(
    table: MeasuredSeries, names: tuple[str, ...], theta: Floats
) -> tuple[dict[str, Floats], Floats]:
    """Parameters and white noise as `read_features` takes them."""
    p = {n: np.exp(x) if n in LOGS else x for n, x in zip(names, theta.T, strict=True)}
    ohms = table.design.ohms
    white = p.pop("white")[:, None] * table.white
    level = p["amplitude"], p.pop("exponent")
    p["amplitude"] = read_features.capped(*level, ohms, table.ohms, table.cap)
    return p, white


def posterior(
    table: MeasuredSeries,
    population: Population,
    *,
    series: Ints | None = None,
) -> Floats:
    """Draws of the parameters, shape (draws, parameters); by some of the series, or all."""
    near, coefficients, at = _nearest(table, population, series)
    moved = population.theta[near] + (at - coefficients[near])
    steep = [population.names.index(name) for name in ("amplitude", "exponent")]
    middle = np.median(moved[:, steep], axis=0)
    moved[:, steep] = middle + STRETCH * (moved[:, steep] - middle)
    return np.clip(moved, population.low, population.high)


def _nearest(
    table: MeasuredSeries, population: Population, series: Ints | None
) -> tuple[Ints, Floats, Floats]:
    """The sets nearest to the measured one, the regression of every set, and that of its own."""
    chosen = np.arange(len(table.design.ohms)) if series is None else series
    all_features = np.concatenate([table.features[None], population.features])
    s = read_features.summaries(all_features, table.design, chosen, spans=table.spans)
    middle, scale = np.median(s[1:], axis=0), s[1:].std(0) + 1e-9
    s = np.clip((s - middle) / scale, -5.0, 5.0)
    x = np.concatenate([np.ones((len(s), 1)), s], 1)
    theta = population.theta
    width = theta.std(0) + 1e-9
    ridge = RIDGE * np.eye(x.shape[1])
    ridge[0, 0] = 0.0
    weight, near = np.ones(len(theta)), np.arange(len(theta))
    for _ in range(2):  # by all sets, then by the nearest
        inner = x[1:] * weight[:, None]
        b = np.linalg.solve(inner.T @ x[1:] + ridge, inner.T @ theta)
        fitted = x @ b
        spread = (theta - fitted[1:])[near].std(0) + 1e-3 * width
        distance = (((fitted[1:] - fitted[0]) / spread) ** 2).sum(1)
        near = np.argsort(distance)[: max(20, int(ACCEPTED * len(theta)))]
        weight = np.maximum(0.0, 1.0 - distance / (distance[near].max() + 1e-12)) + 1e-3
    return near.astype(np.int64), fitted[1:], fitted[0]


class Choice(NamedTuple):
    """How much better traps predict devices that were not fitted, per device."""

    difference: float
    standard_error: float

    @property
    def wins(self) -> bool:
        """Whether traps predict clearly better than slow noise alone."""
        return self.difference > CLEARLY * self.standard_error

    def __str__(self) -> str:
        """The difference with its error."""
        return f"by {self.difference:.2g} +/- {self.standard_error:.2g} per device"


def compared(table: MeasuredSeries, traps: Population, slow: Population) -> Choice:
    """The held-out score: log-density of the features of a device, traps less slow noise alone.

    The ratio of the densities is that of a logistic regression that tells the two apart.
    """
    unit = table.design.unit
    gains = np.zeros(int(unit.max()) + 1)
    for half in (0, 1):
        train, test = np.flatnonzero(unit % 2 == half), np.flatnonzero(unit % 2 != half)
        sets = [p.features[_nearest(table, p, train)[0]][:, test] for p in (traps, slow)]
        gains += np.bincount(unit[test], _log_ratio(table, sets, test), len(gains))
    return Choice(float(gains.mean()), float(gains.std(ddof=1) / np.sqrt(len(gains))))


def _log_ratio(table: MeasuredSeries, sets: list[Floats], test: Ints) -> Floats:
    """ln p(features | first) / p(features | second) of some measured series, shape (series,)."""
    log_ohms = np.log(table.design.ohms[test])
    middle = np.concatenate(sets).reshape(-1, sets[0].shape[2]).mean(0)
    rows = [_quadratic(f - middle, log_ohms) for f in (*sets, table.features[None, test])]
    x, label = np.concatenate(rows[:2]), np.repeat([1.0, 0.0], [len(r) for r in rows[:2]])
    middle, scale = x.mean(0), x.std(0) + 1e-9
    x, measured = ((np.clip((v - middle) / scale, -4.0, 4.0)) for v in (x, rows[2]))
    x, measured = (np.concatenate([np.ones((len(v), 1)), v], 1) for v in (x, measured))
    offset = np.log(len(rows[0]) / len(rows[1]))
    b = np.zeros(x.shape[1])
    for _ in range(8):
        chance = 1.0 / (1.0 + np.exp(-(x @ b + offset)))
        curvature = (x * (chance * (1.0 - chance))[:, None]).T @ x + len(x) * 1e-3 * np.eye(len(b))
        b += np.linalg.solve(curvature, x.T @ (label - chance) - len(x) * 1e-3 * b)
    ratio: Floats = np.clip(measured @ b, -MOST_RATIO, MOST_RATIO)
    return ratio


def _quadratic(f: Floats, log_ohms: Floats) -> Floats:
    """Features, resistance, their squares and products, shape (sets series, terms)."""
    ohms = np.broadcast_to(log_ohms - log_ohms.mean(), f.shape[:2])[..., None]
    x = np.concatenate([f, ohms], 2).reshape(-1, f.shape[2] + 1)
    i, j = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, i] * x[:, j]], 1)
