"""What a network does, under NeuroBench's names and by its definitions.

Taken over are those that need no run of the model: counts of spikes and weights. To NeuroBench the
hidden layers are spiking neurons and the readout is none, so sparsity, membrane updates and neuron
operations are theirs alone. Its bytes are those of the weights as numbers of 32 bits; a chip has
none.

Source:
    J. Yik et al., NeuroBench, Nat. Commun. 16, 1545, 2025; the package `neurobench` 2.3.0.
"""

from typing import Any

import numpy as np

from .activity import Activity, LayerActivity
from .counts import RunCounts

WEIGHT_BYTES = 4  # of a weight in the model that NeuroBench would be given
SYNAPTIC_ZERO = 8  # operations of a neuron with current and membrane that is reset to zero


def metrics(run: RunCounts) -> dict[str, Any]:
    """All metrics of a run, with NeuroBench's names as keys; counts are means per inference."""
    activity = run.activity
    return {
        "Footprint": footprint(activity),
        "ParameterCount": parameter_count(activity),
        "ConnectionSparsity": connection_sparsity(activity),
        "ClassificationAccuracy": run.accuracy,
        "ActivationSparsity": activation_sparsity(activity),
        "ActivationSparsityByLayer": activation_sparsity_by_layer(activity),
        "SynapticOperations": synaptic_operations(activity),
        "MembraneUpdates": membrane_updates(activity),
        "NeuronOperations": neuron_operations(activity),
    }


def parameter_count(activity: Activity) -> int:
    """Weights of the network."""
    return sum(layer.rows * layer.outputs for layer in activity.layers)


def footprint(activity: Activity) -> int:
    """Bytes of its parameters."""
    return WEIGHT_BYTES * parameter_count(activity)


def connection_sparsity(activity: Activity) -> float:
    """Share of the weights that are exactly zero, to four digits as NeuroBench has it."""
    nonzero = sum(int(layer.nonzero_weights.sum()) for layer in activity.layers)
    return round(1.0 - nonzero / parameter_count(activity), 4)


def activation_sparsity(activity: Activity) -> float:
    """Share of (neuron, step) pairs without a spike."""
    all_steps = activity.inferences * activity.steps
    outputs = all_steps * sum(layer.neurons for layer in activity.layers[:-1])
    fired = sum(layer.spikes for layer in activity.layers[:-1])
    return (outputs - fired) / outputs if outputs else 0.0


def activation_sparsity_by_layer(activity: Activity) -> dict[str, float]:
    """The same of each hidden layer."""
    all_steps = activity.inferences * activity.steps
    return {
        layer.name: (layer.neurons * all_steps - layer.spikes) / (layer.neurons * all_steps)
        for layer in activity.layers[:-1]
        if all_steps
    }


def synaptic_operations(activity: Activity) -> dict[str, float]:
    """Spikes times the weights they meet: those that are not zero, and all if every line spiked.

    Spikes are 0 or 1, so every operation is an accumulation (AC) and none a multiplication (MAC),
    but for those of amplitudes that are held.
    """
    inferences, steps = max(1, activity.inferences), activity.steps
    totals = {True: 0, False: 0}
    for layer in activity.layers:
        totals[layer.reads.is_held] += operations(layer, steps)
    dense = sum(
        layer.rows * layer.outputs * layer.reads.per_inference(steps) for layer in activity.layers
    )
    return {
        "Effective_MACs": totals[True] / inferences,
        "Effective_ACs": totals[False] / inferences,
        "Dense": float(dense),
    }


def operations(layer: LayerActivity, steps: int) -> int:
    """Lines that are driven in a layer times the weights of their rows that are not zero."""
    return layer.operations(layer.nonzero_weights, steps)


def membrane_updates(activity: Activity) -> float:
    """Membranes that change in a step, and all in the first, per inference.

    A membrane rests until the step after next behind the first spike that comes into its layer, and
    moves from then on. That counts a neuron too often whose weights from all lines that spiked are
    exactly zero.
    """
    total = sum(updates(layer, activity.steps) for layer in activity.layers[:-1])
    return total / max(1, activity.inferences)


def updates(layer: LayerActivity, steps: int) -> int:
    """Membrane updates of one layer."""
    events = layer.inputs
    if layer.reads.is_held or layer.reads.has_bias_row:  # driven from the first step on
        return layer.neurons * steps * len(events)
    starts = events.offsets[:-1][np.diff(events.offsets) > 0]
    moving = np.maximum(1, steps - 1 - events.times[starts].astype(np.int64))
    silent = len(events) - len(starts)
    return layer.neurons * (int(moving.sum()) + silent)


def neuron_operations(activity: Activity) -> dict[str, float]:
    """Membrane updates times the operations of one, and the same if all moved in every step."""
    neurons = sum(layer.neurons for layer in activity.layers[:-1])
    return {
        "Effective Neuron Ops": SYNAPTIC_ZERO * membrane_updates(activity),
        "Neuron Dense Ops": float(SYNAPTIC_ZERO * neurons * activity.steps),
    }
