"""Forward pass of one layer: events in, membranes and events out.

The dense reference is `crossbar.snn.reference`. The rows of a crossbar are added up where a line
spiked (`gather_scatter`), so the cost follows the spikes. Behind converters the same array of
drives is made of columns instead (`adc`). Neurons of a layer do not meet within a sample: block by
block (`simd`), they run through all its steps in registers. All records hold pointers.
"""

from typing import Any

import numpy as np

from device_models.jit import inlined, jit

from .adc import convert_bin
from .counter_rng import BLOCK, normals_at, places
from .counting import driven_siemens, tiles_entered, tiles_shared
from .dispatch import implements
from .gather_scatter import by_line, gather, order_by_line
from .neuron import begin, lead, of_block, step, store_recorded, take_in
from .pointers import increase
from .records import Columns
from .simd import (
    BITS,
    LANES,
    MaskType,
    bits,
    change_mask,
    load,
    load_u16x4,
    lowest,
    root,
    splat,
    store,
    write,
)


@jit
def first_step(lines, c):
    """Step of the first event; the number of steps, if there is none."""
    return int(lines.times[lines.first]) if lines.first < lines.last else c.steps


@jit
def count_reads(lines, layer, stats):
    """Add what the lines that come into a layer are read for in one sample to the counters."""
    crossbar, place = layer.crossbar, layer.place
    increase(stats.siemens, place, driven_siemens(lines, crossbar.siemens, 0))
    increase(stats.tile_steps, place, tiles_entered(lines, crossbar.tile_of, 0))
    increase(stats.activations, place, lines.last - lines.first)


@jit
def count_recurrent_reads(lines, fed_back, layer, stats):
    """`count_reads` for the spikes by which a layer drives itself, in the same step as `lines`."""
    crossbar, place = layer.crossbar, layer.place
    inputs, tile_of = crossbar.inputs, crossbar.tile_of
    increase(stats.siemens, place, driven_siemens(fed_back, crossbar.siemens, inputs))
    increase(stats.tile_steps, place, tiles_entered(fed_back, tile_of, inputs))
    increase(stats.tile_steps, place, -tiles_shared(lines, fed_back, inputs, tile_of))
    increase(stats.activations, place, fed_back.last - fed_back.first)


@jit
def count_spikes(layer, count, stats):
    """Add the spikes of a layer to the counters."""
    for event in range(count):
        increase(stats.spikes, layer.number * stats.width + layer.trace.rows[event], 1)


@inlined
def end_bin(lines, bins, count, event):
    """Write down bin `count`, whose last event is `event`; returns the number of bins."""
    t = np.int64(lines.times[event])
    write(bins.steps, count, t)
    write(bins.ends, count + 1, event + 1)
    write(bins.slots, t, count + 1)
    return count + 1


@jit
def find_bins(lines, bins, steps):
    """Part the events of a sample into time bins, and order many by line; returns the bins."""
    for t in range(steps + 1):
        write(bins.slots, t, 0)
    write(bins.ends, 0, lines.first)
    count, event = 0, lines.first
    while event + BITS < lines.last:
        left = change_mask(lines.times, event)
        while left != 0:
            count = end_bin(lines, bins, count, event + lowest(left))
            left &= left - 1
        event += BITS
    while event < lines.last:
        if event + 1 == lines.last or lines.times[event] != lines.times[event + 1]:
            count = end_bin(lines, bins, count, event)
        event += 1
    write(bins.steps, count, -1)
    if by_line(lines, bins):
        order_by_line(lines, bins)
    return count


@jit
def add_read_noise(bins, count, key, crossbar, drive):
    """Add one draw per column to what every bin drives, of the variance of its rows."""
    for i in range(count):
        at_pools = places(key, bins.steps[i], 0)
        for column in range(0, crossbar.width, LANES):
            if column % BLOCK == 0:
                at_pools = places(key, bins.steps[i], column // BLOCK)
            at = (i + 1) * crossbar.stride + column
            current, variance = load(drive, at), load(drive, at + crossbar.width)
            noise = root(variance) * normals_at(at_pools, column % BLOCK, current)
            store(drive, at, current + noise)


def drive_layer(
    front: Any, lines: Any, count: Any, layer: Any, c: Any, keys: Any, stats: Any
) -> Any:
    """What every bin drives, with the noise of its reads; row i + 1 of `layer.trace.drive`.

    Args:
        front: None for exact currents, or `Columns`.
        lines, count, layer, c, keys, stats: See `topology.forward`.
    """
    raise NotImplementedError


@implements(drive_layer, None)
def _drive_layer(front, lines, count, layer, c, keys, stats):
    gather(lines, layer.bins, count, layer.crossbar, layer.trace.drive)
    if layer.crossbar.stride > layer.crossbar.width:
        add_read_noise(layer.bins, count, keys[0], layer.crossbar, layer.trace.drive)


@implements(drive_layer, Columns, inline=False)
def _convert_layer(front, lines, count, layer, c, keys, stats):
    bins, clipped = layer.bins, 0
    for i in range(count):
        first, last, at = bins.ends[i], bins.ends[i + 1], (i + 1) * layer.crossbar.stride
        clipped += convert_bin(front, lines, first, last, 0, 0, layer, c, keys, bins.steps[i], at)
    increase(stats.clipped, layer.place, clipped)


def note_fired(mask: Any, fired: Any, at: Any) -> Any:
    """Write down who fires, a bit each; nothing where neurons never spike."""
    raise NotImplementedError


@implements(note_fired, None)
def _note_nobody(mask, fired, at):
    pass


@implements(note_fired, MaskType)
def _note_fired(mask, fired, at):
    write(fired, at, bits(mask))


@jit
def integrate_block(neuron, integrator, layer, c, start, column):
    """The membranes of a block of neurons in all steps, and who spikes when.

    A step without a bin takes in row 0 of the drive, which is zero: this loop has no branch.
    """
    slots, stride = layer.bins.slots, layer.crossbar.stride
    integrate_drive(neuron, integrator, layer, slots, stride, c, start, column)


@jit
def integrate_drive(neuron, integrator, layer, slots, stride, c, start, column):
    """`integrate_block` of a drive with rows of `stride` numbers; `slots`: that of each step."""
    trace = layer.trace
    width, words, block = trace.width, 4 * trace.words, column // LANES
    n, sooner = of_block(neuron, layer, column), lead(neuron)
    state = begin(n, splat(c.one - c.one))
    if sooner != 0:
        drive = load(trace.drive, slots[start] * stride + column)
        state = (take_in(integrator, state[0], drive),) + state[1:]  # noqa: RUF005  # numba
    for t in range(start, c.steps):
        membrane, fired, decayed = step(n, state)
        store_recorded(n, trace, c, t * width + column, membrane)
        note_fired(fired, trace.fired, t * words + block)
        drive = load(trace.drive, slots[t + sooner] * stride + column)
        state = (take_in(integrator, decayed[0], drive),) + decayed[1:]  # noqa: RUF005  # numba
    store_recorded(n, trace, c, c.steps * width + column, step(n, state)[0])


@inlined
def list_word(left, t, first, trace, count):
    """Append the neurons from `first` on that spike, bits of `left`; returns their number."""
    while left != 0:
        write(trace.rows, count, first + lowest(left))
        write(trace.times, count, t)
        count += 1
        left &= left - 1
    return count


@jit
def list_spikes(trace, start, steps):
    """List the spikes of a layer by step and neuron; returns their number."""
    count = 0
    for t in range(start, steps):
        for i in range(trace.words):
            left = load_u16x4(trace.fired, t * trace.words + i)
            count = list_word(left, t, 4 * LANES * i, trace, count)
    return count


def list_fired(mask: Any, layer: Any, c: Any, start: Any, stats: Any) -> Any:
    """List and count the spikes that `integrate_block` wrote down; returns their number.

    Args:
        mask: Of any step: None where neurons never spike.
        layer, c, start, stats: See `topology.forward`.
    """
    raise NotImplementedError


@implements(list_fired, None)
def _list_nobody(mask, layer, c, start, stats):
    return 0


@implements(list_fired, MaskType)
def _list_fired(mask, layer, c, start, stats):
    count = list_spikes(layer.trace, start, c.steps)
    count_spikes(layer, count, stats)
    return count
