"""Principal components of the numbers of spikes of a layer, over samples."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
AT_A_TIME = 4096  # samples in float64


class Components(NamedTuple):
    """Directions in which a layer varies most.

    Attributes:
        mean: (neurons,) of the samples.
        axes: (neurons, neurons) rows of length 1, by falling variance; the entry that is largest
            in magnitude is positive.
        variances: (neurons,) along them, of the sample (n - 1), spikes squared.
    """

    mean: Floats
    axes: Floats
    variances: Floats

    @property
    def shares(self) -> Floats:
        """Share of the variance along each; nan where nothing varies."""
        total = self.variances.sum()
        return self.variances / total if total > 0.0 else np.full(len(self.variances), np.nan)

    @property
    def dimensions(self) -> float:
        """Participation ratio, (sum v)^2 / sum v^2: how many of them count; nan likewise."""
        squares = float((self.variances**2).sum())
        return float(self.variances.sum()) ** 2 / squares if squares > 0.0 else float("nan")

    def scores(self, counts: NDArray[np.number[Any]], components: int) -> Floats:
        """Samples along the first axes, (samples, components)."""
        return np.asarray((counts - self.mean) @ self.axes[:components].T)


def principal_components(counts: NDArray[np.number[Any]]) -> Components:
    """By singular values of the covariance, which is added up over parts of the samples.

    Args:
        counts: (samples, neurons) spikes; at least two samples.
    """
    mean = counts.mean(0, dtype=np.float64)
    covariance = np.zeros((counts.shape[1],) * 2)
    for low in range(0, len(counts), AT_A_TIME):
        centred = counts[low : low + AT_A_TIME] - mean
        covariance += centred.T @ centred
    _, variances, axes = np.linalg.svd(covariance / max(1, len(counts) - 1), hermitian=True)
    largest = np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1)
    return Components(mean, np.where(largest < 0.0, -axes, axes), variances)
