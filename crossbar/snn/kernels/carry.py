"""Errors carried back through the weights of fully connected layers, as a product of two matrices.

`back` holds the weights in blocks of `LANES` lines, one block behind the other: those of a neuron
to the lines of a block, then those of the next neuron. The errors of `STEPS` steps are summed up in
registers over the neurons, so that a weight comes from a cache once for several steps, and those of
a block stay near. Behind the lines lie the rows that neurons of the layer itself drive; of a layer
that drives itself they are in blocks too, and the steps are one step of `STEPS` samples. All
records hold pointers.
"""

import numpy as np

from device_models.jit import inlined, jit

from .pointers import increase
from .simd import LANES, plus_products, splat, store_products

STEPS = 5  # with one block: ten registers of AVX2 for sums, one for a factor, two for weights


def fill_blocks(weights: np.ndarray, back: np.ndarray) -> None:
    """Write weights (lines, neurons) as `multiply` takes them; a block that is not full is padded.

    Args:
        weights: To be written.
        back: (blocks x neurons x LANES,): changed but for the padding.
    """
    neurons, (full, rest) = weights.shape[1], divmod(len(weights), LANES)
    blocks = back.reshape(-1, neurons, LANES)
    blocks[:full] = weights[: full * LANES].reshape(full, LANES, neurons).swapaxes(1, 2)
    if rest:
        blocks[full, :, :rest] = weights[full * LANES :].T


@inlined
def carry_block(rows, back, derivatives, errors, sizes, t, column):
    """A block of `multiply`: the steps from t on, as many as `rows` has of empty lanes."""
    neurons, width, across = sizes
    sums, place = rows, column * neurons
    for j in range(neurons):
        sums = plus_products(sums, back, place, derivatives, t * width + j, width, rows)
        place += LANES
    store_products(errors, t * across + column, across, sums, rows)


@jit
def multiply(back, derivatives, errors, sizes, start, last):
    """The errors of the lines in the steps from `start` to `last`: derivatives times weights.

    Args:
        back: (across / LANES, neurons, LANES): weights.
        derivatives: (steps, width): by what drives each neuron.
        errors: (steps, across): those of these steps are overwritten.
        sizes: Neurons, numbers in a row of the derivatives, and in one of the errors.
        start, last: The steps.
    """
    n = splat(back[0] - back[0])
    for column in range(0, sizes[2], LANES):
        if last + 1 - start >= STEPS:
            for t in range(start, last + 1, STEPS):  # steps at the end are carried twice
                first, rows = min(t, last + 1 - STEPS), (n, n, n, n, n)
                carry_block(rows, back, derivatives, errors, sizes, first, column)
        else:
            for t in range(start, last + 1):
                carry_block((n,), back, derivatives, errors, sizes, t, column)


@inlined
def behind_lines(layer):
    """Where the rows behind those of the lines begin in `back`."""
    return layer.crossbar.neurons * (-(-layer.crossbar.inputs // LANES) * LANES)


@jit
def backprop_lines(layer, below, c, start, last, hold):
    """See `topology.carry`; the padding of `back` is zero, and so is that of the errors."""
    sizes = layer.crossbar.neurons, layer.trace.width, below.width
    multiply(layer.back, layer.trace.membranes, below.errors, sizes, start, last)
    if hold != c.one - c.one:
        for t in range(start, min(last, c.steps - 1) + 1):
            for line in range(layer.crossbar.inputs):
                increase(below.errors, t * below.width + line, hold)
