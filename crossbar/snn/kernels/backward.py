"""Loss of a sample, and the sweep back through its layers.

The sweep never forms the gradient of the readout per step and class: with

    A[t] = W dL/dF[t] = B[t+1] + alpha A[t+1]
    B[t] = W dL/dO[t] = beta B[t+1] + (what the loss injects at step t)

the error that reaches the last hidden layer costs two multiply-adds per neuron and step, whatever
the number of classes. It runs from the last maximum to the first input event: before the one and
after the other no weight has a gradient. All records are borrowed ones.
"""

import math

import numpy as np

from device_models.jit import inlined, jit

from .gather_scatter import scatter
from .pointers import increase
from .simd import LANES, absolute, load, select, splat, store, total, write


@jit
def loss(scores, label, classes):
    """Prediction (the first class on a tie) and cross-entropy; its gradient goes to the scores."""
    best, error = scores.best, scores.error
    top = 0
    for k in range(classes):
        if best[k] > best[top]:
            top = k
    total = 0.0
    for k in range(classes):
        share = math.exp(best[k] - best[top])
        write(error, k, share)
        total += share
    for k in range(classes):
        write(error, k, error[k] / total - (1.0 if k == label else 0.0))
    return top, math.log(total) - (best[label] - best[top])


@jit
def spike_count_penalty(fired, c):
    """What the penalty on too many or too few spikes adds to the error of each one of a layer."""
    if c.spikes_most > c.one - c.one and fired > c.spikes_most:
        return c.spikes_penalty * (fired / c.spikes_most - c.one)
    if fired < c.spikes_least:
        return c.spikes_penalty * (fired / c.spikes_least - c.one)
    return c.one - c.one


@jit
def inject_loss(scores, c, back, neurons):
    """What the loss injects into the last hidden layer; returns the latest step that it does so in.

    A row of `class_error` is the error of all classes whose maximum lies in one step, carried back by
    their weights; row 0 is zero, for the steps without any.

    Args:
        scores: `error` and `when` are read; `class_error` and its slots are overwritten.
        c: Constants.
        back: (classes, neurons): the weights that carry the error back, turned over.
        neurons: Of the last hidden layer, padding included.
    """
    for t in range(c.steps + 1):
        write(scores.class_error_slots, t, 0)
    count, last = 0, 0
    for k in range(c.classes):
        step = int(scores.when[k])
        if step == 0:
            continue
        row, last = scores.class_error_slots[step], max(last, step)
        amount, kept = splat(scores.error[k]), splat(c.one if row > 0 else c.one - c.one)
        if row == 0:
            count += 1
            row = count
            write(scores.class_error_slots, step, row)
        for column in range(0, neurons, LANES):
            at = row * neurons + column
            own = amount * load(back, k * neurons + column)
            store(scores.class_error, at, kept * load(scores.class_error, at) + own)
    return last


@jit
def volleys_until(volleys, found, last):
    """How many volleys do not come after a step."""
    while found > 0 and volleys.steps[found - 1] > last:
        found -= 1
    return found


@jit
def readout_back(lines, volleys, found, c, start, last, scores, gradient):
    """Gradient of the readout weights.

    Args:
        lines, volleys, found: What came into the readout.
        c: Constants.
        start, last: Steps where the sweep ends and begins.
        scores: `error` and `when` are read, the trace is overwritten.
        gradient: (neurons, classes), added to.
    """
    width = scores.width
    for column in range(0, width, LANES):
        silent = splat(c.one - c.one)
        g_o, g_f = silent, silent
        amounts, steps = load(scores.error, column), load(scores.when, column)
        for t in range(last, start - 1, -1):
            store(scores.trace, t * width + column, g_f)
            g_f = g_o + c.alpha * g_f
            told = steps == splat(c.one * np.float32(t))
            g_o = c.beta * g_o + select(told, amounts, silent)
    number = volleys_until(volleys, found, last)
    scatter(lines, volleys, number, scores.trace, width, 0, gradient)


@jit
def spread_errors(c, start, last, scores, hold, neurons, course):
    """The error of every spike before the readout, with the penalty on too many or too few.

    Args:
        c: Constants.
        start, last: Steps where the sweep ends and begins.
        scores: See `inject_loss`.
        hold: See `spike_count_penalty`.
        neurons: Those that are no padding.
        course: Its errors of the steps from `start` to `last` are overwritten.
    """
    width = course.width
    for column in range(0, width, LANES):
        a = splat(c.one - c.one)
        b = a
        for t in range(last, start - 1, -1):
            store(course.errors, t * width + column, a)
            told = load(scores.class_error, scores.class_error_slots[t] * width + column)
            a, b = b + c.alpha * a, c.beta * b + told
    for t in range(start, min(last + 1, c.steps)):
        for j in range(neurons):
            increase(course.errors, t * width + j, hold)


@inlined
def through_neurons(membrane, error, g_current, g_membrane, c):
    """The derivatives by current and membrane of step t + 1 become those of step t.

    Args:
        membrane: Of step t.
        error: Derivative of the loss by the spikes of step t.
        g_current, g_membrane: Derivatives.
        c: Constants.
    """
    passed = select(membrane > c.threshold, g_membrane - g_membrane, g_membrane)
    steep = c.surrogate_scale * absolute(membrane - c.threshold) + c.one
    return c.alpha * g_current + passed, c.beta * passed + error / (steep * steep)


@jit
def sweep_block(c, start, last, course, scores, is_given, column):
    """The derivatives by what every step drives, of the block of neurons from `column` on.

    Args:
        c, start, last, course, scores, is_given: See `hidden_back`.
        column: First neuron.
    """
    width, silent = course.width, splat(c.one - c.one)
    g_current, g_membrane, a, b = silent, silent, silent, silent
    for t in range(last, start - 1, -1):
        at = t * width + column
        membrane, error = load(course.trace, at), a
        store(course.trace, at, g_current)
        if is_given:
            error = load(course.errors, at)
        else:
            told = load(scores.class_error, scores.class_error_slots[t] * width + column)
            a, b = b + c.alpha * a, c.beta * b + told
        g_current, g_membrane = through_neurons(membrane, error, g_current, g_membrane, c)


@inlined
def row_dot(matrix, row, numbers, at, width):
    """A row of a matrix times the numbers from a place on."""
    each = load(matrix, row * width) * load(numbers, at)
    for column in range(LANES, width, LANES):
        each += load(matrix, row * width + column) * load(numbers, at + column)
    return total(each)


@jit
def backprop_input(back, inputs, c, start, last, course, below, hold):
    """Errors of the spikes before a layer, from the derivatives by its currents.

    Args:
        back: (inputs, neurons): the weights that carry the error back.
        inputs: Neurons below.
        c: Constants.
        start, last: Steps where the sweep ends and begins.
        course: Its trace holds the derivatives.
        below: LayerTrace of the layer below; its errors of these steps are overwritten.
        hold: `spike_count_penalty` of the layer below.
    """
    for t in range(start, last + 1):
        to = t * below.width
        for i in range(below.width):
            write(below.errors, to + i, c.one - c.one)
        for i in range(inputs):
            own = row_dot(back, i, course.trace, t * course.width, course.width)
            write(below.errors, to + i, own + (hold if t < c.steps else c.one - c.one))


@jit
def hidden_back(lines, volleys, found, c, start, last, course, scores, is_given, gradient):
    """Gradient of the weights of a layer that does not drive itself.

    Args:
        lines, volleys, found: What came in.
        c: Constants.
        start, last: Steps where the sweep ends and begins.
        course: Membranes, in whose place the derivatives come, and (with `is_given`) errors from
            `start` to `last`.
        scores: What the loss injects, see `inject_loss`; read unless `is_given`.
        is_given: Whether the errors stand in the course; else they come from the readout.
        gradient: (rows, neurons), added to.
    """
    for column in range(0, course.width, LANES):
        sweep_block(c, start, last, course, scores, is_given, column)
    number = volleys_until(volleys, found, last)
    scatter(lines, volleys, number, course.trace, course.width, 0, gradient)
