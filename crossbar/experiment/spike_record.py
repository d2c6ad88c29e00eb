"""What is said of the spikes of one run: sums over a replay, and its epochs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from device_models.errors import ConfigError
from device_models.streams import stream

from ..datasets.encode import Data
from ..metrics.spike_sums import SpikeSums
from ..snn.engines.protocol import BatchResult
from ..snn.plan import LayerPlan
from . import checkpoint
from .rows import spikes_of_samples
from .run import Run
from .spike_replay import hidden_layers, parts, samples_of, spikes_of, trained_network
from .trainer import Trainer

MOST_NEURONS = 512  # of a layer: distances and components are of pairs of them
LAYER_NAME = "all hidden"


@dataclass(frozen=True)
class LayerValues:
    """Weights and conductances of one crossbar, before and after training.

    Attributes:
        name: Of the layer.
        neurons: `excitatory` or `inhibitory`, of the neurons that the rows come from, or `all`.
        before, after: (values,) weights; none of arrays that are not emulated.
        siemens_before, siemens_after: Conductances of the devices.
    """

    name: str
    neurons: str
    before: np.ndarray
    after: np.ndarray
    siemens_before: np.ndarray
    siemens_after: np.ndarray


@dataclass(frozen=True)
class RunSpikes:
    """One run.

    Attributes:
        name: Of the run.
        labels: What tells it from others, setting -> text.
        class_names: Of the data set.
        dt_seconds: Duration of a step.
        half: Samples that were replayed.
        layer: Name of the hidden layer that is looked at.
        neurons: (neurons,) numbers in that layer; fewer than it has where it is too large.
        sums: Of them.
        by_class: A row for each layer and class, of the replay.
        accuracy: Of the replay.
        epochs: Rows of `metrics.jsonl`.
        values: Weights and conductances.
    """

    name: str
    labels: Mapping[str, str]
    class_names: Sequence[str]
    dt_seconds: float
    half: str
    layer: str
    neurons: np.ndarray
    sums: SpikeSums
    by_class: Sequence[Mapping[str, Any]]
    accuracy: float
    epochs: Sequence[Mapping[str, Any]]
    values: Sequence[LayerValues]


class _ClassSums:
    """Hidden spikes of each layer and group, and right answers, of each class."""

    def __init__(self, trainer: Trainer, layers: Sequence[LayerPlan]) -> None:
        network, self._layers = trainer.setup.network, layers
        self._classes = trainer.data.classes
        self._excitatory = network.excitatory
        self._spikes = np.zeros((len(layers), 2, self._classes))
        self._right, self._images = np.zeros((2, self._classes))

    def add(self, labels: np.ndarray, done: BatchResult) -> None:
        """Add samples."""
        self._images += np.bincount(labels, minlength=self._classes)
        right = labels[done.predictions == labels]
        self._right += np.bincount(right, minlength=self._classes)
        for k, layer in enumerate(self._layers):
            counts = [layer.outputs]
            if self._excitatory is not None:
                counts.append(self._excitatory[layer.index])
            for j, count in enumerate(counts):
                each = spikes_of_samples(done.recorded[layer.index], count)
                self._spikes[k, j] += np.bincount(labels, each, minlength=self._classes)

    def rows(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """A row for each layer, and all of them where there are several, and class."""
        each = dict(zip([layer.name for layer in self._layers], self._spikes, strict=True))
        if len(each) > 1:
            each[LAYER_NAME] = self._spikes.sum(0)
        images = np.maximum(self._images, 1.0)
        return [
            {
                "layer": layer, "class": names[k], "images": int(self._images[k]),
                "accuracy": self._right[k] / images[k], "total": total[k] / images[k],
                **self._split(total[k] / images[k], excitatory[k] / images[k]),
            }
            for layer, (total, excitatory) in each.items()
            for k in range(self._classes)
        ]  # fmt: skip

    def _split(self, total: float, excitatory: float) -> dict[str, float | None]:
        """By kind of neuron; None without Dale's law."""
        if self._excitatory is None:
            return {"excitatory": None, "inhibitory": None}
        return {"excitatory": excitatory, "inhibitory": total - excitatory}

    @property
    def accuracy(self) -> float:
        """Of all samples."""
        return float(self._right.sum() / max(1.0, self._images.sum()))


def record_run(
    run: Run,
    name: str,
    labels: Mapping[str, str],
    data: Data,
    *,
    layer: int,
    half: str,
    images: int | None,
    tau_seconds: float,
    seed: int,
    threads: int | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> RunSpikes:
    """Replay the samples of a run and sum up their spikes.

    Args:
        run: Which; nothing of it is written.
        name: Of it.
        labels: What tells it from others.
        data: Its encoded samples.
        layer: Hidden layer that is looked at, from 0.
        half, images: See `spike_replay.parts`.
        tau_seconds: Of the Van Rossum distances.
        seed: Draws the neurons of a layer with more than `MOST_NEURONS`.
        threads: Of the replay.
        progress: Told samples done, of how many.

    Raises:
        ConfigError: There is no such layer, or not so many samples.
        RunError: See `reevaluate.rebuilt`.
    """
    trainer = trained_network(run, data, threads)
    before = run.from_checkpoint(lambda content: checkpoint.restore(trainer, content))
    hidden, network = hidden_layers(trainer), trainer.setup.network
    if layer >= len(hidden):
        raise ConfigError(
            f"--layer = {layer}: {run.folder} has hidden layers 0 to {len(hidden) - 1}"
        )
    planned = hidden[layer]
    first = None if network.excitatory is None else network.excitatory[planned.index]
    neurons = chosen_neurons(planned.outputs, first, seed)
    sums = SpikeSums(
        classes=data.classes, neurons=len(neurons), steps=network.steps,
        excitatory=None if first is None else int((neurons < first).sum()),
        tau_steps=tau_seconds / network.dt_seconds,
    )  # fmt: skip
    by_class, total = _ClassSums(trainer, hidden), samples_of(data, half, images)[2]
    for part in parts(trainer, half, images, len(neurons)):
        by_class.add(part.labels, part.result)
        sums.add(part.labels, spikes_of(part.result.recorded[planned.index], neurons))
        progress(int(sums.images.sum()), total)
    return RunSpikes(
        name, labels, data.class_names, network.dt_seconds, half, planned.name, neurons, sums,
        by_class.rows(data.class_names), by_class.accuracy, trainer.rows,
        values_of(trainer, before),
    )  # fmt: skip


def chosen_neurons(count: int, excitatory: int | None, seed: int) -> np.ndarray:
    """Numbers of the neurons of a layer that are looked at, ascending; each group by its share."""
    if count <= MOST_NEURONS:
        return np.arange(count)
    groups = np.split(np.arange(count), [excitatory or count])
    drawn = [
        stream("neurons", seed, k).permutation(group)[: -(-MOST_NEURONS * len(group) // count)]
        for k, group in enumerate(groups)
    ]
    return np.sort(np.concatenate(drawn))[:MOST_NEURONS]


def values_of(trainer: Trainer, before: Sequence[np.ndarray]) -> list[LayerValues]:
    """Weights and conductances of each crossbar, rows of a sign together."""
    values = []
    for planned, layer, g_before, g_after in zip(
        trainer.setup.network.synaptic, trainer.layers, before, trainer.conductances(), strict=True
    ):
        if g_before.ndim != 2 or not trainer.emulators:
            continue
        pairs = [g_before, g_after]
        weights = [layer.weights(torch.from_numpy(g)).numpy() for g in pairs]
        signs = planned.signs[: len(weights[0])]
        groups = {"all": np.ones(len(signs), bool)}
        if signs.any() and planned.index > 0:
            groups = {"excitatory": signs > 0, "inhibitory": signs < 0}
        per_row = len(g_before) // len(signs) if len(g_before) % len(signs) == 0 else 0
        for group, rows in groups.items():
            if not rows.any():
                continue
            devices = np.repeat(rows, per_row) if per_row else slice(None)
            values.append(
                LayerValues(
                    planned.name,
                    group,
                    *(w[rows].ravel() for w in weights),
                    *(g[devices].ravel() for g in pairs),
                )
            )
    return values
