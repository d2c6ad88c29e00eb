"""Parts of what `metrics.jsonl` says of an epoch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..array.counters import Counters
from ..boards.protocol import Emulator
from ..snn.encodings.events import Events
from ..snn.engines.protocol import BatchResult
from ..snn.plan import Plan
from ..synapses.policies.policy import Policy
from ..synapses.synapses import Synapses
from .endurance import spread

if TYPE_CHECKING:
    from .builder import Setup

MOST_RECORDED = 1 << 28  # (samples, steps, neurons) of a test whose classes are counted


def costs(counters: Counters) -> dict[str, Any]:
    """What an epoch sent, read and dissipated, as its row says it."""
    return {
        "pulses": {"set": counters.set_pulses, "reset": counters.reset_pulses},
        "programming_operations": counters.programming_operations,
        "programmed_devices": counters.programmed_devices,
        "reads": {
            "row_activations": counters.row_activations,
            "column_conversions": counters.column_conversions,
            "device_reads": counters.device_reads,
        },
        "energy_joules": {"read": counters.read_joules, "write": counters.write_joules},
    }


def through_wires(emulators: Sequence[Emulator]) -> dict[str, Any]:
    """How exact the wires were in this epoch; nothing without them."""
    arrays = [emulator.wired for emulator in emulators if emulator.wired is not None]
    if not arrays:
        return {}
    return {
        "wires": {
            "solved_tiles": sum(array.solved for array in arrays),
            "worst_error_between": max(array.worst_error for array in arrays),
            "checkpoint_error": max(array.checkpoint_error for array in arrays),
        }
    }


def own_numbers(layers: Sequence[Synapses], network: Plan) -> dict[str, Any]:
    """What the neurons of each layer have of their own, such as thresholds; nothing without.

    They are digital: `bytes` counts them and what the optimizer keeps of them not.
    """
    rows = [
        {
            "layer": planned.name,
            "number": name,
            "mean": float(values.mean()),
            "min": float(values.min()),
            "max": float(values.max()),
            "bytes": values.nbytes,
        }
        for layer, planned in zip(layers, network.synaptic, strict=True)
        if layer.trained is not None
        for name, values in zip(planned.trained, layer.trained, strict=True)
    ]
    return {"neurons": rows} if rows else {}


def activity(done: BatchResult, network: Plan, labels: np.ndarray, classes: int) -> dict[str, Any]:
    """Spikes per image of a test, mean rate of a hidden neuron, `confusion`, and `by_class`."""
    spikes = spikes_per_inference(done.spikes, len(done.predictions), network)
    rate = spikes["total"] / max(network.neurons, 1) / network.seconds
    row = {"spikes_per_inference": spikes, "rate_hz": rate}
    row["test_confusion"] = confusion(labels, done.predictions, classes)
    return row | by_class(done, labels, classes, network)


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> list[list[int]]:
    """How many samples of each class, a row, were taken for each class."""
    pairs = np.bincount(labels * classes + predictions, minlength=classes * classes)
    return list(pairs.reshape(classes, classes).tolist())


def spikes_per_inference(
    spikes: Sequence[np.ndarray], samples: int, network: Plan
) -> dict[str, Any]:
    """Spikes per image: of all hidden layers, `total`, of each of them, and of the `output`.

    What a layer without neurons passes on, such as a pool, is no spike of a neuron.

    Args:
        spikes: Of each of the network's `senders`, (lines,), over all samples.
        samples: How many.
        network: Which layers are hidden.

    Returns:
        `output` is None where the output layer never spikes, `excitatory` and `inhibitory` without
        Dale's law.
    """
    *hidden, last = network.synaptic
    layers = [spikes[layer.index] / samples for layer in hidden]
    each = [float(per_image.sum()) for per_image in layers]
    split: dict[str, float | None] = {"excitatory": None, "inhibitory": None}
    if network.excitatory is not None:
        parts = [(of, network.excitatory[at.index]) for of, at in zip(layers, hidden, strict=True)]
        split["excitatory"] = sum(float(per_image[:n].sum()) for per_image, n in parts)
        split["inhibitory"] = sum(float(per_image[n:].sum()) for per_image, n in parts)
    output = float(spikes[-1].sum()) / samples if last.spikes else None
    return {**split, "total": sum(each), "layers": each, "output": output}


def is_recorded(network: Plan, samples: int) -> bool:
    """Whether all spikes of a test may be in memory at once, 3 bytes each."""
    return samples * network.steps * max(network.recorded) <= MOST_RECORDED


def by_class(done: BatchResult, labels: np.ndarray, classes: int, network: Plan) -> dict[str, Any]:
    """Accuracy, and hidden spikes per image, of each class in a test; nothing if not recorded.

    Args:
        done: With every spike.
        labels: (samples,) of its samples.
        classes: Of the data set.
        network: Which layers are hidden.
    """
    if not done.recorded:
        return {}
    hidden = [layer for layer in network.synaptic[:-1] if layer.spikes]
    images = np.bincount(labels, minlength=classes)

    def of_each(values: np.ndarray) -> list[float]:
        total = np.bincount(labels, weights=values, minlength=classes)
        return list((total / np.maximum(images, 1)).tolist())

    def spikes(counts: Sequence[int]) -> list[float]:
        pairs = zip(hidden, counts, strict=True)
        return of_each(sum(
            (spikes_of_samples(done.recorded[layer.index], count) for layer, count in pairs),
            np.zeros(len(labels)),
        ))  # fmt: skip

    total, excitatory = spikes([layer.outputs for layer in hidden]), None
    if network.excitatory is not None:
        excitatory = spikes([network.excitatory[layer.index] for layer in hidden])
    return {
        "test_by_class": {
            "images": images.tolist(),
            "accuracy": of_each(done.predictions == labels),
            "total": total,
            "excitatory": excitatory,
            "inhibitory": excitatory and [a - b for a, b in zip(total, excitatory, strict=True)],
        }
    }


def spikes_of_samples(events: Events, neurons: int) -> np.ndarray:
    """Spikes of the first neurons in each sample, (samples,)."""
    if not len(events.rows) or neurons > events.rows.max():
        return np.diff(events.offsets)
    sums = np.concatenate([[0], np.cumsum(events.rows < neurons, dtype=np.int64)])
    return np.asarray(np.diff(sums[events.offsets]))


def mapping_row(
    layers: Sequence[Synapses], setup: "Setup", clipped: float | None
) -> dict[str, Any]:
    """What the mapping took and could not hold; `refreshed` counts anew in each epoch."""
    refreshed = sum(layer.refreshed for layer in layers)
    for layer in layers:
        layer.refreshed = 0
    return {
        "name": setup.mapping,
        "devices": setup.tiles.copies * sum(each.mapping.devices for each in layers),
        "clipped_share": clipped,
        "refreshed": refreshed,
    }


def with_output(row: Mapping[str, Any], *, spikes: bool) -> dict[str, Any]:
    """The row of an epoch; where it is of before, with the spikes of the output told apart.

    They used to be those of one more hidden layer; the rate of such a row stays that of all.

    Args:
        row: Of `metrics.jsonl`.
        spikes: Whether the output layer does.
    """
    said = row["spikes_per_inference"]
    if "output" in said:
        return dict(row)
    layers, inhibitory, output = said["layers"], said["inhibitory"], None
    if spikes:
        *layers, output = layers
        inhibitory = None if inhibitory is None else inhibitory - output
    apart = {"inhibitory": inhibitory, "total": sum(layers), "layers": layers, "output": output}
    return {**row, "spikes_per_inference": said | apart}


class LearningSums:
    """What an epoch of training added up to so far, over the images that were learned."""

    def __init__(self, network: Plan) -> None:
        """Begin at nothing."""
        self._network, self._images, self._right, self._loss = network, 0, 0, 0.0
        self._spikes = [np.zeros(lines, np.int64) for lines in network.hidden]

    def add(self, done: BatchResult, labels: np.ndarray) -> None:
        """Add a batch; `labels` are those of its images."""
        self._images += len(labels)
        self._right += int((done.predictions == labels).sum())
        self._loss += float(done.losses.sum())
        self._spikes = [a + b for a, b in zip(self._spikes, done.spikes, strict=True)]

    @property
    def accuracy(self) -> float:
        """Fraction of right answers; 0 without images."""
        return self._right / max(1, self._images)

    def row(self) -> dict[str, Any]:
        """What the row of an epoch says of it: running means, as the network changed."""
        images = max(1, self._images)
        return {
            "train_accuracy": self.accuracy,
            "train_loss": self._loss / images,
            "train_spikes_per_inference": spikes_per_inference(self._spikes, images, self._network),
        }


def by_array(
    network: Plan,
    policies: Sequence[Policy],
    emulators: Sequence[Emulator],
    spent: Sequence[Counters],
) -> list[dict[str, Any]]:
    """What an epoch sent to each array: those of the layers, then those that policies own.

    Args:
        network: Names the layers.
        policies: Of the layers.
        emulators: Of the arrays; none where boards are not emulated.
        spent: Of each array.
    """
    names = network.names
    fast = [f"{n}, fast array" for n, p in zip(names, policies, strict=True) if p.boards]
    rows: list[dict[str, Any]] = [
        {"name": name, **costs(counters)}
        for name, counters in zip([*names, *fast], spent, strict=True)
    ]
    for row, emulator in zip(rows, emulators, strict=False):  # none if not emulated
        row["pulses_per_device"] = spread([emulator.pulses_per_device()])
    return rows
