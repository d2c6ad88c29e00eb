"""Finding what is broken by pulses and reads alone."""

import math

import torch

from ..array.faults import FaultMap, healthy
from ..array.tile import Tiling
from .simulated import SimulatedBoard

_MOST_PULSES = 2**30  # of a device whose pulses have a width of |count| units


def find_faults(
    board: SimulatedBoard, tiling: Tiling, selected: torch.Tensor, *, reads: int = 4
) -> FaultMap:
    """Drive every selected device to both ends of its window; what hardly moves is stuck.

    A device on an open line reads 0 S both times and is found as stuck there. Devices that are not
    selected count as healthy. The array is left at the bottom of its window.

    Args:
        board: Sends the pulses and counts them and the reads.
        tiling: Its array.
        selected: Which devices are tested, bool (rows, columns).
        reads: Averaged at each end.
    """
    model = board.model
    pulses = min(math.ceil(2.0 * model.pulses_across), _MOST_PULSES)
    counts = selected * torch.tensor(pulses, dtype=torch.int32)
    ends = []
    for way in (-1, 1):
        board.pulse_array(way * counts)
        ends.append(torch.stack([board.read_all() for _ in range(reads)]).mean(0))
    board.pulse_array(-counts)
    low, high = ends
    still = ((high - low).abs() < model.window_siemens / 4) & selected
    levels = torch.where(still, ((low + high) / 2).clamp(min=0.0), torch.nan)
    found = healthy(tiling)
    found.stuck_siemens[:] = levels.double().numpy()
    return found
