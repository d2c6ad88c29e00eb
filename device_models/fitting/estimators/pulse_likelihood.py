"""Likelihood of trains of pulses: common law and noise, one gain per device and polarity.

Every reading is Normal(m', S) given those before it (`kalman`). A reading counts only where, by
those before it, the bounds of the device could not have cut the pulse: a choice by the past biases
no likelihood that is conditional on the past. The log gains u of a device are Normal(0, sigma^2)
and integrated out, its log likelihood taken as a parabola about the most probable u (Laplace):

    log M = L(u) - u^2 / (2 sigma^2) - log det(1 + sigma^2 I) / 2,   I the information on u.

Derivatives are differences of the filter between variants of the parameters; the information on
parameters j and k is that of normal readings, sum v_j v_k / S + S_j S_k / (2 S^2).
"""

import copy
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ...pulsed import Pulsed
from ..measurements import Floats, Ints
from . import kalman
from .likelihood import Box, Value
from .pulse_train import Bools, PulseTrain

GAIN_STEP = 1e-4
NEWTON_STEPS = 2  # per trial of the other parameters
LONGEST_STEP = 1.0  # of a log gain


class Coordinate(NamedTuple):
    """How one field of the model is searched: as its logarithm, square, inverse sinh, or itself.

    A "square" and a "variance" add to a variance in proportion; the latter is the field itself.

    Squares and fields themselves count in a unit.
    """

    field: str
    kind: str
    low: float
    high: float
    unit: float = 1.0

    @property
    def adds_noise(self) -> bool:
        """Whether a variance is proportional to it."""
        return self.kind in ("square", "variance")

    def into(self, value: float) -> float:
        """The coordinate of a value of the field."""
        if self.kind == "log":
            return float(np.log(value))
        if self.kind == "square":
            return (value / self.unit) ** 2
        return float(np.arcsinh(value)) if self.kind == "asinh" else value / self.unit

    def back(self, x: float) -> float:
        """The value of the field; a negative square counts as zero."""
        if self.kind == "log":
            return float(np.exp(x))
        if self.kind == "square":
            return float(np.sqrt(max(x, 0.0))) * self.unit
        return float(np.sinh(x)) if self.kind == "asinh" else x * self.unit

    def small(self, x: float) -> float:
        """Step of a difference quotient."""
        return 1e-3 * x + 1e-9 if self.adds_noise else 1e-4


@dataclass(frozen=True, eq=False)
class Problem:
    """Data, model and starting point of a likelihood.

    Attributes:
        train: The pulses.
        model: Keeps what is not searched.
        coordinates: What is searched.
        unit: Unit of each row whose scores scatter independently.
        device_of_unit: Device of each unit.
        used: Which readings count.
        free: Which pulses the bounds cannot have cut; None: not chosen yet.
        bounds: Of each device, (2, devices), siemens.
        log_gain: Of RESET and SET, (2, devices); where the search for the best begins.
        moving: Devices that RESET and SET move, (2, devices); the others have log gain 0.
        sigma: Spread of the log gains; 0: they are `log_gain`.
        no_reads: Whether readings have no error of their own.
    """

    train: PulseTrain
    model: Pulsed
    coordinates: tuple[Coordinate, ...]
    unit: Ints
    device_of_unit: Ints
    used: Bools
    free: Bools | None
    bounds: Floats
    log_gain: Floats
    moving: Bools
    sigma: float
    no_reads: bool

    @property
    def box(self) -> Box:
        """Limits of the coordinates."""
        ends = np.array([[c.into(c.low), c.into(c.high)] for c in self.coordinates]).reshape(-1, 2)
        return Box(ends[:, 0], ends[:, 1])

    @property
    def at(self) -> Floats:
        """The coordinates of the model."""
        return np.array([c.into(getattr(self.model, c.field)) for c in self.coordinates])


class Sums(NamedTuple):
    """Sums over the readings that count; p coordinates.

    Attributes:
        log: Log-likelihood of each device, (devices,).
        score: Of the coordinates, (units, p).
        gain_score: Of the log gains, (units, 2).
        information: On the coordinates, (p, p).
        cross: On a coordinate and a gain, (p, 2, devices).
        gain: On the gains, (2, 2, devices).
    """

    log: Floats
    score: Floats
    gain_score: Floats
    information: Floats
    cross: Floats
    gain: Floats


def model_at(problem: Problem, at: Floats) -> Pulsed:
    """The model at some coordinates; without the checks of `replace`, thousands of times a fit."""
    changed = copy.copy(problem.model)
    for c, x in zip(problem.coordinates, at.tolist(), strict=True):
        object.__setattr__(changed, c.field, c.back(x))
    return changed


def filtered(problem: Problem, at: Floats, *, slopes: bool) -> tuple[kalman.Filtered, Floats]:
    """The filter at some coordinates; with slopes also a step along each and along the gains.

    Returns:
        Variants: here, along each coordinate, along the RESET and the SET gain; and the steps.
    """
    small = np.array(
        [c.small(x) for c, x in zip(problem.coordinates, at.tolist(), strict=True)]
        + [GAIN_STEP, GAIN_STEP]
    )
    count = len(at) + 3 if slopes else 1
    moved = np.tile(at, (count, 1))
    if slopes:
        moved[1:-2] += np.diag(small[:-2])
    gains = np.tile(problem.log_gain, (count, 1, 1))
    if slopes:
        gains[-2, 0] += GAIN_STEP
        gains[-1, 1] += GAIN_STEP
    train = problem.train
    low = min(train.before.min(), train.after.min())
    high = max(train.before.max(), train.after.max())
    models = [model_at(problem, x) for x in moved]
    laws = kalman.tabulated(models, low, high, no_reads=problem.no_reads)
    return kalman.run(train, laws, gains, problem.bounds, problem.free), small


def sums(problem: Problem, at: Floats) -> Sums:
    """Likelihood, scores and information; see `Sums`."""
    variants, small = filtered(problem, at, slopes=True)
    rows = problem.used
    v, s = variants.off[:, rows], variants.variance[:, rows]
    off, variance = v[0], s[0]
    root = np.sqrt(variance)
    dv = (v[1:] - off) / small[:, None] / root  # in units of the standard deviation
    ds = (s[1:] - variance) / small[:, None] / variance
    z = off / root
    device, unit = problem.train.device[rows], problem.unit[rows]
    devices, units = problem.log_gain.shape[1], len(problem.device_of_unit)

    def by(index: Ints, count: int, values: Floats) -> Floats:
        return np.bincount(index, values, minlength=count).astype(np.float64)

    each = -z * dv + 0.5 * (z**2 - 1.0) * ds
    score = np.array([by(unit, units, x) for x in each]).T
    p = len(at)
    cross = np.array(
        [
            [by(device, devices, dv[j] * dv[k] + 0.5 * ds[j] * ds[k]) for k in (p, p + 1)]
            for j in range(p + 2)
        ]
    )
    return Sums(
        log=by(device, devices, -0.5 * (np.log(variance) + z**2)),
        score=score[:, :p],
        gain_score=score[:, p:],
        information=dv[:p] @ dv[:p].T + 0.5 * ds[:p] @ ds[:p].T,
        cross=cross[:p].reshape(p, 2, devices),
        gain=cross[p:],
    )


def shrinkage(problem: Problem, totals: Sums) -> Floats:
    """V of every device, (devices, 2, 2)."""
    if problem.sigma == 0.0:
        return np.zeros((totals.gain.shape[2], 2, 2))
    prior = np.eye(2) / problem.sigma**2
    return np.asarray(np.linalg.inv(np.moveaxis(totals.gain, 2, 0) + prior), np.float64)


def pull(problem: Problem, totals: Sums) -> Floats:
    """b of every device, (devices, 2)."""
    device = problem.device_of_unit
    count = problem.log_gain.shape[1]
    scores = np.array([np.bincount(device, x, minlength=count) for x in totals.gain_score.T])
    prior = problem.log_gain / problem.sigma**2 if problem.sigma else 0.0
    return np.asarray((scores - prior).T)


def with_gains(problem: Problem, at: Floats) -> Problem:
    """The problem with the most probable log gains, by Newton's method."""
    if problem.sigma == 0.0:
        return problem
    problem = replace(problem, model=model_at(problem, at), coordinates=())
    for _ in range(NEWTON_STEPS):
        totals = sums(problem, np.empty(0))
        v, b = shrinkage(problem, totals), pull(problem, totals)
        move = np.clip(np.einsum("dij,dj->id", v, b), -LONGEST_STEP, LONGEST_STEP)
        problem = replace(problem, log_gain=np.where(problem.moving, problem.log_gain + move, 0.0))
    return problem


def loss(problem: Problem, at: Floats) -> Value:
    """Minus the log-likelihood with the gains integrated out."""
    problem = replace(problem, log_gain=with_gains(problem, at).log_gain)
    totals = sums(problem, at)
    v, b = shrinkage(problem, totals), pull(problem, totals)
    inner = problem.sigma**2 * np.moveaxis(totals.gain, 2, 0) + np.eye(2)
    total = totals.log.sum() - 0.5 * np.linalg.slogdet(inner)[1].sum()
    if problem.sigma:
        total -= 0.5 * (problem.log_gain**2).sum() / problem.sigma**2
    gradient = totals.score.sum(0) - np.einsum("jkd,dkl,dl->j", totals.cross, v, b)
    gradient -= 0.5 * np.einsum("jkld,dlk->j", _thinned(problem, at, totals.gain), v)
    return Value(-float(total), -gradient, _information(totals, v))


def _thinned(problem: Problem, at: Floats, gain: Floats) -> Floats:
    """Derivative of the information on the gains by each square, (p, 2, 2, devices).

    More noise leaves less of it: without this term gains fitted to the noise would lower the noise.
    """
    slopes = np.zeros((len(at), *gain.shape))
    if problem.sigma == 0.0:
        return slopes
    for j, c in enumerate(problem.coordinates):
        if c.adds_noise:
            moved = at.copy()
            moved[j] += 10.0 * c.small(at[j])
            changed = replace(problem, model=model_at(problem, moved), coordinates=())
            slopes[j] = (sums(changed, np.empty(0)).gain - gain) / (moved[j] - at[j])
    return slopes


def _information(totals: Sums, v: Floats) -> Floats:
    """On the coordinates, with the gains integrated out, (p, p)."""
    lost = np.einsum("jkd,dkl,ild->ji", totals.cross, v, totals.cross)
    return np.asarray(totals.information - lost)


def covariance(problem: Problem, at: Floats) -> Floats:
    """Of the coordinates, from the scatter of the scores of the units (sandwich), (p, p).

    The others do not move along with a square that is zero, nor with an exponent of nothing; but
    with a variance that is: how the three spreads of a step divide is hardly told.
    """
    totals = sums(problem, at)
    v, b = shrinkage(problem, totals), pull(problem, totals)
    device, units = problem.device_of_unit, len(problem.device_of_unit)
    whole = units == len(b)
    gain_score = b if whole else totals.gain_score  # pieces of a history share its gain
    gone = np.einsum("jkd,dkl->djl", totals.cross, v)[device]
    scores = totals.score - np.einsum("ujl,ul->uj", gone, gain_score)
    scores -= scores.mean(0)
    fitted = min(len(at), max(1.0, units / 4))  # they take up as many of the scatters
    middle = scores.T @ scores * units / max(units - fitted, 1.0)
    h = _information(totals, v)
    diagonal = np.maximum(np.diag(h), 1e-12)
    size = np.sqrt(diagonal)
    h = h / np.outer(size, size)
    shared = np.array([c.kind == "variance" for c in problem.coordinates], bool)
    held = ((at <= problem.box.low) & ~shared) | (np.diag(h) < 0.5)
    h[np.ix_(held, ~held)] = 0.0
    h[np.ix_(~held, held)] = 0.0
    inverse = np.linalg.inv(h + 1e-9 * np.eye(len(h))) / np.outer(size, size)
    return np.asarray(inverse @ middle @ inverse)
