"""Conductance after a full SET or RESET without verification: its distribution, and whose it is."""

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from . import physics
from .errors import ConfigError

if TYPE_CHECKING:
    from .pulsed import Pulsed

SCORES = {1: "set_level_score", -1: "reset_level_score"}  # traits: the device's part of a level
AGREES = 0.01  # relative; between a median given by itself and that of its table


class Levels(NamedTuple):
    """The levels after one kind of switching.

    Switching number k of device i draws one normal score and leaves the device at

        Q(Phi(z)),  z = sqrt(d2d_share) z_i + sqrt(1 - d2d_share) z_ik,

    z_i and z_ik independent and Normal(0, 1). Whatever the quantile function Q, the scores of two
    cycles of one device have the correlation d2d_share. Without a table Q is log-normal. With one,
    ln Q is interpolated linearly in the score between the table's probabilities and is constant
    outside: nothing is drawn that was not measured.

    Attributes:
        median_siemens: Of the log-normal; not used with a table.
        sigma: Of the log-normal, in ln g; not used with a table.
        probabilities: Of the table, rising, within (0, 1).
        quantiles_siemens: Levels not exceeded with each probability; empty for the log-normal.
        d2d_share: Share of the variance of the score that belongs to the device, 0..1.

    Source:
        The Gaussian copula: R. B. Nelsen, An Introduction to Copulas, Springer, 2006. Its use for
        devices and cycles is ours.
    """

    median_siemens: float
    sigma: float = 0.0
    probabilities: tuple[float, ...] = ()
    quantiles_siemens: tuple[float, ...] = ()
    d2d_share: float = 0.0

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
        quantiles, share = p.full_set_quantiles_siemens, p.full_set_d2d_share
    else:
        median, sigma = p.full_reset_siemens or p.g_min_siemens, p.full_reset_sigma
        quantiles, share = p.full_reset_quantiles_siemens, p.full_reset_d2d_share
    return Levels(median, sigma, p.full_levels, quantiles, share)


def scores(p: "Pulsed", shape: tuple[int, int], *, generator: torch.Generator) -> dict[str, Tensor]:
    """The devices' part of their levels, z_i of `Levels`, as traits; none where its share is 0."""
    return {
        name: torch.randn(shape, generator=generator)
        for sign, name in SCORES.items()
        if levels(p, sign).d2d_share > 0.0
    }


def full_level(
    p: "Pulsed",
    sign: int,
    shape: tuple[int, ...],
    traits: Mapping[str, Tensor],
    *,
    generator: torch.Generator,
) -> Tensor:
    """Conductance after one full SET (sign > 0) or RESET without verification.

    Args:
        p: Parameters of the device type.
        sign: Polarity, 1 or -1.
        shape: Of the result.
        traits: Of the devices, broadcast to `shape`. Without the scores of `scores` every level is
            that of a new device.
        generator: Source of the cycle's part of the level, one number each.

    Returns:
        Siemens, drawn from `levels`, clipped to the window.
    """
    z = torch.randn(shape, generator=generator)
    law, device = levels(p, sign), traits.get(SCORES[sign])
    if device is not None:
        z = law.d2d_share**0.5 * device + (1.0 - law.d2d_share) ** 0.5 * z
    return law.at(z).clamp_(p.g_min_siemens, p.g_max_siemens)


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
