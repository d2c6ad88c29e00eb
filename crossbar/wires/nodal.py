"""The slow, obvious solution of a tile: every node in one sparse system.

Kirchhoff's current law at each node gives the Laplacian of all resistors. Nodes that no resistance
separates are one node; the potentials of the sources and of the sense inputs are given, and what
floats (`floating`) is at 0 V.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from device_models.errors import LimitError

from .floating import floating_lines
from .wires import Floats, Wires, check_volts

SINGULAR = "an open line is held by devices of next to no conductance, too little for 64 bits"

Ints = NDArray[np.int64]


class Voltages(NamedTuple):
    """Node voltages and what they drive.

    Attributes:
        word_volts: At every crossing, on the word line, shape (vectors, rows, columns).
        bit_volts: The same on the bit line.
        amperes: Sensed column currents, shape (vectors, columns).
    """

    word_volts: Floats
    bit_volts: Floats
    amperes: Floats


class _Nodes(NamedTuple):
    """Number of the node at every crossing, and the given ones."""

    word: Ints  # (rows, columns)
    bit: Ints  # (rows, columns)
    source: Ints  # (rows,)
    sense: Ints  # (columns,)


def solve(
    g: Floats, wires: Wires, v_volts: Floats, *, sense_volts: Floats | None = None
) -> Voltages:
    """All node voltages for some input vectors.

    Args:
        g: Conductances, siemens, shape (rows, columns).
        wires: The lines.
        v_volts: Voltages of the sources, shape (vectors, rows).
        sense_volts: Voltages behind the sense amplifiers, (vectors, columns); 0 V by default.

    Raises:
        ShapeError, LimitError: As `Wires.check`; or voltages are not finite or of another shape.
    """
    from scipy.sparse.linalg import splu  # see `transfer`

    wires.check(g)
    check_volts(v_volts, len(g))
    nodes = _numbered(g.shape, wires)
    laplacian = _laplacian(g, wires, nodes)
    size = laplacian.shape[0]
    given = np.zeros(size, bool)
    given[nodes.source] = given[nodes.sense] = True
    volts = np.zeros((size, len(v_volts)))
    volts[nodes.source] = v_volts.T
    if sense_volts is not None:
        volts[nodes.sense] = sense_volts.T
    floats = floating_lines(g, wires)
    solved = ~given & (laplacian.diagonal() > 0.0)
    solved[nodes.word[floats.words]] = solved[nodes.bit[:, floats.bits]] = False
    free = np.flatnonzero(solved)
    if len(free):
        injected = laplacian[free] @ volts
        try:
            factor = splu(laplacian[free][:, free].tocsc())
        except RuntimeError as e:  # exactly singular
            raise LimitError(f"{SINGULAR}; nothing was solved") from e
        volts[free] = factor.solve(-injected)
    amperes = -(laplacian @ volts)[nodes.sense]
    return Voltages(
        np.moveaxis(volts[nodes.word], 2, 0), np.moveaxis(volts[nodes.bit], 2, 0), amperes.T
    )


def transfer_matrix(g: Floats, wires: Wires) -> Floats:
    """Column currents for one volt on each row alone, siemens, shape (columns, rows)."""
    return solve(g, wires, np.eye(g.shape[0])).amperes.T


def gradient(g: Floats, wires: Wires, v_volts: Floats, slopes: Floats) -> Floats:
    """Gradient of a loss by every conductance, exactly, from two solutions of the network.

    A device between nodes a and b changes the current of column j by -(l_a - l_b)(u_a - u_b) per
    siemens, with u the potentials of the read and l those for one volt behind amplifier j alone.

    Args:
        g: Conductances, siemens, shape (rows, columns).
        wires: The lines.
        v_volts: Voltages of the sources, shape (vectors, rows).
        slopes: Of the loss by each column current, per ampere, shape (vectors, columns).

    Returns:
        Per siemens, summed over the vectors, shape (rows, columns).

    Source:
        B. D. H. Tellegen's theorem in the adjoint network of S. W. Director and R. A. Rohrer, IEEE
        Trans. Circuit Theory 16(3), 318-323, 1969.
    """
    read = solve(g, wires, v_volts)
    back = solve(g, wires, np.zeros(v_volts.shape), sense_volts=slopes)
    across = (back.bit_volts - back.word_volts) * (read.word_volts - read.bit_volts)
    return np.asarray(across.sum(0))


def _numbered(shape: tuple[int, int], wires: Wires) -> _Nodes:
    """Crossings that no resistance separates share a number; so do ideal ends."""
    rows, columns = shape
    grid = np.arange(rows * columns, dtype=np.int64).reshape(shape)
    source = 2 * rows * columns + np.arange(rows)
    sense = 2 * rows * columns + rows + np.arange(columns)
    word, bit = grid, rows * columns + grid
    if wires.word_ohms == 0.0:
        word = np.repeat(grid[:, :1], columns, 1)
        if wires.driver_ohms == 0.0:
            cut = np.isin(np.arange(rows), wires.open_words)
            word = np.where(cut[:, None], word, source[:, None])
    if wires.bit_ohms == 0.0:
        bit = np.repeat(bit[-1:], rows, 0)
        if wires.sense_ohms == 0.0:
            cut = np.isin(np.arange(columns), wires.open_bits)
            bit = np.where(cut, bit, sense)
    return _Nodes(word, bit, source, sense)


def _laplacian(g: Floats, wires: Wires, nodes: _Nodes) -> Any:
    """Conductance matrix of every node, given ones included."""
    word, bit, source, sense = nodes
    driven = ~np.isin(np.arange(len(source)), wires.open_words)
    sensed = ~np.isin(np.arange(len(sense)), wires.open_bits)
    drive_ohms, sense_ohms = wires.driver_ohms + wires.word_ohms, wires.sense_ohms + wires.bit_ohms
    resistors: list[tuple[Ints, Ints, Any]] = [(word, bit, g)]
    if wires.word_ohms > 0.0:
        resistors.append((word[:, :-1], word[:, 1:], 1.0 / wires.word_ohms))
    if wires.bit_ohms > 0.0:
        resistors.append((bit[:-1], bit[1:], 1.0 / wires.bit_ohms))
    if drive_ohms > 0.0:
        ends = (0, -1) if wires.drive_both_ends else (0,)
        resistors += [(source[driven], word[driven, end], 1.0 / drive_ohms) for end in ends]
    if sense_ohms > 0.0:
        ends = (-1, 0) if wires.ground_both_ends else (-1,)
        resistors += [(sense[sensed], bit[end, sensed], 1.0 / sense_ohms) for end in ends]
    for i in wires.bridged_words:
        resistors.append((word[i, :1], word[i + 1, :1], 1.0 / wires.bridge_ohms))
    for j in wires.bridged_bits:
        resistors.append((bit[-1:, j], bit[-1:, j + 1], 1.0 / wires.bridge_ohms))
    a, b, s = (
        np.concatenate([np.broadcast_to(part[k], part[0].shape).ravel() for part in resistors])
        for k in range(3)
    )
    size = int(sense[-1]) + 1
    from scipy import sparse  # see `transfer`

    off = sparse.coo_matrix((s, (a, b)), shape=(size, size)).tocsr()
    both = off + off.T
    return (sparse.diags(np.asarray(both.sum(1)).ravel()) - both).tocsr()
