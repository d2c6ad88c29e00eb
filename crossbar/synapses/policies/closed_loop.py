"""Mixed precision with the weight itself in digital memory: read-backs mend what pulses missed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from ...boards.simulated import SimulatedBoard
from ..estimate import WeightEstimate
from ..synapses import Synapses
from .accumulate import AccumulateOptions, is_due, operation_noise, thresholds, waiting
from .kernels import give_way, lead
from .policy import Policy

WORTH_PULSES = 3.0  # that must have been sent before a device is blamed; ours, as the next two
FOLLOWED = 0.25  # share of what was sent
KEPT = 0.5  # of a gap that stays
NEVER = np.float32(np.inf)  # pulses that it takes to be worth one


class ClosedLoop(Policy):
    """target += wanted; n = round((target - weight) / step) pulses where worth it.

    `weight` is the layer as last read back, moved on by the pulses sent since: whatever these, a
    faulty estimate of their step, relaxation or the noise of an operation did to the devices is in
    the next read-back and is sent against. The error of a weight so stays that of the last pulses
    and of one read, where that of `accumulate` grows with the square root of all pulses ever sent.
    Targets keep to the limits of the mapping. One that its devices do not follow, because they are
    at their own bounds, stuck or worn out, gives way (`release`), else they would be pulsed for
    ever. The digital side holds the whole weight, 4 bytes, as
    large as the accumulator it replaces; the crossbar is what inference and the forward pass read.

    Source:
        Ours; the digital target is the real-valued weight of M. Courbariaux et al., NIPS 2015.
    """

    @dataclass(frozen=True, kw_only=True)
    class Options(AccumulateOptions):
        """Those of `accumulate`."""

    def __init__(self, shape: tuple[int, int], options: AccumulateOptions | None = None) -> None:
        """Start without a target: the first read-back is it."""
        self.shape, self._options = shape, options or AccumulateOptions()
        self.target = torch.zeros(0, 0)
        self.waited = torch.zeros(1, dtype=torch.int64)
        self._known: WeightEstimate | None = None

    @classmethod
    def build(cls, layer: Synapses, options: Any, fast_array: Callable[[], SimulatedBoard]) -> Self:
        """See `Policy.build`."""
        return cls(layer.mapping.shape, options)

    def begin_epoch(self) -> None:
        """See `Policy.begin_epoch`: what was sent in the last one is forgotten."""
        self._known = None

    def update(
        self, layer: Synapses, wanted: Tensor, known: WeightEstimate, *, generator: torch.Generator
    ) -> None:
        """See `Policy.update`; draws no random number."""
        if not self.target.numel():
            self.target = known.weights.clone()
        elif self._known is not None and self._known is not known:
            release(self.target, self._known, known, layer)
        self._known = known
        least = thresholds(layer, self._options)
        if not is_due(self.waited, self._options):
            least = NEVER, least[1]
        found = lead(self.target.numpy(), wanted.numpy(), known.arrays, *least)
        if least[0] != NEVER:
            layer.give(known.arrays.sent(found))

    def state(self) -> dict[str, Tensor]:
        """The targets, and how many updates the next programming has waited for."""
        return {"target": self.target} | waiting(self.waited, self._options)

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Policy.restore`."""
        self.target = state["target"]
        self.waited = state.get("waited", self.waited)


def release(target: Tensor, before: WeightEstimate, now: WeightEstimate, layer: Synapses) -> None:
    """After a read-back, let go of half of what a weight lacks that hardly moved; in place.

    Args:
        target: (rows, outputs). Changed.
        before: The read-back before, its weights moved on by the pulses sent since.
        now: The read-back.
        layer: Tells the noise that a programming operation adds whatever is sent.
    """
    start = layer.weights(before.g)
    arrays = target, start, before.weights, now.weights, before.up.step, before.down.step
    numbers = WORTH_PULSES, operation_noise(layer), FOLLOWED, 1.0 - KEPT
    give_way(*(array.numpy() for array in arrays), np.array(numbers, np.float32))
