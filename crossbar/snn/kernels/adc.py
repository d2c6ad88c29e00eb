"""A layer behind the periphery of `crossbar.array.periphery`.

It adds up columns, not weights, and turns the columns of one tile into numbers before the next tile
is added. The ideal path of `forward` stays a function of its own, because it must stay fast.
"""

import numpy as np

from device_models.jit import jit

from .counter_rng import add_noise, draw_normals
from .forward import count_reads, first_step
from .neurons import any_fires, end_of_step, leaky_step, lif_step, list_fired
from .pointers import increase
from .records import EventSlice
from .recurrent import count_own_reads
from .simd import borrowed

_i32 = np.int32


@jit
def convert(sums, layer, tile, normals):
    """Columns of one tile, weight units, become codes; returns how many are clipped.

    Codes stay whole numbers until all are added, as on the digital side: what cancels is 0.
    See `crossbar.array.periphery`; `normals` are the noise of these conversions.
    """
    one, zero = layer.top / layer.top, layer.top - layer.top
    scale, offset, stuck = layer.scale[tile], layer.offset[tile], layer.stuck[tile]
    parabola, cubic = layer.parabola[tile], layer.cubic[tile]
    per_code = one / layer.top
    above = _i32(0)
    for j in range(sums.shape[0]):
        x = sums[j] * scale[j] + offset[j] + layer.noise * normals[j]
        u = min(max(x * per_code, zero), one)
        x += u * (one - u) * (parabola[j] + cubic[j] * (one - u - u))
        code = np.rint(x)
        working = stuck[j] < zero
        above = _i32(above + _i32(working and code > layer.top))
        code = min(max(code, zero), layer.top)
        sums[j] = code if working else stuck[j]
    return above


@jit
def read_out(sums, variance, drawn, layer, tile, key, step, normals):
    """Read noise, conversion, combination of one tile's columns, added to `drawn`; clears the sums.

    Args:
        sums: (columns,) current of the driven lines of the tile, weight units.
        variance: (columns,) of its read noise; (0,) without.
        drawn: (outputs,) what the digital side has of this step, in LSB; added to.
        layer: The periphery.
        tile: Row of tiles.
        key: (2,) uint64, noise keys of reads and of conversions.
        step: Number of this read-out in the noise stream of the sample.
        normals: Scratch (columns,).

    Returns:
        Conversions above the range.
    """
    if variance.shape[0] > 0:
        add_noise(sums, variance, key[0], step)
    above = 0
    if layer.converts:
        if layer.noise > 0.0:
            draw_normals(key[1], step, normals)  # else they are finite and count zero times
        above = convert(sums, layer, tile, normals)
    combine(sums, drawn, layer.runs, layer.factors)
    sums[:] = 0.0
    return above


@jit
def combine(sums, drawn, runs, factors):
    """Add columns to outputs, run by run; see `Columns`."""
    for r in range(runs.shape[0]):
        column, output, length, factor = runs[r, 0], runs[r, 2], runs[r, 3], factors[r]
        to = drawn[output : output + length]
        if runs[r, 1] == 0:
            shared = factor * sums[column]
            for j in range(to.shape[0]):
                to[j] += shared
        else:
            own = sums[column : column + length]
            for j in range(to.shape[0]):
                to[j] += factor * own[j]


@jit
def take_in(current, drawn, layer):
    """Neurons take up what one step drew; clears it. See `crossbar.array.periphery.Neurons`."""
    for j in range(layer.gain.shape[0]):
        q = current[j] + layer.gain[j] * (layer.lsb * drawn[j]) + layer.injected[j]
        current[j] = min(max(q, -layer.ceiling), layer.ceiling)
        drawn[j] = 0.0


@jit
def add_row(sums, variance, layer, row):
    """One driven word line."""
    for j in range(sums.shape[0]):
        sums[j] += layer.columns[row, j]
    for j in range(variance.shape[0]):
        variance[j] += layer.variance[row, j]


@jit
def drive(rows, offset, first, last, layer, work, key, step, c, tile):
    """Drive the word lines `offset + rows[first:last]`, and convert every tile that they leave.

    Args:
        rows, offset, first, last: In rising order.
        layer: The periphery.
        work: See `hidden_converted`.
        key: (2,) uint64, noise keys of reads and of conversions.
        step: Of the network.
        c: Constants.
        tile: Which tile was driven last in this step; -1 for none.

    Returns:
        The tile driven last, conversions above the range.
    """
    _, sums, variance, drawn, normals = work
    above = 0
    for event in range(first, last):
        row = offset + int(rows[event])
        if row // c.tile_rows != tile:
            if tile >= 0 and layer.converts:
                at = step + c.steps * tile
                above += read_out(sums, variance, drawn, layer, tile, key, at, normals)
            tile = row // c.tile_rows
        add_row(sums, variance, layer, row)
    return tile, above


@jit
def end_drive(layer, work, key, step, c, tile):
    """Convert the tile driven last, and let the neurons take in what the step drew."""
    current, sums, variance, drawn, normals = work
    if tile < 0:
        return 0
    at = step + c.steps * tile
    above = read_out(sums, variance, drawn, layer, tile, key, at, normals)
    take_in(current, drawn, layer)
    return above


@jit
def hidden_converted(lines, synapses, layer, c, key, course, work, tally, place, recurrent):
    """`forward.hidden_layer` behind a periphery; see there.

    Args:
        lines, c, tally, place: As there.
        course: As there, not borrowed.
        synapses: The crossbar; its matrix is not read.
        layer: The periphery.
        key: (2,) uint64, noise keys of reads and of conversions.
        work: Scratch (current, sums, variance, drawn, normals); sums, variance and what is drawn
            are zero between calls.
        recurrent: See `run.run_chunk`.
    """
    current = work[0]
    start = first_step(lines, c)
    zero = c.one - c.one
    current[:] = zero
    course.trace[: start + 1] = zero
    event, count = lines.first, 0
    for t in range(start, c.steps):
        now, mine = course.trace[t], count
        lif_step(now, course.trace[t + 1], current, c.alpha, c.beta, c.threshold)
        if any_fires(now, c.threshold):
            count = list_fired(now, c.threshold, course.rows, course.times, t, count)
        leak(current, layer.keep, c.one)
        first = event
        event = end_of_step(lines.times, first, lines.last, t)
        tile, above = drive(lines.rows, 0, first, event, layer, work, key, t, c, -1)
        if recurrent is not None:
            tile, more = drive(
                course.rows, synapses.inputs, mine, count, layer, work, key, t, c, tile
            )
            above += more
        increase(tally.clipped, place, above + end_drive(layer, work, key, t, c, tile))
    for event in range(count):
        increase(tally.spikes, place * tally.width + course.rows[event], 1)
    count_reads(lines, synapses, tally, place)
    if recurrent is not None:
        own = EventSlice(borrowed(course.rows), borrowed(course.times), 0, count)
        count_own_reads(lines, own, synapses, tally, place)
    return count


@jit
def readout_converted(lines, synapses, layer, c, key, scores, work, tally, place):
    """`forward.readout_layer` behind a periphery; see `hidden_converted`."""
    current, best, when, trace = work[0], scores.best, scores.when, scores.trace
    start = first_step(lines, c)
    zero = c.one - c.one
    for row in (current, best):
        row[:] = zero
    when[:] = zero
    trace[: start + 1] = zero
    event = lines.first
    for t in range(start, c.steps):
        leaky_step(
            trace[t], trace[t + 1], current, best, when, c.one * np.float32(t + 1), c.alpha, c.beta
        )
        leak(current, layer.keep, c.one)
        first = event
        event = end_of_step(lines.times, first, lines.last, t)
        tile, above = drive(lines.rows, 0, first, event, layer, work, key, t, c, -1)
        increase(tally.clipped, place, above + end_drive(layer, work, key, t, c, tile))
    count_reads(lines, synapses, tally, place)


@jit
def leak(current, keep, one):
    """What an integrator loses of its current in one step, beyond the network's own decay."""
    if keep < one:
        for j in range(current.shape[0]):
            current[j] *= keep
