"""The mean gradient of a batch from the sums of its chunks."""

import numpy as np

from device_models.jit import jit


@jit
def mean_of_chunks(sums: np.ndarray, samples: int, first: int, last: int, mean: np.ndarray) -> None:
    """Add up the chunks in their order and divide, for some rows; padding is left out.

    The sums become zero, for the next batch: here they are near.

    Each number of the result has its own sum in one fixed order: rows may be split over threads in
    any way.

    Args:
        sums: One sum per chunk, (chunks, rows, width) float32. They become zero.
        samples: What the sums are divided by.
        first: First row.
        last: The row after the last one.
        mean: Receives the result, (at most rows, at most width) float32.
    """
    count, none = np.float32(samples), np.float32(0.0)
    for row in range(first, last):
        for column in range(mean.shape[1]):
            mean[row, column] = sums[0, row, column]
        for chunk in range(1, sums.shape[0]):
            for column in range(mean.shape[1]):
                mean[row, column] += sums[chunk, row, column]
        for column in range(mean.shape[1]):
            mean[row, column] /= count
        for chunk in range(sums.shape[0]):
            for column in range(sums.shape[2]):
                sums[chunk, row, column] = none
