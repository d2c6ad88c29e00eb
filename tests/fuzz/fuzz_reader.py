"""What `make fuzz` knows of a reader."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Reader(NamedTuple):
    """One reader.

    Attributes:
        files: Whole files that it reads, made once.
        damage: (random, content) -> content.
        read: Reads the file of a path, or of a folder with one damaged file.
        name: Of the file.
        quick: Inputs of the default tests: those that take about a second.
        folder: Files beside it that are whole.
    """

    files: Callable[[], list[bytes]]
    damage: Callable[..., bytes]
    read: Callable[[Path], object]
    name: str
    quick: int = 2000
    folder: Callable[[Path], object] = lambda path: None


def packed(**arrays):
    """The bytes of an npz file."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()
