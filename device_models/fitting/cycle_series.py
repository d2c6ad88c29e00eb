"""Cycles of devices in their order: how far each is from the one before, and paths of a memory."""

from typing import NamedTuple

import numpy as np
import torch

from ..cycle_memory import CycleLaw
from ..jit import jit
from .measurements import Floats, Ints


class CycleOrder(NamedTuple):
    """Rows sorted by device and cycle.

    Attributes:
        rows: Indices that sort them, (rows,).
        start: First sorted row of each device, and their number, (devices + 1,).
        gap: Cycles since the row before of the same device; inf for its first, (rows,).
    """

    rows: Ints
    start: Ints
    gap: Floats


def ordered(device: Ints, cycle: Ints) -> CycleOrder:
    """The order of some cycles; those that are missing are larger gaps."""
    rows = np.lexsort((cycle, device))
    first = np.diff(device[rows], prepend=-1) != 0
    gap = np.where(first, np.inf, np.diff(cycle[rows], prepend=0))
    return CycleOrder(rows, np.append(np.flatnonzero(first), len(rows)), gap.astype(np.float64))


def memories(
    order: CycleOrder, law: CycleLaw, *, generator: torch.Generator
) -> torch.Tensor | None:
    """x of `cycle_memory` in every cycle, exact for any gap, float32, in the order of the table.

    Args:
        order: Of the table.
        law: How long the memory is.
        generator: One number per row.

    Returns:
        Shape (rows,); None where there is no memory.
    """
    if law.memory_share == 0.0:
        return None
    x = torch.randn(len(order.rows), generator=generator).double().numpy()
    _recall(x, order.gap, law.memory_cycles)
    path = np.empty(len(x), np.float32)
    path[order.rows] = x
    return torch.from_numpy(path)


@jit
def _recall(x, gap, memory_cycles):  # type: ignore[no-untyped-def]
    """x <- rho x_before + sqrt(1 - rho^2) x, in place; the law of `cycle_memory.step`."""
    for n in range(len(x)):
        if gap[n] < np.inf:
            passed = gap[n] / memory_cycles
            x[n] = np.exp(-passed) * x[n - 1] + np.sqrt(-np.expm1(-2.0 * passed)) * x[n]
