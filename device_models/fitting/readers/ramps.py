"""Currents at a read voltage, one column per ramp of equal pulses, one row per pulse.

Columns are called `rmp1`, `ramp 2`, `cycle_3`, ...; short ones end in blanks. A file of one column
may hold all ramps one after the other (`Options.ramp_pulses`). The trend of a ramp distinguishes
SET from RESET, so both kinds may be in one file or in two. `# v_volts = 1.2` and
`# width_seconds = 1e-7` above the header state the pulses. The layout is that of CrossSim's
examples.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...record import shown
from ..conductance import Bools, Readings, at_voltage, stated_read_volts
from ..lines import Head
from ..measurements import Floats, Measurements, Pulses
from ..options import Options
from ..table import FileTable, read_table
from .reader import Reader, header_names, notes, ramp_pulses, stated_shape

NAME = re.compile(r"(rmp|ramp|cycle|run|set|reset)[ _-]?\d+", re.IGNORECASE)
FLAT = "in a ramp that neither rises nor falls"


def sniff(head: Head) -> bool:
    """Whether every column is called like a ramp."""
    names = header_names(head)
    return bool(names) and all(NAME.fullmatch(name) for name in names)


def read(path: Path, options: Options) -> Measurements:
    """Read one file of ramps; see `Reader`. All ramps are of one device, "1"."""
    table = read_table(path, numbers=("*",))
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
    parts, used, dropped = list[Pulses](), 0, Counter[str]()
    for number, (readings, rows) in enumerate(_ramps(table, v_read, options)):
        g = readings.g_siemens[rows]
        there = int(np.isfinite(g).sum())
        dropped.update(readings.dropped(rows))
        if polarity := _polarity(g, options):
            parts.append(ramp_pulses(g, number, polarity, str(path), **shape))
            used += there
        else:
            dropped[FLAT] += there
    return Measurements(
        pulses=(Pulses.join(parts),) if parts else (),
        devices=("1",),
        notes=(notes(table, "ramps", readings, used=used, dropped=dict(dropped)),),
    )


def _ramps(table: FileTable, v_read: float, options: Options) -> Iterator[tuple[Readings, Bools]]:
    """The readings of a column, and which of its rows are a ramp (up to its last value)."""
    for name in table.header:
        readings = at_voltage(table, name, v_read, options)
        filled = np.flatnonzero(np.isfinite(table.numbers[name]))
        end = int(filled[-1]) + 1 if len(filled) else 0
        length = options.ramp_pulses or max(end, 1)
        row = np.arange(len(table))
        for start in range(0, end, length):
            yield readings, (row >= start) & (row < min(start + length, end))


def _polarity(g: Floats, options: Options) -> int:
    """+1 for a ramp that ends higher than it begins, by the means of its quarters; else -1 or 0."""
    if options.polarity:
        return 1 if options.polarity == "set" else -1
    g = g[np.isfinite(g)]
    quarter = max(1, len(g) // 4)
    return int(np.sign(g[-quarter:].mean() - g[:quarter].mean())) if len(g) > 1 else 0


READER = Reader("one column of currents per ramp of pulses (rmp1,rmp2,...)", sniff, read)
