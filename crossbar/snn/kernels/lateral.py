"""Steps of a layer whose neurons reset each other; states as in `recurrent`.

All records hold pointers.
"""

import math

from device_models.jit import jit

from .backward import row_dot
from .counter_rng import BLOCK, normals_at, places
from .neuron import begin, clear, gather_trained, lead, of_block, reset_back, spike_back
from .pointers import increase
from .simd import LANES, load, load_rows, root, splat, store, store_rows, total, write


@jit
def clear_all(neuron, layer, c):
    """The states that were left by a step in which all neurons are reset."""
    trace, like = layer.trace, begin(neuron, splat(c.one - c.one))
    for column in range(0, trace.width, LANES):
        n = of_block(neuron, layer, column)
        decayed = load_rows(trace.work, column, 2 * trace.width, like)
        store_rows(trace.work, column, 2 * trace.width, clear(n, decayed))


@jit
def spikes_until(trace, count, last):
    """How many of the listed spikes do not come after a step."""
    while count > 0 and int(trace.times[count - 1]) > last:
        count -= 1
    return count


@jit
def first_of_step(trace, count, t):
    """Where the spikes of step t begin, the last of which is before `count`."""
    while count > 0 and int(trace.times[count - 1]) == t:
        count -= 1
    return count


@jit
def share_reset(neuron, layer, c, t, first, last):
    """Add the derivative by what resets all neurons after step t to the errors of its spikes.

    Args:
        neuron, layer, c: See `topology.backward`; in `work` are the derivatives of step t + 1.
        t: The step.
        first, last: The spikes of that step; where there are none, all neurons share.
    """
    trace, like = layer.trace, begin(neuron, splat(c.one - c.one))
    width, amount = trace.width, c.one - c.one
    for column in range(0, width, LANES):
        n = of_block(neuron, layer, column)
        adjoint = load_rows(trace.work, column, 2 * width, like)
        amount += total(reset_back(n, load(trace.membranes, t * width + column), adjoint))
    if last > first:
        amount /= c.one * (last - first)
        for event in range(first, last):
            increase(trace.errors, t * width + int(trace.rows[event]), amount)
    else:
        amount /= c.one * layer.crossbar.neurons
        for j in range(layer.crossbar.neurons):
            increase(trace.errors, t * width + j, amount)


@jit
def inhibited_back(neuron, layer, c, t, is_reset):
    """`recurrent.state_back` of neurons that are all reset after step t, or none."""
    trace, width, silent = layer.trace, layer.trace.width, splat(c.one - c.one)
    like, to = begin(neuron, silent), min(t + lead(neuron), c.steps)
    mask = splat(c.one if is_reset else c.one - c.one) > silent
    for column in range(0, width, LANES):
        n, at = of_block(neuron, layer, column), t * width + column
        membrane, by_spike = load(trace.membranes, at), load(trace.errors, at)
        adjoint = load_rows(trace.work, column, 2 * width, like)
        store(trace.membranes, to * width + column, adjoint[0])
        before = spike_back(n, membrane, by_spike, mask, adjoint)
        store_rows(trace.work, column, 2 * width, before)


@jit
def finish_back(neuron, layer, c, start):
    """What is left once all steps are swept back: of the first one, and of the neurons' own."""
    trace, width, like = layer.trace, layer.trace.width, begin(neuron, splat(c.one - c.one))
    for column in range(0, width, LANES):
        adjoint = load_rows(trace.work, column, 2 * width, like)
        if lead(neuron) != 0:
            store(trace.membranes, start * width + column, adjoint[0])
        gather_trained(of_block(neuron, layer, column), adjoint, layer, column)


@jit
def inhibit(lines, layer, key, t, stats):
    """Add what N drives in step t to the membranes, and count its row.

    Its row is the first one behind those of the lines; the tile that it lies in is read in any case
    where one of them is driven in it.
    """
    trace, crossbar, place = layer.trace, layer.crossbar, layer.place
    at, at_pools = crossbar.inputs * crossbar.stride, places(key, t, 0)
    for column in range(0, crossbar.width, LANES):
        current = load(trace.work, column) + load(crossbar.matrix, at + column)
        if crossbar.stride > crossbar.width:
            if column % BLOCK == 0:
                at_pools = places(key, t, column // BLOCK)
            variance = load(crossbar.matrix, at + crossbar.width + column)
            current += root(variance) * normals_at(at_pools, column % BLOCK, current)
        store(trace.work, column, current)
    tile, found = crossbar.tile_of[crossbar.inputs], layer.bins.slots[t]
    is_read = found > 0 and crossbar.tile_of[int(lines.rows[layer.bins.ends[found] - 1])] == tile
    increase(stats.activations, place, 1)
    increase(stats.siemens, place, crossbar.siemens[crossbar.inputs])
    increase(stats.tile_steps, place, 0 if is_read else 1)


@jit
def excite(neuron, layer, c, key, t, first, last, stats):
    """Whether the spikes `first:last` of step t make N spike; how far above stays in `work`."""
    trace, crossbar, place = layer.trace, layer.crossbar, layer.place
    at, amount, variance = (crossbar.inputs + 1) * crossbar.stride, -c.one, c.one - c.one
    for event in range(first, last):
        j = int(trace.rows[event])
        amount += crossbar.matrix[at + j]
        if crossbar.stride > crossbar.width:
            variance += crossbar.matrix[at + crossbar.width + j]
    if variance > c.one - c.one:
        like = splat(c.one)
        store(trace.errors, 0, normals_at(places(key, c.steps + t, 0), 0, like))
        amount += c.one * math.sqrt(variance) * trace.errors[0]
    each = crossbar.siemens[crossbar.inputs + 1] / crossbar.neurons
    increase(stats.activations, place, last - first)
    increase(stats.siemens, place, (last - first) * each)
    states = len(begin(neuron, splat(c.one)))
    write(trace.work, 2 * states * trace.width + t, amount)
    return amount > c.one - c.one


@jit
def excite_back(neuron, layer, c, t, first, last):
    """The gradient of both rows of N in step t.

    Args:
        neuron, layer, c: See `topology.backward`; in `work` are the derivatives of step t + 1.
        t: The step.
        first, last: The spikes of that step.
    """
    trace, width, inputs = layer.trace, layer.trace.width, layer.crossbar.inputs
    states = len(begin(neuron, splat(c.one)))
    above = trace.work[2 * states * width + t]
    steep = math.tanh(above)
    by_excitation = row_dot(layer.back, inputs, trace.work, 0, width) * (c.one - steep * steep)
    for event in range(first, last):
        increase(layer.gradient, (inputs + 1) * width + int(trace.rows[event]), by_excitation)
    for column in range(0, width if above > c.one - c.one else 0, LANES):
        at = inputs * width + column
        store(layer.gradient, at, load(layer.gradient, at) + load(trace.work, column))
