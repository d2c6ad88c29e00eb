"""Lines of a tile, solved side by side: tridiagonal systems with one segment conductance throughout.

Arrays are (places, lines): neighbours in memory are lines, which do not wait for each other. With s
the conductance of a segment, a node and all before it conduct to 0 V

    t_p = g_p + s t_(p-1) / (s + t_(p-1)),

in which nothing cancels, and s + t_p is the pivot of L D L^T. The slow reference are the dense
solutions of `tests/test_crossbar/test_wires.py`.
"""

import numpy as np

from device_models.jit import jit

from .wires import Floats


@jit
def reciprocal_pivots(g: Floats, segment: float, first: Floats, last: Floats) -> Floats:
    """1 / pivot of every node, (places, lines).

    Args:
        g: Conductances of the devices, siemens, (places, lines).
        segment: Conductance of a segment.
        first: Conductance that ends each line before its first place, (lines,).
        last: The same behind its last place.
    """
    places, lines = g.shape
    pivots, before = np.empty((places, lines)), first.copy()
    for p in range(places):
        for i in range(lines):
            t = g[p, i] + before[i]
            pivots[p, i] = 1.0 / (t + (segment if p < places - 1 else last[i]))
            before[i] = segment * t * pivots[p, i]
    return pivots


@jit
def solve(pivots: Floats, segment: float, amperes: Floats) -> Floats:
    """Potentials for currents into the nodes, both (places, lines)."""
    places, lines = pivots.shape
    volts = np.empty((places, lines))
    for i in range(lines):
        volts[0, i] = amperes[0, i] * pivots[0, i]
    for p in range(1, places):
        for i in range(lines):
            volts[p, i] = (amperes[p, i] + segment * volts[p - 1, i]) * pivots[p, i]
    for p in range(places - 2, -1, -1):
        for i in range(lines):
            volts[p, i] += segment * pivots[p, i] * volts[p + 1, i]
    return volts


@jit
def bit_line(g: Floats, segment: float, first: float, last: float) -> tuple[Floats, Floats]:
    """What one bit line with its devices is to the word lines, K and q; see `transfer`.

    Of the inverse of its matrix, an entry of the diagonal is one over what its node and both sides
    conduct to 0 V; below it, each is s / (s + t from below) times the one above.

    Args:
        g: Conductances of the devices, siemens, (rows,).
        segment: Conductance of a segment.
        first: Conductance that ends the line above its first row.
        last: The same below its last row.

    Returns:
        (rows, rows) in the order of Fortran, of which the lower triangle is filled, and (rows,).
    """
    rows = len(g)
    below, share = np.empty(rows), np.empty(rows)  # t from below, with g
    side = last
    for i in range(rows - 1, -1, -1):
        below[i] = g[i] + side
        share[i] = segment / (segment + below[i])
        side = below[i] * share[i]
    load, sensed = np.empty((rows, rows)).T, np.empty(rows)
    side, reached = first, first / (first + below[0]) if first > 0.0 else 0.0
    for j in range(rows):
        sensed[j] = reached * g[j]
        reached *= share[j + 1] if j < rows - 1 else 1.0
        x = g[j] / (side + below[j]) if g[j] > 0.0 else 0.0
        load[j, j] = g[j] - g[j] * x
        for i in range(j + 1, rows):
            x *= share[i]
            load[i, j] = -g[i] * x
        sensed[j] += last * x
        side = segment * (g[j] + side) / (segment + g[j] + side)
    return load, sensed
