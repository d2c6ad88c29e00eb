"""What the digital side knows of a layer between two read-backs."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from torch import Tensor

from ..boards.protocol import PulseBatch

BLOCK = 32  # rows that pulses are routed for at a time: their numbers stay near


class UpdatePath(NamedTuple):
    """One direction that weights can move in; all (rows, outputs).

    Attributes:
        device: int32, flat index of the device that is pulsed.
        polarity: int8, +1 SET, -1 RESET.
        step: float32, expected change by the next pulse, positive, weight units.
    """

    device: Tensor
    polarity: Tensor
    step: Tensor


class UpdatePathBuffers(NamedTuple):
    """A `UpdatePath` as kernels take it."""

    device: np.ndarray
    polarity: np.ndarray
    step: np.ndarray


class EstimateBuffers(NamedTuple):
    """What kernels take of a `WeightEstimate`, and buffers for the pulses that they route.

    Attributes:
        weights: As in `WeightEstimate`, like the next five.
        up: See `WeightEstimate`.
        down: Likewise.
        limits: Likewise.
        signs: Likewise.
        headroom: Likewise.
        pulses: Signed pulses of the weights of some rows, int32 (at most `BLOCK`, outputs).
        due: Which outputs of these rows get pulses, where they are listed, int32.
        ends: Where those of each row end there, the first number is 0: int64 (`BLOCK` + 1,).
        device: As in `PulseBatch`, for all weights.
        counts: Likewise.
    """

    weights: np.ndarray
    up: UpdatePathBuffers
    down: UpdatePathBuffers
    limits: np.ndarray
    signs: np.ndarray
    headroom: np.ndarray
    pulses: np.ndarray
    due: np.ndarray
    ends: np.ndarray
    device: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, estimate: "WeightEstimate") -> Self:
        """Views of an estimate."""
        up, down = (
            UpdatePathBuffers(*(part.numpy() for part in path))
            for path in (estimate.up, estimate.down)
        )
        weights = estimate.weights.numpy()
        limits, signs, headroom = (
            part.numpy() for part in (estimate.limits, estimate.signs, estimate.headroom)
        )
        some, size = BLOCK * weights.shape[1], weights.size
        pulses, due, device, counts = (np.empty(n, np.int32) for n in (some, some, size, size))
        ends = np.zeros(BLOCK + 1, np.int64)
        rows = pulses.reshape(BLOCK, -1)
        return cls(weights, up, down, limits, signs, headroom, rows, due, ends, device, counts)

    def batch(self, devices: int) -> PulseBatch:
        """The pulses for so many devices that were routed; they stay until more are routed."""
        return PulseBatch(self.device[:devices], self.counts[:devices])


@dataclass(frozen=True, eq=False)
class WeightEstimate:
    """A layer as last read back. Only `weights` go on: by the expected steps of what is sent.

    That is digital dead reckoning; devices, steps and headroom stay those of the read-back.

    Attributes:
        g: Conductances, siemens, shape of the board.
        weights: (rows, outputs) float32.
        up: How weights rise.
        down: How they fall.
        limits: Where physics stops a weight of each row, (rows, 2) float32.
        signs: (rows,) int8, as in `Mapping`.
        headroom: `Mapping.headroom`, float32; (0, 0) where it is physics that stops a weight at
            zero.
    """

    g: Tensor
    weights: Tensor
    up: UpdatePath
    down: UpdatePath
    limits: Tensor
    signs: Tensor
    headroom: Tensor

    @cached_property
    def arrays(self) -> EstimateBuffers:
        """The same for kernels."""
        return EstimateBuffers.of(self)
