"""Devices whose step shrinks linearly to zero at the bound it leads to."""

from dataclasses import dataclass

from .pulsed import Pulsed
from .record import quantity
from .step_law import StepLaw


@dataclass(frozen=True, kw_only=True)
class SoftBounds(Pulsed):
    """A device that approaches each bound exponentially in the number of pulses.

    With W the width of the window and x = (g - g_min) / W, the mean pulse moves a device by

        SET:    + set_fraction   W (1 - x)
        RESET:  - reset_fraction W x

    Spread, read noise, relaxation and faults: see `Pulsed`.

    Source:
        S. Fusi and L. F. Abbott, Nat. Neurosci. 10, 485-493, 2007.
    """

    set_fraction: float = quantity("", 1e-6, 1.0)
    reset_fraction: float = quantity("", 1e-6, 1.0)

    def step_law(self, polarity: int) -> StepLaw:
        """See `DeviceModel.step_law`."""
        if polarity > 0:
            return StepLaw(level=self.set_fraction, slope=-self.set_fraction)
        return StepLaw(slope=self.reset_fraction)
