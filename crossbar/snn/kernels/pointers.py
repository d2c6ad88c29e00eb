"""The records of `records` with the pointers of their arrays: what the kernels pass on."""

import numpy as np

from device_models.jit import inlined, jit

from .records import BatchStats, CrossbarRows, Injected, LayerArrays, LayerTrace, TimeBins
from .simd import data_pointer, pointer_to, write


@inlined
def increase(numbers, at, amount):
    """Add to one of some numbers by pointer."""
    write(numbers, at, numbers[at] + amount)


@jit
def layer_at(table, n, one, times):
    """`LayerArrays` of layer n; rows of the crossbar of `stride` numbers, all others of `width`.

    Args:
        table: (layers, fields) int64: the fields of a `LayerArrays` in order, an array by the
            address of its numbers; see `engines.wiring.table_of`.
        n: Which layer.
        one: A number of the dtype of the weights.
        times: An array of the type of steps.
    """
    row, short, step = table[n], np.uint16(0), np.int64(0)
    return LayerArrays(
        CrossbarRows(
            pointer_to(row[0], one), pointer_to(row[1], np.float64(0.0)), row[2],
            pointer_to(row[3], np.int32(0)), row[4], row[5], row[6],
        ),
        LayerTrace(
            pointer_to(row[7], one), pointer_to(row[8], one), pointer_to(row[9], one),
            pointer_to(row[10], short), pointer_to(row[11], short), pointer_to(row[12], times),
            pointer_to(row[13], one), row[14], row[15], pointer_to(row[16], one),
            pointer_to(row[17], one), pointer_to(row[18], step),
        ),
        TimeBins(
            pointer_to(row[19], step), pointer_to(row[20], step), pointer_to(row[21], step)
        ),
        TimeBins(
            pointer_to(row[22], step), pointer_to(row[23], step), pointer_to(row[24], step)
        ),
        pointer_to(row[25], one), pointer_to(row[26], one), pointer_to(row[27], one),
        pointer_to(row[28], one), row[29], row[30], row[31], row[32], row[33], row[34],
        row[35],
    )  # fmt: skip


@jit
def injected_pointers(injected):
    """`Injected`, or None; rows of the width of the layer before."""
    if injected is None:
        return None
    return Injected(
        injected.neuron, data_pointer(injected.rows), data_pointer(injected.slots),
        data_pointer(injected.back),
    )  # fmt: skip


@jit
def stats_pointers(stats):
    """`BatchStats`; rows of `width` numbers, those of recorded spikes and their ends as wide."""
    return BatchStats(
        data_pointer(stats.spikes), data_pointer(stats.predictions), data_pointer(stats.losses),
        data_pointer(stats.activations), data_pointer(stats.tile_steps),
        data_pointer(stats.siemens), data_pointer(stats.clipped),
        data_pointer(stats.recorded_rows), data_pointer(stats.recorded_times),
        data_pointer(stats.recorded_ends), stats.width,
    )  # fmt: skip
