"""Errors carried back through the weights of fully connected layers, as a product of two matrices.

`back` holds the weights by columns of the crossbar: those of a neuron to all lines lie one behind
the other. A panel of the errors of `STEPS` steps and `BLOCKS` blocks of lines is summed up in
registers over the neurons, so that a weight comes from memory once for several steps. Behind them
lie the rows that neurons of the layer itself drive; of a layer that drives itself by columns too,
where a panel is of one step of `STEPS` samples. All records hold pointers.
"""

import numpy as np

from device_models.jit import inlined, jit

from .pointers import increase
from .simd import LANES, plus_products, splat, store_products

STEPS, BLOCKS = 5, 4  # of a panel


@inlined
def carry_panel(none, rows, back, derivatives, errors, sizes, t, column):
    """A panel of `multiply`: the steps from t on, one for each block of `rows`."""
    neurons, width, across = sizes
    sums = none
    for j in range(neurons):
        sums = plus_products(
            sums, back, j * across + column, derivatives, t * width + j, width, rows
        )
    store_products(errors, t * across + column, across, sums, rows)


@jit
def multiply(back, derivatives, errors, sizes, start, last):
    """The errors of the lines in the steps from `start` to `last`: derivatives times weights.

    Args:
        back: (neurons, across): weights.
        derivatives: (steps, width): by what drives each neuron.
        errors: (steps, across): those of these steps are overwritten.
        sizes: Neurons, numbers in a row of the derivatives, and in one of the others.
        start, last: The steps.
    """
    n, across = splat(back[0] - back[0]), sizes[2]
    column = np.int64(0)  # see `gather_scatter.gather_by_line`
    while column < across:
        if across - column >= BLOCKS * LANES and last + 1 - start >= STEPS:
            panel = (n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n)
            for t in range(start, last + 1, STEPS):  # steps at the end are carried twice
                first, rows = min(t, last + 1 - STEPS), (n, n, n, n, n)
                carry_panel(panel, rows, back, derivatives, errors, sizes, first, column)
            column += BLOCKS * LANES
        else:
            for t in range(start, last + 1):
                carry_panel((n,), (n,), back, derivatives, errors, sizes, t, column)
            column += LANES


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
