"""Wrong units, refused with the row, the column and the likely mistake."""

from dataclasses import dataclass

import numpy as np

from ..record import Range, number
from .measurements import Floats
from .table import FileTable


@dataclass(frozen=True)
class Unit:
    """What a column may hold, and the likely mistake in one that holds something else."""

    allowed: Range
    hint: str


SIEMENS = Unit(Range("S", 0.0, 0.1), "in microsiemens? multiply by 1e-6")
OHMS = Unit(Range("ohm", 10.0, 1e15), "in kiloohm or megaohm? multiply by 1e3 or 1e6")
READ_VOLTS = Unit(Range("V", 1e-6, 10.0), "in millivolts? multiply by 1e-3")
VOLTS = Unit(Range("V", -100.0, 100.0), "in millivolts? multiply by 1e-3")
WIDTH = Unit(Range("s", 0.0, 100.0), "in nanoseconds? multiply by 1e-9")
AMPERES = Unit(Range("A", 0.0, 1.0), "in microamperes? multiply by 1e-6")
KELVIN = Unit(Range("K", 200.0, 1000.0), "in degrees Celsius? add 273.15")
COUNT = Unit(Range("", 0.0, 1e18), "a count")
SECONDS = Unit(Range("s", 0.0, 1e12), "time counts from the write on")


def inside(table: FileTable, column: str, unit: Unit, values: Floats | None = None) -> Floats:
    """The values of a column, if their sizes are possible ones.

    Args:
        table: Where the column is.
        column: Its name.
        unit: What is allowed; nan always is.
        values: Checked instead of those of the column.

    Raises:
        DataError: Names the first value outside.
    """
    column_values = table.numbers[column] if values is None else values
    outside = np.flatnonzero(
        (column_values < unit.allowed.low) | (column_values > unit.allowed.high)
    )
    if len(outside):
        value = number(column_values[outside[0]])
        text = f"{value} {unit.allowed.unit} is outside {unit.allowed} ({unit.hint})"
        table.refuse(int(outside[0]), column, f"{text}; nothing was read")
    return column_values


def optional(table: FileTable, column: str, unit: Unit) -> Floats:
    """`inside` with nan for infinity; all nan if the file lacks the column."""
    if column not in table.numbers:
        return np.full(len(table), np.nan)
    values = inside(table, column, unit)
    return np.where(np.isfinite(values), values, np.nan)
