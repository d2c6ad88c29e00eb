"""Steps of a layer whose neurons reset each other; states as in `recurrent`.

All records hold pointers.
"""

import math

from device_models.jit import inlined, jit

from .carry import behind_lines
from .counter_rng import BLOCK, normals_at, places
from .neuron import (
    begin,
    clear,
    decay,
    gather_trained,
    lead,
    of_block,
    rectify,
    rectify_back,
    reset_back,
    spike_back,
    step_back,
)
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
    spread_evenly(layer, c, t, first, last, amount)


@jit
def spread_evenly(layer, c, t, first, last, amount):
    """Add a derivative to the errors of the spikes `first:last` of step t, in equal parts.

    Where there are none, all neurons share it.
    """
    trace, neurons = layer.trace, layer.crossbar.neurons
    part = amount / (c.one * (last - first if last > first else neurons))
    for event in range(first, last):
        increase(trace.errors, t * trace.width + int(trace.rows[event]), part)
    for j in range(neurons if last == first else 0):
        increase(trace.errors, t * trace.width + j, part)


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
def rest_beside(layer, c):
    """Let N not spike in any step."""
    for t in range(c.steps + 1):
        write(layer.recurrent_bins.slots, t, 0)


@inlined
def plus(lanes, amount, times):
    """Lanes and so many times others; a factor would be of another type than they are."""
    for _ in range(times):
        lanes = lanes + amount
    return lanes


@jit
def inhibit(neuron, layer, c, key, t, repeats, stats):
    """Let N act on what is left of the membranes before step t drives them, and count its reads.

    Its row, the first one behind those of the lines, is read before them, and so by itself.
    """
    trace, crossbar, place = layer.trace, layer.crossbar, layer.place
    at, at_pools = crossbar.inputs * crossbar.stride, places(key, t, 0)
    for column in range(0, crossbar.width, LANES):
        left = plus(load(trace.work, column), load(crossbar.matrix, at + column), repeats)
        if crossbar.stride > crossbar.width:
            if column % BLOCK == 0:
                at_pools = places(key, t, column // BLOCK)
            variance = load(crossbar.matrix, at + crossbar.width + column)
            variance = plus(variance - variance, variance, repeats)
            left += root(variance) * normals_at(at_pools, column % BLOCK, left)
        store(trace.work, column, rectify(of_block(neuron, layer, column), left))
    increase(stats.activations, place, repeats)
    increase(stats.siemens, place, repeats * crossbar.siemens[crossbar.inputs])
    increase(stats.tile_steps, place, repeats)


@jit
def excite(neuron, layer, c, key, t, first, last, stats):
    """Whether the spikes `first:last` of step t make N spike.

    How far above its threshold it is stays in `work`, whether it spikes in `recurrent_bins.slots`.
    """
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
    write(trace.work, above_at(neuron, layer, c) + t, amount)
    write(layer.recurrent_bins.slots, t, 1 if amount > c.one - c.one else 0)
    return amount > c.one - c.one


@jit
def above_at(neuron, layer, c):
    """Where how far N was above its threshold in each step stands in `work`."""
    return 2 * len(begin(neuron, splat(c.one))) * layer.trace.width


@jit
def drive_back(neuron, layer, c, t):
    """Let the derivatives by what step t + 1 drives take the place of the membranes."""
    trace, width, to = layer.trace, layer.trace.width, min(t + lead(neuron), c.steps)
    for column in range(0, width, LANES):
        store(trace.membranes, to * width + column, load(trace.work, column))


@jit
def own_back(neuron, layer, c, t):
    """Derivatives of step t from those by what it left of the membranes."""
    trace, width, like = layer.trace, layer.trace.width, begin(neuron, splat(c.one - c.one))
    for column in range(0, width, LANES):
        n, at = of_block(neuron, layer, column), t * width + column
        membrane, error = load(trace.membranes, at), load(trace.errors, at)
        adjoint = load_rows(trace.work, column, 2 * width, like)
        store_rows(trace.work, column, 2 * width, step_back(n, membrane, error, adjoint))


@jit
def inhibit_back(neuron, layer, c, t, repeats, fires):
    """Derivatives by what step t left of the membranes, in the place of those by what N left.

    Args:
        neuron, layer, c: See `topology.backward`.
        t: The step.
        repeats: Reads of its row.
        fires: Whether N spikes in it.

    Returns:
        The derivative by the spike of N, whether there is one or not.
    """
    trace, width = layer.trace, layer.trace.width
    by_spike, at = c.one - c.one, behind_lines(layer)
    for column in range(0, width, LANES):
        n, by = of_block(neuron, layer, column), load(trace.work, column)
        decayed = decay(n, load(trace.membranes, t * width + column))
        left = plus(decayed, load(layer.back, at + column), repeats)
        by_spike += total(by * (rectify(n, left) - decayed))
        if fires:
            store(trace.work, column, rectify_back(n, left, by))
    return by_spike


@jit
def train_back(neuron, layer, c, t, first, last, repeats, by_spike):
    """The gradient of both rows of N in step t.

    Args:
        neuron, layer, c: See `topology.backward`; in `work` is what `inhibit_back` left there.
        t: The step.
        first, last: The spikes of that step.
        repeats: Reads of its row.
        by_spike: Derivative by the spike of N.
    """
    trace, width, inputs = layer.trace, layer.trace.width, layer.crossbar.inputs
    above = trace.work[above_at(neuron, layer, c) + t]
    steep = math.tanh(above)
    by_excitation = by_spike * (c.one - steep * steep)
    for event in range(first, last):
        increase(layer.gradient, (inputs + 1) * width + int(trace.rows[event]), by_excitation)
    for column in range(0, width if above > c.one - c.one else 0, LANES):
        at = inputs * width + column
        by = plus(load(layer.gradient, at), load(trace.work, column), repeats)
        store(layer.gradient, at, by)
