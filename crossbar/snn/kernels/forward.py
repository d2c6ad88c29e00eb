"""Forward pass of one layer: events in, time course and events out.

The dense reference is `crossbar.snn.reference`; its docstring holds the equations. The rows of a
crossbar are gathered where a line spiked, so the cost follows the spikes. Neurons of a layer do not
meet within a sample: block by block (`lanes`), they run through all its steps in registers. All
records are borrowed ones.
"""

import numpy as np

from ...jit import inlined, jit
from .borrowing import increase
from .lanes import LANES, bits, load, lowest, root, select, splat, store, write
from .neurons import driven_siemens, tiles_entered
from .normals import BLOCK, normals_at, places


@jit
def first_step(lines, c):
    """Step of the first event; the number of steps, if there is none."""
    return int(lines.times[lines.first]) if lines.first < lines.last else c.steps


@jit
def count_reads(lines, layer, tally, place):
    """Add what the lines that come into a layer are read for in one sample to the counters."""
    increase(tally.siemens, place, driven_siemens(lines, layer.siemens, 0))
    increase(tally.tile_steps, place, tiles_entered(lines, layer.tile_of, 0))
    increase(tally.activations, place, lines.last - lines.first)


@jit
def find_volleys(lines, volleys):
    """Part the events of a sample into volleys; returns their number."""
    count, held = 0, np.int64(-1)
    for event in range(lines.first, lines.last):
        step = np.int64(lines.times[event])
        if step != held:
            write(volleys.steps, count, step)
            write(volleys.ends, count, event)
            count, held = count + 1, step
    write(volleys.steps, count, -1)
    write(volleys.ends, count, lines.last)
    return count


@jit
def find_places(volleys, count, key, column):
    """Where the noise of every volley begins, for the block of places of a column."""
    for i in range(count):
        a, b = places(key, volleys.steps[i], column // BLOCK)
        write(volleys.places, 2 * i, a)
        write(volleys.places, 2 * i + 1, b)


@inlined
def driven(drive, rows, offset, first, last, layer, column):
    """A block's currents and, with read noise, variances, with the rows of some events added.

    Args:
        drive: (Currents, variances) of the block.
        rows, offset, first, last: The events: rows `offset + rows[first:last]` of the crossbar.
        layer: The crossbar.
        column: First neuron of the block.
    """
    current, variance = drive
    is_noisy = layer.stride > layer.width
    for event in range(first, last):
        at = (offset + np.int64(rows[event])) * layer.stride + column
        current += load(layer.matrix, at)
        if is_noisy:
            variance += load(layer.matrix, at + layer.width)
    return current, variance


@inlined
def with_noise(drive, begin, column):
    """Currents of a block with one draw per column of the variance summed over the driven lines."""
    current, variance = drive
    return current + root(variance) * normals_at(begin, column % BLOCK, current)


@inlined
def drive_block(current, lines, volleys, i, layer, column):
    """A block's currents after volley i.

    Its rows are added up by themselves: so the next volley need not wait for this one.
    """
    none = current - current
    first, last = volleys.ends[i], volleys.ends[i + 1]
    drive = driven((none, none), lines.rows, 0, first, last, layer, column)
    if layer.stride == layer.width:
        return current + drive[0]
    begin = volleys.places[2 * i], volleys.places[2 * i + 1]
    return current + with_noise(drive, begin, column)


@jit
def integrate_block(lines, volleys, layer, c, start, column, course):
    """The membranes of a block of neurons in all steps, and who spikes when."""
    width, blocks, block = course.width, course.width // LANES, column // LANES
    silent = splat(c.one - c.one)
    membrane, current = silent, silent
    i = 0
    for t in range(start, c.steps):
        store(course.trace, t * width + column, membrane)
        fires = membrane > c.threshold
        write(course.fired, t * blocks + block, bits(fires))
        membrane = select(fires, silent, c.beta * membrane + current)
        current = c.alpha * current
        if volleys.steps[i] == t:
            current = drive_block(current, lines, volleys, i, layer, column)
            i += 1
    store(course.trace, c.steps * width + column, membrane)


@inlined
def list_block(left, step, block, course, count):
    """Append the neurons of a block that spike in a step, bits of `left`; returns their number."""
    while left != 0:
        write(course.rows, count, block * LANES + lowest(left))
        write(course.times, count, step)
        count += 1
        left &= left - 1
    return count


@jit
def list_spikes(course, start, steps):
    """List the spikes of a layer by step and neuron; returns their number."""
    count, blocks = 0, course.width // LANES
    for t in range(start, steps):
        for block in range(blocks):
            count = list_block(np.int64(course.fired[t * blocks + block]), t, block, course, count)
    return count


@jit
def hidden_layer(lines, volleys, found, layer, c, start, key, course, tally, place):
    """A spiking layer that does not drive itself, through all steps; returns its spikes' number.

    Args:
        lines: What comes in.
        volleys: The same by steps.
        found: How many there are.
        layer: Its crossbar.
        c: Constants of the network.
        start: Step of the first event of the sample.
        key: Noise key of the crossbar.
        course: Membrane and spikes, overwritten from `start` on.
        tally: Counters, added to.
        place: Number of the crossbar.
    """
    for column in range(0, course.width, LANES):
        if layer.stride > layer.width and column % BLOCK == 0:
            find_places(volleys, found, key, column)
        integrate_block(lines, volleys, layer, c, start, column, course)
    count = list_spikes(course, start, c.steps)
    for event in range(count):
        increase(tally.spikes, place * tally.width + course.rows[event], 1)
    count_reads(lines, layer, tally, place)
    return count


@jit
def score_block(lines, volleys, layer, c, start, column, scores):
    """The traces of a block of classes, their maxima over time and the first steps of these."""
    silent, one = splat(c.one - c.one), splat(c.one)
    membrane, current, highest, reached = silent, silent, silent, silent
    step = splat(c.one * np.float32(start))
    i = 0
    for t in range(start, c.steps):
        store(scores.trace, t * scores.width + column, membrane)
        membrane, current = c.beta * membrane + current, c.alpha * current
        step += one
        higher = membrane > highest
        highest, reached = select(higher, membrane, highest), select(higher, step, reached)
        if volleys.steps[i] == t:
            current = drive_block(current, lines, volleys, i, layer, column)
            i += 1
    store(scores.trace, c.steps * scores.width + column, membrane)
    store(scores.best, column, highest)
    store(scores.when, column, reached)


@jit
def readout_layer(lines, volleys, found, layer, c, start, key, scores, tally, place):
    """A layer that never spikes, through all steps.

    Args:
        lines, volleys, found, layer, c, start, key, tally, place: See `hidden_layer`.
        scores: Trace (from `start` on), `best` and `when` are overwritten.
    """
    for column in range(0, scores.width, LANES):
        if layer.stride > layer.width and column % BLOCK == 0:
            find_places(volleys, found, key, column)
        score_block(lines, volleys, layer, c, start, column, scores)
    count_reads(lines, layer, tally, place)
