"""Rows of a crossbar added up, and added to, panel by panel of its columns.

A row is as long as the registers hold sums of, so its address is found once, its cache lines lie
one behind the other, and the sums of a bin do not wait for each other. Over one block alone the
same takes half as long again.

Where lines spike many times in a sample and their rows lie beyond a near cache, events are taken
line by line instead (`by_line`): a row then comes from memory once a sample, and the sums of all
bins stay near. Every number is added up in the same order either way. All records hold pointers.
"""

import numpy as np

from device_models.jit import inlined, jit

from .pointers import increase
from .simd import LANES, add_panel, load_panel, plus_row, prefetch_panel, splat, store_panel, write

WIDE, NARROW = 7, 3  # blocks of a panel; seven are fourteen registers of AVX2
FAR = 1 << 19  # numbers of the rows from which on, where they are only read
AHEAD = 4  # lines whose rows are asked for before they are needed
OFTEN = 2  # spikes of a line in a sample, on average, from which on events are taken line by line


@inlined
def by_line(lines, bins):
    """Whether the events of a sample are taken line by line."""
    count = lines.last - lines.first
    return count <= bins.capacity and count > OFTEN * bins.lines


@jit
def order_by_line(lines, bins):
    """List the steps in which each line spikes, in their order; `find_bins` asks for it."""
    ends, first = bins.line_ends, lines.first
    for line in range(bins.lines + 2):
        write(ends, line, 0)
    for event in range(first, lines.last):
        increase(ends, np.int64(lines.rows[event]) + 2, 1)
    for line in range(2, bins.lines + 2):
        increase(ends, line, ends[line - 1])
    for event in range(first, lines.last):  # what ends a line is where its next step goes
        behind = np.int64(lines.rows[event]) + 1
        write(bins.line_times, ends[behind], lines.times[event])
        increase(ends, behind, 1)


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


@inlined
def gather_panel_by_line(none, bins, count, layer, column, drive):
    """`gather_panel`, line by line; rows of a drive may all lie in the same places of a cache."""
    size = len(none) * LANES
    for i in range(count + 1):
        store_panel(bins.panel, i * size, none)
    for line in range(bins.lines):
        first, last = bins.line_ends[line], bins.line_ends[line + 1]
        if last > first:
            prefetch_panel(layer.matrix, (line + AHEAD) * layer.stride + column, none)
            row = load_panel(layer.matrix, line * layer.stride + column, none)
            for i in range(first, last):
                add_panel(bins.panel, bins.slots[np.int64(bins.line_times[i])] * size, row)
    for i in range(1, count + 1):
        store_panel(drive, i * layer.stride + column, load_panel(bins.panel, i * size, none))


@jit
def gather(lines, bins, count, layer, drive):
    """What every bin drives: its rows of the crossbar added up.

    Args:
        lines, bins, count: What comes in.
        layer: The crossbar.
        drive: (bins + 1, stride): the row behind that of a bin's number is overwritten.
    """
    if bins.lines * layer.stride > FAR and by_line(lines, bins):
        gather_by_line(bins, count, layer, drive)
    else:
        gather_by_step(lines, bins, count, layer, drive)


@jit
def gather_by_line(bins, count, layer, drive):
    """`gather` of events in the order of their lines."""
    n = splat(layer.matrix[0] - layer.matrix[0])
    column = np.int64(0)  # of a plain 0 numba would make every panel twice
    while column < layer.stride:
        left = (layer.stride - column) // LANES
        if left >= WIDE:
            gather_panel_by_line((n, n, n, n, n, n, n), bins, count, layer, column, drive)
            column += WIDE * LANES
        else:
            gather_panel_by_line((n,), bins, count, layer, column, drive)
            column += LANES


@jit
def gather_by_step(lines, bins, count, layer, drive):
    """`gather` of events in the order of their steps."""
    n = splat(layer.matrix[0] - layer.matrix[0])
    column = np.int64(0)  # see `gather_by_line`
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


@inlined
def scatter_panel_by_line(none, bins, number, changes, to, column):
    """`scatter_panel`, line by line; events behind bin `number` are left out."""
    width, offset, gradient = to
    size, until = len(none) * LANES, bins.steps[number - 1]
    for i in range(number):
        change = load_panel(changes, bins.steps[i] * width + column, none)
        store_panel(bins.panel, bins.steps[i] * size, change)
    for line in range(bins.lines):
        first, end = bins.line_ends[line], bins.line_ends[line + 1]
        if end > first:
            at = (offset + line) * width + column
            prefetch_panel(gradient, at + AHEAD * width, none)
            sums = load_panel(gradient, at, none)
            for i in range(end - 1, first - 1, -1):
                t = np.int64(bins.line_times[i])
                if t <= until:
                    sums = plus_row(sums, bins.panel, t * size)
            store_panel(gradient, at, sums)


@jit
def scatter_by_line(bins, number, changes, width, offset, gradient):
    """`scatter` of events in the order of their lines."""
    n = splat(changes[0] - changes[0])
    to = width, offset, gradient
    column = np.int64(0)  # see `gather_by_line`
    while column < width:
        left = (width - column) // LANES
        if left >= WIDE:
            scatter_panel_by_line((n, n, n, n, n, n, n), bins, number, changes, to, column)
            column += WIDE * LANES
        else:
            scatter_panel_by_line((n,), bins, number, changes, to, column)
            column += LANES


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
    if number > 0 and by_line(lines, bins):
        scatter_by_line(bins, number, changes, width, offset, gradient)
    else:
        scatter_by_step(lines, bins, number, changes, width, offset, gradient)


@jit
def scatter_by_step(lines, bins, number, changes, width, offset, gradient):
    """`scatter` of events in the order of their steps."""
    n = splat(changes[0] - changes[0])
    to = width, offset, gradient
    column = np.int64(0)  # see `gather_by_line`
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
