"""Devices after a write with verification: `device,target_siemens,g_siemens[,stuck]`.

The target may be `target_ohms`, the reading `r_ohms`, or `i_amperes` with `v_read_volts`. `stuck`
is 1 (stuck at high conductance), -1 (at low) or 0. A blank target is unknown.
"""

from pathlib import Path

import numpy as np

from ..checks import OHMS, SIEMENS, optional
from ..conductance import COLUMNS, conductances
from ..lines import Head
from ..measurements import Floats, Ints, Measurements, Written
from ..options import Options
from ..table import FileTable, read_table
from .reader import Reader, devices, header_names, notes

TARGETS = ("target_siemens", "target_ohms")
TAKES = "a table of writes has target_siemens or target_ohms, and g_siemens or r_ohms"


def sniff(head: Head) -> bool:
    """Whether there are targets, and neither times nor operations."""
    names = header_names(head)
    return bool(names & set(TARGETS)) and not names & {"t_seconds", "op"}


def read(path: Path, options: Options) -> Measurements:
    """Read one table of writes; see `Reader`."""
    texts = ("device", "word_line", "bit_line")
    table = read_table(path, numbers=(*TARGETS, "stuck", *COLUMNS), texts=texts)
    readings = conductances(table, options, TAKES)
    device, names = devices(table)
    use = readings.present
    written = Written(
        device=device[use],
        target_siemens=_targets(table)[use],
        g_siemens=readings.g_siemens[use],
        stuck=_stuck(table)[use],
        source=str(path),
    )
    dropped = readings.dropped(np.ones(len(table), bool))
    return Measurements(
        written=(written,),
        devices=names,
        notes=(notes(table, "written", readings, used=len(written), dropped=dropped),),
    )


def _targets(table: FileTable) -> Floats:
    """What was to be written, siemens."""
    if "target_siemens" not in table.header:
        table.demand("target_ohms", TAKES)
        return 1.0 / optional(table, "target_ohms", OHMS)
    return optional(table, "target_siemens", SIEMENS)


def _stuck(table: FileTable) -> Ints:
    """The stuck map; blank is 0."""
    values = np.nan_to_num(table.numbers.get("stuck", np.zeros(len(table))))
    wrong = np.flatnonzero(~np.isin(values, (-1.0, 0.0, 1.0)))
    if len(wrong):
        text = f"{values[wrong[0]]:g} is none of -1 (low), 0, 1 (high); nothing was read"
        table.refuse(int(wrong[0]), "stuck", text)
    return values.astype(np.int64)


READER = Reader("after write-verify: device,target_siemens,g_siemens[,stuck]", sniff, read)
