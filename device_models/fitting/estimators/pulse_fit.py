"""The rounds of a fit of single pulses; `pulse_summary` makes its parameters."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ...pulsed import Pulsed
from ..measurements import Floats, Ints, Pulses
from . import bootstrap, initial_guess, noise_law, pulse_likelihood, variance_components
from .laws import read_variance
from .likelihood import minimise
from .pulse_likelihood import Coordinate, Problem
from .pulse_train import Bools, PulseTrain

ROUNDS = 4
BURN_IN = 4  # pulses that a filter sees before one that counts
LEAST_FREE = 0.02  # fraction of the pulses of a polarity, below which the bounds are not believed
MANY = 100_000  # pulses, of which a subset is fitted first
SOLVE_STEPS = 12  # of a round
WIDEST = 1.0  # move of a log gain per step, and the largest error of one that counts
FIRST_SIGMA = 0.5  # of the log gains
LEAST_ERRORS = 3.0  # standard errors of read noise whose growth is fitted
LEAST_GAIN = 3.0  # of the log likelihood, by which additive spread is believed


@dataclass(frozen=True, eq=False)
class PulseFit:
    """Result of the rounds.

    Attributes:
        problem: Of the last round; its model holds the estimates.
        at: The coordinates.
        covariance: Of `at`.
        g: Conductance expected before each pulse, without the reading before it.
        gains: Log gain of each device, without shrinkage towards the others, and its error: of
            RESET and SET, (2, 2, devices); nan where the pulses do not determine it.
        d2d: Spread of the gains; None of one device.
        moving: Devices that RESET and SET move, (2, devices).
        known_read: Whether the read noise is the model's, for no readings are shared.
        read_measured: Whether the model's read noise was measured, not assumed.
        rows: How many pulses count.
        lost: Fraction of the pulses that may have ended at a bound.
    """

    problem: Problem
    at: Floats
    covariance: Floats
    g: Floats
    gains: Floats
    d2d: variance_components.Spread | None
    moving: Bools
    known_read: bool
    read_measured: bool
    rows: int
    lost: float

    @property
    def train(self) -> PulseTrain:
        """The pulses that count, and up to `BURN_IN` before each."""
        return self.problem.train

    @property
    def used(self) -> Bools:
        """Which of them count."""
        return self.problem.used

    @property
    def gain(self) -> Floats:
        """Gain of the device and polarity of each pulse."""
        side = (self.train.polarity > 0).astype(np.int64)
        return np.asarray(np.exp(self.problem.log_gain[side, self.train.device]))

    @property
    def units(self) -> int:
        """How many units the intervals rest on."""
        return len(self.problem.device_of_unit)

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return int(self.problem.log_gain.shape[1])


def reads(fit: PulseFit, g: Floats) -> Floats:
    """Variance of a reading, siemens squared; zero if it is only assumed."""
    return np.zeros(len(g)) if fit.problem.no_reads else read_variance(fit.problem.model, g)


def solve(pulses: Pulses, model: Pulsed, *, read_measured: bool, rounds: int = ROUNDS) -> PulseFit:
    """Fit every parameter that pulses identify.

    Args:
        pulses: At least one row.
        model: Device with the law to fit; the source of what pulses do not identify.
        read_measured: See `steps.estimate`.
        rounds: Choices of pulses, each with its fit.
    """
    train = PulseTrain.of(pulses)
    known_read = not (train.linked[1:] & train.linked[:-1]).any()
    whole = _start(train, model, known_read=known_read, read_measured=read_measured)
    if len(train.device) > MANY and whole.log_gain.shape[1] > 1:
        subset = train.device % (1 + len(train.device) // MANY) == 0
        if 1 < len(np.unique(train.device[subset])) < whole.log_gain.shape[1]:
            whole, rounds = (
                _begun_with_subset(whole, pulses.take(_rows_of(pulses, subset)), model),
                2,
            )
    return _rounds(whole, rounds, known_read, read_measured)


def _rows_of(pulses: Pulses, subset: Bools) -> Ints:
    """Rows of a table, of a mask over its `PulseTrain`."""
    return np.argsort(np.unique(pulses.device, return_inverse=True)[1], kind="stable")[subset]


def _begun_with_subset(whole: Problem, subset: Pulses, model: Pulsed) -> Problem:
    """The problem with the fit of a subset of its devices as starting point."""
    fit = solve(subset, model, read_measured=not whole.no_reads)
    sigma = fit.problem.sigma
    return replace(whole, model=fit.problem.model, sigma=sigma)


def _start(train: PulseTrain, model: Pulsed, *, known_read: bool, read_measured: bool) -> Problem:
    """Before the first round: equal devices."""
    unit, device_of_unit = bootstrap.units(train.device, train.ramp)
    begun = initial_guess.model(train, model, known_read=known_read)
    no_reads = known_read and not read_measured
    return Problem(
        train=train,
        model=begun,
        coordinates=initial_guess.coordinates(train, begun, known_read=known_read),
        unit=unit,
        device_of_unit=device_of_unit,
        used=initial_guess.inner(train),
        free=None,
        bounds=initial_guess.bounds(train, begun, no_reads=no_reads),
        log_gain=np.zeros((2, int(train.device.max()) + 1)),
        moving=initial_guess.moving(train, begun),
        sigma=0.0,
        no_reads=no_reads,
    )


def _rounds(whole: Problem, rounds: int, known_read: bool, read_measured: bool) -> PulseFit:
    """Choose pulses, fit the law, fit the gains, and again."""
    several = whole.log_gain.shape[1] > 1
    d2d = None
    for _ in range(rounds):
        whole = _with_chosen_pulses(whole)
        problem = _at_the_best(_shortened(whole))
        if several:
            problem = _with_best_gains(replace(problem, sigma=problem.sigma or FIRST_SIGMA))
            gains, d2d = _gain_spread(problem)
            problem = replace(problem, sigma=max(d2d.sigma, 1e-2))
        whole = replace(whole, model=problem.model, log_gain=problem.log_gain, sigma=problem.sigma)
    before = _with_exponent(problem)
    problem = _with_additive(before)
    if several and problem is not before:  # gains were weighed with the wrong noise
        _, d2d = _gain_spread(problem)
        problem = _at_the_best(replace(problem, sigma=max(d2d.sigma, 1e-2)))
        gains, d2d = _gain_spread(problem)
    filtered, _ = pulse_likelihood.filtered(problem, problem.at, slopes=False)
    nothing = np.full((2, 2, 1), np.nan)
    return PulseFit(
        problem=problem,
        at=problem.at,
        covariance=pulse_likelihood.covariance(problem, problem.at),
        g=filtered.before[0],
        gains=gains if several else nothing,
        d2d=d2d,
        moving=problem.moving,
        known_read=known_read,
        read_measured=read_measured,
        rows=int(problem.used.sum()),
        lost=1.0 - float(whole.used.mean()),
    )


def _at_the_best(problem: Problem) -> Problem:
    """The problem with the model and the gains of the greatest likelihood."""
    loss = partial(pulse_likelihood.loss, problem)
    best = minimise(loss, problem.at, problem.box, steps=SOLVE_STEPS, tolerance=1e-3)
    return _with_best_gains(replace(problem, model=pulse_likelihood.model_at(problem, best.at)))


def _with_best_gains(problem: Problem) -> Problem:
    """The problem with the most probable gains of its model."""
    return replace(problem, log_gain=pulse_likelihood.with_gains(problem, problem.at).log_gain)


def _with_exponent(problem: Problem) -> Problem:
    """The problem with the exponent of the read noise fitted too, where the noise grows."""
    fields = [c.field for c in problem.coordinates]
    if "read_fraction" not in fields or not noise_law.spans(
        1.0 / problem.train.before[problem.used]
    ):
        return problem
    k, at = fields.index("read_fraction"), problem.at
    error = np.sqrt(pulse_likelihood.covariance(problem, at)[k, k])
    if at[k] < LEAST_ERRORS * error:
        return problem
    more = Coordinate("read_exponent", "plain", 0.0, float(noise_law.EXPONENTS[-1]))
    return _at_the_best(replace(problem, coordinates=(*problem.coordinates, more)))


def _with_additive(problem: Problem) -> Problem:
    """The problem with spread beside the step, where that is told from the spread of the step.

    The score of its square tells beforehand whether the likelihood can gain `LEAST_GAIN`.
    """
    additive = initial_guess.beside(problem.model)[0]
    if additive in problem.coordinates:
        return problem
    more = (*problem.coordinates, additive)
    trial = replace(problem, coordinates=more)
    here = pulse_likelihood.loss(trial, trial.at)
    h, score = here.curvature, -here.gradient[-1]
    free = np.flatnonzero(np.diag(h)[:-1] > 0.0)
    ridge = np.diag(1e-6 * np.diag(h)[free])
    towards = np.linalg.solve(h[np.ix_(free, free)] + ridge, h[free, -1])
    curvature = h[-1, -1] - h[-1, free] @ towards
    if score <= 0.0 or curvature <= 0.0 or score**2 < 2.0 * LEAST_GAIN * curvature:
        return problem
    c2c = [c.field for c in more].index("c2c_sigma")
    at = trial.at
    at[-1], at[c2c] = score / curvature, at[c2c] / 2.0
    best = _at_the_best(replace(trial, model=pulse_likelihood.model_at(trial, at)))
    gained = here.loss - pulse_likelihood.loss(best, best.at).loss
    return best if gained > LEAST_GAIN else problem


def _with_chosen_pulses(whole: Problem) -> Problem:
    """The problem with the pulses that the bounds cannot have cut, of devices that move."""
    train = whole.train
    ends = initial_guess.bounds(train, whole.model, no_reads=whole.no_reads)
    whole = replace(whole, bounds=ends, free=None)
    filtered, _ = pulse_likelihood.filtered(whole, whole.at, slopes=False)
    free = filtered.free[0]
    side = (train.polarity > 0).astype(np.int64)
    moves = whole.moving[side, train.device] if whole.moving.any() else np.ones(len(free), bool)
    crowded = not (free & moves).any() or any(
        free[pulsed].mean() < LEAST_FREE for p in (1, -1) if (pulsed := train.polarity == p).any()
    )
    if crowded:
        free = np.ones(len(free), bool)
        whole = replace(whole, bounds=ends + np.array([[-np.inf], [np.inf]]))
    return replace(whole, used=free & moves, free=free)


def _shortened(whole: Problem) -> Problem:
    """The problem without long stretches of pulses that do not count."""
    keep = whole.used.copy()
    for k in range(1, BURN_IN + 1):
        keep[:-k] |= whole.used[k:] & (whole.train.device[k:] == whole.train.device[:-k])
    train = whole.train
    linked = train.linked & np.r_[False, keep[:-1]]
    short = PulseTrain(
        device=train.device[keep],
        ramp=train.ramp[keep],
        polarity=train.polarity[keep],
        before=train.before[keep],
        after=train.after[keep],
        linked=linked[keep],
    )
    return replace(
        whole,
        train=short,
        unit=whole.unit[keep],
        used=whole.used[keep],
        free=None if whole.free is None else whole.free[keep],
    )


def _gain_spread(problem: Problem) -> tuple[Floats, variance_components.Spread]:
    """Log gains without shrinkage towards the others, their errors, and their true spread."""
    totals = pulse_likelihood.sums(replace(problem, coordinates=()), np.empty(0))
    free = pulse_likelihood.pull(replace(problem, sigma=0.0), totals).T
    information = np.array([totals.gain[0, 0], totals.gain[1, 1]])
    informed = problem.moving & (information > 1.0 / WIDEST**2)
    errors = np.where(informed, 1.0 / np.sqrt(np.where(informed, information, 1.0)), np.nan)
    logs = np.where(informed, problem.log_gain + free * errors**2, np.nan)
    group = np.broadcast_to(np.arange(2)[:, None], informed.shape)[informed]
    gains = np.array([logs, errors])
    if informed.sum() <= len(np.unique(group)):
        return gains, variance_components.Spread(problem.sigma, 0.0, np.inf, np.zeros(2))
    group = np.unique(group, return_inverse=True)[1]
    return gains, variance_components.between(logs[informed], errors[informed], group)
