"""Conductance after a full SET or RESET without verification: its distribution, and whose it is."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from . import cycle_memory, physics, wear
from .cycle_memory import CycleLaw
from .errors import ConfigError
from .indexing import at as values_at
from .indexing import put

if TYPE_CHECKING:
    from .model import DeviceState
    from .pulsed import Pulsed

SCORES = {1: "set_level_score", -1: "reset_level_score"}  # traits: the device's part of a level
NOISES = {1: "set_level_noise", -1: "reset_level_noise"}  # traits: how noisy its cycles are
TRAITS = (*SCORES.values(), *NOISES.values())
MEMORY = "set_level_memory"  # dynamics: what the next SET remembers of those before
AGREES = 0.01  # relative; between a median given by itself and that of its table


class Levels(NamedTuple):
    """The levels after one kind of switching.

    Switching number k of device i has a normal score z, of which `cycle_memory` says how much is
    the device's and how much that of the cycles before, and leaves the device at Q(Phi(z)). Without
    a table Q is log-normal. With one, ln Q is interpolated linearly in the score between the
    table's probabilities and is constant outside: nothing is drawn that was not measured.

    Attributes:
        median_siemens: Of the log-normal; not used with a table.
        sigma: Of the log-normal, in ln g; not used with a table.
        probabilities: Of the table, rising, within (0, 1).
        quantiles_siemens: Levels not exceeded with each probability; empty for the log-normal.
        cycles: The law of the scores.

    Source:
        The Gaussian copula: R. B. Nelsen, An Introduction to Copulas, Springer, 2006. Its use for
        devices and cycles is ours.
    """

    median_siemens: float
    sigma: float = 0.0
    probabilities: tuple[float, ...] = ()
    quantiles_siemens: tuple[float, ...] = ()
    cycles: CycleLaw = CycleLaw()

    def at(self, score: Tensor) -> Tensor:
        """Q(Phi(score)), siemens, shape of `score`."""
        if not self.quantiles_siemens:
            return self.median_siemens * torch.exp(self.sigma * score)
        table = torch.tensor((self.probabilities, self.quantiles_siemens), dtype=torch.float64)
        interval, part = physics.between(score.contiguous(), torch.special.ndtri(table[0]))
        logs = table[1].log().to(score.dtype)
        return torch.lerp(logs[interval], logs[interval + 1], part).exp()


def levels(p: "Pulsed", sign: int) -> Levels:
    """The law of the levels after a full SET (sign > 0) or RESET of a model.

    Where neither a level nor a table is given, the median is the bound of the window.
    """
    if sign > 0:
        median, sigma = p.full_set_siemens or p.g_max_siemens, p.full_set_sigma
        quantiles = p.full_set_quantiles_siemens
        memory = p.full_set_memory_share, p.full_set_memory_cycles, p.full_set_d2d_noise_sigma
        cycles = CycleLaw(p.full_set_d2d_share, *memory)
    else:
        median, sigma = p.full_reset_siemens or p.g_min_siemens, p.full_reset_sigma
        quantiles = p.full_reset_quantiles_siemens
        memory = p.full_reset_memory_share, p.full_reset_memory_cycles, p.full_reset_d2d_noise_sigma
        cycles = CycleLaw(p.full_reset_d2d_share, *memory)
    return Levels(median, sigma, p.full_levels, quantiles, cycles)


def manufacture(
    p: "Pulsed", shape: tuple[int, int], *, generator: torch.Generator
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """What full levels of new devices depend on, as traits and dynamics; none where it is off.

    The traits are u and kappa of `cycle_memory`, u after RESET correlated with that after SET. The
    memory is kept of an abrupt SET alone: nothing else draws a level from pulse to pulse.
    """
    laws = {sign: levels(p, sign).cycles for sign in (1, -1)}
    noisy = {sign: law.d2d_noise_sigma > 0.0 for sign, law in laws.items()}
    traits = {
        SCORES[sign]: torch.randn(shape, generator=generator)
        for sign, law in laws.items()
        if law.d2d_share > 0.0 or noisy[sign]
    }
    both = p.full_levels_correlation
    if both != 0.0 and len(traits) == len(laws):
        after_set, after_reset = (traits[SCORES[sign]] for sign in (1, -1))
        traits[SCORES[-1]] = both * after_set + (1.0 - both**2) ** 0.5 * after_reset
    for sign, law in laws.items():
        if noisy[sign]:
            sigma = law.d2d_noise_sigma
            n = torch.randn(shape, generator=generator)
            traits[NOISES[sign]] = torch.exp(sigma * n - sigma**2)
    if p.set_kind == "abrupt" and laws[1].memory_share > 0.0:
        return traits, {MEMORY: torch.randn(shape, generator=generator)}
    return traits, {}


def full_level(
    p: "Pulsed",
    sign: int,
    shape: tuple[int, ...],
    traits: Mapping[str, Tensor],
    memory: Tensor | None = None,
    *,
    generator: torch.Generator,
) -> Tensor:
    """Conductance after one full SET (sign > 0) or RESET without verification.

    Args:
        p: Parameters of the device type.
        sign: Polarity, 1 or -1.
        shape: Of the result.
        traits: Of the devices, broadcast to `shape`. Without those of `manufacture` every level is
            that of a new device.
        memory: x of `cycle_memory`, broadcast to `shape`; None: a cycle without others.
        generator: Source of the cycle's own part of the level, one number each.

    Returns:
        Siemens, drawn from `levels`, clipped to the window.
    """
    z = torch.randn(shape, generator=generator)
    law = levels(p, sign)
    score = law.cycles.score(z, traits.get(SCORES[sign]), traits.get(NOISES[sign]), memory)
    return law.at(score).clamp_(p.g_min_siemens, p.g_max_siemens)


def memories(state: "DeviceState", pulsed: slice | Tensor) -> dict[str, Tensor]:
    """A copy of what the next SET of some devices remembers, for `switched`; {} without memory."""
    if MEMORY not in state.dynamics:
        return {}
    return {MEMORY: values_at(state.dynamics[MEMORY], pulsed).clone()}


def remembered(
    dynamics: dict[str, Tensor], pulsed: slice | Tensor, devices: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The dynamics with what `switched` left in the memories of some devices."""
    if MEMORY not in devices:
        return dynamics
    return dynamics | {MEMORY: put(dynamics[MEMORY], pulsed, devices[MEMORY], None)}


def switched(
    p: "Pulsed",
    g: Tensor,
    moved: Tensor,
    devices: Mapping[str, Tensor],
    *,
    generator: torch.Generator,
) -> Tensor:
    """Conductances with the level of an abrupt SET where one moved a device; siemens, as `g`.

    Args:
        p: Parameters of the device type.
        g: Conductances else.
        moved: Which of them a SET moved.
        devices: Their traits, with `memories`, which each SET carries on by one cycle, in place.
        generator: Source of the levels.
    """
    memory = devices.get(MEMORY)
    if memory is not None:
        length = levels(p, 1).cycles.memory_cycles
        later = cycle_memory.step(memory, 1.0, length, generator=generator)
        memory.copy_(torch.where(moved, later, memory))
    full = full_level(p, 1, g.shape, devices, memory, generator=generator)
    full = full * devices.get(wear.LEVEL, 1.0)
    return torch.where(moved, full, g)


def check(p: "Pulsed") -> None:
    """Refuse levels that are none or contradict each other.

    Raises:
        ConfigError: An abrupt SET has no level; the probabilities of a table do not rise within
            (0, 1); it has another length, falls or is not positive; or the median given besides it
            is off by more than 1 %.
    """
    if p.set_kind == "abrupt" and not (p.full_set_siemens or p.full_set_quantiles_siemens):
        raise ConfigError("set_kind abrupt needs full_set_siemens, the level after a SET")
    _check_table("full_set", levels(p, 1), p.full_set_siemens)
    _check_table("full_reset", levels(p, -1), p.full_reset_siemens)


def _check_table(kind: str, law: Levels, median_siemens: float | None) -> None:
    """See `check`; for the table of one polarity, if there is one."""
    at, q, name = law.probabilities, law.quantiles_siemens, f"{kind}_quantiles_siemens"
    if not q:
        return
    if len(at) < 2 or at[0] <= 0.0 or at[-1] >= 1.0 or any(a >= b for a, b in pairwise(at)):
        raise ConfigError(f"{name} needs full_levels: two or more numbers that rise within (0, 1)")
    if len(q) != len(at):
        raise ConfigError(f"{name} must hold {len(at)} numbers, as full_levels, not {len(q)}")
    if q[0] <= 0.0 or any(a > b for a, b in pairwise(q)):
        raise ConfigError(f"{name} must be positive and must not fall")
    middle = float(law.at(torch.zeros(1, dtype=torch.float64)))
    if median_siemens is not None and abs(median_siemens - middle) > AGREES * middle:
        given = f"{kind}_siemens = {median_siemens:g}"
        raise ConfigError(f"{given} is not the median of {name}, {middle:g}; leave it out")
