"""Devices whose pulses are drawn from measured quantiles."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from . import physics
from .errors import ConfigError
from .model import DeviceState
from .pulsed import Pulsed
from .record import quantity


@dataclass(frozen=True, kw_only=True)
class Tabulated(Pulsed):
    """A device that repeats the steps of one measured device, place by place of its own range.

    With x = (g - low) / (high - low), its place between its own bounds, one pulse draws u from
    U(0, 1) and moves the device by

        (high - low) Q(x, u)

    Q is the table of its polarity, interpolated bilinearly between the `bins` of x and the `levels`
    of u, and held constant outside; changes upward are positive in both polarities.

    `set_steps` and `reset_steps` hold one table or several, of as many measured devices, one after
    the other: a table is one row per bin, one column per level. Each device that is made takes its
    two tables and its bounds, `low_siemens` and `high_siemens`, from one of them, all alike
    probable. So the tables are the device-to-device spread too; that of `Pulsed` comes on top.
    Without bounds there is one table, between g_min_siemens and g_max_siemens.

    The tables are the cycle-to-cycle spread, so c2c_sigma is 0. Read noise, relaxation and faults:
    see `Pulsed`.

    Source:
        The lookup tables of CrossSim (S. Agarwal et al., IJCNN 2016). The bilinear form, the own
        range and the choice among devices are ours.
    """

    bins: tuple[float, ...] = quantity("", 0.0, 1.0)
    levels: tuple[float, ...] = quantity("", 0.0, 1.0)
    set_steps: tuple[float, ...] = quantity("", -100.0, 100.0)
    reset_steps: tuple[float, ...] = quantity("", -100.0, 100.0)
    low_siemens: tuple[float, ...] = quantity("S", 1e-12, 1.0, default=())
    high_siemens: tuple[float, ...] = quantity("S", 1e-12, 1.0, default=())

    def __post_init__(self) -> None:
        """Check the fields and the tables.

        Raises:
            ConfigError: As `Pulsed`; or bins or levels do not rise, a table has another size or
                falls along its levels, a lower bound is not below its upper one, or there is a
                c2c_sigma or c2c_additive_siemens besides.
        """
        super().__post_init__()
        for name in ("c2c_sigma", "c2c_additive_siemens", "c2c_quantum_siemens"):
            if getattr(self, name) != 0.0:
                raise ConfigError(f"{name} must be 0: the table holds the cycle-to-cycle spread")
        for name in ("bins", "levels"):
            values = getattr(self, name)
            if len(values) < 2 or any(a >= b for a, b in pairwise(values)):
                raise ConfigError(f"{name} must be two or more rising numbers")
        same = len(self.low_siemens) == len(self.high_siemens)
        if not same or any(
            a >= b for a, b in zip(self.low_siemens, self.high_siemens, strict=True)
        ):
            raise ConfigError(
                "low_siemens must be as many numbers as high_siemens, each below its own"
            )
        width = len(self.levels)
        size = self.tables * len(self.bins) * width
        for name in ("set_steps", "reset_steps"):
            values = getattr(self, name)
            if len(values) != size:
                shape = f"{self.tables} tables of {len(self.bins)} bins times {width} levels"
                raise ConfigError(f"{name} must hold {shape} = {size} numbers, not {len(values)}")
            falls = (i for i in range(1, size) if i % width and values[i] < values[i - 1])
            if (index := next(falls, None)) is not None:
                raise ConfigError(f"{name}[{index}] is below the quantile of the level before it")

    @property
    def tables(self) -> int:
        """How many measured devices there are."""
        return max(1, len(self.low_siemens))

    def manufacture(self, shape: tuple[int, int], *, generator: torch.Generator) -> DeviceState:
        """See `DeviceModel.manufacture`; several tables add the trait "table"."""
        state = super().manufacture(shape, generator=generator)
        if not self.low_siemens:
            return state
        table = torch.randint(self.tables, shape, generator=generator)
        lows, highs = torch.tensor(self.low_siemens), torch.tensor(self.high_siemens)
        low = lows[table] * (state.traits["g_low"] / self.g_min_siemens)
        high = highs[table] * (state.traits["g_high"] / self.g_max_siemens)
        low = torch.minimum(low, high)
        traits = state.traits | {"g_low": low, "g_high": high, "table": table}
        return DeviceState(low.clone(), traits, state.dynamics)

    def step_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """See `DeviceModel.step_siemens`: the mean of what a pulse draws, in its direction.

        Over all tables, at this place of the window. At least `physics.LEAST_STEP_SIEMENS`, also
        where the measured mean leads the other way.
        """
        up, down = (self._at(g, mean) for mean in self._moments()[0])
        step = physics.by_sign(counts, up, -down, g.dtype)
        return physics.at_least(step.mul_(self.window_siemens))

    def pulse_sigma_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """See `DeviceModel.pulse_sigma_siemens`: over all tables, of what a pulse draws."""
        mean, square = self._moments()
        up, down = (self._at(g, sigma) for sigma in (square - mean.square()).clamp_(min=0.0).sqrt())
        return physics.by_sign(counts, up, down, g.dtype).mul_(self.window_siemens)

    def _moments(self) -> tuple[Tensor, Tensor]:
        """Mean of a change and of its square, of both signs at the bins: float64, (signs, bins)."""
        levels = torch.tensor(self.levels, dtype=torch.float64)
        edges = torch.cat((-levels[:1], levels, 2.0 - levels[-1:]))  # constant outside, to 0 and 1
        weights, changes = (edges[2:] - edges[:-2]) / 2.0, self.changes()
        return changes.mean(0) @ weights, changes.square().mean(0) @ weights

    def _at(self, g: Tensor, of_bins: Tensor) -> Tensor:
        """Numbers of the bins, interpolated to places of the window."""
        x = (g - self.g_min_siemens).div_(self.window_siemens)
        interval, part = physics.between(x.contiguous(), self.bins)
        values = of_bins.to(g.dtype)
        return torch.lerp(values[interval], values[interval + 1], part)

    def draw_step_siemens(
        self, g: Tensor, signs: Tensor, traits: dict[str, Tensor], *, generator: torch.Generator
    ) -> Tensor:
        """See `Pulsed.draw_step_siemens`; the law is in the docstring of the class."""
        low, high = traits["g_low"], traits["g_high"]
        width = (high - low).to(g.dtype).clamp_(min=physics.LEAST_STEP_SIEMENS)
        row, along = physics.between((g - low).div_(width), self.bins)
        u = torch.empty_like(g).uniform_(generator=generator)
        column, across = physics.between(u, self.levels)
        changes, table = self.changes().to(g.dtype), traits.get("table", torch.tensor(0))
        way = (signs <= 0).long()
        ends = [changes[table, way, row + i, column + j] for i in (0, 1) for j in (0, 1)]
        lower, upper = torch.lerp(ends[0], ends[1], across), torch.lerp(ends[2], ends[3], across)
        drawn = torch.lerp(lower, upper, along).mul_(width)
        return torch.where(way == 0, drawn, -drawn)

    def changes(self) -> Tensor:
        """Measured changes upward, shares of a range: float64, (tables, signs, bins, levels)."""
        both = torch.tensor((self.set_steps, self.reset_steps), dtype=torch.float64)
        return both.view(2, self.tables, len(self.bins), len(self.levels)).transpose(0, 1)
