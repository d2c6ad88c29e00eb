"""Inter-spike intervals of single neurons, and those of the pooled population as published.

The code of the excitatory:inhibitory study takes the differences of the times of all spikes of a
sample, whoever sent them: gaps of a population, most of them 0. They say little of a neuron.

Source:
    M. Kilgore et al., Sci. Rep. 15, 24798, 2025, with its code: the pooled form.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]


class Moments(NamedTuple):
    """What a histogram of intervals says, in steps; nan of none.

    Attributes:
        intervals: How many.
        mean: Their mean.
        median: Their median.
        cv: Coefficient of variation: standard deviation over mean.
    """

    intervals: int
    mean: float
    median: float
    cv: float


def neuron_intervals(
    samples: Ints, neurons: Ints, times: Ints, shape: tuple[int, int]
) -> NDArray[np.int64]:
    """Histogram of the intervals of each neuron, (neurons, steps): entry k counts those of k steps.

    Intervals do not reach from one sample into the next.

    Args:
        samples, neurons, times: (spikes,), of each spike: of which sample, who, which step. In any
            order.
        shape: (neurons, steps).
    """
    width, steps = shape
    order = np.argsort((samples.astype(np.int64) * width + neurons) * steps + times, kind="stable")
    who = samples[order].astype(np.int64) * width + neurons[order]
    gaps, same = np.diff(times[order].astype(np.int64)), who[1:] == who[:-1]
    index = neurons[order][1:][same].astype(np.int64) * steps + gaps[same]
    return np.asarray(np.bincount(index, minlength=width * steps).reshape(shape), np.int64)


def pooled_intervals(samples: Ints, times: Ints, steps: int) -> NDArray[np.int64]:
    """Histogram of the gaps between the spikes of a whole population, as published, (steps,).

    Args:
        samples, times: (spikes,), of each spike: of which sample, which step. In any order.
        steps: Of a sample.
    """
    order = np.argsort(samples.astype(np.int64) * steps + times, kind="stable")
    gaps = np.diff(times[order].astype(np.int64))
    same = np.diff(samples[order]) == 0
    return np.asarray(np.bincount(gaps[same], minlength=steps), np.int64)


def moments(histogram: Ints) -> Moments:
    """Of a histogram over 0, 1, 2, ... steps."""
    count = int(histogram.sum())
    if count == 0:
        return Moments(0, float("nan"), float("nan"), float("nan"))
    steps = np.arange(len(histogram))
    mean = float(histogram @ steps / count)
    deviation = float(np.sqrt(histogram @ (steps - mean) ** 2 / count))
    below = np.cumsum(histogram)
    halves = [int(np.searchsorted(below, rank, "right")) for rank in ((count - 1) // 2, count // 2)]
    cv = deviation / mean if mean > 0.0 else float("nan")
    return Moments(count, mean, sum(halves) / 2.0, cv)
