"""What an emulated array comes to for the engines, in one pass where two devices are a weight."""

from typing import NamedTuple

import numpy as np
import torch

from device_models.jit import jit

from ..boards.protocol import EffectiveArray
from ..mappings import Mapping
from ..mappings.pairs import Paired


class EffectiveWeights(NamedTuple):
    """A layer as a read sees it.

    Attributes:
        weights: (rows, outputs), `Mapping.weights`.
        variance: (rows, outputs) of one read, `Mapping.variance`; (0, 0) without noise.
        siemens: (rows,) float64, conductance that an activation of the row drives.
    """

    weights: np.ndarray
    variance: np.ndarray
    siemens: np.ndarray


def effective_weights(
    mapping: Mapping, array: EffectiveArray, factor: float = 1.0
) -> EffectiveWeights:
    """What some conductances come to.

    Args:
        mapping: What the conductances mean.
        array: Siemens, (rows, columns), and the spread of a read of each.
        factor: `Periphery.factor`.
    """
    g, sigma = array
    if not _is_plain_pair(mapping) or g.dtype != torch.float32:
        noise = torch.zeros(0, 0) if sigma is None else mapping.variance(sigma)
        parts = mapping.weights(g), noise, g.sum(1, dtype=torch.float64)
        layer = EffectiveWeights(*(part.numpy() for part in parts))
    else:
        shape = len(g), mapping.outputs
        variance = np.empty((0, 0) if sigma is None else shape, np.float32)
        layer = EffectiveWeights(np.empty(shape, np.float32), variance, np.empty(len(g)))
        arrays = (a.contiguous().numpy() for a in (g, g if sigma is None else sigma))
        _pairs(*arrays, *layer, 1.0 / mapping.g_unit_siemens)
    if factor == 1.0:
        return layer
    weights, variance, siemens = layer
    return EffectiveWeights(weights * factor, variance * factor**2, siemens)


def _is_plain_pair(mapping: Mapping) -> bool:
    """Whether the formulas of `Paired` hold: a mapping may derive from it and replace them."""
    kind = type(mapping)
    return (
        isinstance(mapping, Paired)
        and kind.weights is Paired.weights
        and kind.variance is Paired.variance
    )


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
        plus, minus, difference, total = g[row, :outputs], g[row, outputs:], weights[row], 0.0
        for output in range(outputs):
            difference[output] = (plus[output] - minus[output]) * factor
            total += np.float64(plus[output]) + np.float64(minus[output])
        siemens[row] = total
    for row in range(variance.shape[0]):
        plus, minus, noise = sigma[row, :outputs], sigma[row, outputs:], variance[row]
        for output in range(outputs):
            a, b = plus[output], minus[output]
            noise[output] = (a * a + b * b) * scale
