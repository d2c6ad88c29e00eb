"""Ramps that go on after the device has arrived at its bound: the level they end at."""

import itertools
from collections.abc import Iterator

import numpy as np

from ...pulsed import Pulsed
from ..measurements import Floats, Ints, Pulses
from .laws import read_variance, step
from .pulse_train import Bools, PulseTrain

SHORTEST = 30  # pulses of a ramp in which a plateau is looked for
PLATEAU = 0.2  # fraction of a ramp at its end, compared with the same fraction before it
STARTS = 3  # ramps of a device that begin at one level, from which it is a bound
REACH = 4.0  # standard deviations of a reading that may lie beyond a bound
STILL = 0.05  # of the whole travel: less movement between the two is a plateau


def up_to_the_bound(pulses: Pulses) -> Floats:
    """Readings before and after each pulse, at most at the plateau that their ramp ends in.

    What lies beyond the plateau is read noise. Shape (2, rows), siemens.
    """
    limited = np.stack([pulses.g_before_siemens, pulses.g_after_siemens])
    new = np.diff(pulses.device).astype(bool) | np.diff(pulses.ramp).astype(bool)
    for ramp, g, up in _ramps(new, pulses.polarity, *limited):
        if (level := _plateau(g)) is not None:
            limited[:, ramp] = up * np.minimum(up * limited[:, ramp], level)
    return limited


def ramp_levels(pulses: Pulses, sign: int) -> tuple[Floats, Ints]:
    """Plateau that each long ramp of one polarity ends in, siemens (nan: none), and its device."""
    new = np.diff(pulses.device).astype(bool) | np.diff(pulses.ramp).astype(bool)
    readings = pulses.g_before_siemens, pulses.g_after_siemens
    ended, device = list[float](), list[int]()
    for ramp, g, up in _ramps(new, pulses.polarity, *readings):
        if up == sign:
            level = _plateau(g)
            ended.append(np.nan if level is None else up * level)
            device.append(int(pulses.device[ramp.start]))
    return np.array(ended), np.array(device, np.int64)


def levels(train: PulseTrain) -> Floats:
    """Level at which each device waits at its lower and upper bound, (2, devices), siemens.

    The mean over its ramps; beyond all devices where its long ramps have no plateau, nan where none
    is long.
    """
    count = int(train.device.max()) + 1
    total, ended, counted = np.zeros((3, 2, count))
    for ramp, g, up in _ramps(np.diff(train.ramp) != 0, train.polarity, train.before, train.after):
        index = int(up > 0.0), train.device[ramp.start]
        counted[index] += 1.0
        if (level := _plateau(g)) is not None:
            total[index] += up * level
            ended[index] += 1.0
    nowhere = np.where(counted > 0.0, np.array([[-np.inf], [np.inf]]), np.nan)
    return np.where(ended > 0.0, total / np.maximum(ended, 1.0), nowhere)


def starts(train: PulseTrain, model: Pulsed) -> Floats:
    """Level at the lower and upper bound, (2, devices), siemens, where ramps begin there.

    A full SET before a ramp of RESETs ends at the upper bound, a full RESET before SETs at the
    lower one: of the ramps that begin where none was read before, `STARTS` or more, and at least
    half, then begin within a step of each other, and nothing lies beyond them. nan elsewhere. Such
    readings are no future of the ramps towards that bound, as the levels these reach are.

    Args:
        train: The pulses.
        model: Of the steps, and of the noise of the readings.
    """
    fresh = ~train.linked & (np.diff(train.ramp, prepend=-1) != 0)
    result = np.full((2, int(train.device.max()) + 1), np.nan)
    for side, sign in enumerate((1, -1)):  # ramps of SETs begin at the lower bound
        rows = np.flatnonzero(fresh & (train.polarity == sign))
        for device in np.unique(train.device[rows]).tolist():
            g = train.before[rows[train.device[rows] == device]]
            level = np.array([(sign * g).min() * sign])
            step_here = float(step(model, level, sign)[0])
            noise = float(np.sqrt(read_variance(model, level)[0]))
            reached = train.after[(train.device == device) & (train.polarity == -sign)]
            beyond = (-sign * (reached - level)).max(initial=0.0)
            near = g[np.abs(g - level) < step_here]
            often = len(near) >= max(STARTS, len(g) / 2)
            if often and beyond < step_here + REACH * noise:
                result[side, device] = near.mean()
    return result


def _ramps(
    new: Bools, polarity: Ints, before: Floats, after: Floats
) -> Iterator[tuple[slice, Floats, float]]:
    """Rows of each ramp of `SHORTEST` pulses or more, its readings signed to rise, its polarity."""
    bounds = np.r_[0, np.flatnonzero(new) + 1, len(polarity)].tolist()
    for first, end in itertools.pairwise(bounds):
        if end - first >= SHORTEST:
            up = float(polarity[first])
            yield slice(first, end), up * np.r_[before[first], after[first:end]], up


def _plateau(g: Floats) -> float | None:
    """Level that a rising ramp ends in, if it no longer moves there."""
    length = max(1, int(PLATEAU * len(g)))
    last, before = np.median(g[-length:]), np.median(g[-2 * length : -length])
    travel = last - g[0]
    return None if travel <= 0.0 or abs(last - before) > STILL * travel else float(last)
