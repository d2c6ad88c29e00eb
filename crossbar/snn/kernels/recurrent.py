"""Steps of a layer that drives itself: all its neurons meet in every step.

The state of its neurons stands in `work`, one number of it in every other row; behind the currents,
which the rows of a step are added to, stand their variances. All records hold pointers.
"""

from typing import Any

from device_models.jit import inlined, jit

from .adc import convert_bin
from .counter_rng import BLOCK, normals_at, places
from .dispatch import implements
from .forward import list_word
from .gather_scatter import with_rows
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
    bits,
    load,
    load_rows,
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


@jit
def drive_all(lines, first, last, fed_back, count, layer, key, t):
    """Add what some lines and recurrent spikes drive in step t to the currents."""
    trace, crossbar = layer.trace, layer.crossbar
    matrix, stride, width = crossbar.matrix, crossbar.stride, crossbar.width
    column = 0
    while column < stride:
        sums = (load(trace.work, column),)
        sums = with_rows(sums, matrix, stride, column, lines.rows, 0, first, last)
        sums = with_rows(sums, matrix, stride, column, trace.rows, crossbar.inputs, fed_back, count)
        store_panel(trace.work, column, sums)
        column += LANES
    at_pools = places(key, t, 0)
    for column in range(0, stride - width, LANES):
        if column % BLOCK == 0:
            at_pools = places(key, t, column // BLOCK)
        current, variance = load(trace.work, column), load(trace.work, width + column)
        noise = root(variance) * normals_at(at_pools, column % BLOCK, current)
        store(trace.work, column, current + noise)
        store(trace.work, width + column, variance - variance)


@inlined
def take_in_all(integrator, layer, row):
    """Let the currents take in a row of the drive."""
    trace = layer.trace
    for column in range(0, trace.width, LANES):
        drive = load(trace.drive, row * layer.crossbar.stride + column)
        store(trace.work, column, take_in(integrator, load(trace.work, column), drive))


def drive_step(
    front: Any, integrator: Any, lines: Any, first: Any, last: Any, fed_back: Any, count: Any,
    layer: Any, c: Any, keys: Any, t: Any, stats: Any,
) -> Any:  # fmt: skip
    """Let the currents take in what `lines[first:last]` and spikes [fed_back:count] drive.

    Args:
        front, integrator: See `LayerKind`.
        lines, layer, c, keys, stats: See `topology.forward`.
    """
    raise NotImplementedError


@implements(drive_step, None, inline=False)
def _drive_step(front, integrator, lines, first, last, fed_back, count, layer, c, keys, t, stats):
    if last > first or count > fed_back:
        drive_all(lines, first, last, fed_back, count, layer, keys[0], t)


@implements(drive_step, Columns, inline=False)
def _convert_step(front, integrator, lines, first, last, fed_back, count, layer, c, keys, t, stats):
    if last > first or count > fed_back:
        at = layer.crossbar.stride  # row 1 of the drive; row 0 stays zero
        clipped = convert_bin(front, lines, first, last, fed_back, count, layer, c, keys, t, at)
        increase(stats.clipped, layer.place, clipped)
        take_in_all(integrator, layer, 1)
    else:
        take_in_all(integrator, layer, 0)
