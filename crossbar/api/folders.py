"""Folders as callers name them."""

from os import PathLike
from pathlib import Path

Folder = str | PathLike[str]


def path(folder: Folder | None) -> Path | None:
    """A folder as a path."""
    return None if folder is None else Path(folder)
