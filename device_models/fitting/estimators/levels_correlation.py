"""Correlation of the devices' parts of their levels after SET and after RESET.

The mean scores of a device after SET and RESET are a and b, with errors of known variances and
without correlation: the cycles of both states are independent. So (a, b) is normal about its mean
with the covariance rho s_a s_b and the variances s_a^2 + e_a^2, s_b^2 + e_b^2. The posterior of rho
is summed up on a grid, with a flat prior, over the draws of s_a and s_b; both means are those of
the devices, weighted.
"""

from typing import NamedTuple

import numpy as np

from ..measurements import Floats, Ints
from . import variance_components
from .cycle_likelihood import normal_scores

FEWEST = 8  # devices of which both states are known
GRID = np.linspace(-0.995, 0.995, 200)
MOST_DRAWS = 40  # of the spreads of the devices
NAME = "full_levels_correlation"


class DeviceParts(NamedTuple):
    """Mean scores of some devices, (devices,) each.

    Attributes:
        device: Their numbers, rising.
        mean: The scores.
        variance: Of the error of each.
    """

    device: Ints
    mean: Floats
    variance: Floats


def from_means(x: Floats, device: Ints, d2d_share: float) -> DeviceParts:
    """The parts as means of the normal scores of the cycles, without a memory."""
    names, which, count = np.unique(device, return_inverse=True, return_counts=True)
    mean = np.bincount(which, normal_scores(x)) / count
    return DeviceParts(names, mean, (1.0 - d2d_share) / count)


def estimate(
    after_set: DeviceParts, after_reset: DeviceParts, resamples: int, generator: np.random.Generator
) -> tuple[dict[str, tuple[float, float, float, str]], dict[str, Floats]]:
    """Value, interval and remark, and draws; nothing where devices do not differ.

    Args:
        after_set, after_reset: Parts of the devices.
        resamples: Draws; 0: no interval.
        generator: Of the draws.
    """
    _, i, j = np.intersect1d(after_set.device, after_reset.device, return_indices=True)
    if len(i) < FEWEST:
        return {}, {}
    means, errors = (
        np.stack([a[i], b[j]]) for a, b in zip(after_set[1:], after_reset[1:], strict=True)
    )
    one = np.zeros(len(i), np.int64)
    sides = [
        variance_components.between(m, e**0.5, one) for m, e in zip(means, errors, strict=True)
    ]
    if min(side.low for side in sides) <= 0.0:
        return {}, {}
    off = means - np.array([side.means for side in sides])
    log_weight = np.stack([_log_likelihood(off, errors, s) for s in _spreads(sides, generator)])
    weight = np.exp(log_weight - log_weight.max())
    weight = weight.sum(0) / weight.sum()
    total = np.cumsum(weight) - 0.5 * weight
    value = float(GRID @ weight)
    low, high = np.interp((0.025, 0.975), total, GRID).tolist() if resamples else (value, value)
    words = f"devices' parts after SET and RESET, {len(i)} devices"
    draws = {NAME: np.interp(generator.random(resamples), total, GRID)} if resamples else {}
    return {NAME: (value, low, high, words)}, draws


def _spreads(
    sides: list[variance_components.Spread], generator: np.random.Generator
) -> list[list[float]]:
    """Standard deviations of the devices after SET and RESET, drawn."""
    z = generator.standard_normal((MOST_DRAWS, 2))
    logs = np.log([[s.low, s.sigma, s.high] for s in sides])
    below, above = logs[:, 1] - logs[:, 0], logs[:, 2] - logs[:, 1]
    drawn: list[list[float]] = np.exp(
        logs[:, 1] + z * np.where(z > 0.0, above, below) / 1.96
    ).tolist()
    return drawn


def _log_likelihood(off: Floats, errors: Floats, sigma: list[float]) -> Floats:
    """Of every correlation of the grid, (grid,)."""
    a, b = (s**2 + e for s, e in zip(sigma, errors, strict=True))
    both = GRID[:, None] * sigma[0] * sigma[1]
    det = a * b - both**2
    square = (b * off[0] ** 2 + a * off[1] ** 2 - 2.0 * both * off[0] * off[1]) / det
    total: Floats = -0.5 * (np.log(det) + square).sum(1)
    return total
