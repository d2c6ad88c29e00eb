"""A chunk of samples through the whole network, one after the other."""

import numpy as np

from ...jit import jit
from .backward import hidden_back, loss, readout_back, restrain, restraint
from .converted import hidden_converted, readout_converted
from .forward import first_step, hidden_layer, readout_layer
from .normals import sample_key
from .records import Lines


@jit
def inputs_of(samples, i):
    """The events of sample i of a chunk."""
    chosen = samples.chosen[i]
    return Lines(samples.rows, samples.times, samples.offsets[chosen], samples.offsets[chosen + 1])


@jit
def outputs_of(course, count):
    """The spikes of a layer as what comes into the next one."""
    return Lines(course.rows, course.times, 0, count)


@jit
def scratch(layer, neurons, kind):
    """The scratch rows of a layer: one for the way forth, two for the way back."""
    return np.zeros(layer.matrix.shape[1], kind), np.zeros(neurons, kind), np.zeros(neurons, kind)


@jit
def neurons_of(courses, trace, layer):
    """Neurons of a layer, padding included; the layer behind the hidden ones is the readout."""
    return courses[layer].trace.shape[1] if layer < len(courses) else trace.shape[1]


@jit
def scoring(width, kind):
    """The scratch of the readout: error of every class; best and when, see `readout_layer`."""
    return np.zeros(width, kind), (np.zeros(width, kind), np.zeros(width, np.int32))


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
def finish(samples, i, lines, network, counts, courses, work, tally, gradients, learn):
    """After the forward pass of sample i: its spikes, its loss and (with `learn`) its gradient."""
    keep_spikes(i, courses, counts, tally)
    layers, back, c = network
    rows, (error, (best, when)) = work
    label = samples.labels[samples.chosen[i]]
    start = first_step(lines, c)
    tally.predictions[i], tally.losses[i] = loss(best, label, c.classes, error)
    if not learn:
        return
    top = len(courses) - 1
    readout = rows[top + 1]
    ab = rows[top][1], rows[top][2], readout[1], readout[2]
    last = readout_back(
        outputs_of(courses[top], counts[top]), back[top + 1], c, start, error, when, ab,
        gradients[top + 1], courses[top].errors,
    )  # fmt: skip
    last = restrain(counts, c, start, last, courses[top].errors, layers[top].neurons)
    for layer in range(top, -1, -1):
        own = lines if layer == 0 else outputs_of(courses[layer - 1], counts[layer - 1])
        below = np.zeros((0, 0), error.dtype) if layer == 0 else courses[layer - 1].errors
        both = rows[layer][1], rows[layer][2]
        hidden_back(
            own, layers[layer].inputs, back[layer], c, start, last, courses[layer], counts[layer],
            both, gradients[layer], below, restraint(counts[layer - 1], c) if layer else c.one - c.one,
        )  # fmt: skip


@jit
def run_chunk(samples, layers, back, c, seed, courses, trace, tally, gradients, learn):
    """Run a chunk of samples one after the other, forward and (with `learn`) backward.

    Args:
        samples: Which samples, and their events.
        layers: The crossbars, that of the readout last.
        back: The weights that carry the error back, one array per crossbar: of a hidden layer
            (rows, neurons), of the readout (classes, neurons).
        c: Constants.
        seed: 64-bit seed of the read noise of this pass over the data.
        courses: Scratch, one `Course` per hidden layer.
        trace: Scratch (steps + 1, classes).
        tally: Added to.
        gradients: One array per crossbar, added to; not touched without `learn`.
        learn: Whether to sweep back.
    """
    kind, top = trace.dtype, len(courses) - 1
    rows = [scratch(layers[n], neurons_of(courses, trace, n), kind) for n in range(top + 2)]
    work = rows, scoring(trace.shape[1], kind)
    scores, network = work[1][1], (layers, back, c)
    counts = np.zeros(len(courses), np.int64)
    for i in range(samples.chosen.shape[0]):
        lines = inputs_of(samples, i)
        through = lines
        for layer in range(len(courses)):
            key = sample_key(seed, samples.first_key + i, layer)
            counts[layer] = hidden_layer(
                through, layers[layer], c, key, courses[layer], rows[layer][0], tally, layer
            )
            through = outputs_of(courses[layer], counts[layer])
        key = sample_key(seed, samples.first_key + i, top + 1)
        readout_layer(
            through, layers[top + 1], c, key, trace, rows[top + 1][0], scores, tally, top + 1
        )
        finish(samples, i, lines, network, counts, courses, work, tally, gradients, learn)


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
def run_converted(samples, layers, fronts, back, c, seed, courses, trace, tally, gradients, learn):
    """`run_chunk` behind a periphery; the error is carried back as if there were none.

    Args:
        samples, layers, back, c, seed, courses, trace, tally, gradients, learn: As there; of
            `layers` only the conductances of the rows are read.
        fronts: The periphery of every crossbar, `Columns`.
    """
    kind, top = trace.dtype, len(courses) - 1
    rows = [scratch(layers[n], neurons_of(courses, trace, n), kind) for n in range(top + 2)]
    forth = [converted_scratch(fronts[n], rows[n][1].shape[0], kind) for n in range(top + 2)]
    work = rows, scoring(trace.shape[1], kind)
    scores, network = work[1][1], (layers, back, c)
    counts = np.zeros(len(courses), np.int64)
    keys = np.zeros((len(layers), 2), np.uint64)
    for i in range(samples.chosen.shape[0]):
        for layer in range(len(layers)):
            # Conversions have keys of their own: "layers" behind the last one of the sample.
            for kind_of in range(2):
                place = layer + kind_of * len(layers)
                keys[layer, kind_of] = sample_key(seed, samples.first_key + i, place)
        lines = inputs_of(samples, i)
        through = lines
        for layer in range(len(courses)):
            counts[layer] = hidden_converted(
                through, layers[layer], fronts[layer], c, keys[layer], courses[layer], forth[layer],
                tally, layer,
            )  # fmt: skip
            through = outputs_of(courses[layer], counts[layer])
        readout_converted(
            through, layers[top + 1], fronts[top + 1], c, keys[top + 1], trace,
            forth[top + 1], scores, tally, top + 1,
        )  # fmt: skip
        finish(samples, i, lines, network, counts, courses, work, tally, gradients, learn)
