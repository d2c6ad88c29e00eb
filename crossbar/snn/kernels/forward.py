"""Forward pass of one layer: events in, time course and events out.

The dense reference is `crossbar.snn.reference`; its docstring holds the equations. The rows of a
crossbar are added up where a line spiked (`panels`), so the cost follows the spikes. Neurons of a
layer do not meet within a sample: block by block (`lanes`), they run through all its steps in
registers. All records are borrowed ones.
"""

import numpy as np

from device_models.jit import inlined, jit

from .counter_rng import BLOCK, normals_at, places
from .gather_scatter import gather
from .neurons import driven_siemens, tiles_entered
from .pointers import increase
from .simd import BITS, LANES, bits, load, lowest, root, select, splat, store, turns, word, write


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


@inlined
def end_volley(lines, volleys, count, event):
    """Write down volley `count`, whose last event is `event`; returns the number of volleys."""
    step = np.int64(lines.times[event])
    write(volleys.steps, count, step)
    write(volleys.ends, count + 1, event + 1)
    write(volleys.slots, step, count + 1)
    return count + 1


@jit
def find_volleys(lines, volleys, steps):
    """Part the events of a sample into volleys; returns their number."""
    for t in range(steps + 1):
        write(volleys.slots, t, 0)
    write(volleys.ends, 0, lines.first)
    count, event = 0, lines.first
    while event + BITS < lines.last:
        left = turns(lines.times, event)
        while left != 0:
            count = end_volley(lines, volleys, count, event + lowest(left))
            left &= left - 1
        event += BITS
    while event < lines.last:
        if event + 1 == lines.last or lines.times[event] != lines.times[event + 1]:
            count = end_volley(lines, volleys, count, event)
        event += 1
    write(volleys.steps, count, -1)
    return count


@jit
def add_read_noise(volleys, found, key, layer, drive):
    """Add one draw per column to what every volley drives, of the variance of its rows."""
    for i in range(found):
        begin = places(key, volleys.steps[i], 0)
        for column in range(0, layer.width, LANES):
            if column % BLOCK == 0:
                begin = places(key, volleys.steps[i], column // BLOCK)
            at = (i + 1) * layer.stride + column
            current, variance = load(drive, at), load(drive, at + layer.width)
            noise = root(variance) * normals_at(begin, column % BLOCK, current)
            store(drive, at, current + noise)


@jit
def drive_layer(lines, volleys, found, layer, key, drive):
    """What every volley drives, see `gather`, with its read noise."""
    gather(lines, volleys, found, layer, drive)
    if layer.stride > layer.width:
        add_read_noise(volleys, found, key, layer, drive)


@jit
def integrate_block(volleys, layer, c, start, column, course):
    """The membranes of a block of neurons in all steps, and who spikes when.

    A step without a volley takes in row 0 of the drive, which is zero: this loop has no branch.
    """
    width, words, block = course.width, 4 * course.words, column // LANES
    silent = splat(c.one - c.one)
    membrane, current = silent, silent
    for t in range(start, c.steps):
        store(course.trace, t * width + column, membrane)
        fires = membrane > c.threshold
        write(course.fired, t * words + block, bits(fires))
        membrane = select(fires, silent, c.beta * membrane + current)
        drive = load(course.drive, volleys.slots[t] * layer.stride + column)
        current = c.alpha * current + drive
    store(course.trace, c.steps * width + column, membrane)


@inlined
def list_word(left, step, first, course, count):
    """Append the neurons from `first` on that spike in a step, bits of `left`; returns the number."""
    while left != 0:
        write(course.rows, count, first + lowest(left))
        write(course.times, count, step)
        count += 1
        left &= left - 1
    return count


@jit
def list_spikes(course, start, steps):
    """List the spikes of a layer by step and neuron; returns their number."""
    count = 0
    for t in range(start, steps):
        for i in range(course.words):
            left = word(course.fired, t * course.words + i)
            count = list_word(left, t, 4 * LANES * i, course, count)
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
        course: Drive, membrane and spikes, overwritten from `start` on.
        tally: Counters, added to.
        place: Number of the crossbar.
    """
    drive_layer(lines, volleys, found, layer, key, course.drive)
    for column in range(0, course.width, LANES):
        integrate_block(volleys, layer, c, start, column, course)
    count = list_spikes(course, start, c.steps)
    for event in range(count):
        increase(tally.spikes, place * tally.width + course.rows[event], 1)
    count_reads(lines, layer, tally, place)
    return count


@jit
def score_block(volleys, layer, c, start, column, scores):
    """The traces of a block of classes, their maxima over time and the first steps of these."""
    silent, one = splat(c.one - c.one), splat(c.one)
    membrane, current, highest, reached = silent, silent, silent, silent
    step = splat(c.one * np.float32(start))
    for t in range(start, c.steps):
        store(scores.trace, t * scores.width + column, membrane)
        drive = load(scores.drive, volleys.slots[t] * layer.stride + column)
        membrane, current = c.beta * membrane + current, c.alpha * current + drive
        step += one
        higher = membrane > highest
        highest, reached = select(higher, membrane, highest), select(higher, step, reached)
    store(scores.trace, c.steps * scores.width + column, membrane)
    store(scores.best, column, highest)
    store(scores.when, column, reached)


@jit
def readout_layer(lines, volleys, found, layer, c, start, key, scores, tally, place):
    """A layer that never spikes, through all steps.

    Args:
        lines, volleys, found, layer, c, start, key, tally, place: See `hidden_layer`.
        scores: Drive, trace (from `start` on), `best` and `when` are overwritten.
    """
    drive_layer(lines, volleys, found, layer, key, scores.drive)
    for column in range(0, scores.width, LANES):
        score_block(volleys, layer, c, start, column, scores)
    count_reads(lines, layer, tally, place)
