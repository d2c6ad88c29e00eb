"""Columns behind a periphery in dense torch; the equations are those of `crossbar.array.periphery`.

A read is a vector of lines: of a step, or of one position of a convolution in a step, whose columns
are converted position by position before their neurons see them. What amplitudes drive is converted
like any other current; where some are negative, so may currents be, and the range of a converter
then reaches as far below zero as above it, with the same number of codes. That is ours.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from ..encodings.events import Held
from ..kernels import records
from .adc import FrontRecords


class Converters(NamedTuple):
    """Of one array, as torch takes them; the errors are zero where there are none."""

    scale: Tensor  # (down, columns): LSB per weight unit, with gain and droop
    offset: Tensor  # (down, columns), and so the others; see `array.periphery.Converters`
    parabola: Tensor
    cubic: Tensor
    stuck: Tensor
    top: float  # the highest code
    zero: float  # the code of no current
    noise: float  # LSB


class Columns:
    """The columns of one array on a device of torch.

    Attributes:
        clipped: Conversions beyond the range so far.
        integrator: Of neurons that integrate the currents themselves; None behind converters.
    """

    def __init__(
        self,
        front: FrontRecords,
        shape: tuple[int, int],
        tile_rows: int,
        held: Held | None,
        device: torch.device,
    ) -> None:
        """Copy them there.

        Args:
            front: As the kernels take them.
            shape: Rows and outputs of the array.
            tile_rows: Word lines of a tile.
            held: Amplitudes that drive the array; None: spikes.
            device: Of torch.
        """
        columns, self.integrator, self.clipped = front.columns, front.integrator, 0
        ends = columns.runs[:, 0] + columns.runs[:, 1] * (columns.runs[:, 3] - 1) + 1
        width = int(ends.max())  # without padding
        self._tiles = torch.split(torch.from_numpy(columns.matrix[:, :width]).to(device), tile_rows)
        behind = columns.matrix[:, columns.width : columns.width + width]
        self._variances = torch.split(torch.from_numpy(behind).to(device), tile_rows)
        self._is_noisy, self._tile_rows = columns.stride > columns.width, tile_rows
        combine = torch.zeros((width, shape[1]))
        for (column, step, output, length), factor in zip(
            columns.runs.tolist(), columns.factors.tolist(), strict=True
        ):
            for i in range(length):
                combine[column + step * i, output + i] += factor
        self._combine = combine.to(device)
        self._gain, self._injected = (
            torch.from_numpy(part[: shape[1]]).to(device)
            for part in (columns.gain, columns.injected)
        )
        reach = 1.0 if held is None else held.gain * (2.0 if held.is_signed else 1.0)
        self._lsb = float(columns.lsb) * reach if columns.converters else 1.0
        self._converters = columns.converters and _on_device(
            columns.converters, width, reach, held is not None and held.is_signed, device
        )

    def __call__(self, lines: Tensor, variances: Tensor, noise: torch.Generator) -> Tensor:
        """What reads come to, weight units (B, S, outputs).

        Args:
            lines: (B, S, rows); not differentiated.
            variances: How much of the variance of each row is in a read, likewise.
            noise: Source of that of reads and conversions.
        """
        total, is_driven = lines.new_zeros((*lines.shape[:2], len(self._combine))), False
        parts = (torch.split(x, self._tile_rows, dim=2) for x in (lines, variances))
        for tile, (part, squares) in enumerate(zip(*parts, strict=True)):
            driven, currents = (part != 0.0).any(2, keepdim=True), part @ self._tiles[tile]
            if self._is_noisy:
                spread = (squares @ self._variances[tile]).sqrt()
                currents = currents + spread * _normals(currents, noise)
            if self._converters is not None:
                currents = self._codes(self._converters, tile, currents, driven, noise)
            total += torch.where(driven, currents, 0.0)
            is_driven = driven | is_driven
        return self._gain * (self._lsb * (total @ self._combine)) + self._injected * is_driven

    def _codes(
        self, c: Converters, tile: int, currents: Tensor, driven: Tensor, noise: torch.Generator
    ) -> Tensor:
        """Codes of the columns of one tile, whole numbers of which that of no current is 0."""
        x = currents * c.scale[tile] + c.offset[tile] + c.zero
        if c.noise > 0.0:
            x = x + c.noise * _normals(x, noise)
        u = (x / c.top).clamp(0.0, 1.0)
        x = x + u * (1.0 - u) * (c.parabola[tile] + c.cubic[tile] * (1.0 - 2.0 * u))
        code, works = x.round(), c.stuck[tile] < 0.0
        beyond = (code > c.top) | (code < 0.0) if c.zero else code > c.top
        self.clipped += int((beyond & works & driven).sum())
        return torch.where(works, code.clamp(0.0, c.top), c.stuck[tile]) - c.zero


def _on_device(
    c: records.Converters, width: int, reach: float, is_signed: bool, device: torch.device
) -> Converters:
    """Converters of some columns; `reach`: full scale for one of the records."""
    scale = torch.from_numpy(c.scale[:, :width]).to(device) / reach
    none, top = torch.zeros_like(scale), float(c.top)
    errors = [none, none, none, none - 1.0]
    if c.errors is not None:
        errors = [torch.from_numpy(part[:, :width]).to(device) for part in c.errors]
    offset, parabola, cubic, stuck = errors
    zero = (top + 1.0) / 2.0 if is_signed else 0.0
    return Converters(scale, offset, parabola, cubic, stuck, top, zero, float(c.noise))


def _normals(like: Tensor, noise: torch.Generator) -> Tensor:
    """A draw for each number of a tensor."""
    return torch.randn(like.shape, generator=noise, device=like.device)
