"""Likelihood of the law of `cycle_memory`, from the scores of the cycles of many devices.

The score of a level is standard normal for the type of device. Those of the measured ones are only
known up to a location and a scale, which are free: y = mu + tau y_0. Then z = F^-1(Phi(y)) has the
law of the module,

    z_ik = sqrt(s) u_i + sqrt(v_i) w_ik,    v_i = (1 - s) kappa_i^2,

w = sqrt(m) x + sqrt(1 - m) e with the correlations R_i of the cycles that device i has. One pass of
a Kalman filter over a series of numbers and over ones gives

    A = 1' R^-1 1,   B = 1' R^-1 z,   C = z' R^-1 z,   D = ln det R,

and with them the likelihood of the device for any s and v_i in closed form. The mean over kappa_i
is Gauss-Hermite quadrature around the spread that the device itself shows.

Source:
    A. C. Harvey, Forecasting, Structural Time Series Models and the Kalman Filter, 1989, 3.4 (the
    filter); D. A. Harville, J. Am. Stat. Assoc. 72, 320, 1977 (device effects).
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit, ndtri

from ...cycle_memory import warp
from ...jit import jit
from ..cycle_series import CycleOrder
from ..measurements import Floats

FLAT = 1e4  # variance of the device's part of a single device, which is unknown
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(11)  # of the mean over kappa
WIDEST, KNOTS = 6.0, 385  # scores between which z(y) is tabulated
NOTHING = -1e9  # logit of a share that is 0


class Scores(NamedTuple):
    """Scores in the order of the cycles.

    Attributes:
        y: Scores y_0, (rows,).
        order: Of the rows: start and gap.
    """

    y: Floats
    order: CycleOrder

    @property
    def devices(self) -> int:
        """How many devices there are."""
        return len(self.order.start) - 1


class Parameters(NamedTuple):
    """The searched numbers: s, m, L, sigma of `cycle_memory`, tau^2 and mu.

    Attributes:
        d2d_logit: ln s / (1 - s).
        memory_logit: ln m / (1 - m).
        log_cycles: ln L.
        log_noise: ln sigma.
        log_scale: ln tau^2.
        mean: mu.
    """

    d2d_logit: float
    memory_logit: float
    log_cycles: float
    log_noise: float
    log_scale: float
    mean: float


def normal_scores(x: Floats) -> Floats:
    """Normal quantiles of the middle ranks of some values."""
    _, tie, count = np.unique(x, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - count / 2.0
    scores: Floats = ndtri(rank / len(x))[tie]
    return scores


@jit
def filter_series(y, line, start, gap, table, share, length, sums):  # type: ignore[no-untyped-def]
    """A, B, C, D of the module and ln dz/dy for every device, (devices, 5), in place.

    z and ln dz/dy are interpolated in `table`, (knots, 2), from -WIDEST to WIDEST of the scores
    mu + tau y, `line` = (mu, tau).
    """
    white = 1.0 - share
    last, rho = -1.0, 0.0
    for d in range(len(start) - 1):
        level, one, variance = 0.0, 0.0, share  # of x given the cycles so far
        a, b, c, logs, product, slope = 0.0, 0.0, 0.0, 0.0, 1.0, 0.0
        for n in range(start[d], start[d + 1]):
            at = (line[0] + line[1] * y[n] + WIDEST) * ((KNOTS - 1) / (2.0 * WIDEST))
            knot = max(min(int(at), KNOTS - 2), 0)  # beyond, the ends are drawn out
            at -= knot
            z = table[knot, 0] + at * (table[knot + 1, 0] - table[knot, 0])
            slope += table[knot, 1] + at * (table[knot + 1, 1] - table[knot, 1])
            if gap[n] != last:
                last = gap[n]
                rho = np.exp(-last / length)
            if n == start[d]:
                level, one, variance = 0.0, 0.0, share
            else:
                level, one = rho * level, rho * one
                variance = rho * rho * (variance - share) + share
            total = variance + white
            off, off_one, gain = z - level, 1.0 - one, variance / total
            level, one = level + gain * off, one + gain * off_one
            variance *= white / total
            a += off_one * off_one / total
            b += off_one * off / total
            c += off * off / total
            product *= total
            if product < 1e-100:
                logs, product = logs + np.log(product), 1.0
        sums[d, 0], sums[d, 1], sums[d, 2], sums[d, 3] = a, b, c, logs + np.log(product)
        sums[d, 4] = slope


class DeviceSums(NamedTuple):
    """What the likelihood needs of each device: `filter_series`, ln dz/dy_0, rows; (devices,)."""

    a: Floats
    b: Floats
    c: Floats
    d: Floats
    slope: Floats
    rows: Floats


def device_sums(scores: Scores, p: Parameters) -> DeviceSums:
    """Filter the series of every device."""
    start, gap = scores.order.start, scores.order.gap
    y, sigma = np.linspace(-WIDEST, WIDEST, KNOTS), float(np.exp(p.log_noise))
    table = np.stack([y, np.zeros(KNOTS)], 1)
    if sigma > 0.0:
        knots, at, density = warp(float(expit(p.d2d_logit)), sigma)
        slope = -0.5 * at**2 - 0.5 * np.log(2.0 * np.pi) - density
        table = np.stack([np.interp(y, at, knots), np.interp(y, at, slope)], 1)
    sums = np.empty((scores.devices, 5))
    memory = float(expit(p.memory_logit)), float(np.exp(p.log_cycles))
    line = np.array([p.mean, np.exp(0.5 * p.log_scale)])
    filter_series(scores.y, line, start, gap, table, *memory, sums)
    rows = np.diff(start).astype(np.float64)
    sums[:, 4] += 0.5 * p.log_scale * rows
    a, b, c, d, slope = sums.T
    return DeviceSums(a, b, c, d, slope, rows)


def log_likelihood(scores: Scores, p: Parameters) -> Floats:
    """Of each device, (devices,). The device's part of a single device is unknown."""
    s = device_sums(scores, p)
    node, log_weight, v = _nodes(s, p)
    across = float(expit(p.d2d_logit)) if scores.devices > 1 else FLAT
    a, b, c, rows = (part[:, None] for part in (s.a, s.b, s.c, s.rows))
    inflation = 1.0 + across * a / v
    square = c / v - across * b**2 / (v * v * inflation)
    logs = -0.5 * (rows * np.log(2.0 * np.pi * v) + s.d[:, None] + np.log(inflation) + square)
    logs += log_weight - 0.5 * node**2
    most = logs.max(1)
    result: Floats = most + np.log(np.exp(logs - most[:, None]).sum(1)) + s.slope
    return result


def _nodes(s: DeviceSums, p: Parameters) -> tuple[Floats, Floats, Floats]:
    """ln kappa in its own spreads, logarithms of the weights, and v; (devices, nodes)."""
    sigma = float(np.exp(p.log_noise))
    middle = 0.5 * np.log(expit(-p.d2d_logit)) - sigma**2
    if sigma == 0.0:
        nothing = np.zeros((len(s.a), 1))
        return nothing, nothing, np.exp(2.0 * middle) + nothing
    freedom = np.maximum(s.rows - 1.0, 0.5)
    shown = 0.5 * np.log(np.maximum(s.c - s.b**2 / s.a, 1e-9) / freedom)
    precision = 1.0 + 2.0 * freedom * sigma**2
    at = 2.0 * freedom * sigma * (shown - middle) / precision
    spread = precision**-0.5
    node = at[:, None] + spread[:, None] * NODES
    log_weight = np.log(WEIGHTS / np.sqrt(2.0 * np.pi)) + 0.5 * NODES**2 + np.log(spread)[:, None]
    return node, log_weight, np.exp(2.0 * (middle + sigma * node))
