"""Van Rossum distances between spike trains on a grid of time steps, for whole data sets.

Every train s becomes the trace f(t) = sum over its spikes of exp(-(t - t_k) / tau) for t >= t_k.
With infinitely long traces the squared distance of two trains is

    d^2 = (1 / tau) int (f_a - f_b)^2 dt = (A_aa + A_bb - 2 A_ab) / 2,
    A_ab = sum_kl exp(-|t_k - t_l| / tau),

so that one spike more makes 1/2, and two spikes far from each other 1: the textbook form. A is a
product of matrices, the spikes of all trains with themselves filtered in both directions, which a
recursion does in as many operations as there are steps.

The published form of the excitatory:inhibitory study sums instead of integrating, ends at the last
step, and takes the root: sqrt((1 / tau) sum_{t < T} (f_a - f_b)^2).

Source:
    M. C. W. van Rossum, Neural Computation 13, 751-763, 2001. C. Houghton and T. Kreuz, Network 23,
    48-58, 2012: the recursion. M. Kilgore et al., Sci. Rep. 15, 24798, 2025, with its code: the
    published form.
"""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Form = Literal["textbook", "published"]
FORMS: tuple[Form, ...] = ("textbook", "published")
PAIRS = ("E-E", "E-I", "I-I")
CELLS = 200_000  # of a grid (samples, trains, steps) whose traces fit a cache


def traces(spikes: NDArray[np.number[Any]], tau_steps: float) -> Floats:
    """Each train filtered by exp(-t / tau), from its spikes on.

    Args:
        spikes: Numbers of spikes, shape (..., steps).
        tau_steps: tau in time steps.
    """
    filtered, decay = spikes.astype(np.float64), np.exp(-1.0 / tau_steps)
    for t in range(1, filtered.shape[-1]):
        filtered[..., t] += decay * filtered[..., t - 1]
    return filtered


def distances(spikes: NDArray[np.number[Any]], tau_steps: float, form: Form = "textbook") -> Floats:
    """Distances of all pairs of trains: squared in the textbook form, its root as published.

    Args:
        spikes: Numbers of spikes, shape (..., trains, steps).
        tau_steps: tau in time steps.
        form: See the module.

    Returns:
        Shape (..., trains, trains), 0 on the diagonal.
    """
    counts = spikes.astype(np.float64)
    later = traces(counts, tau_steps)
    if form == "published":
        inner = later @ np.swapaxes(later, -1, -2) / tau_steps
    else:
        sooner = traces(counts[..., ::-1], tau_steps)[..., ::-1]
        inner = counts @ np.swapaxes(later + sooner - counts, -1, -2) / 2.0
    squares = np.diagonal(inner, axis1=-2, axis2=-1)
    squared = np.maximum(squares[..., :, None] + squares[..., None, :] - 2.0 * inner, 0.0)
    return np.asarray(np.sqrt(squared) if form == "published" else squared)


def block_means(matrix: Floats, excitatory: int) -> dict[str, float]:
    """Means over the pairs of two neurons: E-E, E-I and I-I; nan where there are none.

    Args:
        matrix: Distances, shape (..., trains, trains); the excitatory trains come first.
        excitatory: How many of them there are.
    """
    stack = matrix.reshape(-1, *matrix.shape[-2:])
    return dict(zip(PAIRS, _blocks(stack, excitatory).mean(0).tolist(), strict=True))


class DistanceSums:
    """Distances of the trains of a layer, added up over samples; neither spikes nor traces stay.

    Attributes:
        images: (classes,) samples so far.
        matrices: Form -> (classes, trains, trains), added up over samples.
        blocks: Form -> one array (samples, 3) of each part: `PAIRS` means; nan where there is none.
    """

    def __init__(self, classes: int, trains: int, excitatory: int, tau_steps: float) -> None:
        """Begin at nothing; the first `excitatory` trains are, see `distances` for tau."""
        self._excitatory, self._tau = excitatory, tau_steps
        self.images = np.zeros(classes, np.int64)
        self.matrices = {form: np.zeros((classes, trains, trains)) for form in FORMS}
        self.blocks: dict[Form, list[Floats]] = {form: [] for form in FORMS}

    def add(self, labels: NDArray[np.integer[Any]], spikes: NDArray[np.number[Any]]) -> None:
        """Add samples.

        Args:
            labels: (samples,) class of each.
            spikes: Numbers of spikes, (samples, trains, steps).
        """
        self.images += np.bincount(labels, minlength=len(self.images))
        most = max(1, CELLS // max(1, spikes[0].size if len(spikes) else 1))
        for low in range(0, len(spikes), most):
            part = slice(low, low + most)
            for form in FORMS:
                each = distances(spikes[part], self._tau, form)
                for label, matrix in zip(labels[part], each, strict=True):
                    self.matrices[form][label] += matrix
                self.blocks[form].append(_blocks(each, self._excitatory))

    def means(self, form: Form) -> Floats:
        """Mean over all samples, (trains, trains)."""
        return np.asarray(self.matrices[form].sum(0) / max(1, int(self.images.sum())))

    def per_sample(self, form: Form) -> Floats:
        """Means over the pairs of each sample, (samples, 3), as `PAIRS`."""
        return np.concatenate(self.blocks[form]) if self.blocks[form] else np.zeros((0, 3))


def _blocks(matrices: Floats, excitatory: int) -> Floats:
    """Means over the pairs of `PAIRS` of each matrix, (matrices, 3)."""
    n = matrices.shape[-1]
    e, i = excitatory, n - excitatory
    pairs = np.array([e * (e - 1), e * i, i * (i - 1)], np.float64)
    sums = np.stack(
        [
            matrices[:, :e, :e].sum((1, 2)),
            matrices[:, :e, e:].sum((1, 2)),
            matrices[:, e:, e:].sum((1, 2)),
        ],
        axis=1,
    )
    nothing = np.full(sums.shape, np.nan)
    return np.asarray(np.divide(sums, pairs, out=nothing, where=pairs > 0.0))
