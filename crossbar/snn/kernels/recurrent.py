"""Steps of a layer that drives itself: all its neurons meet in every step.

The state of its neurons stands in `work`, one number of it in every other row; behind the currents,
which the rows of a step are added to, stand their variances. All records hold pointers.
"""

from typing import Any

import numpy as np

from device_models.jit import inlined, jit

from .adc import convert_bin
from .carry import STEPS, behind_lines, multiply
from .counter_rng import BLOCK, normals_at, places
from .dispatch import implements
from .forward import list_word
from .gather_scatter import NARROW, WIDE, gather, with_rows
from .neuron import (
    begin,
    lead,
    load_recorded,
    of_block,
    step,
    step_back,
    store_recorded,
    take_in,
)
from .pointers import increase
from .records import Columns
from .simd import (
    LANES,
    behind,
    bits,
    load,
    load_panel,
    load_rows,
    plus_row,
    root,
    splat,
    store,
    store_panel,
    store_rows,
    write,
)


@jit
def at_rest(neuron, trace, c):
    """Let all states, or derivatives by them, and variances be 0."""
    states = len(begin(neuron, splat(c.one)))
    for j in range(2 * states * trace.width):
        write(trace.work, j, c.one - c.one)


@jit
def state_forward(neuron, layer, c, t, count):
    """Membranes and spikes of step t, the state of step t + 1 without its drive.

    Returns:
        The number of spikes so far.
    """
    trace, stride = layer.trace, 2 * layer.trace.width
    like = begin(neuron, splat(c.one - c.one))
    for column in range(0, trace.width, LANES):
        n = of_block(neuron, layer, column)
        membrane, fired, decayed = step(n, load_rows(trace.work, column, stride, like))
        store_recorded(n, trace, c, t * trace.width + column, membrane)
        count = list_word(bits(fired), t, column, trace, count)
        store_rows(trace.work, column, stride, decayed)
    return count


@jit
def finish_steps(neuron, layer, c):
    """The membranes behind the last step."""
    trace, stride = layer.trace, 2 * layer.trace.width
    like = begin(neuron, splat(c.one - c.one))
    for column in range(0, trace.width, LANES):
        state = load_rows(trace.work, column, stride, like)
        n = of_block(neuron, layer, column)
        store_recorded(n, trace, c, c.steps * trace.width + column, step(n, state)[0])


@jit
def state_back(neuron, layer, c, t):
    """Derivatives of step t from those of step t + 1, which take the place of the membranes."""
    trace, width = layer.trace, layer.trace.width
    like, to = begin(neuron, splat(c.one - c.one)), min(t + lead(neuron), c.steps)
    for column in range(0, width, LANES):
        n, at = of_block(neuron, layer, column), t * width + column
        membrane, error = load_recorded(n, trace, c, at), load(trace.errors, at)
        adjoint = load_rows(trace.work, column, 2 * width, like)
        store(trace.membranes, to * width + column, adjoint[0])
        store_rows(trace.work, column, 2 * width, step_back(n, membrane, error, adjoint))


@inlined
def drive_panel(none, drive, rows, fed_back, count, layer, column):
    """Add a row of what lines drive, and what recurrent spikes drive, to a panel of currents."""
    trace, crossbar = layer.trace, layer.crossbar
    sums = load_panel(trace.work, column, none)
    sums = plus_row(sums, trace.drive, drive * crossbar.stride + column)
    sums = with_rows(
        sums, crossbar.matrix, crossbar.stride, column, rows, crossbar.inputs, fed_back, count
    )
    store_panel(trace.work, column, sums)


@jit
def drive_all(drive, fed_back, count, layer, key, t):
    """Add what lines (a row of the drive) and recurrent spikes drive in step t to the currents."""
    trace, crossbar = layer.trace, layer.crossbar
    stride, width = crossbar.stride, crossbar.width
    n, rows, column = splat(trace.work[0] - trace.work[0]), trace.rows, np.int64(0)
    while column < stride:
        left = (stride - column) // LANES
        if left >= WIDE:
            drive_panel((n, n, n, n, n, n, n), drive, rows, fed_back, count, layer, column)
            column += WIDE * LANES
        elif left >= NARROW:
            drive_panel((n, n, n), drive, rows, fed_back, count, layer, column)
            column += NARROW * LANES
        else:
            drive_panel((n,), drive, rows, fed_back, count, layer, column)
            column += LANES
    at_pools = places(key, t, 0)
    for first in range(0, stride - width, LANES):
        if first % BLOCK == 0:
            at_pools = places(key, t, first // BLOCK)
        current, variance = load(trace.work, first), load(trace.work, width + first)
        noise = root(variance) * normals_at(at_pools, first % BLOCK, current)
        store(trace.work, first, current + noise)
        store(trace.work, width + first, variance - variance)


@inlined
def take_in_all(integrator, layer, row):
    """Let the currents take in a row of the drive."""
    trace = layer.trace
    for column in range(0, trace.width, LANES):
        drive = load(trace.drive, row * layer.crossbar.stride + column)
        store(trace.work, column, take_in(integrator, load(trace.work, column), drive))


def drive_lines(front: Any, lines: Any, bin_count: Any, layer: Any) -> Any:
    """What the lines of every bin drive, where they can be added up before the steps."""
    raise NotImplementedError


@implements(drive_lines, None)
def _drive_lines(front, lines, bin_count, layer):
    gather(lines, layer.bins, bin_count, layer.crossbar, layer.trace.drive)


@implements(drive_lines, Columns)
def _drive_no_lines(front, lines, bin_count, layer):
    pass


def drive_step(
    front: Any, integrator: Any, lines: Any, slot: Any, fed_back: Any, count: Any, layer: Any,
    c: Any, keys: Any, t: Any, stats: Any,
) -> Any:  # fmt: skip
    """Let the currents take in what lines and spikes [fed_back:count] of the layer drive.

    Args:
        front, integrator: See `LayerKind`.
        slot: Number of the bin of this step, from 1; 0 for none.
        lines, layer, c, keys, stats: See `topology.forward`.
    """
    raise NotImplementedError


@implements(drive_step, None, inline=False)
def _drive_step(front, integrator, lines, slot, fed_back, count, layer, c, keys, t, stats):
    if slot > 0 or count > fed_back:
        drive_all(slot, fed_back, count, layer, keys[0], t)


@implements(drive_step, Columns, inline=False)
def _convert_step(front, integrator, lines, slot, fed_back, count, layer, c, keys, t, stats):
    if slot > 0 or count > fed_back:
        ends = layer.bins.ends
        first, last = (ends[slot - 1], ends[slot]) if slot > 0 else (0, 0)
        at = layer.crossbar.stride  # row 1 of the drive; row 0 stays zero
        clipped = convert_bin(front, lines, first, last, fed_back, count, layer, c, keys, t, at)
        increase(stats.clipped, layer.place, clipped)
        take_in_all(integrator, layer, 1)
    else:
        take_in_all(integrator, layer, 0)


@jit
def sweep_steps(neuron, company, c):
    """Derivatives by what every step drives, of some samples, in the place of their membranes.

    The error of every recurrent spike is added to those that are given.
    """
    first = company.layers[0]
    width, neurons = first.trace.width, first.crossbar.neurons
    by_drive, errors = first.trace.maps, behind(first.trace.maps, STEPS * width)  # of each sample
    weights, sizes = behind(first.back, behind_lines(first)), (neurons, width, width)
    start, last = c.steps, 0
    for place in range(company.size):
        at_rest(neuron, company.layers[place].trace, c)
        start, last = min(start, company.starts[place]), max(last, company.lasts[place])
    for at in range(STEPS * width):
        write(by_drive, at, c.one - c.one)
    for t in range(last, start - 1, -1):
        multiply(weights, by_drive, errors, sizes, 0, STEPS - 1)
        for place in range(company.size):
            if company.starts[place] <= t <= company.lasts[place]:
                layer = company.layers[place]
                step_together(neuron, layer, by_drive, errors, place * width, c, t)


@inlined
def step_together(neuron, layer, by_drive, errors, at, c, t):
    """Step t of one of them, whose derivatives and errors stand from `at` on."""
    trace, width = layer.trace, layer.trace.width
    for column in range(0, width, LANES):
        given = load(trace.errors, t * width + column)
        store(trace.errors, t * width + column, given + load(errors, at + column))
    state_back(neuron, layer, c, t)
    for column in range(0, width, LANES):
        store(by_drive, at + column, load(trace.work, column))
