"""Ramps that go on after the device has arrived at its bound: only the way there teaches a step."""

import itertools

import numpy as np
from numpy.typing import NDArray

from ..measurements import Floats, Pulses

SHORTEST = 30  # pulses of a ramp in which a plateau can be told
PLATEAU = 0.2  # share of a ramp at its end that is compared with the same share before it
STILL = 0.05  # of the whole travel: less movement between the two is a plateau
WAY = 0.8  # of the travel that is kept


def on_the_way(pulses: Pulses) -> NDArray[np.bool_]:
    """Pulses of each ramp up to its first arrival at 80 % of its travel, if it ends in a plateau.

    A device at its bound still reads with noise but no longer moves with its law; choosing pulses by
    their own reading would bias what is kept. The first arrival is a stopping time of the ramp: the
    noise of the pulses before it keeps its mean. Ramps without a plateau are kept whole.

    Args:
        pulses: Rows of one ramp are together and in order.

    Returns:
        Shape (rows,).
    """
    keep = np.ones(len(pulses), bool)
    new = np.diff(pulses.device).astype(bool) | np.diff(pulses.ramp).astype(bool)
    bounds = np.r_[0, np.flatnonzero(new) + 1, len(pulses)]
    for first, end in itertools.pairwise(bounds):
        if end - first >= SHORTEST:
            up = float(pulses.polarity[first])
            g = np.r_[pulses.g_before_siemens[first], pulses.g_after_siemens[first:end]]
            keep[first:end] = np.arange(end - first) <= _arrival(up * g)
    return keep


def _arrival(g: Floats) -> int:
    """Number of the first pulse that reaches 80 % of a rising ramp's travel; beyond it if none."""
    length = max(1, int(PLATEAU * len(g)))
    last, before = np.median(g[-length:]), np.median(g[-2 * length : -length])
    travel = last - g[0]
    if travel <= 0.0 or abs(last - before) > STILL * travel:
        return len(g)
    return int(np.argmax(g[1:] >= g[0] + WAY * travel))
