"""What a reader is, and what the readers share."""

import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import DataError
from ..conductance import COLUMNS, Readings
from ..lines import Head
from ..measurements import FileNotes, Ints, Measurements
from ..options import Options
from ..table import Table, bare_mark, split_header

NUMBER = re.compile(r"\s*([+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|nan)\s*")


class Reader(NamedTuple):
    """One file format.

    Attributes:
        describes: What its files hold, for `--help` and for messages.
        sniff: Whether a file that begins so is one.
        read: Reads one file. Raises DataError for a damaged or wrong file, CalibrationError for
            one that does not say enough.
    """

    describes: str
    sniff: Callable[[Head], bool]
    read: Callable[[Path, Options], Measurements]


def first_row(head: Head) -> str:
    """The first row that is neither blank nor a comment; "" if there is none."""
    rows = (row for row in head.lines if row.strip() and not row.lstrip().startswith("#"))
    return next(rows, "")


def header_names(head: Head) -> frozenset[str]:
    """The names in the header row."""
    row = first_row(head)
    return frozenset(split_header(row)[1]) if row else frozenset()


def numbers_in(row: str) -> tuple[float, ...]:
    """The cells of a row that is no header: all of them numbers; () if one is not."""
    mark = bare_mark(row)
    cells = row.split() if mark == " " else row.split(mark)
    return tuple(map(float, cells)) if all(map(NUMBER.fullmatch, cells)) else ()


def has_conductance(names: Collection[str]) -> bool:
    """Whether a header has a column that gives a conductance."""
    return any(name in names for name in COLUMNS[:3])


def devices(table: Table) -> tuple[Ints, tuple[str, ...]]:
    """Number of the device of each row, and the names of the devices.

    A device is what `device` says, else its `word_line` and `bit_line`, else there is one, "1".

    Raises:
        DataError: A row does not name its device.
    """
    if "device" in table.texts:
        return named(table, "device")
    if not {"word_line", "bit_line"} <= table.texts.keys():
        return np.zeros(len(table), np.int64), ("1",)
    (word, words), (bit, bits) = named(table, "word_line"), named(table, "bit_line")
    pairs, first, number = np.unique(word * len(bits) + bit, return_index=True, return_inverse=True)
    order = np.argsort(first)  # in order of appearance
    place = np.argsort(order)
    names = (f"W{_two(words[p // len(bits)])}B{_two(bits[p % len(bits)])}" for p in pairs[order])
    return place[number], tuple(names)


def named(table: Table, column: str) -> tuple[Ints, tuple[str, ...]]:
    """A column of names in which no cell is blank."""
    codes, names = table.texts[column]
    if "" in names:
        first = int(np.flatnonzero(codes == names.index(""))[0])
        table.refuse(first, column, "the cell is blank, a name is needed; nothing was read")
    return codes, names


def _two(line: str) -> str:
    """The number of a line with two digits, as one board's files have it."""
    return line.zfill(2) if line.isdigit() else line


def whole(table: Table, column: str, takes: str) -> Ints:
    """A column of whole numbers.

    Raises:
        DataError: It is missing, or a cell is no whole number.
    """
    values = table.need(column, takes)
    wrong = np.flatnonzero(~(np.abs(values) < 2.0**53) | (values != np.floor(values)))
    if len(wrong):
        found = f"{values[wrong[0]]:g}"
        table.refuse(int(wrong[0]), column, f"{found} is no whole number; nothing was read")
    return values.astype(np.int64)


def notes(
    table: Table,
    name: str,
    found: Readings,
    *,
    used: int,
    dropped: dict[str, int],
    remarks: tuple[str, ...] = (),
) -> FileNotes:
    """What was done with a file; refuses one of which nothing was used.

    Raises:
        DataError: Every row was dropped.
    """
    result = FileNotes(
        path=str(table.path),
        format=name,
        units=found.units,
        used=used,
        dropped=dropped,
        ignored=table.ignored,
        v_read_volts=found.v_read_volts,
        remarks=remarks,
    )
    if not used:
        why = ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "no values"
        raise DataError(f"{table.path}: no row can be used ({why}); nothing was read")
    return result
