"""Oxide RRAM: gradual soft-bound SET and RESET with an exponential law."""

import math
from dataclasses import dataclass

from torch import Tensor

from . import physics
from .model import StepLaw
from .pulsed import Pulsed
from .record import quantity


@dataclass(frozen=True, kw_only=True)
class Oxram(Pulsed):
    """Filamentary oxide RRAM in the 1e3..1e6 ohm window, programmed by identical pulses.

    With W the width of the window and x = (g - g_min) / W, the mean pulse moves a device by

        SET:    + set_fraction   W exp(-set_beta x)
        RESET:  - reset_fraction W exp(-reset_beta (1 - x))

    A negative beta is a step that grows towards the bound. Spread, read noise, relaxation and
    faults: see `Pulsed`.

    Source:
        D. Querlioz et al., IEEE Trans. Nanotechnol. 12(3), 288-295, 2013.
    """

    set_fraction: float = quantity("", 1e-6, 1.0)
    set_beta: float = quantity("", -20.0, 20.0)
    reset_fraction: float = quantity("", 1e-6, 1.0)
    reset_beta: float = quantity("", -20.0, 20.0)

    def step_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """See `DeviceModel.step_siemens`: the mean step of a device of median gain."""
        x = (g - self.g_min_siemens).div_(self.window_siemens)
        # One exponential: exp(-beta x) and exp(-beta (1 - x)) differ in offset and slope alone.
        up = physics.rising(counts, g.dtype)
        offset = physics.choose(up, 0.0, -self.reset_beta)
        slope = physics.choose(up, -self.set_beta, self.reset_beta)
        scale = physics.choose(up, self.set_fraction, self.reset_fraction)
        return (slope * x).add_(offset).exp_().mul_(scale.mul_(self.window_siemens))

    def step_law(self, polarity: int) -> StepLaw:
        """See `DeviceModel.step_law`."""
        if polarity > 0:
            return StepLaw(scale=self.set_fraction, rate=-self.set_beta)
        return StepLaw(scale=self.reset_fraction * math.exp(-self.reset_beta), rate=self.reset_beta)
