"""Reads that move a device: each one is a very weak pulse.

One read of V moves a device by

    disturb_per_read exp((V - disturb_volts) / disturb_scale_volts)

of its own mean step, towards SET where disturb_per_read is positive, else towards RESET; within the
bounds of the device and without any spread, for it takes many reads to see it. Reads count by the
word line: all its devices have the voltage. A device beyond its endurance stays where it is.

Source:
    In 2-bit HfO2 arrays reads above 0.3 V cost accuracy: W. Shim et al., IRPS 2020. 1e6 reads of
    0.2 V in HfOx/TaOx: P. Yao et al., Nature 577, 641, 2020, Extended Data Fig. 7. C.-M. Jiang et
    al., IEEE Trans. Electron Devices, 2021 (9580480): at 0.2 V nothing for 102 s in sum, then ln g
    falls by 0.016 an e-fold of time, which is 2e-11 of itself in a read of 100 ns; 2500 times as
    soon at 0.3 V. Linear in the number of reads, and in steps, is ours: beside that law it
    overstates what comes long after the first change.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import wear
from .pulse_law import gain
from .record import Record, quantity

if TYPE_CHECKING:
    from .model import DeviceState
    from .pulsed import Pulsed

MOST_PARTS = 1000  # that reads worth many steps are taken in


@dataclass(frozen=True, kw_only=True)
class Disturbed(Record):
    """Parameters of read disturb; see the module. By default reads move nothing."""

    disturb_per_read: float = quantity("steps per read", -1.0, 1.0, default=0.0)
    disturb_volts: float = quantity("V", 1e-3, 10.0, default=0.2)
    disturb_scale_volts: float = quantity("V per e-fold", 1e-3, 10.0, default=0.02)

    def steps_per_read(self, volts: float) -> float:
        """Mean steps of one read of some volts; negative towards RESET."""
        if self.disturb_per_read == 0.0:
            return 0.0
        return self.disturb_per_read * math.exp(
            (volts - self.disturb_volts) / self.disturb_scale_volts
        )


def after_reads(p: "Pulsed", state: "DeviceState", reads: Tensor, volts: float) -> "DeviceState":
    """Devices after reads of their word lines.

    Args:
        p: Kind of device.
        state: Before, (rows, columns). Not modified.
        reads: Of each word line, float64 (rows,).
        volts: Of a read.
    """
    steps = (reads * p.steps_per_read(volts))[:, None]
    most = float(steps.abs().max()) if steps.numel() else 0.0
    if most == 0.0:
        return state
    sign = torch.ones(()) if p.disturb_per_read > 0.0 else -torch.ones(())
    traits, moving = state.traits, gain(p, state.traits, int(sign), volts=None)
    if "lifetime" in traits:
        pulses = state.dynamics["pulses"]
        traits, moving = wear.worn(p, traits, pulses), moving * (traits["lifetime"] > pulses)
    # A device that drifted beyond its bounds stays where it is, it is only led no further.
    low = torch.minimum(traits["g_low"], state.g)
    high = torch.maximum(traits["g_high"], state.g)
    parts = min(MOST_PARTS, math.ceil(most))
    g = state.g.double()
    for _ in range(parts):
        g += steps / parts * moving * p.mean_siemens(g, sign)
        g = g.clamp(low.double(), high.double())
    return state._replace(g=g.to(state.g.dtype))
