"""Devices whose pulses are drawn from measured quantiles."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor

from . import physics
from .errors import ConfigError
from .model import DeviceState
from .pulsed import Pulsed
from .record import quantity

CHUNK = 1 << 16  # devices drawn at a time: temporaries stay in the cache
CELLS = 4096  # into which a range of knots is cut; where a knot lies in one, its line begins early


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
        for name in ("c2c_sigma", "c2c_additive_siemens"):
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
        levels = torch.tensor(self.levels, dtype=torch.float64)
        edges = torch.cat((-levels[:1], levels, 2.0 - levels[-1:]))  # constant outside, to 0 and 1
        means = (self.changes().mean(0) @ ((edges[2:] - edges[:-2]) / 2.0)).to(g.dtype)
        x = (g - self.g_min_siemens).div_(self.window_siemens)
        interval, part = physics.between(x.contiguous(), self.bins)
        up, down = (torch.lerp(mean[interval], mean[interval + 1], part) for mean in means)
        step = physics.by_sign(counts, up, -down, g.dtype)
        return physics.at_least(step.mul_(self.window_siemens))

    def draw_step_siemens(
        self, g: Tensor, signs: Tensor, traits: dict[str, Tensor], *, generator: torch.Generator
    ) -> Tensor:
        """See `Pulsed.draw_step_siemens`; the law is in the docstring of the class."""
        low, high = traits["g_low"].flatten(), traits["g_high"].flatten()
        offset = traits["table"].flatten() if "table" in traits else None
        flat, sign, steps = g.flatten(), signs.flatten(), torch.empty_like(g).flatten()
        draw = self._drawers.get(g.dtype)
        if draw is None:
            draw = self._drawers[g.dtype] = _Drawer(self, g.dtype)
        for start in range(0, len(flat), CHUNK):
            part = slice(start, start + CHUNK)
            table = None if offset is None else offset[part]
            steps[part] = draw(flat[part], sign[part], low[part], high[part], table, generator)
        return steps.view_as(g)

    @cached_property
    def _drawers(self) -> "dict[torch.dtype, _Drawer]":
        """One for each type of numbers, made when it is needed: it costs more than few devices."""
        return {}

    def changes(self) -> Tensor:
        """Measured changes upward, shares of a range: float64, (tables, signs, bins, levels)."""
        both = torch.tensor((self.set_steps, self.reset_steps), dtype=torch.float64)
        return both.view(2, self.tables, len(self.bins), len(self.levels)).transpose(0, 1)


class _Axis:
    """Knots of a table, cut into `CELLS`: as `physics.between`, without a search, twice as fast."""

    def __init__(self, knots: tuple[float, ...], dtype: torch.dtype) -> None:
        grid = torch.tensor(knots, dtype=torch.float64)
        self.first, self.width = knots[0], (knots[-1] - knots[0]) / CELLS
        middles = self.first + self.width * (torch.arange(CELLS, dtype=torch.float64) + 0.5)
        self.interval = torch.bucketize(middles, grid[1:-1].contiguous())
        gap = grid[self.interval + 1] - grid[self.interval]
        # A value counted in cells lies at start + slope value of its interval.
        self.slope = (self.width / gap).to(dtype)
        self.start = ((self.first - grid[self.interval]) / gap).to(dtype)

    def __call__(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Interval of each value and how far along it (0..1, held outside). Consumes its input."""
        values = values.sub_(self.first).mul_(1.0 / self.width).clamp_(0.0, CELLS)
        cell = values.long().clamp_(max=CELLS - 1)
        start, slope = self.start.index_select(0, cell), self.slope.index_select(0, cell)
        return self.interval.index_select(0, cell), start.addcmul_(slope, values).clamp_(0.0, 1.0)


class _Drawer:
    """Draws the steps of a model, some devices at a time."""

    def __init__(self, model: Tabulated, dtype: torch.dtype) -> None:
        self.bins, self.levels = _Axis(model.bins, dtype), _Axis(model.levels, dtype)
        self.columns, self.size = len(model.levels), len(model.bins) * len(model.levels)
        self.table = model.changes().flatten().to(dtype)

    def __call__(
        self,
        g: Tensor,
        signs: Tensor,
        low: Tensor,
        high: Tensor,
        table: Tensor | None,
        generator: torch.Generator,
    ) -> Tensor:
        """Steps of some devices, siemens, in the direction of the pulse; all of shape (n,)."""
        width = (high - low).to(g.dtype).clamp_(min=physics.LEAST_STEP_SIEMENS)
        row, along = self.bins((g - low).div_(width))
        column, across = self.levels(torch.empty_like(g).uniform_(generator=generator))
        up = signs.clamp(0, 1).long()
        corner = row.mul_(self.columns).add_(column).sub_(up, alpha=self.size).add_(self.size)
        if table is not None:
            corner.add_(table, alpha=2 * self.size)
        ends = [
            self.table.index_select(0, corner.add_(further))
            for further in (0, 1, self.columns - 1, 1)
        ]
        lower, upper = torch.lerp(ends[0], ends[1], across), torch.lerp(ends[2], ends[3], across)
        drawn = torch.lerp(lower, upper, along).mul_(width)
        return drawn.mul_(up.to(g.dtype).mul_(2.0).sub_(1.0))
