"""Maximum of the likelihood of relaxation, penalised where runs and sessions differ."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize import minimize

from ..measurements import Floats
from .changes import Changes
from .relaxation_likelihood import LN10, VECTORS, Likelihood, Values

START_DEVICES = 400  # that a maximum is first searched with
MOST_STEPS = 200
LEAST_GAIN = 0.01  # of the logarithm of the likelihood of all rows
MOST_DAMPING = 1e6
STEP = 1e-4  # of derivatives, in units of the parameters
VAGUE = 3.0  # standard deviation of the prior of what none is stated for


@dataclass(frozen=True)
class Parameter:
    """Numbers of the fit of one name: where they are searched, and how they are penalised.

    Attributes:
        start: Where its prior has its middle.
        low: Smallest.
        high: Largest.
        sigma: Standard deviation of the normal prior; of runs, their spread.
        begin: Where the search begins; empty: at `start`.
    """

    start: tuple[float, ...]
    low: float = -np.inf
    high: float = np.inf
    sigma: float = VAGUE
    begin: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class RelaxationFit:
    """Maximum of the penalised likelihood.

    Attributes:
        vector: The fitted numbers.
        target: What has its maximum there.
    """

    vector: Floats
    target: "_Target"

    @property
    def values(self) -> dict[str, Floats]:
        """Parameter -> values, the fixed ones too."""
        return self.target.held | {name: self.vector[rows] for name, rows in self.at.items()}

    @property
    def at(self) -> dict[str, slice]:
        """Fitted parameter -> where its values are in a vector."""
        return self.target.at

    @property
    def precision(self) -> Floats:
        """Of the priors, shape (fitted numbers,)."""
        return self.target.precision

    @property
    def curvature(self) -> Floats:
        """Of minus the logarithm of the likelihood, without penalty, there."""
        return self._second[0]

    @property
    def scores(self) -> Floats:
        """Variance of its slope."""
        return self._second[1]

    @cached_property
    def _second(self) -> tuple[Floats, Floats]:
        """Both: most of the time of a fit, and not every one is asked for them."""
        return _positive(*self.target.curvature(self.vector), self.precision)

    @property
    def covariance(self) -> Floats:
        """Of the fitted numbers, and of random effects about their true values.

        A slope is that of the likelihood, of dependent readings, and of the prior, whose variance
        is its precision: A^-1 (scores + precision) A^-1, A = curvature + precision.
        """
        inverse = np.linalg.inv(self.curvature + np.diag(self.precision))
        result: Floats = inverse @ (self.scores + np.diag(self.precision)) @ inverse
        return result

    def error(self, name: str) -> Floats:
        """Standard errors of one parameter; infinite if it was fixed."""
        if name not in self.at:
            return np.full(len(self.values[name]), np.inf)
        return np.sqrt(np.maximum(np.diag(self.covariance)[self.at[name]], 0.0))


def maximise(
    changes: Changes,
    free: dict[str, Parameter],
    held: Values,
    levels: Floats,
    cycle_pulses: float,
) -> RelaxationFit:
    """Maximum of the penalised likelihood over the free parameters.

    Args:
        changes: What was measured.
        free: Parameters to fit.
        held: The others and their fixed values.
        levels: As in `Likelihood`, as is `cycle_pulses`.
        cycle_pulses: See there.
    """

    def target(rows: Changes) -> _Target:
        differ = "decades" in free or float(held["decades"][0]) > 0.0
        law = Likelihood(rows, levels, cycle_pulses, onsets_differ=differ)
        return _Target(rows, free, held, law)

    whole = target(changes)
    x = whole.start
    if not any(one.begin for one in free.values()):
        x = target(changes.subset(START_DEVICES)).climb()
    return RelaxationFit(whole.polish(x), whole)


def _positive(curvature: Floats, scores: Floats, precision: Floats) -> tuple[Floats, Floats]:
    """Both without the directions the curvature is not positive in: there only the prior tells."""
    sigma = precision**-0.5
    size, axes = np.linalg.eigh(curvature * np.outer(sigma, sigma))
    basis = axes * (size > 0.0)
    inside = np.outer(1.0 / sigma, 1.0 / sigma)
    onto = basis @ basis.T
    return (basis * size) @ basis.T * inside, onto @ (
        scores * np.outer(sigma, sigma)
    ) @ onto * inside


class _Target:
    """The penalised log-likelihood as a function of a vector."""

    def __init__(
        self, changes: Changes, free: dict[str, Parameter], held: Values, law: Likelihood
    ) -> None:
        """Keep what the function needs."""
        self.device, self.law, self.held = changes.device, law, held
        sizes = [len(one.start) for one in free.values()]
        ends = np.cumsum(sizes).tolist()
        self.at = {
            name: slice(end - size, end) for name, end, size in zip(free, ends, sizes, strict=True)
        }
        self.middle = np.concatenate([one.start for one in free.values()])
        self.start = np.concatenate([one.begin or one.start for one in free.values()])
        self.low, self.high, sigma = (
            np.repeat([getattr(one, name) for one in free.values()], sizes)
            for name in ("low", "high", "sigma")
        )
        self.precision: Floats = sigma**-2.0

    def at_rows(self, x: Floats) -> tuple[float, Floats]:
        """The value, and the slope of every row without penalty, shape (rows, numbers)."""
        logs, by = self.law(self.held | {name: x[rows] for name, rows in self.at.items()})
        value = float(logs.sum()) - 0.5 * float(self.precision @ (x - self.middle) ** 2)
        return value, np.concatenate([by[name] for name in self.at], 1)

    def loss(self, x: Floats) -> tuple[float, Floats]:
        """Minus the mean value per row, and its slope."""
        value, rows = self.at_rows(x)
        slope = rows.sum(0) - self.precision * (x - self.middle)
        return -value / len(rows), -slope / len(rows)

    def climb(self) -> Floats:
        """The maximum near the start, within the bounds."""
        minimum = minimize(
            self.loss, self.start, jac=True, method="L-BFGS-B",
            bounds=list(zip(self.low, self.high, strict=True)),
            options={"maxiter": MOST_STEPS, "ftol": 1e-8, "gtol": 1e-6},
        )  # fmt: skip
        return np.asarray(minimum.x, np.float64)

    def polish(self, x: Floats) -> Floats:
        """The maximum close to `x`, by steps of Levenberg and Marquardt.

        Rows are taken for independent: the squares of their slopes are nearly the curvature.
        """
        damping, (value, rows) = 1e-2, self.at_rows(x)
        for _ in range(MOST_STEPS):
            slope = rows.sum(0) - self.precision * (x - self.middle)
            # What a bound stops stays there.
            free = ~(((x <= self.low) & (slope < 0.0)) | ((x >= self.high) & (slope > 0.0)))
            curve = rows[:, free].T @ rows[:, free] + np.diag(self.precision[free])
            step = np.zeros(len(x))
            step[free] = np.linalg.solve(curve + damping * np.diag(np.diag(curve)), slope[free])
            tried = np.clip(x + np.clip(step, -1.0, 1.0), self.low, self.high)
            reached, there = self.at_rows(tried)
            if reached > value:
                gain, value, rows, x = reached - value, reached, there, tried
                damping /= 4.0
                if gain < LEAST_GAIN:
                    break
            elif (damping := 8.0 * damping) > MOST_DAMPING:
                break
        return x

    def curvature(self, x: Floats) -> tuple[Floats, Floats]:
        """Curvature without penalty, and the variance of the slope by devices."""
        rows = self.at_rows(x)[1]
        n, k = int(self.device.max()) + 1, len(x)
        curvature = np.empty((k, k))
        for i, up in enumerate(STEP * np.eye(k)):  # forward: a spread may be at its border 0
            curvature[i] = (rows.sum(0) - self.at_rows(x + up)[1].sum(0)) / STEP
        scores = np.zeros((n, k))
        np.add.at(scores, self.device, rows)
        spread = n * np.cov(scores, rowvar=False).reshape(k, k)
        return (curvature + curvature.T) / 2.0, spread


def settled(changes: Changes, fit: RelaxationFit) -> Changes:
    """The rows with their `level` less what had moved before the first reading.

    How much that was is taken from the later change, as far as it is not its read error.
    """
    p = {name: float(values[0]) for name, values in fit.values.items() if name not in VECTORS}
    until, before = (
        np.log1p(t * np.exp(p["activation"] * heat - p["onset"])) / LN10
        for t, heat in (
            (changes.seconds, changes.heat), (changes.began_seconds, changes.began_heat)
        )
    )  # fmt: skip
    noise2 = 2.0 * changes.read2
    if "error" in p:
        noise2 = 2.0 * np.exp(2.0 * (p["error"] + p["power"] * np.log(changes.first)))
    true = changes.change**3 / (changes.change**2 + noise2 + 1e-30)
    moved = before / np.maximum(until - before, 1e-6) * true
    level = np.clip(changes.first - moved, 0.2 * changes.first, 5.0 * changes.first)
    return replace(changes, level=level)
