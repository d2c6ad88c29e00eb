"""Devices whose step is a linear function of the conductance."""

from dataclasses import dataclass

from .pulsed import Pulsed
from .record import quantity
from .step_law import StepLaw


@dataclass(frozen=True, kw_only=True)
class LinearStep(Pulsed):
    """A device whose step grows or shrinks linearly over the window, per polarity.

    With W the width of the window and x = (g - g_min) / W, the mean pulse moves a device by

        SET:    + set_fraction   W max(1 + set_slope   x, 0)
        RESET:  - reset_fraction W max(1 + reset_slope x, 0)

    Both fractions are those at g_min. Slopes of 0 make it a device of constant steps. Spread, read
    noise, relaxation and faults: see `Pulsed`.

    Source:
        The LinearStep device of aihwkit (M. J. Rasch et al., AICAS 2021), its weights -1..1 mapped
        to the window: d (1 + c w) is d (1 - c) (1 + 2 c / (1 - c) x).
    """

    set_fraction: float = quantity("", 1e-6, 1.0)
    set_slope: float = quantity("", -10.0, 1e3)
    reset_fraction: float = quantity("", 1e-6, 1.0)
    reset_slope: float = quantity("", -10.0, 1e3)

    def step_law(self, polarity: int) -> StepLaw:
        """See `DeviceModel.step_law`."""
        if polarity > 0:
            return StepLaw(self.set_fraction, level=1.0, slope=self.set_slope)
        return StepLaw(self.reset_fraction, level=1.0, slope=self.reset_slope)
