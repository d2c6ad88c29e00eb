"""Some input vectors on a big tile, without its transfer matrix.

With the word lines eliminated (they are ladders), the potentials b of the bit-line nodes obey

    (B - G W^-1 G) b = G u v,

where B and W are the tridiagonal matrices of the lines with their devices, G the diagonal of the
conductances and u v the word-line voltages of the ladders alone. Conjugate gradients with B as the
preconditioner: one tridiagonal solve of every word line and of every bit line per step. The system
is symmetric and positive definite, and the steps do not grow with the size of the tile but with
the voltage that its lines lose.
"""

import math
from collections.abc import Callable

import numpy as np

from device_models.errors import LimitError

from .ladders import bits, words
from .nodal import Voltages
from .wires import Floats, Wires, check_volts

MOST_STEPS = 10_000


def read(g: Floats, wires: Wires, v_volts: Floats, *, tolerance: float = 1e-10) -> Floats:
    """Column currents for some input vectors, amperes, shape (vectors, columns); see `solve`."""
    return solve(g, wires, v_volts, tolerance=tolerance).amperes


def solve(
    g: Floats,
    wires: Wires,
    v_volts: Floats,
    *,
    tolerance: float = 1e-10,
    watch: Callable[[float], object] = lambda done: None,
) -> Voltages:
    """Voltages at every crossing and column currents for some input vectors.

    Args:
        g: Conductances, siemens, shape (rows, columns).
        wires: The lines, without bridges.
        v_volts: Voltages of the sources, shape (vectors, rows).
        tolerance: Of the remaining residual, relative to the right-hand side, in the norm of B^-1.
        watch: Told in each step which fraction of the digits is there.

    Raises:
        ShapeError, LimitError: As `Wires.check` and `check_volts`; lines are bridged; or no
            convergence.
    """
    wires.check(g)
    if wires.bridged_words or wires.bridged_bits:
        raise LimitError("bridged lines have no ladders; use transfer_matrix; nothing was solved")
    check_volts(v_volts, len(g))
    g, v = np.asarray(g, np.float64), np.asarray(v_volts, np.float64)
    solved = [_solve_one(g, wires, vector, tolerance, watch) for vector in v]
    return Voltages(*(np.stack(parts) for parts in zip(*solved, strict=True)))


def _solve_one(
    g: Floats, wires: Wires, v: Floats, tolerance: float, watch: Callable[[float], object]
) -> Voltages:
    """One vector (rows,): the parts of `Voltages` without their first axis."""
    word, bit = words(g, wires), bits(g, wires)

    def along(x: Floats) -> Floats:  # W^-1 x
        return word.solve(x.T).T

    free = word.potentials.T * v[:, None]
    residual = g * free
    b, p, b_p = np.zeros(g.shape), np.zeros(g.shape), np.zeros(g.shape)
    rho, first = 1.0, 0.0
    for step in range(MOST_STEPS):
        z = bit.solve(residual)
        new = float((residual * z).sum())
        first = first or new
        if new <= tolerance**2 * first or new == 0.0:
            volts = free + along(g * b)
            return Voltages(volts, b, (bit.potentials * g * volts).sum(0))
        watch(min(1.0, math.log(new / first) / (2.0 * math.log(tolerance))))
        beta = new / rho if step else 0.0
        p, b_p, rho = z + beta * p, residual + beta * b_p, new  # B z is the residual itself
        s_p = b_p - g * along(g * p)  # G W^-1 G p
        alpha = rho / float((p * s_p).sum())
        b, residual = b + alpha * p, residual - alpha * s_p
    raise LimitError(f"no convergence in {MOST_STEPS} steps; nothing was read")
