"""Forward pass of one layer: events in, time course and events out.

The dense reference is `crossbar.snn.reference`; its docstring holds the equations. The rows of a
crossbar are gathered where a line spiked, so the cost follows the spikes. A layer that drives
itself does so in the same step and by the same read as the lines that come in.
"""

import numpy as np

from ...jit import jit
from .neurons import (
    add_rows,
    any_fires,
    driven_siemens,
    end_of_step,
    leaky_step,
    lif_step,
    list_fired,
    tiles_entered,
    tiles_shared,
)
from .normals import add_noise
from .records import Lines


@jit
def first_step(lines, c):
    """Step of the first event; the number of steps, if there is none."""
    return int(lines.times[lines.first]) if lines.first < lines.last else c.steps


@jit
def count_reads(lines, layer, tally, place):
    """Add what the lines that come into a layer are read for in one sample to the counters."""
    tally.siemens[place] += driven_siemens(lines, layer.siemens)
    tally.tile_steps[place] += tiles_entered(lines, layer.tile_of)
    tally.activations[place] += lines.last - lines.first


@jit
def count_own_reads(lines, own, layer, tally, place):
    """The same for the spikes by which a layer drives itself, in the same step as `lines`."""
    tile_of = layer.tile_of[layer.inputs :]
    tally.siemens[place] += driven_siemens(own, layer.siemens[layer.inputs :])
    tally.tile_steps[place] += tiles_entered(own, tile_of)
    tally.tile_steps[place] -= tiles_shared(lines, own, layer.inputs, layer.tile_of)
    tally.activations[place] += own.last - own.first


@jit
def hidden_layer(lines, layer, c, key, course, work, tally, place):
    """A spiking layer through all steps; returns the number of its spikes.

    Args:
        lines: What comes in.
        layer: Its crossbar.
        c: Constants of the network.
        key: Noise key of the crossbar.
        course: Membrane and spikes, overwritten.
        work: Scratch row, as long as a row of the crossbar: currents, then variances, which are
            zero between calls.
        tally: Counters, added to.
        place: Number of the crossbar.
    """
    neurons = course.trace.shape[1]
    current, variance = work[:neurons], work[neurons:]
    noisy = variance.shape[0] > 0
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
        first = event
        event = end_of_step(lines.times, first, lines.last, t)
        itself = c.recurrent and count > mine
        if event > first:
            add_rows(work, layer.matrix, lines.rows, 0, first, event)
        if itself:
            add_rows(work, layer.matrix, course.rows, layer.inputs, mine, count)
        if noisy and (event > first or itself):
            add_noise(current, variance, key, t)
    for event in range(count):
        tally.spikes[place, course.rows[event]] += 1
    count_reads(lines, layer, tally, place)
    if c.recurrent:
        own = Lines(course.rows, course.times, 0, count)
        count_own_reads(lines, own, layer, tally, place)
    return count


@jit
def readout_layer(lines, layer, c, key, trace, work, scores, tally, place):
    """A layer that never spikes, through all steps.

    Args:
        lines, layer, c, key, work, tally, place: See `hidden_layer`.
        trace: (steps + 1, classes), overwritten.
        scores: (best, when): maximum over time of every class and the first step that reaches it,
            overwritten; `when` has 32 bits.
    """
    best, when = scores
    neurons = trace.shape[1]
    current, variance = work[:neurons], work[neurons:]
    noisy = variance.shape[0] > 0
    start = first_step(lines, c)
    zero = c.one - c.one
    for row in (current, best):
        row[:] = zero
    when[:] = 0
    trace[: start + 1] = zero
    event = lines.first
    for t in range(start, c.steps):
        leaky_step(trace[t], trace[t + 1], current, best, when, np.int32(t + 1), c.alpha, c.beta)
        first = event
        event = end_of_step(lines.times, first, lines.last, t)
        if event > first:
            add_rows(work, layer.matrix, lines.rows, 0, first, event)
            if noisy:
                add_noise(current, variance, key, t)
    count_reads(lines, layer, tally, place)
