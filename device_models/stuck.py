"""Devices that never move, and what they read."""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .pulsed import Pulsed


def draw(p: "Pulsed", shape: tuple[int, int], *, generator: torch.Generator) -> Tensor | None:
    """See `DeviceModel.draw_stuck`: `stuck_high_share` and `stuck_low_share` of all devices."""
    if p.stuck_high_share + p.stuck_low_share == 0.0:
        return None
    u = torch.rand(shape, generator=generator)
    stuck = torch.full(shape, math.nan, dtype=torch.float64)
    stuck[u < p.stuck_high_share] = p.stuck_high_siemens
    stuck[u >= 1.0 - p.stuck_low_share] = p.stuck_low_siemens
    return stuck
