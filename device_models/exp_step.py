"""Devices whose step bends exponentially over the window: the fit of Gong et al."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from . import physics
from .model import StepLaw
from .pulsed import Pulsed
from .record import quantity


@dataclass(frozen=True, kw_only=True)
class ExpStep(Pulsed):
    """A device with an exponential correction to a constant step, per polarity.

    With W the width of the window, w = 2 (g - g_min) / W - 1 (the weight, -1..1) and
    z = z_slope w + z_offset, the mean pulse moves a device by

        SET:    + set_fraction   W max(1 - set_a   exp(+set_gamma   z), 0)
        RESET:  - reset_fraction W max(1 - reset_a exp(-reset_gamma z), 0)

    A step d of a weight in -1..1 is a fraction d / 2 of the window. Spread, read noise, relaxation
    and faults: see `Pulsed`.

    Source:
        N. Gong et al., Nat. Commun. 9, 2102, 2018, in the form of aihwkit's ExpStep device.
    """

    set_fraction: float = quantity("", 1e-6, 1.0)
    set_a: float = quantity("", -1e3, 1e3)
    set_gamma: float = quantity("", 0.0, 20.0)
    reset_fraction: float = quantity("", 1e-6, 1.0)
    reset_a: float = quantity("", -1e3, 1e3)
    reset_gamma: float = quantity("", 0.0, 20.0)
    z_slope: float = quantity("", -2.0, 2.0)
    z_offset: float = quantity("", -2.0, 2.0)

    def step_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """See `DeviceModel.step_siemens`; at least `physics.LEAST_STEP_SIEMENS`."""
        w = (g - self.g_min_siemens).mul_(2.0 / self.window_siemens).sub_(1.0)
        z = w.mul_(self.z_slope).add_(self.z_offset)
        gamma = physics.by_sign(counts, self.set_gamma, -self.reset_gamma, g.dtype)
        bend = physics.by_sign(counts, self.set_a, self.reset_a, g.dtype)
        scale = physics.by_sign(counts, self.set_fraction, self.reset_fraction, g.dtype)
        return physics.at_least(
            (1.0 - bend * torch.exp(gamma * z)) * scale.mul_(self.window_siemens)
        )

    def step_law(self, polarity: int) -> StepLaw:
        """See `DeviceModel.step_law`."""
        if polarity > 0:
            fraction, bend, gamma = self.set_fraction, self.set_a, self.set_gamma
        else:
            fraction, bend, gamma = self.reset_fraction, self.reset_a, -self.reset_gamma
        at_low = bend * math.exp(gamma * (self.z_offset - self.z_slope))
        return StepLaw(fraction, 0.0, -fraction * at_low, 2.0 * gamma * self.z_slope)
