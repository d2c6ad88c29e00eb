"""The expected steps of many devices at once, each in one direction."""

from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from device_models.jit import jit
from device_models.model import DeviceModel

from ..boards.fast_math import exp


class Steps(NamedTuple):
    """`DeviceModel.step_siemens` from the `StepLaw` of each device: the fast path beside it.

    Attributes:
        floor_siemens: Of the window.
        laws: Of RESET and of SET: step at the floor, its slope, size of the exponential in siemens
            and its rate per siemens, float32 (2, 4).
    """

    floor_siemens: float
    laws: np.ndarray

    @classmethod
    def of(cls, model: DeviceModel) -> Self | None:
        """Of a kind of device; None without laws."""
        laws = []
        for polarity in (-1, 1):
            law = model.step_law(polarity)
            if law is None:
                return None
            level, slope, scale, rate = law.terms
            window = model.window_siemens
            laws.append((level * window, slope, scale * window, rate / window))
        return cls(model.g_min_siemens, np.array(laws, np.float32))

    @property
    def is_constant(self) -> bool:
        """Whether a step is the same at any conductance."""
        return not self.laws[:, 1:3].any()

    def __call__(
        self, g: Tensor, device: Tensor, polarity: Tensor, least: float, unit: float
    ) -> Tensor:
        """The larger of step and `least`, in units, of some devices: float32 (rows, outputs).

        Args:
            g: Conductances of the array, siemens, float32.
            device: Flat indices, int32 (rows, outputs).
            polarity: Of their pulses, int8, likewise.
            least: Siemens.
            unit: Siemens.
        """
        steps = torch.empty(device.shape)
        numbers = np.array((self.floor_siemens, least, 1.0 / unit), np.float32)
        arrays = (a.numpy() for a in (g.reshape(-1), device, polarity, steps))
        _steps(*arrays, self.laws, numbers)
        return steps


@jit
def _steps(
    g: np.ndarray,
    device: np.ndarray,
    polarity: np.ndarray,
    steps: np.ndarray,
    laws: np.ndarray,
    numbers: np.ndarray,
) -> None:
    """See `Steps`; `numbers`: of the floor, the least step and one over the unit."""
    floor, least, scale = numbers
    above = np.empty(device.shape[1], np.float32)
    (level, slope, size, rate), (level_up, slope_up, size_up, rate_up) = laws
    for row in range(device.shape[0]):
        index, way, out = device[row], polarity[row], steps[row]
        for output in range(index.shape[0]):
            above[output] = g[np.uint32(index[output])] - floor
        for output in range(index.shape[0]):
            is_up, x = way[output] > 0, above[output]
            line = (level_up if is_up else level) + (slope_up if is_up else slope) * x
            bend = (size_up if is_up else size) * exp((rate_up if is_up else rate) * x)
            out[output] = max(line + bend, least) * scale
