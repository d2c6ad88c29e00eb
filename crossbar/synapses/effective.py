"""What conductances come to for the kernels, in one pass where a pair of devices is a weight."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models.jit import jit

from ..mappings import Mapping
from ..mappings.pairs import Paired


class WeightMoments(NamedTuple):
    """A layer as a read sees it.

    Attributes:
        weights: (rows, outputs), `Mapping.weights`.
        variance: (rows, outputs), `Mapping.variance`; (0, 0) without noise.
        siemens: (rows,) float64, conductance of a whole word line.
    """

    weights: Tensor
    variance: Tensor
    siemens: Tensor


def effective_weights(mapping: Mapping, g: Tensor, sigma: Tensor | None) -> WeightMoments:
    """What some conductances come to.

    Args:
        mapping: What the conductances mean.
        g: Siemens, (rows, columns).
        sigma: Spread of a read of each, siemens; None without noise.
    """
    if not isinstance(mapping, Paired) or g.dtype != torch.float32:
        noise = torch.zeros(0, 0) if sigma is None else mapping.variance(sigma)
        return WeightMoments(mapping.weights(g), noise, g.sum(1, dtype=torch.float64))
    shape = len(g), mapping.outputs
    noise = torch.empty((0, 0) if sigma is None else shape)
    found = WeightMoments(torch.empty(shape), noise, torch.empty(len(g), dtype=torch.float64))
    spread = g if sigma is None else sigma
    arrays = (a.contiguous().numpy() for a in (g, spread, *found))
    _pairs(*arrays, 1.0 / mapping.g_unit_siemens)
    return found


@jit
def _pairs(
    g: np.ndarray,
    sigma: np.ndarray,
    weights: np.ndarray,
    variance: np.ndarray,
    siemens: np.ndarray,
    per_siemens: float,
) -> None:
    """See `effective_weights`; `per_siemens`: weight units."""
    outputs, factor, square = weights.shape[1], np.float32(per_siemens), per_siemens * per_siemens
    scale = np.float32(square)
    for row in range(weights.shape[0]):
        plus, minus, found, total = g[row, :outputs], g[row, outputs:], weights[row], 0.0
        for output in range(outputs):
            found[output] = (plus[output] - minus[output]) * factor
            total += np.float64(plus[output]) + np.float64(minus[output])
        siemens[row] = total
    for row in range(variance.shape[0]):
        plus, minus, noise = sigma[row, :outputs], sigma[row, outputs:], variance[row]
        for output in range(outputs):
            a, b = plus[output], minus[output]
            noise[output] = (a * a + b * b) * scale
