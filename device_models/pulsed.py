"""Devices moved by identical SET and RESET pulses: all their physics but the step itself."""

import math
from abc import ABC
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from . import (
    open_loop,
    physics,
    pulse_law,
    read_noise,
    relaxation,
    step_spread,
    stuck,
    telegraph,
    wear,
)
from .cycle_memory import RemembersCycles
from .errors import ConfigError
from .indexing import at, most_first, put, reached
from .model import DeviceState, Programmed, check_shapes
from .pulse_law import PulseDrive
from .read_disturb import Disturbed
from .record import quantity
from .relaxation import Relaxing
from .wear import Wearing


@dataclass(frozen=True, kw_only=True)
class Pulsed(RemembersCycles, Wearing, Disturbed, Relaxing, ABC):
    """A device whose every pulse moves it by its step law times its own random factor.

    A subclass gives `step_law`, or `step_siemens`. What is left at its default is switched off.

    Pulse. One pulse moves g by a step Normal(1, c2c_sigma) (cycle to cycle) and clips to the
    device's own bounds. a is log-normal of unit median and spread d2d_step_sigma, per polarity, and
    steps may spread beside all this (`step_spread`); the bounds are g_min exp(+|z|) and
    g_max exp(-|z|), z of spread d2d_bound_sigma; a device whose own threshold,
    Normal(threshold, d2d_threshold_volts), is not below the pulse does not move (threshold 0: every
    device does). A pulse costs V^2 t (g_before + g_after) / 2. What pulses of another amplitude or
    width do, and what a current limit does, is in `pulse_law`; without its parameters there is one
    pulse only, the own one.

    Open loop. A full SET without verification, which with `set_kind: abrupt` is any SET that moves
    a device, leaves a level of `open_loop.levels`: log-normal around full_set_siemens with the
    spread full_set_sigma, or the measured full_set_quantiles_siemens at the probabilities
    full_levels. How levels divide and what a device remembers is in `cycle_memory`. RESET likewise.

    Read. White noise, different in every read, and what device time advances: a slow fluctuation
    (both in `read_noise`, with their factors of the device) and traps (`telegraph`).

    Relaxation. After a pulse the device drifts by (relax_drift + relax_sigma z) L(t), each per
    decade of time and shaped by `physics.relaxation_siemens`, with one z per pulse, heavy tailed
    by relax_tail_sigma (`physics.draw_relaxation`), and L = log10(1 + t / relax_onset_seconds);
    temperature multiplies t by an Arrhenius factor. With relax_levels_siemens the rates are those
    of `relaxation`, measured up to relax_measured_to_siemens.

    Faults. A share of devices is stuck at a conductance that may lie outside the window: the board
    keeps them apart (`draw_stuck`). The others wear (`wear`), and reads move them (`read_disturb`).
    One that a pulse does not move relaxes on from its last move, and the pulse is paid for.

    Write-verify. `verified_sigma` is the relative spread left after a write with verification,
    verified_fraction (R / read_knee_ohms)^verified_exponent, at most verified_cap.
    """

    c2c_sigma: float = quantity("", 0.0, 5.0)
    c2c_additive_siemens: float = quantity("S", 0.0, 1.0, default=0.0)
    c2c_quantum_siemens: float = quantity("S", 0.0, 1.0, default=0.0)
    d2d_step_sigma: float = quantity("", 0.0, 3.0)
    d2d_step_correlation: float = quantity("", -1.0, 1.0, default=0.0)
    d2d_bound_sigma: float = quantity("", 0.0, 1.0)
    set_volts: float = quantity("V", 0.0, 10.0, why="the board's range")
    reset_volts: float = quantity("V", 0.0, 10.0, why="the board's range; a magnitude")
    width_seconds: float = quantity("s", 1e-12, 1.0)
    read_floor: float = quantity("", 0.0, 1.0)
    read_fraction: float = quantity("", 0.0, 1.0)
    read_knee_ohms: float = quantity("ohm", 1.0, 1e9)
    read_exponent: float = quantity("", 0.0, 5.0)
    read_cap: float = quantity("", 0.0, 1.0)
    slow_fraction: float = quantity("", 0.0, 1.0, default=0.0)
    slow_exponent: float = quantity("", 0.0, 5.0, default=0.0)
    slow_cap: float = quantity("", 0.0, 1.0, default=1.0)
    slow_shortest_seconds: float = quantity("s", 1e-9, 1e9, default=1e-3)
    slow_longest_seconds: float = quantity("s", 1e-9, 1e12, default=1e4)
    read_d2d_sigma: float = quantity("", 0.0, 3.0, default=0.0)
    slow_d2d_sigma: float = quantity("", 0.0, 3.0, default=0.0)
    telegraph_traps: float = quantity("per device", 0.0, 50.0, default=0.0)
    telegraph_fraction: float = quantity("", 0.0, 1.0, default=0.0)
    telegraph_exponent: float = quantity("", 0.0, 5.0, default=0.0)
    telegraph_cap: float = quantity("", 0.0, 1.0, default=0.5)
    telegraph_sigma: float = quantity("", 0.0, 3.0, default=0.0)
    telegraph_duty_sigma: float = quantity("", 0.0, 10.0, default=0.0)
    telegraph_shortest_seconds: float = quantity("s", 1e-9, 1e9, default=1e-6)
    telegraph_longest_seconds: float = quantity("s", 1e-9, 1e12, default=10.0)
    set_threshold_volts: float = quantity("V", 0.0, 10.0, default=0.0)
    reset_threshold_volts: float = quantity("V", 0.0, 10.0, default=0.0)
    d2d_threshold_volts: float = quantity("V", 0.0, 10.0, default=0.0)
    voltage_law: Literal["sinh", "exponential", "linear"] = "sinh"
    set_scale_volts: float | None = quantity("V per e-fold", 1e-3, 100.0, default=None)
    reset_scale_volts: float | None = quantity("V per e-fold", 1e-3, 100.0, default=None)
    set_fitted_volts: tuple[float, ...] = quantity("V", 0.0, 10.0, default=())
    reset_fitted_volts: tuple[float, ...] = quantity("V", 0.0, 10.0, default=())
    width_law: Literal["power", "log"] = "power"
    set_width_exponent: float | None = quantity("", 0.0, 10.0, default=None)
    reset_width_exponent: float | None = quantity("", 0.0, 10.0, default=None)
    compliance_volts: float | None = quantity("V", 1e-3, 10.0, default=None)
    compliance_amperes: float | None = quantity("A", 1e-12, 1.0, default=None)
    set_kind: Literal["gradual", "abrupt"] = "gradual"
    full_set_siemens: float | None = quantity("S", 0.0, 1.0, default=None)
    full_set_sigma: float = quantity("", 0.0, 5.0, default=0.0)
    full_reset_siemens: float | None = quantity("S", 0.0, 1.0, default=None)
    full_reset_sigma: float = quantity("", 0.0, 5.0, default=0.0)
    full_levels: tuple[float, ...] = quantity("", 0.0, 1.0, default=())
    full_set_quantiles_siemens: tuple[float, ...] = quantity("S", 0.0, 1.0, default=())
    full_reset_quantiles_siemens: tuple[float, ...] = quantity("S", 0.0, 1.0, default=())
    full_set_d2d_share: float = quantity("", 0.0, 1.0, default=0.0)
    full_reset_d2d_share: float = quantity("", 0.0, 1.0, default=0.0)
    verified_fraction: float = quantity("", 0.0, 1.0, default=0.0)
    verified_exponent: float = quantity("", 0.0, 5.0, default=0.0)
    verified_cap: float = quantity("", 0.0, 10.0, default=1.0)
    stuck_high_share: float = quantity("", 0.0, 1.0, default=0.0)
    stuck_high_siemens: float = quantity("S", 0.0, 1.0, default=0.0)
    stuck_low_share: float = quantity("", 0.0, 1.0, default=0.0)
    stuck_low_siemens: float = quantity("S", 0.0, 1.0, default=0.0)

    def __post_init__(self) -> None:
        """Check the fields and the rules between them.

        Raises:
            ConfigError: As `Relaxing`; or the window reaches 0, the stuck shares exceed 1, the
                time constants are out of order, or `open_loop.check` refuses the levels or
                `pulse_law.check_fields` the law of the pulses.
        """
        super().__post_init__()
        if self.g_min_siemens == 0.0:
            raise ConfigError("g_min_siemens = 0 has no resistance; give the lowest conductance")
        if self.stuck_high_share + self.stuck_low_share > 1.0:
            raise ConfigError("stuck_high_share and stuck_low_share together exceed 1")
        for kind in ("slow", "telegraph"):
            ends = f"{kind}_shortest_seconds", f"{kind}_longest_seconds"
            if not getattr(self, ends[0]) < getattr(self, ends[1]):
                raise ConfigError(f"{ends[0]} must be below {ends[1]}")
        open_loop.check(self)
        pulse_law.check_fields(self)

    @property
    def has_slow_noise(self) -> bool:
        """Whether reads fluctuate with device time."""
        return self.slow_fraction > 0.0

    @property
    def has_telegraph_noise(self) -> bool:
        """Whether devices have traps."""
        return self.telegraph_traps > 0.0 and self.telegraph_fraction > 0.0

    def manufacture(self, shape: tuple[int, int], *, generator: torch.Generator) -> DeviceState:
        """See `DeviceModel.manufacture`."""
        z = torch.randn((4, *shape), generator=generator)
        low = self.g_min_siemens * torch.exp(self.d2d_bound_sigma * z[0].abs())
        high = self.g_max_siemens * torch.exp(-self.d2d_bound_sigma * z[1].abs())
        low = torch.minimum(low, high)
        traits = {
            "g_low": low.clamp(min=self.g_min_siemens),
            "g_high": high.clamp(min=self.g_min_siemens),
        } | step_spread.gains(self, z[2:])
        pulse_law.add_thresholds(self, traits, shape, generator)
        if self.endurance_pulses > 0.0:
            z = torch.randn(shape, generator=generator)
            traits["lifetime"] = self.endurance_pulses * torch.exp(self.endurance_sigma * z)
        dynamics = {}
        if self.relaxes:
            dynamics["kick"] = torch.zeros(shape)
            # 64 bit, like the wear: short intervals and single pulses must still add up.
            dynamics["since_seconds"] = torch.zeros(shape, dtype=torch.float64)
        if self.has_slow_noise:
            dynamics["slow"] = torch.randn((physics.COMPONENTS, *shape), generator=generator)
        if self.endurance_pulses > 0.0 or self.relax_cycle_exponent != 0.0:
            dynamics["pulses"] = torch.zeros(shape, dtype=torch.float64)
        levels = open_loop.manufacture(self, shape, generator=generator)  # last: redraws nothing
        traits, dynamics = traits | levels[0], dynamics | levels[1]
        read_noise.add(self, traits, dynamics, shape, generator)
        relaxation.add_traits(self, traits, shape, generator)
        return DeviceState(traits["g_low"].clone(), traits, dynamics)

    def draw_stuck(self, shape: tuple[int, int], *, generator: torch.Generator) -> Tensor | None:
        """See `DeviceModel.draw_stuck`."""
        return stuck.draw(self, shape, generator=generator)

    def program(
        self,
        state: DeviceState,
        counts: Tensor,
        selected: Tensor,
        *,
        generator: torch.Generator,
        drive: PulseDrive = pulse_law.OWN,
    ) -> Programmed:
        """See `DeviceModel.program`; devices without a pulse cost nothing.

        Args:
            state, counts, selected, generator: As there.
            drive: Amplitude and width of the pulses; by default the file's own.
        Raises:
            LimitError, ShapeError: As `pulse_law.check_drive`.
        """
        check_shapes(state, counts, selected)
        pulse_law.check_drive(self, counts, drive)
        pulsed = most_first(counts)
        wanted, drive = at(counts, pulsed), drive.at(pulsed)
        often = wanted.abs()
        unused = telegraph.TRAITS + (() if self.set_kind == "abrupt" else open_loop.TRAITS)
        traits = {n: at(trait, pulsed) for n, trait in state.traits.items() if n not in unused}
        traits |= open_loop.memories(state, pulsed)
        g, energy = self.relaxed(state, pulsed).clone(), 0.0
        left, worth, traits = wear.left(self, state, pulsed, traits, wanted, drive)
        gain = pulse_law.signed_gain(self, wanted, traits, drive, g.dtype)
        moves = self._moves(gain, left, drive)
        ceiling = pulse_law.ceiling_siemens(self, drive.compliance_amperes)
        for done, count in enumerate(reached(often)):  # those that get another pulse come first
            subset = {name: trait[:count] for name, trait in traits.items()}
            gains = gain[:count] if left is None else gain[:count] * (left[:count] > done)
            pulse = wanted[:count], drive.at(slice(0, count))
            after = self._pulse(g[:count], *pulse, gains, subset, ceiling, generator)
            if moves is not None:  # nor the clamp: a device may have drifted beyond its bounds
                after = torch.where(gains != 0, after, g[:count])
            energy += pulse_law.joules(self, g[:count] + after, *pulse)
            g[:count] = after
        g_all = put(state.g, pulsed, g, moves)
        dynamics = self._after_pulses(state, pulsed, often, worth, moves, g, traits, generator)
        dynamics = open_loop.remembered(dynamics, pulsed, traits)
        changed = None if isinstance(pulsed, slice) else pulsed
        return Programmed(DeviceState(g_all, state.traits, dynamics), energy, changed)

    def pulse_sigma_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """See `DeviceModel.pulse_sigma_siemens`; the law is in `step_spread`."""
        mean = self.mean_siemens(g, counts)
        return torch.hypot(self.c2c_sigma * mean, step_spread.beside_siemens(self, mean))

    def draw_step_siemens(
        self, g: Tensor, signs: Tensor, traits: dict[str, Tensor], *, generator: torch.Generator
    ) -> Tensor:
        """Size of one pulse, drawn: `mean_siemens` times Normal(1, c2c_sigma).

        A model whose spread is no such factor, because it was measured, gives its own.

        Args:
            g: Conductances before, siemens, any shape. Not modified.
            signs: SET where positive, else RESET; shape of `g`.
            traits: Of the devices; of the shape of `g`.
            generator: Source of the cycle-to-cycle spread.

        Returns:
            Siemens in the direction of the pulse, before gain and bounds; a negative size leads
            the other way. The caller may overwrite it.
        """
        if self.c2c_sigma == 0.0:
            return self.mean_siemens(g, signs)
        draw = torch.empty_like(g).normal_(1.0, self.c2c_sigma, generator=generator)
        return draw.mul_(self.mean_siemens(g, signs))

    def _pulse(
        self,
        g: Tensor,
        signs: Tensor,
        drive: PulseDrive,
        gain: Tensor,
        traits: dict[str, Tensor],
        ceiling: float,
        generator: torch.Generator,
    ) -> Tensor:
        """Conductances after one pulse to each of some devices; `gain` is negative for RESET."""
        step = self.draw_step_siemens(g, signs, traits, generator=generator)
        after = pulse_law.averaged(self, step, g, signs, drive).mul_(gain).add_(g)
        after = step_spread.add(self, after, g, signs, gain, generator=generator)
        if self.set_kind == "abrupt":
            after = open_loop.switched(self, after, gain > 0, traits, generator=generator)
        high = traits["g_high"]
        if ceiling < math.inf:
            high = torch.where(gain > 0, torch.minimum(high, g.clamp(min=ceiling)), high)
        # Clamp last: the noise, not the mean step, is what could leave the bounds.
        return after.clamp_(traits["g_low"], high)

    @property
    def scatters_at_zero(self) -> bool:
        """Whether pulses too weak to lead anywhere scatter all the same; see `pulse_law`."""
        return False

    @property
    def may_stand_still(self) -> bool:
        """Whether there may be devices that a pulse does not move."""
        thresholds = self.set_threshold_volts, self.reset_threshold_volts
        return self.endurance_pulses > 0.0 or max(thresholds) > 0.0

    def _moves(self, gain: Tensor, left: Tensor | None, drive: PulseDrive) -> Tensor | None:
        """Which of some devices react to their first pulse; None if all do."""
        if not self.may_stand_still and drive.is_own:
            return None
        return gain != 0 if left is None else (gain != 0) & (left > 0)

    def _after_pulses(
        self,
        state: DeviceState,
        pulsed: slice | Tensor,
        often: Tensor,
        worth: Tensor | float,
        moves: Tensor | None,
        g: Tensor,
        traits: dict[str, Tensor],
        generator: torch.Generator,
    ) -> dict[str, Tensor]:
        """The dynamics after pulses: relaxation starts anew where they moved, wear goes on."""
        dynamics = dict(state.dynamics)
        if "pulses" in dynamics:
            total = at(dynamics["pulses"], pulsed) + often * worth
            dynamics["pulses"] = put(dynamics["pulses"], pulsed, total, None)
            traits = traits | {"pulses": total}
        if "kick" in dynamics:
            z = relaxation.draw(self, often.shape, generator=generator)
            if self.wear_relaxation != 0.0:
                z *= wear.relaxation_factor(self, state, pulsed)
            if self.relax_levels_siemens:
                z = relaxation.rate_siemens(self, g, z, traits)
            fresh = {"kick": z, "since_seconds": torch.zeros_like(z, dtype=torch.float64)}
            dynamics |= {
                name: put(dynamics[name], pulsed, new, moves) for name, new in fresh.items()
            }
        return dynamics

    def advance(
        self,
        state: DeviceState,
        seconds: float,
        *,
        generator: torch.Generator,
        temperature_kelvin: float | None = None,
    ) -> DeviceState:
        """See `DeviceModel.advance`."""
        dynamics = read_noise.advance(self, state, seconds, generator=generator)
        if "since_seconds" in dynamics:
            passed = self.elapsed(seconds, temperature_kelvin)
            speed = state.traits.get("relax_speed", 1.0)
            dynamics["since_seconds"] = dynamics["since_seconds"] + passed * speed
        return DeviceState(state.g, state.traits, dynamics)

    @property
    def slow_times(self) -> list[float]:
        """Time constants of the slow fluctuation, seconds."""
        return physics.relaxation_times(self.slow_shortest_seconds, self.slow_longest_seconds)

    def relaxed(self, state: DeviceState, where: slice | Tensor) -> Tensor:
        """Conductance of some devices (flat indices) with their drift since the last pulse.

        May be a view of `state.g`: not to be modified.
        """
        g = at(state.g, where)
        if "kick" not in state.dynamics:
            return g
        kick, since = (at(state.dynamics[n], where) for n in ("kick", "since_seconds"))
        if not since.any():  # no time has passed: nothing drifted
            return g
        return relaxation.relaxed(self, g, kick, since)

    def conductance(self, state: DeviceState, where: Tensor | None = None) -> Tensor:
        """See `DeviceModel.conductance`; never negative."""
        chosen = slice(None) if where is None else where
        g = read_noise.seen(self, state, self.relaxed(state, chosen), chosen)
        return g.view_as(state.g) if where is None else g

    def read_spread(
        self, state: DeviceState, g: Tensor, where: Tensor | None = None
    ) -> Tensor | None:
        """See `DeviceModel.read_spread`: with the factors of the devices, and grown with wear."""
        sigma = read_noise.of_devices(self.read_sigma_siemens(g), state, where)
        if sigma is None or self.wear_noise == 0.0:
            return sigma
        return sigma * wear.noise_factor(self, state, where).view_as(g)

    def read_sigma_siemens(self, g: Tensor) -> Tensor | None:
        """See `DeviceModel.read_sigma_siemens`; the law is in `read_noise`."""
        return read_noise.white_sigma(self, g)

    def verified_sigma_siemens(self, g: Tensor) -> Tensor:
        """Spread of the conductance left by a write with verification, at target `g`, siemens.

        Source:
            Power law 0.01 (R / 1 kohm)^(2/3), which agrees within a factor 2 to 3 with V. Milo et
            al., IRPS 2021, and W. Wan et al., Nature 608, 504-512, 2022.
        """
        return g * physics.growing_fraction(
            g,
            self.verified_fraction,
            self.read_knee_ohms,
            self.verified_exponent,
            self.verified_cap,
        )
