"""The expected step of a pulse, written once: a few numbers per polarity, and what they mean."""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from . import physics

Floats = NDArray[np.floating]


class StepTerms(NamedTuple):
    """A step law as a sum: (level + slope x + scale exp(rate x)) W, for kernels."""

    level: float
    slope: float
    scale: float
    rate: float


class StepLaw(NamedTuple):
    """Expected step of one polarity: fraction (level + slope x + bend exp(offset + rate x)) W.

    W is the width of the window and x = (g - g_min) / W. What comes out below
    `physics.LEAST_STEP_SIEMENS` counts as that.
    """

    fraction: float = 1.0
    level: float = 0.0
    slope: float = 0.0
    bend: float = 0.0
    offset: float = 0.0
    rate: float = 0.0

    @property
    def terms(self) -> StepTerms:
        """The same law, multiplied out."""
        scale = self.fraction * (self.bend * math.exp(self.offset))
        return StepTerms(self.fraction * self.level, self.fraction * self.slope, scale, self.rate)


def step_siemens(
    g: Tensor, counts: Tensor, up: StepLaw, down: StepLaw, g_min_siemens: float, window: float
) -> Tensor:
    """Expected steps: those of `up` where `counts` > 0, else of `down`.

    Args:
        g: Conductance, siemens, any shape. Not modified.
        counts: Only the sign is used; broadcasts against `g`.
        up: Law of SET.
        down: Law of RESET.
        g_min_siemens: Low end of the window.
        window: Its width, siemens.

    Returns:
        Positive siemens, in the precision of `g`.
    """
    mask = physics.rising(counts, g.dtype) if up != down else torch.zeros(())

    def each(rising: float, falling: float) -> Tensor:
        if rising == falling:
            return torch.tensor(rising, dtype=g.dtype)
        return physics.choose(mask, rising, falling)

    shape = np.broadcast_shapes(g.shape, counts.shape)  # that of torch imports sympy, 0.9 s
    is_bent, is_inclined = bool(up.bend or down.bend), bool(up.slope or down.slope)
    if not (is_bent or is_inclined):
        step = each(up.terms.level * window, down.terms.level * window)
        return physics.at_least(step.expand(shape).clone())
    x = (g.expand(shape) - g_min_siemens).div_(window)
    parts = []
    if is_bent:
        # One exponential: the polarities differ in its offset and rate alone.
        power = (each(up.rate, down.rate) * x).add_(each(up.offset, down.offset))
        parts.append(power.exp_().mul_(each(up.bend, down.bend)))
    if is_inclined or up.level or down.level:
        parts.append((each(up.slope, down.slope) * x).add_(each(up.level, down.level)))
    step = parts[0] if len(parts) == 1 else parts[0].add_(parts[1])
    return physics.at_least(step.mul_(each(up.fraction, down.fraction).mul_(window)))


def both_ways(g: Tensor, up: StepLaw, down: StepLaw, g_min_siemens: float, window: float) -> Tensor:
    """`step_siemens` of a SET and of a RESET at each conductance, (2, *shape of `g`).

    The same operations to the last bit: those of torch with a number take five times as long as
    those of numpy where devices are few.
    """
    flat = g.contiguous().view(1, -1).numpy()
    kind = flat.dtype.type
    fraction, level, slope, bend, offset, rate, constant = _both(up, down, window, flat.dtype)
    if not (bend.any() or slope.any()):
        step = np.broadcast_to(constant, (2, flat.shape[1]))
    else:
        x = (flat - kind(g_min_siemens)) / kind(window)
        step = kind(0.0)
        if bend.any():
            step = torch.from_numpy(rate * x + offset).exp_().numpy() * bend
        if slope.any() or level.any():
            step = step + (slope * x + level)
        step = step * fraction
    step = np.maximum(step, kind(physics.LEAST_STEP_SIEMENS))
    return torch.from_numpy(step).view(2, *g.shape)


@lru_cache(maxsize=64)
def _both(up: StepLaw, down: StepLaw, window: float, dtype: np.dtype[Any]) -> tuple[Floats, ...]:
    """The numbers of two laws, one above the other, and the steps where they are constant.

    The fraction is that of the window, siemens.
    """
    fraction, *others = (np.array(pair, dtype)[:, None] for pair in zip(up, down, strict=True))
    constant = np.array([[law.terms.level * window] for law in (up, down)], dtype)
    return fraction * dtype.type(window), *others, constant
