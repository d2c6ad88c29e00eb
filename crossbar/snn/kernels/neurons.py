"""Neurons of one layer behind a periphery in one step, and what is counted of events.

Each loop is a function of its own with a 32-bit counter, or none: only so does the compiler
vectorise it.
"""

import numpy as np

from device_models.jit import jit

_i32 = np.int32


@jit
def lif_step(now, after, current, alpha, beta, threshold):
    """One step of all neurons of a layer."""
    for j in range(now.shape[0]):
        after[j] = alpha - alpha if now[j] > threshold else beta * now[j] + current[j]
        current[j] = alpha * current[j]


@jit
def any_fires(membrane, threshold):
    """Whether a neuron of a layer fires."""
    fired = _i32(0)
    for j in range(membrane.shape[0]):
        fired = _i32(fired + _i32(membrane[j] > threshold))
    return fired > 0


@jit
def leaky_step(now, after, current, best, when, step, alpha, beta):
    """One step of neurons that never fire, and the maximum of their traces so far.

    Args:
        now, after: Membrane of a step and of the next one.
        current: Changed.
        best, when: Maximum so far and the first step that reaches it, 32 bits; changed.
        step: Number of the next one.
        alpha, beta: See `Constants`.
    """
    for j in range(now.shape[0]):
        after[j] = beta * now[j] + current[j]
        current[j] = alpha * current[j]
        higher = after[j] > best[j]
        best[j] = after[j] if higher else best[j]
        when[j] = step if higher else when[j]


@jit
def list_fired(membrane, threshold, rows, times, step, count):
    """Append the neurons that fire in one step to the events of a layer; returns their number."""
    for j in range(membrane.shape[0]):
        if membrane[j] > threshold:
            rows[count] = j
            times[count] = step
            count += 1
    return count


@jit
def end_of_step(times, first, last, step):
    """Where the events of a step end that begin at `first`."""
    while first < last and times[first] == step:
        first += 1
    return first


@jit
def driven_siemens(lines, siemens, offset):
    """Conductance that some lines drive, summed; `siemens` of each row, line 0 at `offset`."""
    total = 0.0
    for event in range(lines.first, lines.last):
        total += siemens[offset + np.int64(lines.rows[event])]
    return total


@jit
def tiles_entered(lines, tile_of, offset):
    """(row tile, step) pairs with a driven line; a choice would be a branch that is often wrong."""
    tiles, last = 0, -1
    for event in range(lines.first, lines.last):
        tile = int(lines.times[event]) << 20 | tile_of[offset + np.int64(lines.rows[event])]
        tiles += tile != last
        last = tile
    return tiles


@jit
def tiles_shared(lines, own, inputs, tile_of):
    """Pairs that `tiles_entered` counts twice, once for what comes in and once for own spikes.

    Only the tile that holds both kinds of rows can be shared, and own spikes come behind.
    """
    if inputs == 0 or tile_of[inputs - 1] != tile_of[inputs]:
        return 0
    shared, event, last = 0, lines.first, -1
    for mine in range(own.first, own.last):
        step = int(own.times[mine])
        if step == last or tile_of[inputs + np.int64(own.rows[mine])] != tile_of[inputs]:
            continue  # only the first of a step
        last = step
        while event < lines.last and lines.times[event] <= step:
            event += 1
        if event > lines.first and lines.times[event - 1] == step:
            shared += tile_of[np.int64(lines.rows[event - 1])] == tile_of[inputs]
    return shared
