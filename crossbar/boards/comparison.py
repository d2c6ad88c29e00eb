"""Means of repeated reads, and when two of them differ by more than their noise."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .protocol import Board

Floats = NDArray[np.float64]
Cells = NDArray[np.int64]
LIMIT = 6.0  # standard errors
MOST_CELLS, MOST_LINES = 64, 4
LAST_BITS = 2e-5  # relative: boards may compute in 32 bit, and through wires that are iterated


class Moments(NamedTuple):
    """Means of repeated reads and the standard errors of these."""

    mean: Floats
    error: Floats


def moments_of(reads: Floats) -> Moments:
    """Of reads, (repeats, ...)."""
    return Moments(reads.mean(0), reads.std(0, ddof=1) / np.sqrt(len(reads)))


def moments(read: Callable[[], Floats], repeats: int) -> Moments:
    """Of a way to read, asked again and again."""
    return moments_of(np.stack([read() for _ in range(repeats)]))


def far_apart(
    board: Board,
    one: Moments,
    other: Moments,
    index: Cells,
    *,
    tolerance: float = LAST_BITS,
    amperes: bool = False,
) -> str:
    """Where two means differ by more than their noise, in words; empty if they do not.

    Spreads come from few reads, so the larger of a value's own and the median one counts.
    """
    error = np.hypot(one.error, other.error)
    noise = LIMIT * np.maximum(error, np.nanmedian(error) if error.size else 0.0)
    step = 2 * step_amperes(board) if amperes else step_siemens(board)
    allowed = noise + tolerance * np.abs(one.mean) + step
    far = np.abs(one.mean - other.mean) > allowed
    far |= np.isnan(one.mean) != np.isnan(other.mean)
    if not far.any():
        return ""
    at, unit = int(np.flatnonzero(far)[0]), "A" if amperes else "S"
    name = "bit line" if amperes else "device"
    return f"{name} {index[at]} gives {one.mean[at]:.4g} and {other.mean[at]:.4g} {unit}"


def step_amperes(board: Board) -> float:
    """The step of the converter, or nothing."""
    grid = board.info.grid
    return 0.0 if grid is None or grid.adc_amperes is None else grid.adc_amperes


def step_siemens(board: Board) -> float:
    """The step of a read."""
    return step_amperes(board) / board.info.read_volts


def spread_over(cells: Iterable[int]) -> Cells:
    """At most `MOST_CELLS` of some cells, evenly spaced, rising."""
    every = np.unique(np.asarray(list(cells), np.int64))
    chosen = np.linspace(0, len(every) - 1, min(MOST_CELLS, len(every))).round().astype(int)
    return np.asarray(every[np.unique(chosen)])


def lines_of(numbers: Cells) -> list[int]:
    """At most `MOST_LINES` of some lines."""
    return [int(n) for n in np.unique(numbers)[:: max(1, len(np.unique(numbers)) // MOST_LINES)]]
