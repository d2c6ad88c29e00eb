"""What repeated reads of one device differ by: white noise, slow fluctuation, traps.

The white part of one read has the relative spread

    f sqrt(read_floor^2 + min(read_cap, read_fraction (R / read_knee_ohms)^read_exponent)^2)

and the slow part, frozen during a read and advanced with device time, h min(slow_cap,
slow_fraction (R / read_knee_ohms)^slow_exponent), with time constants from slow_shortest_seconds to
slow_longest_seconds. The factors f and h belong to the device: log-normal of median 1 and spreads
read_d2d_sigma and slow_d2d_sigma. Telegraph noise is in `telegraph`.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from . import physics, telegraph
from .indexing import ALL, at, each_at

if TYPE_CHECKING:
    from .model import DeviceState
    from .pulsed import Pulsed

WHITE, SLOW = "white_factor", "slow_factor"  # traits: f and h; absent where they are 1


def add(
    p: "Pulsed",
    traits: dict[str, Tensor],
    dynamics: dict[str, Tensor],
    shape: tuple[int, int],
    generator: torch.Generator,
) -> None:
    """Draw the factors and traps of new devices into their traits and dynamics."""
    for name, sigma in ((WHITE, p.read_d2d_sigma), (SLOW, p.slow_d2d_sigma)):
        if sigma > 0.0:
            traits[name] = torch.exp(sigma * torch.randn(shape, generator=generator))
    trap_traits, states = telegraph.make(p, shape, generator=generator)
    traits |= trap_traits
    dynamics |= states


def advance(
    p: "Pulsed", state: "DeviceState", seconds: float, *, generator: torch.Generator
) -> dict[str, Tensor]:
    """The dynamics with what reads see of device time: slow fluctuation and traps."""
    dynamics = dict(state.dynamics)
    if "slow" in dynamics:
        dynamics["slow"] = physics.step_fluctuation(
            dynamics["slow"], seconds, p.slow_times, generator=generator
        )
    if telegraph.STATES in dynamics:
        dynamics[telegraph.STATES] = telegraph.advance(state, seconds, generator=generator)
    return dynamics


def slow_deviation(state: "DeviceState", where: slice | Tensor = ALL) -> Tensor | None:
    """Slow fluctuation of some devices in units of the law, flat; None without."""
    slow = state.dynamics.get("slow")
    if slow is None:
        return None
    total: Tensor = each_at(slow, where).sum(0) / physics.COMPONENTS**0.5
    return total * at(state.traits[SLOW], where) if SLOW in state.traits else total


def seen(p: "Pulsed", state: "DeviceState", g: Tensor, where: slice | Tensor) -> Tensor:
    """Conductance of some devices with their slow fluctuation and traps, never negative.

    Args:
        p: Parameters of the device type.
        state: Of all devices.
        g: Conductances of the chosen ones, siemens, flat. Not modified.
        where: Which they are, as in `indexing.at`.
    """
    slow = slow_deviation(state, where)
    if slow is not None:
        spread = physics.growing_fraction(
            g, p.slow_fraction, p.read_knee_ohms, p.slow_exponent, p.slow_cap
        )
        g = (g * (1.0 + spread * slow)).clamp_(min=p.g_min_siemens / 100)
    if telegraph.STATES in state.dynamics:
        g = telegraph.seen(p, g, telegraph.deviation(state, where))
    return g


def white_sigma(p: "Pulsed", g: Tensor) -> Tensor | None:
    """See `DeviceModel.read_sigma_siemens`: of a device whose factor is 1."""
    if p.read_floor == p.read_fraction == 0.0:
        return None
    growth = physics.growing_fraction(
        g.clamp(min=p.g_min_siemens / 100),
        p.read_fraction,
        p.read_knee_ohms,
        p.read_exponent,
        p.read_cap,
    )
    return g * torch.sqrt(growth.square_().add_(p.read_floor**2))


def of_devices(
    sigma: Tensor | None, state: "DeviceState", where: slice | Tensor | None = None
) -> Tensor | None:
    """The white spread of devices with their factors, from that of the law.

    Args:
        sigma: `DeviceModel.read_sigma_siemens` of the devices.
        state: Of all devices.
        where: Flat indices of those in `sigma`; None: all.
    """
    factor = state.traits.get(WHITE)
    if sigma is None or factor is None:
        return sigma
    return sigma * (factor.view_as(sigma) if where is None else at(factor, where))
