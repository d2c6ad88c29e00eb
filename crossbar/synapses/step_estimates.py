"""The expected steps of many devices at once, each in a direction that never changes."""

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
        line: Step at the floor, siemens, and its slope; None where both are 0.
        bend: Size of the exponential, siemens, and its rate per siemens; None where that is 0.
    """

    floor_siemens: float
    line: tuple[Tensor, Tensor] | None
    bend: tuple[Tensor, Tensor] | None

    @classmethod
    def of(cls, model: DeviceModel, polarity: Tensor) -> Self | None:
        """Of devices that are pulsed in given polarities (rows, outputs); None without laws."""
        up, down = model.step_law(1), model.step_law(-1)
        if up is None or down is None:
            return None
        if bool((polarity == polarity[:, :1]).all()):
            polarity = polarity[:, :1]
        window = model.window_siemens

        def each(name: str, unit: float) -> Tensor:
            rising, falling = (torch.tensor(getattr(law.terms, name) * unit) for law in (up, down))
            return torch.where(polarity > 0, rising, falling)

        line = each("level", window), each("slope", 1.0)
        bend = each("scale", window), each("rate", 1.0 / window)
        return cls(
            model.g_min_siemens,
            line if bool(line[0].any() | line[1].any()) else None,
            bend if bool(bend[0].any()) else None,
        )

    @property
    def is_constant(self) -> bool:
        """Whether a step is the same at any conductance."""
        return self.bend is None and not (self.line and bool(self.line[1].any()))

    def __call__(self, g: Tensor) -> Tensor:
        """Steps of the devices at conductances `g`, siemens, (rows, outputs)."""
        above = g - self.floor_siemens
        if self.bend is None:
            return torch.addcmul(*self.line, above) if self.line else torch.zeros_like(g)
        size, rate = self.bend
        bent = (above * rate).exp_().mul_(size)
        return bent if self.line is None else bent.add_(torch.addcmul(*self.line, above))

    def of_rows(self, g: Tensor, device: Tensor, least: float, unit: float) -> Tensor | None:
        """`max(self(g at the devices), least) / unit` in one pass; None if rows are not of a kind.

        Args:
            g: Conductances, siemens, float32 (rows, columns).
            device: Flat indices, int32 (rows, outputs).
            least: Siemens.
            unit: Siemens.
        """
        none = torch.zeros(len(device), 1), torch.zeros(len(device), 1)
        parts = *(self.line or none), *(self.bend or none)
        if any(part.shape != none[0].shape for part in parts) or g.dtype != torch.float32:
            return None
        steps = torch.empty(device.shape)
        numbers = np.array((self.floor_siemens, least, 1.0 / unit), np.float32)
        rows = np.concatenate([part.numpy() for part in parts], 1)
        _steps(g.reshape(-1).numpy(), device.numpy(), rows, numbers, steps.numpy())
        return steps


@jit
def _steps(
    g: np.ndarray, device: np.ndarray, laws: np.ndarray, numbers: np.ndarray, steps: np.ndarray
) -> None:
    """See `Steps.of_rows`; `laws`: step at the floor, slope, size and rate of each row."""
    floor, least, scale = numbers
    above = np.empty(device.shape[1], np.float32)
    for row in range(device.shape[0]):
        index, out = device[row], steps[row]
        level, slope, size, rate = laws[row, 0], laws[row, 1], laws[row, 2], laws[row, 3]
        for output in range(index.shape[0]):
            above[output] = g[np.uint32(index[output])] - floor
        for output in range(index.shape[0]):
            step = level + slope * above[output] + size * exp(rate * above[output])
            out[output] = max(step, least) * scale
