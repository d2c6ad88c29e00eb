"""Mixed precision with the weight itself in digital memory: read-backs mend what pulses missed."""

from typing import Self

import torch
from torch import Tensor

from ...snn.known import Known
from ...snn.layer import CrossbarLayer
from ..accumulate_options import AccumulateOptions
from ..config import Training
from .accumulate import is_due, operation_noise, waiting, worthy_pulses
from .policy import Policy

WORTH_PULSES = 3.0  # that must have been sent before a device is blamed; ours, as the next two
FOLLOWED = 0.25  # share of what was sent
KEPT = 0.5  # of a gap that stays


class ClosedLoop(Policy):
    """target += wanted; n = round((target - weight) / step) pulses where worth it.

    `weight` is the layer as last read back, moved on by the pulses sent since: whatever these, a
    faulty estimate of their step, relaxation or the noise of an operation did to the devices is in
    the next read-back and is sent against. The error of a weight so stays that of the last pulses
    and of one read, where that of `accumulate` grows with the square root of all pulses ever sent.
    Targets keep to the limits of the mapping. One that its devices do not follow, because they are
    at their own bounds, stuck or worn out, gives way (`attainable`), else they would be pulsed for
    ever. The digital side holds the whole weight, 4 bytes, as
    large as the accumulator it replaces; the crossbar is what inference and the forward pass read.

    Source:
        Ours; the digital target is the real-valued weight of M. Courbariaux et al., NIPS 2015.
    """

    def __init__(self, shape: tuple[int, int], options: AccumulateOptions | None = None) -> None:
        """Start without a target: the first read-back is it."""
        self.shape, self._options = shape, options or AccumulateOptions()
        self.target = torch.zeros(0, 0)
        self.waited = torch.zeros(1, dtype=torch.int64)
        self._known: Known | None = None

    @classmethod
    def build(cls, layer: CrossbarLayer, config: Training, place: int) -> Self:
        """See `Policy.build`."""
        return cls(layer.mapping.shape, config.accumulate)

    def begin_epoch(self) -> None:
        """See `Policy.begin_epoch`: what was sent in the last one is forgotten."""
        self._known = None

    def update(
        self, layer: CrossbarLayer, wanted: Tensor, known: Known, *, generator: torch.Generator
    ) -> None:
        """See `Policy.update`; draws no random number."""
        if not self.target.numel():
            self.target = known.weights.clone()
        elif self._known is not None and self._known is not known:
            self.target = attainable(self.target, self._known, known, layer)
        self._known = known
        self.target += wanted
        torch.clamp(self.target, known.limits[:, :1], known.limits[:, 1:], out=self.target)
        if is_due(self.waited, self._options):
            gap = known.weights.neg(), self.target
            layer.pulse(worthy_pulses(*gap, known, layer, self._options, rounded=True), known)

    def state(self) -> dict[str, Tensor]:
        """The targets, and how many updates the next programming has waited for."""
        return {"target": self.target} | waiting(self.waited, self._options)

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Policy.restore`."""
        self.target = state["target"]
        self.waited = state.get("waited", self.waited)


def attainable(target: Tensor, before: Known, now: Known, layer: CrossbarLayer) -> Tensor:
    """Targets after a read-back: where a weight hardly moved, half of what it lacks is dropped.

    Args:
        target: (rows, outputs).
        before: The read-back before, its weights moved on by the pulses sent since.
        now: The read-back.
        layer: Tells the noise that a programming operation adds whatever is sent.
    """
    start = layer.mapping.weights(before.g)
    sent, moved = before.weights - start, now.weights - start
    step = torch.where(sent > 0, before.up.step, before.down.step)
    worth = sent.abs() > WORTH_PULSES * (step + operation_noise(layer))
    idle = worth & (moved * sent.sign() < FOLLOWED * sent.abs())
    gap = target - now.weights
    return target - (1.0 - KEPT) * gap * (idle & (gap * sent > 0))
