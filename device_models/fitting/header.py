"""The head of a table: separator, names of the columns, units, settings above them.

Cells are separated by tabs, semicolons, commas or blanks, whichever gives the row of names and the
one below it equally many. A row of units may follow the names. A first row in which a cell is a
number is no header: the user names the columns then.
"""

import csv
import re
from collections.abc import Sequence
from typing import NamedTuple

from ..printable import printable
from .columns import BRACKETS, Meaning, bare, is_unit, meaning

MARKS = ("\t", ";", ",", " ")
NUMBER = re.compile(r"\s*([+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?|nan)\s*")
SETTING = re.compile(r"(\w+)\s*[=:]\s*([^\s,;]+)")
BLANKS = re.compile(r"\s+(?![(\[])")  # not those before a unit in brackets


class Header(NamedTuple):
    """What the first rows of a table say.

    Attributes:
        mark: Separator of the cells; " " for any blanks.
        labels: Names of the columns as in the file, with the unit from a row of units.
        units: Cells of a row of units; () if there is none.
        line: Which of the lines holds the names; of the first row of values if none does.
        first: Which is the first row of values.
        named: Whether the file has a row of names.
        settings: From `# name = value` above.
        cells: How many the first row has.
    """

    mark: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    line: int
    first: int
    named: bool
    settings: dict[str, str]
    cells: int

    @property
    def meanings(self) -> tuple[Meaning, ...]:
        """What each column holds; an unknown one has its own name."""
        return tuple(meaning(label) or Meaning(label) for label in self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns as readers know them."""
        return tuple(m.name for m in self.meanings)


def header_of(lines: Sequence[str], columns: Sequence[str] = (), skip: int = 0) -> Header | None:
    """The header of a table by its first lines; None if all are blank or comments.

    Args:
        lines: At least up to the second row that is neither blank nor a comment, if there is one.
        columns: Names for a file that has none.
        skip: Lines to pass over before it.
    """
    settings: dict[str, str] = {}
    rows = list[int]()
    for i, line in enumerate(lines):
        if line.lstrip().startswith("#"):
            settings.update(SETTING.findall(line) if not rows else ())
        elif i >= skip and line.strip():
            rows.append(i)
        if len(rows) == 2:
            break
    if not rows:
        return None
    first, below = lines[rows[0]], lines[rows[1]] if len(rows) == 2 else ""
    mark = _mark(first, below)
    labels = tuple(printable(cell.strip().strip('"').strip()) for cell in split(first, mark))
    if numbers_in(first) or any(map(NUMBER.fullmatch, labels)):
        mark = _bare_mark(first)
        cells = len(split(first, mark))
        return Header(mark, tuple(columns), (), rows[0], rows[0], False, settings, cells)
    units = tuple(cell.strip() for cell in split(below, mark))
    if len(units) != len(labels) or not _are_units(units):
        return Header(mark, labels, (), rows[0], rows[0] + 1, True, settings, len(labels))
    joined = tuple(map(_with_unit, labels, units))
    return Header(mark, joined, units, rows[0], rows[1] + 1, True, settings, len(labels))


def split(line: str, mark: str) -> list[str]:
    """The cells of a line."""
    if mark == " ":
        return BLANKS.split(line.strip())
    try:
        return next(csv.reader([line], delimiter=mark), [])
    except csv.Error:
        return line.split(mark)


def numbers_in(line: str) -> tuple[float, ...]:
    """The cells of a row that is no header: all of them numbers; () if one is not."""
    cells = split(line, _bare_mark(line))
    if not cells or not all(map(NUMBER.fullmatch, cells)):
        return ()
    return tuple(float(cell.replace(",", ".")) for cell in cells)


def _mark(line: str, below: str) -> str:
    """The separator that gives both lines equally many cells; else the most frequent one."""
    for mark in MARKS:
        count = len(split(line, mark))
        if count > 1 and (count == len(split(below, mark)) or (mark != " " and not below)):
            return mark
    return max((",", ";", "\t"), key=line.count)


def _bare_mark(line: str) -> str:
    """The separator that leaves numbers alone; " " if nothing else separates."""
    for mark in MARKS:
        cells = split(line, mark)
        if len(cells) > 1 and all(NUMBER.fullmatch(cell) for cell in cells):
            return mark
    return next((mark for mark in MARKS if mark in line), " ")


def _are_units(cells: Sequence[str]) -> bool:
    """Whether a row of cells holds units and blanks, and at least one unit."""
    return any(map(is_unit, cells)) and all(is_unit(cell) or not bare(cell) for cell in cells)


def _with_unit(label: str, unit: str) -> str:
    """A name with the unit below it, unless it says one itself."""
    said = not bare(unit) or BRACKETS.fullmatch(label) or meaning(label)
    return label if said else f"{label} ({bare(unit)})"
