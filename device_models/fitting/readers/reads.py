"""Repeated reads of devices at rest, in their order: `[device,][t_seconds,]g_siemens`.

A series is what `series` says, else all rows of a device; time that runs backwards begins another.
Without `t_seconds` only the white part of the noise can be fitted.
"""

from pathlib import Path

import numpy as np

from ..columns import DEVICE, READING, TEXT, Column
from ..conductance import conductances
from ..events import reads_table
from ..lines import Head
from ..measurements import Measurements
from ..options import OF_READINGS, Options
from ..table import read_table
from .reader import READS, Reader, devices, has_conductance, header_names, notes
from .retention import sniff as is_retention

TAKES = "a table of reads has g_siemens, r_ohms, or i_amperes with v_read_volts"
COLUMNS = (
    Column("t_seconds", "clock; without it slow noise cannot be fitted", "s"),
    Column("series", "number or name of a series; else a device has one", TEXT),
    *DEVICE,
    *READING,
)
EXAMPLE = """t_seconds,device,g_siemens
0,a,1.02e-5
0.01,a,9.9e-6
"""
ACTIONS = {"op", "v_volts", "width_seconds", "cycle"}
WRITES = {"target_siemens", "target_ohms", "low_siemens", "low_ohms", "stuck", "success"}
NO_CLOCK = "no column t_seconds: the white part of the noise alone is fitted"


def sniff(head: Head) -> bool:
    """Whether there are conductances, nothing was done to devices, and it is no retention table."""
    names = header_names(head)
    others = ACTIONS if "t_seconds" in names else ACTIONS | WRITES
    return has_conductance(names) and not names & others and not is_retention(head)


def read(path: Path, options: Options) -> Measurements:
    """Read one table of reads; see `Reader`."""
    table = read_table(path, COLUMNS, names=options.columns)
    time = table.numbers.get("t_seconds", np.full(len(table), np.nan))
    readings = conductances(table, options, TAKES)
    device, names = devices(table)
    series = table.texts["series"].codes if "series" in table.texts else device
    order = np.lexsort((np.arange(len(table)), device, series))
    order = order[readings.present[order]]
    time = np.where(np.isfinite(time), time, np.nan)[order]
    starts = np.diff(series[order], prepend=-1) != 0
    starts |= np.diff(device[order], prepend=-1) != 0
    starts |= np.diff(time, prepend=-np.inf) < 0.0
    reads = reads_table(
        np.cumsum(starts) - 1, device[order], time, readings.g_siemens[order], str(path)
    )
    dropped = readings.dropped(np.ones(len(table), bool))
    remarks = () if "t_seconds" in table.numbers else (NO_CLOCK,)
    return Measurements(
        reads=(reads,),
        devices=names,
        notes=(notes(table, "reads", readings, used=len(reads), dropped=dropped, remarks=remarks),),
    )


READER = Reader(
    "repeated reads of devices at rest",
    sniff,
    read,
    COLUMNS,
    EXAMPLE,
    options=OF_READINGS,
    wants=f"{READS}; t_seconds",
)
