"""Two columns: conductance during a train of SET pulses, and during one of RESET pulses.

The columns are called `up_siemens,down_siemens`, or `up,down`, or nothing at all. Without the unit
in the name the values are normalised, and only the user knows the window: the smallest value of the
file is `Options.g_min_siemens`, the largest `Options.g_max_siemens`, linear in between. The layout
is that of the aihwkit example of Gong et al., Nat. Commun. 9, 2102, 2018.
"""

from pathlib import Path

import numpy as np

from ...errors import CalibrationError
from ..checks import SIEMENS, inside
from ..columns import Column
from ..lines import Head, head
from ..measurements import FileNotes, Floats, Measurements, Pulses
from ..options import Options
from ..table import FileTable, read_table
from .reader import Reader, bare_numbers, header_names, ramp_pulses

NAMED = ("up_siemens", "down_siemens")
PLAIN = ("up", "down")
COLUMNS = (
    Column("up_siemens", "conductance during the SET train", "S"),
    Column("down_siemens", "conductance during the RESET train", "S"),
    Column("up", "normalised, instead; two columns without a header are up,down"),
    Column("down", "normalised, instead; --window says the siemens of both ends"),
)
EXAMPLE = """up,down
0.0,1.0
0.6,0.4
"""
TAKES = "an up/down file has up_siemens,down_siemens, or up,down, or two columns without names"


def sniff(start: Head) -> bool:
    """Whether the header says so, or there is none and the first row is two numbers."""
    names = header_names(start)
    return names in (set(NAMED), set(PLAIN)) or len(bare_numbers(start)) == 2


def read(path: Path, options: Options) -> Measurements:
    """Read one up/down file; see `Reader`. Both trains are of one device, "1"."""
    start = head(path, options.columns)
    names = NAMED if NAMED[0] in header_names(start) else PLAIN
    table = read_table(path, COLUMNS, names=options.columns or names)
    for name in names:
        table.demand(name, TAKES)
    up_down, units, remarks = _conductances(table, names, options)
    used = sum(int(np.isfinite(g).sum()) for g in up_down)
    blank = 2 * len(table) - used
    trains = [ramp_pulses(g, i, 1 - 2 * i, str(path)) for i, g in enumerate(up_down)]
    return Measurements(
        pulses=(Pulses.join(trains),),
        devices=("1",),
        notes=(
            FileNotes(
                path=str(path),
                format="up-down",
                units=units,
                used=used,
                dropped={"without a reading": blank} if blank else {},
                ignored=table.ignored,
                remarks=remarks,
            ),
        ),
    )


def _conductances(
    table: FileTable, names: tuple[str, str], options: Options
) -> tuple[list[Floats], str, tuple[str, ...]]:
    """Both trains in siemens, what became of the unit, and what was assumed."""
    values = [table.numbers[name] for name in names]
    if names == NAMED:
        return [_positive(table, name) for name in NAMED], "siemens", ()
    low, high = (float(f([f(v, initial=s) for v in map(_finite, values)])) for f, s in ENDS)
    window = options.window_siemens or _stated_window(table)
    if window is None or not low < high:
        raise CalibrationError(
            f"{table.path}: row {table.rows[0]}, column 1: normalised conductances "
            f"({low:g} to {high:g}), and nothing states the window; give --window G_MIN:G_MAX in "
            "siemens, or name the columns: --columns up_siemens,down_siemens (t_seconds,g_siemens "
            "of reads); nothing was read"
        )
    g = [window[0] + (v - low) / (high - low) * (window[1] - window[0]) for v in values]
    ends = f"{low:g} = {window[0]:g} S, {high:g} = {window[1]:g} S"
    return g, "normalised -> siemens", (f"window: {ends}",)


ENDS = ((np.min, np.inf), (np.max, -np.inf))


def _finite(values: Floats) -> Floats:
    """The values that are there."""
    return values[np.isfinite(values)]


def _positive(table: FileTable, column: str) -> Floats:
    """Values of a column in siemens; nothing below zero."""
    g = inside(table, column, SIEMENS)
    return np.where(g > 0.0, g, np.nan)


def _stated_window(table: FileTable) -> tuple[float, float] | None:
    """The window that stands above the header."""
    low, high = table.setting("g_min_siemens"), table.setting("g_max_siemens")
    return None if low is None or high is None or not 0.0 < low < high <= 0.1 else (low, high)


READER = Reader(
    "two columns: conductance in a SET train and in a RESET train", sniff, read, COLUMNS, EXAMPLE,
    needs="--window 1e-6:1e-4",
)  # fmt: skip
