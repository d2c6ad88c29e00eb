"""The head of a table: separator, names of the columns, units, settings above them.

Cells are separated by tabs, semicolons, commas or blanks, whichever gives the row of names and the
one below it equally many. A row of units may follow the names. Lines above the names are passed
over if no column of theirs is known and a row further down, with numbers below it, has one. The
names may also stand in the last comment above the numbers, as `numpy.savetxt` writes them. A first
row in which a cell is a number is no header: the user names the columns then (`column_map`).
"""

import csv
import re
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from ..printable import printable
from .column_map import named_columns, renamed
from .columns import BRACKETS, Meaning, bare, is_unit, meaning
from .sweep_columns import sweep_pairs

MARKS = ("\t", ";", ",", " ")
NUMBER = re.compile(r"\s*([+-]?(\d+[.,]?\d*|[.,]\d+)([eE][+-]?\d+)?|nan)\s*")
SETTING = re.compile(r"(\w+)\s*[=:]\s*([^\s,;]+)")
MOST_ABOVE = 400  # lines in which a row of names is looked for
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
        mapped: Label -> what the user or a reader says it holds.
    """

    mark: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    line: int
    first: int
    named: bool
    settings: dict[str, str]
    cells: int
    mapped: Mapping[str, Meaning] = {}

    @property
    def meanings(self) -> tuple[Meaning, ...]:
        """What each column holds; an unknown one has its own name.

        So has one that would be called as a mapped one.
        """
        taken = {m.name for m in self.mapped.values()}
        each = []
        for label in self.labels:
            m = self.mapped.get(label) or meaning(label) or Meaning(label)
            lost = label not in self.mapped and m.name in taken
            each.append(Meaning(f"{label} (not mapped)") if lost else m)
        return tuple(each)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns as readers know them."""
        return tuple(m.name for m in self.meanings)


def header_of(
    lines: Sequence[str],
    columns: Sequence[str] = (),
    skip: int = 0,
    mapped: Mapping[str, Meaning] | None = None,
) -> Header | None:
    """The header of a table by its first lines; None if all are blank or comments.

    Args:
        lines: The first `MOST_ABOVE`, or all.
        columns: What the user calls the columns, see `column_map`.
        skip: Lines to pass over before it.
        mapped: Label -> what it holds, by a reader.

    Raises:
        ConfigError: `columns` is no map.
    """
    rows = [
        i for i, line in enumerate(lines[: skip + MOST_ABOVE])
        if i >= skip and line.strip() and not line.lstrip().startswith("#")
    ]  # fmt: skip
    if not rows:
        return None
    names = {*(mapped or ()), *named_columns(columns).labels}
    start = _row_of_names(lines, rows, names)
    comments = [line for line in lines[: rows[start]] if line.lstrip().startswith("#")]
    above = [*comments, *(lines[i] for i in rows[:start])]
    settings = dict(pair for line in above for pair in SETTING.findall(line))
    header = _header(lines, rows[start:], comments, columns, settings)
    return renamed(header, columns, mapped or {})


def _header(
    lines: Sequence[str],
    rows: Sequence[int],
    comments: Sequence[str],
    columns: Sequence[str],
    settings: dict[str, str],
) -> Header:
    """The header that begins in the first of some rows."""
    first, below = lines[rows[0]], lines[rows[1]] if len(rows) > 1 else ""
    mark = _mark(first, below)
    labels = _labels(first, below, mark)
    if numbers_in(first) or any(map(NUMBER.fullmatch, labels)):
        mark = _bare_mark(first)
        cells = len(split(first, mark))
        names = named_columns(columns).names or _in_comment(comments, mark, cells)
        return Header(mark, names, (), rows[0], rows[0], False, settings, cells)
    units = tuple(cell.strip() for cell in split(below, mark))
    if len(units) != len(labels) or not _are_units(units):
        return Header(mark, labels, (), rows[0], rows[0] + 1, True, settings, len(labels))
    joined = tuple(map(_with_unit, labels, units))
    return Header(mark, joined, units, rows[0], rows[1] + 1, True, settings, len(labels))


def _labels(line: str, below: str, mark: str) -> tuple[str, ...]:
    """The cells of a row of names, as many as the row below if only its blank last one differs."""
    labels = [printable(cell.strip().strip('"').strip()) for cell in split(line, mark)]
    cells = split(below, mark) if below else labels
    if len(labels) == len(cells) + 1 and not labels[-1]:
        return tuple(labels[:-1])
    more = len(cells) == len(labels) + 1 and not cells[-1].strip()
    return (*labels, "") if more else tuple(labels)


def _row_of_names(lines: Sequence[str], rows: Sequence[int], names: Collection[str]) -> int:
    """Which of the rows has the names: the first, unless a later one alone has a known column."""
    if _names_columns(lines, rows, names):
        return 0
    for k in range(1, len(rows) - 1):
        if _names_columns(lines, rows[k:], names) and _over_numbers(lines, rows[k:]):
            return k
    return 0


def _names_columns(lines: Sequence[str], rows: Sequence[int], names: Collection[str]) -> bool:
    """Whether a row names a column that some reader knows."""
    below = lines[rows[1]] if len(rows) > 1 else ""
    labels = _labels(lines[rows[0]], below, _mark(lines[rows[0]], below))
    if any(map(NUMBER.fullmatch, labels)):
        return False
    return any(label in names or meaning(label) for label in labels) or bool(sweep_pairs(labels))


def _over_numbers(lines: Sequence[str], rows: Sequence[int]) -> bool:
    """Whether as many cells stand below a row of names, and a number; units may be between."""
    below = lines[rows[1]]
    mark = _mark(lines[rows[0]], below)
    cells = split(below, mark)
    if _are_units([cell.strip() for cell in cells]) and len(rows) > 2:
        cells = split(lines[rows[2]], mark)
    labels = _labels(lines[rows[0]], below, mark)
    return len(cells) == len(labels) and any(map(NUMBER.fullmatch, cells))


def _in_comment(comments: Sequence[str], mark: str, cells: int) -> tuple[str, ...]:
    """The names of columns in the last comment above bare numbers; () if it holds none."""
    text = comments[-1].lstrip("# \t") if comments else ""
    for each in dict.fromkeys((mark, *MARKS)):
        labels = tuple(label.strip().strip('"').strip() for label in split(text, each))
        if len(labels) == cells and (any(map(meaning, labels)) or sweep_pairs(labels)):
            return labels
    return ()


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
    return tuple(float(cell.strip().replace(",", ".")) for cell in cells)


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
