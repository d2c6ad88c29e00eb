"""The generic long table: one row per action on one device, SI units in the column names.

Columns, in any order: `op` (see `OPS`) and the reading as `g_siemens`, `r_ohms`, or `i_amperes`
with `v_read_volts`; where they are known `device` or `word_line` and `bit_line`, `t_seconds`,
`v_volts`, `width_seconds`, `target_siemens`. A row with a pulse and a reading is a pulse that was
read afterwards; the reading of a pulse may also follow in a row `read`.
"""

from pathlib import Path

import numpy as np

from ...record import did_you_mean, shown
from ..checks import SIEMENS, VOLTS, WIDTH, optional
from ..conductance import COLUMNS, conductances
from ..events import OTHER, PULSE, READ, RELAX, WRITE, DeviceEvents
from ..lines import Head
from ..measurements import Floats, Ints, Measurements
from ..options import Options
from ..table import FileTable, read_table
from .reader import Reader, devices, from_history, header_names, named, polarity_of

TAKES = "a generic table has op, and g_siemens, r_ohms, or i_amperes with v_read_volts"
NUMBERS = ("t_seconds", "v_volts", "width_seconds", "target_siemens", *COLUMNS)
TEXTS = ("op", "device", "word_line", "bit_line")

OPS = {
    "read": (READ, 0),
    "set": (PULSE, 1),
    "reset": (PULSE, -1),
    "pulse": (PULSE, 0),  # polarity by the sign of its voltage
    "write": (WRITE, 0),  # with verification, to target_siemens
    "relax": (RELAX, 0),  # a reading after a wait
    "train": (OTHER, 0),  # pulses that were not read in between
    "form": (OTHER, 0),
}


def sniff(head: Head) -> bool:
    """Whether the header has a column `op`."""
    return "op" in header_names(head)


def read(path: Path, options: Options) -> Measurements:
    """Read one generic table; see `Reader`."""
    table = read_table(path, numbers=NUMBERS, texts=TEXTS)
    table.demand("op", TAKES)
    readings = conductances(table, options, TAKES)
    device, names = devices(table)
    kind, polarity = _ops(table, options)
    events = DeviceEvents(
        device=device,
        kind=kind,
        polarity=polarity,
        g_siemens=readings.g_siemens,
        v_volts=optional(table, "v_volts", VOLTS),
        width_seconds=optional(table, "width_seconds", WIDTH),
        time_seconds=_time(table),
        target_siemens=optional(table, "target_siemens", SIEMENS),
    )
    return from_history(table, "generic", names, events, readings, options.kelvin)


def _ops(table: FileTable, options: Options) -> tuple[Ints, Ints]:
    """Kind and polarity of every row."""
    codes, names = named(table, "op")
    for code, name in enumerate(names):
        if name.lower() not in OPS:
            row = int(np.flatnonzero(codes == code)[0])
            hint = did_you_mean(name.lower(), OPS) or f"; allowed are {', '.join(OPS)}"
            table.refuse(row, "op", f"unknown {shown(name)}{hint}; nothing was read")
    meaning = np.array([OPS[name.lower()] for name in names], np.int64)[codes]
    kind, polarity = meaning[:, 0], meaning[:, 1]
    if "v_volts" not in table.numbers:
        return kind, polarity
    by_voltage = polarity_of(table.numbers["v_volts"], options)
    return kind, np.where((kind == PULSE) & (polarity == 0), by_voltage, polarity)


def _time(table: FileTable) -> Floats:
    """The clock, which may begin anywhere."""
    time = table.numbers.get("t_seconds", np.full(len(table), np.nan))
    return np.where(np.isfinite(time), time, np.nan)


READER = Reader("one row per pulse or reading, with a column op", sniff, read)
