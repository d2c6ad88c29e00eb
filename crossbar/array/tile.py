"""Reading an array of devices: column currents, their noise, and how a layer is cut into tiles."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from device_models.arrays import real_numbers
from device_models.errors import ConfigError
from device_models.record import shown

from ..wires import iterative, nodal
from ..wires.transfer import transfer_matrix
from ..wires.wires import Floats, Wires, check_volts


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


class CrossbarTile:
    """One tile of fixed conductances behind its wires, solved once and then read at will.

        tile = CrossbarTile(g_siemens, wires=Wires(word_ohms=2.0, bit_ohms=2.0))
        amperes = tile.read(v_volts)

    All in 64 bits; arrays in, arrays out.
    """

    def __init__(self, g_siemens: ArrayLike, *, wires: Wires | None = None) -> None:
        """Take the conductances, siemens, shape (rows, columns); without `wires` they are ideal.

        Raises:
            ConfigError: `wires` are none.
            ShapeError: No matrix of real numbers, or a faulty line lies outside it.
            LimitError: A conductance is negative or not finite.
        """
        if wires is not None and not isinstance(wires, Wires):
            raise ConfigError(f"wires must be a Wires or None, not {shown(wires)}")
        self.wires = wires or Wires()
        self.g_siemens = real_numbers(g_siemens, "conductances", "nothing was solved")
        self.wires.check(self.g_siemens)

    @cached_property
    def transfer_siemens(self) -> Floats:
        """Current of each column per volt on each row alone, siemens, shape (columns, rows)."""
        return transfer_matrix(self.g_siemens, self.wires)

    def read(self, v_volts: ArrayLike) -> Floats:
        """Column currents, amperes, (columns,) or (vectors, columns).

        Args:
            v_volts: Row voltages, volts, shape (rows,) or (vectors, rows); a row at 0 V is driven
                to 0 V.

        Raises:
            ShapeError: Another shape, or no real numbers.
            LimitError: A voltage is not finite, or the tile needs more memory than is free.
        """
        v = real_numbers(v_volts, "voltages", "nothing was read")
        check_volts(np.atleast_2d(v), len(self.g_siemens))
        return np.asarray(v @ self.transfer_siemens.T)

    def voltages(
        self, v_volts: ArrayLike, *, watch: Callable[[float], object] = lambda done: None
    ) -> nodal.Voltages:
        """Voltages at every crossing; arguments as `read`, always with a first axis of vectors.

        `watch` is told, step by step, which fraction of the digits of a vector is there.
        """
        v = np.atleast_2d(real_numbers(v_volts, "voltages", "nothing was read"))
        bridged = self.wires.bridged_words or self.wires.bridged_bits
        if bridged:
            return nodal.solve(self.g_siemens, self.wires, v)
        return iterative.solve(self.g_siemens, self.wires, v, watch=watch)


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
