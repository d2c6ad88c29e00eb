"""The dense part of the policies that accumulate, in one pass over the accumulator."""

import numpy as np

from ...jit import jit


@jit
def take_whole_steps(
    chi: np.ndarray,
    wanted: np.ndarray,
    up: np.ndarray,
    down: np.ndarray,
    pulses: np.ndarray,
    threshold: np.float32,
    least: np.float32,
    more: np.float32,
) -> None:
    """chi += wanted; pulses = chi / step in whole ones; chi -= pulses step, in place.

    Sent are `threshold` pulses or more, for a chi of at least `least`.

    Args:
        chi: The accumulator, float32 (rows, outputs).
        wanted: Weight changes, as `chi`.
        up: Steps where chi is positive, as `chi`.
        down: Steps where it is not.
        pulses: Receives the signed pulses, int32.
        threshold: In pulses, 1 or more.
        least: In units of the weight, 0 or more.
        more: Share of a step that is added before the rest is cut off: 0 cuts, 0.5 rounds.
    """
    for row in range(chi.shape[0]):
        for output in range(chi.shape[1]):
            total = chi[row, output] + wanted[row, output]
            # Both are loaded, so that the choice is no branch: signs are mixed.
            rise, fall = up[row, output], down[row, output]
            step = rise if total > 0.0 else fall
            whole = np.trunc(total / step + (more if total > 0.0 else -more))
            is_worth = (abs(whole) >= threshold) & (abs(total) >= least)
            whole = whole if is_worth else np.float32(0.0)
            chi[row, output] = total - whole * step
            pulses[row, output] = np.int32(whole)
