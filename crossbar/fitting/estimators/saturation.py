"""Ramps that go on after the device has arrived at its bound: the level they end at."""

import itertools
from collections.abc import Iterator

import numpy as np

from ..measurements import Floats, Pulses

SHORTEST = 30  # pulses of a ramp in which a plateau can be told
PLATEAU = 0.2  # share of a ramp at its end that is compared with the same share before it
STILL = 0.05  # of the whole travel: less movement between the two is a plateau


def up_to_the_bound(pulses: Pulses) -> Floats:
    """Readings before and after each pulse, at most at the plateau that their ramp ends in.

    What lies beyond the plateau is read noise. Shape (2, rows), siemens.
    """
    found = np.stack([pulses.g_before_siemens, pulses.g_after_siemens])
    for ramp, g, up in _ramps(pulses):
        if (level := _plateau(g)) is not None:
            found[:, ramp] = up * np.minimum(up * found[:, ramp], level)
    return found


def _ramps(pulses: Pulses) -> Iterator[tuple[slice, Floats, float]]:
    """Rows of each ramp long enough to be told, its readings turned to rise, and its polarity."""
    new = np.diff(pulses.device).astype(bool) | np.diff(pulses.ramp).astype(bool)
    bounds = np.r_[0, np.flatnonzero(new) + 1, len(pulses)]
    for first, end in itertools.pairwise(bounds):
        if end - first >= SHORTEST:
            up = float(pulses.polarity[first])
            g = np.r_[pulses.g_before_siemens[first], pulses.g_after_siemens[first:end]]
            yield slice(first, end), up * g, up


def _plateau(g: Floats) -> float | None:
    """Level that a rising ramp ends in, if it no longer moves there."""
    length = max(1, int(PLATEAU * len(g)))
    last, before = np.median(g[-length:]), np.median(g[-2 * length : -length])
    travel = last - g[0]
    return None if travel <= 0.0 or abs(last - before) > STILL * travel else float(last)
