"""Parts of what `metrics.jsonl` says of an epoch."""

from collections.abc import Sequence
from typing import Any

from ..array.counters import Counters
from ..boards.protocol import Emulator
from ..snn.engines.protocol import BatchResult
from ..snn.plan import Plan
from ..synapses.synapses import Synapses


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


def activity(done: BatchResult, network: Plan) -> dict[str, Any]:
    """Hidden spikes per image, of all layers and of each, and the mean rate of a hidden neuron.

    What a layer without neurons passes on, such as a pool, is no spike of a neuron.
    """
    samples, sent = len(done.predictions), zip(done.spikes, network.senders, strict=True)
    layers = [spikes / samples for spikes, layer in sent if layer.neuron is not None]
    each = [float(per_image.sum()) for per_image in layers]
    split: dict[str, float | None] = {"excitatory": None, "inhibitory": None}
    if network.excitatory is not None:
        firsts = zip(network.excitatory, network.senders, strict=True)
        excitatory = [first for first, layer in firsts if layer.neuron is not None]
        parts = list(zip(layers, excitatory, strict=True))
        split["excitatory"] = sum(float(per_image[:n].sum()) for per_image, n in parts)
        split["inhibitory"] = sum(float(per_image[n:].sum()) for per_image, n in parts)
    return {
        "spikes_per_inference": {**split, "total": sum(each), "layers": each},
        "rate_hz": sum(each) / max(network.neurons, 1) / network.seconds,
    }
