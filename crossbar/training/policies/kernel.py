"""The dense part of `accumulate`, in one pass over the accumulator."""

import numpy as np

from ...jit import jit


@jit
def take_whole_steps(
    chi: np.ndarray, wanted: np.ndarray, up: np.ndarray, down: np.ndarray, pulses: np.ndarray
) -> None:
    """chi += wanted; pulses = trunc(chi / step); chi -= pulses step, in place.

    Args:
        chi: The accumulator, float32 (rows, outputs).
        wanted: Weight changes, as `chi`.
        up: Steps where chi is positive, as `chi`.
        down: Steps where it is not.
        pulses: Receives the signed pulses, int32.
    """
    for row in range(chi.shape[0]):
        for output in range(chi.shape[1]):
            total = chi[row, output] + wanted[row, output]
            # Both are loaded, so that the choice is no branch: signs are mixed.
            rise, fall = up[row, output], down[row, output]
            step = rise if total > 0.0 else fall
            whole = np.trunc(total / step)
            chi[row, output] = total - whole * step
            pulses[row, output] = np.int32(whole)
