"""The Manhattan rule: one pulse in the right direction, whatever the size of the change."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from device_models.record import Record, quantity

from ...boards.simulated import SimulatedBoard
from ..estimate import WeightEstimate
from ..synapses import Synapses
from .policy import Policy


class Sign(Policy):
    """n = sign(wanted) where |wanted| > threshold max |wanted|, else 0; the maximum is the layer's.

    The learning rate cancels out: how fast weights move is a matter of the threshold and of the
    step of the device, and the largest change is always worth a pulse. The digital side keeps
    nothing between updates. A threshold of 0 pulses every weight with a wanted change, as the
    source does.

    Source:
        E. Zamanidoost, F. M. Bayat, D. Strukov, I. Kataeva, IEEE WISP 2015. The threshold is ours.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """The share of the largest change above which a change is worth a pulse."""

        threshold: float = quantity("of the largest change", 0.0, 0.999, default=0.5)

    def __init__(self, shape: tuple[int, int], threshold: float = 0.5) -> None:
        """Nothing to keep; `threshold` is a share of the largest change."""
        self.shape, self._threshold = shape, threshold

    @classmethod
    def build(cls, layer: Synapses, options: Any, fast_array: Callable[[], SimulatedBoard]) -> Self:
        """See `Policy.build`."""
        return cls(layer.mapping.shape, options.threshold)

    def update(
        self, layer: Synapses, wanted: Tensor, known: WeightEstimate, *, generator: torch.Generator
    ) -> None:
        """See `Policy.update`; draws no random number."""
        sizes = wanted.abs()
        worth = sizes > self._threshold * sizes.max()
        layer.pulse(wanted.sign().mul_(worth).to(torch.int32), known)

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Policy.restore`."""
