"""The expected step of a pulse, written once: a few numbers per polarity, and what they mean."""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import physics


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
    if not counts.ndim:
        return _one_way(g, up if counts > 0 else down, (up, down), g_min_siemens, window)
    mask = physics.rising(counts, g.dtype) if up != down else torch.zeros(())

    def each(rising: float, falling: float) -> Tensor:
        if rising == falling:
            return torch.tensor(rising, dtype=g.dtype)
        return physics.choose(mask, rising, falling)

    shape = np.broadcast_shapes(g.shape, counts.shape)  # that of torch imports sympy, 0.9 s
    is_bent, is_inclined = _kind(up, down)
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


def _kind(up: StepLaw, down: StepLaw) -> tuple[bool, bool]:
    """Whether a law of the two is bent, and whether one is inclined."""
    return bool(up.bend or down.bend), bool(up.slope or down.slope)


def _one_way(
    g: Tensor, law: StepLaw, laws: tuple[StepLaw, StepLaw], g_min_siemens: float, window: float
) -> Tensor:
    """`step_siemens` in one direction: the same operations, the same bits.

    Those of torch with a number cost five times as much where devices are few.
    """
    flat = g.detach().contiguous().numpy().reshape(-1)
    number = flat.dtype.type
    fraction, level, slope, bend, offset, rate = map(number, law)
    is_bent, is_inclined = _kind(*laws)
    least, width = number(physics.LEAST_STEP_SIEMENS), number(window)
    if not (is_bent or is_inclined):
        return torch.full_like(g, max(law.terms.level * window, physics.LEAST_STEP_SIEMENS))
    x, step = (flat - number(g_min_siemens)) / width, None
    if is_bent:
        step = torch.from_numpy(rate * x + offset).exp_().numpy() * bend
    if is_inclined or any(each.level for each in laws):
        line = slope * x + level
        step = line if step is None else step + line
    return torch.from_numpy(np.maximum(step * (fraction * width), least)).view(g.shape)
