"""Signed weights on pairs of positive conductances."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Route(NamedTuple):
    """Which device of each pair takes the next pulses, and which way; all (rows, columns)."""

    minus: Tensor  # bool: the negative device
    polarity: Tensor  # int8: +1 SET, -1 RESET
    g: Tensor  # siemens: conductance of that device


@dataclass(frozen=True)
class OneSided:
    """w = (G+ - G-) / g_unit, with at most one device of a pair above the floor.

    The columns of the array are the positive devices of all outputs, then the negative ones. Under
    Dale's law the row of an excitatory neuron lives on its positive devices and that of an
    inhibitory one on its negative devices; the others are parked at the floor and never selected.
    A row without a sign moves the opposing device down to the floor before it lifts its own.

    Attributes:
        signs: (rows,) int8: +1 excitatory, -1 inhibitory, 0 either.
        g_unit_siemens: Conductance of a weight of one, (g_max - g_min) / w_max.
        g_min_siemens: The floor.
    """

    signs: Tensor
    g_unit_siemens: float
    g_min_siemens: float

    def weights(self, g: Tensor) -> Tensor:
        """Signed weights (rows, outputs) of conductances (rows, 2 outputs)."""
        plus, minus = g.chunk(2, dim=1)
        return (plus - minus).div_(self.g_unit_siemens)

    def variance(self, sigma: Tensor) -> Tensor:
        """Variance of one read of each weight, from the spread of its devices in siemens."""
        plus, minus = (sigma / self.g_unit_siemens).square_().chunk(2, dim=1)
        return plus + minus

    def targets(self, weights: Tensor) -> Tensor:
        """Conductances (rows, 2 outputs) that stand for `weights`; the window is not applied."""
        both = torch.cat((weights.clamp(min=0.0), (-weights).clamp(min=0.0)), dim=1)
        return both.mul_(self.g_unit_siemens).add_(self.g_min_siemens)

    def selected(self, outputs: int) -> Tensor:
        """Which devices are ever programmed, bool (rows, 2 outputs)."""
        plus = (self.signs >= 0)[:, None].expand(-1, outputs)
        minus = (self.signs <= 0)[:, None].expand(-1, outputs)
        return torch.cat((plus, minus), dim=1)

    def route(self, up: Tensor, g: Tensor) -> Route:
        """The device that moves each weight in its wanted direction.

        Args:
            up: Whether the weight shall rise, bool (rows, outputs).
            g: Conductances as far as the trainer knows them, siemens, (rows, 2 outputs).
        """
        plus, minus = g.chunk(2, dim=1)
        sign = self.signs[:, None]
        if bool((self.signs == 0).any()):
            opposed = torch.where(up, minus > plus, minus >= plus)
            on_minus = (sign < 0) | ((sign == 0) & opposed)
        else:
            on_minus = (sign < 0).expand_as(up)
        polarity = torch.where(up ^ on_minus, 1, -1).to(torch.int8)
        return Route(on_minus, polarity, torch.where(on_minus, minus, plus))

    def counts(self, pulses: Tensor, route: Route) -> Tensor:
        """Signed counts per device (rows, 2 outputs) from pulses per weight (rows, outputs >= 0)."""
        signed = pulses * route.polarity
        zero = torch.zeros((), dtype=signed.dtype)
        plus, minus = torch.where(route.minus, zero, signed), torch.where(route.minus, signed, zero)
        return torch.cat((plus, minus), dim=1)
