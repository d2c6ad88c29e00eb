"""Mixed precision with the weight itself in digital memory: read-backs mend what pulses missed."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from device_models.model import DeviceModel
from device_models.pulsed import Pulsed

from ...boards.protocol import PulseBatch
from ..estimate import WeightEstimate
from ..synapses import Synapses
from .accumulate import Accumulate, is_due, operation_noise, thresholds, waiting
from .kernels import release_target, track_target
from .policy import MakeArray, Policy

WORTH_PULSES = 3.0  # that must have been sent before a device is blamed; ours, as the next three
SURE_SPREADS = 2.0  # of these pulses together that their sum comes to, at least
FOLLOWED = 0.25  # share of what was sent
REMAINING = 0.5  # share of a gap that stays
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
    class Options(Accumulate.Options):
        """As of `accumulate`, for the gap between target and weight."""

    def __init__(
        self,
        shape: tuple[int, int],
        options: Options | None = None,
        noise: float = 0.0,
        worth_pulses: float = WORTH_PULSES,
    ) -> None:
        """Start without a target: the first read-back is it.

        Args:
            shape: As of `Accumulate`, like the next two.
            options: Likewise.
            noise: Likewise.
            worth_pulses: See `blamed_after`.
        """
        self._worth_pulses = worth_pulses
        self.shape, self._options, self._noise = shape, options or self.Options(), noise
        self._worth = thresholds(self._options, noise)
        self.target = torch.zeros(0, 0)
        self.waited = torch.zeros(1, dtype=torch.int64)
        self._last: tuple[WeightEstimate, Tensor] | None = None  # with its weights when read

    @classmethod
    def build(cls, layer: Synapses, options: Options, make_array: MakeArray) -> Self:
        """See `Policy.build`."""
        return cls(layer.mapping.shape, options, operation_noise(layer), blamed_after(layer.sheet))

    def begin_epoch(self) -> None:
        """See `Policy.begin_epoch`: what was sent in the last one is forgotten."""
        self._last = None

    def update(
        self, wanted: Tensor, estimate: WeightEstimate, *, generator: torch.Generator
    ) -> PulseBatch | None:
        """See `Policy.update`; draws no random number."""
        self.check(wanted)
        if self._last is None or self._last[0] is not estimate:
            self._begin(estimate)
        due, (threshold, least) = is_due(self.waited, self._options), self._worth
        arrays = self.target.numpy(), wanted.numpy(), estimate.arrays
        devices = track_target(*arrays, threshold if due else NEVER, least)
        return estimate.arrays.batch(devices) if due else None

    def _begin(self, estimate: WeightEstimate) -> None:
        """Go on from a new read-back, before anything is sent after it."""
        if not self.target.numel():
            self.target = estimate.weights.clone()
        elif self._last is not None:
            release(self.target, *self._last, estimate, self._noise, self._worth_pulses)
        self._last = estimate, estimate.weights.clone()

    def state(self) -> dict[str, Tensor]:
        """The targets, and how many updates the next programming has waited for."""
        return {"target": self.target} | waiting(self.waited, self._options)

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Policy.restore`."""
        self.target = state["target"]
        self.waited = state.get("waited", self.waited)


def blamed_after(sheet: DeviceModel) -> float:
    """Pulses after which a device that has not moved is blamed, and not the spread of its pulses.

    n pulses come to n steps, with a spread of c2c_sigma sqrt(n) steps.
    """
    spread = sheet.c2c_sigma if isinstance(sheet, Pulsed) else 0.0
    return max(WORTH_PULSES, (SURE_SPREADS * spread) ** 2)


def release(
    target: Tensor,
    before: WeightEstimate,
    start: Tensor,
    now: WeightEstimate,
    noise: float,
    worth_pulses: float = WORTH_PULSES,
) -> None:
    """After a read-back, let go of half of what a weight lacks that hardly moved; in place.

    Args:
        target: (rows, outputs). Changed.
        before: The read-back before, its weights moved on by the pulses sent since.
        start: Its weights when it was read, (rows, outputs) float32.
        now: The read-back.
        noise: See `operation_noise`.
        worth_pulses: See `blamed_after`.
    """
    arrays = target, start, before.weights, now.weights, before.up.step, before.down.step
    numbers = worth_pulses, noise, FOLLOWED, 1.0 - REMAINING
    release_target(*(array.numpy() for array in arrays), np.array(numbers, np.float32))
