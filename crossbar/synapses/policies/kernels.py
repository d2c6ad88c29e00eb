"""The dense part of the policies that accumulate, in one pass over the accumulator."""

import numpy as np

from device_models.jit import inlined, jit

from ..estimate import BLOCK, EstimateBuffers
from ..pulse_router import block_of, list_due, route_block

MOST = np.float32(0.49)  # of a step: no less than this is rounded up to one


@inlined
def round_to_pulses(
    total: np.float32,
    rise: np.float32,
    fall: np.float32,
    threshold: np.float32,
    least: np.float32,
    more: np.float32,
) -> np.float32:
    """Signed whole steps that a change is worth; see `take_whole_steps`.

    `more` is the share of a step that is added before the rest is cut off: 0 cuts, 0.5 rounds.
    """
    # Both steps are there, so that the choice is no branch: signs are mixed.
    whole = np.trunc(total / (rise if total > 0.0 else fall) + (more if total > 0.0 else -more))
    is_worth = (abs(whole) >= threshold) & (abs(total) >= least)
    return whole if is_worth else np.float32(0.0)


@jit
def take_whole_steps(
    chi: np.ndarray,
    wanted: np.ndarray,
    estimate: EstimateBuffers,
    threshold: np.float32,
    least: np.float32,
) -> int:
    """chi += wanted; pulses = chi / step in whole ones; chi -= pulses step; the pulses are routed.

    What is sent are `threshold` pulses or more, for a chi of at least `least`.

    Args:
        chi: The accumulator, float32 (rows, outputs). Changed.
        wanted: Weight changes, as `chi`.
        estimate: Of the layer, which follows.
        threshold: In pulses, 1 or more.
        least: In units of the weight, 0 or more.

    Returns:
        For how many devices there are pulses.
    """
    devices, rows = 0, chi.shape[0]
    for first in range(0, rows, BLOCK):
        last = min(first + BLOCK, rows)
        block = block_of(estimate, first, last, devices)
        if _gather(chi[first:last], wanted[first:last], block):
            is_listed = list_due(block)
            _take(chi[first:last], block, is_listed, threshold, least)
            devices += route_block(block, is_listed)
    return devices


@jit
def _gather(chi: np.ndarray, wanted: np.ndarray, block: EstimateBuffers) -> bool:
    """chi += wanted; whether a change is a step or more. `block.pulses` marks these."""
    pulses, up, down, large = block.pulses, block.up.step, block.down.step, np.int32(0)
    for row in range(chi.shape[0]):
        for output in range(chi.shape[1]):
            chi[row, output] += wanted[row, output]
        for output in range(chi.shape[1]):
            total = chi[row, output]
            is_due = np.int32((total >= up[row, output]) | (total <= -down[row, output]))
            pulses[row, output] = is_due
            large |= is_due
    return bool(large != 0)


@jit
def _take(
    chi: np.ndarray,
    block: EstimateBuffers,
    is_listed: bool,
    threshold: np.float32,
    least: np.float32,
) -> None:
    """Whole steps of chi, of those listed or of all, become `block.pulses`."""
    pulses, up, down, due, ends = (
        block.pulses,
        block.up.step,
        block.down.step,
        block.due,
        block.ends,
    )
    none = np.float32(0.0)
    for row in range(chi.shape[0]):
        for k in range(ends[row], ends[row + 1] if is_listed else ends[row]):
            output = due[k]
            total, rise, fall = chi[row, output], up[row, output], down[row, output]
            whole = round_to_pulses(total, rise, fall, threshold, least, none)
            chi[row, output] = total - whole * (rise if total > 0.0 else fall)
            pulses[row, output] = np.int32(whole)
        if is_listed or ends[row + 1] == ends[row]:
            continue
        for output in range(chi.shape[1]):
            total, rise, fall = chi[row, output], up[row, output], down[row, output]
            whole = round_to_pulses(total, rise, fall, threshold, least, none)
            chi[row, output] = total - whole * (rise if total > 0.0 else fall)
            pulses[row, output] = np.int32(whole)


@jit
def track_target(
    target: np.ndarray,
    wanted: np.ndarray,
    estimate: EstimateBuffers,
    threshold: np.float32,
    least: np.float32,
) -> int:
    """target += wanted, within the limits; pulses = (target - weights) / step, rounded, are routed.

    All arguments and the result are those of `take_whole_steps`; a threshold of infinity sends
    nothing.
    """
    devices, rows = 0, target.shape[0]
    for first in range(0, rows, BLOCK):
        last = min(first + BLOCK, rows)
        block = block_of(estimate, first, last, devices)
        if _follow(target[first:last], wanted[first:last], block):
            is_listed = list_due(block)
            _close(target[first:last], block, is_listed, threshold, least)
            devices += route_block(block, is_listed)
    return devices


@jit
def _follow(target: np.ndarray, wanted: np.ndarray, block: EstimateBuffers) -> bool:
    """target += wanted; whether a gap is worth a pulse. `block.pulses` marks these."""
    pulses, up, down, large = block.pulses, block.up.step, block.down.step, np.int32(0)
    weights, limits = block.weights, block.limits
    for row in range(target.shape[0]):
        low, high = limits[row, 0], limits[row, 1]
        for output in range(target.shape[1]):
            moved = target[row, output] + wanted[row, output]
            moved = low if moved < low else moved
            target[row, output] = high if moved > high else moved
        for output in range(target.shape[1]):
            gap = target[row, output] - weights[row, output]
            is_due = np.int32((gap > MOST * up[row, output]) | (gap < -MOST * down[row, output]))
            pulses[row, output] = is_due
            large |= is_due
    return bool(large != 0)


@jit
def _close(
    target: np.ndarray,
    block: EstimateBuffers,
    is_listed: bool,
    threshold: np.float32,
    least: np.float32,
) -> None:
    """Gaps in whole steps, of those listed or of all, become `block.pulses`."""
    pulses, up, down, due, ends = (
        block.pulses,
        block.up.step,
        block.down.step,
        block.due,
        block.ends,
    )
    weights, half = block.weights, np.float32(0.5)
    for row in range(target.shape[0]):
        for k in range(ends[row], ends[row + 1] if is_listed else ends[row]):
            output = due[k]
            gap = target[row, output] - weights[row, output]
            rise, fall = up[row, output], down[row, output]
            whole = round_to_pulses(gap, rise, fall, threshold, least, half)
            pulses[row, output] = np.int32(whole)
        if is_listed or ends[row + 1] == ends[row]:
            continue
        for output in range(target.shape[1]):
            gap = target[row, output] - weights[row, output]
            rise, fall = up[row, output], down[row, output]
            whole = round_to_pulses(gap, rise, fall, threshold, least, half)
            pulses[row, output] = np.int32(whole)


@jit
def release_target(
    target: np.ndarray,
    start: np.ndarray,
    expected: np.ndarray,
    now: np.ndarray,
    up: np.ndarray,
    down: np.ndarray,
    numbers: np.ndarray,
) -> None:
    """Take a share of its gap off each target that its weight does not follow, in place.

    Args:
        target: float32 (rows, outputs).
        start: Weights at the read-back before, as `target`.
        expected: Those, moved on by the pulses sent since.
        now: Weights at this read-back.
        up: Steps that were expected of rising weights.
        down: Of falling ones.
        numbers: Steps that must have been sent, noise of an operation in units of the weight,
            share of what was sent that counts as followed, share of the gap that goes.
    """
    worth, noise, followed, share = numbers
    for row in range(target.shape[0]):
        for output in range(target.shape[1]):
            first, here = start[row, output], now[row, output]
            rise, fall = up[row, output], down[row, output]
            sent, gap = expected[row, output] - first, target[row, output] - here
            moved, size, let_go = here - first, abs(sent), share * gap
            moved = moved if sent > 0.0 else -moved  # what is chosen is there before: no branch
            is_idle = (size > worth * ((rise if sent > 0.0 else fall) + noise)) & (
                moved < followed * size
            )
            is_idle &= gap * sent > 0.0
            target[row, output] -= let_go if is_idle else np.float32(0.0)
