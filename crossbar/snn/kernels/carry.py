"""Errors carried back through the weights of a wide layer, as a product of two matrices.

`back` holds the weights by columns of the crossbar: those of a neuron to all lines lie one behind
the other. A panel of the errors of `STEPS` steps and `BLOCKS` blocks of lines is summed up in
registers over the neurons, so that a weight comes from memory once for several steps. All records
hold pointers.
"""

import numpy as np

from device_models.jit import inlined, jit

from .pointers import increase
from .simd import LANES, plus_products, splat, store_products

STEPS, BLOCKS = 5, 4  # of a panel


@inlined
def carry_panel(none, rows, layer, below, t, column):
    """A panel of `backprop_lines`: the steps from t on, one for each block of `rows`."""
    sums, width = none, layer.trace.width
    for j in range(layer.crossbar.neurons):
        sums = plus_products(
            sums, layer.back, j * below.width + column, layer.trace.membranes, t * width + j,
            width, rows,
        )  # fmt: skip
    store_products(below.errors, t * below.width + column, below.width, sums, rows)


@jit
def backprop_lines(layer, below, c, start, last, hold):
    """See `topology.carry`, of a dense layer; padding of `back` is zero, so that of errors too."""
    n, silent = splat(c.one - c.one), c.one - c.one
    column = np.int64(0)  # see `gather_scatter.gather_by_line`
    while column < below.width:
        if below.width - column >= BLOCKS * LANES and last + 1 - start >= STEPS:
            for t in range(start, last + 1, STEPS):  # the last steps are carried twice, not beyond
                first = min(t, last + 1 - STEPS)
                panel = (n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n, n)
                carry_panel(panel, (n, n, n, n, n), layer, below, first, column)
            column += BLOCKS * LANES
        else:
            for t in range(start, last + 1):
                carry_panel((n,), (n,), layer, below, t, column)
            column += LANES
    if hold != silent:
        for t in range(start, min(last, c.steps - 1) + 1):
            for line in range(layer.crossbar.inputs):
                increase(below.errors, t * below.width + line, hold)
