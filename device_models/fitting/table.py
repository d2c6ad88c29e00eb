"""Tables of text with a header row: the columns that a reader asks for, as numpy arrays.

Cells are separated by commas, semicolons or tabs (by the header), in a file without a header also
by blanks; blank cells and `nan`, `na`, `n/a`, `null`, `none`, `-` are nan; rows that begin with `#`
are comments, and `# name = value` above the header is a setting. Ragged rows and cells that are no
numbers are refused with row and column.
"""

import csv
import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from ..errors import DataError
from ..record import did_you_mean, shown
from . import lines
from .measurements import Floats, Ints

MARKS = (",", ";", "\t")
NO_NUMBER = ("", "nan", "na", "n/a", "null", "none", "-", "--")
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")
SETTING = re.compile(r"(\w+)\s*[=:]\s*([^\s,;]+)")


class Names(NamedTuple):
    """A column of names: row i is `names[codes[i]]`, each name once, in order of appearance."""

    codes: Ints
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FileTable:
    """The columns of one file.

    Attributes:
        path: The file.
        header: Names of all its columns, in order.
        header_row: Row of the header; the file's first row is 1.
        rows: Row of each entry of the columns.
        numbers: Columns of numbers that were asked for and are there; nan where a cell is blank.
        texts: Columns of names that were asked for and are there.
        ignored: Columns that nobody asked for.
        settings: From `# name = value` above the header.
    """

    path: Path
    header: tuple[str, ...]
    header_row: int
    rows: Ints
    numbers: dict[str, Floats]
    texts: dict[str, Names]
    ignored: tuple[str, ...]
    settings: dict[str, str]

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def refuse(self, index: int, column: str, text: str) -> NoReturn:
        """Raise DataError about one cell: `index` counts the entries of the columns."""
        raise DataError(f"{self.path}: row {self.rows[index]}, column {column!r}: {text}")

    def need(self, column: str, takes: str) -> Floats:
        """A column of numbers that the format cannot do without; `takes` lists what it has."""
        self.demand(column, takes)
        return self.numbers[column]

    def demand(self, column: str, takes: str) -> None:
        """Raise DataError if the file lacks a column; `takes` lists what its format has."""
        if column in self.header:
            return
        near = did_you_mean(column, self.ignored).replace("did you mean", "is it")
        raise DataError(
            f"{self.path}: row {self.header_row}: column {column!r} is missing{near} "
            f"(found {_listed(self.header)}); {takes}; nothing was read"
        )

    def setting(self, name: str) -> float | None:
        """A number that stands above the header, None if it does not."""
        text = self.settings.get(name)
        try:
            return None if text is None else float(text)
        except ValueError:
            raise DataError(
                f"{self.path}: {name} above row {self.header_row} must be a number, "
                f"not {shown(text)}; nothing was read"
            ) from None


def read_table(
    path: Path,
    *,
    numbers: Collection[str],
    texts: Collection[str] = (),
    skip: int = 0,
    names: Sequence[str] = (),
) -> FileTable:
    """Read the columns of one file.

    Args:
        path: The file, see `lines`.
        numbers: Columns of numbers to read where they are there; "*" for all of them.
        texts: Columns of names to read where they are there; blanks around a name are removed.
        skip: Rows to pass over before the header is looked for.
        names: Of the columns of a file without a header.

    Raises:
        DataError: The file cannot be read or decoded, has no rows, is ragged, or holds something
            else where a number belongs.
    """
    parser: _Parser | None = None
    settings: dict[str, str] = {}
    for row, block in lines.chunks(path):
        start = 0
        if parser is None:
            start = _header_index(block, skip if row == 1 else 0, settings)
            if start == len(block):
                continue
            mark, header = split_header(block[start])
            mark = bare_mark(block[start]) if names else mark
            parser = _parser(path, row + start, mark, tuple(names) or header, numbers, texts)
            start += 0 if names else 1
        parser.feed(row + start, block[start:])
    if parser is None:
        raise DataError(f"{path}: the file is empty (no header row); nothing was read")
    return parser.table(settings)


def _header_index(block: Sequence[str], skip: int, settings: dict[str, str]) -> int:
    """Index of the header among the first rows; settings above it are collected."""
    for i, line in enumerate(block):
        if line.lstrip().startswith("#"):
            settings.update(SETTING.findall(line))
        elif i >= skip and line.strip():
            return i
    return len(block)


def split_header(line: str) -> tuple[str, tuple[str, ...]]:
    """The separator of a table, and the names in its header row."""
    mark = max(MARKS, key=line.count)
    return mark, tuple(name.strip().strip('"').strip() for name in line.split(mark))


def bare_mark(line: str) -> str:
    """The separator of a table without a header; a space if nothing else separates."""
    return split_header(line)[0] if any(mark in line for mark in MARKS) else " "


def _parser(
    path: Path,
    row: int,
    mark: str,
    header: tuple[str, ...],
    numbers: Collection[str],
    texts: Collection[str],
) -> "_Parser":
    """A parser for the rows under a header."""
    for i, name in enumerate(header):
        if name and name in header[:i]:
            raise DataError(
                f"{path}: row {row}, column {i + 1}: {shown(name)} is there twice (first in "
                f"column {header.index(name) + 1}); nothing was read"
            )
    wanted = header if "*" in numbers else numbers
    return _Parser(
        path=path,
        mark=mark,
        header=header,
        header_row=row,
        numbers={n: i for i, n in enumerate(header) if n in wanted and n not in texts},
        texts={n: i for i, n in enumerate(header) if n in texts},
    )


@dataclass(kw_only=True)
class _Parser:
    """Takes rows of cells, keeps columns of arrays."""

    path: Path
    mark: str
    header: tuple[str, ...]
    header_row: int
    numbers: dict[str, int]
    texts: dict[str, int]
    rows: list[Ints] = field(default_factory=list)
    blocks: dict[str, list[Floats]] = field(default_factory=dict)
    codes: dict[str, list[Ints]] = field(default_factory=dict)
    books: dict[str, "_Book"] = field(default_factory=dict)

    def feed(self, first_row: int, block: Sequence[str]) -> None:
        """Take some rows."""
        cells = self._cells(first_row, block)
        numbers = np.arange(first_row, first_row + len(cells), dtype=np.int64)
        width = len(self.header)
        if set(map(len, cells)) - {width}:
            keep = [i for i, c in enumerate(cells) if any(c) and not c[0].lstrip().startswith("#")]
            cells, numbers = [cells[i] for i in keep], numbers[keep]
            self._refuse_ragged(cells, numbers)
        if not cells:
            return
        columns = list(zip(*cells, strict=True))
        self.rows.append(numbers)
        for name, i in self.numbers.items():
            self.blocks.setdefault(name, []).append(self._floats(columns[i], name, numbers))
        for name, i in self.texts.items():
            book = self.books.setdefault(name, _Book())
            codes = np.fromiter(map(book.__getitem__, columns[i]), np.int64, len(cells))
            self.codes.setdefault(name, []).append(codes)

    def _cells(self, first_row: int, block: Sequence[str]) -> list[list[str]]:
        """The cells of some rows; a blank row has none."""
        if self.mark == " ":  # columns may be aligned with several
            block = [" ".join(line.split()) for line in block]
        reader = csv.reader(block, delimiter=self.mark)
        try:
            cells = list(reader)
        except csv.Error as error:
            row = first_row + max(reader.line_num - 1, 0)
            raise DataError(f"{self.path}: row {row}: {error}; nothing was read") from error
        if len(cells) != len(block):
            quoted = (i for i, line in enumerate(block) if line.count('"') % 2)
            row = first_row + next(quoted, 0)
            raise DataError(
                f"{self.path}: row {row}: a quote is opened and not closed; nothing was read"
            )
        return cells

    def _refuse_ragged(self, cells: Sequence[Sequence[str]], numbers: Ints) -> None:
        """Name the first row with too few or too many cells."""
        for row, row_cells in zip(numbers, cells, strict=True):
            if len(row_cells) == len(self.header):
                continue
            hint = ""
            if self.mark == "," and len(row_cells) > len(self.header):
                hint = " (decimal commas? write 0.1, not 0,1)"
            raise DataError(
                f"{self.path}: row {row}, column {min(len(row_cells), len(self.header)) + 1}: "
                f"{len(row_cells)} cells, the header in row {self.header_row} has "
                f"{len(self.header)}{hint}; nothing was read"
            )

    def _floats(self, cells: Sequence[str], name: str, rows: Ints) -> Floats:
        """One column as numbers: the fast way where every cell is a number or blank."""
        try:
            return np.fromiter(map(float, cells), np.float64, len(cells))
        except ValueError:
            pass
        try:
            return np.array([float(cell) if cell else math.nan for cell in cells], np.float64)
        except ValueError:
            pass
        indexed = enumerate(cells)
        return np.array([self._float(cell, name, rows[i]) for i, cell in indexed], np.float64)

    def _float(self, cell: str, name: str, row: int) -> float:
        """One cell as a number, or an error with row and column."""
        text = cell.strip()
        if text.lower() in NO_NUMBER:
            return math.nan
        try:
            return float(text)
        except ValueError:
            where = f"{self.path}: row {row}, column {name!r}: {shown(text)}"
            if DECIMAL_COMMA.fullmatch(text):
                point = text.replace(",", ".")
                raise DataError(
                    f"{where} has a decimal comma; write {point}; nothing was read"
                ) from None
            raise DataError(f"{where} is not a number; nothing was read") from None

    def table(self, settings: dict[str, str]) -> FileTable:
        """The columns of all rows."""
        if not self.rows:
            row = f"row {self.header_row}, the header, is the last one"
            raise DataError(f"{self.path}: {row}: there are no values; nothing was read")
        known = {*self.numbers, *self.texts}
        return FileTable(
            path=self.path,
            header=self.header,
            header_row=self.header_row,
            rows=np.concatenate(self.rows),
            numbers={name: np.concatenate(parts) for name, parts in self.blocks.items()},
            texts={
                name: Names(np.concatenate(parts), self.books[name].names())
                for name, parts in self.codes.items()
            },
            ignored=tuple(name for name in self.header if name not in known),
            settings=settings,
        )


class _Book(dict[str, int]):
    """Numbers names as they appear; blanks around a name do not make another one."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, int] = {}

    def __missing__(self, cell: str) -> int:
        """The number of a cell that was not seen before."""
        self[cell] = number = self.known.setdefault(cell.strip(), len(self.known))
        return number

    def names(self) -> tuple[str, ...]:
        """Every name once."""
        return tuple(self.known)


def _listed(names: Sequence[str], most: int = 12) -> str:
    """Some names of a header, on one line."""
    text = ", ".join(shown(name)[1:-1] for name in names[:most])
    return f"{text}, ..." if len(names) > most else text
