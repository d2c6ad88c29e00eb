"""Samples as analog values."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from device_models.errors import ShapeError


def normalised(
    samples: NDArray[np.uint8], *, mean: Sequence[float], std: Sequence[float]
) -> NDArray[np.float32]:
    """(x / 255 - mean) / std of each channel: signed values. Four times the size: take some.

    Args:
        samples: (samples, rows, columns), one channel, or (samples, channels, rows, columns), 0 to
            full brightness 255.
        mean: Of each channel, share of full brightness.
        std: As `mean`, above 0.

    Returns:
        Of the shape of `samples`.

    Raises:
        ShapeError: There are not as many channels, or the samples are no images.
    """
    channels = {3: 1, 4: samples.shape[1]}.get(samples.ndim) if samples.ndim > 1 else None
    if channels is None or not channels == len(mean) == len(std):
        shape = " x ".join(map(str, samples.shape[1:]))
        raise ShapeError(
            f"samples of {shape} with {len(mean)} means and {len(std)} deviations; each channel "
            "of an image has one; nothing was encoded"
        )
    per_channel = (channels, 1, 1) if samples.ndim == 4 else (1, 1)
    scale = 1.0 / np.asarray(std, np.float32).reshape(per_channel)
    offset = np.asarray(mean, np.float32).reshape(per_channel) * scale
    return (samples * (scale / np.float32(255.0)) - offset).astype(np.float32, copy=False)
