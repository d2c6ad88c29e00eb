"""What training costs besides energy: pulses of each device, and digital memory."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from device_models.model import DeviceModel
from device_models.pulsed import Pulsed

from ..boards.protocol import Emulator
from ..synapses.optimizers import Optimizer
from ..synapses.policies.policy import Policy

READ_BACK_BYTES = 4.0  # the weight as last read back; its steps follow from it


def wear(
    sheet: DeviceModel, layers: Sequence[Emulator], fast: Sequence[Emulator]
) -> dict[str, Any]:
    """Pulses per device since manufacture, against the endurance of its kind.

    Of the devices that are ever programmed; `fast_array` are those that the policies own.
    `endurance_pulses` is None where the device file gives none.
    """
    endurance = sheet.endurance_pulses if isinstance(sheet, Pulsed) else 0.0
    rows: dict[str, Any] = {
        "pulses_per_device": spread([array.pulses_per_device() for array in layers]),
        "endurance_pulses": endurance or None,
    }
    if fast:
        rows["fast_array"] = spread([array.pulses_per_device() for array in fast])
    return rows


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
    per_synapse = sum(policy.bytes_per_synapse * policy.synapses for policy in policies) / synapses
    parts = {
        "policy": per_synapse,
        "optimizer": float(optimizer.bytes_per_weight),
        "read_back": READ_BACK_BYTES,
    }
    return parts | {"total": sum(parts.values())}
