"""Wear: what pulses take from a device, and when they end it.

A device stops moving after its own number of pulses N, log-normal around endurance_pulses with the
spread endurance_sigma. Until then, with n the pulses it has had, its age is

    a = min(1, n / N)^wear_exponent

and its lowest conductance has risen to 10^(wear_low_decades a) times the new one, its highest has
sunk to 10^(-wear_high_decades a) times, at most until they meet; the levels of an abrupt SET move
as the highest. One read of it spreads 1 + wear_noise a times as much, and the random part of its
relaxation after a pulse is 1 + wear_relaxation a times as large. A negative number is the other
way.

The pulses of the device file age a device by one each. Others age it, and it dies, by

    exp((V - V0) / endurance_scale_volts) (t / t0)^endurance_width_exponent

of them, with V0, t0 those of the file; without the numbers every pulse counts one.

Source:
    Window of HfO2 against cycles, by powers of their number beyond an onset, LRS up and HRS down:
    C. Lammie, M. Rahimi Azghadi, D. Ielmini, Semicond. Sci. Technol. 36, 065003, 2021. Endurance
    falls exponentially with the amplitude: S. Balatti et al., IEEE Trans. Electron Devices 62,
    3365, 2015; weak pulses last 1e5 times as long: M. Zhao et al., IEDM 2018. That pulses of all
    kinds add up to one age (Miner's rule), and noise and relaxation with it, is ours.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from .errors import ConfigError
from .indexing import at
from .record import Record, quantity

if TYPE_CHECKING:
    from .model import DeviceState
    from .pulse_law import PulseDrive
    from .pulsed import Pulsed

LEVEL = "wear_level"  # trait: what is left of the level of an abrupt SET
CHANGES = "wear_low_decades", "wear_high_decades", "wear_noise", "wear_relaxation"


@dataclass(frozen=True, kw_only=True)
class Wearing(Record):
    """Parameters of wear; see the module. All at their defaults: a device lasts for ever."""

    endurance_pulses: float = quantity("pulses", 0.0, 1e18, default=0.0)
    endurance_sigma: float = quantity("", 0.0, 5.0, default=0.0)
    endurance_scale_volts: float | None = quantity("V per e-fold", 1e-3, 100.0, default=None)
    endurance_width_exponent: float | None = quantity("", 0.0, 10.0, default=None)
    wear_exponent: float = quantity("", 0.01, 10.0, default=1.0)
    wear_low_decades: float = quantity("decades", -3.0, 3.0, default=0.0)
    wear_high_decades: float = quantity("decades", -3.0, 3.0, default=0.0)
    wear_noise: float = quantity("", -1.0, 100.0, default=0.0)
    wear_relaxation: float = quantity("", -1.0, 100.0, default=0.0)

    def __post_init__(self) -> None:
        """Check the fields and the rules between them.

        Raises:
            ConfigError: As `Record`; or something changes with the age of devices that have none.
        """
        super().__post_init__()
        if self.endurance_pulses == 0.0 and self.ages:
            named = ", ".join(name for name in CHANGES if getattr(self, name))
            raise ConfigError(f"{named} needs endurance_pulses, the pulses that age is counted in")

    @property
    def ages(self) -> bool:
        """Whether anything changes before a device dies."""
        return any(getattr(self, name) != 0.0 for name in CHANGES)


def age(p: Wearing, lifetime: Tensor, pulses: Tensor) -> Tensor:
    """a of the module, 0 to 1.

    Args:
        p: The device.
        lifetime: Pulses that each device lasts.
        pulses: Those that it has had, in pulses of the device file, float64.
    """
    return (pulses / lifetime).clamp_(max=1.0).pow_(p.wear_exponent)


def worn(p: Wearing, traits: dict[str, Tensor], pulses: Tensor) -> dict[str, Tensor]:
    """The traits of devices with the bounds of their age; the same ones where nothing changes.

    Args:
        p: The device.
        traits: Of new devices: `lifetime`, `g_low` and `g_high`. Not modified.
        pulses: See `age`.
    """
    if p.wear_low_decades == p.wear_high_decades == 0.0:
        return traits
    decades = age(p, traits["lifetime"], pulses).to(traits["g_low"].dtype)
    low = traits["g_low"] * (math.log(10.0) * p.wear_low_decades * decades).exp_()
    high = traits["g_high"] * level_factor(p, decades)
    middle, crossed = (low * high).sqrt(), low > high
    bounds = {"g_low": torch.where(crossed, middle, low)}
    bounds["g_high"] = torch.where(crossed, middle, high)
    return traits | bounds | {LEVEL: level_factor(p, decades)}


def level_factor(p: Wearing, aged: Tensor) -> Tensor:
    """What the age of a device leaves of its highest conductance."""
    return (-math.log(10.0) * p.wear_high_decades * aged).exp_()


def after_cycles(
    p: "Pulsed", sign: int, traits: dict[str, Tensor], cycle: Tensor
) -> Tensor | float:
    """What is left of the level of a full SET (sign 1) or RESET after cycles of two pulses each.

    Args:
        p: The device.
        sign: Polarity.
        traits: Of devices, each (..., cycles).
        cycle: How many cycles each has had, (cycles,).
    """
    decades = -p.wear_high_decades if sign > 0 else p.wear_low_decades
    if decades == 0.0 or "lifetime" not in traits:
        return 1.0
    aged = age(p, traits["lifetime"], 2.0 * cycle.double().clamp(min=0.0))
    return (math.log(10.0) * decades * aged).exp().float()


def noise_factor(p: Wearing, state: "DeviceState", where: Tensor | None) -> Tensor:
    """By how much a read of some devices (flat indices) or all spreads more than of new ones."""
    chosen = slice(None) if where is None else where
    return (1.0 + p.wear_noise * _age_of(p, state, chosen)).float()


def relaxation_factor(p: Wearing, state: "DeviceState", where: slice | Tensor) -> Tensor:
    """By how much some devices (flat indices) relax more than new ones after a pulse."""
    return (1.0 + p.wear_relaxation * _age_of(p, state, where)).float()


def _age_of(p: Wearing, state: "DeviceState", where: slice | Tensor) -> Tensor:
    """`age` of some devices."""
    return age(p, at(state.traits["lifetime"], where), at(state.dynamics["pulses"], where))


class Left(NamedTuple):
    """What some devices can still stand, each (devices,).

    Attributes:
        pulses: More of the pulses that come that they move by; None: any number.
        worth: What each of these pulses is in pulses of the device file.
        traits: Of the devices at their age.
    """

    pulses: Tensor | None
    worth: Tensor | float
    traits: dict[str, Tensor]


def left(
    p: "Pulsed",
    state: "DeviceState",
    pulsed: slice | Tensor,
    traits: dict[str, Tensor],
    wanted: Tensor,
    drive: "PulseDrive",
) -> Left:
    """What devices can still stand before they are pulsed.

    Args:
        p: The device.
        state: All devices.
        pulsed: Flat indices of those that get pulses.
        traits: Of these.
        wanted: Their signed pulses.
        drive: What these are.
    """
    if "lifetime" not in traits:
        return Left(None, 1.0, traits)
    used, worth = at(state.dynamics["pulses"], pulsed), own_pulses(p, wanted, drive)
    return Left((traits["lifetime"] - used) / worth, worth, worn(p, traits, used))


def own_pulses(p: "Pulsed", counts: Tensor, drive: "PulseDrive") -> Tensor | float:
    """How many pulses of the device file one pulse is worth, by the age that it costs.

    Args:
        p: The device.
        counts: Signed; only the sign is used.
        drive: What the pulses are.

    Returns:
        float64, shape of `counts`; 1 where every pulse counts one.
    """
    worth: Tensor | float = 1.0
    if drive.volts is not None and p.endurance_scale_volts is not None:
        up, down = torch.tensor((p.set_volts, p.reset_volts), dtype=torch.float64)
        standing = torch.where(counts > 0, up, down)
        volts = torch.as_tensor(drive.volts, dtype=torch.float64)
        worth = ((volts - standing) / p.endurance_scale_volts).exp()
    if drive.seconds is not None and p.endurance_width_exponent is not None:
        seconds = torch.as_tensor(drive.seconds, dtype=torch.float64)
        worth = worth * (seconds / p.width_seconds).pow(p.endurance_width_exponent)
    return worth
