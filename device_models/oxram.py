"""Oxide RRAM: gradual soft-bound SET and RESET with an exponential law."""

from dataclasses import dataclass

from .pulsed import Pulsed
from .record import quantity
from .step_law import StepLaw


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

    def step_law(self, polarity: int) -> StepLaw:
        """See `DeviceModel.step_law`."""
        if polarity > 0:
            return StepLaw(self.set_fraction, bend=1.0, rate=-self.set_beta)
        beta = self.reset_beta
        return StepLaw(self.reset_fraction, bend=1.0, offset=-beta, rate=beta)
