"""Where a layer lies on a faulty array: rows that change places, copies of which the best count.

Which device holds which weight is digital routing in front of the array, so the mapping inside does
not know of it. Rows change places within a row of tiles: their lines end at the same drivers. The
copies of a layer lie side by side on the same rows; averaging their columns is digital.

The error of a placement is sum_r a_r sum_o |w'_ro - w_ro|, with w' the weights that the array can
hold where everything healthy is programmed exactly, and a_r the importance of a row.

Source:
    O. Yousuf et al., Layer ensemble averaging, Nat. Commun. 16, 2025,
    doi 10.1038/s41467-025-56319-6: copies of a layer, the least defective averaged per output.
    Per bit line instead of per output, and that all copies share rows, is ours.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..wires.wires import Floats
from .faults import FaultMap

WeightsOf = Callable[[Tensor], Tensor]  # conductances (rows, columns) -> weights (rows, outputs)


@dataclass(frozen=True, eq=False)
class Placement:
    """Routes between a layer of (rows, columns) and its array of (rows, copies columns).

    Attributes:
        order: (rows,) int64: word line that holds each row of the layer.
        averaged: (copies, columns) bool: bit lines that count, the same number in each column.
    """

    order: Tensor
    averaged: Tensor

    @property
    def copies(self) -> int:
        """How often the layer is there."""
        return len(self.averaged)

    @cached_property
    def count(self) -> int:
        """How many copies are averaged."""
        return int(self.averaged[:, 0].sum())

    @cached_property
    def inverse(self) -> Tensor:
        """(rows,) int64: row of the layer that each word line holds."""
        return torch.argsort(self.order)

    def mean(self, array: Tensor) -> Tensor:
        """Mean of the averaged copies, (rows, columns), of values (rows, copies columns)."""
        return self._sum(array) / self.count

    def spread(self, sigma: Tensor) -> Tensor:
        """Standard deviation of that mean, from those of independent values."""
        return self._sum(sigma.square()).sqrt_() / self.count

    def copied(self, layer: Tensor) -> Tensor:
        """Values of the layer (rows, columns) at each of its copies, (rows, copies columns)."""
        return layer[self.inverse].repeat(1, self.copies)

    def sent(self, layer: Tensor) -> Tensor:
        """The same at the averaged copies alone, 0 (False) at the others."""
        return self.copied(layer) * self.averaged.view(1, -1)

    def _sum(self, array: Tensor) -> Tensor:
        """Sum over the averaged copies in the order of the layer."""
        rows, parts = array[self.order], array.new_zeros(len(array), self.averaged.shape[1])
        for part, mine in zip(rows.chunk(self.copies, 1), self.averaged, strict=True):
            parts += torch.where(mine, part, 0.0)  # not times 0: a part may be inf
        return parts


def plain(rows: int, columns: int, copies: int) -> Placement:
    """Every row at its own word line, all copies averaged."""
    return Placement(torch.arange(rows), torch.ones((copies, columns), dtype=torch.bool))


def best_placement(
    faults: FaultMap,
    targets: Tensor,
    weights_of: WeightsOf,
    *,
    copies: int,
    averaged: int,
    remap: bool,
    importance: Floats | None = None,
) -> Placement:
    """The best placement of a layer on a faulty array; never worse than without `remap`.

    Args:
        faults: Of the array, as known or as `find_faults` measured them.
        targets: Conductances to be stored, siemens, (rows, columns).
        weights_of: `Mapping.weights`.
        copies: Copies on the array.
        averaged: How many of them are averaged, those with the least error of each bit line.
        remap: Whether rows may change places.
        importance: (rows,), not negative; None: all equal.
    """
    rows, columns = targets.shape
    first = plain(rows, columns, copies)
    weight = np.ones(rows) if importance is None else importance
    candidates = [first]
    if remap:
        cost = row_costs(faults, targets, weights_of, copies=copies, importance=weight)
        order = torch.from_numpy(assign(cost, faults.tiling.tile_rows))
        candidates.append(replace(first, order=order))
    chosen = [choose(faults, targets, p, averaged=averaged, importance=weight) for p in candidates]
    errors = [error(faults, targets, weights_of, p, importance=weight) for p in chosen]
    return chosen[int(np.argmin(errors))]  # the first of equals: rows stay where they are


def held(faults: FaultMap, targets: Tensor, placement: Placement) -> Tensor:
    """Conductances (rows, copies columns) of an array whose healthy devices hold their targets."""
    stuck = torch.from_numpy(faults.stuck_siemens).to(targets.dtype)
    g = torch.where(stuck.isnan(), placement.copied(targets), stuck)
    return g.masked_fill(torch.from_numpy(faults.cut), 0.0)


def error(
    faults: FaultMap,
    targets: Tensor,
    weights_of: WeightsOf,
    placement: Placement,
    *,
    importance: Floats,
) -> float:
    """The error of a placement; see the module."""
    possible = placement.mean(held(faults, targets, placement))
    off = (weights_of(possible) - weights_of(targets)).abs().double().sum(1)
    return float(off.numpy() @ importance)


def row_costs(
    faults: FaultMap, targets: Tensor, weights_of: WeightsOf, *, copies: int, importance: Floats
) -> Floats:
    """Error of each row of the layer at each word line, all copies averaged.

    Returns:
        (word lines, rows).
    """
    rows, columns = targets.shape
    stuck = torch.from_numpy(faults.stuck_siemens).to(targets.dtype)
    cut, wanted = torch.from_numpy(faults.cut), weights_of(targets)
    cost = np.zeros((rows, rows))
    for line in np.flatnonzero((faults.stuck | faults.cut).any(1)):
        possible = torch.zeros_like(targets)
        for at in torch.arange(copies * columns).view(copies, columns):
            g = torch.where(stuck[line, at].isnan(), targets, stuck[line, at])
            possible += g.masked_fill(cut[line, at], 0.0) / copies
        off = (weights_of(possible) - wanted).abs().double().sum(1)
        cost[line] = off.numpy() * importance
    return cost


def assign(cost: Floats, tile_rows: int) -> np.ndarray:
    """The cheapest word line of each row, (rows,) int64, within each row of tiles.

    Args:
        cost: (word lines, rows).
        tile_rows: Word lines of a tile.

    Source:
        D. F. Crouse, IEEE Trans. Aerosp. Electron. Syst. 52(4), 1679-1696, 2016 (in scipy).
    """
    from scipy.optimize import linear_sum_assignment  # half a second that others need not wait for

    order = np.arange(len(cost))
    for first in range(0, len(cost), tile_rows):
        band = slice(first, first + tile_rows)
        rows, lines = linear_sum_assignment(cost[band, band].T)
        order[band][rows] = first + lines
    return order


def choose(
    faults: FaultMap, targets: Tensor, placement: Placement, *, averaged: int, importance: Floats
) -> Placement:
    """Average the copies with the least error of each bit line, in siemens."""
    if averaged == placement.copies:
        return placement
    off = (held(faults, targets, placement) - placement.copied(targets)).abs().double()
    weight = torch.from_numpy(importance)[placement.inverse, None]
    errors = (off * weight).sum(0).view(placement.copies, -1)
    best = torch.argsort(errors, dim=0, stable=True)[:averaged]
    return replace(placement, averaged=torch.zeros_like(placement.averaged).scatter_(0, best, True))
