"""Arrays without transistors: what a pulse does to the devices that share its lines.

A transistor per device (1T1R) leaves the others alone. Without (1R), a pulse of voltage V puts a
share of it on every other device of the tile:

    scheme   on the pulsed word or bit line   on all others
    V/2      V/2                              0
    V/3      V/3                              -V/3

A device moves at such a voltage U by its own step for that polarity, which is for a pulse of
voltage W, times exp(-(W - |U|) / disturb_volts): the exponential tail of the field acceleration
sinh(V / v0) of ion hopping. All pulses of one programming operation are taken together, in
expectation: n half-selecting pulses move a device by n such fractions of a step, SET and RESET
netted at the conductance it has after the operation's own pulses. Each takes the energy U^2 g t.
Voltage lost along the lines is a matter of the pulsed device (`wires.pulse_loss`): its neighbours
have U whole here.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from device_models.errors import ConfigError
from device_models.model import DeviceModel, DeviceState, Programmed
from device_models.pulse_law import gain
from device_models.pulsed import Pulsed
from device_models.record import Record, quantity

from .tile import Tiling


@dataclass(frozen=True, kw_only=True)
class HalfSelect(Record):
    """How an array without transistors is biased, and how steeply its devices switch.

    Attributes:
        scheme: Voltages of the lines that are not selected.
        disturb_volts: The v0 of the module. Derived: v0 = tox kT / (gamma a0 q) of the Stanford
            model with a0 = 0.4 nm, tox = 15 nm, gamma = 14.5 at 300 K, as fitted to N-doped AlOx;
            without the heating by the current, which would lower it at the full voltage alone.
    """

    scheme: Literal["V/2", "V/3"] = "V/2"
    disturb_volts: float = quantity("V", 1e-3, 10.0, default=0.067)

    @property
    def fraction(self) -> float:
        """Fraction of the voltage of a pulse on a half-selected device."""
        return 0.5 if self.scheme == "V/2" else 1.0 / 3.0


class Neighbours(NamedTuple):
    """Pulses to other devices of the tile, per device, float64 (rows, columns).

    Attributes:
        beside: Those on the word or bit line of the device.
        beyond: Those on neither.
    """

    beside: Tensor
    beyond: Tensor


def check(model: DeviceModel) -> Pulsed:
    """The model, if it knows the voltage of its pulses.

    Raises:
        ConfigError: It does not.
    """
    if not isinstance(model, Pulsed):
        raise ConfigError(
            f"array_kind = 1R needs a device with pulse voltages; {type(model).__name__} has none; "
            "nothing was built"
        )
    return model


def neighbours(pulses: Tensor, tiling: Tiling) -> Neighbours:
    """Count the pulses to the other devices of each tile.

    Args:
        pulses: Pulses to each device, (rows, columns), not negative.
        tiling: How the array is cut.
    """
    (rows, columns), size = pulses.shape, (tiling.tile_rows, tiling.tile_columns)
    high, wide = min(size[0], rows), min(size[1], columns)
    whole = pad(pulses.double(), (0, -columns % wide, 0, -rows % high))
    tiles = whole.view(len(whole) // high, high, -1, wide)
    of_bits = tiles.sum(1, keepdim=True)
    lines = of_bits + tiles.sum(3, keepdim=True)
    each = lines - 2.0 * tiles, of_bits.sum(3, keepdim=True) - lines + tiles
    return Neighbours(*(counts.view(whole.shape)[:rows, :columns] for counts in each))


def disturb(
    model: Pulsed,
    state: DeviceState,
    carrying: Tensor,
    counts: Tensor,
    tiling: Tiling,
    half: HalfSelect,
) -> Programmed:
    """Move every device by what the pulses to its neighbours do; see the module.

    Args:
        model: Kind of device.
        state: After the pulses themselves. Not modified.
        carrying: Conductances that carry the current, siemens, (rows, columns).
        counts: The signed pulses, (rows, columns).
        tiling: How the array is cut.
        half: Scheme and steepness.

    Returns:
        The state after, and the energy of the half-selected devices, joules.
    """
    sets, resets = neighbours(counts.clamp(min=0), tiling), neighbours(-counts.clamp(max=0), tiling)
    fraction, g = half.fraction, state.g

    def steps(own_volts: float, pulse_volts: float) -> float:
        return math.exp(-(own_volts - fraction * pulse_volts) / half.disturb_volts)

    v_set, v_reset = model.set_volts, model.reset_volts
    up, down = sets.beside * steps(v_set, v_set), resets.beside * steps(v_reset, v_reset)
    touched = sets.beside * v_set**2 + resets.beside * v_reset**2
    if half.scheme == "V/3":  # the others see the opposite polarity
        up += resets.beyond * steps(v_set, v_reset)
        down += sets.beyond * steps(v_reset, v_set)
        touched += sets.beyond * v_set**2 + resets.beyond * v_reset**2
    one = torch.ones(())
    rise = up * model.mean_siemens(g, one) * gain(model, state.traits, 1)
    fall = down * model.mean_siemens(g, -one) * gain(model, state.traits, -1)
    # A device that drifted beyond its bounds stays where it is, it is only led no further.
    low = torch.minimum(state.traits["g_low"], g)
    high = torch.maximum(state.traits["g_high"], g)
    moved = (g + (rise - fall).to(g.dtype)).clamp(low, high)
    joules = float((touched * carrying).sum()) * fraction**2 * model.width_seconds
    return Programmed(state._replace(g=moved), joules)
