"""Likelihood of relaxation, and its maximum: what `retention` fits with.

The change c since the first reading y, taken t_0 seconds after the pulse, is at time t

    c = (drift + sigma z) h(g) D + (read error of c) - (read error of y),   D = L(t) - L(t_0)

with the law of `Pulsed` for h, L and z; g is the conductance right after the pulse. z is normal at
a log-normal scale, so c is a mixture of normals, one per scale. For each scale g is not y but its
expectation given y and c (errors in variables): the first reading has its own read error, and the
device had moved for L(t_0) decades by then. No conductance is negative: of a device that is read at
the floor of the model (`Pulsed.relaxed`) the change is at most c, and counts by its distribution.

Every reading enters with its own distribution, as if it were the only one of its device
(composite likelihood): measured devices do not follow one straight line in log time each, and this
way the spread after every time is met whatever joins the times. The intervals come from the scores
of whole devices (sandwich), so readings of one device may depend on each other in any way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from ..measurements import Floats, Ints

COLUMNS = (
    "first", "change", "seconds", "began_seconds", "heat", "began_heat", "read2", "slow2",
    "at_floor",
)  # fmt: skip

SCALES = torch.linspace(-3.0, 3.0, 9, dtype=torch.float64)  # of the log-normal, in its sigmas
WEIGHTS = torch.softmax(-0.5 * SCALES**2, 0)
START_DEVICES, START_ROWS = 400, 8000  # that the starting points are tried on
STEP = 1e-3  # of derivatives, in units of the parameters
GOLDEN = 0.6180339887  # multiples of it fill 0..1 evenly and have no period
LN10 = float(np.log(10.0))
Bounds = list[tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Changes:
    """One row per later reading; conductances in units of `unit_siemens`.

    Attributes:
        device: Number of the device, from 0 without gaps.
        first: First reading after the pulse.
        change: Later reading minus the first one.
        seconds: Time of the later reading.
        began_seconds: Time of the first reading.
        heat: (1 / reference - 1 / T) / k during that time, 1/eV.
        began_heat: The same until the first reading.
        read2: Variance of one reading by the model known so far.
        slow2: Variance of the change by slow read noise that is known; 0: none is.
        at_floor: 1 where the later reading is the least that a device can have, else 0.
        read_measured: Whether the noise of these readings is known, and not fitted.
        motion: Typical change, the unit of `sigma2` (squared) and `drift`.
        unit_siemens: Unit of conductance.
    """

    device: Ints
    first: Floats
    change: Floats
    seconds: Floats
    began_seconds: Floats
    heat: Floats
    began_heat: Floats
    read2: Floats
    slow2: Floats
    at_floor: Floats
    read_measured: bool
    motion: float
    unit_siemens: float

    def subset(self, devices: int) -> "Changes":
        """The rows of about this many devices, whatever the order they were measured in."""
        fraction = devices / max(self.count, 1)
        return self if fraction >= 1.0 else self.take(self.device * GOLDEN % 1.0 < fraction)

    def thinned(self, most: int) -> "Changes":
        """At most so many readings of each device, evenly chosen in the order of time."""
        order = np.lexsort((self.seconds, self.device))
        count = np.bincount(self.device, minlength=1)
        if count.max() <= most:
            return self
        n, start = count[self.device[order]], (np.cumsum(count) - count)[self.device[order]]
        rank, chosen = np.arange(len(order)) - start, np.minimum(n, most)
        keep = np.zeros(len(order), bool)
        keep[order] = (rank + 1) * chosen // n > rank * chosen // n  # the last one is among them
        return self.take(keep)

    def take(self, rows: NDArray[np.bool_]) -> "Changes":
        """Some of the rows."""
        device = np.unique(self.device[rows], return_inverse=True)[1].astype(np.int64)
        return replace(self, device=device, **{n: getattr(self, n)[rows] for n in COLUMNS})

    @property
    def count(self) -> int:
        """How many devices."""
        return int(self.device.max(initial=-1)) + 1


@dataclass(frozen=True)
class Parameter:
    """Where one number of the fit is searched: values to begin with, smallest, largest."""

    start: tuple[float, ...]
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True, eq=False)
class RelaxationFit:
    """Maximum of the likelihood.

    Attributes:
        values: Parameter -> value, the fixed ones too.
        free: Names of the fitted ones.
        covariance: Of the fitted ones, shape (free, free).
    """

    values: dict[str, float]
    free: tuple[str, ...]
    covariance: Floats

    def error(self, name: str) -> float:
        """Standard error of one parameter; infinite if it was fixed."""
        if name not in self.free:
            return np.inf
        i = self.free.index(name)
        return float(np.sqrt(self.covariance[i, i]))


class Likelihood:
    """Log-likelihood of every row as a function of the parameters.

    Parameters: `sigma2` and `drift` per decade; logarithms of `peak`, `sharpness`, `onset`, and
    `error` (spread of one reading at the unit of conductance); `tail2`, the squared spread of the
    log-normal scale; `power` of the conductance that the read error grows with; `activation`, eV.
    Without `error` the readings have the variance that the model knows.
    """

    def __init__(self, changes: Changes, *, tails: bool) -> None:
        """Bring the columns to tensors; without tails z is normal."""
        columns = (torch.from_numpy(getattr(changes, name)) for name in COLUMNS)
        self.y, self.c, self.t, self.t0, self.heat, self.heat0, *noise = columns
        self.read2, self.slow2, self.at_floor = noise
        self.motion = changes.motion
        self.scales, self.weights = SCALES, WEIGHTS
        if not tails:
            self.scales, self.weights = torch.zeros_like(SCALES[:1]), torch.ones_like(WEIGHTS[:1])

    def __call__(self, p: dict[str, Tensor]) -> Tensor:
        """Log-likelihood, shape (rows,)."""
        late, before = self.decades(p)
        # A square root of zero has no derivative; 1e-6 is a tail of 0.1 %.
        size2 = self.motion**2 * p["sigma2"]
        size2 = size2 * torch.exp(2.0 * torch.sqrt(p["tail2"] + 1e-6) * self.scales)
        drift, noise2 = self.motion * p["drift"], 2.0 * self.read2
        if "error" in p:
            noise2 = 2.0 * torch.exp(2.0 * (p["error"] + p["power"] * torch.log(self.y)))
        c, y, noise2 = self.c[:, None], self.y[:, None], (noise2 + self.slow2)[:, None] + 1e-18
        reach = hump(y, p) * late[:, None]
        off, error = c - drift * reach, noise2 / (size2 * reach**2 + noise2)
        # What of the change is error and what is motion, for this scale.
        limit = 3.0 * torch.sqrt(noise2)
        misread = torch.minimum(torch.maximum(0.5 * error * off, -limit), limit)
        moved = (before / late)[:, None] * (c - error * off)
        g = torch.maximum(y + misread - moved, 0.2 * y)
        reach = hump(g, p) * late[:, None]
        variance = size2 * reach**2 + noise2
        scores = (c - drift * reach) / torch.sqrt(variance)
        each = -0.5 * torch.log(2.0 * torch.pi * variance) - 0.5 * scores**2
        stopped = self.at_floor[:, None] > 0.0
        below = torch.special.log_ndtr(torch.where(stopped, scores, 0.0))  # finite slopes elsewhere
        each = torch.where(stopped, below, each)
        return torch.logsumexp(each + torch.log(self.weights), 1)

    def decades(self, p: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Decades of time from the first reading to the later one, and before the first."""
        onset = torch.exp(p["onset"])
        until = torch.log1p(self.t / onset * torch.exp(p["activation"] * self.heat)) / LN10
        before = torch.log1p(self.t0 / onset * torch.exp(p["activation"] * self.heat0)) / LN10
        return torch.clamp(until - before, min=1e-6), before


def hump(g: Tensor, p: dict[str, Tensor]) -> Tensor:
    """The law of `physics.relaxation_siemens` with the parameters of this fit."""
    x = g / torch.exp(p["peak"])
    return torch.exp(torch.exp(p["sharpness"]) * (torch.log(x) + 1.0 - x))


def maximise(changes: Changes, free: dict[str, Parameter], held: dict[str, float]) -> RelaxationFit:
    """Maximum of the likelihood over the free parameters.

    The best combinations of starting points are followed on few devices, then on all. The
    covariance is that of dependent readings: inverse curvature, variance of the scores
    of devices, inverse curvature.

    Args:
        changes: What was measured.
        free: Parameters to fit.
        held: The others and their fixed values.
    """
    names = tuple(free)
    bounds = [(free[n].low, free[n].high) for n in names]
    few = min(START_DEVICES, START_ROWS * changes.count // max(len(changes.device), 1))
    subset, whole = (_Target(c, names, held) for c in (changes.subset(few), changes))
    starts = sorted(_starts([free[n].start for n in names]), key=lambda x: subset.loss(x)[0])
    tried = [_descend(subset, x, bounds) for x in starts[:2]]
    best = _descend(whole, min(tried, key=lambda x: subset.loss(x)[0]), bounds)
    inverse, scores = _curvature(whole, best)
    values = held | dict(zip(names, best.tolist(), strict=True))
    middle = np.cov(scores, rowvar=False).reshape(len(names), len(names))
    return RelaxationFit(values, names, inverse @ middle @ inverse / changes.count)


def _starts(values: Sequence[tuple[float, ...]]) -> list[Floats]:
    """All combinations of starting values."""
    grids = np.meshgrid(*values, indexing="ij")
    return list(np.stack([g.ravel() for g in grids], 1))


class _Target:
    """Minus the mean log-likelihood per device as a function of a vector."""

    def __init__(self, changes: Changes, names: tuple[str, ...], held: dict[str, float]) -> None:
        """Keep what the function needs."""
        self.changes, self.names = changes, names
        tails = "tail2" in names or held["tail2"] > 0.0
        self.law = Likelihood(changes, tails=tails)
        self.held = {k: torch.tensor(v, dtype=torch.float64) for k, v in held.items()}

    def rows(self, x: Floats) -> Floats:
        """Log-likelihood of every row."""
        with torch.no_grad():
            return np.asarray(self.law(self._named(torch.from_numpy(x))).numpy())

    def loss(self, x: Floats) -> tuple[float, Floats]:
        """The value and its gradient."""
        at = torch.tensor(x, dtype=torch.float64, requires_grad=True)
        loss = -self.law(self._named(at)).sum() / self.changes.count
        (slope,) = torch.autograd.grad(loss, at)
        return float(loss.detach()), slope.numpy()

    def _named(self, x: Tensor) -> dict[str, Tensor]:
        return self.held | {name: x[i] for i, name in enumerate(self.names)}


def _descend(target: _Target, start: Floats, bounds: Bounds) -> Floats:
    """The minimum near a starting point."""
    minimum = minimize(
        target.loss, start, jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": 150, "ftol": 1e-9, "gtol": 1e-6},
    )  # fmt: skip
    return np.asarray(minimum.x, np.float64)


def _curvature(target: _Target, x: Floats) -> tuple[Floats, Floats]:
    """Inverse of the curvature at a minimum, and the score of every device, (devices, free)."""
    n, k = target.changes.count, len(x)
    variances = np.isin(target.names, ("sigma2", "tail2"))
    scores, curvature = np.empty((n, k)), np.empty((k, k))
    for i, up in enumerate(STEP * np.eye(k)):
        # At the border 0 of a variance there is nothing below.
        down = np.where((x < STEP) & (up > 0.0) & variances, 0.0, up)
        wide = float((up + down).sum())
        by_row = (target.rows(x + up) - target.rows(x - down)) / wide
        scores[:, i] = np.bincount(target.changes.device, by_row, minlength=n)
        curvature[i] = (target.loss(x + up)[1] - target.loss(x - down)[1]) / wide
    values, axes = np.linalg.eigh((curvature + curvature.T) / 2)
    # Where the likelihood is flat nothing is known: the interval must be wide, not absent.
    return axes / np.maximum(values, 1e-8) @ axes.T, scores
