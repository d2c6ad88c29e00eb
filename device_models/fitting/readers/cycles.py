"""Full switching cycles: `device,cycle,lrs_ohms,hrs_ohms` (or `lrs_siemens,hrs_siemens`)."""

from pathlib import Path

import numpy as np

from ...errors import DataError
from ..conductance import Readings, conductances
from ..lines import Head
from ..measurements import Cycles, Measurements
from ..options import Options
from ..table import FileTable, read_table
from .reader import Reader, devices, header_names, notes, whole

COLUMNS = ("lrs_ohms", "hrs_ohms", "lrs_siemens", "hrs_siemens")
TAKES = "a table of cycles has cycle, lrs_ohms and hrs_ohms (or lrs_siemens and hrs_siemens)"


def sniff(head: Head) -> bool:
    """Whether the header has a low- or a high-resistance state."""
    return bool(header_names(head) & set(COLUMNS))


def read(path: Path, options: Options) -> Measurements:
    """Read one table of cycles; see `Reader`. A row that lacks one of its states is dropped."""
    texts = ("device", "word_line", "bit_line")
    table = read_table(path, numbers=("cycle", *COLUMNS), texts=texts)
    cycle = whole(table, "cycle", TAKES)
    lrs, hrs = (conductances(table, options, TAKES, stem) for stem in ("lrs", "hrs"))
    _refuse_swapped(table, lrs, hrs)
    device, names = devices(table)
    use = lrs.present & hrs.present
    readings = Readings(
        g_siemens=np.where(use, lrs.g_siemens, np.nan),
        why=np.where(lrs.present, hrs.why, lrs.why).astype(np.int8),
        units=f"{lrs.units}, {hrs.units}",
        v_read_volts=lrs.v_read_volts,
    )
    cycles = Cycles(
        device=device[use],
        cycle=cycle[use],
        lrs_siemens=lrs.g_siemens[use],
        hrs_siemens=hrs.g_siemens[use],
        source=str(path),
    )
    dropped = readings.dropped(np.ones(len(table), bool))
    return Measurements(
        cycles=(cycles,),
        devices=names,
        notes=(notes(table, "cycles", readings, used=len(cycles), dropped=dropped),),
    )


def _refuse_swapped(table: FileTable, lrs: Readings, hrs: Readings) -> None:
    """Raise DataError if the low-resistance state has the higher resistance in most rows."""
    swapped = lrs.g_siemens < hrs.g_siemens
    if 2 * int(swapped.sum()) > len(table):
        first = int(np.flatnonzero(swapped)[0])
        raise DataError(
            f"{table.path}: row {table.rows[first]}: the low-resistance state has the higher "
            f"resistance, as in {int(swapped.sum())} of {len(table)} rows; are the columns of LRS "
            "and HRS swapped? Nothing was read"
        )


READER = Reader("switching cycles: device,cycle,lrs_ohms,hrs_ohms", sniff, read)
