"""From signed pulses of weights to signed pulses of devices."""

import numpy as np
from torch import Tensor

from device_models.jit import jit

from ..boards.protocol import PulseBatch
from .estimate import EstimateBuffers, WeightEstimate

FEW = 4  # one weight of so many, or fewer, gets pulses: then a branch costs least


def route(pulses: Tensor, estimate: WeightEstimate) -> PulseBatch:
    """Signed counts per device from signed pulses per weight; `estimate.weights` follow them.

    A weight gets no pulse beyond the one that ends its headroom. What is sent towards zero uses the
    headroom up; what was sent away from zero gives back no more than that, for a device may be at
    its bound.

    Args:
        pulses: Up where positive, int32 (rows, outputs).
        estimate: Of the layer. Its weights change in place.
    """
    return estimate.arrays.batch(_route(pulses.numpy(), estimate.arrays))


@jit
def _route(pulses: np.ndarray, estimate: EstimateBuffers) -> int:
    """See `route`; to how many devices."""
    devices = 0
    for row in range(pulses.shape[0]):
        for output in range(pulses.shape[1]):
            estimate.pulses[output] = pulses[row, output]
        devices = route_row(row, estimate, devices)
    return devices


@jit
def route_row(row: int, estimate: EstimateBuffers, devices: int) -> int:
    """Route `estimate.pulses` to the weights of a row; they are consumed. See `route`.

    The whole row is computed, both ways of each weight, so that no choice is a branch: signs are
    mixed. It is put down after the `devices` before it; if it has few pulses, without the zeros.
    The result is how many there are then.
    """
    weights, up, down, limits, signs, headroom, pulses, device, counts = estimate
    up_device, up_polarity, rise = up
    down_device, down_polarity, fall = down
    outputs = weights.shape[1]
    if headroom.shape[0]:
        _hold_back(row, pulses, weights, rise, fall, signs, headroom)
    low, high, nonzero = limits[row, 0], limits[row, 1], 0
    for output in range(outputs):
        number, old = pulses[output], weights[row, output]
        higher, lower = rise[row, output], fall[row, output]
        moved = old + np.float32(number) * (higher if number > 0 else lower)
        moved = low if moved < low else moved
        moved = high if moved > high else moved
        weights[row, output] = moved if number != 0 else old
    start = np.uint64(devices)  # an unsigned index cannot count from the end: no branch
    for output in range(outputs):
        number, at = pulses[output], start + np.uint64(output)
        i, j = up_device[row, output], down_device[row, output]
        p, q = np.int32(up_polarity[row, output]), np.int32(-down_polarity[row, output])
        device[at] = i if number > 0 else j
        counts[at] = np.int32(number * (p if number > 0 else q))
        nonzero += number != 0
    if FEW * nonzero > outputs:
        devices += outputs
    elif nonzero:
        for output in range(outputs):
            at = start + np.uint64(output)
            if counts[at] != 0:
                device[devices], counts[devices] = device[at], counts[at]
                devices += 1
    return devices


@jit
def _hold_back(
    row: int,
    pulses: np.ndarray,
    weights: np.ndarray,
    rise: np.ndarray,
    fall: np.ndarray,
    signs: np.ndarray,
    headroom: np.ndarray,
) -> None:
    """Leave out the pulses beyond the one that ends the headroom of a weight."""
    for output in range(weights.shape[1]):
        wanted = pulses[output]
        if wanted * signs[row] < 0:
            step = rise[row, output] if wanted > 0 else fall[row, output]
            left = max(min(headroom[row, output], signs[row] * weights[row, output]), 0.0)
            most = min(np.ceil(left / step), np.float32(abs(wanted)))
            pulses[output] = np.int32(most if wanted > 0 else -most)
