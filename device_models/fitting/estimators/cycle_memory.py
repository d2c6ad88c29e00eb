"""Posterior of the law of `cycle_memory`, of the levels of one state.

Scores are those of the simplest law of levels that the rows do not refute by their BIC: log-normal,
or quantiles at few or many probabilities. The mixture of few devices is nothing that quantiles
should follow: with ranks as scores the shares of 60 noisy devices came out up to 0.25 too large.

The prior is flat in s, m and sigma, and in ln L between one cycle and `LONGER` times the longest
record. mu and ln tau^2 are 0 as nearly as those of so many devices are (`line_variances`): levels
are predicted with the scale that was measured, so that another tau, which likelihood asks for where
the law is not theirs, would come out as too large a share of the device. The mode is searched from
several memories. The posterior is sampled
by importance: first from a Student t around the mode, then from kernels around the samples so far,
weighted by the mixture of all proposals. Where the slopes of the devices spread more than their
likelihood says (the law is not theirs), the likelihood is flattened by that factor, so that no
interval is narrower than devices allow. A share or sigma whose absence is not refuted has an
interval from 0, and memory and sigma are then 0.

Source:
    O. Cappe et al., J. Comput. Graph. Stat. 13, 907, 2004 (population Monte Carlo); F. Pauli et
    al., Statistica Sinica 21, 149, 2011 (the factor).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize
from scipy.special import expit, gammaln, log_expit, logsumexp

from ..cycle_series import CycleOrder, ordered
from ..measurements import Floats, Ints
from . import bootstrap
from .cycle_likelihood import (
    NOTHING,
    Parameters,
    Scores,
    device_sums,
    log_likelihood,
)
from .cycle_scores import KNOTS, line_variances, scores_of
from .levels_correlation import DeviceParts

SHORTEST = 8  # cycles of a device of which a memory can be told
FEWEST_ROWS = 60  # in devices with as many
FEWEST_NOISY = 5  # devices of which sigma is told
STILL, MOST_VARY = 1e-6, 0.8  # of the variance of all levels: none; devices that have more
MOST_ROWS = 60_000  # that are filtered: of more, fewer devices, and of few devices, fewer cycles
LONGEST = 1000  # cycles of a device that are filtered where there are many devices
LONGER = 10.0  # memories longer than the longest record by more than that are not looked for
NOISIEST = 1.5  # sigma that is looked for
WIDER = 1.2  # of intervals: what the law of the levels, taken from the same rows, hides (measured)
ROUNDS, SAMPLES = 3, 200  # of the importance sampling
FREEDOM = 5.0  # of the proposals
CHI2 = 3.84  # twice the loss of likelihood that refutes
SMALL, NEAR = -2.5, 1.0  # logit or logarithm; what is larger and known as well is surely not 0
FLATTENED = 20  # devices from which on the factor of the likelihood is estimated
STARTS = tuple((m, cycles) for m in (-1.5, 0.5, 2.5) for cycles in (3.0, 20.0, 100.0, 400.0))
NAMES = ("d2d_share", "memory_share", "memory_cycles", "d2d_noise_sigma")


class CycleFit(NamedTuple):
    """The law of one state, fitted.

    Attributes:
        values: `NAMES` -> estimate; without those that the devices do not tell.
        intervals: `NAMES` -> 95 % interval.
        draws: `NAMES` -> posterior, (draws,); empty if none were asked for.
        rows: Cycles that were filtered.
        parts: Mean scores of the devices that were; empty for one device.
    """

    values: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    draws: dict[str, Floats]
    rows: int
    parts: list[DeviceParts]


def can_be_told(device: Ints) -> bool:
    """Whether devices have so many cycles that a memory can be told from their part of a level."""
    count = np.unique(device, return_counts=True)[1]
    long = int(count[count >= SHORTEST].sum())
    return long >= FEWEST_ROWS and 2 * long >= len(device)


def varies(x: Floats, device: Ints) -> bool:
    """Whether levels vary inside most devices: one that stops at one level tells no law."""
    _, which, count = np.unique(device, return_inverse=True, return_counts=True)
    mean = np.bincount(which, x) / count
    inside = np.bincount(which, (x - mean[which]) ** 2)[count > 1] / count[count > 1]
    return bool(np.mean(inside > STILL * float(x.var())) > MOST_VARY) if len(inside) else False


def fit(
    x: Floats,
    device: Ints,
    cycle: Ints,
    draws: int,
    generator: np.random.Generator,
    *,
    remembers: bool = True,
) -> CycleFit:
    """Fit the law to the levels of one state.

    Args:
        x: Levels, or any rising function of them, (rows,).
        device: Of each.
        cycle: Number of each.
        draws: Of the posterior; 0: no intervals.
        generator: Of the samples.
        remembers: Whether a memory is looked for, see `can_be_told`.
    """
    order = ordered(device, cycle)
    rows = _fewer(order)
    names = device[order.rows][rows]
    sorted_cycles = ordered(np.unique(names, return_inverse=True)[1], cycle[order.rows][rows])
    best, mode = -np.inf, np.empty(0)
    for knots in KNOTS:
        y, slope = scores_of(x, np.array(knots))
        tried = _Search(Scores(y[order.rows][rows], sorted_cycles), remembers)
        reached, logs = tried.maximum(mode if len(mode) else _start(tried))
        bic = logs + float(slope[order.rows][rows].sum()) - 0.5 * len(knots) * np.log(len(rows))
        if bic > best:
            best, search, mode, peak = bic, tried, reached, logs
    samples, factor = mode[None], 1.0
    if draws:
        information = search.information(mode)
        if search.scores.devices >= FLATTENED:
            factor = search.flattening(mode, information)
        cover = 1.5 * factor * np.asarray(np.linalg.inv(information), np.float64)
        samples = search.posterior(mode, cover, factor, draws, generator)
        samples = search.widened(mode, samples)
    absent = {
        name
        for i, name in enumerate(search.names)
        if name in ZERO
        and (not draws or mode[i] < SMALL or np.quantile(samples[:, i], 0.025) < mode[i] - NEAR)
        and 2.0 * (peak - search.without(name, mode)) < CHI2 * factor
    }
    values, intervals, posterior = _summary(search, mode, samples, absent)
    parts = [search.parts(mode, np.unique(names))] if search.scores.devices > 1 else []
    return CycleFit(values, intervals, posterior if draws else {}, len(names), parts)


def _fewer(order: CycleOrder) -> Ints:
    """Sorted rows of about `MOST_ROWS`: whole devices, evenly chosen, no longer than needed."""
    count = np.diff(order.start)
    longest = max(LONGEST, MOST_ROWS // len(count))
    chosen = np.minimum(count, longest)
    every = -(-int(chosen.sum()) // MOST_ROWS)
    used = range(0, len(count), every)
    return np.concatenate([np.arange(order.start[d], order.start[d] + chosen[d]) for d in used])


class _Search:
    """The posterior of some scores as a function of the numbers that are searched."""

    def __init__(self, scores: Scores, remembers: bool) -> None:
        span = max(float(np.where(np.isfinite(g := scores.order.gap), g, 0.0).sum()), 2.0)
        span = max(span / scores.devices, float(np.diff(scores.order.start).max()))
        self.scores = scores
        self.cycles = max(round(len(scores.y) / scores.devices), 1)  # of a device
        self.gap = span / self.cycles
        several = scores.devices > 1
        self.names = (
            *(("d2d_logit",) if several else ()),
            *(("memory_logit", "log_cycles") if remembers else ()),
            *(("log_noise",) if several else ()),
            *("log_scale", *(("mean",) if several else ())),
        )
        ends = {
            "d2d_logit": (-9.0, 9.0),
            "memory_logit": (-7.0, 6.9),
            "log_cycles": (0.0, float(np.log(LONGER * span))),
            "log_noise": (-6.0, float(np.log(NOISIEST))),
            "log_scale": (-2.0, 2.0),
            "mean": (-2.0, 2.0),
        }
        self.ends = np.array([ends[name] for name in self.names])
        self.zero = Parameters(NOTHING, NOTHING, 0.0, -np.inf, 0.0, 0.0)

    def parameters(self, theta: Floats) -> Parameters:
        """The numbers by name; what is not searched is absent."""
        return self.zero._replace(**dict(zip(self.names, theta.tolist(), strict=True)))

    def log_prior(self, theta: Floats) -> Floats:
        """Of searched numbers, (..., numbers); -inf outside the ends."""
        total = np.zeros(theta.shape[:-1])
        for i, name in enumerate(self.names):
            if name in ("d2d_logit", "memory_logit"):
                total += log_expit(theta[..., i]) + log_expit(-theta[..., i])
            elif name == "log_noise":
                total += theta[..., i]
        total += self.log_prior_of_line(
            dict(zip(self.names, np.moveaxis(theta, -1, 0), strict=True))
        )
        inside = ((theta >= self.ends[:, 0]) & (theta <= self.ends[:, 1])).all(-1)
        return np.where(inside, total, -np.inf)

    def log_prior_of_line(self, at: Mapping[str, ArrayLike]) -> Floats:
        """Of mu and ln tau^2, which several devices have, by searched numbers of any shape."""
        if self.scores.devices == 1:
            return np.zeros(())
        d2d, memory = (expit(at.get(name, NOTHING)) for name in ("d2d_logit", "memory_logit"))
        length = np.exp(at.get("log_cycles", 0.0)) / self.gap
        variances = line_variances(d2d, memory, length, self.scores.devices, self.cycles)
        terms = [
            np.square(at[name]) / variance + np.log(variance)
            for name, variance in zip(("mean", "log_scale"), variances, strict=True)
        ]
        return np.asarray(-0.5 * (terms[0] + terms[1]))

    def of_devices(self, theta: Floats) -> Floats:
        """Log-likelihood of each device; what has none is `IMPOSSIBLE`."""
        return _possible(log_likelihood(self.scores, self.parameters(theta)))

    def loss(self, theta: Floats) -> float:
        """Minus the log-posterior up to a constant, over the rows."""
        total = float(self.of_devices(theta).sum() + self.log_prior(theta))
        return -total / len(self.scores.y)

    def maximum(self, start: Floats) -> tuple[Floats, float]:
        """The mode, and `fit_of` there."""
        best = optimize.minimize(self.loss, start, method="L-BFGS-B", bounds=self.ends,
                                 options={"ftol": 1e-10, "gtol": 1e-6, "maxiter": 60})  # fmt: skip
        mode: Floats = best.x
        return mode, self.fit_of(dict(zip(self.names, mode.tolist(), strict=True)))

    def fit_of(self, values: Mapping[str, float]) -> float:
        """Log-likelihood of some numbers, with the prior of mu and ln tau^2; others are absent."""
        logs = _possible(log_likelihood(self.scores, self.zero._replace(**values)))
        return float(logs.sum() + self.log_prior_of_line(values))

    def without(self, name: str, mode: Floats) -> float:
        """The largest `fit_of` where a number is 0."""
        free = [i for i, n in enumerate(self.names) if n != name and n not in WITH.get(name, ())]
        held = self.zero._asdict()[name]

        def loss(theta: Floats) -> float:
            values = dict(zip((self.names[i] for i in free), theta.tolist(), strict=True))
            return -self.fit_of(values | {name: held}) / len(self.scores.y)

        best = optimize.minimize(loss, mode[free], method="L-BFGS-B", bounds=self.ends[free],
                                 options={"ftol": 1e-10, "maxiter": 40})  # fmt: skip
        return -float(best.fun) * len(self.scores.y)

    def parts(self, theta: Floats, device: Ints) -> DeviceParts:
        """Mean scores of the devices, of these numbers, and their errors."""
        s = device_sums(self.scores, self.parameters(theta))
        variance = np.maximum(s.c - s.b**2 / s.a, 1e-9) / np.maximum(s.rows - 1.0, 1.0)
        return DeviceParts(device, s.b / s.a, variance / s.a)

    def slopes(self, theta: Floats) -> Floats:
        """Derivatives of the log-likelihood of each device, (numbers, devices)."""
        steps = 1e-3 * np.eye(len(theta))
        return np.stack(
            [(self.of_devices(theta + h) - self.of_devices(theta - h)) / 2e-3 for h in steps]
        )

    def information(self, theta: Floats) -> Floats:
        """Minus the second derivatives of the log-posterior, (numbers, numbers), made positive."""
        size, step = len(theta), 0.02
        inner = np.clip(theta, self.ends[:, 0] + 2.1 * step, self.ends[:, 1] - 2.1 * step)
        unit = step * np.eye(size)
        f: Callable[[Floats], float] = self.loss
        h = np.empty((size, size))
        for i in range(size):
            for j in range(i + 1):
                a, b = unit[i], unit[j]
                corners = f(inner + a + b) - f(inner + a - b) - f(inner - a + b) + f(inner - a - b)
                h[i, j] = h[j, i] = corners / (4.0 * step * step) * len(self.scores.y)
        widest = (self.ends[:, 1] - self.ends[:, 0]) / 4.0
        value, axes = np.linalg.eigh(h)
        least = 1.0 / (axes.T**2 @ widest**2)
        positive: Floats = (axes * np.maximum(value, least)) @ axes.T
        return positive

    def flattening(self, mode: Floats, information: Floats) -> float:
        """By how much devices spread more than their likelihood says, at least 1."""
        slopes = self.slopes(mode)
        return max(
            1.0, float(np.trace(np.linalg.solve(information, slopes @ slopes.T))) / len(mode)
        )

    def posterior(
        self,
        mode: Floats,
        cover: Floats,
        factor: float,
        draws: int,
        generator: np.random.Generator,
    ) -> Floats:
        """Draws of the searched numbers, (draws, numbers); the first proposals have `cover`."""
        proposals = [(mode[None], cover)]
        theta, logs = np.empty((0, len(mode))), np.empty(0)
        for _ in range(ROUNDS):
            centres, spread = proposals[-1]
            around = centres[generator.integers(len(centres), size=SAMPLES)]
            new = np.vstack([mode, around[1:] + _student(spread, SAMPLES - 1, generator)])
            prior = self.log_prior(new)
            there = np.isfinite(prior)
            prior[there] += [self.of_devices(t).sum() / factor for t in new[there]]
            theta, logs = np.vstack([theta, new]), np.append(logs, prior)
            weight = _weights(logs, theta, proposals)
            chosen = theta[generator.choice(len(theta), size=SAMPLES, p=weight)]
            spread = np.cov(chosen.T) + 1e-3 * cover
            proposals.append((chosen, 0.3 * np.atleast_2d(spread)))
        return theta[_resampled(weight, draws, generator)]

    def widened(self, mode: Floats, samples: Floats) -> Floats:
        """Samples spread by `WIDER`; of the numbers that devices tell, as far as few tell them."""
        few = bootstrap.stretch(self.scores.devices) if self.scores.devices > 1 else 1.0
        factor = np.array([few if n in ("d2d_logit", "log_noise") else 1.0 for n in self.names])
        spread = mode + WIDER * factor * (samples - mode)
        return np.clip(spread, self.ends[:, 0], self.ends[:, 1])


def _possible(logs: Floats) -> Floats:
    """Logarithms, of which none is nan or infinite."""
    possible: Floats = np.nan_to_num(logs, nan=IMPOSSIBLE, posinf=IMPOSSIBLE, neginf=IMPOSSIBLE)
    return possible


IMPOSSIBLE = -1e9
ZERO = ("d2d_logit", "memory_logit", "log_noise")  # numbers whose absence is asked for
WITH = {"memory_logit": ("log_cycles",)}  # means nothing without the other


def _start(search: _Search) -> Floats:
    """The best of several memories, the other numbers as moments have them."""
    y, start = search.scores.y, search.scores.order.start
    mean = np.add.reduceat(y, start[:-1]) / np.diff(start)
    share = float(np.clip(mean.var(), 0.05, 0.9))
    begin = {"d2d_logit": np.log(share / (1.0 - share)), "log_noise": np.log(0.3)}
    tried = [
        np.array([(begin | {"memory_logit": m, "log_cycles": np.log(cycles)}).get(n, 0.0)
                  for n in search.names])
        for m, cycles in STARTS
    ]  # fmt: skip
    tried = [np.clip(t, search.ends[:, 0], search.ends[:, 1]) for t in tried]
    return min(tried, key=search.loss)


def _student(cover: Floats, count: int, generator: np.random.Generator) -> Floats:
    """Student t numbers of a covariance matrix (of its normal), (count, numbers)."""
    z = generator.standard_normal((count, len(cover))) @ np.linalg.cholesky(cover).T
    stretched: Floats = z / np.sqrt(generator.chisquare(FREEDOM, (count, 1)) / FREEDOM)
    return stretched


def _resampled(weight: Floats, draws: int, generator: np.random.Generator) -> Ints:
    """Indices of samples in proportion to their weights, systematically: tails are not left out."""
    at = (generator.permutation(draws) + generator.random()) / draws
    return np.minimum(np.searchsorted(np.cumsum(weight), at), len(weight) - 1)


def _weights(logs: Floats, theta: Floats, proposals: list[tuple[Floats, Floats]]) -> Floats:
    """Weights of samples of log-densities, by the mixture of all proposals, of sum 1."""
    dimension = theta.shape[1]
    density = []
    for centres, cover in proposals:
        root = np.linalg.cholesky(cover)
        at, middle = (np.linalg.solve(root, part.T).T for part in (theta, centres))
        distance = (at**2).sum(1)[:, None] + (middle**2).sum(1) - 2.0 * at @ middle.T
        power = -0.5 * (FREEDOM + dimension) * np.log1p(np.maximum(distance, 0.0) / FREEDOM)
        constant = gammaln((FREEDOM + dimension) / 2.0) - np.log(np.diag(root)).sum()
        density.append(logsumexp(power, axis=1) - np.log(len(centres)) + constant)
    log_weight = logs - logsumexp(density, axis=0)
    weight: Floats = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    return weight


def _summary(
    search: _Search, mode: Floats, samples: Floats, absent: set[str]
) -> tuple[dict[str, float], dict[str, tuple[float, float]], dict[str, Floats]]:
    """Values, intervals and draws of `NAMES`."""
    values, intervals, draws = dict[str, float](), dict[str, tuple[float, float]](), {}
    transforms = {"d2d_share": expit, "memory_share": expit, "memory_cycles": np.exp,
                  "d2d_noise_sigma": np.exp}  # fmt: skip
    searched = {"d2d_logit": "d2d_share", "memory_logit": "memory_share",
                "log_cycles": "memory_cycles", "log_noise": "d2d_noise_sigma"}  # fmt: skip
    no_memory = "memory_logit" in absent
    for i, key in enumerate(search.names):
        name = searched.get(key)
        if name is None or (name == "d2d_noise_sigma" and search.scores.devices < FEWEST_NOISY):
            continue
        draws[name] = transforms[name](samples[:, i])
        if name == "memory_cycles" and no_memory:
            continue
        low, high = np.quantile(draws[name], (0.025, 0.975)).tolist()
        value = float(transforms[name](mode[i]))
        if key in absent:
            low, value = 0.0, value if name == "d2d_share" else 0.0
        values[name], intervals[name] = value, (min(low, value), max(high, value))
    return values, intervals, draws
