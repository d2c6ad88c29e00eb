"""Extended Kalman filter of trains of pulses: distribution of g before each reading.

The conductance g moves by a random walk and is read with an error:

    g_(n+1) = g_n +- a s(g_n) (1 + c z_n) + b z'_n,    y_n = g_n + e_n,   Var e_n = R(g_n).

Given the readings so far, g is about Normal(m, P). With F = 1 +- a s'(m), the next reading is
expected at m' = m +- a (s + s'' P / 2) with the variance S = P' + R(m'),
P' = F^2 P + a^2 c^2 (s^2 + s'^2 P) + b^2 + q |a s|, where q = c2c_quantum_siemens, and brings m to
m' + P' / S (y - m'), P to P' R / S.

After a pulse that may end at a bound, g is known by the reading alone: m = y, P = R. From there the
distance to the bound is not estimated from readings: that would select readings whose error points
away from the bound, the next ones would fall short, and steps would seem too small near the bounds.
No pulse counts until the mean steps alone, started at the bound, lead MARGIN standard deviations
away from it.

Source:
    A. H. Jazwinski, Stochastic Processes and Filtering Theory, 1970, chapter 8. The
    treatment of the bounds is not from the source.
"""

from typing import NamedTuple

import numpy as np

from ...jit import jit
from ...pulsed import Pulsed
from ...registry import name_of
from ..measurements import Floats
from .laws import LAWS, read_variance, step
from .pulse_train import Bools, PulseTrain

POINTS = 512  # conductances at which laws are tabulated
MARGIN = 3.0  # standard deviations of a reading between a bound and a pulse that counts
QUIET = 0.1  # variance of a reading in that of a step, below which its error chooses no pulses
LEAST = 1e-6  # smallest squared c2c_sigma
READ = ("read_floor", "read_fraction", "read_exponent")  # what is searched of read noise
TINY = 1e-24  # siemens squared, a variance that is never reached


class TabulatedLaws(NamedTuple):
    """Laws of several variants of a model at evenly spaced conductances.

    Attributes:
        low: First conductance, siemens.
        spacing: Of the conductances.
        step: s, s' and s'' of RESET and SET, shape (variants, 2, POINTS, 3).
        read: R, shape (variants, POINTS).
        c2: c2c_sigma squared, shape (variants,).
        b2: c2c_additive_siemens squared, shape (variants,).
        q: c2c_quantum_siemens, shape (variants,).
    """

    low: float
    spacing: float
    step: Floats
    read: Floats
    c2: Floats
    b2: Floats
    q: Floats


def tabulated(models: list[Pulsed], low: float, high: float, *, no_reads: bool) -> TabulatedLaws:
    """The laws of some models between two conductances; without read noise if `no_reads`."""
    g, spacing = np.linspace(low, high, POINTS, retstep=True)
    steps, read = np.empty((len(models), 2, POINTS, 3)), np.zeros((len(models), POINTS))
    laws = [name for law in LAWS.get(name_of(models[0]), ()) for name in law.fields]
    first_with_steps, first_with_read = (
        dict[tuple[float, ...], int](),
        dict[tuple[float, ...], int](),
    )
    for i, model in enumerate(models):  # most variants share their steps or their read noise
        of = first_with_steps.setdefault(tuple(getattr(model, n) for n in laws), i)
        for side, polarity in enumerate((-1, 1)):
            steps[i, side] = _with_slopes(model, g, polarity) if of == i else steps[of, side]
        if not no_reads:
            of = first_with_read.setdefault(tuple(getattr(model, n) for n in READ), i)
            read[i] = read_variance(model, g) if of == i else read[of]
    c2, b2 = ([getattr(m, n) ** 2 for m in models] for n in ("c2c_sigma", "c2c_additive_siemens"))
    q = np.array([m.c2c_quantum_siemens for m in models])
    return TabulatedLaws(low, float(spacing), steps, read, np.array(c2), np.array(b2), q)


def _with_slopes(model: Pulsed, g: Floats, polarity: int) -> Floats:
    """s, s' and s'' at evenly spaced conductances, shape (points, 3)."""
    s = step(model, g, polarity)
    slope = np.gradient(s, g[1] - g[0])
    return np.stack([s, slope, np.gradient(slope, g[1] - g[0])], -1)


class Filtered(NamedTuple):
    """Innovation of every pulse, each array of shape (variants, rows).

    Attributes:
        off: Reading after the pulse less what was expected, siemens.
        variance: Of `off`.
        before: Conductance expected before the pulse, without the reading before it.
        free: Whether the bounds of the device cannot have cut the pulse.
    """

    off: Floats
    variance: Floats
    before: Floats
    free: Bools


def run(
    train: PulseTrain, laws: TabulatedLaws, log_gain: Floats, bounds: Floats, free: Bools | None
) -> Filtered:
    """Filter all trains; the filter restarts wherever the reading before a pulse is not shared.

    Args:
        train: Of the pulses.
        laws: Variants of the model.
        log_gain: Of RESET and SET of each device, shape (variants, 2, devices).
        bounds: Lowest and highest conductance of each device, shape (2, devices).
        free: Which pulses the bounds cannot have cut; None: the filter decides. A choice that
            changed with the parameters would make the likelihood discontinuous.
    """
    shape = (len(laws.c2), len(train.device))
    filtered = Filtered(np.empty(shape), np.empty(shape), np.empty(shape), np.empty(shape, bool))
    side = (train.polarity > 0).astype(np.int64)
    gain = np.exp(log_gain) * np.array([-1.0, 1.0])[:, None]
    columns = (train.device, side, train.linked, train.before, train.after)
    given = np.empty(0, bool) if free is None else free
    filter_rows(columns, laws, gain, np.ascontiguousarray(bounds), given, filtered)
    return filtered


@jit
def point_of(g, low, spacing, points):  # type: ignore[no-untyped-def]
    """Point of the tables below a conductance, and the fraction of the way to the next."""
    x = min(max((g - low) / spacing, 0.0), points - 1.001)
    i = int(x)
    return i, x - i


@jit
def dead_reckoned(w, q, wall, a, k, v, laws, bounds):  # type: ignore[no-untyped-def]
    """One pulse of a device that was at a bound, its reading not asked.

    Returns:
        Its conductance w, the variance q of it, and the bound it comes from: -1 lower, 1 upper.
    """
    i, fraction = point_of(w, laws.low, laws.spacing, laws.read.shape[1])
    s = laws.step[v, k, i, 0] + fraction * (laws.step[v, k, i + 1, 0] - laws.step[v, k, i, 0])
    q += a * a * laws.c2[v] * s * s + laws.b2[v] + laws.q[v] * abs(a * s)
    w += a * s
    if w <= bounds[0]:
        w, q, wall = bounds[0], 0.0, -1.0
    elif w >= bounds[1]:
        w, q, wall = bounds[1], 0.0, 1.0
    return w, q, wall


@jit
def filter_rows(columns, laws, gain, bounds, given, filtered):  # type: ignore[no-untyped-def]
    """The recursion of the docstring of this file, row by row, per variant; fills `filtered`."""
    device, side, linked, first, after = columns
    points = laws.read.shape[1]
    for v in range(gain.shape[0]):
        m, p = 0.0, 0.0
        w, q, wall = 0.0, 0.0, 0.0
        for n in range(len(device)):
            if not linked[n]:
                m, wall = first[n], 0.0
                i, fraction = point_of(m, laws.low, laws.spacing, points)
                p = laws.read[v, i] + fraction * (laws.read[v, i + 1] - laws.read[v, i])
            filtered.before[v, n] = m if not linked[n] else filtered.before[v, n]
            d, k = device[n], side[n]
            a = gain[v, k, d]
            i, fraction = point_of(m, laws.low, laws.spacing, points)
            here, there = laws.step[v, k, i], laws.step[v, k, i + 1]
            s = here[0] + fraction * (there[0] - here[0])
            slope = here[1] + fraction * (there[1] - here[1])
            bend = here[2] + fraction * (there[2] - here[2])
            spread = a * a * (laws.c2[v] * (s * s + slope * slope * p) + LEAST * s * s)
            spread += laws.b2[v] + laws.q[v] * abs(a * s)
            m += a * (s + 0.5 * bend * p)
            p = (1.0 + a * slope) ** 2 * p + spread + TINY
            m_free = m
            m = min(max(m, bounds[0, d]), bounds[1, d])
            i, fraction = point_of(m, laws.low, laws.spacing, points)
            read = laws.read[v, i] + fraction * (laws.read[v, i + 1] - laws.read[v, i])
            reach = MARGIN * np.sqrt(p + read)
            under, over = m_free - bounds[0, d], bounds[1, d] - m_free
            inside = under > reach and over > reach
            if wall != 0.0:
                w, q, wall = dead_reckoned(w, q, wall, a, k, v, laws, bounds[:, d])
                past = MARGIN * np.sqrt(q + read)
                if wall < 0.0:
                    away = w - bounds[0, d] > past and under > 0.0 and over > reach
                else:
                    away = bounds[1, d] - w > past and over > 0.0 and under > reach
                inside = away or (inside and read < QUIET * spread)
            elif not inside:
                wall = -1.0 if under <= reach else 1.0
                w, q = bounds[0, d] if wall < 0.0 else bounds[1, d], 0.0
            wall = 0.0 if inside else wall
            if len(given):
                inside = given[n]
            error, total = after[n] - m, p + read
            filtered.off[v, n], filtered.variance[v, n], filtered.free[v, n] = error, total, inside
            if n + 1 < len(device):
                filtered.before[v, n + 1] = m
            if inside:
                m += p / total * error
                p *= read / total
            else:  # the bound is hardly known: restart from the reading
                m = after[n]
                i, fraction = point_of(m, laws.low, laws.spacing, points)
                p = laws.read[v, i] + fraction * (laws.read[v, i + 1] - laws.read[v, i])
