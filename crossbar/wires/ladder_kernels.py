"""Lines of a tile, solved side by side: tridiagonal systems with segments that are all alike.

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
        (rows, rows) in the order of Fortran, zeros above the diagonal, and (rows,).
    """
    rows = len(g)
    below, share = np.empty(rows), np.empty(rows)  # t from below, with g
    side = last
    for i in range(rows - 1, -1, -1):
        below[i] = g[i] + side
        share[i] = segment / (segment + below[i])
        side = below[i] * share[i]
    load, sensed = np.zeros((rows, rows)).T, np.empty(rows)
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


@jit
def sides(g: Floats, segment: float, first: Floats, last: Floats) -> tuple[Floats, Floats, Floats]:
    """How a potential on a line spreads: (places, lines) each.

    Args:
        g: As in `reciprocal_pivots`, as are the others.
        segment: See there.
        first: See there.
        last: See there.

    Returns:
        Potential of a node per ampere into it, and its potential per volt on the node before it,
        and on the one behind it, if nothing but those drive it.
    """
    places, lines = g.shape
    alone, down, up = (
        np.empty((places, lines)),
        np.empty((places, lines)),
        np.empty((places, lines)),
    )
    side = first.copy()
    for p in range(places):
        for i in range(lines):
            t = g[p, i] + side[i]
            alone[p, i] = side[i]
            up[p, i] = segment / (segment + t)
            side[i] = t * up[p, i]
    side[:] = last
    for p in range(places - 1, -1, -1):
        for i in range(lines):
            t = g[p, i] + side[i]
            alone[p, i] = 1.0 / (alone[p, i] + t)
            down[p, i] = segment / (segment + t)
            side[i] = t * down[p, i]
    return alone, down, up


@jit
def add_coupled(
    row: int, low: int, high: int, share: Floats, g: Floats, sensed: Floats, pivots: Floats,
    segment: float, bits: Floats, words: Floats, total: Floats,
) -> None:  # fmt: skip
    """Add what word line `row` passes on of the inputs `low:high`, whose bit lines it meets.

    Args:
        row: The word line.
        low: First input; an input is a word line that is driven.
        high: Behind the last.
        share: Potential of the bit lines here per volt at the row that `bits` is of, (columns,).
        g: Conductances on the word line, siemens, (columns,).
        sensed: Share of a current into each of its bit lines that is sensed there, (columns,).
        pivots: Of the word lines, (columns, rows).
        segment: Conductance of their segments.
        bits: Potentials of the bit lines, (columns, inputs); those of this row afterwards.
        words: Scratch, alike.
        total: Sensed currents, alike.
    """
    columns = len(g)
    for k in range(columns):
        pivot, before = pivots[k, row], max(k - 1, 0)
        carried = segment if k else 0.0
        for i in range(low, high):
            bits[k, i] *= share[k]
            words[k, i] = (g[k] * bits[k, i] + carried * words[before, i]) * pivot
    for k in range(columns - 1, -1, -1):
        back, behind = segment * pivots[k, row], min(k + 1, columns - 1)
        back, current = back if k < columns - 1 else 0.0, g[k] * sensed[k]
        for i in range(low, high):
            words[k, i] += back * words[behind, i]
            total[k, i] += current * words[k, i]


@jit
def coupled(
    g: Floats, words: Floats, bits: Floats, spread: tuple[Floats, Floats, Floats],
    pivots: Floats, segment: float,
) -> Floats:  # fmt: skip
    """Currents that reach another bit line by other word lines, siemens, (rows, columns).

    To second order in what the lines lose: the potentials of the bit lines that `ladders` gives
    drive currents into all word lines, and these into the bit lines.

    Args:
        g: Conductances, siemens, (rows, columns).
        words: Potentials of the word lines per volt, alike.
        bits: Share of a current into a bit line that is sensed, alike.
        spread: `sides` of the bit lines.
        pivots: `reciprocal_pivots` of the word lines, (columns, rows).
        segment: Conductance of a segment of a word line.
    """
    rows, columns = g.shape
    alone, down, up = spread
    volts, scratch = np.zeros((columns, rows)), np.zeros((columns, rows))
    total, whole = np.zeros((columns, rows)), np.ones(columns)
    for row in range(rows):  # inputs above a row, and its own
        add_coupled(
            row, 0, row, down[row], g[row], bits[row], pivots, segment, volts, scratch, total
        )
        for k in range(columns):
            volts[k, row] = alone[row, k] * g[row, k] * words[row, k]
        add_coupled(
            row, row, row + 1, whole, g[row], bits[row], pivots, segment, volts, scratch, total
        )
    for row in range(rows - 1, -1, -1):  # those below
        for k in range(columns):
            volts[k, row] = alone[row, k] * g[row, k] * words[row, k]
        if row:
            add_coupled(
                row - 1, row, rows, up[row - 1], g[row - 1], bits[row - 1], pivots, segment,
                volts, scratch, total,
            )  # fmt: skip
    return total.T.copy()
