"""From signed pulses of weights to signed pulses of devices."""

import numpy as np
from torch import Tensor

from device_models.jit import jit

from ..boards.protocol import PulseBatch
from .estimate import BLOCK, EstimateBuffers, UpdatePathBuffers, WeightEstimate

FEW = 4  # one weight of so many, or fewer, gets pulses: then they cost least one by one


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
    devices, (rows, outputs) = 0, pulses.shape
    for first in range(0, rows, BLOCK):
        block = block_of(estimate, first, min(first + BLOCK, rows), devices)
        for row in range(block.pulses.shape[0]):
            for output in range(outputs):
                block.pulses[row, output] = pulses[first + row, output]
        devices += route_block(block, list_due(block))
    return devices


@jit
def block_of(estimate: EstimateBuffers, first: int, last: int, devices: int) -> EstimateBuffers:
    """The rows from `first` on, before `last`, and the room behind so many devices.

    An array that is passed on is counted by its owners, and one that is reached by a sum of indices
    is not vectorised: so kernels take some rows at a time, as arrays of their own.
    """
    weights, up, down, limits, signs, headroom, pulses, due, ends, device, counts = estimate
    return EstimateBuffers(
        weights[first:last],
        UpdatePathBuffers(up.device[first:last], up.polarity[first:last], up.step[first:last]),
        UpdatePathBuffers(
            down.device[first:last], down.polarity[first:last], down.step[first:last]
        ),
        limits[first:last],
        signs[first:last],
        headroom[first:last],
        pulses[: last - first],
        due,
        ends,
        device[devices:],
        counts[devices:],
    )


@jit
def list_due(block: EstimateBuffers) -> bool:
    """List the weights whose `block.pulses` are not 0, if these are few.

    Those of row r stand in `block.due[block.ends[r] : block.ends[r + 1]]`. The result is whether
    they are listed; if not, a row of which there are none is still known by its equal ends.
    """
    pulses, due, ends, total = block.pulses, block.due, block.ends, 0
    rows, outputs = pulses.shape
    for row in range(rows):
        some = np.int32(0)  # a counter of 64 bits is not vectorised
        for output in range(outputs):
            some = np.int32(some + np.int32(pulses[row, output] != 0))
        total += int(some)
        ends[row + 1] = total
    if FEW * total > rows * outputs:
        return False
    for row in range(rows):
        at = np.uint64(ends[row])  # an unsigned index cannot count from the end: no branch
        for output in range(outputs if ends[row + 1] > ends[row] else 0):
            due[at] = output
            at += np.uint64(pulses[row, output] != 0)
    return True


@jit
def route_block(block: EstimateBuffers, is_listed: bool) -> int:
    """Route `block.pulses` to the weights of some rows; they are consumed. See `route`.

    Args:
        block: From `block_of`. Its weights change.
        is_listed: From `list_due`.

    Returns:
        For how many devices pulses, or zeros, were put down.
    """
    if block.headroom.shape[0]:
        _hold_back(block)
    devices: int = _route_listed(block) if is_listed else _route_all(block)
    return devices


@jit
def _route_listed(block: EstimateBuffers) -> int:
    """`route_block`, weight by weight."""
    weights, up, down, limits, _, _, pulses, due, ends, device, counts = block
    devices = 0
    for row in range(pulses.shape[0]):
        low, high = limits[row, 0], limits[row, 1]
        for k in range(ends[row], ends[row + 1]):
            output = due[k]
            number = pulses[row, output]
            if number > 0:
                step = up.step[row, output]
                device[devices] = up.device[row, output]
                counts[devices] = number * np.int32(up.polarity[row, output])
            else:
                step = down.step[row, output]
                device[devices] = down.device[row, output]
                counts[devices] = -number * np.int32(down.polarity[row, output])
            if number != 0:  # what was held back gets none
                moved = weights[row, output] + np.float32(number) * step
                weights[row, output] = min(max(moved, low), high)
                devices += 1
    return devices


@jit
def _route_all(block: EstimateBuffers) -> int:
    """`route_block`, both ways of each weight: signs are mixed, and no choice is a branch.

    Whole rows are put down, zeros too. Every loop writes one array, or none is vectorised.
    """
    weights, up, down, limits, _, _, pulses, _, ends, device, counts = block
    devices, outputs = 0, weights.shape[1]
    for row in range(weights.shape[0]):
        if ends[row + 1] == ends[row]:
            continue
        low, high, start = limits[row, 0], limits[row, 1], np.uint64(devices)
        for output in range(outputs):
            number, old = pulses[row, output], weights[row, output]
            higher, lower = up.step[row, output], down.step[row, output]
            moved = old + np.float32(number) * (higher if number > 0 else lower)
            moved = low if moved < low else moved
            moved = high if moved > high else moved
            weights[row, output] = moved if number != 0 else old
        for output in range(outputs):
            i, j = up.device[row, output], down.device[row, output]
            device[start + np.uint64(output)] = i if pulses[row, output] > 0 else j
        for output in range(outputs):
            number = pulses[row, output]
            p, q = np.int32(up.polarity[row, output]), np.int32(-down.polarity[row, output])
            counts[start + np.uint64(output)] = np.int32(number * (p if number > 0 else q))
        devices += outputs
    return devices


@jit
def _hold_back(block: EstimateBuffers) -> None:
    """Leave out the pulses beyond the one that ends the headroom of a weight."""
    weights, up, down, _, signs, headroom, pulses, _, ends, _, _ = block
    for row in range(weights.shape[0]):
        for output in range(weights.shape[1] if ends[row + 1] > ends[row] else 0):
            wanted = pulses[row, output]
            if wanted * signs[row] < 0:
                step = up.step[row, output] if wanted > 0 else down.step[row, output]
                left = max(min(headroom[row, output], signs[row] * weights[row, output]), 0.0)
                most = min(np.ceil(left / step), np.float32(abs(wanted)))
                pulses[row, output] = np.int32(most if wanted > 0 else -most)
