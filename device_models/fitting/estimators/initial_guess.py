"""Where a fit of pulses begins: a law by least squares, noise of the right size, moving devices."""

from dataclasses import replace
from typing import Any

import numpy as np

from ...pulsed import Pulsed
from ...registry import name_of
from ..measurements import Floats
from . import saturation
from .laws import LAWS, Law, read_variance, step
from .pulse_likelihood import Coordinate
from .pulse_train import Bools, Chain

BINS = 64
LEAST_C2C, LEAST_FLOOR = 0.05, 1e-3
MOVES = 3.0  # travel of a device that moves, in standard deviations of its readings
FEWEST = 4  # pulses of a polarity that is fitted


def inner(chain: Chain) -> Bools:
    """Pulses far from the ends of what their device reached; all, if these are hardly any."""
    low, high = (x[chain.device] for x in chain.extremes())
    rows = np.abs(chain.before - 0.5 * (low + high)) < 0.4 * (high - low)
    return np.asarray(rows if rows.mean() > 0.05 else np.ones(len(rows), bool))


def model(chain: Chain, model: Pulsed, *, known_read: bool) -> Pulsed:
    """The model with a law fitted to the steps as read, and spreads that explain the rest."""
    rows = inner(chain)
    own, left = list[Floats](), list[Floats]()
    for polarity, law in zip((1, -1), LAWS[name_of(model)], strict=True):
        mine = rows & (chain.polarity == polarity)
        if mine.sum() < FEWEST:
            continue
        model = _by_squares(model, law, polarity, chain.before[mine], chain.dg[mine])
        s = step(model, chain.before[mine], polarity)
        own.append(s)
        left.append(chain.dg[mine] - s)
    if not own:
        return model
    g = float(np.median(chain.before[rows]))
    size = float(np.sqrt(np.mean(np.concatenate(left) ** 2) / 2.0))
    moved = float(np.sqrt(np.mean(np.concatenate(own) ** 2)))
    spreads: dict[str, Any] = {"c2c_sigma": float(np.clip(size / moved, LEAST_C2C, 2.0))}
    if not known_read:
        floor = float(np.clip(0.5 * size / g, LEAST_FLOOR, 0.3))
        grown = (1.0 / g / model.read_knee_ohms) ** model.read_exponent
        spreads |= {"read_floor": floor, "read_fraction": min(0.5 * floor / grown, 1.0)}
    return replace(model, **spreads)


def _by_squares(model: Pulsed, law: Law, polarity: int, g: Floats, dg: Floats) -> Pulsed:
    """The shape on its grid, and the scale, of least squares over bins of conductance."""
    edges = np.linspace(g.min(), g.max() * (1 + 1e-12) + 1e-30, BINS + 1)
    place = np.clip(np.searchsorted(edges, g, "right") - 1, 0, BINS - 1)
    w, wg, wy = (np.bincount(place, x, minlength=BINS) for x in (np.ones(len(g)), g, dg))
    some = w > 0
    w, wg, wy = w[some], wg[some], wy[some]
    best: tuple[float, float, float] = (-np.inf, 0.0, 1.0)
    for value in law.grid():
        s = step(model, wg / w, polarity, **{law.shape: float(value)})
        ratio = float(wy @ s) / max(float(w @ s**2), 1e-300)
        best = max(best, (ratio * float(wy @ s) if ratio > 0.0 else 0.0, float(value), ratio))
    scale = float(getattr(model, law.scale)) * best[2]
    allowed = model.__dataclass_fields__[law.scale].metadata["range"]
    found: dict[str, Any] = {law.scale: float(np.clip(scale, 1e-5, allowed.high))}
    if law.shape:
        found[law.shape] = best[1]
    return replace(model, **found)


def coordinates(chain: Chain, model: Pulsed, *, known_read: bool) -> tuple[Coordinate, ...]:
    """What trains of pulses can tell of a model."""
    found = list[Coordinate]()
    for polarity, law in zip((1, -1), LAWS[name_of(model)], strict=True):
        if (chain.polarity == polarity).sum() < FEWEST:
            continue
        found.append(Coordinate(law.scale, "log", 1e-6, 1.0))
        if law.shape:
            found.append(Coordinate(law.shape, "asinh", law.low, law.high))
    found.append(Coordinate("c2c_sigma", "square", 0.0, 5.0))
    if not known_read:
        found.append(Coordinate("read_floor", "square", 0.0, 1.0))
        found.append(Coordinate("read_fraction", "square", 0.0, 1.0))
    return tuple(found)


def moving(chain: Chain) -> Bools:
    """Devices that pulses of each polarity (RESET, SET) move beyond their noise, (2, devices)."""
    count = int(chain.device.max()) + 1
    found = np.zeros((2, count), bool)
    for side, polarity in enumerate((-1, 1)):
        mine = chain.polarity == polarity
        fresh = mine & ~(chain.linked & np.r_[False, mine[:-1]])
        n, starts, total, square = (
            np.bincount(chain.device[mine], x[mine], minlength=count)
            for x in (np.ones(len(mine)), fresh.astype(np.float64), chain.dg, chain.dg**2)
        )
        spread = np.sqrt(np.maximum(square / np.maximum(n, 1) - (total / np.maximum(n, 1)) ** 2, 0))
        found[side] = (n > 0) & (total > MOVES * spread * np.sqrt(starts))
    return found


def bounds(chain: Chain, model: Pulsed, *, no_reads: bool) -> Floats:
    """Lowest and highest conductance of each device, (2, devices).

    Where its ramps end in plateaus, their level; where its long ramps do not, the range of all
    devices; of short ramps its own range. (Its own range is the future of its pulses: a choice by it
    bends the law.) The extremes of readings lie beyond a bound: 2 % of readings are 2 sigma outside.
    """
    ends = np.array(chain.extremes())
    if not no_reads:
        for side, sign in enumerate((1, -1)):
            ends[side] += sign * 2.0 * np.sqrt(read_variance(model, ends[side]))
    common = np.array([[ends[0].min()], [ends[1].max()]])
    found = saturation.levels(chain)
    return np.where(np.isnan(found), ends, np.where(np.isinf(found), common, found))
