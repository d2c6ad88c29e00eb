"""Rows of a crossbar added up, and added to, panel by panel of its columns.

A row is as long as the registers hold sums of, so its address is found once, its cache lines lie
one behind the other, and the sums of a bin do not wait for each other. Over one block alone the
same takes half as long again. All records hold pointers.
"""

import numpy as np

from device_models.jit import inlined, jit

from .simd import LANES, add_panel, load_panel, plus_row, splat, store_panel

WIDE, NARROW = 7, 3  # blocks of a panel; seven are fourteen registers of AVX2


@inlined
def with_rows(sums, matrix, stride, column, rows, offset, first, last):
    """A panel of sums with the rows `offset + rows[first:last]` of a matrix added."""
    for event in range(first, last):
        sums = plus_row(sums, matrix, (offset + np.int64(rows[event])) * stride + column)
    return sums


@inlined
def gather_panel(none, lines, bins, count, layer, column, drive):
    """`gather` of one panel; `none` is an empty one."""
    for i in range(count):
        first, last = bins.ends[i], bins.ends[i + 1]
        sums = with_rows(none, layer.matrix, layer.stride, column, lines.rows, 0, first, last)
        store_panel(drive, (i + 1) * layer.stride + column, sums)


@jit
def gather(lines, bins, count, layer, drive):
    """What every bin drives: its rows of the crossbar added up.

    Args:
        lines, bins, count: What comes in.
        layer: The crossbar.
        drive: (bins + 1, stride): the row behind that of a bin's number is overwritten.
    """
    n = splat(layer.matrix[0] - layer.matrix[0])
    column = np.int64(0)  # of a plain 0 numba would make every panel twice
    while column < layer.stride:
        left = (layer.stride - column) // LANES
        if left >= WIDE:
            gather_panel((n, n, n, n, n, n, n), lines, bins, count, layer, column, drive)
            column += WIDE * LANES
        elif left >= NARROW:
            gather_panel((n, n, n), lines, bins, count, layer, column, drive)
            column += NARROW * LANES
        else:
            gather_panel((n,), lines, bins, count, layer, column, drive)
            column += LANES


@inlined
def scatter_panel(none, lines, bins, number, changes, to, column):
    """`scatter` of one panel; `none` is an empty one, `to` its last three arguments."""
    width, offset, gradient = to
    for i in range(number - 1, -1, -1):
        change = load_panel(changes, bins.steps[i] * width + column, none)
        for event in range(bins.ends[i], bins.ends[i + 1]):
            at = (offset + np.int64(lines.rows[event])) * width + column
            add_panel(gradient, at, change)


@jit
def scatter(lines, bins, number, changes, width, offset, gradient):
    """Add the change of its step to each row of a bin, the last bin first.

    Args:
        lines, bins: What came in.
        number: How many bins, from the first on.
        changes: (steps, width).
        width: Of the rows.
        offset: Row of line 0.
        gradient: (rows, width), added to.
    """
    n = splat(changes[0] - changes[0])
    to = width, offset, gradient
    column = np.int64(0)  # see `gather`
    while column < width:
        left = (width - column) // LANES
        if left >= WIDE:
            scatter_panel((n, n, n, n, n, n, n), lines, bins, number, changes, to, column)
            column += WIDE * LANES
        elif left >= NARROW:
            scatter_panel((n, n, n), lines, bins, number, changes, to, column)
            column += NARROW * LANES
        else:
            scatter_panel((n,), lines, bins, number, changes, to, column)
            column += LANES
