"""What a reader is, and functions that several readers use."""

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ...errors import DataError
from ...record import shown
from ..checks import VOLTS, WIDTH
from ..columns import READING, Column, names
from ..conductance import Readings
from ..events import DeviceEvents, experiments
from ..header import header_of, numbers_in
from ..lines import Head
from ..measurements import Cycles, FileNotes, Floats, Ints, Measurements, Pulses, Sweeps
from ..options import Options
from ..sweep_cycles import cycles_of
from ..table import FileTable

WORD = re.compile(r"[a-z]+")
SIGNS = {"set": 1, "reset": -1}
NAMES = {1: "SET", -1: "RESET"}
READS = "g_siemens, r_ohms or i_amperes"
AS_TOLD = "as you say"


class Reader(NamedTuple):
    """One file format.

    Attributes:
        describes: What its files hold, for `--formats` and for messages.
        sniff: Whether a file that begins so is one.
        read: Reads one file. Raises DataError for a damaged or wrong file, CalibrationError for
            one that does not state enough.
        columns: What it takes.
        example: A short file; "" of a binary format.
        needs: Options without which the example is refused, as on the command line.
        options: Which of `options.LABELS` it honours.
        wants: The columns by which it is recognised, for messages; "" if it is not by columns.
    """

    describes: str
    sniff: Callable[[Head], bool]
    read: Callable[[Path, Options], Measurements]
    columns: tuple[Column, ...]
    example: str
    needs: str = ""
    options: tuple[str, ...] = ()
    wants: str = ""


def first_row(head: Head) -> str:
    """The first row that is neither blank nor a comment; "" if there is none."""
    rows = (row for row in head.lines if row.strip() and not row.lstrip().startswith("#"))
    return next(rows, "")


def header_row(head: Head) -> tuple[str, ...]:
    """The names of the columns, in order, as readers call them; () if there are none."""
    header = header_of(head.lines, head.columns)
    return header.names if header else ()


def header_names(head: Head) -> frozenset[str]:
    """The names of the columns."""
    return frozenset(header_row(head))


def bare_numbers(head: Head) -> tuple[float, ...]:
    """The first row, if all of it is numbers and nobody names its columns; else ()."""
    return () if head.columns or header_row(head) else numbers_in(first_row(head))


def has_conductance(header: Collection[str]) -> bool:
    """Whether a header has a column that gives a conductance."""
    return any(name in header for name in names(READING)[:3])


def devices(table: FileTable) -> tuple[Ints, tuple[str, ...]]:
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
    index = np.argsort(order)
    names = (f"W{_two(words[p // len(bits)])}B{_two(bits[p % len(bits)])}" for p in pairs[order])
    return index[number], tuple(names)


def named(table: FileTable, column: str) -> tuple[Ints, tuple[str, ...]]:
    """A column of names in which no cell is blank."""
    codes, names = table.texts[column]
    if "" in names:
        first = int(np.flatnonzero(codes == names.index(""))[0])
        table.refuse(first, column, "the cell is blank, a name is needed; nothing was read")
    return codes, names


def _two(line: str) -> str:
    """The number of a line with two digits, as one board's files have it."""
    return line.zfill(2) if line.isdigit() else line


def whole(table: FileTable, column: str, takes: str) -> Ints:
    """A column of whole numbers.

    Raises:
        DataError: It is missing, or a cell is no whole number.
    """
    values = table.need(column, takes)
    wrong = np.flatnonzero(~(np.abs(values) < 2.0**53) | (values != np.floor(values)))
    if len(wrong):
        text = f"{values[wrong[0]]:g}"
        table.refuse(int(wrong[0]), column, f"{text} is no whole number; nothing was read")
    return values.astype(np.int64)


def polarity_of(v_volts: Floats, options: Options) -> Ints:
    """+1 SET, -1 RESET by the sign of a voltage; 0 where it is zero or unknown."""
    sign = np.sign(np.nan_to_num(v_volts)).astype(np.int64)
    return -sign if options.set_is_negative else sign


def named_polarity(path: Path, options: Options) -> tuple[int, str]:
    """+1 SET, -1 RESET, and what says so: the user, else a word in the name of the file; or 0."""
    if options.polarity:
        return SIGNS[options.polarity], AS_TOLD
    words = set(WORD.findall(path.name.lower())) & SIGNS.keys()
    return (SIGNS[words.pop()], "by the name of the file") if len(words) == 1 else (0, "")


def polarity_remark(sign: int, why: str, trend: float) -> str:
    """What decided between SET and RESET, and whether the readings disagree.

    Args:
        sign: +1 or -1.
        why: What decided.
        trend: Positive where the conductances rise; 0 if unknown.
    """
    against = f", although they {'rise' if trend > 0 else 'fall'}" if sign * trend < 0 else ""
    return f"{NAMES[sign]} pulses {why}{against}"


def stated_shape(settings: Mapping[str, str], path: Path) -> dict[str, float]:
    """`v_volts` and `width_seconds` as a file states them for all its pulses; nan if it does not.

    Raises:
        DataError: One is no number, or outside `VOLTS` or `WIDTH`.
    """
    shape = {}
    for name, unit in (("v_volts", VOLTS), ("width_seconds", WIDTH)):
        text = settings.get(name, "nan")
        try:
            value = float(text)
        except ValueError:
            value = math.inf
        if not math.isnan(value) and value not in unit.allowed:
            raise DataError(
                f"{path}: {name} = {shown(text)} above the table must be a number within "
                f"{unit.allowed}{unit.hint(value)}; nothing was read"
            )
        shape[name] = value
    return shape


def ramp_pulses(
    g: Floats,
    ramp: int,
    polarity: int,
    source: str,
    *,
    v_volts: float = math.nan,
    width_seconds: float = math.nan,
) -> Pulses:
    """The pulses between consecutive readings of one ramp of device 0.

    Args:
        g: Readings, siemens, shape (readings,), nan where there is none; the first one precedes the
            first pulse.
        ramp: Number of the ramp.
        polarity: +1 SET, -1 RESET.
        source: The file.
        v_volts: Amplitude of all of them; nan if unknown.
        width_seconds: Their duration; nan if unknown.
    """
    index = np.flatnonzero(np.isfinite(g[:-1]) & np.isfinite(g[1:]))
    constant = np.ones_like(index)
    return Pulses(
        device=0 * constant,
        ramp=ramp * constant,
        index=index,
        polarity=polarity * constant,
        g_before_siemens=g[index],
        g_after_siemens=g[index + 1],
        v_volts=np.full(len(index), v_volts),
        width_seconds=np.full(len(index), width_seconds),
        source=source,
    )


def from_history(
    table: FileTable,
    name: str,
    device_names: tuple[str, ...],
    events: DeviceEvents,
    readings: Readings,
    kelvin: float = math.nan,
    remarks: tuple[str, ...] = (),
    sweeps: tuple[Sweeps, int] | None = None,
) -> Measurements:
    """The experiments in a history of pulses and readings.

    Args:
        table: The file.
        name: Of the format.
        device_names: By device number.
        events: One per row of the table.
        readings: The same.
        kelvin: Temperature of the devices; nan if unknown.
        remarks: What was assumed.
        sweeps: Switching events beside it, and how many of the rows are theirs.

    Raises:
        DataError: Every row was dropped.
    """
    parts = experiments(events, readings, str(table.path), kelvin)
    used, dropped = parts.used, Counter(parts.dropped)
    loops, cycles = Sweeps.join(()), Cycles.join(())
    if sweeps:
        loops, cycles = sweeps[0], cycles_of(sweeps[0])
        used += sweeps[1]
        dropped["other operation"] -= sweeps[1]
    return Measurements(
        sweeps=(loops,) if len(loops) else (),
        cycles=(cycles,) if len(cycles) else (),
        pulses=parts.pulses,
        reads=parts.reads,
        retention=parts.retention,
        written=parts.written,
        devices=device_names,
        notes=(notes(table, name, readings, used=used, dropped=dict(+dropped), remarks=remarks),),
    )


def notes(
    table: FileTable,
    name: str,
    readings: Readings,
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
        units=readings.units,
        used=used,
        dropped=dropped,
        ignored=table.ignored,
        v_read_volts=readings.v_read_volts,
        remarks=remarks,
    )
    if not used:
        why = ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "no values"
        raise DataError(f"{table.path}: no row can be used ({why}); nothing was read")
    return result
