"""No digital memory: pulses whose expected effect is the wanted change."""

from dataclasses import dataclass

import torch
from torch import Tensor

from device_models.record import Record

from ..estimate import WeightEstimate
from ..synapses import Synapses
from .policy import Policy


class Stochastic(Policy):
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
        """Nothing is left open."""

    def __init__(self, shape: tuple[int, int]) -> None:
        """Nothing to keep."""
        self.shape = shape

    def update(
        self, layer: Synapses, wanted: Tensor, known: WeightEstimate, *, generator: torch.Generator
    ) -> None:
        """See `Policy.update`."""
        steps = wanted.abs() / torch.where(wanted > 0, known.up.step, known.down.step)
        pulses = steps.add_(torch.rand(steps.shape, generator=generator)).floor_()
        layer.pulse(pulses.mul_(wanted.sign()).to(torch.int32), known)

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Policy.restore`."""
