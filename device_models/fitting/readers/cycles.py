"""Full switching cycles: `device,cycle,lrs_ohms,hrs_ohms`; one of the two states may lack."""

from pathlib import Path

import numpy as np

from ...errors import DataError
from ..columns import DEVICE, Column, names
from ..conductance import Readings, conductances
from ..lines import Head
from ..measurements import Cycles, Measurements
from ..options import Options
from ..table import FileTable, read_table
from .reader import Reader, devices, header_names, notes, whole

STATES = (
    Column("lrs_ohms", "resistance after the SET; lrs or hrs may lack", "ohm"),
    Column("hrs_ohms", "resistance after the RESET", "ohm"),
    Column("lrs_siemens", "conductance instead", "S"),
    Column("hrs_siemens", "conductance instead", "S"),
)
COLUMNS = (*DEVICE, Column("cycle", "its number", optional=False), *STATES)
TAKES = "a table of cycles has cycle, lrs_ohms and hrs_ohms (or lrs_siemens and hrs_siemens)"
EXAMPLE = """device,cycle,lrs_ohms,hrs_ohms
a,1,12000,150000
a,2,11000,240000
"""


def sniff(head: Head) -> bool:
    """Whether the header has a low- or a high-resistance state."""
    return bool(header_names(head) & set(names(STATES)))


def read(path: Path, options: Options) -> Measurements:
    """Read one table of cycles; see `Reader`. A row that lacks one of its states is dropped."""
    table = read_table(path, COLUMNS, names=options.columns)
    cycle = whole(table, "cycle", TAKES)
    lrs, hrs = (_state(table, options, stem) for stem in ("lrs", "hrs"))
    _refuse_swapped(table, lrs, hrs)
    device, device_names = devices(table)
    use = (lrs.present | (lrs.units == "")) & (hrs.present | (hrs.units == ""))
    readings = Readings(
        g_siemens=np.where(use, np.where(lrs.present, lrs.g_siemens, hrs.g_siemens), np.nan),
        why=np.where(lrs.present | (lrs.units == ""), hrs.why, lrs.why).astype(np.int8),
        units=", ".join(filter(None, (lrs.units, hrs.units))),
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
        devices=device_names,
        notes=(notes(table, "cycles", readings, used=len(cycles), dropped=dropped),),
    )


def _state(table: FileTable, options: Options, stem: str) -> Readings:
    """The levels of one state; of one that the file lacks, no readings and no unit."""
    other = {"lrs": "hrs", "hrs": "lrs"}[stem]
    if any(f"{stem}_{unit}" in table.header for unit in ("siemens", "ohms")) or not any(
        f"{other}_{unit}" in table.header for unit in ("siemens", "ohms")
    ):
        return conductances(table, options, TAKES, stem)
    return Readings(np.full(len(table), np.nan), np.zeros(len(table), np.int8), "")


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


READER = Reader(
    "full switching cycles, open loop", sniff, read, COLUMNS, EXAMPLE,
    options=("v_read_volts", "drop_negative"),
    wants="cycle, and lrs_ohms and hrs_ohms or lrs_siemens and hrs_siemens",
)  # fmt: skip
