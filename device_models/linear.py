"""Devices with one equal, symmetric step over the whole window: the two abstractions of theory."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from .model import DeviceModel, DeviceState, Programmed, check_shapes
from .record import quantity


@dataclass(frozen=True, kw_only=True)
class Ideal(DeviceModel):
    """Reads without noise and moves by exactly what it was told, in `states` equal steps.

    A count of n is one pulse whose width is n units, so `pulses` counts one per programmed device.
    With the default resolution a step is as fine as the rounding of the numbers it is stored in:
    pulse-by-pulse training of it is gradient descent on bounded weights.
    """

    states: int = quantity("states", 2, 2**30)

    def manufacture(self, shape: tuple[int, int], *, generator: torch.Generator) -> DeviceState:
        """See `DeviceModel.manufacture`; every device is the same."""
        return DeviceState(torch.full(shape, self.g_min_siemens), {})

    def program(
        self, state: DeviceState, counts: Tensor, selected: Tensor, *, generator: torch.Generator
    ) -> Programmed:
        """See `DeviceModel.program`: g + count * step, clipped to the window."""
        check_shapes(state, counts, selected)
        g = torch.add(state.g, counts, alpha=self.window_siemens / self.states)
        return Programmed(DeviceState(g.clamp_(self.g_min_siemens, self.g_max_siemens), {}), 0.0)

    def step_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """See `DeviceModel.step_siemens`: the same everywhere."""
        return torch.full_like(g, self.window_siemens / self.states)

    def read_sigma_siemens(self, g: Tensor) -> Tensor | None:
        """None: reads are exact."""
        return None

    def pulses(self, counts: Tensor) -> tuple[int, int]:
        """One pulse, of a width of |count| units, per programmed device."""
        return int((counts > 0).sum()), int((counts < 0).sum())


@dataclass(frozen=True, kw_only=True)
class GaussianUpdate(Ideal):
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

    def program(
        self, state: DeviceState, counts: Tensor, selected: Tensor, *, generator: torch.Generator
    ) -> Programmed:
        """See `DeviceModel.program`."""
        exact = super().program(state, counts, selected, generator=generator)
        if self.update_sigma_siemens == 0.0:
            return exact
        where = selected if self.noise_on == "all" else counts != 0
        noise = torch.randn(counts.shape, generator=generator) * self.update_sigma_siemens
        # The unclipped sum: clipping before and after the noise would bias devices at the bounds.
        g = torch.add(state.g, counts, alpha=self.window_siemens / self.states)
        g = torch.where(where, g + noise, g).clamp_(self.g_min_siemens, self.g_max_siemens)
        return Programmed(DeviceState(g, {}), 0.0)
