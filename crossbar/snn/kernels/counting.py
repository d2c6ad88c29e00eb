"""What is counted of the events that drive a crossbar."""

import numpy as np

from device_models.jit import jit


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
def tiles_shared(lines, fed_back, inputs, tile_of):
    """Pairs that `tiles_entered` counts twice, once for incoming and once for recurrent spikes.

    Only the tile that holds both kinds of rows can be shared, and recurrent rows come last.
    """
    if inputs == 0 or tile_of[inputs - 1] != tile_of[inputs]:
        return 0
    shared, event, last = 0, lines.first, -1
    for mine in range(fed_back.first, fed_back.last):
        step = int(fed_back.times[mine])
        if step == last or tile_of[inputs + np.int64(fed_back.rows[mine])] != tile_of[inputs]:
            continue  # only the first of a step
        last = step
        while event < lines.last and lines.times[event] <= step:
            event += 1
        if event > lines.first and lines.times[event - 1] == step:
            shared += tile_of[np.int64(lines.rows[event - 1])] == tile_of[inputs]
    return shared
