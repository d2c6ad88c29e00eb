"""One device a synapse, beside a column of references in every tile."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from device_models.errors import ConfigError
from device_models.record import Record

from .mapping import Mapping, Route


class ReferenceColumn(Mapping):
    """w = (G - G_ref) / g_unit, G_ref of the same row in the reference column of the tile.

    The middle column of each tile holds the references, so that its word lines are of mean length.
    They are manufactured, programmed to the middle of the window once, and read like any other
    device; updates never pulse them. What they are off is in all weights of their row and tile, and
    a weight reaches half of the window to either side: w_max / 2.

    The noise of a reference enters every output of its tile at once: outputs that share a tile have
    correlated noise. The event kernels draw the columns independently; each output here gets the
    right variance, that of its device and of its reference, and the correlation is left out.
    Rows with a sign stop at zero as `Mapping` says.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """None."""

    @cached_property
    def _columns(self) -> tuple[Tensor, Tensor, Tensor]:
        """Columns of the weights, of the references, and which reference each weight has.

        Raises:
            ConfigError: A tile has one column.
        """
        if self.tile_columns < 2:
            raise ConfigError("reference_column needs tiles of two columns or more, not of 1")
        weights: list[int] = []
        references: list[int] = []
        owner: list[int] = []
        while len(weights) < self.outputs:
            first = len(weights) + len(references)
            count = min(self.tile_columns - 1, self.outputs - len(weights))
            middle = first + count // 2
            weights += [c for c in range(first, first + count + 1) if c != middle]
            owner += [len(references)] * count
            references.append(middle)
        return torch.tensor(weights), torch.tensor(references), torch.tensor(owner)

    @property
    def columns(self) -> int:
        """See `Mapping.columns`."""
        weights, references, _ = self._columns
        return len(weights) + len(references)

    @property
    def w_max(self) -> float:
        """See `Mapping.w_max`: half of the window."""
        return (self.g_max_siemens - self.g_min_siemens) / 2 / self.g_unit_siemens

    @property
    def middle_siemens(self) -> float:
        """What the references are programmed to."""
        return (self.g_min_siemens + self.g_max_siemens) / 2

    def weights(self, g: Tensor) -> Tensor:
        """See `Mapping.weights`."""
        weights, references, owner = self._columns
        return (g[:, weights] - g[:, references[owner]]).div_(self.g_unit_siemens)

    def variance(self, sigma: Tensor) -> Tensor:
        """See `Mapping.variance`: that of the device and that of its reference."""
        weights, references, owner = self._columns
        squares = (sigma / self.g_unit_siemens).square_()
        return squares[:, weights] + squares[:, references[owner]]

    def targets(self, weights: Tensor) -> Tensor:
        """See `Mapping.targets`."""
        g = weights.new_full((len(weights), self.columns), self.middle_siemens)
        g[:, self._columns[0]] += weights * self.g_unit_siemens
        return g

    def selected(self) -> Tensor:
        """See `Mapping.selected`: all; the references by `program` alone."""
        return torch.ones((len(self.signs), self.columns), dtype=torch.bool)

    def devices_of(self, synapses: Tensor) -> Tensor:
        """See `Mapping.devices_of`; a reference belongs to no synapse."""
        devices = synapses.new_zeros((len(synapses), self.columns))
        devices[:, self._columns[0]] = synapses
        return devices

    def route(self, up: Tensor, g: Tensor) -> Route:
        """See `Mapping.route`."""
        polarity, column = torch.where(up, 1, -1).to(torch.int8), self._columns[0]
        return Route(column.expand(up.shape), polarity)

    def headroom(self, g: Tensor) -> Tensor | None:
        """See `Mapping.headroom`."""
        return self.to_zero(g)
