"""What a time bin drives behind the periphery of `crossbar.array.periphery`.

Columns of a tile are added up, turned into numbers, combined, and only then is the next tile added.
The outcome is a row of the drive that neurons integrate like any other.
"""

from typing import Any

import numpy as np

from device_models.jit import inlined, jit

from .counter_rng import BLOCK, normals_at, places
from .dispatch import implements
from .gather_scatter import NARROW, WIDE, with_rows
from .records import ConverterErrors, Converters
from .simd import (
    LANES,
    bits,
    data_pointer,
    load,
    ones,
    root,
    rounded,
    select,
    splat,
    store,
    store_panel,
    write,
)


@inlined
def add_panel_rows(none, front, lines, first, last, trace, inputs, fed_back, count, column):
    """`add_rows` of one panel of columns; `none` is an empty one."""
    matrix, stride = data_pointer(front.matrix), front.stride
    sums = with_rows(none, matrix, stride, column, lines.rows, 0, first, last)
    sums = with_rows(sums, matrix, stride, column, trace.rows, inputs, fed_back, count)
    store_panel(data_pointer(front.sums), column, sums)


@jit
def add_rows(front, lines, first, last, trace, inputs, fed_back, count, c):
    """Columns of the lines `first:last` and the spikes `fed_back:count`, with their variances."""
    n = splat(c.one - c.one)
    column = np.int64(0)  # see `gather_scatter.gather`
    while column < front.stride:
        left = (front.stride - column) // LANES
        if left >= WIDE:
            wide = (n, n, n, n, n, n, n)
            add_panel_rows(wide, front, lines, first, last, trace, inputs, fed_back, count, column)
            column += WIDE * LANES
        elif left >= NARROW:
            add_panel_rows(
                (n, n, n), front, lines, first, last, trace, inputs, fed_back, count, column
            )
            column += NARROW * LANES
        else:
            add_panel_rows((n,), front, lines, first, last, trace, inputs, fed_back, count, column)
            column += LANES


@jit
def add_noise(front, key, step):
    """Add one draw per column, of the variance behind the columns."""
    sums, at_pools = data_pointer(front.sums), places(key, step, 0)
    for column in range(0, front.width, LANES):
        if column % BLOCK == 0:
            at_pools = places(key, step, column // BLOCK)
        current, variance = load(sums, column), load(sums, front.width + column)
        noise = root(variance) * normals_at(at_pools, column % BLOCK, current)
        store(sums, column, current + noise)


@inlined
def clip(x, low, high):
    """Lanes cut to an interval."""
    x = select(x > high, high, x)
    return select(low > x, low, x)


def codes_of(errors: Any, x: Any, tile_column: Any, top: Any) -> Any:
    """Codes of lanes `x` in LSB, and how many of them were above `top`.

    Args:
        errors: None, or `ConverterErrors`; see `crossbar.array.periphery`.
        x: Currents with gain and noise.
        tile_column: Place in the arrays of errors.
        top: The highest code.
    """
    raise NotImplementedError


@implements(codes_of, None)
def _codes_of(errors, x, tile_column, top):
    highest, code = splat(top), rounded(x)
    return clip(code, splat(top - top), highest), ones(bits(code > highest))


@implements(codes_of, ConverterErrors)
def _codes_with_errors(errors, x, tile_column, top):
    none, one, highest = splat(top - top), splat(top / top), splat(top)
    x += load(data_pointer(errors.offset), tile_column)
    u = clip(x * ((top / top) / top), none, one)
    bow = load(data_pointer(errors.cubic), tile_column) * (one - u - u)
    x += u * (one - u) * (load(data_pointer(errors.parabola), tile_column) + bow)
    stuck = load(data_pointer(errors.stuck), tile_column)
    code = select(none > stuck, rounded(x), none)
    above = ones(bits(code > highest))
    return select(none > stuck, clip(code, none, highest), stuck), above


def convert(converters: Any, sums: Any, width: Any, tile: Any, key: Any, step: Any) -> Any:
    """Columns of one tile become codes, in place; returns how many were above the range.

    Codes stay whole numbers until all are added, as on the digital side: what cancels is 0.

    Args:
        converters: None leaves them as they are; or `Converters`.
        sums: (width,) currents, weight units.
        width: Columns.
        tile: Row of tiles.
        key: Noise key of conversions.
        step: Number of this conversion in the noise stream of the sample.
    """
    raise NotImplementedError


@implements(convert, None)
def _pass(converters, sums, width, tile, key, step):
    return 0


@implements(convert, Converters, inline=False)
def _convert(converters, sums, width, tile, key, step):
    scale, at_pools = data_pointer(converters.scale), places(key, step, 0)
    is_noisy, above = converters.noise > 0.0, 0
    for column in range(0, width, LANES):
        x = load(sums, column) * load(scale, tile * width + column)
        if is_noisy:
            if column % BLOCK == 0:
                at_pools = places(key, step, column // BLOCK)
            x += converters.noise * normals_at(at_pools, column % BLOCK, x)
        x, more = codes_of(converters.errors, x, tile * width + column, converters.top)
        above += more
        store(sums, column, x)
    return above


@inlined
def add_run(factor, sums, column, is_spread, drive, at, length):
    """Add `factor` times columns (one, unless `is_spread`) to outputs from a place on."""
    amount, whole = splat(factor), length - length % LANES
    for j in range(0, whole, LANES):
        fed_back = load(sums, column + j) if is_spread else splat(sums[column])
        store(drive, at + j, load(drive, at + j) + amount * fed_back)
    for j in range(whole, length):
        fed_back = sums[column + j] if is_spread else sums[column]
        write(drive, at + j, drive[at + j] + factor * fed_back)


@jit
def combine(front, sums, drive, at):
    """Add columns to outputs, run by run; see `Columns`."""
    runs, factors = data_pointer(front.runs), data_pointer(front.factors)
    for r in range(front.runs.shape[0]):
        column, step, output, length = (
            runs[4 * r],
            runs[4 * r + 1],
            runs[4 * r + 2],
            runs[4 * r + 3],
        )
        add_run(factors[r], sums, column, step == 1, drive, at + output, length)


@jit
def finish_drive(front, drive, at, width):
    """LSB to weight units, and what the neurons make of them."""
    gain, injected = data_pointer(front.gain), data_pointer(front.injected)
    for j in range(0, width, LANES):
        amount = load(gain, j) * (front.lsb * load(drive, at + j)) + load(injected, j)
        store(drive, at + j, amount)


@inlined
def end_of_tile(rows, event, last, end):
    """The first of some events in rising order whose line is not below `end`."""
    while event < last and int(rows[event]) < end:
        event += 1
    return event


@jit
def convert_bin(front, lines, first, last, fed_back, count, layer, c, keys, step, at):
    """What the lines `first:last` and the recurrent spikes `fed_back:count` of one step drive.

    Args:
        front: `Columns`.
        lines, layer, c, keys: See `topology.forward`.
        step: Of the network.
        at: Where the row of `layer.trace.drive` begins that receives it.

    Returns:
        Conversions above the range.
    """
    trace, inputs, drive = layer.trace, layer.crossbar.inputs, layer.trace.drive
    sums, width, clipped = data_pointer(front.sums), layer.crossbar.width, 0
    for j in range(width):
        write(drive, at + j, c.one - c.one)
    while first < last or fed_back < count:
        row = int(lines.rows[first]) if first < last else inputs + int(trace.rows[fed_back])
        tile = row // c.tile_rows
        end = (tile + 1) * c.tile_rows
        after = end_of_tile(lines.rows, first, last, end)
        fed_back_after = end_of_tile(trace.rows, fed_back, count, end - inputs)
        add_rows(front, lines, first, after, trace, inputs, fed_back, fed_back_after, c)
        number = step + c.steps * tile
        if front.stride > front.width:
            add_noise(front, keys[0], number)
        clipped += convert(front.converters, sums, front.width, tile, keys[1], number)
        combine(front, sums, drive, at)
        first, fed_back = after, fed_back_after
    finish_drive(front, drive, at, width)
    return clipped
