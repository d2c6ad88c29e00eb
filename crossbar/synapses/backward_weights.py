"""The weights that carry the error back."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from .estimate import WeightEstimate


def backward_weights(
    kind: Literal["readback", "true", "sign"],
    estimates: Sequence[WeightEstimate],
    effective: Sequence[np.ndarray],
) -> list[np.ndarray]:
    """One array (rows, outputs) float32 per crossbar.

    Args:
        kind: `readback` is what the digital side knows. `sign` needs one bit a weight: the sign of
            what it knows times the mean size over the layer. `true` is the conductances
            themselves, which no hardware knows: for comparison in the emulator.
        estimates: The layers as last read back and moved on.
        effective: Weights as the forward pass reads them; only `true` looks at them.

    Source:
        Signs: Q. Liao, J. Z. Leibo, T. Poggio, AAAI 2016 (sign-concordant feedback); the mean size
        as common magnitude is ours.
    """
    if kind == "true":
        return list(effective)
    read = [estimate.weights.numpy() for estimate in estimates]
    if kind == "readback":
        return read
    return [np.sign(weights) * np.abs(weights).mean() for weights in read]
