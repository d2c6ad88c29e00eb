"""Tables of text: the columns that a reader asks for, as numpy arrays in SI units.

The head is read by `header`, names and units by `columns`. Blank cells and `nan`, `na`, `n/a`,
`null`, `none`, `-` are nan; rows that begin with `#` are comments. Numbers may have decimal commas
where another mark separates the cells, if none of the file has a point. Ragged rows and cells that
are no numbers are refused with row and column.
"""

import csv
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np

from ..errors import ConfigError, DataError
from ..record import did_you_mean, shown
from . import lines
from .columns import SUFFIX, TEXT, Column, Meaning, bare, fault, scale
from .header import MOST_ABOVE, Header, header_of
from .measurements import Floats, Ints
from .name_book import NameBook

DATA_NAME, DATA_VALUE = "DataName", "DataValue"  # first cells of exports of EasyEXPERT
NO_NUMBER = ("", "nan", "na", "n/a", "null", "none", "-", "--")
LARGEST = 1e30  # of any number of a table
DATE = re.compile(r"\d{1,4}[-/.:]\d{1,2}[-/.:]\d{1,4}\b")
DATE_HINT = "; a date or a time of day? give seconds (those of a clock: --clock)"
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?")


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
        labels: Column -> what the file calls it, where that is something else.
    """

    path: Path
    header: tuple[str, ...]
    header_row: int
    rows: Ints
    numbers: dict[str, Floats]
    texts: dict[str, Names]
    ignored: tuple[str, ...]
    settings: dict[str, str]
    labels: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.rows)

    def refuse(self, index: int, column: str, text: str) -> NoReturn:
        """Raise DataError about one cell: `index` counts the entries of the columns."""
        label = self.labels.get(column, column)
        raise DataError(f"{self.path}: row {self.rows[index]}, column {label!r}: {text}")

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
    columns: Sequence[Column],
    *,
    every: bool = False,
    skip: int = 0,
    names: Sequence[str] = (),
    mapped: Mapping[str, Meaning] | None = None,
) -> FileTable:
    """Read the columns of one file.

    Args:
        path: The file, see `lines`.
        columns: To read where they are there; blanks around words are removed.
        every: All columns, as numbers, whatever their names.
        skip: Rows to pass over before the header is looked for.
        names: What the user calls the columns, see `column_map`.
        mapped: What a reader says that columns hold, by their labels.

    Raises:
        DataError: The file cannot be read or decoded, has no rows, has no header and no names, has
            a column that is nearly one of `columns`, is ragged, or holds something else where a
            number belongs.
    """
    parser: _Parser | None = None
    settings: dict[str, str] = {}
    pending = list[str]()

    def begun() -> _Parser:
        header = header_in(path, pending, names, skip, mapped)
        if header is None:
            raise DataError(f"{path}: the file is empty (no header row); nothing was read")
        settings.update(header.settings)
        result = _parser(path, header, columns, every=every)
        result.feed(1 + header.first, pending[header.first :])
        return result

    for row, block in lines.chunks(path):
        if parser is not None:
            parser.feed(row, block)
            continue
        pending += block
        if len(pending) >= skip + MOST_ABOVE and any(map(str.strip, pending[:MOST_ABOVE])):
            parser = begun()
    return (parser or begun()).table(settings)


def header_in(
    path: Path,
    lines: Sequence[str],
    columns: Sequence[str],
    skip: int = 0,
    mapped: Mapping[str, Meaning] | None = None,
) -> Header | None:
    """`header_of` with the name of the file in front of its errors."""
    try:
        return header_of(lines, columns, skip, mapped)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def without_header(path: Path, row: int, count: int) -> DataError:
    """The error about a file whose columns nobody names."""
    return DataError(
        f"{path}: row {row}: {count} columns without a header; name them with --columns, such as "
        "--columns t_seconds,g_siemens or --columns 1=cycle,3=lrs_ohms:kohm (--formats lists all); "
        "nothing was read"
    )


def _parser(path: Path, header: Header, columns: Sequence[Column], *, every: bool) -> "_Parser":
    """A parser for the rows under a header."""
    row = header.line + 1
    if not header.labels:
        raise without_header(path, row, header.cells)
    texts = {column.name for column in columns if column.unit == TEXT}
    wanted = texts | {column.name for column in columns}
    meanings = [
        m if label in header.mapped or not (every or label in wanted or m.name not in wanted)
        else Meaning(m.name if m.name.endswith("(not mapped)") else label)
        for label, m in zip(header.labels, header.meanings, strict=True)
    ]  # fmt: skip
    names = tuple(m.name for m in meanings)
    for i, name in enumerate(names):
        if name and name in names[:i]:
            raise DataError(
                f"{path}: row {row}, column {i + 1}: {shown(name)} is there twice (first in "
                f"column {names.index(name) + 1}); nothing was read"
            )
        partial = header.mapped or every  # then what is not named is not used
        if name not in wanted and not partial and (why := fault(name, wanted, names)):
            where = f"{path}: row {row}, column {i + 1}"
            raise DataError(f"{where}: {shown(name)} {why}; nothing was read")
    _refuse_other_units(path, row, header, meanings)
    return _Parser(
        path=path,
        mark=header.mark,
        header=names,
        header_row=row,
        meanings=dict(zip(names, meanings, strict=True)),
        labels={m.name: x for m, x in zip(meanings, header.labels, strict=True) if m.name != x},
        numbers={n: i for i, n in enumerate(names) if (every or n in wanted) and n not in texts},
        texts={n: i for i, n in enumerate(names) if n in texts},
    )


def _refuse_other_units(path: Path, row: int, header: Header, meanings: Sequence[Meaning]) -> None:
    """Raise DataError where the row of units contradicts the name above it."""
    for i, (unit, m) in enumerate(zip(header.units, meanings, strict=False)):
        plain = bare(unit)
        dimension = next((d for d, end in SUFFIX.items() if m.name.endswith(f"_{end}")), "")
        if plain and dimension and scale(plain, dimension) != (m.factor, m.offset):
            raise DataError(
                f"{path}: row {row}, column {i + 1}: {shown(header.labels[i])}, but the row of "
                f"units below says {shown(plain)}; nothing was read"
            )


@dataclass(kw_only=True)
class _Parser:
    """Takes rows of cells, keeps columns of arrays."""

    path: Path
    mark: str
    header: tuple[str, ...]
    header_row: int
    meanings: dict[str, Meaning]
    labels: dict[str, str]
    numbers: dict[str, int]
    texts: dict[str, int]
    decimal: str = ""
    rows: list[Ints] = field(default_factory=list)
    blocks: dict[str, list[Floats]] = field(default_factory=dict)
    codes: dict[str, list[Ints]] = field(default_factory=dict)
    books: dict[str, "NameBook"] = field(default_factory=dict)

    def feed(self, first_row: int, block: Sequence[str]) -> None:
        """Take some rows."""
        cells = self._cells(first_row, block)
        numbers = np.arange(first_row, first_row + len(cells), dtype=np.int64)
        width = len(self.header)
        if self.header[0] == DATA_NAME:  # what stands between the tables of an export is no row
            of_table = [i for i, c in enumerate(cells) if c and c[0].strip() == DATA_VALUE]
            cells, numbers = [cells[i] for i in of_table], numbers[of_table]
        if set(map(len, cells)) - {width}:
            keep = [i for i, c in enumerate(cells) if any(c) and not c[0].lstrip().startswith("#")]
            cells, numbers = [cells[i] for i in keep], numbers[keep]
            self._refuse_ragged(cells, numbers)
        if not cells:
            return
        columns = list(zip(*cells, strict=True))
        self.rows.append(numbers)
        numeric = self._in_points(columns, int(numbers[0]))
        for name, column in zip(self.numbers, numeric, strict=True):
            values = self._floats(column, name, numbers)
            self._refuse_huge(values, column, name, numbers)
            self.blocks.setdefault(name, []).append(values)
        for name, i in self.texts.items():
            book = self.books.setdefault(name, NameBook())
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

    def _refuse_huge(self, values: Floats, cells: Sequence[str], name: str, rows: Ints) -> None:
        """Name the first number that no instrument gives, and whose sums would overflow."""
        huge = np.flatnonzero((np.abs(values) > LARGEST) & np.isfinite(values))
        if len(huge):
            label, cell = self.labels.get(name, name), cells[int(huge[0])].strip()
            raise DataError(
                f"{self.path}: row {rows[huge[0]]}, column {label!r}: {shown(cell)} is no measured "
                f"number (at most {LARGEST:g}); nothing was read"
            )

    def _in_points(self, columns: Sequence[Sequence[str]], row: int) -> list[Sequence[str]]:
        """The columns of numbers with points for decimal commas, if the file has no points."""
        cells = [columns[i] for i in self.numbers.values()]
        if self.decimal == ".":
            return cells  # a comma is refused with row and column
        points, commas = (any(mark in c for each in cells for c in each) for mark in ".,")
        if points and not commas and self.decimal == ",":
            fault = "a decimal point, and decimal commas above"
            raise DataError(f"{self.path}: row {row} or a later one: {fault}; nothing was read")
        if points or not commas:
            self.decimal = "." if points else self.decimal
            return cells
        self.decimal = ","
        return [
            [c.replace(",", ".") if DECIMAL_COMMA.fullmatch(c.strip()) else c for c in column]
            for column in cells
        ]

    def _float(self, cell: str, name: str, row: int) -> float:
        """One cell as a number, or an error with row and column."""
        text = cell.strip()
        if text.lower() in NO_NUMBER:
            return math.nan
        try:
            return float(text)
        except ValueError:
            label = self.labels.get(name, name)
            where = f"{self.path}: row {row}, column {label!r}: {shown(text)}"
            if DECIMAL_COMMA.fullmatch(text):
                both = f"has a decimal comma, other numbers a point; write {text.replace(',', '.')}"
                raise DataError(f"{where} {both}; nothing was read") from None
            hint = DATE_HINT if DATE.match(text) else ""
            raise DataError(f"{where} is not a number{hint}; nothing was read") from None

    def table(self, settings: dict[str, str]) -> FileTable:
        """The columns of all rows."""
        if not self.rows:
            row = f"row {self.header_row}, the header, is the last one"
            raise DataError(f"{self.path}: {row}: there are no values; nothing was read")
        read = {*self.numbers, *self.texts}
        return FileTable(
            path=self.path,
            header=self.header,
            header_row=self.header_row,
            rows=np.concatenate(self.rows),
            numbers={name: self._in_si(name, parts) for name, parts in self.blocks.items()},
            texts={
                name: Names(np.concatenate(parts), self.books[name].names())
                for name, parts in self.codes.items()
            },
            ignored=tuple(name for name in self.header if name not in read),
            settings=settings,
            labels=self.labels,
        )

    def _in_si(self, name: str, parts: Sequence[Floats]) -> Floats:
        """A column of all rows, brought to its SI unit."""
        meaning, values = self.meanings[name], np.concatenate(parts)
        plain = meaning.factor == 1.0 and meaning.offset == 0.0
        return values if plain else values * meaning.factor + meaning.offset


def _listed(names: Sequence[str], most: int = 12) -> str:
    """Some names of a header, on one line."""
    text = ", ".join(shown(name)[1:-1] for name in names[:most])
    return f"{text}, ..." if len(names) > most else text
