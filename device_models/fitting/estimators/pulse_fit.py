"""The rounds of a fit of single pulses, and what all its parts are made of."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from ...pulsed import Pulsed
from ..measurements import Floats, Ints, Pulses
from . import bootstrap, initial_guess, noise_law, pulse_likelihood, variance_components
from .laws import read_variance
from .likelihood import minimise
from .pulse_likelihood import Coordinate, Problem
from .pulse_train import Bools, Chain

ROUNDS = 4
BURN_IN = 4  # pulses that a filter sees before one that counts
ALL = 0.02  # share of the pulses of a polarity, below which the bounds are not believed
MANY = 100_000  # pulses, of which a part is fitted first
SOLVE_STEPS = 12  # of a round
WIDEST = 1.0  # move of a log gain per step, and the largest error of one that counts
FIRST_SIGMA = 0.5  # of the log gains
SEEN = 3.0  # standard errors of read noise whose growth can be told


@dataclass(frozen=True, eq=False)
class Work:
    """Outcome of the rounds.

    Attributes:
        problem: Of the last round; its model holds the estimates.
        at: The coordinates.
        covariance: Of `at`.
        g: Conductance expected before each pulse, without the reading before it.
        gains: Log gain of each device, without the pull of the others, and its error: of RESET and
            SET, (2, 2, devices); nan where the pulses do not tell it.
        d2d: Spread of the gains; None of one device.
        moving: Devices that RESET and SET move, (2, devices).
        known_read: Whether the read noise is the model's, for no readings are shared.
        read_measured: Whether the model's read noise was measured, not assumed.
        rows: How many pulses count.
        lost: Share of the pulses that may have ended at a bound.
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
    def chain(self) -> Chain:
        """The pulses that count, and some before them."""
        return self.problem.chain

    @property
    def used(self) -> Bools:
        """Which of them count."""
        return self.problem.used

    @property
    def gain(self) -> Floats:
        """Gain of the device and polarity of each pulse."""
        side = (self.chain.polarity > 0).astype(np.int64)
        return np.asarray(np.exp(self.problem.log_gain[side, self.chain.device]))

    @property
    def units(self) -> int:
        """How many units the intervals rest on."""
        return len(self.problem.device_of_unit)

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return int(self.problem.log_gain.shape[1])


def reads(work: Work, g: Floats) -> Floats:
    """Variance of a reading, siemens squared; zero if it is only assumed."""
    return np.zeros(len(g)) if work.problem.no_reads else read_variance(work.problem.model, g)


def solve(pulses: Pulses, model: Pulsed, *, read_measured: bool, rounds: int = ROUNDS) -> Work:
    """Fit all that pulses tell of a model.

    Args:
        pulses: At least one row.
        model: Device with the law to fit; keeps what pulses do not tell.
        read_measured: See `steps.estimate`.
        rounds: Choices of pulses, each with its fit.
    """
    chain = Chain.of(pulses)
    known_read = not (chain.linked[1:] & chain.linked[:-1]).any()
    whole = _start(chain, model, known_read=known_read, read_measured=read_measured)
    if len(chain.device) > MANY and whole.log_gain.shape[1] > 1:
        some = chain.device % (1 + len(chain.device) // MANY) == 0
        if 1 < len(np.unique(chain.device[some])) < whole.log_gain.shape[1]:
            whole, rounds = _like_a_part(whole, pulses.take(_rows_of(pulses, some)), model), 2
    return _rounds(whole, rounds, known_read, read_measured)


def _rows_of(pulses: Pulses, some: Bools) -> Ints:
    """Rows of a table whose places in its chain are given."""
    return np.argsort(np.unique(pulses.device, return_inverse=True)[1], kind="stable")[some]


def _like_a_part(whole: Problem, part: Pulses, model: Pulsed) -> Problem:
    """The problem that begins where a part of its devices ended."""
    found = solve(part, model, read_measured=not whole.no_reads)
    sigma = found.problem.sigma
    return replace(whole, model=found.problem.model, sigma=sigma)


def _start(chain: Chain, model: Pulsed, *, known_read: bool, read_measured: bool) -> Problem:
    """Before the first round: equal devices."""
    unit, device_of_unit = bootstrap.units(chain.device, chain.ramp)
    begun = initial_guess.model(chain, model, known_read=known_read)
    no_reads = known_read and not read_measured
    return Problem(
        chain=chain,
        model=begun,
        coordinates=initial_guess.coordinates(chain, begun, known_read=known_read),
        unit=unit,
        device_of_unit=device_of_unit,
        used=initial_guess.inner(chain),
        free=None,
        bounds=initial_guess.bounds(chain, begun, no_reads=no_reads),
        log_gain=np.zeros((2, int(chain.device.max()) + 1)),
        moving=initial_guess.moving(chain),
        sigma=0.0,
        no_reads=no_reads,
    )


def _rounds(whole: Problem, rounds: int, known_read: bool, read_measured: bool) -> Work:
    """Choose pulses, fit the law, fit the gains, and again."""
    several = whole.log_gain.shape[1] > 1
    d2d = None
    for _ in range(rounds):
        whole = _chosen(whole)
        problem = _at_the_best(_shortened(whole))
        if several:
            problem = _settled(replace(problem, sigma=problem.sigma or FIRST_SIGMA))
            gains, d2d = _spread(problem)
            problem = replace(problem, sigma=max(d2d.sigma, 1e-2))
        whole = replace(whole, model=problem.model, log_gain=problem.log_gain, sigma=problem.sigma)
    problem = _with_exponent(problem)
    found, _ = pulse_likelihood.filtered(problem, problem.at, slopes=False)
    nothing = np.full((2, 2, 1), np.nan)
    return Work(
        problem=problem,
        at=problem.at,
        covariance=pulse_likelihood.covariance(problem, problem.at),
        g=found.before[0],
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
    return _settled(replace(problem, model=pulse_likelihood.model_at(problem, best.at)))


def _settled(problem: Problem) -> Problem:
    """The problem with the most probable gains of its model."""
    return replace(problem, log_gain=pulse_likelihood.with_gains(problem, problem.at).log_gain)


def _with_exponent(problem: Problem) -> Problem:
    """The problem with the exponent of the read noise fitted too, where noise that grows is seen."""
    fields = [c.field for c in problem.coordinates]
    if "read_fraction" not in fields or not noise_law.spans(
        1.0 / problem.chain.before[problem.used]
    ):
        return problem
    k, at = fields.index("read_fraction"), problem.at
    error = np.sqrt(pulse_likelihood.covariance(problem, at)[k, k])
    if at[k] < SEEN * error:
        return problem
    more = Coordinate("read_exponent", "plain", 0.0, float(noise_law.EXPONENTS[-1]))
    return _at_the_best(replace(problem, coordinates=(*problem.coordinates, more)))


def _chosen(whole: Problem) -> Problem:
    """The problem with the pulses that the bounds cannot have cut, of devices that move."""
    chain = whole.chain
    ends = initial_guess.bounds(chain, whole.model, no_reads=whole.no_reads)
    whole = replace(whole, bounds=ends, free=None)
    found, _ = pulse_likelihood.filtered(whole, whole.at, slopes=False)
    free = found.free[0]
    crowded = any(free[mine].mean() < ALL for p in (1, -1) if (mine := chain.polarity == p).any())
    if crowded:
        free = np.ones(len(free), bool)
        whole = replace(whole, bounds=ends + np.array([[-np.inf], [np.inf]]))
    side = (chain.polarity > 0).astype(np.int64)
    moves = whole.moving[side, chain.device] if whole.moving.any() else True
    return replace(whole, used=free & moves, free=free)


def _shortened(whole: Problem) -> Problem:
    """The problem without long stretches of pulses that do not count."""
    keep = whole.used.copy()
    for k in range(1, BURN_IN + 1):
        keep[:-k] |= whole.used[k:] & (whole.chain.device[k:] == whole.chain.device[:-k])
    chain = whole.chain
    linked = chain.linked & np.r_[False, keep[:-1]]
    short = Chain(
        device=chain.device[keep],
        ramp=chain.ramp[keep],
        polarity=chain.polarity[keep],
        before=chain.before[keep],
        after=chain.after[keep],
        linked=linked[keep],
    )
    return replace(
        whole,
        chain=short,
        unit=whole.unit[keep],
        used=whole.used[keep],
        free=None if whole.free is None else whole.free[keep],
    )


def _spread(problem: Problem) -> tuple[Floats, variance_components.Spread]:
    """Log gains without the pull of the others, their errors, and the spread behind them."""
    found = pulse_likelihood.sums(replace(problem, coordinates=()), np.empty(0))
    free = pulse_likelihood.pull(replace(problem, sigma=0.0), found).T
    own = np.array([found.gain[0, 0], found.gain[1, 1]])
    told = problem.moving & (own > 1.0 / WIDEST**2)
    errors = np.where(told, 1.0 / np.sqrt(np.where(told, own, 1.0)), np.nan)
    logs = np.where(told, problem.log_gain + free * errors**2, np.nan)
    group = np.broadcast_to(np.arange(2)[:, None], told.shape)[told]
    gains = np.array([logs, errors])
    if told.sum() <= len(np.unique(group)):
        return gains, variance_components.Spread(problem.sigma, 0.0, np.inf, np.zeros(2))
    group = np.unique(group, return_inverse=True)[1]
    return gains, variance_components.between(logs[told], errors[told], group)
