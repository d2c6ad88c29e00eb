"""What a trainer knows of a layer between two read-backs, and the counts of its pulses."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Self

import numpy as np
from torch import Tensor

from device_models.jit import jit

from ..boards.protocol import PulseBatch

BLOCK = 16  # rows whose pulses are sent together: they stay in the nearest cache
FEW = 4  # one weight of so many, or fewer, gets pulses: then a branch costs least


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
    """What kernels take of a `WeightEstimate`, and headroom for the pulses that they send.

    Attributes:
        weights: As in `WeightEstimate`, like the next five.
        up: See `WeightEstimate`.
        down: Likewise.
        limits: Likewise.
        signs: Likewise.
        headroom: Likewise.
        pulses: Signed pulses of the weights of a block of rows, int32 (BLOCK, outputs).
        where: As in `PulseBatch`, for all weights.
        counts: Likewise.
    """

    weights: np.ndarray
    up: UpdatePathBuffers
    down: UpdatePathBuffers
    limits: np.ndarray
    signs: np.ndarray
    headroom: np.ndarray
    pulses: np.ndarray
    where: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, known: "WeightEstimate") -> Self:
        """Views of what is known."""
        up, down = (
            UpdatePathBuffers(*(part.numpy() for part in way)) for way in (known.up, known.down)
        )
        weights = known.weights.numpy()
        parts = (part.numpy() for part in (known.limits, known.signs, known.headroom))
        block, size = (BLOCK, weights.shape[1]), weights.size
        own = (np.empty(shape, np.int32) for shape in (block, size, size))
        return cls(weights, up, down, *parts, *own)

    def sent(self, found: int) -> PulseBatch:
        """What `send_rows` has put down; it stays until more is sent."""
        return PulseBatch(self.where[:found], self.counts[:found])


@dataclass(frozen=True, eq=False)
class WeightEstimate:
    """A layer as last read back. Only `weights` go on: by the expected steps of what is sent.

    That is digital dead reckoning; devices, steps and rooms stay those of the read-back.

    Attributes:
        g: Conductances, siemens, shape of the board.
        weights: (rows, outputs) float32.
        up: How weights rise.
        down: How they fall.
        limits: Where physics stops a weight of each row, (rows, 2) float32.
        signs: (rows,) int8, as in `Mapping`.
        headroom: `Mapping.headroom`, float32; (0, 0) where it is physics that stops a weight at zero.
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


def send(pulses: Tensor, known: WeightEstimate) -> PulseBatch:
    """Signed counts per device from signed pulses per weight; `known.weights` follow them.

    A weight gets no pulse beyond the one that ends its headroom. What is sent towards zero uses the
    headroom up; what was sent away from zero gives back no more than that, for a device may be at its
    bound.

    Args:
        pulses: Up where positive, int32 (rows, outputs).
        known: Of the layer. Its weights change in place.
    """
    return known.arrays.sent(_send(pulses.numpy(), known.arrays))


@jit
def _send(pulses: np.ndarray, known: EstimateBuffers) -> int:
    """See `send`; to how many devices."""
    found = 0
    for first in range(0, pulses.shape[0], BLOCK):
        for row in range(first, min(first + BLOCK, pulses.shape[0])):
            for output in range(pulses.shape[1]):
                known.pulses[row - first, output] = pulses[row, output]
        found = send_rows(first, known, found)
    return found


@jit
def send_rows(first: int, known: EstimateBuffers, found: int) -> int:
    """Send `known.pulses` to the weights of `BLOCK` rows; they are consumed. See `send`.

    Whole rows are computed, both ways of each weight, so that no choice is a branch: signs are
    mixed. A row is put down after what was `found` before; if it has few pulses, without the zeros.
    """
    weights, up, down, limits, signs, headroom, block, where, counts = known
    up_device, up_polarity, rise = up
    down_device, down_polarity, fall = down
    outputs = weights.shape[1]
    if headroom.shape[0]:
        _hold_back(first, block, weights, rise, fall, signs, headroom)
    for row in range(first, min(first + BLOCK, weights.shape[0])):
        low, high, some, own = limits[row, 0], limits[row, 1], 0, np.uint32(row - first)
        for output in range(outputs):
            number, old = block[own, output], weights[row, output]
            higher, lower = rise[row, output], fall[row, output]
            moved = old + np.float32(number) * (higher if number > 0 else lower)
            moved = low if moved < low else moved
            moved = high if moved > high else moved
            weights[row, output] = moved if number != 0 else old
        start = np.uint64(found)  # an unsigned index cannot count from the end: no branch
        for output in range(outputs):
            number, place = block[own, output], start + np.uint64(output)
            i, j = up_device[row, output], down_device[row, output]
            p, q = np.int32(up_polarity[row, output]), np.int32(-down_polarity[row, output])
            where[place] = i if number > 0 else j
            counts[place] = np.int32(number * (p if number > 0 else q))
            some += number != 0
        if FEW * some > outputs:
            found += outputs
        elif some:
            for output in range(outputs):
                place = start + np.uint64(output)
                if counts[place] != 0:
                    where[found], counts[found] = where[place], counts[place]
                    found += 1
    return found


@jit
def _hold_back(
    first: int,
    pulses: np.ndarray,
    weights: np.ndarray,
    rise: np.ndarray,
    fall: np.ndarray,
    signs: np.ndarray,
    headroom: np.ndarray,
) -> None:
    """Leave out the pulses beyond the one that ends the headroom of a weight."""
    for row in range(first, min(first + BLOCK, weights.shape[0])):
        for output in range(weights.shape[1]):
            wanted = pulses[row - first, output]
            if wanted * signs[row] < 0:
                step = rise[row, output] if wanted > 0 else fall[row, output]
                left = max(min(headroom[row, output], signs[row] * weights[row, output]), 0.0)
                most = min(np.ceil(left / step), np.float32(abs(wanted)))
                pulses[row - first, output] = np.int32(most if wanted > 0 else -most)
