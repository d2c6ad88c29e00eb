"""The records of `records` with the pointers of their arrays: what the kernels pass on."""

import numpy as np

from device_models.jit import inlined, jit

from .records import BatchStats, CrossbarRows, Injected, LayerArrays, LayerTrace, TimeBins
from .simd import data_pointer, pointer_to, write

# Columns of a table of layers, see `layer_at`
GRADIENT, BY_TRAINED, KIND = 38, 40, slice(46, 48)


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
            pointer_to(row[7], np.int32(0)), pointer_to(row[8], np.int32(0)),
        ),
        LayerTrace(
            pointer_to(row[9], one), pointer_to(row[10], one), pointer_to(row[11], one),
            pointer_to(row[12], short), pointer_to(row[13], short), pointer_to(row[14], times),
            pointer_to(row[15], one), row[16], row[17], pointer_to(row[18], one),
            pointer_to(row[19], one), pointer_to(row[20], step),
        ),
        TimeBins(
            pointer_to(row[21], step), pointer_to(row[22], step), pointer_to(row[23], step),
            pointer_to(row[24], step), pointer_to(row[25], times), pointer_to(row[26], one),
            row[27], row[28],
        ),
        TimeBins(
            pointer_to(row[29], step), pointer_to(row[30], step), pointer_to(row[31], step),
            pointer_to(row[32], step), pointer_to(row[33], times), pointer_to(row[34], one),
            row[35], row[36],
        ),
        pointer_to(row[37], one), pointer_to(row[38], one), pointer_to(row[39], one),
        pointer_to(row[40], one), row[41], row[42], row[43], row[44], row[45],
        row[46], row[47],
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
