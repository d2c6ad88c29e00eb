"""The conductance of every row of a table, from whichever columns the file has."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..errors import CalibrationError
from ..record import number
from .checks import AMPERES, OHMS, READ_VOLTS, SIEMENS, inside, smaller_unit
from .measurements import Floats
from .options import Options
from .table import FileTable

Bools = NDArray[np.bool_]

WHY = ("without a reading", "negative reading", "at another read voltage")
MISSING, NEGATIVE, ELSEWHERE = range(3)
COLUMNS = ("g_siemens", "r_ohms", "i_amperes", "v_read_volts")


@dataclass(frozen=True, eq=False)
class Readings:
    """Conductances of the rows of a file.

    Attributes:
        g_siemens: Shape (rows,), above 0; nan where there is no usable reading.
        why: Index into `WHY` of the reason for a nan, shape (rows,).
        units: What became of the unit, for `FileNotes`.
        v_read_volts: Read voltage; nan if unknown.
    """

    g_siemens: Floats
    why: NDArray[np.int8]
    units: str
    v_read_volts: float = float("nan")

    @property
    def present(self) -> Bools:
        """Which rows have a reading."""
        return np.isfinite(self.g_siemens)

    def dropped(self, rows: Bools) -> dict[str, int]:
        """Reason -> how many of the masked rows have no reading for it."""
        counts = np.bincount(self.why[rows & ~self.present], minlength=len(WHY))
        return {reason: int(n) for reason, n in zip(WHY, counts, strict=True) if n}


def conductances(table: FileTable, options: Options, takes: str, stem: str = "") -> Readings:
    """The conductance of every row.

    Columns are tried in the order `g_siemens`, `r_ohms`, `i_amperes` with `v_read_volts`; with a
    stem `lrs` they are `lrs_siemens`, `lrs_ohms`.

    Args:
        table: The columns.
        options: See `Options.drop_negative` and `Options.v_read_volts`.
        takes: What the format has, for the message if no column is there.
        stem: What was measured.

    Raises:
        DataError: No such column; a negative reading; a size that no device has.
        CalibrationError: Currents at several read voltages, or at an unknown one.
    """
    direct, inverse = (f"{stem}_siemens", f"{stem}_ohms") if stem else COLUMNS[:2]
    if direct not in table.header and inverse not in table.header:
        if stem or "i_amperes" not in table.header:
            table.demand(direct, takes)
        return _from_currents(table, options)
    return of_column(table, options, direct if direct in table.header else inverse)


def of_column(table: FileTable, options: Options, column: str) -> Readings:
    """Conductances from a column of siemens or, by its name, of ohms.

    Raises:
        DataError: A negative reading; a size that no device has.
        CalibrationError: Readings at several voltages.
    """
    why = np.zeros(len(table), np.int8)
    values = _signed(table, column, table.numbers[column], options, why)
    v_read, elsewhere = _read_voltage(table, options, np.isfinite(values))
    values = np.where(elsewhere, np.nan, values)
    why[elsewhere] = ELSEWHERE
    if not column.endswith("ohms"):
        values = inside(table, column, SIEMENS, values, partial(smaller_unit, "siemens", ""))
        return Readings(_positive(values), why, column, v_read)
    values = inside(table, column, OHMS, np.where(np.isinf(values), np.nan, values))
    return Readings(1.0 / values, why, f"{column} -> siemens", v_read)


def _from_currents(table: FileTable, options: Options) -> Readings:
    """Conductances from currents and their read voltages."""
    amperes = _amperes(table, "i_amperes", options)
    v_read, elsewhere = _read_voltage(table, options, np.isfinite(amperes))
    if np.isnan(v_read) or "v_read_volts" not in table.numbers:
        v_read = stated_read_volts(table, options, "i_amperes")
    volts = table.numbers.get("v_read_volts", np.full(len(table), v_read))
    why = np.where(elsewhere, ELSEWHERE, MISSING).astype(np.int8)
    volts = np.where(elsewhere | (volts == 0.0), np.nan, volts)
    g = _divided(table, "i_amperes", amperes, volts, options, why)
    return Readings(g, why, "i_amperes / v_read_volts -> siemens", abs(v_read))


def _amperes(table: FileTable, column: str, options: Options) -> Floats:
    """A column of currents, of the sign that the user wants."""
    amperes = table.numbers[column]
    inside(table, column, AMPERES, np.abs(amperes))
    return -amperes if options.invert_current else amperes


def _divided(
    table: FileTable,
    column: str,
    amperes: Floats,
    volts: Floats | float,
    options: Options,
    why: NDArray[np.int8],
) -> Floats:
    """Conductances of currents at their voltages."""
    g = _signed(table, column, amperes / volts, options, why)
    hint = partial(smaller_unit, "ampere", column)
    return _positive(inside(table, column, SIEMENS, g, hint))


def at_voltage(table: FileTable, column: str, v_read_volts: float, options: Options) -> Readings:
    """Conductances from a column of currents at one read voltage."""
    why = np.zeros(len(table), np.int8)
    g = _divided(table, column, _amperes(table, column, options), v_read_volts, options, why)
    return Readings(g, why, f"amperes / {v_read_volts:g} V -> siemens", abs(v_read_volts))


def stated_read_volts(table: FileTable, options: Options, column: str) -> float:
    """The one read voltage of a file of currents, from the user or from above its header.

    Raises:
        CalibrationError: Neither states it, or it is out of range.
    """
    v = options.v_read_volts or table.setting("v_read_volts")
    low, high = READ_VOLTS.allowed.low, READ_VOLTS.allowed.high
    if v is not None and not low <= abs(v) <= high:
        raise CalibrationError(
            f"{table.path}: a read voltage of {v:g} V is outside {READ_VOLTS.allowed}; nothing was "
            "read"
        )
    if v is None:
        raise CalibrationError(
            f"{table.path}: row {table.header_row}, column {column!r}: currents, and no read "
            f"voltage in {READ_VOLTS.allowed} is stated; give --read-volts; nothing was read"
        )
    return v


def _read_voltage(table: FileTable, options: Options, read: Bools) -> tuple[float, Bools]:
    """The read voltage of a file, and which of its readings are at another one.

    Raises:
        CalibrationError: There are several (1 % apart or more), and the user picks none.
    """
    if "v_read_volts" not in table.numbers:
        return abs(options.v_read_volts or float("nan")), np.zeros(len(table), bool)
    v = table.numbers["v_read_volts"]
    read = read & np.isfinite(v) & (v != 0.0)
    inside(table, "v_read_volts", READ_VOLTS, np.abs(np.where(read, v, np.nan)))
    if not read.any():
        return abs(options.v_read_volts or float("nan")), np.zeros(len(table), bool)
    first = int(np.flatnonzero(read)[0])
    wanted = options.v_read_volts or float(v[first])
    elsewhere = read & (np.abs(np.abs(v) - abs(wanted)) > 0.01 * abs(wanted))
    if options.v_read_volts is None and elsewhere.any():
        other = int(np.flatnonzero(elsewhere)[0])
        raise CalibrationError(
            f"{table.path}: row {table.rows[other]}, column 'v_read_volts': {v[other]:g} V, but "
            f"{wanted:g} V in row {table.rows[first]}; one read voltage is allowed "
            "(--read-volts picks one and drops the others); nothing was read"
        )
    return wanted, elsewhere


def _signed(
    table: FileTable, column: str, values: Floats, options: Options, why: NDArray[np.int8]
) -> Floats:
    """Values without negative ones: those are refused, or dropped with `Options.drop_negative`."""
    negative = values < 0.0
    if not negative.any():
        return values
    why[negative] = NEGATIVE
    if options.drop_negative:
        return np.where(negative, np.nan, values)
    first = int(np.flatnonzero(negative)[0])
    is_current = np.isfinite(table.numbers[column][first]) and values is not table.numbers[column]
    fault = f"{number(table.numbers[column][first])} is "
    fault += "a current against the read voltage" if is_current else "negative"
    count, rows = int(negative.sum()), int(np.isfinite(values).sum())
    way = f"--drop-negative drops and counts the {count} such rows"
    if is_current and 2 * count > rows:
        way = f"as in {count} of {rows} rows: --invert-current turns the sign of all; {way}"
    table.refuse(first, column, f"{fault}; a conductance is positive ({way}); nothing was read")


def _positive(g: Floats) -> Floats:
    """Conductances with nan for infinity and zero, which have no logarithm."""
    return np.where(np.isfinite(g) & (g > 0.0), g, np.nan)
