"""Wrong units, refused with the row, the column and the likely mistake."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..record import Range, number
from .measurements import Floats
from .table import FileTable


@dataclass(frozen=True)
class Unit:
    """What a column may hold, and the likely mistake in one that holds something else.

    Attributes:
        allowed: The range.
        above: The mistake behind a value above it; "" if none is likely.
        below: Behind one below it.
    """

    allowed: Range
    above: str
    below: str

    def hint(self, value: float) -> str:
        """The likely mistake behind a value outside the range, in brackets; or nothing."""
        text = self.above if value > self.allowed.high else self.below
        return f" ({text})" if text else ""


MILLIVOLTS = "in millivolts? multiply by 1e-3"
NEGATIVE = "a negative size; a sign was lost or added"
SIEMENS = Unit(Range("S", 0.0, 0.1), "in microsiemens? multiply by 1e-6", NEGATIVE)
OHMS = Unit(
    Range("ohm", 10.0, 1e15), "an open circuit? leave the cell blank",
    "in kiloohm or megaohm? multiply by 1e3 or 1e6",
)  # fmt: skip
READ_VOLTS = Unit(Range("V", 1e-6, 10.0), MILLIVOLTS, "no read voltage")
VOLTS = Unit(Range("V", -100.0, 100.0), MILLIVOLTS, MILLIVOLTS)
WIDTH = Unit(Range("s", 0.0, 100.0), "in nanoseconds? multiply by 1e-9", NEGATIVE)
AMPERES = Unit(Range("A", 0.0, 1.0), "in microamperes? multiply by 1e-6", NEGATIVE)
KELVIN = Unit(Range("K", 200.0, 1000.0), "", "in degrees Celsius? add 273.15")
COUNT = Unit(Range("", 0.0, 1e18), "a count", "a count")
SECONDS = Unit(
    Range("s", 0.0, 1e12), "in milliseconds? multiply by 1e-3; of a clock: --clock",
    "time counts from the write on; of a clock: --clock",
)  # fmt: skip
USUAL_SIEMENS = (1e-8, 2e-3)  # of a device that switches
PREFIXES = {"milli": 1e-3, "micro": 1e-6, "nano": 1e-9}


def smaller_unit(base: str, column: str, g_siemens: float) -> str:
    """The unit in which a column of currents or conductances may be, if a result is too large.

    Args:
        base: "ampere" or "siemens".
        column: Named in the text; "" if it goes without saying.
        g_siemens: The conductance that came out, above that of any device.
    """
    low, high = USUAL_SIEMENS
    fits = [(name, f) for name, f in PREFIXES.items() if low <= g_siemens * f <= high]
    name, factor = fits[0] if fits else ("nano", PREFIXES["nano"])
    return f"{column} in {name}{base}? multiply by 1e{round(np.log10(factor))}".strip()


def inside(
    table: FileTable,
    column: str,
    unit: Unit,
    values: Floats | None = None,
    hint: Callable[[float], str] | None = None,
) -> Floats:
    """The values of a column, if their sizes are possible ones.

    Args:
        table: Where the column is.
        column: Its name.
        unit: What is allowed; nan always is.
        values: Checked instead of those of the column.
        hint: The likely mistake behind a value; None: `Unit.hint`.

    Raises:
        DataError: Names the first value outside.
    """
    column_values = table.numbers[column] if values is None else values
    outside = np.flatnonzero(
        (column_values < unit.allowed.low) | (column_values > unit.allowed.high)
    )
    if len(outside):
        value = float(column_values[outside[0]])
        text = f"{number(value)} {unit.allowed.unit} is outside {unit.allowed}"
        text += f" ({hint(value)})" if hint else unit.hint(value)
        table.refuse(int(outside[0]), column, f"{text}; nothing was read")
    return column_values


def optional(table: FileTable, column: str, unit: Unit) -> Floats:
    """`inside` with nan for infinity; all nan if the file lacks the column."""
    if column not in table.numbers:
        return np.full(len(table), np.nan)
    values = inside(table, column, unit)
    return np.where(np.isfinite(values), values, np.nan)
