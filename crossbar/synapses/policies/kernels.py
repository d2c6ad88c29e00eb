"""The dense part of the policies that accumulate, in one pass over the accumulator."""

import numpy as np

from device_models.jit import inlined, jit

from ..estimate import EstimateBuffers
from ..pulse_router import route_row

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
    devices, pulses, up, down = 0, estimate.pulses, estimate.up.step, estimate.down.step
    for row in range(chi.shape[0]):
        large = np.int32(0)  # changes of a step or more: in most rows there are none
        for output in range(chi.shape[1]):
            total = chi[row, output] + wanted[row, output]
            chi[row, output] = total
            large |= np.int32((total >= up[row, output]) | (total <= -down[row, output]))
        if large == 0:
            continue
        for output in range(chi.shape[1]):
            total, rise, fall = chi[row, output], up[row, output], down[row, output]
            whole = round_to_pulses(total, rise, fall, threshold, least, np.float32(0.0))
            chi[row, output] = total - whole * (rise if total > 0.0 else fall)
            pulses[output] = np.int32(whole)
        devices = route_row(row, estimate, devices)
    return devices


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
    devices, pulses, up, down = 0, estimate.pulses, estimate.up.step, estimate.down.step
    for row in range(target.shape[0]):
        low, high, large = estimate.limits[row, 0], estimate.limits[row, 1], np.int32(0)
        for output in range(target.shape[1]):
            moved = target[row, output] + wanted[row, output]
            moved = low if moved < low else moved
            moved = high if moved > high else moved
            target[row, output] = moved
            gap = moved - estimate.weights[row, output]
            large |= np.int32((gap > MOST * up[row, output]) | (gap < -MOST * down[row, output]))
        if large == 0:
            continue
        for output in range(target.shape[1]):
            gap = target[row, output] - estimate.weights[row, output]
            rise, fall = up[row, output], down[row, output]
            whole = round_to_pulses(gap, rise, fall, threshold, least, np.float32(0.5))
            pulses[output] = np.int32(whole)
        devices = route_row(row, estimate, devices)
    return devices


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
            moved = (here - first) if sent > 0.0 else (first - here)
            size = abs(sent)
            is_idle = (size > worth * ((rise if sent > 0.0 else fall) + noise)) & (
                moved < followed * size
            )
            let_go = share * gap
            target[row, output] -= let_go if is_idle & (gap * sent > 0.0) else np.float32(0.0)
