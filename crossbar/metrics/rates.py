"""Spikes of neurons by class and time step: rates, PSTHs, shares of excitatory spikes.

Spikes are given one by one, by the class of their sample, the neuron and the step; everything is
made from their counts, which are added up part by part.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from device_models.errors import ShapeError

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]


def class_counts(
    classes: Ints, neurons: Ints, times: Ints, shape: tuple[int, int, int]
) -> NDArray[np.int64]:
    """Numbers of spikes, of `shape` (classes, neurons, steps).

    Args:
        classes, neurons, times: (spikes,), of each spike: the class of its sample, who, which step.
        shape: Of the result.

    Raises:
        ShapeError: A spike is of no such class, neuron or step.
    """
    try:
        index = np.ravel_multi_index((classes, neurons, times), shape)
    except ValueError as e:
        raise ShapeError(f"a spike lies outside of {shape} (classes, neurons, steps)") from e
    counts = np.bincount(index.astype(np.int64), minlength=int(np.prod(shape)))
    return np.asarray(counts.reshape(shape), np.int64)


def rates_hz(counts: Ints, images: Ints, seconds: float) -> Floats:
    """Mean rate of each neuron in each class; nan where a class has no image.

    Args:
        counts: (classes, neurons) spikes, over all images of a class.
        images: (classes,), of each class.
        seconds: Duration of an image.
    """
    return _per_image(counts, images[:, None]) / seconds


def psth_hz(counts: Ints, images: Ints, dt_seconds: float) -> Floats:
    """Peri-stimulus time histogram: the mean rate of a neuron at each step, (classes, steps).

    The stimulus begins with step 0. nan where a class has no image, or there is no neuron.

    Args:
        counts: (classes, neurons, steps) spikes, over all images of a class.
        images: (classes,), of each class.
        dt_seconds: Duration of a step.
    """
    neurons = counts.shape[1]
    return _per_image(counts.sum(1), neurons * images[:, None]) / dt_seconds


def excitatory_share(excitatory: Floats, inhibitory: Floats) -> Floats:
    """E / (E + I); nan where nobody spikes."""
    return _per_image(excitatory, excitatory + inhibitory)


def _per_image(total: NDArray[Any], count: NDArray[Any]) -> Floats:
    """Quotients; nan where there is nothing to divide by."""
    nothing = np.full(np.broadcast_shapes(total.shape, count.shape), np.nan)
    return np.asarray(np.divide(total, count, out=nothing, where=count != 0))


def epochs_to_converge(accuracy: Floats, last: int = 10) -> tuple[int, float]:
    """The first epoch whose accuracy is above mean - sd of the last ones, and that threshold.

    With sd the standard deviation of the population. Where no epoch is strictly above (all of the
    last are the same), the first that reaches it.

    Args:
        accuracy: (epochs + 1,) of each epoch, from before training on.
        last: So many of the last epochs; of fewer, all after training began.

    Source:
        M. Kilgore et al., Sci. Rep. 15, 24798, 2025, with its code.
    """
    end = accuracy[max(1, len(accuracy) - last) :] if len(accuracy) > 1 else accuracy
    threshold = float(end.mean() - end.std())
    above = accuracy > threshold
    if not above.any():
        above = accuracy >= end.max()
    return int(above.argmax()), threshold
