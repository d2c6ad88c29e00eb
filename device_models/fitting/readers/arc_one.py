"""CSV files of ArC ONE: a name, a date, a header, then one row per pulse or reading.

The columns are `Wordline,Bitline,Resistance,Amplitude (V),Pulse width (s),Tag,ReadTag,ReadVoltage`.
A row with an amplitude and a width is a pulse that was read afterwards; without, a reading. There
are no time stamps, so nothing can be said about drift. Rows of the curve tracer hold resistances
under bias, not at the read voltage: they are sweeps (`sweeps`), or with `Options.ohmic` each a
pulse of its amplitude and width, so that they tell how steps depend on the voltage.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..checks import VOLTS, WIDTH, optional
from ..columns import TEXT, Column
from ..conductance import conductances
from ..events import OTHER, PULSE, READ, DeviceEvents
from ..lines import Head
from ..measurements import Ints, Measurements
from ..options import Options
from ..sweep_cycles import Curve, in_words, switching_events
from ..table import FileTable, read_table
from .reader import Reader, devices, from_history, polarity_of

HEADER = ("Wordline", "Bitline", "Resistance", "Amplitude (V)", "Pulse width (s)", "Tag")
TAKES = f"an ArC ONE table has {', '.join(HEADER)}"
SKIP = 2  # rows above the header: the name of the run and its date
NAMES = {
    "Wordline": "word_line",
    "Bitline": "bit_line",
    "Resistance": "r_ohms",
    "Amplitude (V)": "v_volts",
    "Pulse width (s)": "width_seconds",
    "ReadVoltage": "v_read_volts",
}
COLUMNS = (
    Column("Wordline", "word line of the device", TEXT, optional=False),
    Column("Bitline", "its bit line", TEXT, optional=False),
    Column("Resistance", "after the pulse, or as read", "ohm", optional=False),
    Column("Amplitude (V)", "of the pulse", "V", optional=False),
    Column("Pulse width (s)", "0 of a reading", "s", optional=False),
    Column("Tag", "CT..: curve tracer, a sweep", TEXT, optional=False),
    Column("ReadVoltage", "read voltage", "V"),
)
EXAMPLE = """my run
Thu Jan  2 10:11:12 2025
Wordline,Bitline,Resistance,Amplitude (V),Pulse width (s),Tag,ReadTag,ReadVoltage
1,2,10000,0.5,0,S R,R2 V=0.5,0.5
1,2,8000,1.5,1e-06,P,R2 V=0.5,0.5
"""
USUAL_READ_VOLTS = 0.2  # where levels of sweeps are taken, if nobody says
CURVE_TRACER = re.compile(r"CT(?!S)")  # CTS is ConvergeToState, a train of single pulses


def sniff(head: Head) -> bool:
    """Whether the third row is the header of ArC ONE."""
    return head.lines[SKIP : SKIP + 1] != () and head.lines[SKIP].startswith(",".join(HEADER[:3]))


def read(path: Path, options: Options) -> Measurements:
    """Read one ArC ONE file; see `Reader`."""
    table = read_table(path, COLUMNS, skip=SKIP)
    for column in HEADER:
        table.demand(column, TAKES)
    table = _renamed(table)
    traced = _traced(table)
    if "v_read_volts" in table.numbers:
        under_bias = np.where(traced, np.nan, table.numbers["v_read_volts"])
        table = replace(table, numbers=table.numbers | {"v_read_volts": under_bias})
    readings = conductances(table, options, TAKES)
    device, names = devices(table)
    v = optional(table, "v_volts", VOLTS)
    width = optional(table, "width_seconds", WIDTH)
    pulsed = (np.nan_to_num(v) != 0.0) & (np.nan_to_num(width) > 0.0)
    unused = traced & ~pulsed if options.ohmic else traced
    kind = np.where(unused, OTHER, np.where(pulsed, PULSE, READ))
    unknown = np.full(len(table), np.nan)
    events = DeviceEvents(
        device=device,
        kind=kind,
        polarity=np.where(kind == PULSE, polarity_of(v, options), 0),
        g_siemens=readings.g_siemens,
        v_volts=v,
        width_seconds=width,
        time_seconds=unknown,
        target_siemens=unknown,
    )
    curves = [] if options.ohmic else _curves(table, traced, device)
    v_read = options.v_read_volts or readings.v_read_volts
    v_read = abs(v_read) if np.isfinite(v_read) else USUAL_READ_VOLTS
    sweeps = switching_events(curves, v_read, str(path))
    return from_history(
        table, "arc-one", names, events, readings, sweeps=sweeps,
        remarks=tuple(in_words(sweeps[0], v_read)),
    )  # fmt: skip


def _curves(table: FileTable, traced: NDArray[np.bool_], device: Ints) -> list[Curve]:
    """The rows of the curve tracer, device by device."""
    volts, ohms = (table.numbers[name] for name in ("v_volts", "r_ohms"))
    use = traced & np.isfinite(volts) & (ohms > 0.0) & np.isfinite(ohms)
    rows = [np.flatnonzero(use & (device == i)) for i in np.unique(device[use])]
    return [Curve(int(device[r[0]]), volts[r], volts[r] / ohms[r]) for r in rows]


def _traced(table: FileTable) -> NDArray[np.bool_]:
    """Which rows are of the curve tracer."""
    codes, tags = table.texts["Tag"]
    return np.array([bool(CURVE_TRACER.match(tag)) for tag in tags])[codes]


def _renamed(table: FileTable) -> FileTable:
    """The table with the column names of `generic`."""

    def generic(name: str) -> str:
        return NAMES.get(name, name)

    return replace(
        table,
        header=tuple(map(generic, table.header)),
        numbers={generic(name): column for name, column in table.numbers.items()},
        texts={generic(name): column for name, column in table.texts.items()},
    )


READER = Reader(
    "CSV of ArC ONE: a name, a date, a header", sniff, read, COLUMNS, EXAMPLE,
    options=("v_read_volts", "drop_negative", "set_is_negative", "ohmic"),
    wants="Wordline, Bitline, Resistance below two lines",
)  # fmt: skip
