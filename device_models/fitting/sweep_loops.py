"""Switching in current-voltage sweeps: where a device switches, and its levels before and after.

A sweep is cut into half loops, in which the voltage has one sign and goes up and comes back. With G
= I / V on the way up and on the way back, the hysteresis is

    L(V) = ln G_back(|V|) - ln G_up(|V|),

positive of a SET, negative of a RESET. The device switches where L, on the way up, falls below half
of what it is at the read voltage for good: there the two branches join, whether at once or slowly,
limited by the instrument or not, and whatever bend the curve has. Of a sweep that does not come
back, it switches at the largest change of ln G from one point to the next.

The levels are medians of G at half to one and a half times the read voltage; where currents there
are not above the noise (a fourth of them of the wrong sign) the hysteresis is that of the next
higher voltages, and the level is unknown. A limit is a current at which 3 points or more, over a
tenth of the voltage or more, agree within 3 %.

Source:
    SET and RESET voltages as those of the transitions of a quasi-static sweep: D. Ielmini and R.
    Waser (eds.), Resistive Switching, Wiley-VCH, 2016. The rule by half the hysteresis is ours.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .measurements import Floats

FEWEST = 6  # points of a half loop
LEAST_VOLTS, LEAST_SIEMENS = 1e-3, 1e-15  # below them there is no sweep, and no conductance
NEAR_ZERO = 0.02  # of the largest voltage
JUMP = 0.5  # of it, by which a voltage falls from one point to the next: another sweep begins
BAND = (0.5, 1.5)  # of the read voltage, where levels are taken
RIGHT = 0.75  # of the currents of a band that have the sign of the voltage
TOP = 0.8  # of the largest voltage, below which the hysteresis is taken
LEAST = float(np.log(2.0))  # hysteresis of a device that switched
FLAT, FLAT_SPAN, FLAT_POINTS = 0.97, 0.1, 3  # of a current limit

Ints = NDArray[np.intp]


class Switch(NamedTuple):
    """One half loop in which the device switched.

    Attributes:
        rows: Its points.
        polarity: +1 SET, -1 RESET.
        volts: Where it switched, with its sign.
        g_before_siemens: Level on the way up; nan if unknown.
        g_after_siemens: Level on the way back; nan likewise, or if it does not come back.
        limit_amperes: Current at which the instrument limited; nan if it did not.
    """

    rows: Ints
    polarity: int
    volts: float
    g_before_siemens: float
    g_after_siemens: float
    limit_amperes: float


def half_loops(volts: Floats) -> Iterator[Ints]:
    """The points of each half loop, in order; those near zero belong to none.

    Args:
        volts: Of each point, none missing, shape (points,).
    """
    size = np.abs(volts)
    top = float(size.max(initial=0.0))
    if top < LEAST_VOLTS:
        return
    side = np.where(size > NEAR_ZERO * top, np.sign(volts), 0.0)
    cut = np.diff(side, prepend=0.0) != 0.0
    cut |= np.diff(size, prepend=0.0) < -JUMP * top
    starts = np.r_[np.flatnonzero(cut), len(volts)]
    for start, end in pairwise(starts.tolist()):
        if side[start] != 0.0 and end - start >= FEWEST:
            yield np.arange(start, end)


def switches(volts: Floats, amperes: Floats, v_read_volts: float) -> list[Switch]:
    """The half loops of a device in which it switches, in order.

    Args:
        volts: Of each point, in their order, none missing, shape (points,).
        amperes: Likewise; of the sign of the voltage.
        v_read_volts: Where levels are taken, positive.
    """
    return [
        event
        for rows in half_loops(volts)
        if (event := _switch(rows, volts[rows], amperes[rows], v_read_volts)) is not None
    ]


def _switch(rows: Ints, volts: Floats, amperes: Floats, v_read: float) -> Switch | None:
    """What happened in one half loop; None if nothing did."""
    size, g = np.abs(volts), amperes / volts
    peak = int(np.argmax(size))
    up, back = slice(0, peak + 1), slice(peak, len(size))
    before, after = _level(size[up], g[up], v_read), _level(size[back], g[back], v_read)
    if len(size) - peak < FEWEST // 2:  # it does not come back
        jump = _largest_jump(g[up])
        if jump is None:
            return None
        at, change = jump
        after = np.nan
    else:
        joined = _joins(size[up], g[up], size[back], g[back], v_read)
        if joined is None:
            return None
        at, change = joined
    polarity = 1 if change > 0.0 else -1
    limit = _limit(size, np.abs(amperes)) if polarity > 0 else np.nan
    return Switch(rows, polarity, float(volts[at]), before, after, limit)


def _level(size: Floats, g: Floats, v_read: float) -> float:
    """Conductance of a branch at the read voltage; nan where it is not above the noise."""
    band = (size >= BAND[0] * v_read) & (size <= BAND[1] * v_read)
    if not band.any():
        near = int(np.argmin(np.abs(size - v_read)))
        band[near] = abs(size[near] - v_read) <= v_read
    positive = g[band] > LEAST_SIEMENS
    if not band.any() or positive.mean() < RIGHT:
        return np.nan
    return float(np.median(g[band][positive]))


def _joins(
    up: Floats, g_up: Floats, back: Floats, g_back: Floats, v_read: float
) -> tuple[int, float] | None:
    """The point on the way up where both branches join, and the hysteresis before; None if none."""
    order = np.argsort(back)
    other = np.interp(up, back[order], g_back[order])
    positive = (g_up > LEAST_SIEMENS) & (other > LEAST_SIEMENS)
    with np.errstate(invalid="ignore", divide="ignore"):
        loop = np.where(positive, np.log(other) - np.log(g_up), np.nan)
    center, top = v_read, float(up[-1])
    while center <= TOP * top:
        band = (up >= BAND[0] * center) & (up <= BAND[1] * center)
        if band.any() and positive[band].mean() >= RIGHT:
            break
        center *= BAND[1]
    else:
        return None
    change = float(np.nanmedian(loop[band]))
    if abs(change) < LEAST:
        return None
    apart = np.flatnonzero(np.sign(change) * np.nan_to_num(loop) > 0.5 * abs(change))
    return min(int(apart[-1]) + 1, len(up) - 1), change


def _largest_jump(g: Floats) -> tuple[int, float] | None:
    """The point after the largest change of ln G, and that; None if it is less than `LEAST`."""
    rows = np.flatnonzero(g > LEAST_SIEMENS)
    steps = np.diff(np.log(g[rows]))
    if not len(steps):
        return None
    k = int(np.argmax(np.abs(steps)))
    return (int(rows[k + 1]), float(steps[k])) if abs(steps[k]) >= LEAST else None


def _limit(size: Floats, amperes: Floats) -> float:
    """The current at which a half loop was limited; nan if it was not."""
    flat = amperes >= FLAT * float(amperes.max())
    wide = np.ptp(size[flat]) >= FLAT_SPAN * float(size.max())
    return float(np.median(amperes[flat])) if flat.sum() >= FLAT_POINTS and wide else np.nan
