"""A kind of device of one's own: its step is a power of how far the bound is, f W (1 - x)^p up and
f W x^p down, x = (g - g_min) / W. Spread, reads, faults: see `device_models.pulsed.Pulsed`.

Source: PowStep device of aihwkit (M. J. Rasch et al., AICAS 2021). The numbers are invented.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from device_models.physics import at_least
from device_models.pulsed import Pulsed
from device_models.record import quantity
from device_models.registry import MODELS


@dataclass(frozen=True, kw_only=True)
class PowerStep(Pulsed):
    fraction: float = quantity("", 1e-6, 1.0)
    power: float = quantity("", 0.0, 10.0)

    def step_siemens(self, g, counts):
        x = ((g - self.g_min_siemens) / self.window_siemens).clamp(0.0, 1.0)
        distance = torch.where(counts > 0, 1.0 - x, x)
        return at_least(self.fraction * self.window_siemens * distance**self.power)


MODELS["power_step"] = PowerStep

YAML = """\
model: power_step
status: invented
sources: {}
g_min_siemens: 1.0e-6
g_max_siemens: 1.0e-4
fraction: 0.01
power: 0.7
c2c_sigma: 0.2
d2d_step_sigma: 0.1
d2d_bound_sigma: 0.02
set_volts: 1.0
reset_volts: 1.0
width_seconds: 1.0e-7
read_floor: 0.01
read_fraction: 0.0
read_knee_ohms: 1.0e+5
read_exponent: 0.0
read_cap: 0.1
"""

if __name__ == "__main__":
    from dataset import train

    Path("power_step.yaml").write_text(YAML)
    train(device="power_step.yaml")
