"""Reading an array of devices: column currents, their noise, and how a layer is cut into tiles."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Tiling:
    """An array of `rows` x `columns` devices, cut into tiles of a chip's array size."""

    rows: int
    columns: int
    tile_rows: int
    tile_columns: int

    @property
    def down(self) -> int:
        """Tiles along a bit line."""
        return -(-self.rows // self.tile_rows)

    @property
    def across(self) -> int:
        """Tiles along a word line."""
        return -(-self.columns // self.tile_columns)


def read(g: Tensor, sigma: Tensor | None, v_volts: Tensor, *, generator: torch.Generator) -> Tensor:
    """Column currents for some input vectors, with read noise drawn once per column.

    A device read at voltage v carries v (g + sigma z) with its own standard normal z, drawn anew in
    each read. Independent normals add: column j carries Normal(sum_i v_i g_ij, sum_i v_i^2
    sigma_ij^2) exactly, so one draw per column replaces one per device.

    Args:
        g: Conductances, siemens, shape (rows, columns).
        sigma: Spread of one read of each device, siemens, shape of `g`; None without noise.
        v_volts: Word-line voltages, shape (vectors, rows).
        generator: Source of the noise.
    Returns:
        Currents, amperes, shape (vectors, columns).
    """
    current = v_volts @ g
    if sigma is None:
        return current
    spread = (v_volts.square() @ sigma.square()).sqrt_()
    return current + spread * torch.randn(current.shape, generator=generator, dtype=g.dtype)


def read_device_by_device(
    g: Tensor, sigma: Tensor, v_volts: Tensor, *, generator: torch.Generator
) -> Tensor:
    """The slow reference of `read`: draws every device in every read. Same arguments."""
    currents = []
    for v in v_volts:
        drawn = g + sigma * torch.randn(g.shape, generator=generator, dtype=g.dtype)
        currents.append(v @ drawn)
    return torch.stack(currents)
