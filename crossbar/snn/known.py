"""What a trainer knows of a layer between two read-backs, and the counts of its pulses."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..jit import jit


class Way(NamedTuple):
    """One direction that weights can move in; all (rows, outputs).

    Attributes:
        device: int32, flat index of the device that is pulsed.
        polarity: int8, +1 SET, -1 RESET.
        step: float32, expected change by the next pulse, positive, weight units.
    """

    device: Tensor
    polarity: Tensor
    step: Tensor


class Known(NamedTuple):
    """A layer as last read back. Only `weights` go on: by the expected steps of what is sent.

    That is digital dead reckoning; devices, steps and rooms stay those of the read-back.

    Attributes:
        g: Conductances, siemens, shape of the board.
        weights: (rows, outputs) float32.
        up: How weights rise.
        down: How they fall.
        limits: Where physics stops a weight of each row, (rows, 2) float32.
        signs: (rows,) int8, as in `Mapping`.
        room: `Mapping.room`, float32; (0, 0) where it is physics that stops a weight at zero.
    """

    g: Tensor
    weights: Tensor
    up: Way
    down: Way
    limits: Tensor
    signs: Tensor
    room: Tensor


class _Arrays(NamedTuple):
    """A `Way` as the kernel takes it."""

    device: np.ndarray
    polarity: np.ndarray
    step: np.ndarray


def send(pulses: Tensor, known: Known) -> Tensor:
    """Signed counts per device from signed pulses per weight; `known.weights` follow them.

    A weight gets no pulse beyond the one that ends its room. What is sent towards zero uses the
    room up; what was sent away from zero gives back no more than that, for a device may be at its
    bound.

    Args:
        pulses: Up where positive, int32 (rows, outputs).
        known: Of the layer. Its weights change in place.

    Returns:
        int32, shape of `known.g`.
    """
    counts = torch.zeros(known.g.shape, dtype=torch.int32)
    up, down = (_Arrays(*(part.numpy() for part in way)) for way in (known.up, known.down))
    weights, limits = known.weights.numpy(), known.limits.numpy()
    allowed = pulses.numpy()
    if known.room.numel():
        signs, room = known.signs.numpy(), known.room.numpy()
        allowed = _within_room(allowed, up.step, down.step, signs, room, weights)
    _send(allowed, up, down, limits, weights, counts.view(-1).numpy())
    return counts


@jit
def _within_room(
    pulses: np.ndarray,
    up: np.ndarray,
    down: np.ndarray,
    signs: np.ndarray,
    room: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """Pulses, none beyond the one that ends the room of its weight; `up`, `down`: the steps."""
    allowed = pulses.copy()
    for row in range(pulses.shape[0]):
        for output in range(pulses.shape[1]):
            wanted = pulses[row, output]
            if wanted * signs[row] < 0:
                is_up = wanted > 0
                step = up[row, output] if is_up else down[row, output]
                left = max(min(room[row, output], signs[row] * weights[row, output]), 0.0)
                most = min(np.ceil(left / step), np.float32(abs(wanted)))
                allowed[row, output] = np.int32(most if is_up else -most)
    return allowed


@jit
def _send(
    pulses: np.ndarray,
    up: _Arrays,
    down: _Arrays,
    limits: np.ndarray,
    weights: np.ndarray,
    counts: np.ndarray,
) -> None:
    """Move the weights and write the counts, which are flat and zero.

    Both ways are loaded first, so that the choice is no branch: signs are mixed.
    """
    for row in range(pulses.shape[0]):
        low, high = limits[row, 0], limits[row, 1]
        for output in range(pulses.shape[1]):
            number, old = pulses[row, output], weights[row, output]
            rise, fall = up.step[row, output], down.step[row, output]
            moved = old + np.float32(number) * (rise if number > 0 else fall)
            moved = low if moved < low else moved
            moved = high if moved > high else moved
            weights[row, output] = moved if number != 0 else old
        for output in range(pulses.shape[1]):
            number = pulses[row, output]
            if number != 0:
                i, j = up.device[row, output], down.device[row, output]
                p, q = up.polarity[row, output], -down.polarity[row, output]
                counts[i if number > 0 else j] = number * (p if number > 0 else q)
