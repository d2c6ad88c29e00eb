"""The sweep back through a sample.

Output neurons that never spike are linear, so the gradient by their drive is never carried back
through their weights step by step: with

    A[t] = W dL/dF[t] = B[t+1] + alpha A[t+1]
    B[t] = W dL/dO[t] = beta B[t+1] + (what the loss injects at step t)

the error that reaches the layer before costs two multiply-adds per neuron and step, whatever the
number of classes. The sweep runs from the last error to the first input event: before the one and
after the other no weight has a gradient. All records hold pointers.
"""

from typing import Any

from device_models.jit import inlined, jit

from .dispatch import implements
from .neuron import begin, gather_trained, lead, load_recorded, of_block, step_back
from .pointers import increase
from .records import Injected
from .simd import LANES, bits, load, lowest, splat, store, write

ALL = (1 << LANES) - 1  # lanes of a mask


@jit
def spike_count_penalty(fired, c):
    """What the penalty on too many or too few spikes adds to the error of each one of a layer.

    Args:
        fired: Spikes of the layer in a sample; -1: their number is not bounded.
        c: Constants.
    """
    if fired < 0:
        return c.one - c.one
    if c.spikes_most > c.one - c.one and fired > c.spikes_most:
        return c.spikes_penalty * (fired / c.spikes_most - c.one)
    if fired < c.spikes_least:
        return c.spikes_penalty * (fired / c.spikes_least - c.one)
    return c.one - c.one


@inlined
def inject_one(injected, output, t, k, count, width, one):
    """Add the error of output k in step t to the row of that step; returns the number of rows."""
    row, amount = injected.slots[t], output.errors[t * output.width + k]
    carried = one if row > 0 else one - one
    if row == 0:
        count += 1
        row = count
        write(injected.slots, t, row)
    for column in range(0, width, LANES):
        at = row * width + column
        error = splat(amount) * load(injected.back, k * width + column)
        store(injected.rows, at, splat(carried) * load(injected.rows, at) + error)
    return count


@jit
def inject(injected, output, listed, width, start, last, steps, one):
    """Carry the errors of linear output neurons to the layer before, step by step.

    A row of `injected.rows` is the error of one step, carried back by the output weights.

    Args:
        injected: Rows and slots are overwritten.
        output: `LayerTrace` of the output layer; its errors from `start` to `last` are read.
        listed: How many of them are listed there, see `loss.score`; -1: they are looked for.
        width: Neurons of the layer before, padding included.
        start, last: Steps where the sweep ends and begins.
        steps: Of the network.
        one: In the dtype of the weights.
    """
    count, silent = 0, splat(one - one)
    for t in range(steps + 1):
        write(injected.slots, t, 0)
    for i in range(listed):
        t, k = int(output.times[i]), int(output.rows[i])
        count = inject_one(injected, output, t, k, count, width, one)
    for t in range(start, last + 1 if listed < 0 else start):
        for block in range(0, output.width, LANES):
            left = bits(load(output.errors, t * output.width + block) == silent) ^ ALL
            while left != 0:
                k = block + lowest(left)
                count = inject_one(injected, output, t, k, count, width, one)
                left &= left - 1


@jit
def bins_until(bins, count, last):
    """How many bins do not come after a step."""
    while count > 0 and bins.steps[count - 1] > last:
        count -= 1
    return count


@jit
def spread_errors(injected, c, start, last, hold, neurons, trace):
    """The error of every spike before the output, with the penalty on too many or too few.

    Args:
        injected: See `inject`.
        c: Constants.
        start, last: Steps where the sweep ends and begins.
        hold: See `spike_count_penalty`.
        neurons: Those that are no padding.
        trace: Its errors of the steps from `start` to `last` are overwritten.
    """
    width = trace.width
    for column in range(0, width, LANES):
        adjoint = begin(injected.neuron, splat(c.one - c.one))
        for t in range(last, start - 1, -1):
            store(trace.errors, t * width + column, adjoint[0])
            amount = load(injected.rows, injected.slots[t] * width + column)
            adjoint = step_back(injected.neuron, amount, amount, adjoint)
    for t in range(start, last + 1 if last < c.steps else c.steps):
        for j in range(neurons):
            increase(trace.errors, t * width + j, hold)


@jit
def sweep_given(neuron, layer, c, start, last, column):
    """The derivatives by what every step drives, of the block of neurons from `column` on."""
    trace, width, sooner = layer.trace, layer.trace.width, lead(neuron)
    n = of_block(neuron, layer, column)
    adjoint = begin(n, splat(c.one - c.one))
    for t in range(last, start - 1, -1):
        at = t * width + column
        membrane, error = load_recorded(n, trace, c, at), load(trace.errors, at)
        store(trace.membranes, min(t + sooner, c.steps) * width + column, adjoint[0])
        adjoint = step_back(n, membrane, error, adjoint)
    if sooner != 0:
        store(trace.membranes, start * width + column, adjoint[0])
    gather_trained(n, adjoint, layer, column)


@jit
def sweep_injected(injected, neuron, layer, c, start, last, column):
    """`sweep_given`, with errors that come from the output as they are needed."""
    trace, width, sooner = layer.trace, layer.trace.width, lead(neuron)
    n = of_block(neuron, layer, column)
    adjoint = begin(n, splat(c.one - c.one))
    above = begin(injected.neuron, splat(c.one - c.one))
    for t in range(last, start - 1, -1):
        at = t * width + column
        membrane, error = load_recorded(n, trace, c, at), above[0]
        store(trace.membranes, min(t + sooner, c.steps) * width + column, adjoint[0])
        amount = load(injected.rows, injected.slots[t] * width + column)
        above = step_back(injected.neuron, amount, amount, above)
        adjoint = step_back(n, membrane, error, adjoint)
    if sooner != 0:
        store(trace.membranes, start * width + column, adjoint[0])
    gather_trained(n, adjoint, layer, column)


def sweep(
    injected: Any, is_given: Any, neuron: Any, layer: Any, c: Any, start: Any, last: Any,
    column: Any,
) -> Any:  # fmt: skip
    """The derivatives by what every step drives, in the place of the membranes of a block.

    Args:
        injected, is_given, c, start, last: See `topology.backward`.
        neuron: Numbers of the neurons.
        layer: `LayerArrays`, pointers.
        column: First neuron of the block.
    """
    raise NotImplementedError


@implements(sweep, None)
def _sweep(injected, is_given, neuron, layer, c, start, last, column):
    sweep_given(neuron, layer, c, start, last, column)


@implements(sweep, Injected)
def _sweep_injected(injected, is_given, neuron, layer, c, start, last, column):
    if is_given:
        sweep_given(neuron, layer, c, start, last, column)
    else:
        sweep_injected(injected, neuron, layer, c, start, last, column)
