"""What training costs besides energy: pulses of each device, and digital memory."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from device_models.pulsed import Pulsed

from ..boards.routed import RoutedBoard
from ..boards.simulated import SimulatedBoard
from ..synapses.optimizers import Optimizer
from ..synapses.policies.policy import Policy
from ..synapses.synapses import Synapses

READ_BACK_BYTES = 4.0  # the weight as last read back; its steps follow from it


def wear(layers: Sequence[Synapses], policies: Sequence[Policy]) -> dict[str, Any]:
    """Pulses per device since manufacture, against the endurance of its kind.

    Of the devices that are ever programmed; `fast_array` are those that the policies own.
    `endurance_pulses` is None where the device file gives none.
    """
    model = layers[0].board.model
    given = model.endurance_pulses if isinstance(model, Pulsed) else 0.0
    entry = {
        "pulses_per_device": spread([layer.board.pulses_per_device() for layer in layers]),
        "endurance_pulses": given or None,
    }
    if fast := [board.pulses_per_device() for policy in policies for board in policy.boards]:
        entry["fast_array"] = spread(fast)
    return entry


def spread_of(board: SimulatedBoard | RoutedBoard) -> dict[str, float]:
    """Pulses per device of one array since manufacture."""
    return spread([board.pulses_per_device()])


def spread(parts: Sequence[Tensor]) -> dict[str, float]:
    """Mean, 99.9th percentile and largest of some counts."""
    counts = torch.cat(list(parts)).double()
    if not counts.numel():
        return {"mean": 0.0, "percentile_99_9": 0.0, "max": 0.0}
    # The smallest count that at least 99.9 % of the devices do not exceed.
    high = counts.kthvalue(max(1, -(-999 * counts.numel() // 1000))).values
    return {
        "mean": float(counts.mean()),
        "percentile_99_9": float(high),
        "max": float(counts.max()),
    }


def memory(policies: Sequence[Policy], optimizer: Optimizer) -> dict[str, float]:
    """Digital bytes per synapse, mean over all synapses."""
    synapses = sum(policy.synapses for policy in policies)
    held = sum(policy.bytes_per_synapse * policy.synapses for policy in policies) / synapses
    parts = {
        "policy": held,
        "optimizer": float(optimizer.bytes_per_weight),
        "read_back": READ_BACK_BYTES,
    }
    return parts | {"total": sum(parts.values())}
