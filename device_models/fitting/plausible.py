"""What is implausible in measurements that were read: said by name before anything is fitted."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .checks import USUAL_SIEMENS, smaller_unit
from .measurements import KINDS, Floats, Measurements, Pulses, columns
from .window_closure import without_closed

FEWEST = 8  # rows that two tables have in common by no chance
REPEATS = 3  # rows of a table that are there twice by no chance, key and all
MANY = 0.5  # of the rows of a table
REPEATED = 0.4  # of the rows of a table that repeat earlier ones of it
RUN, DIFFERENT = 8, 4  # consecutive rows, of which some differ, that agree by no chance
STEPS = 12  # of one polarity whose direction is believed
LEAST_PULSE_VOLTS = 1e-3  # below it no amplitude of a pulse is believed
WRONG = 0.6  # of the steps that lead the wrong way
RUNNING = (
    "device",
    "ramp",
    "index",
    "series",
    "half_loop",
)
KEYS = {"cycles": "cycle", "retention": "time_seconds", "reads": "time_seconds"}
FACTOR = np.uint64(0x9E3779B97F4A7C15)
ALIKE = np.uint64(0)  # of a run whose rows hardly differ

Bools = NDArray[np.bool_]
Hashes = NDArray[np.uint64]
WAYS = {1: ("SET", "lower"), -1: ("RESET", "raise")}


def checked(measurements: Measurements) -> Measurements:
    """The measurements of one file without cycles of dead devices, and with warnings.

    Args:
        measurements: Of one file.
    """
    result = without_closed(_without_repeats(measurements))
    doubts = [*_too_large(result), *_wrong_way(result), *_swapped(result)]
    return replace(result, warnings=(*result.warnings, *doubts))


def _without_repeats(measurements: Measurements) -> Measurements:
    """Measurements in which a row that is there twice, key and all, counts once."""
    count, tables = 0, dict[str, tuple[Any, ...]]()
    for kind, key in KEYS.items():
        for table in getattr(measurements, kind):
            again = _again(_hashes(table, ("series", "dt_seconds")))
            again &= np.isfinite(getattr(table, key))
            repeats = int(again.sum()) if again.sum() >= REPEATS else 0
            count += repeats
            tables[kind] = (*tables.get(kind, ()), table.take(~again) if repeats else table)
    if not count:
        return measurements
    (note,) = measurements.notes
    dropped = {**note.dropped, "the same row again": count}
    note = replace(note, used=note.used - count, dropped=dropped)
    text = f"{note.path}: {count} rows are there twice and count once"
    warnings = (*measurements.warnings, text)
    return replace(measurements, notes=(note,), warnings=warnings, **tables)


def _tables(measurements: Measurements) -> Iterator[tuple[str, Any]]:
    """Every table of rows and its kind."""
    for kind in KINDS:
        if kind != "steps":
            yield from ((kind, table) for table in getattr(measurements, kind))


def _siemens(table: Any) -> Floats:
    """All conductances of a table."""
    names = [name for name in columns(type(table)) if name.endswith("g_siemens")]
    names += [n for n in ("g_after_siemens", "lrs_siemens") if n in columns(type(table))]
    values = np.concatenate([getattr(table, name) for name in names] or [np.empty(0)])
    return np.asarray(values[np.isfinite(values)])


def _too_large(measurements: Measurements) -> list[str]:
    """A warning of conductances above those of devices that switch, and of the likely unit."""
    parts = [g for _, table in _tables(measurements) if len(g := _siemens(table))]
    if not parts or not measurements.notes:
        return []
    middle, note = float(np.median(np.concatenate(parts))), measurements.notes[0]
    if middle <= USUAL_SIEMENS[1]:
        return []
    column, _, rest = note.units.partition(" ")
    base = "ampere" if "amperes" in note.units else "siemens"
    hint = smaller_unit(base, column if rest or base == "siemens" else "", middle)
    if "ohm" in column:
        hint = f"{column} in kiloohm? multiply by 1e3"
    return [
        f"{note.path}: the median reading is {middle:.3g} S ({1.0 / middle:.3g} ohm), above the "
        f"{USUAL_SIEMENS[1]:g} S of devices that switch ({hint})"
    ]


def _swapped(measurements: Measurements) -> list[str]:
    """A warning of pulses whose amplitudes can only be widths."""
    pulses = Pulses.join(measurements.pulses)
    volts, seconds = np.abs(pulses.v_volts), pulses.width_seconds
    known = np.isfinite(volts) & np.isfinite(seconds)
    if not known.any() or np.median(volts[known]) >= LEAST_PULSE_VOLTS:
        return []
    return [
        f"{pulses.source}: the median pulse has {np.median(volts[known]):.3g} V for "
        f"{np.median(seconds[known]):.3g} s; are amplitudes and widths in each other's columns?"
    ]


def _wrong_way(measurements: Measurements) -> list[str]:
    """Warnings of SET pulses that lower conductances, and of RESET pulses that raise them."""
    pulses = Pulses.join(measurements.pulses)
    texts = []
    for sign, (name, way) in WAYS.items():
        rows = pulses.take(pulses.polarity == sign)
        steps = sign * (rows.g_after_siemens - rows.g_before_siemens)
        moved = steps[steps != 0.0]
        wrong = int((moved < 0.0).sum())
        if len(moved) >= STEPS and wrong > WRONG * len(moved) and moved.sum() < 0.0:
            texts.append(
                f"{pulses.source}: {wrong} of {len(moved)} {name} pulses {way} the conductance; is "
                "a negative voltage a SET (--set-is-negative), or are rows listed backwards?"
            )
    return texts


def refuse_twice(parts: Sequence[Measurements]) -> list[str]:
    """Warnings of files that share rows, and of files that repeat their own.

    Rows count as shared in runs of `RUN`: readings of few digits agree by chance, runs do not.

    Args:
        parts: The measurements of each file.

    Raises:
        DataError: A file holds the very rows of an earlier one.
    """
    earlier: list[tuple[str, str, int, Hashes]] = []
    texts = []
    for part in parts:
        for kind, table in _tables(part):
            runs = _runs(table)
            if (repeats := _covered(_again(runs) & (runs != ALIKE))) >= max(
                FEWEST, REPEATED * len(table)
            ):
                text = f"{repeats} of {len(table)} rows of {kind} repeat earlier ones of the file"
                texts.append(f"{table.source}: {text}: they count twice")
            for source, other_kind, size, others in earlier:
                if kind != other_kind:
                    continue
                common = _covered(np.isin(runs, others) & (runs != ALIKE))
                if common < max(FEWEST, MANY * min(len(table), size)):
                    continue
                text = f"{table.source}: {common} of {len(table)} rows of {kind} are those of"
                if common == len(table) == size:
                    raise DataError(f"{text} {source}; leave one out; nothing was read")
                texts.append(f"{text} {source}: they count twice")
            earlier.append((table.source, kind, len(table), runs))
    return texts


def _hashes(table: Any, without: Sequence[str]) -> Hashes:
    """A number for each row, equal for equal rows, from all columns but some."""
    names = [name for name in columns(type(table)) if name not in without]
    result = np.zeros(len(table), np.uint64)
    for name in names:
        values = np.nan_to_num(getattr(table, name).astype(np.float64), nan=-1.0) + 0.0
        result = (result ^ values.view(np.uint64)) * FACTOR
        result ^= result >> np.uint64(29)
    return result


def _runs(table: Any) -> Hashes:
    """A number for every `RUN` consecutive rows; `ALIKE` where too few of them differ."""
    rows = _hashes(table, RUNNING)
    count = len(rows) - RUN + 1
    if count < 1:
        return np.empty(0, np.uint64)
    result = np.zeros(count, np.uint64)
    for i in range(RUN):
        result = (result ^ rows[i : i + count]) * FACTOR
    changes = np.r_[0, np.cumsum(rows[1:] != rows[:-1])]
    return np.where(changes[RUN - 1 :] - changes[:count] < DIFFERENT - 1, ALIKE, result)


def _again(numbers: Hashes) -> Bools:
    """Which numbers were there before."""
    again = np.ones(len(numbers), bool)
    again[np.unique(numbers, return_index=True)[1]] = False
    return again


def _covered(marks: Bools) -> int:
    """How many rows are in the marked runs."""
    rows = np.zeros(len(marks) + RUN, np.int64)
    first = np.flatnonzero(marks)
    np.add.at(rows, first, 1)
    np.add.at(rows, first + RUN, -1)
    return int((np.cumsum(rows) > 0).sum())
