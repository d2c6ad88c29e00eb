"""The expected steps of many devices at once, each in a direction that never changes."""

from typing import NamedTuple, Self

import torch
from torch import Tensor

from device_models.model import DeviceModel


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
            rising, falling = (torch.tensor(getattr(law, name) * unit) for law in (up, down))
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
