"""What is implausible in measurements that were read: said by name before anything is fitted."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import DataError
from .checks import USUAL_SIEMENS, smaller_unit
from .measurements import KINDS, Floats, Measurements, Pulses, columns
from .window_closure import without_closed

FEWEST = 8  # rows that two tables have in common by no chance
REPEATS = 3  # rows of a table that are there twice by no chance, key and all
MANY = 0.5  # of the rows of a table
STEPS = 12  # of one polarity whose direction is believed
WRONG = 0.6  # of the steps that lead the wrong way
RUNNING = (
    "device",
    "ramp",
    "index",
    "series",
    "half_loop",
)
KEYS = {"cycles": ("cycle",), "retention": ("time_seconds",), "reads": ("time_seconds",)}
WAYS = {1: ("SET", "lower"), -1: ("RESET", "raise")}


def checked(measurements: Measurements) -> Measurements:
    """The measurements of one file without cycles of dead devices, and with warnings.

    Args:
        measurements: Of one file.
    """
    result = without_closed(_without_repeats(measurements))
    told = [*result.warnings, *_too_large(result), *_wrong_way(result)]
    return replace(result, warnings=tuple(told))


def _without_repeats(measurements: Measurements) -> Measurements:
    """Measurements in which a row that is there twice, key and all, counts once."""
    count, tables = 0, dict[str, tuple[Any, ...]]()
    for kind, keys in KEYS.items():
        for table in getattr(measurements, kind):
            names = [name for name in columns(type(table)) if name not in ("series", "dt_seconds")]
            values = np.stack([getattr(table, n) for n in names], 1).astype(np.float64)
            known = np.isfinite(values[:, [names.index(key) for key in keys]]).all(1)
            _, first = np.unique(np.nan_to_num(values, nan=-1.0), axis=0, return_index=True)
            again = np.array(known)
            again[first] = False
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
    """Warnings of files that share rows.

    Args:
        parts: The measurements of each file.

    Raises:
        DataError: A file holds no other rows than an earlier one.
    """
    seen: list[tuple[str, str, frozenset[Any]]] = []
    texts = []
    for part in parts:
        for kind, table in _tables(part):
            rows = _rows(table)
            for source, other_kind, known in seen:
                common = len(rows & known) if kind == other_kind else 0
                if common < max(FEWEST, MANY * min(len(rows), len(known))):
                    continue
                text = f"{table.source}: {common} of {len(rows)} rows of {kind} are those of"
                if common == len(rows) == len(known):
                    raise DataError(f"{text} {source}; leave one out; nothing was read")
                texts.append(f"{text} {source}: they count twice")
            seen.append((table.source, kind, rows))
    return texts


def _rows(table: Any) -> frozenset[Any]:
    """The rows of a table, each once, without the numbers that a reader gives."""
    names = [name for name in columns(type(table)) if name not in RUNNING]
    values = np.stack([getattr(table, name) for name in names], axis=1).astype(np.float64)
    text = np.ascontiguousarray(np.nan_to_num(values, nan=-1.0))
    return frozenset(map(bytes, text))
