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

from ...jit import inlined, jit
from .borrowing import increase
from .lanes import LANES, absolute, load, select, splat, store, total, write


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
        total += math.exp(best[k] - best[top])
    for k in range(classes):
        write(error, k, math.exp(best[k] - best[top]) / total - (1.0 if k == label else 0.0))
    return top, math.log(total) - (best[label] - best[top])


@jit
def restraint(fired, c):
    """What the penalty on too many or too few spikes adds to the error of each one of a layer."""
    if c.spikes_most > c.one - c.one and fired > c.spikes_most:
        return c.spikes_penalty * (fired / c.spikes_most - c.one)
    if fired < c.spikes_least:
        return c.spikes_penalty * (fired / c.spikes_least - c.one)
    return c.one - c.one


@jit
def tell(scores, classes):
    """List what the loss injects, the latest step first; returns the number of injections.

    Args:
        scores: `error` and `when` are read; the lists are overwritten.
        classes: Without padding.
    """
    steps, which, amounts = scores.told_steps, scores.told_classes, scores.told_amounts
    count = 0
    for k in range(classes):
        step, place = np.int64(scores.when[k]), count
        if step == 0:
            continue
        while place > 0 and steps[place - 1] < step:
            write(steps, place, steps[place - 1])
            write(which, place, which[place - 1])
            write(amounts, place, amounts[place - 1])
            place -= 1
        write(steps, place, step)
        write(which, place, k)
        write(amounts, place, scores.error[k])
        count += 1
    write(steps, count, -1)
    return count


@inlined
def add_to_block(gradient, stride, rows, offset, first, last, column, change):
    """Add one block to that of the rows `offset + rows[first:last]`, some of them repeatedly."""
    for event in range(first, last):
        at = (offset + np.int64(rows[event])) * stride + column
        store(gradient, at, load(gradient, at) + change)


@jit
def last_volley(volleys, found, last):
    """Number of the last volley that does not come after a step; -1 if there is none."""
    i = found - 1
    while i >= 0 and volleys.steps[i] > last:
        i -= 1
    return i


@jit
def readout_back(lines, volleys, found, c, start, last, scores, gradient):
    """Gradient of the readout weights.

    Args:
        lines, volleys, found: What came into the readout.
        c: Constants.
        start, last: Steps where the sweep ends and begins.
        scores: `error` and `when` are read.
        gradient: (neurons, classes), added to.
    """
    width = scores.width
    for column in range(0, width, LANES):
        silent = splat(c.one - c.one)
        g_o, g_f = silent, silent
        amounts, steps = load(scores.error, column), load(scores.when, column)
        i = last_volley(volleys, found, last)
        for t in range(last, start - 1, -1):
            if i >= 0 and volleys.steps[i] == t:
                first, end = volleys.ends[i], volleys.ends[i + 1]
                add_to_block(gradient, width, lines.rows, 0, first, end, column, g_f)
                i -= 1
            g_f = g_o + c.alpha * g_f
            told = steps == splat(c.one * np.float32(t))
            g_o = c.beta * g_o + select(told, amounts, silent)


@inlined
def injected(b, scores, done, t, back, width, column):
    """What carries the error back at step t, with what the loss injects; and how many are done."""
    while scores.told_steps[done] == t:
        at = scores.told_classes[done] * width + column
        b += scores.told_amounts[done] * load(back, at)
        done += 1
    return b, done


@jit
def spread_errors(back, c, start, last, scores, hold, neurons, course):
    """The error of every spike before the readout, with the penalty on too many or too few.

    Args:
        back: (classes, neurons): the weights that carry the error back, turned over.
        c: Constants.
        start, last: Steps where the sweep ends and begins.
        scores: See `tell`.
        hold: See `restraint`.
        neurons: Those that are no padding.
        course: Its errors of the steps from `start` to `last` are overwritten.
    """
    width = course.width
    for column in range(0, width, LANES):
        a = splat(c.one - c.one)
        b, done = a, 0
        for t in range(last, start - 1, -1):
            store(course.errors, t * width + column, a)
            a, b = b + c.alpha * a, c.beta * b
            b, done = injected(b, scores, done, t, back, width, column)
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
def sweep_block(
    lines, volleys, found, back, c, start, last, course, scores, gradient, column, ways
):
    """`hidden_back` of a block of neurons.

    Args:
        lines, volleys, found, c, start, last, course, scores, gradient: As there.
        back: (classes, neurons): weights of the readout, turned over.
        column: First neuron.
        ways: (Whether errors are read from the course, whether derivatives are kept there.)
    """
    is_given, is_kept = ways
    width, silent = course.width, splat(c.one - c.one)
    g_current, g_membrane, a, b = silent, silent, silent, silent
    i, done = last_volley(volleys, found, last), 0
    for t in range(last, start - 1, -1):
        at = t * width + column
        if i >= 0 and volleys.steps[i] == t:
            first, end = volleys.ends[i], volleys.ends[i + 1]
            add_to_block(gradient, width, lines.rows, 0, first, end, column, g_current)
            i -= 1
        membrane, error = load(course.trace, at), a
        if is_kept:
            store(course.trace, at, g_current)
        if is_given:
            error = load(course.errors, at)
        else:
            a, b = b + c.alpha * a, c.beta * b
            b, done = injected(b, scores, done, t, back, width, column)
        g_current, g_membrane = through_neurons(membrane, error, g_current, g_membrane, c)


@inlined
def along(matrix, row, numbers, at, width):
    """A row of a matrix times the numbers from a place on."""
    each = load(matrix, row * width) * load(numbers, at)
    for column in range(LANES, width, LANES):
        each += load(matrix, row * width + column) * load(numbers, at + column)
    return total(each)


@jit
def carry_back(back, inputs, c, start, last, course, below, hold):
    """Errors of the spikes before a layer, from the derivatives by its currents.

    Args:
        back: (inputs, neurons): the weights that carry the error back.
        inputs: Neurons below.
        c: Constants.
        start, last: Steps where the sweep ends and begins.
        course: Its trace holds the derivatives.
        below: Course of the layer below; its errors of these steps are overwritten.
        hold: `restraint` of the layer below.
    """
    for t in range(start, last + 1):
        to = t * below.width
        for i in range(below.width):
            write(below.errors, to + i, c.one - c.one)
        for i in range(inputs):
            own = along(back, i, course.trace, t * course.width, course.width)
            write(below.errors, to + i, own + (hold if t < c.steps else c.one - c.one))


@jit
def hidden_back(
    lines, volleys, found, readout, c, start, last, course, scores, is_given, gradient, is_kept
):
    """Gradient of the weights of a layer that does not drive itself.

    Args:
        lines, volleys, found: What came in.
        readout: (classes, neurons): weights of the readout, turned over; read unless `is_given`.
        c: Constants.
        start, last: Steps where the sweep ends and begins.
        course: Membranes, and (with `is_given`) errors from `start` to `last`.
        scores: What the loss injects, see `tell`; read unless `is_given`.
        is_given: Whether the errors stand in the course; else they come from the readout.
        gradient: (rows, neurons), added to.
        is_kept: Whether the derivatives by the currents shall take the place of the membranes.
    """
    ways = is_given, is_kept
    for column in range(0, course.width, LANES):
        sweep_block(
            lines, volleys, found, readout, c, start, last, course, scores, gradient, column, ways
        )
