"""The exact transfer matrix of a tile: I = A V for every input at once.

For fixed conductances the tile is linear. With the chain of nodes of each bit line eliminated,
column j is a dense load K_j between the word lines, and what its sense amplifier gets is q_j u for
word-line voltages u at that column:

    B_j = tridiag(bit line) + diag(g_j),    q_j = e^T B_j^-1 diag(g_j),    K_j = diag(g_j) -
    diag(g_j) B_j^-1 diag(g_j).

The word lines then form a block-tridiagonal chain of these loads, eliminated from the last column
to the first: with S_j = K_j + y_right + y_left - y_right^2 S_(j+1)^-1 and one dense Cholesky
inverse per column, all currents follow as products. O(C R^3) operations of BLAS 3, no iteration, no
tolerance; all in 64 bits.
"""

from dataclasses import replace

import numpy as np

from device_models.errors import LimitError
from device_models.threads import one_blas_thread

from . import nodal
from .floating import floating_lines
from .ladder_kernels import bit_line
from .wires import Floats, Wires, bytes_needed


@one_blas_thread()
def transfer_matrix(g: Floats, wires: Wires) -> Floats:
    """Column currents for one volt on each row alone.

    Args:
        g: Conductances, siemens, shape (rows, columns), or (tiles, rows, columns). Not modified.
        wires: The lines.

    Returns:
        A, siemens, shape (columns, rows) or (tiles, columns, rows): I = A V.

    Raises:
        ShapeError, LimitError: As `Wires.check`; or the matrix needs more memory than is free.
    """
    if g.ndim == 3:
        return np.stack([transfer_matrix(tile, wires) for tile in g])
    wires.check(g)
    g = np.asarray(g, np.float64)
    if wires.ideal:
        return np.array(g.T)
    _refuse_beyond_memory(*g.shape)
    if floats := floating_lines(g, wires):
        siemens = transfer_matrix(g, floats.held(wires))
        siemens[floats.bits] = siemens[:, floats.words] = 0.0
        return siemens
    forth = wires.word_ohms > 0.0 and not wires.bridged_bits
    back = wires.bit_ohms > 0.0 and not wires.bridged_words
    if wires.word_ohms == 0.0 and not wires.has_faults:
        return _one_node_per_row(g, wires)
    if back and (not forth or g.shape[1] < g.shape[0]):  # fewer columns than rows: smaller blocks
        return np.ascontiguousarray(_chained(*_turned(g, wires))[::-1, ::-1].T)
    return _chained(g, wires) if forth else nodal.transfer_matrix(g, wires)


def _turned(g: Floats, wires: Wires) -> tuple[Floats, Wires]:
    """The same tile seen from its sense amplifiers: word and bit lines change places.

    A network of resistors is reciprocal: the current that reaches sense amplifier j from one volt
    at source i is the one that reaches source i from one volt at amplifier j.
    """
    rows, columns = g.shape
    swapped = replace(
        wires,
        word_ohms=wires.bit_ohms,
        bit_ohms=wires.word_ohms,
        driver_ohms=wires.sense_ohms,
        sense_ohms=wires.driver_ohms,
        drive_both_ends=wires.ground_both_ends,
        ground_both_ends=wires.drive_both_ends,
        open_words=tuple(columns - 1 - j for j in wires.open_bits),
        open_bits=tuple(rows - 1 - i for i in wires.open_words),
        bridged_words=tuple(columns - 2 - j for j in wires.bridged_bits),
        bridged_bits=tuple(rows - 2 - i for i in wires.bridged_words),
    )
    return np.ascontiguousarray(g[::-1, ::-1].T), swapped


def _refuse_beyond_memory(rows: int, columns: int) -> None:
    """Refuse a tile whose elimination does not fit into the memory that is free.

    Raises:
        LimitError: It does not; says how much it needs.
    """
    needed, free = bytes_needed(rows, columns), free_bytes()
    if free is not None and needed > free:
        raise LimitError(
            f"the transfer matrix of a tile of {rows} x {columns} needs {needed / 2**30:.1f} GiB; "
            f"{free / 2**30:.1f} GiB are free; nothing was solved"
        )


def free_bytes() -> int | None:
    """Memory that is free without swapping; None where the system does not tell."""
    try:
        with open("/proc/meminfo") as lines:  # noqa: PTH123  # a file of the kernel
            line = next(line for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024


def _column(g: Floats, wires: Wires, *, is_open: bool) -> tuple[Floats, Floats]:
    """Load K (rows, rows) of one column between the word lines, and its sensed response q (rows,).

    Of K the lower triangle counts.

    Args:
        g: Conductances of the column, siemens, (rows,).
        wires: The lines.
        is_open: Its sense amplifiers are cut off.
    """
    end_ohms = wires.bit_ohms + wires.sense_ohms
    end = 0.0 if is_open or end_ohms == 0.0 else 1.0 / end_ohms
    if end_ohms == 0.0 and not is_open:
        return np.diag(g), g.copy()
    if wires.bit_ohms == 0.0:
        ends = end * (2.0 if wires.ground_both_ends else 1.0)
        total = max(float(g.sum()) + ends, 1e-300)
        return np.diag(g) - np.outer(g, g) / total, g * (ends / total)
    first = end if wires.ground_both_ends else 0.0
    pair: tuple[Floats, Floats] = bit_line(
        np.ascontiguousarray(g), 1.0 / wires.bit_ohms, first, end
    )
    return pair


def _inverse(block: Floats) -> Floats:
    """Lower triangle of the inverse of a symmetric positive definite matrix, by its own."""
    from scipy.linalg import lapack  # takes longer to import than all of wires

    factor, failed = lapack.dpotrf(block, lower=1, overwrite_a=1, clean=0)
    if failed:
        raise LimitError(f"{nodal.SINGULAR}; nothing was solved")
    lower: Floats = lapack.dpotri(factor, lower=1, overwrite_c=1)[0]
    return lower


def _times(lower: Floats, right: Floats) -> Floats:
    """Product of a symmetric matrix, given by its lower triangle, with columns."""
    from scipy.linalg import blas

    product: Floats = blas.dsymm(1.0, lower, right, lower=1)
    return product


def _chained(g: Floats, wires: Wires) -> Floats:
    """The transfer matrix of word lines with resistance; see the docstring of the module.

    From the last column to the first, `currents` maps the word-line voltages at the present
    column's left neighbour to all column currents so far, one column of it each, and `beyond` is
    what the columns to the right take off the block. With drivers at the right ends too,
    `far` are the currents that these push, the left neighbour being at 0 V, and `pushed` what they
    push into the present column. Of symmetric matrices only the lower triangle is kept.
    """
    rows, columns = g.shape
    inner, outer = np.full(rows, 1.0 / wires.word_ohms), _driver_siemens(rows, wires)
    both = wires.drive_both_ends
    currents, far = np.zeros((rows, columns), order="F"), np.zeros((rows, columns), order="F")
    beyond, pushed = np.zeros((rows, rows), order="F"), np.diag(outer)
    diagonal = np.diag_indices(rows)
    for done, j in enumerate(range(columns - 1, -1, -1), start=1):
        load, currents[:, done - 1] = _column(g[:, j], wires, is_open=j in wires.open_bits)
        block = np.subtract(load, beyond, order="F")
        towards = inner if j else outer
        block[diagonal] += towards + (inner if done > 1 else outer * both)
        if j == 0:
            _bridge(block, wires)
        lower = _inverse(block)
        through = _times(lower, currents[:, :done])
        if both:
            far[:, :done] += pushed.T @ through
            pushed = towards[:, None] * _times(lower, np.asfortranarray(pushed))
        currents[:, :done] = towards[:, None] * through
        beyond = np.multiply(lower, towards[:, None] * towards, order="F")
    return np.ascontiguousarray((currents + far).T[::-1])


def _driver_siemens(rows: int, wires: Wires) -> Floats:
    """Conductance between each word line's end node and its source."""
    outer = np.full(rows, 1.0 / (wires.word_ohms + wires.driver_ohms))
    outer[list(wires.open_words)] = 0.0
    return outer


def _bridge(block: Floats, wires: Wires) -> None:
    """Add the shorts between word lines at column 0, in place."""
    short = 1.0 / wires.bridge_ohms
    for i in wires.bridged_words:
        block[i, i] += short
        block[i + 1, i + 1] += short
        block[i, i + 1] -= short
        block[i + 1, i] -= short


def _one_node_per_row(g: Floats, wires: Wires) -> Floats:
    """Word lines without resistance: one node per row behind its driver."""
    columns = [_column(column, wires, is_open=False) for column in g.T]
    sensed = np.stack([q for _, q in columns])
    if wires.driver_ohms == 0.0:
        return sensed
    drivers = (2.0 if wires.drive_both_ends else 1.0) / wires.driver_ohms
    block = np.sum([load for load, _ in columns], axis=0) + drivers * np.eye(len(g))
    return np.asarray(_times(_inverse(block), sensed.T).T * drivers)
