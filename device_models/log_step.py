"""Devices whose step is a polynomial in the logarithm of the conductance."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from . import physics
from .errors import ConfigError
from .pulsed import Pulsed
from .record import quantity

DEGREE = 3
BINOMIALS = (1.0, 3.0, 3.0, 1.0)


class LogLaw(NamedTuple):
    """A step of one polarity: W (c0 + c1 y + c2 y^2 + c3 y^3), see `LogStep`."""

    constant: float
    linear: float
    square: float
    cube: float


@dataclass(frozen=True, kw_only=True)
class LogStep(Pulsed):
    """A device whose step depends on ln G by a polynomial of third degree, per polarity.

    With W the width of the window and y = ln(g / g_min) / ln(g_max / g_min), held in 0..1, the mean
    pulse moves a device by

        SET:    + W sum_k set_fraction_k   B_k(y)        k = 0..3
        RESET:  - W sum_k reset_fraction_k B_k(y)        B_k(y) = (3 choose k) y^k (1 - y)^(3 - k)

    So fraction_0 and fraction_3 are the steps at both ends of the window. A step is never below the
    least of its four fractions, nor above the greatest, and may rise, fall or do both in between.
    Spread, read noise, relaxation and faults: see `Pulsed`.

    Source:
        The form is ours; B_k: S. N. Bernstein, Comm. Soc. Math. Kharkov 13, 1-2, 1912. Steps of
        filaments that follow ln G: S. Yu, X. Guan and H.-S. P. Wong, IEEE Trans. Electron Devices
        59, 1183-1188, 2012 (the gap of a filament, in which ln G is linear, sets the rate).
    """

    set_fraction_0: float = quantity("", 0.0, 1.0)
    set_fraction_1: float = quantity("", 0.0, 1.0)
    set_fraction_2: float = quantity("", 0.0, 1.0)
    set_fraction_3: float = quantity("", 0.0, 1.0)
    reset_fraction_0: float = quantity("", 0.0, 1.0)
    reset_fraction_1: float = quantity("", 0.0, 1.0)
    reset_fraction_2: float = quantity("", 0.0, 1.0)
    reset_fraction_3: float = quantity("", 0.0, 1.0)

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ConfigError: As `Pulsed`; or a polarity has no step at all.
        """
        super().__post_init__()
        for way in ("set", "reset"):
            if not any(getattr(self, f"{way}_fraction_{k}") for k in range(DEGREE + 1)):
                raise ConfigError(f"{way}_fraction_0 to {way}_fraction_3 are all 0: nothing moves")

    def log_law(self, polarity: int) -> LogLaw:
        """The step of SET (polarity > 0) or RESET as powers of y."""
        way = "set" if polarity > 0 else "reset"
        a, b, c, d = (getattr(self, f"{way}_fraction_{k}") for k in range(DEGREE + 1))
        return LogLaw(a, 3.0 * (b - a), 3.0 * (a - 2.0 * b + c), d - a + 3.0 * (b - c))

    @property
    def log_width(self) -> float:
        """ln(g_max / g_min)."""
        return math.log(self.g_max_siemens / self.g_min_siemens)

    def step_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """See `DeviceModel.step_siemens`; the law is in the docstring of the class."""
        return physics.at_least(self.cubic_siemens(g, counts))

    def cubic_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """The sum over k in the docstring of the class, times W; arguments as `step_siemens`."""
        y = (g / self.g_min_siemens).clamp_(min=1.0).log_().div_(self.log_width).clamp_(max=1.0)
        up, down = self.log_law(1), self.log_law(-1)
        mask = physics.rising(counts, g.dtype)
        step = torch.zeros((), dtype=g.dtype)
        for rising, falling in zip(reversed(up), reversed(down), strict=True):
            step = step * y + physics.choose(mask, rising, falling)
        return step * self.window_siemens


def basis(y: Tensor) -> Tensor:
    """B_k(y) of every place y, shape (..., 4)."""
    powers = [binomial * y**k * (1.0 - y) ** (DEGREE - k) for k, binomial in enumerate(BINOMIALS)]
    return torch.stack(powers, -1)
