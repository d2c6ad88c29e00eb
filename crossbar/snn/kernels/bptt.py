"""A chunk of samples through the whole network, one after the other.

`recurrent` is None or True: numba leaves out what only the other kind of network needs.
"""

import numpy as np

from device_models.jit import jit

from .adc import hidden_converted, readout_converted
from .backward import (
    backprop_input,
    hidden_back,
    inject_loss,
    loss,
    readout_back,
    spike_count_penalty,
    spread_errors,
    volleys_until,
)
from .counter_rng import sample_key
from .forward import find_volleys, first_step, hidden_layer, readout_layer
from .gather_scatter import scatter
from .pointers import borrow_course, borrow_scores, borrow_synapses, borrow_tally, borrow_volleys
from .records import EventSlice
from .recurrent import recurrent_back, recurrent_layer
from .simd import borrowed


@jit
def lines_into(layer, samples, i, courses, counts):
    """What comes into a crossbar in sample i of a chunk."""
    if layer > 0:
        return EventSlice(courses[layer - 1].rows, courses[layer - 1].times, 0, counts[layer - 1])
    chosen = samples.chosen[i]
    first, last = samples.offsets[chosen], samples.offsets[chosen + 1]
    return EventSlice(borrowed(samples.rows), borrowed(samples.times), first, last)


@jit
def keep_spikes(i, courses, counts, tally):
    """Copy the spikes of sample i, if the tally has room for them."""
    for layer in range(tally.kept_ends.shape[0]):
        first, rows, times = tally.kept_ends[layer, i], courses[layer].rows, courses[layer].times
        for event in range(counts[layer]):
            tally.kept_rows[layer, first + event] = rows[event]
            tally.kept_times[layer, first + event] = times[event]
        tally.kept_ends[layer, i + 1] = first + counts[layer]


@jit
def is_penalised(counts, c):
    """Whether a hidden layer sent too many or too few spikes."""
    penalised = False
    for layer in range(counts.shape[0]):
        penalised |= spike_count_penalty(counts[layer], c) != c.one - c.one
    return penalised


@jit
def sweep_back(samples, i, volleys, found, network, counts, courses, scores, gradients, recurrent):
    """The gradient of sample i, once its loss is known."""
    layers, back, c = network
    top, start = len(courses) - 1, first_step(lines_into(0, samples, i, courses, counts), c)
    last = inject_loss(scores, c, borrowed(back[top + 1]), courses[top].width)
    lines = lines_into(top + 1, samples, i, courses, counts)
    gradient = borrowed(gradients[top + 1])
    readout_back(lines, volleys[top + 1], found[top + 1], c, start, last, scores, gradient)
    is_held = is_penalised(counts, c)
    last = max(last, c.steps - 1) if is_held else last
    if recurrent is not None or is_held:
        hold, neurons = spike_count_penalty(counts[top], c), layers[top].neurons
        spread_errors(c, start, last, scores, hold, neurons, courses[top])
    for layer in range(top, -1, -1):
        lines, own = lines_into(layer, samples, i, courses, counts), borrowed(back[layer])
        course, gradient = courses[layer], borrowed(gradients[layer])
        if recurrent is None:
            is_given = layer < top or is_held
            hidden_back(
                lines, volleys[layer], found[layer], c, start, last, course, scores, is_given,
                gradient,
            )  # fmt: skip
        else:
            recurrent_back(
                lines, volleys[layer], found[layer], layers[layer], own, c, start, last, course,
                gradient,
            )  # fmt: skip
            mine = lines_into(layer + 1, samples, i, courses, counts)
            number = volleys_until(volleys[layer + 1], found[layer + 1], last)
            scatter(
                mine, volleys[layer + 1], number, course.trace, course.width,
                layers[layer].inputs, gradient,
            )  # fmt: skip
        if layer > 0:
            hold, below = spike_count_penalty(counts[layer - 1], c), courses[layer - 1]
            backprop_input(own, layers[layer].inputs, c, start, last, course, below, hold)


@jit
def finish(
    samples, i, volleys, found, network, counts, courses, scores, tally, gradients, learn, recurrent
):
    """After the forward pass of sample i: its spikes, its loss and (with `learn`) its gradient."""
    keep_spikes(i, courses, counts, tally)
    label = samples.labels[samples.chosen[i]]
    tally.predictions[i], tally.losses[i] = loss(scores, label, network[2].classes)
    if learn:
        sweep_back(
            samples, i, volleys, found, network, counts, courses, scores, gradients, recurrent
        )


@jit
def run_chunk(samples, layers, back, c, seed, scratch, tally, gradients, learn, recurrent):
    """Run a chunk of samples one after the other, forward and (with `learn`) backward.

    Args:
        samples: Which samples, and their events.
        layers: The crossbars, that of the readout last.
        back: The weights that carry the error back, one array per crossbar: of a hidden layer
            (rows, neurons), of the readout (classes, neurons).
        c: Constants.
        seed: 64-bit seed of the read noise of this pass over the data.
        scratch: A `LayerTrace` per hidden layer, `OutputTrace`, `TimeBins` per crossbar.
        tally: Added to.
        gradients: One array per crossbar, added to; not touched without `learn`.
        learn: Whether to sweep back.
        recurrent: True if hidden layers drive themselves, through the last rows of their crossbars;
            else None.
    """
    top = len(scratch[0]) - 1
    courses = [borrow_course(course) for course in scratch[0]]
    scores, volleys = borrow_scores(scratch[1]), [borrow_volleys(v) for v in scratch[2]]
    arrays, counted = [borrow_synapses(layer) for layer in layers], borrow_tally(tally)
    network = arrays, back, c
    counts, found = np.zeros(top + 1, np.int64), np.zeros(top + 2, np.int64)
    for i in range(samples.chosen.shape[0]):
        start = first_step(lines_into(0, samples, i, courses, counts), c)
        for n in range(top + 2):
            lines = lines_into(n, samples, i, courses, counts)
            found[n] = find_volleys(lines, volleys[n], c.steps)
            key = sample_key(seed, samples.first_key + i, n)
            layer, own = arrays[n], volleys[n]
            if n > top:
                readout_layer(lines, own, found[n], layer, c, start, key, scores, counted, n)
            elif recurrent is None:
                counts[n] = hidden_layer(
                    lines, own, found[n], layer, c, start, key, courses[n], counted, n
                )
            else:
                counts[n] = recurrent_layer(
                    lines, own, layer, c, start, key, courses[n], counted, n
                )
        finish(
            samples, i, volleys, found, network, counts, courses, scores, tally, gradients, learn,
            recurrent,
        )  # fmt: skip


@jit
def converted_scratch(front, width, kind):
    """The scratch rows of `converted`: current, sums, variance, drawn, normals."""
    columns = front.columns.shape[1]
    noisy = columns if front.variance.shape[0] > 0 else 0
    return (
        np.zeros(width, kind),
        np.zeros(columns, kind),
        np.zeros(noisy, kind),
        np.zeros(width, kind),
        np.zeros(columns, np.float32),
    )


@jit
def keys_of(seed, number, layers, keys):
    """Noise keys of one sample, of reads and of conversions, written into (layers, 2) uint64."""
    for layer in range(layers):
        # Conversions have keys of their own: "layers" behind the last one of the sample.
        for kind_of in range(2):
            keys[layer, kind_of] = sample_key(seed, number, layer + kind_of * layers)


@jit
def run_converted(
    samples, layers, fronts, back, c, seed, scratch, tally, gradients, learn, recurrent
):
    """`run_chunk` behind a periphery; the error is carried back as if there were none.

    Args:
        samples, layers, back, c, seed, scratch, tally, gradients, learn, recurrent: As there; of
            `layers` only the conductances of the rows are read.
        fronts: The periphery of every crossbar, `Columns`.
    """
    owned, top, kind = scratch[0], len(scratch[0]) - 1, scratch[1].trace.dtype
    courses = [borrow_course(course) for course in owned]
    scores, volleys = borrow_scores(scratch[1]), [borrow_volleys(v) for v in scratch[2]]
    arrays, counted = [borrow_synapses(layer) for layer in layers], borrow_tally(tally)
    network = arrays, back, c
    forth = [converted_scratch(fronts[n], arrays[n].width, kind) for n in range(top + 2)]
    counts, found = np.zeros(top + 1, np.int64), np.zeros(top + 2, np.int64)
    keys = np.zeros((top + 2, 2), np.uint64)
    for i in range(samples.chosen.shape[0]):
        keys_of(seed, samples.first_key + i, top + 2, keys)
        for n in range(top + 2):
            lines = lines_into(n, samples, i, courses, counts)
            found[n] = find_volleys(lines, volleys[n], c.steps)
            if n > top:
                readout_converted(
                    lines, arrays[n], fronts[n], c, keys[n], scratch[1], forth[n], counted, n
                )
            else:
                counts[n] = hidden_converted(
                    lines, arrays[n], fronts[n], c, keys[n], owned[n], forth[n], counted, n,
                    recurrent,
                )  # fmt: skip
        finish(
            samples, i, volleys, found, network, counts, courses, scores, tally, gradients, learn,
            recurrent,
        )  # fmt: skip
