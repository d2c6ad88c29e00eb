"""No digital memory: pulses whose expected effect is the wanted change."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from device_models.record import Record

from ...boards.protocol import PulseBatch
from ..estimate import WeightEstimate
from ..pulse_router import route
from ..synapses import Synapses
from .policy import MakeArray, Memoryless


class Stochastic(Memoryless):
    """n = floor(|wanted| / step + u), u uniform in [0, 1): n step is `wanted` in the mean.

    `step` is the expected change by the next pulse at the conductance last read back. The digital
    side keeps nothing between updates.

    Source:
        Stochastic rounding as in T. Gokmen and Y. Vlasov, Front. Neurosci. 10:333, 2016, drawn per
        device instead of as coincidences of pulse trains.
    """

    is_unbiased = True

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """None."""

    def __init__(self, shape: tuple[int, int]) -> None:
        """Nothing to keep."""
        self.shape = shape

    @classmethod
    def build(cls, layer: Synapses, options: Options, make_array: MakeArray) -> Self:
        """See `Policy.build`."""
        return cls(layer.mapping.shape)

    def update(
        self, wanted: Tensor, estimate: WeightEstimate, *, generator: torch.Generator
    ) -> PulseBatch | None:
        """See `Policy.update`."""
        self.check(wanted)
        steps = wanted.abs() / torch.where(wanted > 0, estimate.up.step, estimate.down.step)
        pulses = steps.add_(torch.rand(steps.shape, generator=generator)).floor_()
        return route(pulses.mul_(wanted.sign()).to(torch.int32), estimate)
