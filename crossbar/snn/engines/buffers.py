"""The arrays that the kernels read and write, made from a network and its crossbars."""

import math
import mmap
from collections.abc import Sequence

import numpy as np

from ...synapses.effective import EffectiveWeights
from .. import kernels
from ..encodings.events import Events
from ..kernels.simd import LANES
from ..network import Network

CACHE_LINE = 64  # bytes
HUGE_PAGE = 1 << 21  # bytes
LARGE = 1 << 18  # bytes


def constants(
    network: Network, tile_rows: int, dtype: type[np.floating] = np.float32
) -> kernels.Constants:
    """The numbers of a network as the kernels take them, in the dtype of the weights."""
    return kernels.Constants(
        dtype(network.alpha),
        dtype(network.beta),
        dtype(1.0),
        dtype(network.surrogate_scale),
        dtype(1.0),
        dtype(network.spikes_most or 0.0),
        dtype(network.least_spikes),
        dtype(network.spikes_penalty),
        network.steps,
        tile_rows,
        network.classes,
    )


def scratch(
    steps: int, widths: Sequence[int], dtype: type[np.floating] = np.float32
) -> kernels.Scratch:
    """What the kernels overwrite with every sample, for crossbars of these (padded) widths."""
    *hidden, readout = widths
    courses = tuple(
        kernels.LayerTrace(
            aligned((steps + 1, 2 * width), dtype),
            aligned((steps + 1, width), dtype),
            aligned((steps + 1, width), dtype),
            np.zeros((steps, 4 * words_of(width)), np.uint16),
            np.zeros(steps * width, np.uint16),
            np.zeros(steps * width, np.uint8),
            aligned((2 * width,), dtype),
            width,
            words_of(width),
        )
        for width in hidden
    )
    scores = kernels.OutputTrace(
        aligned((steps + 1, 2 * readout), dtype),
        aligned((steps + 1, readout), dtype),
        aligned((readout,), dtype),
        aligned((readout,), dtype),
        aligned((readout,), dtype),
        aligned((readout + 1, hidden[-1]), dtype),
        np.zeros(steps + 1, np.int64),
        readout,
    )
    volleys = tuple(
        kernels.TimeBins(
            np.zeros(steps + 1, np.int64),
            np.zeros(steps + 2, np.int64),
            np.zeros(steps + 1, np.int64),
        )
        for _ in widths
    )
    return kernels.Scratch(courses, scores, volleys)


def words_of(width: int) -> int:
    """Words of 64 bits that hold a bit for each neuron of a layer."""
    return -(-width // 64)


def empty_tally(
    network: Network, samples: int, width: int, *, keep: bool = False
) -> kernels.BatchStats:
    """A tally of nothing yet; `width` is that of the widest layer; `keep` makes room for spikes."""
    layers = len(network.hidden)
    room = (layers, samples * network.steps * max(network.hidden)) if keep else (0, 0)
    return kernels.BatchStats(
        np.zeros((layers, width), np.int64),
        np.zeros(samples, np.int64),
        np.zeros(samples),
        np.zeros(layers + 1, np.int64),
        np.zeros(layers + 1, np.int64),
        np.zeros(layers + 1),
        np.zeros(layers + 1, np.int64),
        np.empty(room, np.uint16),  # memory that is not written is not taken
        np.empty(room, np.uint8),
        np.zeros((room[0], samples + 1), np.int64),
        width,
    )


def trimmed(tally: kernels.BatchStats) -> kernels.BatchStats:
    """A tally that lets go of the room that no spike took."""
    most = int(tally.kept_ends.max(initial=0))
    rows, times = tally.kept_rows[:, :most].copy(), tally.kept_times[:, :most].copy()
    return tally._replace(kept_rows=rows, kept_times=times)


def kept(tallies: Sequence[kernels.BatchStats], layer: int) -> Events:
    """The spikes of one hidden layer that the tallies of chunks kept, in their order."""
    ends = [t.kept_ends[layer] for t in tallies]
    counts = np.concatenate([[0], *(np.diff(own) for own in ends)])
    return Events(
        np.concatenate(
            [t.kept_rows[layer, : own[-1]] for t, own in zip(tallies, ends, strict=True)]
        ),
        np.concatenate(
            [t.kept_times[layer, : own[-1]] for t, own in zip(tallies, ends, strict=True)]
        ),
        np.cumsum(counts),
    )


def tiles_of(rows: int, tile_rows: int) -> np.ndarray:
    """Row of tiles that each row of a crossbar lies in, (rows,) int32."""
    return (np.arange(rows) // tile_rows).astype(np.int32)


def widths_of(network: Network) -> list[int]:
    """Outputs of every crossbar with their padding to whole blocks of lanes."""
    return [-(-outputs // LANES) * LANES for _, outputs in network.crossbars]


def synapses(
    layer: EffectiveWeights, width: int, inputs: int, tile_of: np.ndarray, matrix: np.ndarray
) -> kernels.CrossbarRows:
    """One crossbar as the kernels read it, padded to a width with neurons that nothing drives.

    Its weights and, with read noise, their variances to their right are written into `matrix`,
    (rows, `width` or twice that), whose padding is 0.
    """
    parts = [part for part in (layer.weights, layer.variance) if part.size]
    for i, part in enumerate(parts):
        matrix[:, i * width : i * width + part.shape[1]] = part
    return kernels.CrossbarRows(
        matrix, layer.siemens, inputs, tile_of, layer.weights.shape[1], width, matrix.shape[1]
    )


def aligned(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> np.ndarray:
    """Zeros that begin with a cache line, so that no block of lanes lies on two.

    Many of them lie on a huge page of their own, where the system has such: rows are reached in any
    order, and a pass takes some 5 % longer if each may be on a page that was not looked up yet.
    """
    count = math.prod(shape) * np.dtype(dtype).itemsize
    if count > LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
        memory = mmap.mmap(-1, count + 2 * HUGE_PAGE)
        memory.madvise(mmap.MADV_HUGEPAGE)
        room, unit = np.frombuffer(memory, np.uint8), HUGE_PAGE
    else:
        room, unit = np.zeros(count + CACHE_LINE, np.uint8), CACHE_LINE
    first = -room.ctypes.data % unit
    return room[first : first + count].view(dtype).reshape(shape)
