"""Devices with one equal, symmetric step over the whole window: the two abstractions of theory."""

from abc import ABC
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .model import DeviceModel, DeviceState, Programmed, check_shapes
from .record import quantity
from .step_law import StepLaw


@dataclass(frozen=True, kw_only=True)
class FineSteps(DeviceModel, ABC):
    """Equal devices that read exactly and move in `states` equal steps.

    A count of n is one pulse whose width is n units.
    """

    count_is_width = True

    states: int = quantity("states", 2, 2**30)

    def manufacture(self, shape: tuple[int, int], *, generator: torch.Generator) -> DeviceState:
        """See `DeviceModel.manufacture`; every device is the same."""
        return DeviceState(torch.full(shape, self.g_min_siemens), {}, {})

    def step_law(self, polarity: int) -> StepLaw:
        """See `DeviceModel.step_law`."""
        return StepLaw(level=1.0 / self.states)

    def read_sigma_siemens(self, g: Tensor) -> Tensor | None:
        """None: reads are exact."""
        return None

    def unclipped(self, state: DeviceState, counts: Tensor) -> Tensor:
        """g + count * step, siemens; it may lie outside the window."""
        return torch.add(state.g, counts, alpha=self.window_siemens / self.states)

    def clipped(self, g: Tensor) -> Programmed:
        """The outcome of moving the devices to `g`; writing is free. `g` is consumed."""
        return Programmed(
            DeviceState(g.clamp_(self.g_min_siemens, self.g_max_siemens), {}, {}), 0.0
        )


@dataclass(frozen=True, kw_only=True)
class Ideal(FineSteps):
    """Reads without noise and moves by exactly what it was told, in `states` equal steps.

    With the default resolution a step is as fine as the rounding of the numbers it is stored in:
    pulse-by-pulse training of it is gradient descent on bounded weights.
    """

    def program(
        self, state: DeviceState, counts: Tensor, selected: Tensor, *, generator: torch.Generator
    ) -> Programmed:
        """See `DeviceModel.program`: g + count * step, clipped to the window."""
        check_shapes(state, counts, selected)
        return self.clipped(self.unclipped(state, counts))


@dataclass(frozen=True, kw_only=True)
class GaussianUpdate(FineSteps):
    """The noise model of the seed paper: every programming operation adds Normal(0, sigma).

    g <- clip(g + count * step + Normal(0, update_sigma_siemens)). The published experiments add
    the noise to every weight at every update (`noise_on: all`), pulsed or not; a crossbar that
    selects single devices would add it only where it writes (`noise_on: programmed`).

    Source:
        M. Kilgore et al., Sci. Rep. 15, 24798, 2025, and its published code (the clip follows the
        noise). The authors give sigma relative to the spread of the initial weights.
    """

    update_sigma_siemens: float = quantity("S", 0.0, 1.0, default=0.0)
    noise_on: Literal["all", "programmed"] = "all"

    @property
    def operation_sigma_siemens(self) -> float:
        """See `DeviceModel.operation_sigma_siemens`."""
        return self.update_sigma_siemens

    def program(
        self, state: DeviceState, counts: Tensor, selected: Tensor, *, generator: torch.Generator
    ) -> Programmed:
        """See `DeviceModel.program`."""
        check_shapes(state, counts, selected)
        g = self.unclipped(state, counts)
        if self.update_sigma_siemens > 0.0:
            noise = torch.randn(counts.shape, generator=generator) * self.update_sigma_siemens
            where = selected if self.noise_on == "all" else counts != 0
            g = torch.where(where, g + noise, g)
        return self.clipped(g)
