"""The Manhattan rule: one pulse in the right direction, whatever the size of the change."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from device_models.record import Record, quantity

from ...boards.protocol import PulseBatch
from ..estimate import WeightEstimate
from ..pulse_router import route
from ..synapses import Synapses
from .policy import MakeArray, Memoryless


class Sign(Memoryless):
    """n = sign(wanted) where |wanted| > threshold max |wanted|, else 0; the maximum is the layer's.

    The learning rate cancels out: how fast weights move is a matter of the threshold and of the
    step of the device, and the largest change is always worth a pulse. The digital side keeps
    nothing between updates. A threshold of 0 pulses every weight with a wanted change, as the
    source does.

    Source:
        E. Zamanidoost, F. M. Bayat, D. Strukov, I. Kataeva, IEEE WISP 2015. The threshold is ours.
    """

    sends_single_pulses = True

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """`threshold` is a share of the largest wanted change of the layer."""

        threshold: float = quantity("of the largest change", 0.0, 0.999, default=0.5)

    def __init__(self, shape: tuple[int, int], options: Options | None = None) -> None:
        """Nothing to keep."""
        self.shape, self._options = shape, options or self.Options()

    @classmethod
    def build(cls, layer: Synapses, options: Options, make_array: MakeArray) -> Self:
        """See `Policy.build`."""
        return cls(layer.mapping.shape, options)

    def update(
        self, wanted: Tensor, estimate: WeightEstimate, *, generator: torch.Generator
    ) -> PulseBatch | None:
        """See `Policy.update`; draws no random number."""
        self.check(wanted)
        sizes = wanted.abs()
        worth = sizes > self._options.threshold * sizes.max()
        return route(wanted.sign().mul_(worth).to(torch.int32), estimate)
