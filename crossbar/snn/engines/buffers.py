"""The arrays that the kernels read and write, made from a network and its crossbars."""

import functools
import math
import mmap
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..encodings.events import Events, time_type
from ..kernels import records
from ..kernels.gather_scatter import WIDE
from ..kernels.rates import RateBounds
from ..kernels.simd import LANES
from ..network import Network
from ..neurons.protocol import recorded_numbers
from ..plan import LayerPlan, Plan
from .protocol import BatchResult, LayerView

CACHE_LINE = 64  # bytes
HUGE_PAGE = 1 << 21  # bytes
LARGE = 1 << 18  # bytes
SHORT_STEPS = 255  # that one byte names
REPEATS = 4  # spikes of a line and step that delays pass on, on average over a sample

Scratch = tuple[records.LayerTrace, records.TimeBins, records.TimeBins]


def constants(
    network: Plan, tile_rows: int, dtype: type[np.floating] = np.float32
) -> records.Constants:
    """The numbers of a network as the kernels take them, in the dtype of the weights."""
    return records.Constants(
        dtype(1.0),
        dtype(network.spikes_most or 0.0),
        dtype(network.least_spikes),
        dtype(network.spikes_penalty),
        network.steps,
        tile_rows,
        len(network.crossbars),
        any(layer.trained or layer.bias != "none" for layer in network.synaptic),
        rate_bounds(network.network, dtype),
    )


def rate_bounds(settings: Network, dtype: type[np.floating]) -> RateBounds | None:
    """Bounds on the spikes of single neurons; None without."""
    most, least = settings.neuron_spikes_most, settings.neuron_spikes_least
    if most is None and not least:
        return None
    return RateBounds(dtype(most or 0.0), dtype(least), dtype(settings.neuron_spikes_penalty))


def scratch(network: Plan, dtype: type[np.floating] = np.float32) -> list[Scratch]:
    """What the kernels overwrite with every sample, of each layer: trace, time bins, own ones."""
    return [
        (
            _trace(network, layer, dtype),
            _bins(network.steps, _in_order(layer, layer.lines), dtype, repeats(layer.settings)),
            _bins(network.steps, _in_order(layer, layer.recurrent_rows), dtype),
        )
        for layer in network.layers
    ]


def repeats(settings: Any) -> int:
    """Spikes of a line and step that a layer has memory for, on average over a sample."""
    return REPEATS if getattr(settings, "BY_LINE", False) else 1


def _trace(network: Plan, layer: LayerPlan, dtype: type[np.floating]) -> records.LayerTrace:
    """Scratch of one layer; the recorded sum of a loss takes three numbers of an output."""
    steps, width = network.steps, padded(layer.outputs)
    states = 2 if layer.neuron is None else max(2, layer.neuron.STATES)
    recorded = 1 if layer.neuron is None else recorded_numbers(type(layer.neuron.numbers(1.0)))
    spikes = steps * width * repeats(layer.settings)
    return records.LayerTrace(
        aligned((steps + 1, 2 * width), dtype),
        aligned((recorded * (steps + 1), width), dtype),
        aligned((steps + 1, width), dtype),
        np.zeros((steps, 4 * words_of(width)), np.uint16),
        np.zeros(spikes, np.uint16),
        np.zeros(spikes, time_type(steps)),
        aligned((2 * states * width + steps,), dtype),
        width,
        words_of(width),
        aligned((layer.lines if layer.index == 0 else 0,), dtype),
        aligned((0 if layer.crossbar is None else layer.settings.maps(layer.incoming),), dtype),
        np.zeros(layer.array.positions * (1 + words_of(layer.rows)) + layer.rows, np.int64),
    )


def _bins(steps: int, lines: int, dtype: type[np.floating], repeated: int = 1) -> records.TimeBins:
    """Time bins of one sample, whose events are also ordered by so many lines."""
    capacity = steps * lines * repeated
    return records.TimeBins(
        np.zeros(steps + 1, np.int64), np.zeros(steps + 2, np.int64), np.zeros(steps + 1, np.int64),
        np.zeros(lines + 2, np.int64), np.zeros(capacity, time_type(steps)),
        aligned((steps + 2 if lines else 0, WIDE * LANES), dtype), lines, capacity,
    )  # fmt: skip


def _in_order(layer: LayerPlan, lines: int) -> int:
    """Lines by which events are ordered: those of rows that lie beyond a near cache, or none.

    Where kernels take events line by line they always are.
    """
    if getattr(layer.settings, "BY_LINE", False):
        return lines
    is_large = layer.crossbar is not None and 4 * lines * padded(layer.columns) >= LARGE
    return lines if is_large and layer.array.positions == 1 else 0


def padded(outputs: int) -> int:
    """Outputs with their padding to whole blocks of lanes."""
    return -(-outputs // LANES) * LANES


def words_of(width: int) -> int:
    """Words of 64 bits that hold a bit for each neuron, or row, of a layer."""
    return -(-width // 64)


def empty_stats(
    network: Plan, samples: int, *, chunks: int | None = None, record: bool = False
) -> records.BatchStats:
    """Statistics of nothing yet.

    Args:
        network: The layers.
        samples: How many.
        chunks: Into how many they are parted: what is added up has a row for each; None: no rows.
        record: Whether there is a buffer for every spike, of one chunk.
    """
    layers, each = len(network.layers), () if chunks is None else (chunks,)
    crossbars, width = (*each, len(network.crossbars)), padded(network.widest)
    buffer = (layers, samples * network.steps * most_recorded(network)) if record else (0, 0)
    return records.BatchStats(
        np.zeros((*each, layers, width), np.int64),
        np.zeros(samples, np.int64),
        np.zeros(samples),
        np.zeros(crossbars, np.int64),
        np.zeros(crossbars, np.int64),
        np.zeros(crossbars),
        np.zeros(crossbars, np.int64),
        np.empty(buffer, np.uint16),  # memory that is not written is not taken
        np.empty(buffer, time_type(network.steps)),
        np.zeros((buffer[0], samples + 1), np.int64),
        width,
    )


def most_recorded(network: Plan) -> int:
    """Spikes of a layer that may have to be recorded of a step."""
    return max(network.recorded) * max(map(repeats, network.network.layers))


def shrink(stats: records.BatchStats) -> records.BatchStats:
    """Statistics that let go of the buffer that no spike took, layer by layer."""
    ends = stats.recorded_ends.max(1, initial=0).tolist()
    rows, times = (
        tuple(of_layer[:end].copy() for of_layer, end in zip(recorded, ends, strict=True))
        for recorded in (stats.recorded_rows, stats.recorded_times)
    )
    return stats._replace(recorded_rows=rows, recorded_times=times)


def recorded_spikes(chunks: Sequence[records.BatchStats], layer: int) -> Events:
    """The recorded spikes of one layer in the order of the chunks."""
    ends = [chunk.recorded_ends[layer] for chunk in chunks]
    counts = np.concatenate([[0], *(np.diff(of_chunk) for of_chunk in ends)])
    pairs = list(zip(chunks, ends, strict=True))
    return Events(
        np.concatenate([chunk.recorded_rows[layer][: end[-1]] for chunk, end in pairs]),
        np.concatenate([chunk.recorded_times[layer][: end[-1]] for chunk, end in pairs]),
        np.cumsum(counts),
    )


def join(parts: Sequence[records.BatchStats], network: Plan) -> BatchResult:
    """Add up the statistics of chunks, in their order; padding is left out."""

    def joined(name: str) -> np.ndarray:
        each = [getattr(part, name) for part in parts]
        return each[0] if len(each) == 1 else np.concatenate(each)

    def added(name: str) -> np.ndarray:
        return functools.reduce(np.add, joined(name))

    spikes = added("spikes")
    return BatchResult(
        joined("predictions"),
        joined("losses"),
        tuple(spikes[layer.index, : layer.outputs] for layer in network.senders),
        added("activations"),
        added("tile_steps"),
        added("siemens"),
        added("clipped"),
    )


def tiles_of(rows: int, tile_rows: int) -> np.ndarray:
    """Row of tiles that each row of a crossbar lies in, (rows,) int32."""
    return (np.arange(rows) // tile_rows).astype(np.int32)


def crossbar_rows(
    plan: LayerPlan, tile_rows: int, *, is_noisy: bool, dtype: type[np.floating] = np.float32
) -> records.CrossbarRows:
    """Memory for one crossbar as the kernels read it, see `fill_rows`."""
    width, rows = padded(plan.columns), plan.matrix_rows
    stride = width * (2 if is_noisy else 1)
    of_lines = plan.settings.siemens_of_lines(plan.incoming, np.zeros(rows))
    return records.CrossbarRows(
        aligned((rows, stride), dtype), np.zeros(len(of_lines)), plan.lines,
        tiles_of(rows, tile_rows), plan.outputs, width, stride,
        *plan.settings.windows(plan.incoming),
    )  # fmt: skip


def fill_rows(crossbar: records.CrossbarRows, layer: LayerView) -> None:
    """Write weights and, with read noise, their variances to their right; padding stays 0."""
    parts = [part for part in (layer.weights, layer.variance) if part.size]
    for i, part in enumerate(parts):
        first = i * crossbar.width
        crossbar.matrix[:, first : first + part.shape[1]] = part


def first_trained(plan: LayerPlan, dtype: type[np.floating] = np.float32) -> np.ndarray:
    """What neurons have of their own before training, (numbers, padded neurons); padding is 0."""
    numbers = aligned((len(plan.trained), padded(plan.outputs)), dtype)
    numbers[:, : plan.outputs] = plan.first_trained
    return numbers


def no_crossbar(plan: LayerPlan, dtype: type[np.floating] = np.float32) -> records.CrossbarRows:
    """What stands for the crossbar of a layer without synapses."""
    width = padded(plan.outputs)
    return records.CrossbarRows(
        np.zeros((0, 0), dtype), np.zeros(0), plan.lines, np.zeros(0, np.int32), plan.outputs,
        width, width, np.zeros((0, 4), np.int32), np.zeros(0, np.int32),
    )  # fmt: skip


def aligned(shape: tuple[int, ...], dtype: np.typing.DTypeLike) -> np.ndarray:
    """Zeros that begin with a cache line, so that no block of lanes lies on two.

    Many of them lie on a huge page of their own, where the system has such: rows are reached in any
    order, and a pass takes some 5 % longer if each may be on a page that was not looked up yet.
    """
    count = math.prod(shape) * np.dtype(dtype).itemsize
    if count > LARGE and hasattr(mmap, "MADV_HUGEPAGE"):
        memory = mmap.mmap(-1, count + 2 * HUGE_PAGE)
        memory.madvise(mmap.MADV_HUGEPAGE)
        buffer, unit = np.frombuffer(memory, np.uint8), HUGE_PAGE
    else:
        buffer, unit = np.zeros(count + CACHE_LINE, np.uint8), CACHE_LINE
    first = -buffer.ctypes.data % unit
    return buffer[first : first + count].view(dtype).reshape(shape)
