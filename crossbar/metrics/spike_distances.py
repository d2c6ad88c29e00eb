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
    e, i = slice(None, excitatory), slice(excitatory, None)
    pairs = {"E-E": matrix[..., e, e], "E-I": matrix[..., e, i], "I-I": matrix[..., i, i]}
    means = dict[str, float]()
    for name, block in pairs.items():
        rows, columns = block.shape[-2:]
        count = rows * columns if name == "E-I" else rows * (rows - 1)
        total = block.sum((-2, -1)).mean()
        means[name] = float(total / count) if count > 0 else float("nan")
    return means
