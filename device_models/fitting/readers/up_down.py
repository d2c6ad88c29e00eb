"""Two columns: conductance during a train of SET pulses, and during one of RESET pulses.

The columns are called `up_siemens,down_siemens`, or `up,down`, or nothing at all. Without the unit
in the name the values are normalised, and only the user knows the window: the smallest value of the
file is `Options.g_min_siemens`, the largest `Options.g_max_siemens`, linear in between. The layout
is that of the aihwkit example of Gong et al., Nat. Commun. 9, 2102, 2018.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from ...errors import CalibrationError
from ...record import number
from ..columns import Column
from ..conductance import WHY, Readings, of_column
from ..lines import Head, head
from ..measurements import Floats, Measurements, Pulses
from ..options import WINDOW, Options
from ..table import FileTable, read_table
from .reader import Reader, bare_numbers, header_names, notes, ramp_pulses
from .trends import against, turned

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
    table = turned(read_table(path, COLUMNS, names=options.columns or names), options)
    for name in names:
        table.demand(name, TAKES)
    up_down, remarks = _readings(table, names, options)
    _refuse_backwards(table, names, [readings.g_siemens for readings in up_down])
    used = sum(int(readings.present.sum()) for readings in up_down)
    trains = [ramp_pulses(r.g_siemens, i, 1 - 2 * i, str(path)) for i, r in enumerate(up_down)]
    dropped = Counter[str]()
    for readings in up_down:
        dropped.update(readings.dropped(np.ones(len(table), bool)))
    return Measurements(
        pulses=(Pulses.join(trains),),
        devices=("1",),
        notes=(
            notes(table, "up-down", up_down[0], used=used, dropped=dict(dropped), remarks=remarks),
        ),
        warnings=_not_joined(table, names, *(readings.g_siemens for readings in up_down)),
    )


def _refuse_backwards(table: FileTable, names: tuple[str, str], g: list[Floats]) -> None:
    """Raise DataError where a train of SET pulses falls, or one of RESET pulses rises."""
    span = float(np.nanmax(g, initial=-np.inf) - np.nanmin(g, initial=np.inf))
    wrong = [i for i, sign in enumerate((1, -1)) if against(g[i], sign) > SPAN * span > 0.0]
    if not wrong:
        return
    listed = ",".join(table.labels.get(names[i], names[i]) for i in wrong)
    way, there = ("falls", "rises")[wrong[0]], g[wrong[0]][np.isfinite(g[wrong[0]])]
    text = f"{way} from {number(there[0])} to {number(there[-1])} S during its pulses"
    if len(wrong) == 2:
        text = f"{text}, and {names[1]} rises: are the columns swapped, or both listed backwards?"
    else:
        text = f"{text}: is it listed backwards?"
    text += f" (--backwards {listed} turns {'both' if len(wrong) == 2 else 'it'}, last row first)"
    table.refuse(0, names[wrong[0]], f"{text}; nothing was read")


def _not_joined(
    table: FileTable, names: tuple[str, str], up: Floats, down: Floats
) -> tuple[str, ...]:
    """A warning where the second train does not begin where the first one ends."""
    up, down = up[np.isfinite(up)], down[np.isfinite(down)]
    if len(up) < FEWEST or len(down) < FEWEST:
        return ()
    gap = float(down[:SEVERAL].mean() - up[-SEVERAL:].mean())
    step = float(np.median(np.abs(np.r_[np.diff(up), np.diff(down)])))
    if abs(gap) <= max(SPAN * float(np.ptp(np.r_[up, down])), 6.0 * step):
        return ()
    return (
        f"{table.path}: the trains do not join: {names[0]} ends at {number(up[-1])} S, {names[1]} "
        f"begins at {number(down[0])} S; pulses are missing between them, and the window is that "
        "of each train's own end",
    )


def _readings(
    table: FileTable, names: tuple[str, str], options: Options
) -> tuple[list[Readings], tuple[str, ...]]:
    """Both trains in siemens, and what was assumed."""
    if names == NAMED:
        return [of_column(table, options, name) for name in NAMED], ()
    values = [table.numbers[name] for name in names]
    low, high = (float(f([f(v, initial=s) for v in map(_finite, values)])) for f, s in ENDS)
    window = options.window_siemens or _stated_window(table)
    if window is None or not low < high:
        raise CalibrationError(
            f"{table.path}: row {table.rows[0]}, column 1: normalised conductances "
            f"({low:g} to {high:g}), and nothing states the window; give --window G_MIN:G_MAX in "
            "siemens, or name the columns: --columns up_siemens,down_siemens (t_seconds,g_siemens "
            "of reads, v_volts,i_amperes of sweeps); nothing was read"
        )
    ends = f"{low:g} = {window[0]:g} S, {high:g} = {window[1]:g} S"
    missing = np.full(len(table), WHY.index("without a reading"), np.int8)
    readings = [
        Readings(
            window[0] + (np.where(np.isfinite(v), v, np.nan) - low) / (high - low)
            * (window[1] - window[0]), missing, "normalised -> siemens",
        )
        for v in values
    ]  # fmt: skip
    return readings, (f"window: {ends}",)


ENDS = ((np.min, np.inf), (np.max, -np.inf))
SPAN = 0.1  # of the conductances of a file, above which a difference is none of the readings
SEVERAL = 3  # readings of a train at its end
FEWEST = 6  # readings of a train whose end is looked at


def _finite(values: Floats) -> Floats:
    """The values that are there."""
    return values[np.isfinite(values)]


def _stated_window(table: FileTable) -> tuple[float, float] | None:
    """The window that stands above the header."""
    low, high = table.setting("g_min_siemens"), table.setting("g_max_siemens")
    return None if low is None or high is None or not 0.0 < low < high <= 0.1 else (low, high)


READER = Reader(
    "two columns: conductance in a SET train and in a RESET train", sniff, read, COLUMNS, EXAMPLE,
    needs="--window 1e-6:1e-4", options=("drop_negative", *WINDOW, "backwards"),
    wants="up_siemens and down_siemens",
)  # fmt: skip
