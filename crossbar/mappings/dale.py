"""One device a synapse, under Dale's law."""

from dataclasses import dataclass

import torch
from torch import Tensor

from device_models.errors import ConfigError
from device_models.record import Record

from .mapping import Mapping, Product, Route


@dataclass(frozen=True)
class Dale(Mapping):
    """w = +-(G - G_min) / g_unit with the sign of the row: half the devices of a pair.

    The currents of excitatory and inhibitory rows reach the integrator of an output with opposite
    polarity: two phases of a step drive the rows of one sign each, while the integrator counts up
    and then down. Wires lose what they lose when each row is driven alone, as everywhere here.
    Counters know one conversion per column of a tile and step; a tile that holds rows of both signs
    needs up to two.

    The current of the floor is removed digitally: the number of active rows of each sign is known,
    and each carries G_min. What devices keep above G_min at their own floor stays in the weight,
    and so does, with the opposite sign, what wires take from the current of G_min.
    """

    treats_rows_alike = False

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """None."""

    def __post_init__(self) -> None:
        """Check the signs.

        Raises:
            ConfigError: A row has none.
        """
        super().__post_init__()
        if bool((self.signs == 0).any()):
            raise ConfigError(
                "the mapping dale needs rows of one sign each, and ei none has none; rows without "
                "a sign need two devices a synapse (one_sided, pair, bit_sliced) or a "
                "reference_column"
            )

    @property
    def columns(self) -> int:
        """See `Mapping.columns`."""
        return self.outputs

    @property
    def w_max(self) -> float:
        """See `Mapping.w_max`: the full window."""
        return (self.g_max_siemens - self.g_min_siemens) / self.g_unit_siemens

    def weights(self, g: Tensor) -> Tensor:
        """See `Mapping.weights`."""
        return (g - self.g_min_siemens).div_(self.g_unit_siemens).mul_(self.signs[:, None])

    def product(self, lines: Tensor, siemens: Product) -> Tensor:
        """See `Mapping.product`: the rows of either sign are read apart."""
        signs = self.signs.to(lines.dtype)
        excitatory, inhibitory = (siemens(lines * (way * signs > 0)) for way in (1, -1))
        floor = self.g_min_siemens * (lines @ signs)
        return (excitatory - inhibitory - floor[:, None]).div_(self.g_unit_siemens)

    def variance(self, sigma: Tensor) -> Tensor:
        """See `Mapping.variance`."""
        return (sigma / self.g_unit_siemens).square_()

    def targets(self, weights: Tensor) -> Tensor:
        """See `Mapping.targets`; a weight of the wrong sign stands at the floor."""
        sizes = (weights * self.signs[:, None]).clamp_(min=0.0)
        return sizes.mul_(self.g_unit_siemens).add_(self.g_min_siemens)

    def selected(self) -> Tensor:
        """See `Mapping.selected`: all."""
        return torch.ones(self.shape, dtype=torch.bool)

    def devices_of(self, synapses: Tensor) -> Tensor:
        """See `Mapping.devices_of`."""
        return synapses

    def route(self, up: Tensor, g: Tensor) -> Route:
        """See `Mapping.route`; the floor stops a weight at zero."""
        polarity = torch.where(up == (self.signs > 0)[:, None], 1, -1).to(torch.int8)
        return Route(self.own_columns(), polarity)
