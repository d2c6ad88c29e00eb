"""Pairs of devices side by side: the positive ones of all outputs, then the negative ones."""

import numpy as np
import torch
from torch import Tensor

from device_models.jit import jit

from .mapping import Mapping, Route


def weights(g: Tensor, unit_siemens: float) -> Tensor:
    """(G+ - G-) / unit, (rows, outputs)."""
    plus, minus = g.chunk(2, dim=1)
    return (plus - minus).mul_(1.0 / unit_siemens)


def variance(sigma: Tensor, unit_siemens: float) -> Tensor:
    """Variance of (G+ - G-) / unit from the spread of each device in siemens."""
    plus, minus = sigma.chunk(2, dim=1)
    return plus.square().addcmul_(minus, minus).mul_(unit_siemens**-2)


def targets(weights: Tensor, unit_siemens: float, floor_siemens: float) -> Tensor:
    """Conductances (rows, 2 outputs) for weights, with one device of each pair at the floor."""
    both = torch.cat((weights.clamp(min=0.0), (-weights).clamp(min=0.0)), dim=1)
    return both.mul_(unit_siemens).add_(floor_siemens)


def selected(signs: Tensor, outputs: int) -> Tensor:
    """Bool (rows, 2 outputs): both devices of a row without a sign, else those of its sign."""
    plus = (signs >= 0)[:, None].expand(-1, outputs)
    minus = (signs <= 0)[:, None].expand(-1, outputs)
    return torch.cat((plus, minus), dim=1)


def one_sided(signs: Tensor, up: Tensor, g: Tensor) -> Route:
    """The device of a row with a sign; else the opposing one down first, then the wanted one up."""
    column = np.empty(up.shape, np.int32)
    polarity = np.empty(up.shape, np.int8)
    _one_sided(*(a.contiguous().numpy() for a in (signs, up, g)), column, polarity)
    return Route(torch.from_numpy(column), torch.from_numpy(polarity))


@jit
def _one_sided(
    signs: np.ndarray, up: np.ndarray, g: np.ndarray, column: np.ndarray, polarity: np.ndarray
) -> None:
    """See `one_sided`; the last two receive the result."""
    outputs = up.shape[1]
    for row in range(up.shape[0]):
        sign = signs[row]
        for output in range(outputs):
            is_up, plus, minus = up[row, output], g[row, output], g[row, outputs + output]
            is_opposed = minus > plus if is_up else minus >= plus
            on_minus = sign < 0 or (sign == 0 and is_opposed)
            column[row, output] = output + (outputs if on_minus else 0)
            polarity[row, output] = 1 if is_up != on_minus else -1


class Paired(Mapping):
    """What mappings share that have one pair a synapse: w = (G+ - G-) / g_unit."""

    @property
    def columns(self) -> int:
        """See `Mapping.columns`."""
        return 2 * self.outputs

    @property
    def w_max(self) -> float:
        """See `Mapping.w_max`: the full window."""
        return (self.g_max_siemens - self.g_min_siemens) / self.g_unit_siemens

    def weights(self, g: Tensor) -> Tensor:
        """See `Mapping.weights`."""
        return weights(g, self.g_unit_siemens)

    def variance(self, sigma: Tensor) -> Tensor:
        """See `Mapping.variance`."""
        return variance(sigma, self.g_unit_siemens)

    def targets(self, weights: Tensor) -> Tensor:
        """See `Mapping.targets`; one device of each pair is at the floor."""
        return targets(weights, self.g_unit_siemens, self.g_min_siemens)

    def devices_of(self, synapses: Tensor) -> Tensor:
        """See `Mapping.devices_of`."""
        return synapses.repeat(1, 2)
