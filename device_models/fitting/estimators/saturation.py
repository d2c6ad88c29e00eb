"""Ramps that go on after the device has arrived at its bound: the level they end at."""

import itertools
from collections.abc import Iterator

import numpy as np

from ..measurements import Floats, Ints, Pulses
from .pulse_train import Bools, Chain

SHORTEST = 30  # pulses of a ramp in which a plateau can be told
PLATEAU = 0.2  # share of a ramp at its end that is compared with the same share before it
STILL = 0.05  # of the whole travel: less movement between the two is a plateau


def up_to_the_bound(pulses: Pulses) -> Floats:
    """Readings before and after each pulse, at most at the plateau that their ramp ends in.

    What lies beyond the plateau is read noise. Shape (2, rows), siemens.
    """
    found = np.stack([pulses.g_before_siemens, pulses.g_after_siemens])
    new = np.diff(pulses.device).astype(bool) | np.diff(pulses.ramp).astype(bool)
    for ramp, g, up in _ramps(new, pulses.polarity, *found):
        if (level := _plateau(g)) is not None:
            found[:, ramp] = up * np.minimum(up * found[:, ramp], level)
    return found


def levels(chain: Chain) -> Floats:
    """Level at which each device waits at its lower and upper bound, (2, devices), siemens.

    The mean over its ramps; beyond all devices where its long ramps have no plateau, nan where none
    is long.
    """
    count = int(chain.device.max()) + 1
    total, ended, seen = np.zeros((3, 2, count))
    for ramp, g, up in _ramps(np.diff(chain.ramp) != 0, chain.polarity, chain.before, chain.after):
        place = int(up > 0.0), chain.device[ramp.start]
        seen[place] += 1.0
        if (level := _plateau(g)) is not None:
            total[place] += up * level
            ended[place] += 1.0
    nowhere = np.where(seen > 0.0, np.array([[-np.inf], [np.inf]]), np.nan)
    return np.where(ended > 0.0, total / np.maximum(ended, 1.0), nowhere)


def _ramps(
    new: Bools, polarity: Ints, before: Floats, after: Floats
) -> Iterator[tuple[slice, Floats, float]]:
    """Rows of each ramp long enough to be told, its readings turned to rise, and its polarity."""
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
