"""All that is said of the spikes of a layer, added up over parts of a data set.

What stays grows with classes, neurons and steps, and by one row of counts a sample: never with the
spikes.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .pca import Components, principal_components
from .rates import class_counts, psth_hz, rates_hz
from .spike_distances import DistanceSums
from .spike_intervals import neuron_intervals, pooled_intervals

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
ALL = "all"


class Spikes(NamedTuple):
    """Spikes of some samples, one by one.

    Attributes:
        samples: (spikes,) number of the sample within the part.
        neurons: (spikes,).
        times: (spikes,) step.
    """

    samples: Ints
    neurons: Ints
    times: Ints


class SpikeSums:
    """Sums over samples of a layer.

    Attributes:
        groups: Name -> its neurons: excitatory and inhibitory, or all.
        images: (classes,) samples of each class.
        counts: (classes, neurons, steps) spikes.
        intervals: (neurons, steps) histogram, see `neuron_intervals`.
        pooled: Name of a group, or `ALL` -> histogram (steps,), see `pooled_intervals`.
        distances: Of the trains of each sample.
    """

    def __init__(
        self, *, classes: int, neurons: int, excitatory: int | None, steps: int, tau_steps: float
    ) -> None:
        """Begin at nothing.

        Args:
            classes: Of the data set.
            neurons: Of the layer.
            excitatory: The first so many are; None without Dale's law.
            steps: Of a sample.
            tau_steps: Of the distances.
        """
        self.groups = groups_of(neurons, excitatory)
        self.images = np.zeros(classes, np.int64)
        self.counts = np.zeros((classes, neurons, steps), np.int64)
        self.intervals = np.zeros((neurons, steps), np.int64)
        self.pooled = {
            name: np.zeros(steps, np.int64) for name in dict.fromkeys([*self.groups, ALL])
        }
        first = neurons if excitatory is None else excitatory
        self.distances = DistanceSums(classes, neurons, first, tau_steps)
        self._labels: list[Ints] = []
        self._of_samples: list[NDArray[np.uint16]] = []

    def add(self, labels: Ints, spikes: Spikes) -> None:
        """Add samples.

        Args:
            labels: (samples,) class of each.
            spikes: Theirs; a neuron spikes at most once in a step.
        """
        classes, neurons, steps = self.counts.shape
        samples, who, times = spikes
        self.images += np.bincount(labels, minlength=classes)
        self.counts += class_counts(labels[samples], who, times, self.counts.shape)
        self.intervals += neuron_intervals(samples, who, times, (neurons, steps))
        for name in self.pooled:
            inside = self.groups.get(name, slice(0, neurons))
            chosen = (who >= inside.start) & (who < inside.stop)
            self.pooled[name] += pooled_intervals(samples[chosen], times[chosen], steps)
        grid = np.zeros((len(labels), neurons, steps), np.uint8)
        grid[samples, who, times] = 1
        self.distances.add(labels, grid)
        self._labels.append(labels)
        self._of_samples.append(grid.sum(-1, dtype=np.uint16))

    @property
    def labels(self) -> Ints:
        """(samples,) class of each."""
        return np.concatenate(self._labels)

    @property
    def of_samples(self) -> NDArray[np.uint16]:
        """(samples, neurons) spikes of each."""
        return np.concatenate(self._of_samples)

    def rates_hz(self, dt_seconds: float) -> Floats:
        """Mean rate of each neuron in each class, (classes, neurons)."""
        return rates_hz(self.counts.sum(-1), self.images, self.counts.shape[-1] * dt_seconds)

    def mean_rates_hz(self, dt_seconds: float) -> Floats:
        """Over all samples, (neurons,)."""
        counts, images = self.counts.sum((0, 2))[None], self.images.sum()[None]
        rates = rates_hz(counts, images, self.counts.shape[-1] * dt_seconds)
        return np.asarray(rates[0])

    def psth_hz(self, dt_seconds: float) -> dict[str, Floats]:
        """Name of a group -> (classes + 1, steps), the last row over all samples."""
        images = np.append(self.images, self.images.sum())
        counts = np.concatenate([self.counts, self.counts.sum(0)[None]])
        return {
            name: psth_hz(counts[:, inside], images, dt_seconds)
            for name, inside in self.groups.items()
        }

    def components(self, of_class: int | None = None) -> Components:
        """Principal components of the counts of all samples, or of those of one class."""
        counts = self.of_samples
        return principal_components(counts if of_class is None else counts[self.labels == of_class])


def groups_of(neurons: int, excitatory: int | None) -> dict[str, slice]:
    """The groups of a layer that are not empty, those of Dale's law or all of it."""
    if excitatory is None:
        return {ALL: slice(0, neurons)}
    parts = {"excitatory": slice(0, excitatory), "inhibitory": slice(excitatory, neurons)}
    return {name: part for name, part in parts.items() if part.stop > part.start}
