"""Ramps that go on after the device has arrived at its bound: only the way there teaches a step."""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ..measurements import Floats, Pulses

SHORTEST = 30  # pulses of a ramp in which a plateau can be told
PLATEAU = 0.2  # share of a ramp at its end that is compared with the same share before it
STILL = 0.05  # of the whole travel: less movement between the two is a plateau
WAY = 0.8  # of the travel that is kept
NOISY = 0.5  # read noise, as a share of the mean step, from which on readings are averaged
LATER = 5  # the following readings that tell the arrival are this part of those before it


def on_the_way(pulses: Pulses) -> NDArray[np.bool_]:
    """Pulses of each ramp up to its first arrival at 80 % of its travel, if it ends in a plateau.

        A device at its bound still reads with noise but no longer moves with its law; choosing pulses by
    XX is told by the mean of the next few
        readings, none of which is kept: neither the errors of those kept nor the draws of their steps
        decide when a ramp ends. Ramps without a plateau are kept whole.

        Args:
            pulses: Rows of one ramp are together and in order.

        Returns:
            Shape (rows,).
    """
    keep = np.ones(len(pulses), bool)
    for ramp, g, _ in _ramps(pulses):
        keep[ramp] = np.arange(len(g) - 1) < _arrival(g)
    return keep


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


def _arrival(g: Floats) -> int:
    """How many pulses of a rising ramp come before 80 % of its travel; all without a plateau."""
    if (level := _plateau(g)) is None:
        return len(g)
    there = g[0] + WAY * (level - g[0])
    first = int(np.argmax(g[1:] >= there))
    step = (there - g[0]) / (first + 1)
    noise = np.std(np.diff(g[-max(3, int(PLATEAU * len(g))) :])) / np.sqrt(2.0)
    if noise < NOISY * step:
        return first + 2
    width = 1 + first // LATER
    following = np.convolve(g[1:], np.full(width, 1.0 / width), "valid")
    return int(np.argmax(following >= there)) if (following >= there).any() else first
