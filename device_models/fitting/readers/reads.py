"""Repeated reads of devices at rest: `t_seconds,g_siemens[,device][,series]`.

The reading may also be `r_ohms`, or `i_amperes` with `v_read_volts`. A series is what `series`
says, else all rows of a device; time that runs backwards begins another.
"""

from pathlib import Path

import numpy as np

from ..conductance import COLUMNS, conductances
from ..events import reads_table
from ..lines import Head
from ..measurements import Measurements
from ..options import Options
from ..table import read_table
from .reader import Reader, devices, has_conductance, header_names, notes
from .retention import sniff as is_retention

TAKES = "a table of reads has t_seconds, and g_siemens, r_ohms, or i_amperes with v_read_volts"


def sniff(head: Head) -> bool:
    """Whether there are times and conductances, no operations, and it is no retention table."""
    names = header_names(head)
    is_other = "op" in names or is_retention(head)
    return "t_seconds" in names and has_conductance(names) and not is_other


def read(path: Path, options: Options) -> Measurements:
    """Read one table of reads; see `Reader`."""
    table = read_table(
        path,
        numbers=("t_seconds", *COLUMNS),
        texts=("device", "word_line", "bit_line", "series"),
    )
    time = table.need("t_seconds", TAKES)
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
    return Measurements(
        reads=(reads,),
        devices=names,
        notes=(notes(table, "reads", readings, used=len(reads), dropped=dropped),),
    )


READER = Reader("repeated reads: t_seconds,g_siemens[,device]", sniff, read)
