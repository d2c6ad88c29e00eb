"""Loss of a sample, and the sweep back through its layers.

The sweep never forms the gradient of the readout per step and class: with

    A[t] = W dL/dF[t] = B[t+1] + alpha A[t+1]
    B[t] = W dL/dO[t] = beta B[t+1] + (what the loss injects at step t)

the error that reaches the last hidden layer costs two multiply-adds per neuron and step, whatever
the number of classes. It runs from the last maximum to the first input event: before the one and
after the other no weight has a gradient.
"""

import math

from ...jit import jit
from .neurons import add_to_rows, lif_step_back, project


@jit
def loss(best, label, classes, error):
    """Prediction (the first class on a tie) and cross-entropy; its gradient goes to `error`."""
    top = 0
    for k in range(classes):
        if best[k] > best[top]:
            top = k
    total = 0.0
    for k in range(classes):
        total += math.exp(best[k] - best[top])
    for k in range(classes):
        error[k] = math.exp(best[k] - best[top]) / total - (1.0 if k == label else 0.0)
    return top, math.log(total) - (best[label] - best[top])


@jit
def errors_back(a, b, out, alpha, beta):
    """A of step t goes to `out`; A and B become those of step t - 1, nothing injected."""
    for j in range(a.shape[0]):
        out[j] = a[j]
        a[j] = b[j] + alpha * a[j]
        b[j] = beta * b[j]


@jit
def inject(b, amount, weights):
    """What the loss of one class adds to B."""
    for j in range(b.shape[0]):
        b[j] += amount * weights[j]


@jit
def readout_back(lines, back, c, start, error, when, work, gradient, errors):
    """Gradient of the readout weights, and the error of every spike before it.

    Args:
        lines: What came into the readout.
        back: (classes, neurons): the weights that carry the error back, turned over.
        c: Constants.
        start: Step where the sweep ends.
        error, when: Of each class: derivative of the loss by its score, and the step of its score.
        work: Scratch (a, b, g_f, g_o).
        gradient: (neurons, classes), added to.
        errors: (steps + 1, neurons); the steps from `start` to the one returned are overwritten.

    Returns:
        Last step with an error.
    """
    a, b, g_f, g_o = work
    zero = c.one - c.one
    for row in work:
        row[:] = zero
    last = 0
    for k in range(c.classes):
        last = max(last, when[k])
    event = lines.last
    while event > lines.first and lines.times[event - 1] >= last:
        event -= 1
    for t in range(last, start - 1, -1):
        behind = event
        while event > lines.first and lines.times[event - 1] == t:
            event -= 1
        if behind > event:
            add_to_rows(gradient, g_f, lines.rows, 0, event, behind)
        errors_back(a, b, errors[t], c.alpha, c.beta)
        for k in range(c.classes):
            g_f[k] = g_o[k] + c.alpha * g_f[k]
            g_o[k] = c.beta * g_o[k]
            if when[k] == t and t > 0:
                g_o[k] += error[k]
                inject(b, error[k], back[k])
    return last


@jit
def restraint(fired, c):
    """What the penalty on too many or too few spikes adds to the error of each one of a layer."""
    if c.spikes_most > c.one - c.one and fired > c.spikes_most:
        return c.spikes_penalty * (fired / c.spikes_most - c.one)
    if fired < c.spikes_least:
        return c.spikes_penalty * (fired / c.spikes_least - c.one)
    return c.one - c.one


@jit
def restrain(counts, c, start, last, errors, neurons):
    """Add the penalty of the last hidden layer to its errors, (steps + 1, neurons).

    Args:
        counts: Spikes of every hidden layer.
        c: Constants.
        start, last: Steps whose errors are there.
        errors: Changed in place.
        neurons: Those that are no padding.

    Returns:
        Last step with an error: the very last one if any layer is penalised.
    """
    top, zero = len(counts) - 1, c.one - c.one
    hold, penalised = restraint(counts[top], c), False
    for layer in range(top + 1):
        penalised |= restraint(counts[layer], c) != zero
    if not penalised:
        return last
    for t in range(start, last + 1):
        errors[t, :neurons] += hold
    for t in range(max(start, last + 1), c.steps):
        errors[t] = zero
        errors[t, :neurons] = hold
    return c.steps - 1


@jit
def hidden_back(lines, inputs, back, c, start, last, course, fired, work, gradient, below, hold):
    """Gradient of the weights of a hidden layer, and the error of every spike before it.

    Args:
        lines: What came in.
        inputs: Rows of the crossbar for that; the others are those of its own neurons.
        back: (rows, neurons): the weights that carry the error back; not read by a layer that has
            none below and does not drive itself.
        c: Constants.
        start, last: Steps where the sweep ends and begins.
        course: Membrane, spikes and the errors of the steps from `start` to `last`; a layer that
            drives itself adds to these.
        fired: Number of its spikes.
        work: Scratch (g_current, g_membrane).
        gradient: (rows, neurons), added to.
        below: (steps + 1, neurons below), overwritten like `errors`; (0, 0) if that is the input.
        hold: `restraint` of the layer below.
    """
    g_current, g_membrane = work
    zero = c.one - c.one
    g_current[:] = zero
    g_membrane[:] = zero
    own = gradient.shape[0] - inputs
    event = lines.last
    while event > lines.first and lines.times[event - 1] > last:
        event -= 1
    while fired > 0 and course.times[fired - 1] > last:
        fired -= 1
    for t in range(last, start - 1, -1):
        behind = event
        while event > lines.first and lines.times[event - 1] == t:
            event -= 1
        add_to_rows(gradient, g_current, lines.rows, 0, event, behind)
        if below.shape[0] > 0:
            below[t] = zero
            below[t, :inputs] = hold
            project(below[t, :inputs], back, 0, g_current)
        v = course.trace[t]
        if c.recurrent:
            project(course.errors[t, :own], back, inputs, g_current)
            after = fired
            while fired > 0 and course.times[fired - 1] == t:
                fired -= 1
            add_to_rows(gradient, g_current, course.rows, inputs, fired, after)
        lif_step_back(
            v, course.errors[t], g_current, g_membrane,
            c.alpha, c.beta, c.threshold, c.surrogate_scale, c.one,
        )  # fmt: skip
