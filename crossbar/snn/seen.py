"""Weights and the variance of their reads from conductances, in one pass where a pair is a weight."""

import numpy as np
import torch
from torch import Tensor

from ..jit import jit
from ..mappings import Mapping
from ..mappings.pairs import Paired


def seen(mapping: Mapping, g: Tensor, sigma: Tensor | None) -> tuple[Tensor, Tensor]:
    """`mapping.weights(g)` and `mapping.variance(sigma)`; (0, 0) without noise.

    Args:
        mapping: What the conductances mean.
        g: Siemens, (rows, columns).
        sigma: Spread of a read of each, siemens.
    """
    if not isinstance(mapping, Paired) or g.dtype != torch.float32:
        return mapping.weights(g), torch.zeros(0, 0) if sigma is None else mapping.variance(sigma)
    shape = len(g), mapping.outputs
    weights = torch.empty(shape)
    variance = torch.empty((0, 0) if sigma is None else shape)
    spread = g if sigma is None else sigma
    arrays = (a.contiguous().numpy() for a in (g, spread, weights, variance))
    _pairs(*arrays, float(np.float32(mapping.g_unit_siemens)))
    return weights, variance


@jit
def _pairs(
    g: np.ndarray, sigma: np.ndarray, weights: np.ndarray, variance: np.ndarray, unit: float
) -> None:
    """`Paired.weights` to the last bit, which takes a quotient of 64 bits, and its variance."""
    outputs, scale = weights.shape[1], np.float32(1.0 / (unit * unit))
    for row in range(weights.shape[0]):
        plus, minus, found = g[row, :outputs], g[row, outputs:], weights[row]
        for output in range(outputs):
            found[output] = np.float32(np.float64(plus[output] - minus[output]) / unit)
    for row in range(variance.shape[0]):
        plus, minus, noise = sigma[row, :outputs], sigma[row, outputs:], variance[row]
        for output in range(outputs):
            a, b = plus[output], minus[output]
            noise[output] = (a * a + b * b) * scale
