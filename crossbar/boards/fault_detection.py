"""Finding what is broken by pulses and reads alone."""

import math

import torch

from device_models.model import DeviceModel

from ..array.faults import FaultMap, healthy
from ..array.tile import Tiling
from .operations import pulse_array
from .protocol import Board

_MOST_PULSES = 2**30  # of a device whose pulses have a width of |count| units


def find_faults(
    board: Board, sheet: DeviceModel, selected: torch.Tensor, *, reads: int = 4
) -> FaultMap:
    """Drive every selected device to both ends of its window; what hardly moves is stuck.

    A device on an open line reads 0 S both times and counts as stuck there. Devices that are not
    selected count as healthy. The array is left at the bottom of its window.

    Args:
        board: Sends the pulses and counts them and the reads.
        sheet: Window of its devices, and how many pulses cross it.
        selected: Which devices are tested, bool (word lines, bit lines).
        reads: Averaged at each end.
    """
    pulses = min(math.ceil(2.0 * sheet.pulses_across), _MOST_PULSES)
    counts = selected * torch.tensor(pulses, dtype=torch.int32)
    ends = []
    for way in (-1, 1):
        pulse_array(board, way * counts)
        ends.append(torch.stack([board.read() for _ in range(reads)]).mean(0))
    pulse_array(board, -counts)
    low, high = ends
    still = ((high - low).abs() < sheet.window_siemens / 4) & selected
    levels = torch.where(still, ((low + high) / 2).clamp(min=0.0), torch.nan)
    faults = healthy(Tiling(*board.info.shape, *board.info.tile_shape))
    faults.stuck_siemens[:] = levels.double().numpy()
    return faults
