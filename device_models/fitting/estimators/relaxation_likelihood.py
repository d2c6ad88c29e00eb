"""Likelihood of relaxation with rates by conductance, and its maximum: `retention` fits with it.

The change c since the first reading y, taken t_0 seconds after the pulse, is at time t

    c = r D + (read error of c) - (read error of y),      D = L(t) - L(t_0)

with the rate r and the time L of `device_models.relaxation`. Of one device the scale of z (t is
a normal number over a chi one) and its onset are unknown: c is a mixture over pairs of both, at the
same places of their distributions whatever the parameters are (`nodes`). For a pair, c is a
normal number cut in two at the median, each side with its spread, plus the normal read error, which
has a closed form. A device read at the floor of the model counts by the distribution.

Rates are taken at the conductance that the pulse left, `Changes.level`: the first reading, less
what had moved by then (`relaxation_maximum.settled`).

Every reading enters with its own distribution, as if it were the only one of its device (composite
likelihood): what joins the times of a device need not be right. Sizes and shifts of runs
(`relaxation.run_effects`) are penalised like random effects of given spreads; the covariance is
that of dependent readings and of random effects, see `RelaxationFit.covariance`.
"""

from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.special import erf, ndtr

from ..measurements import Floats
from .changes import GOLDEN, Changes

Values = dict[str, Floats]

SCALES = np.arange(-3.5, 3.0, 0.7)  # normal scores of chi: the low ones make the tails
ONSETS = np.arange(-4.0, 4.0)  # of the onset, before the rows of one scale are shifted
FARTHEST = 3.2
PIECE = 256  # rows
TINY = 1e-300  # density of a reading that no node explains
LEAST_DOF, MOST_DOF = 1.2, 100.0
LN10 = float(np.log(10.0))
VECTORS = (  # parameters that are more than one number
    "drift", "spread", "skew", "size", "shift", "session_size", "session_shift",
)  # fmt: skip


class Likelihood:
    """Log-likelihood of every row as a function of the parameters, with its slopes.

    Parameters: `drift` and `spread` (a logarithm) at every level, per decade, and `skew`: spreads
    up and down are spread exp(+-skew); logarithms of `dof`, of `onset` and of `error` (spread of
    one reading at the unit of conductance); `decades` of the spread of the onset; `power` of the
    conductance that the read error grows with; `activation`, eV; `exponent` of the pulses given
    before; `size`, a logarithm, and `shift` of every run, and `session_size` and `session_shift` of
    every session. Each is an array; most hold one number.
    Without `error` the readings have the variance that the model knows.
    """

    def __init__(
        self, changes: Changes, levels: Floats, cycle_pulses: float, *, onsets_differ: bool = True
    ) -> None:
        """Keep what does not depend on the parameters.

        Args:
            changes: What was measured.
            levels: Where the rates are, rising, in the unit of `changes`.
            cycle_pulses: relax_cycle_pulses of the model.
            onsets_differ: Whether `decades` is ever more than 0.
        """
        self.changes, self.log_y = changes, np.log(changes.first)
        self.cycled = np.log1p(changes.cycles / cycle_pulses)
        self.parts = shares(changes.level, levels)
        self.runs, self.sessions = (
            np.eye(int(n.max()) + 1)[n] for n in (changes.run, changes.session)
        )
        self.w, chi, self.weights = nodes(onsets_differ=onsets_differ)
        self.grid, self.table = scale_table(stats.norm.cdf(chi))

    def __call__(self, p: Values) -> tuple[Floats, Values]:
        """Log-likelihood, shape (rows,), and its slope by each parameter, (rows, numbers)."""
        c, one = self.changes, {n: float(v[0]) for n, v in p.items() if n not in VECTORS}
        rises, falls = np.exp(p["spread"] + p["skew"]), np.exp(p["spread"] - p["skew"])
        up, down = self.parts @ rises, self.parts @ falls
        shift = p["shift"][c.run] + p["session_shift"][c.session]
        size = p["size"][c.run] + p["session_size"][c.session]
        amount = c.motion * np.exp(size + one["exponent"] * self.cycled)
        drift = self.parts @ p["drift"] + shift * (up + down) / 2.0
        noise2 = 2.0 * c.read2
        if "error" in p:
            noise2 = 2.0 * np.exp(2.0 * (one["error"] + one["power"] * self.log_y))
        rates = Rates(amount * drift, amount * up, amount * down, noise2 + c.slow2 + 1e-18)
        late = Late(one["onset"], one["decades"], one["activation"], self.w)
        logs, by = _by_pieces(c, rates, late, Nodes(*self.scales(one["dof"]), self.weights))
        moved, error = amount * by["drift"], 2.0 * noise2 * by["noise2"]
        by_up, by_down = (
            (amount * by[side] + moved * shift / 2.0)[:, None] * self.parts * ends
            for side, ends in (("up", rises), ("down", falls))
        )
        slopes = {name: by[name] for name in ("dof", "onset", "decades", "activation")}
        slopes |= {"error": error, "power": error * self.log_y}
        all_by = by["drift"] * rates.drift + by["up"] * rates.up + by["down"] * rates.down
        slopes["exponent"] = all_by * self.cycled
        return logs, {
            "drift": moved[:, None] * self.parts, "spread": by_up + by_down,
            "skew": by_up - by_down, **{name: each[:, None] for name, each in slopes.items()},
            **self._of_effects(all_by, moved * (up + down) / 2.0),
        }  # fmt: skip

    def _of_effects(self, size: Floats, shift: Floats) -> Values:
        """Slopes by the effects of runs and of sessions, from those of each row."""
        return {
            prefix + name: each[:, None] * members
            for prefix, members in (("", self.runs), ("session_", self.sessions))
            for name, each in (("size", size), ("shift", shift))
        }

    def scales(self, log_dof: float) -> tuple[Floats, Floats]:
        """The factor of a normal number that makes it one of t, at every node, and its slope."""
        step = self.grid[1] - self.grid[0]
        at = min(max((log_dof - self.grid[0]) / step, 0.0), len(self.grid) - 1.0)
        low = min(int(at), len(self.grid) - 2)
        rise = self.table[low + 1] - self.table[low]
        return self.table[low] + rise * (at - low), rise / step


class Rates(NamedTuple):
    """Rates per decade, and the variance of the error of a change, each of shape (rows,)."""

    drift: Floats
    up: Floats
    down: Floats
    noise2: Floats


class Nodes(NamedTuple):
    """Scale of a normal number at each node, its slope by log dof, and the weights of the nodes."""

    scale: Floats
    slope: Floats
    weights: Floats


class Late(NamedTuple):
    """What time depends on; `w` is of the nodes, the others see `Likelihood`."""

    onset: float
    decades: float
    activation: float
    w: Floats

    def of(self, seconds: Floats, heat: Floats) -> tuple[Floats, Floats]:
        """L of some rows at every node, in decades, and its slope by the logarithm of time."""
        faster = np.exp(LN10 * self.decades * self.w - self.onset)
        passed = (seconds * np.exp(self.activation * heat))[:, None] * faster
        return np.log1p(passed) / LN10, passed / (1.0 + passed) / LN10


def _by_pieces(c: Changes, rates: Rates, late: Late, nodes: Nodes) -> tuple[Floats, Values]:
    """`_mixture` of all rows, some at a time: its arrays then stay in the nearest cache."""
    parts = [
        _mixture(c, slice(k, k + PIECE), Rates(*(each[k : k + PIECE] for each in rates)), late,
                 nodes)
        for k in range(0, len(c.change), PIECE)
    ]  # fmt: skip
    logs = np.concatenate([one for one, _ in parts])
    return logs, {name: np.concatenate([by[name] for _, by in parts]) for name in parts[0][1]}


def _mixture(
    c: Changes, rows: slice, rates: Rates, late: Late, nodes: Nodes
) -> tuple[Floats, Values]:
    """Log-likelihood of some rows and its slopes, each of shape (rows,)."""
    heat, heat0 = c.heat[rows], c.began_heat[rows]
    passed, slope = late.of(c.seconds[rows], heat)
    slope_heat = slope * heat[:, None]
    if c.began_seconds[rows].any():
        before, less = late.of(c.began_seconds[rows], heat0)
        passed, slope, slope_heat = (
            passed - before,
            slope - less,
            slope_heat - less * heat0[:, None],
        )
    passed = np.maximum(passed, 1e-6)
    drift, up, down, noise2 = (each[:, None] for each in rates)
    off, reach = c.change[rows][:, None] - drift * passed, passed * nodes.scale
    edge = np.exp(-0.5 * off**2 / noise2)
    rise, rise_off, rise_spread, rise_noise = half_normal(off, up * reach, noise2, edge)
    fall, fall_off, fall_spread, fall_noise = half_normal(-off, down * reach, noise2, edge)
    if (stopped := c.at_floor[rows] > 0.0).any():
        below = _stopped(off[stopped], (down * reach)[stopped], noise2[stopped])
        for array, value in zip((fall, fall_off, fall_spread, fall_noise), below, strict=True):
            array[stopped] = value
        for array in (rise, rise_off, rise_spread, rise_noise):
            array[stopped] = 0.0
    by_off, by_spread = rise_off - fall_off, up * rise_spread + down * fall_spread
    by_late = by_spread * nodes.scale - drift * by_off
    density = (rise + fall) @ nodes.weights + TINY
    by = {
        "drift": -(passed * by_off), "up": reach * rise_spread, "down": reach * fall_spread,
        "noise2": rise_noise + fall_noise, "dof": passed * by_spread * nodes.slope,
        "onset": -(by_late * slope), "decades": by_late * slope * (LN10 * late.w),
        "activation": by_late * slope_heat,
    }  # fmt: skip
    return np.log(density), {name: each @ nodes.weights / density for name, each in by.items()}


def half_normal(off: Floats, spread: Floats, noise2: Floats, edge: Floats) -> tuple[Floats, ...]:
    """Half the density of |a| + b at `off`, and its slopes by `off`, `spread` and `noise2`.

    a has the standard deviation `spread`, b the variance `noise2`, and `edge` is
    exp(-off^2 / (2 noise2)).
    """
    per = 1.0 / (spread**2 + noise2)
    height, square = np.sqrt(per / (8.0 * np.pi)), off**2 * per
    lean = off * spread
    lean *= np.sqrt(per / (2.0 * noise2))
    value = erf(lean)
    value += 1.0
    value *= height
    value *= np.exp(-0.5 * square)
    edge = edge * per
    edge *= 1.0 / (2.0 * np.pi * np.sqrt(noise2))
    bent = off * edge
    square -= 1.0
    square *= value
    square -= spread * bent
    square *= 0.5 * per
    return (
        value,
        edge * spread - value * off * per,
        2.0 * spread * square + bent,
        square - bent * spread / (2.0 * noise2),
    )


def _stopped(off: Floats, spread: Floats, noise2: Floats) -> tuple[Floats, ...]:
    """Probability to lie below, and its slopes as of `half_normal(-off, ...)`."""
    sigma = np.sqrt(spread**2 + noise2)
    score = off / sigma
    density = stats.norm.pdf(score)
    by_total = -density * score / (2.0 * sigma**2)
    return ndtr(score), -density / sigma, 2.0 * spread * by_total, by_total


def shares(level: Floats, levels: Floats) -> Floats:
    """How much of the rate of each level every row has, shape (rows, levels); see `relaxation`."""
    knots = np.append(0.0, levels)
    each = [np.interp(level, knots, np.append(0.0, unit)) for unit in np.eye(len(levels))]
    return np.stack(each, 1)


def nodes(*, onsets_differ: bool) -> tuple[Floats, Floats, Floats]:
    """Normal scores of onset and of chi, and weights, of a sum that stands for the mean over both.

    Points of equal distance h and normal weights are exact to exp(-2 pi^2 / h^2); rows of one scale
    that are shifted by multiples of `GOLDEN` are, for what depends on both, as dense as all rows
    together. The scores of the onset have the mean 0 and the variance 1 exactly.
    """
    rows = np.exp(-0.5 * SCALES**2)
    if not onsets_differ:
        return np.zeros(len(rows)), SCALES, rows / rows.sum()
    w = ONSETS + np.arange(len(rows))[:, None] * GOLDEN % 1.0
    inside = np.where(np.abs(w) < FARTHEST, np.exp(-0.5 * w**2), 0.0)
    weights = inside * (rows / rows.sum() / inside.sum(1))[:, None]
    chi, near = np.broadcast_to(SCALES[:, None], w.shape), inside > 0.0
    w, chi, weights = w[near], chi[near], weights[near]
    w = w - weights @ w
    return w / np.sqrt(weights @ w**2), chi, weights


def scale_table(places: Floats) -> tuple[Floats, Floats]:
    """Logarithms of degrees of freedom, evenly spaced, and sqrt(dof / chi^2) at some places."""
    grid = np.linspace(np.log(LEAST_DOF), np.log(MOST_DOF), 80)
    dof = np.exp(grid)[:, None]
    return grid, np.sqrt(dof / stats.chi2.ppf(places, dof))
