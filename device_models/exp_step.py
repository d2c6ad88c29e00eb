"""Devices whose step bends exponentially over the window: the fit of Gong et al."""

from dataclasses import dataclass

from .pulsed import Pulsed
from .record import quantity
from .step_law import StepLaw


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

    def step_law(self, polarity: int) -> StepLaw:
        """See `DeviceModel.step_law`."""
        if polarity > 0:
            fraction, bend, gamma = self.set_fraction, self.set_a, self.set_gamma
        else:
            fraction, bend, gamma = self.reset_fraction, self.reset_a, -self.reset_gamma
        offset, rate = gamma * (self.z_offset - self.z_slope), 2.0 * gamma * self.z_slope
        return StepLaw(fraction, level=1.0, bend=-bend, offset=offset, rate=rate)
