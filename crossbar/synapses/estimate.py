"""What the digital side knows of a layer between two read-backs."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from torch import Tensor

from ..boards.protocol import PulseBatch


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
        pulses: Signed pulses of the weights of a row, int32 (outputs,).
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
        bounds = (part.numpy() for part in (estimate.limits, estimate.signs, estimate.headroom))
        row, size = weights.shape[1], weights.size
        buffers = (np.empty(shape, np.int32) for shape in (row, size, size))
        return cls(weights, up, down, *bounds, *buffers)

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
