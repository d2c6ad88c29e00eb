"""Telegraph noise: traps that switch the conductance of a device between two levels.

A device has a Poisson number of traps of mean telegraph_traps. Trap k has the relative amplitude

    a_k min(telegraph_cap, telegraph_fraction (R / read_knee_ohms)^telegraph_exponent),

ln a_k normal of spread telegraph_sigma; the correlation time tau_k, log-uniform between
telegraph_shortest_seconds and telegraph_longest_seconds; and is occupied for the share d_k of the
time, ln(d_k / (1 - d_k)) normal of spread telegraph_duty_sigma. With the states s_k (0 or 1) a read
sees

    g (1 + sum_k amplitude_k (d_k - s_k)),

so that g is the mean over a long time. The states belong to the device: they are frozen during a
read and advance with device time, s_k being 1 after t seconds with the probability

    d_k + (s_k - d_k) exp(-t / tau_k),

which is exact for any interval. The largest numbers of traps, of 1 device in `RARE` together, are
cut.

Source:
    S. Machlup, J. Appl. Phys. 25, 341-343, 1954: the two-state process. S. Ambrogio et al., IEEE
    Trans. Electron Devices 61(8), 2014: amplitude against R, and its log-normal scatter. The
    distribution of duties is ours.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import physics
from .indexing import ALL, each_at

if TYPE_CHECKING:
    from .model import DeviceState
    from .pulsed import Pulsed

RARE = 1000
TRAITS = "trap_factor", "trap_seconds", "trap_duty"  # each (traps, rows, columns)
STATES = "traps"  # dynamics, 0 or 1, of the same shape


def slots(mean: float) -> int:
    """Traps that a device has room for: more are drawn for one device in `RARE`."""
    probability = total = math.exp(-mean)
    count = 0
    while total < 1.0 - 1.0 / RARE:
        count += 1
        probability *= mean / count
        total += probability
    return max(count, 1)


def make(
    p: "Pulsed", shape: tuple[int, ...], *, generator: torch.Generator
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Traits and dynamics of new devices; both are empty without telegraph noise.

    Args:
        p: Parameters of the device type.
        shape: Of the array.
        generator: Source of traps and of their first states.
    """
    if not p.has_telegraph_noise:
        return {}, {}
    room = slots(p.telegraph_traps)
    number = torch.poisson(torch.full(shape, p.telegraph_traps), generator=generator)
    there = torch.arange(room).view(-1, *[1] * len(shape)) < number
    z = torch.randn((2, room, *shape), generator=generator)
    u = torch.rand((2, room, *shape), generator=generator)
    ends = math.log(p.telegraph_shortest_seconds), math.log(p.telegraph_longest_seconds)
    duty = torch.sigmoid(p.telegraph_duty_sigma * z[1])
    values = (
        torch.exp(p.telegraph_sigma * z[0]) * there,
        torch.exp(ends[0] + (ends[1] - ends[0]) * u[0]),
        duty,
    )
    return dict(zip(TRAITS, values, strict=True)), {STATES: (u[1] < duty).to(duty.dtype)}


def step(
    traits: dict[str, Tensor], states: Tensor, seconds: float | Tensor, uniform: Tensor
) -> Tensor:
    """States of traps some device time later.

    Args:
        traits: `TRAITS`, of the shape of the states.
        states: 0 or 1. Not modified.
        seconds: How long; broadcasts against the states.
        uniform: Random numbers in [0, 1), of the shape of the states.
    """
    duty = traits["trap_duty"]
    stays = torch.exp(-seconds / traits["trap_seconds"])
    return (uniform < duty + (states - duty) * stays).to(states.dtype)


def advance(state: "DeviceState", seconds: float, *, generator: torch.Generator) -> Tensor:
    """States of the traps of an array some device time later, see `step`."""
    states = state.dynamics[STATES]
    uniform = torch.rand(states.shape, generator=generator)
    return step(state.traits, states, seconds, uniform)


def deviation(state: "DeviceState", where: slice | Tensor = ALL) -> Tensor:
    """sum_k a_k (d_k - s_k) of some devices, flat: see the module."""
    parts = state.traits["trap_factor"], state.traits["trap_duty"], state.dynamics[STATES]
    factor, duty, states = (each_at(part, where) for part in parts)
    return (factor * (duty - states)).sum(0)


def seen(p: "Pulsed", g: Tensor, deviations: Tensor) -> Tensor:
    """Conductance with the traps as they stand.

    Args:
        p: Parameters of the device type.
        g: Mean conductance, siemens, positive.
        deviations: `deviation` of these devices.
    """
    spread = physics.growing_fraction(
        g, p.telegraph_fraction, p.read_knee_ohms, p.telegraph_exponent, p.telegraph_cap
    )
    return (g * (1.0 + spread * deviations)).clamp_(min=p.g_min_siemens / 100)
