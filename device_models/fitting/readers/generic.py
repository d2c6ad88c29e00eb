"""The generic long table: one row per action on one device, see `COLUMNS`.

A row with a pulse and a reading is a pulse that was read afterwards; the reading of a pulse may
also follow in a row `read`. Without `op` a row with a voltage is a pulse, one without a reading.
"""

from pathlib import Path

import numpy as np

from ...record import did_you_mean, shown
from ..checks import SIEMENS, VOLTS, WIDTH, optional
from ..columns import DEVICE, READING, TEXT, Column
from ..conductance import conductances
from ..events import OTHER, PULSE, READ, RELAX, WRITE, DeviceEvents
from ..lines import Head
from ..measurements import Floats, Ints, Measurements
from ..options import OF_READINGS, Options
from ..table import FileTable, read_table
from .reader import (
    READS,
    Reader,
    devices,
    from_history,
    has_conductance,
    header_names,
    named,
    named_polarity,
    polarity_of,
    polarity_remark,
)

TAKES = "a generic table has op, and g_siemens, r_ohms, or i_amperes with v_read_volts"
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
COLUMNS = (
    Column("op", f"{', '.join(OPS)}; without it a row with v_volts is a pulse", TEXT),
    *DEVICE,
    Column("t_seconds", "clock", "s"),
    Column("v_volts", "amplitude of the pulse; its sign is the polarity of op pulse", "V"),
    Column("width_seconds", "duration of the pulse", "s"),
    Column("target_siemens", "what a write was to reach", "S"),
    *READING,
)
EXAMPLE = """device,op,v_volts,width_seconds,r_ohms
a,read,,,50000
a,set,1.5,1e-6,20000
"""


def sniff(head: Head) -> bool:
    """Whether the header has a column `op`, or voltages of pulses and readings."""
    header = header_names(head)
    return "op" in header or ("v_volts" in header and has_conductance(header))


def read(path: Path, options: Options) -> Measurements:
    """Read one generic table; see `Reader`."""
    table = read_table(path, COLUMNS, names=options.columns)
    if "v_volts" not in table.header:
        table.demand("op", TAKES)
    _refuse_read_voltage(table, options)
    readings = conductances(table, options, TAKES)
    device, names = devices(table)
    kind, polarity, remarks = _ops(table, options)
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
    return from_history(table, "generic", names, events, readings, options.kelvin, remarks)


def _refuse_read_voltage(table: FileTable, options: Options) -> None:
    """Raise DataError where the voltage of the "pulses" is that of the currents beside it."""
    if {"op", "width_seconds", "v_read_volts"} & set(table.header):
        return
    if "i_amperes" not in table.header or "v_volts" not in table.numbers:
        return
    v = table.numbers["v_volts"]
    volts = np.abs(v[np.isfinite(v)])
    read = abs(options.v_read_volts or volts.max(initial=0.0))
    if len(volts) and np.ptp(volts) <= 0.01 * volts.max() and abs(volts[0] - read) <= 0.01 * read:
        label = table.labels.get("v_volts", "v_volts")
        table.refuse(
            0, "v_volts",
            f"every current stands beside {volts[0]:g} V: the voltage of a pulse, or of the "
            f"reading? --columns {shown(f'{label}=v_read_volts')} says that it is the read "
            "voltage; nothing was read",
        )  # fmt: skip


def _ops(table: FileTable, options: Options) -> tuple[Ints, Ints, tuple[str, ...]]:
    """Kind and polarity of every row, and what decided where a row does not."""
    kind, polarity = _kinds(table)
    pulsed = (kind == PULSE) & (polarity == 0)
    if "v_volts" in table.numbers:
        by_voltage = polarity_of(table.numbers["v_volts"], options)
        polarity = np.where(pulsed, by_voltage, polarity)
        pulsed &= np.isnan(table.numbers["v_volts"])
    sign, why = named_polarity(table.path, options)
    if not (sign and pulsed.any()):
        return kind, polarity, ()
    remark = polarity_remark(sign, why, 0.0)
    return kind, np.where(pulsed, sign, polarity), (remark,)


def _kinds(table: FileTable) -> tuple[Ints, Ints]:
    """Kind of every row, and its polarity, 0 where `op` does not say it."""
    if "op" not in table.texts:
        v = np.nan_to_num(table.numbers["v_volts"])
        return np.where(v != 0.0, PULSE, READ), np.zeros(len(table), np.int64)
    codes, names = named(table, "op")
    for code, name in enumerate(names):
        if name.lower() not in OPS:
            row = int(np.flatnonzero(codes == code)[0])
            hint = did_you_mean(name.lower(), OPS) or f"; allowed are {', '.join(OPS)}"
            table.refuse(row, "op", f"unknown {shown(name)}{hint}; nothing was read")
    meaning = np.array([OPS[name.lower()] for name in names], np.int64)[codes]
    return meaning[:, 0], meaning[:, 1]


def _time(table: FileTable) -> Floats:
    """The clock, which may begin anywhere."""
    time = table.numbers.get("t_seconds", np.full(len(table), np.nan))
    return np.where(np.isfinite(time), time, np.nan)


READER = Reader(
    "one row per pulse or reading", sniff, read, COLUMNS, EXAMPLE,
    options=(*OF_READINGS, "polarity", "set_is_negative", "temperature_kelvin"),
    wants=f"op or v_volts, and {READS}",
)  # fmt: skip
