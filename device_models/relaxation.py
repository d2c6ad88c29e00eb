"""Relaxation by state and temperature: rates that were measured at some conductances.

After a pulse that leaves a device at g, it drifts by r log10(1 + s t / relax_onset_seconds), t
being device time at the reference temperature (`physics.acceleration`), with the rate per decade

    r = size ((drift(g) + shift (up(g) + down(g)) / 2) + (up(g) if z > 0 else down(g)) z)

drift, up and down are straight between `relax_levels_siemens` and the origin, and constant above
the last level: a device that sits higher than any measured one goes on relaxing. z is one number
of Student's t per pulse, of relax_tail_dof degrees of freedom, so that drift is the median and up
and down may differ. s is log-normal over devices, 10^(relax_onset_decades w): the barriers of some
are low, and those move before the others. A run, which is a chip here, has a log-normal `size` of
spread relax_run_sigma and a normal `shift` of spread relax_run_shift. A device that n pulses were
given relaxes (1 + n / relax_cycle_pulses)^relax_cycle_exponent times as much. relax_session_sigma
and relax_session_shift are the same of all readings at one time, against the straight line in log
time: predictions of measurements contain them, devices do not.

Without levels the law is `physics.relaxation_siemens`.

Source:
    Drift and spread that differ by state, and tails of the array: W. Wan et al., Nature 608,
    504-512, 2022: spread after 1 s to 2 days at 1 to 40 uS. The pieces, the split at the median and
    the random effects of runs are ours.
"""

import math
from abc import ABC
from dataclasses import dataclass

import torch
from torch import Tensor

from . import physics
from .errors import ConfigError
from .model import DeviceModel
from .record import quantity

TABLES = "relax_drifts_siemens", "relax_ups_siemens", "relax_downs_siemens"
LEAST = 2.0**-24  # of a uniform number: where the tails of a 32-bit t end
NORMAL_DOF = 200.0  # degrees of freedom from which t is drawn as a normal number


@dataclass(frozen=True, kw_only=True)
class Relaxing(DeviceModel, ABC):
    """A device that drifts after a pulse: the parameters of the law, see the module."""

    relax_sigma_siemens: float = quantity("S per decade", 0.0, 1.0, default=0.0)
    relax_drift_siemens: float = quantity("S per decade", -1.0, 1.0, default=0.0)
    relax_peak_siemens: float = quantity("S", 1e-9, 1.0, default=1e-4)
    relax_sharpness: float = quantity("", 0.01, 100.0, default=1.0)
    relax_tail_sigma: float = quantity("", 0.0, 3.0, default=0.0)
    relax_onset_seconds: float = quantity("s", 1e-12, 1e6, default=1e-6)
    relax_activation_ev: float = quantity("eV", 0.0, 10.0, default=0.0)
    relax_levels_siemens: tuple[float, ...] = quantity("S", 1e-15, 1.0, default=())
    relax_drifts_siemens: tuple[float, ...] = quantity("S per decade", -1.0, 1.0, default=())
    relax_ups_siemens: tuple[float, ...] = quantity("S per decade", 0.0, 1.0, default=())
    relax_downs_siemens: tuple[float, ...] = quantity("S per decade", 0.0, 1.0, default=())
    relax_tail_dof: float = quantity("", 1.0, 1e3, default=1e3)
    relax_onset_decades: float = quantity("decades", 0.0, 6.0, default=0.0)
    relax_run_sigma: float = quantity("", 0.0, 3.0, default=0.0)
    relax_run_shift: float = quantity("", 0.0, 10.0, default=0.0)
    relax_session_sigma: float = quantity("", 0.0, 3.0, default=0.0)
    relax_session_shift: float = quantity("", 0.0, 10.0, default=0.0)
    relax_cycle_pulses: float = quantity("pulses", 1.0, 1e12, default=1e3)
    relax_cycle_exponent: float = quantity("", -2.0, 2.0, default=0.0)
    relax_measured_to_siemens: float | None = quantity("S", 0.0, 1.0, default=None)
    reference_kelvin: float = quantity("K", 1.0, 2000.0, default=300.0)

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ConfigError: As `DeviceModel`; or the tables differ in length, or levels do not rise.
        """
        super().__post_init__()
        levels = self.relax_levels_siemens
        for name in TABLES:
            if (count := len(getattr(self, name))) != len(levels):
                raise ConfigError(
                    f"{name} has {count} numbers, relax_levels_siemens {len(levels)}: one for each"
                )
        if any(b <= a for a, b in zip((0.0, *levels), levels, strict=False)):
            raise ConfigError("relax_levels_siemens must rise, from above 0")

    @property
    def relaxes(self) -> bool:
        """Whether a device drifts after a pulse."""
        if self.relax_levels_siemens:
            return any(any(getattr(self, name)) for name in TABLES)
        return self.relax_sigma_siemens > 0.0 or self.relax_drift_siemens != 0.0

    def elapsed(self, seconds: float, temperature_kelvin: float | None) -> float:
        """Device time of the relaxation, seconds; see `DeviceModel.advance`."""
        kelvin = temperature_kelvin or self.reference_kelvin
        reference = self.reference_kelvin
        return seconds * physics.acceleration(kelvin, reference, self.relax_activation_ev)


def add_traits(
    p: Relaxing, traits: dict[str, Tensor], shape: tuple[int, int], generator: torch.Generator
) -> None:
    """Put what is drawn once for devices, and for a run, beside their other traits."""
    if not p.relax_levels_siemens:
        return
    if p.relax_onset_decades > 0.0:
        w = torch.randn(shape, generator=generator)
        traits["relax_speed"] = torch.exp(math.log(10.0) * p.relax_onset_decades * w)
    if p.relax_run_sigma > 0.0 or p.relax_run_shift > 0.0:
        size, shift = run_effects(p, 1, generator=generator)
        traits["relax_size"] = size.expand(shape)  # one number in memory
        traits["relax_shift"] = shift.expand(shape)


def run_effects(p: Relaxing, runs: int, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Size and shift of some runs, each of shape (runs,)."""
    z = torch.randn((2, runs), generator=generator)
    return torch.exp(p.relax_run_sigma * z[0]), p.relax_run_shift * z[1]


def session_rates(
    p: Relaxing, g: Tensor, rate: Tensor, session: Tensor, *, generator: torch.Generator
) -> Tensor:
    """Rates as they look in sessions of their own, of the shape of `session`.

    Args:
        p: Has levels.
        g: Conductances after the write, siemens.
        rate: From `rate_siemens`.
        session: Number of the session of each, from 0.
        generator: Source of their sizes and shifts.
    """
    if p.relax_session_sigma == p.relax_session_shift == 0.0:
        return rate
    z = torch.randn((2, int(session.max()) + 1), generator=generator)
    size, shift = torch.exp(p.relax_session_sigma * z[0]), p.relax_session_shift * z[1]
    _, up, down = _rates(p, g)
    return (rate + shift[session] * (up + down) / 2.0) * size[session]


def draw(p: Relaxing, shape: torch.Size, *, generator: torch.Generator) -> Tensor:
    """z of the relaxation, one per pulse."""
    numbers = draw_numbers(p, shape, generator=generator)
    return numbers[0] if len(numbers) == 1 else student(p, *numbers)


def draw_numbers(p: Relaxing, shape: torch.Size, *, generator: torch.Generator) -> Tensor:
    """What z is made from: itself, (1, *shape), or what `student` takes, (2, *shape)."""
    if not p.relax_levels_siemens:
        return physics.draw_relaxation(shape, p.relax_tail_sigma, generator=generator)[None]
    if p.relax_tail_dof >= NORMAL_DOF:
        return torch.randn((1, *shape), generator=generator)
    return torch.rand((2, *shape), generator=generator)


def student(p: Relaxing, u: Tensor, v: Tensor) -> Tensor:
    """Student's t of `relax_tail_dof` from uniform numbers in 0..1, which are consumed.

    Source:
        R. W. Bailey, Mathematics of Computation 62, 779-781, 1994: t by the polar method, exactly.
    """
    dof = p.relax_tail_dof
    radius = torch.expm1(u.clamp_(min=LEAST).log_().mul_(-2.0 / dof)).mul_(dof).sqrt_()
    return radius.mul_(v.mul_(2.0 * math.pi).cos_())


def rate_siemens(p: Relaxing, g: Tensor, z: Tensor, traits: dict[str, Tensor]) -> Tensor:
    """Drift per decade of time of devices that pulses left at `g`; see the module.

    Args:
        p: Has levels.
        g: Conductances, siemens, any shape.
        z: From `draw`, of that shape.
        traits: Of the devices, as those of `add_traits`, of that shape; and "pulses", those each
            was given so far, where the rate depends on them.
    """
    drift, up, down = _rates(p, g)
    rate = drift + torch.where(z > 0.0, up, down) * z
    if "relax_size" in traits:
        rate = (rate + traits["relax_shift"] * (up + down) / 2.0) * traits["relax_size"]
    if p.relax_cycle_exponent != 0.0:
        cycled = 1.0 + traits["pulses"] / p.relax_cycle_pulses
        rate = rate * cycled.pow(p.relax_cycle_exponent).to(rate.dtype)
    return rate


def _rates(p: Relaxing, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Drift, and spreads up and down, at some conductances."""
    interval, part = physics.between(g, (0.0, *p.relax_levels_siemens))
    drift, up, down = (
        torch.lerp(knots[interval], knots[interval + 1], part)
        for knots in (torch.tensor((0.0, *getattr(p, name)), dtype=g.dtype) for name in TABLES)
    )
    return drift, up, down


def relaxed(p: Relaxing, g: Tensor, kick: Tensor, since: Tensor) -> Tensor:
    """Conductance of devices some time after their last pulse, siemens.

    Args:
        p: The model.
        g: Conductance right after it.
        kick: z of the law without levels, else the rate.
        since: Device time at the reference temperature, seconds.
    """
    late = physics.decades(since.to(g.dtype), p.relax_onset_seconds)
    if p.relax_levels_siemens:
        drift = kick * late
    else:
        shape = physics.relaxation_siemens(g, 1.0, p.relax_peak_siemens, p.relax_sharpness)
        drift = (p.relax_drift_siemens + p.relax_sigma_siemens * kick) * shape * late
    return (g + drift).clamp_(min=p.g_min_siemens / 100)
