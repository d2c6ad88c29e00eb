"""A convolution by its events: the rows of a kernel are added where it meets a spike.

A map holds the columns of one read for each position, position by position, and their variances
behind them where reads are noisy. A spike at (channel, y, x) drives row (channel, dy, dx) at
position ((y - dy) / stride, (x - dx) / stride) of every kernel that covers it, which is a bit of a
mask; then the rows of each position are added up in registers. The gradient goes back event by
event. Of a line `windows` holds its row in the first kernel that covers it, the position of that
one, and how many positions down and across have such a kernel. An error is carried to the lines of
its kernel by rows of `back` that hold the weights of all channels that come in side by side, (dx,
channel): so the lines of a row stand in a map of errors, from the position's corner on. All records
hold pointers; `sizes` is a `Conv2dNumbers`.
"""

import numpy as np

from device_models.jit import inlined, jit

from .counter_rng import BLOCK, normals_at, places
from .gather_scatter import with_rows
from .pointers import increase
from .simd import (
    BITS,
    LANES,
    load,
    load_panel,
    lowest,
    ones,
    root,
    select,
    splat,
    store,
    store_panel,
    write,
)

MANY = 4  # rows that a step drives at each position, about, above which they are gathered


@inlined
def positions_of(sizes):
    """Reads of a step."""
    return sizes.rows_out * sizes.columns_out


@inlined
def rows_of(sizes):
    """Rows of a kernel, which lines drive."""
    return sizes.channels_in * sizes.kernel * sizes.kernel


@jit
def begin_map(sizes, layer, c):
    """A map of what is driven without any event: the row of a bias, or nothing."""
    crossbar, trace = layer.crossbar, layer.trace
    stride, bias_row = crossbar.stride, rows_of(sizes)
    for at in range(positions_of(sizes)):
        for column in range(0, stride, LANES):
            lanes = splat(c.one - c.one)
            if sizes.bias != 0:
                lanes = load(crossbar.matrix, bias_row * stride + column)
            store(trace.maps, at * stride + column, lanes)
        # A digital bias is in no tile; a row of devices is always driven.
        write(trace.marks, at, 1 << crossbar.tile_of[bias_row] if sizes.bias == 1 else 0)


@inlined
def window_of(layer, line):
    """Row, position, positions down and across of a line."""
    numbers, at = layer.crossbar.windows, 4 * line
    return (
        np.int64(numbers[at]), np.int64(numbers[at + 1]), np.int64(numbers[at + 2]),
        np.int64(numbers[at + 3]),
    )  # fmt: skip


@inlined
def mask_at(sizes, position):
    """Where the mask of a position begins in `marks`: behind its tiles, and those before it."""
    return positions_of(sizes) + position * ((rows_of(sizes) + BITS - 1) // BITS)


@inlined
def mark_of(sizes, row, position):
    """The word of `marks` that notes a row at a position, and its bit."""
    return mask_at(sizes, position) + row // BITS, np.int64(1) << (row % BITS)


@jit
def mark_line(sizes, layer, line):
    """Note what a spike drives; returns how many positions, and whether the line did already."""
    marks = layer.trace.marks
    first, position, down, across = window_of(layer, line)
    at, bit = mark_of(sizes, first, position)
    is_again = (marks[at] & bit) != 0
    for i in range(down):
        for j in range(across):
            row = first - (i * sizes.kernel + j) * sizes.stride
            at, bit = mark_of(sizes, row, position + i * sizes.columns_out + j)
            write(marks, at, marks[at] | bit)
    return down * across, is_again


@jit
def unmark_line(sizes, layer, line):
    """Whether a line is noted still: of two spikes of one step the first finds it."""
    marks = layer.trace.marks
    first, position, _, _ = window_of(layer, line)
    at, bit = mark_of(sizes, first, position)
    is_noted = (marks[at] & bit) != 0
    write(marks, at, marks[at] & ~bit)
    return is_noted


@jit
def list_rows(sizes, layer, position, to):
    """List the rows that are noted of a position from `to` on, and its tiles; where they end."""
    marks, tile_of, tiles = layer.trace.marks, layer.crossbar.tile_of, 0
    if sizes.bias == 1:  # a digital one is in no tile; a row of devices is always driven
        tiles = 1 << tile_of[rows_of(sizes)]
    first = mask_at(sizes, position)
    for word in range(mask_at(sizes, position + 1) - first):
        left = marks[first + word]
        while left != 0:
            row = word * BITS + lowest(left)
            tiles |= 1 << tile_of[row]
            write(marks, to, row)
            to += 1
            left &= left - 1
    write(marks, position, tiles)
    return to


@inlined
def gather_rows(none, sizes, layer, position, column, first, last):
    """A panel of the columns of a position: its bias, and the rows listed in [first, last)."""
    crossbar, sums = layer.crossbar, none
    if sizes.bias != 0:
        sums = load_panel(crossbar.matrix, rows_of(sizes) * crossbar.stride + column, none)
    marks, stride = layer.trace.marks, crossbar.stride
    sums = with_rows(sums, crossbar.matrix, stride, column, marks, 0, first, last)
    store_panel(layer.trace.maps, position * stride + column, sums)


@jit
def gather_position(sizes, layer, position, first, last, c):
    """All columns of a position; see `gather_rows`."""
    n, stride = splat(c.one - c.one), layer.crossbar.stride
    column = np.int64(0)  # see `gather_scatter.gather_by_line`
    while column < stride:
        if stride - column >= 4 * LANES:
            gather_rows((n, n, n, n), sizes, layer, position, column, first, last)
            column += 4 * LANES
        elif stride - column >= 2 * LANES:
            gather_rows((n, n), sizes, layer, position, column, first, last)
            column += 2 * LANES
        else:
            gather_rows((n,), sizes, layer, position, column, first, last)
            column += LANES


@jit
def drive_map(sizes, layer, lines, first, last, c):
    """A map of what the events [first, last) of a step drive; returns how many positions they do.

    Many are taken position by position, few one by one; a number has the same sum either way.
    """
    rows = (last - first) * sizes.kernel * sizes.kernel
    if rows > MANY * positions_of(sizes) * sizes.stride * sizes.stride:
        return gather_map(sizes, layer, lines, first, last, c)
    driven = 0
    begin_map(sizes, layer, c)
    for event in range(first, last):
        driven += add_line(sizes, layer, int(lines.rows[event]), c.one)
    return driven


@jit
def gather_map(sizes, layer, lines, first, last, c):
    """`drive_map` by positions; what a line drives with a second spike is added at the end."""
    positions, driven, again = positions_of(sizes), 0, 0
    listed = mask_at(sizes, positions)
    for at in range(positions, listed):
        write(layer.trace.marks, at, 0)
    for event in range(first, last):
        count, is_again = mark_line(sizes, layer, int(lines.rows[event]))
        driven += count
        again += is_again
    for position in range(positions):
        end = list_rows(sizes, layer, position, listed)
        gather_position(sizes, layer, position, listed, end, c)
    for event in range(first, last if again > 0 else first):
        line = int(lines.rows[event])
        if not unmark_line(sizes, layer, line):
            add_line(sizes, layer, line, c.one)
    return driven


@jit
def add_line(sizes, layer, line, value):
    """Add what one line drives to the map; returns how many positions it drives.

    `value` is the amplitude, 1 of a spike.
    """
    crossbar, trace, stride = layer.crossbar, layer.trace, layer.crossbar.stride
    first, position, down, across = window_of(layer, line)
    for i in range(down):
        for j in range(across):
            row = first - (i * sizes.kernel + j) * sizes.stride
            at = position + i * sizes.columns_out + j
            for column in range(0, crossbar.width, LANES):
                place = at * stride + column
                weights = load(crossbar.matrix, row * stride + column)
                store(trace.maps, place, load(trace.maps, place) + splat(value) * weights)
            for column in range(crossbar.width, stride, LANES):
                place = at * stride + column
                variances = load(crossbar.matrix, row * stride + column)
                store(trace.maps, place, load(trace.maps, place) + splat(value * value) * variances)
            write(trace.marks, at, trace.marks[at] | (1 << crossbar.tile_of[row]))
    return down * across


@jit
def finish_map(sizes, layer, key, t):
    """Add the noise of the reads of a step to a map; returns (row of tiles, position) pairs."""
    crossbar, trace, tiles = layer.crossbar, layer.trace, 0
    width, stride = crossbar.width, crossbar.stride
    at_pools = places(key, t, 0)
    for at in range(positions_of(sizes)):
        tiles += ones(trace.marks[at])
        for column in range(0, stride - width, LANES):
            number = at * width + column
            if number % BLOCK == 0:
                at_pools = places(key, t, number // BLOCK)
            place = at * stride + column
            current, variance = load(trace.maps, place), load(trace.maps, place + width)
            noise = root(variance) * normals_at(at_pools, number % BLOCK, current)
            store(trace.maps, place, current + noise)
    return tiles


@jit
def pool_map(sizes, layer, to):
    """The largest current of each window, as what drives the neurons from place `to` on.

    Behind the drive stands the position that each of them came from.
    """
    trace, stride, work = layer.trace, layer.crossbar.stride, layer.trace.work
    plane = sizes.pooled_rows * sizes.pooled_columns
    for window in range(plane):
        up, left = window // sizes.pooled_columns, window % sizes.pooled_columns
        first = (up * sizes.columns_out + left) * sizes.pool
        for column in range(0, layer.crossbar.width, LANES):
            most = load(trace.maps, first * stride + column)
            write(work, 0, first)
            chosen = splat(work[0])
            for i in range(sizes.pool):
                for j in range(sizes.pool):
                    at = first + i * sizes.columns_out + j
                    here = load(trace.maps, at * stride + column)
                    write(work, 0, at)
                    larger = here > most
                    most = select(larger, here, most)
                    chosen = select(larger, splat(work[0]), chosen)
            store(work, 0, most)
            store(work, LANES, chosen)
            for lane in range(min(LANES, sizes.channels - column)):
                place = to + (column + lane) * plane + window
                write(trace.drive, place, work[lane])
                write(trace.drive, place + trace.width, work[LANES + lane])


@jit
def spread_errors(sizes, layer, errors, at, chosen):
    """The derivatives by the drive of a step as a map, of the positions that they came from.

    Args:
        sizes, layer: Of the convolution.
        errors: Holds them, from `at` on.
        chosen: Where the positions begin in the drive.
    """
    trace, width = layer.trace, layer.crossbar.width
    plane = sizes.pooled_rows * sizes.pooled_columns
    silent = errors[at] - errors[at]
    for place in range(0, positions_of(sizes) * width, LANES):
        store(trace.maps, place, splat(silent))
    for channel in range(sizes.channels):
        for window in range(plane):
            neuron = channel * plane + window
            position = int(trace.drive[chosen + neuron])
            write(trace.maps, position * width + channel, errors[at + neuron])


@jit
def gather_line(sizes, layer, line, value):
    """Add the errors of a map to the gradient of the rows that one line drives; see `add_line`."""
    trace, width = layer.trace, layer.crossbar.width
    first, position, down, across = window_of(layer, line)
    for i in range(down):
        for j in range(across):
            row = first - (i * sizes.kernel + j) * sizes.stride
            at = position + i * sizes.columns_out + j
            for column in range(0, width, LANES):
                place = row * width + column
                error = splat(value) * load(trace.maps, at * width + column)
                store(layer.gradient, place, load(layer.gradient, place) + error)


@jit
def add_bias_gradient(sizes, layer, errors, at):
    """Add the errors of a step to the gradient of the bias."""
    plane = sizes.pooled_rows * sizes.pooled_columns
    row = rows_of(sizes) * layer.crossbar.width
    for channel in range(sizes.channels):
        total = errors[at] - errors[at]
        for window in range(plane):
            total += errors[at + channel * plane + window]
        increase(layer.gradient, row + channel, total)


@jit
def carry_step(sizes, layer, below, t, hold):
    """The errors of the lines of a step, of the derivatives by the drive; see `topology.carry`."""
    trace, k, lines = layer.trace, sizes.kernel, sizes.channels_in
    plane, run = sizes.pooled_rows * sizes.pooled_columns, k * lines
    block = -(-run // LANES) * LANES  # numbers of a row of `back`
    silent = hold - hold
    for place in range(0, sizes.rows_in * sizes.columns_in * lines, LANES):
        store(trace.maps, place, splat(silent))
    errors, chosen = t * trace.width, (2 * t + 3) * trace.width
    for channel in range(sizes.channels):
        for window in range(plane):
            neuron = channel * plane + window
            error, position = trace.membranes[errors + neuron], int(trace.drive[chosen + neuron])
            if error != silent:
                corner = np.int64(layer.crossbar.corners[position])
                for i in range(k):
                    to = corner + i * sizes.columns_in * lines
                    weights = (channel * k + i) * block
                    for j in range(0, block, LANES):
                        carried = splat(error) * load(layer.back, weights + j)
                        store(trace.maps, to + j, load(trace.maps, to + j) + carried)
    to = t * below.width
    for line in range(lines):
        for place in range(sizes.rows_in * sizes.columns_in):
            write(below.errors, to, trace.maps[place * lines + line] + hold)
            to += 1
    for at in range(to, (t + 1) * below.width):
        write(below.errors, at, silent)
