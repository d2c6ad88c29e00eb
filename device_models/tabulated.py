"""Devices whose pulses are drawn from measured quantiles."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from . import physics
from .errors import ConfigError
from .pulsed import Pulsed
from .record import quantity


@dataclass(frozen=True, kw_only=True)
class Tabulated(Pulsed):
    """A device that repeats the change of conductance measured at each conductance.

    One pulse draws u from U(0, 1) and moves the device by Q(g, u), the table of its polarity
    interpolated bilinearly between the bins of g and the levels of u, and held constant outside.
    A table is one row per bin, one column per level: `set_siemens` and `reset_siemens` are its
    rows, one after the other; changes upward are positive in both.

    The table is the cycle-to-cycle spread, so c2c_sigma is 0. Device-to-device spread, read noise,
    relaxation and faults: see `Pulsed`.

    Source:
        The lookup tables of CrossSim (S. Agarwal et al., IJCNN 2016). The bilinear form is ours.
    """

    bins_siemens: tuple[float, ...] = quantity("S", 0.0, 1.0)
    levels: tuple[float, ...] = quantity("", 0.0, 1.0)
    set_siemens: tuple[float, ...] = quantity("S", -1.0, 1.0)
    reset_siemens: tuple[float, ...] = quantity("S", -1.0, 1.0)

    def __post_init__(self) -> None:
        """Check the fields and the tables.

        Raises:
            ConfigError: As `Pulsed`; or bins or levels do not rise, a table has another size or
                falls along its levels, or there is a c2c_sigma besides.
        """
        super().__post_init__()
        if self.c2c_sigma != 0.0:
            raise ConfigError("c2c_sigma must be 0: the table holds the cycle-to-cycle spread")
        for name in ("bins_siemens", "levels"):
            values = getattr(self, name)
            if len(values) < 2 or any(a >= b for a, b in pairwise(values)):
                raise ConfigError(f"{name} must be two or more rising numbers")
        size, width = len(self.bins_siemens) * len(self.levels), len(self.levels)
        for name in ("set_siemens", "reset_siemens"):
            values = getattr(self, name)
            if len(values) != size:
                shape = f"{len(self.bins_siemens)} bins times {width} levels"
                raise ConfigError(f"{name} must hold {shape} = {size} numbers, not {len(values)}")
            falls = (i for i in range(1, size) if i % width and values[i] < values[i - 1])
            if (place := next(falls, None)) is not None:
                raise ConfigError(f"{name}[{place}] is below the quantile of the level before it")

    def step_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """See `DeviceModel.step_siemens`: the mean of what a pulse draws, in its direction.

        At least `physics.LEAST_STEP_SIEMENS`, also where the measured mean leads the other way.
        """
        levels = torch.tensor(self.levels, dtype=torch.float64)
        edges = torch.cat((-levels[:1], levels, 2.0 - levels[-1:]))  # constant outside, to 0 and 1
        means = self._tables() @ ((edges[2:] - edges[:-2]) / 2.0)
        place, part = physics.between(g.contiguous(), self.bins_siemens)
        means = means.to(g.dtype)
        up, down = (torch.lerp(mean[place], mean[place + 1], part) for mean in means)
        return physics.at_least(physics.by_sign(counts, up, -down, g.dtype))

    def draw_step_siemens(self, g: Tensor, signs: Tensor, *, generator: torch.Generator) -> Tensor:
        """See `Pulsed.draw_step_siemens`; the law is in the docstring of the class."""
        u = torch.empty_like(g).uniform_(generator=generator)
        row, along = physics.between(g.flatten(), self.bins_siemens)
        column, across = physics.between(u.flatten(), self.levels)
        bins, levels = len(self.bins_siemens), len(self.levels)
        corner = row.mul_(levels).add_(column).add_((signs.flatten() < 0) * (bins * levels))
        table = self._tables().flatten().to(g.dtype)
        low, high = (
            torch.lerp(
                table.index_select(0, corner + step),
                table.index_select(0, corner + step + 1),
                across,
            )
            for step in (0, levels)
        )
        drawn = torch.lerp(low, high, along).view_as(g)
        return drawn.mul_(physics.by_sign(signs, 1.0, -1.0, g.dtype))

    def _tables(self) -> Tensor:
        """Measured changes, siemens, float64, (SET and RESET, bins, levels)."""
        both = torch.tensor((self.set_siemens, self.reset_siemens), dtype=torch.float64)
        return both.view(2, len(self.bins_siemens), len(self.levels))
