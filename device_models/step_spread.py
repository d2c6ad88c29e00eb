"""How steps spread: over devices and polarities, and from pulse to pulse beside the step itself.

Over devices. The gains of a device to its SETs and RESETs are exp(d2d_step_sigma z), with z of unit
variance and the correlation `d2d_step_correlation` between the polarities. At 1 devices differ in
size alone; the spread of ln(set_gain / reset_gain), the asymmetry, is

    d2d_step_sigma sqrt(2 (1 - d2d_step_correlation)).

Pulse to pulse. A pulse that moves its device moves it by

    a s(g) (1 + c2c_sigma z) + z' sqrt(c2c_additive_siemens^2 + c2c_quantum_siemens |a s(g)|),

z and z' independent and normal: a the gain with the factor of the drive, s the law. The additive
part does not depend on the step, nor on amplitude and width: where steps are small, near a bound or
of weak pulses, it leads the wrong way as often as not. The other one is what a sum of independent
events has, each of which moves the device by one quantum (N of them have the variance N): strong
and long pulses are as many more. A pulse that moves nothing has neither.

Source:
    Steps as sums of events: shot noise, W. Schottky, Annalen der Physik 362, 541-567, 1918. That
    all three parts stand beside each other is ours.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from .pulsed import Pulsed


def gains(p: "Pulsed", z: Tensor) -> dict[str, Tensor]:
    """The traits "set_gain" and "reset_gain".

    Args:
        p: The device.
        z: Standard normal numbers, shape (2, rows, columns); not modified.
    """
    rho, of_reset = p.d2d_step_correlation, z[1]
    if rho != 0.0:
        of_reset = rho * z[0] + math.sqrt(1.0 - rho**2) * z[1]
    return {
        "set_gain": torch.exp(p.d2d_step_sigma * z[0]),
        "reset_gain": torch.exp(p.d2d_step_sigma * of_reset),
    }


def beside_siemens(p: "Pulsed", mean: Tensor) -> Tensor:
    """Spread of a pulse beside its step, of its mean step (of any sign), siemens."""
    if p.c2c_quantum_siemens == 0.0:
        return torch.full_like(mean, p.c2c_additive_siemens)
    return (mean.abs() * p.c2c_quantum_siemens).add_(p.c2c_additive_siemens**2).sqrt_()


def add(
    p: "Pulsed",
    after: Tensor,
    g: Tensor,
    signs: Tensor,
    gain: Tensor,
    *,
    generator: torch.Generator,
) -> Tensor:
    """Conductances after one pulse with the part beside its step, siemens. Consumes `after`.

    Args:
        p: The device.
        after: Without it, before the bounds.
        g: Before the pulse.
        signs: Of the pulse.
        gain: Of each device; 0 where the pulse moves nothing.
        generator: Source of one number per device; of none where nothing is beside the step.
    """
    if p.c2c_quantum_siemens > 0.0:
        z = torch.empty_like(after).normal_(generator=generator)
        spread = beside_siemens(p, p.mean_siemens(g, signs).mul_(gain))
        return after.add_(z.mul_(spread.mul_(gain != 0)))
    if p.c2c_additive_siemens == 0.0:
        return after
    z = torch.empty_like(after).normal_(0.0, p.c2c_additive_siemens, generator=generator)
    return after.add_(z.mul_(gain != 0))
