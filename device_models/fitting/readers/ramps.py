"""Currents at a read voltage, one column per ramp of equal pulses, one row per pulse.

Columns are called `rmp1`, `ramp 2`, `cycle_3`, ...; short ones end in blanks. A file of one column
may hold all ramps one after the other (`Options.ramp_pulses`). The user, the name of a column
(`set1`) or of the file (`my reset.csv`) distinguishes SET from RESET, else the trend of each ramp;
so both kinds may be in one file or in two. `# v_volts = 1.2` and
`# width_seconds = 1e-7` above the header state the pulses. The layout is that of CrossSim's
examples.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...record import shown
from ..columns import Column
from ..conductance import Bools, Readings, at_voltage, stated_read_volts
from ..lines import Head
from ..measurements import Floats, Measurements, Pulses
from ..options import OF_READINGS, Options
from ..table import FileTable, read_table
from .reader import (
    AS_TOLD,
    SIGNS,
    Reader,
    header_names,
    named_polarity,
    notes,
    polarity_remark,
    ramp_pulses,
    stated_shape,
)
from .trends import trend, turned

NAME = re.compile(r"(rmp|ramp|cycle|run|set|reset)[ _-]?\d+", re.IGNORECASE)
COLUMNS = (Column("rmp1", "currents of one ramp; also rmp2, ramp_1, cycle_1, set1, reset1", "A"),)
EXAMPLE = """set1,reset1
1.0e-6,5.0e-6
2.5e-6,3.0e-6
"""
FLAT = "in a ramp that neither rises nor falls"


def sniff(head: Head) -> bool:
    """Whether every column is called like a ramp."""
    names = header_names(head)
    return bool(names) and all(NAME.fullmatch(name) for name in names)


def read(path: Path, options: Options) -> Measurements:
    """Read one file of ramps; see `Reader`. All ramps are of one device, "1"."""
    table = turned(read_table(path, (), every=True, names=options.columns), options)
    v_read = stated_read_volts(table, options, table.header[0])
    readings = at_voltage(table, table.header[0], v_read, options)
    if options.ramp_pulses and len(table.header) > 1:
        table.refuse(
            0,
            table.header[1],
            f"--ramp-pulses is for a file of one column, this one has {len(table.header)} "
            f"(the first is {shown(table.header[0])}); nothing was read",
        )
    shape = stated_shape(table.settings, path)
    named = named_polarity(path, options)
    parts, used, dropped = list[Pulses](), 0, Counter[str]()
    remarks = dict[str, None]()  # in order, each once
    for number, (column, readings, rows) in enumerate(_ramps(table, v_read, options)):
        g = readings.g_siemens[rows]
        there = int(np.isfinite(g).sum())
        dropped.update(readings.dropped(rows))
        polarity, why = _polarity(g, named, column)
        remarks |= dict.fromkeys([why] if why else [])
        if polarity:
            parts.append(ramp_pulses(g, number, polarity, str(path), **shape))
            used += there
        else:
            dropped[FLAT] += there
    return Measurements(
        pulses=(Pulses.join(parts),) if parts else (),
        devices=("1",),
        notes=(
            notes(
                table, "ramps", readings, used=used, dropped=dict(dropped), remarks=tuple(remarks)
            ),
        ),
    )


def _ramps(
    table: FileTable, v_read: float, options: Options
) -> Iterator[tuple[str, Readings, Bools]]:
    """Name and readings of a column, and which of its rows are a ramp (up to its last value)."""
    for name in table.header:
        readings = at_voltage(table, name, v_read, options)
        filled = np.flatnonzero(np.isfinite(table.numbers[name]))
        end = int(filled[-1]) + 1 if len(filled) else 0
        length = options.ramp_pulses or max(end, 1)
        row = np.arange(len(table))
        for start in range(0, end, length):
            yield name, readings, (row >= start) & (row < min(start + length, end))


def _polarity(g: Floats, named: tuple[int, str], column: str) -> tuple[int, str]:
    """+1 SET, -1 RESET, 0 neither, and a remark where that is not the trend's word.

    The user, then the name of the column, then that of the file decide; else a ramp that ends
    higher than it begins, by the means of its quarters, is one of SET.
    """
    rises = int(np.sign(trend(g)))
    match = NAME.fullmatch(column)
    by_column = SIGNS.get(match[1].lower(), 0) if match else 0
    sign, why = named
    if by_column and why != AS_TOLD:
        sign, why = by_column, "by the names of the columns"
    return (sign, polarity_remark(sign, why, rises)) if sign else (rises, "")


READER = Reader(
    "one column of currents per ramp of pulses", sniff, read, COLUMNS, EXAMPLE,
    needs="--read-volts 0.1", options=(*OF_READINGS, "polarity", "ramp_pulses", "backwards"),
    wants="rmp1, rmp2, ... (currents)",
)  # fmt: skip
