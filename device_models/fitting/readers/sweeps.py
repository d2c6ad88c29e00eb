"""Current-voltage sweeps of source meters and parameter analysers: SET, RESET, levels, compliance.

A table with a column of voltages and one of currents, whatever the instrument calls them (see
`sweep_columns`), of which the voltages go up and come back in steps. `sweep_loops` says where a
device switches. A SET and the RESET after it are a cycle: LRS after the one and HRS after the
other; where one of them was not measured, the level before the other stands for it.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import DataError
from ..checks import AMPERES, READ_VOLTS, SIEMENS, VOLTS, inside, smaller_unit
from ..columns import DEVICE, Column
from ..conductance import Readings
from ..header import header_of, split
from ..lines import Head, head
from ..measurements import Floats, Ints, Measurements
from ..options import Options
from ..sweep_columns import SweepPair, is_plain, mapped, sweep_pairs
from ..sweep_cycles import Curve, cycles_of, in_words, switching_events, without_forming
from ..table import FileTable, read_table
from .reader import Reader, devices, notes

USUAL_READ_VOLTS = 0.2
READ_SHARE = 0.25  # of the largest voltage, at most, where nobody states a read voltage
FEWEST = 5  # voltages by which a staircase is recognised
LARGEST_STEP = 0.34  # of the largest voltage
OTHERS = {"op", "width_seconds", "v_read_volts", "cycle", "pulse"}
COLUMNS = (
    *DEVICE,
    Column("v_volts", "also V1, AnodeV, Smu1.V[1][1], Voltage, SourceValue", "V", optional=False),
    Column("i_amperes", "also I1, AnodeI, Smu1.I[1][1], Current, Reading", "A", optional=False),
)
EXAMPLE = """Voltage (V),Current (uA)
0.2,0.4
0.4,0.8
0.8,1.6
1.0,100
0.8,100
0.4,80
0.2,40
-0.2,-40
-0.4,-80
-0.8,-160
-1.0,-2
-0.8,-1.6
-0.4,-0.8
-0.2,-0.4
"""
MAGNITUDES = "currents are magnitudes: they have the sign of the voltage"
NO_SWITCH = "near 0 V or in a half loop in which nothing switches"


def sniff(start: Head) -> bool:
    """Whether there are columns of a sweep, nothing of another format, and a staircase."""
    header = header_of(start.lines, start.columns)
    if header is None or OTHERS & set(header.names):
        return False
    labels = _labels(header.labels, header.names)
    pairs = sweep_pairs(labels)
    if not pairs:
        return False
    at = labels.index(pairs[0].volts[0])
    rows = [split(line, header.mark) for line in start.lines[header.first : -1]]
    cells = [row[at].strip().replace(",", ".") for row in rows if len(row) > at]
    return is_staircase(np.array([_number(cell) for cell in cells]))


def _labels(labels: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Labels, or our names where the user maps them to voltages or currents."""
    ours = ("v_volts", "i_amperes")
    return tuple(name if name in ours else label for label, name in zip(labels, names, strict=True))


def _number(cell: str) -> float:
    """A cell as a number; nan if it is none."""
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def is_staircase(volts: Floats) -> bool:
    """Whether voltages go up or down in steps that are small against the largest."""
    volts = volts[np.isfinite(volts)]
    top, steps = float(np.abs(volts).max(initial=0.0)), np.abs(np.diff(volts))
    if len(np.unique(volts)) < FEWEST or not (steps > 0.0).any():
        return False
    small = (steps > 0.0) & (steps <= LARGEST_STEP * top)
    return bool(small.mean() > 0.5)


def read(path: Path, options: Options) -> Measurements:
    """Read one table of sweeps; see `Reader`."""
    table, pairs = _table(path, options)
    device, names = devices(table)
    v_read = _read_volts(table, pairs, options)
    curves, dropped, remarks = list[Curve](), Counter[str](), list[str]()
    for k in range(len(pairs)):
        volts = inside(table, f"v{k}", VOLTS)
        amperes = table.numbers[f"i{k}"] * (-1.0 if options.invert_current else 1.0)
        inside(table, f"i{k}", AMPERES, np.abs(amperes))
        finite = np.isfinite(volts) & np.isfinite(amperes)
        if _are_magnitudes(volts[finite], table.numbers[f"i{k}"][finite]):
            amperes = np.sign(volts) * np.abs(amperes)
            remarks = [MAGNITUDES]
        dropped["without a reading"] += int((~finite).sum())
        for i in range(len(names)):
            rows = np.flatnonzero(finite & (device == i))
            _refuse_signs(table, k, volts[rows], amperes[rows], rows)
            curves.append(Curve(i, volts[rows], amperes[rows]))
    sweeps, used = switching_events(curves, v_read, str(path))
    dropped[NO_SWITCH] = sum(len(curve.volts) for curve in curves) - used
    sweeps, forming = without_forming(sweeps)
    remarks = [*in_words(sweeps, v_read), *forming, *remarks]
    if not is_plain([label for pair in pairs for label, _ in pair]):
        remarks.append("names without a unit are in volts and amperes")
    units = Readings(np.empty(0), np.empty(0, np.int8), "amperes / volts -> siemens", v_read)
    note = notes(table, "sweeps", units, used=used, dropped=dict(+dropped), remarks=tuple(remarks))
    cycles = cycles_of(sweeps)
    return Measurements(
        sweeps=(sweeps,) if len(sweeps) else (),
        cycles=(cycles,) if len(cycles) else (),
        devices=names,
        notes=(note,),
    )


def _are_magnitudes(volts: Floats, amperes: Floats) -> bool:
    """Whether currents have no sign, though the voltages have both."""
    top = float(np.abs(volts).max(initial=0.0))
    both = (volts > 0.1 * top).any() and (volts < -0.1 * top).any()
    return bool(both and (amperes >= 0.0).all())


def _table(path: Path, options: Options) -> tuple[FileTable, list[SweepPair]]:
    """The columns `v0`, `i0`, `v1`, ... and the pairs they are.

    Raises:
        DataError: There are none.
    """
    start = head(path, options.columns)
    header = header_of(start.lines, options.columns)
    labels = _labels(header.labels, header.names) if header else ()
    pairs = sweep_pairs(labels)
    if header is None or not pairs:
        raise DataError(
            f"{path}: no column of voltages and of currents; a sweep has v_volts and i_amperes, or "
            "what an instrument calls them (--formats lists names); nothing was read"
        )
    real = dict(zip(labels, header.labels, strict=True))
    meanings = dict(zip(header.labels, header.meanings, strict=True))
    columns = {}
    for label, m in mapped(pairs).items():
        scaled = meanings[real[label]] if label in ("v_volts", "i_amperes") else m
        columns[real[label]] = m._replace(factor=scaled.factor)
    wanted = [Column(m.name, "", "V" if m.name[0] == "v" else "A") for m in columns.values()]
    names = tuple(entry for entry in options.columns if "=" not in entry)
    table = read_table(path, (*DEVICE, *wanted), names=names, mapped=columns)
    spans = [float(np.ptp(v[np.isfinite(v)])) if np.isfinite(v).any() else 0.0
             for v in (table.numbers[f"v{k}"] for k in range(len(pairs)))]  # fmt: skip
    moving = [k for k, span in enumerate(spans) if span > 0.1 * max(spans)]
    numbers = {f"{c}{n}": table.numbers[f"{c}{k}"] for n, k in enumerate(moving) for c in "vi"}
    shown = {f"{c}{n}": table.labels[f"{c}{k}"] for n, k in enumerate(moving) for c in "vi"}
    idle = [label for k in range(len(pairs)) if k not in moving
            for label in (table.labels[f"v{k}"], table.labels[f"i{k}"])]  # fmt: skip
    table = FileTable(
        path=path, header=table.header, header_row=table.header_row, rows=table.rows,
        numbers=numbers, texts=table.texts, ignored=(*table.ignored, *idle),
        settings=table.settings, labels=shown,
    )  # fmt: skip
    return table, [pairs[k] for k in moving]


def _read_volts(table: FileTable, pairs: Sequence[SweepPair], options: Options) -> float:
    """Where levels are taken: as the user or the file says, else `USUAL_READ_VOLTS` or lower."""
    stated = options.v_read_volts or table.setting("v_read_volts")
    if stated is not None and READ_VOLTS.allowed.low <= abs(stated) <= READ_VOLTS.allowed.high:
        return abs(stated)
    tops = [np.nanmax(np.abs(table.numbers[f"v{k}"]), initial=0.0) for k in range(len(pairs))]
    return float(min(USUAL_READ_VOLTS, READ_SHARE * max(tops)))


def _refuse_signs(table: FileTable, pair: int, volts: Floats, amperes: Floats, rows: Ints) -> None:
    """Raise DataError where most currents flow against their voltages, or are too large."""
    large = np.abs(volts) > 0.5 * np.abs(volts).max(initial=0.0)
    wrong = large & (volts * amperes < 0.0)
    if 2 * int(wrong.sum()) > int(large.sum()):
        first = int(rows[np.flatnonzero(wrong)[0]])
        table.refuse(
            first, f"i{pair}",
            f"a current against its voltage, as in {int(wrong.sum())} of {int(large.sum())} rows "
            "of large voltage; --invert-current turns the sign of all; nothing was read",
        )  # fmt: skip
    with np.errstate(all="ignore"):
        g = np.where(large, amperes / volts, 0.0)
    if len(g) and (outside := np.flatnonzero(g > SIEMENS.allowed.high)).size:
        label = table.labels[f"i{pair}"]
        hint = smaller_unit("ampere", label, float(g[outside[0]]))
        text = f"{g[outside[0]]:g} S is outside {SIEMENS.allowed} ({hint})"
        table.refuse(int(rows[outside[0]]), f"i{pair}", f"{text}; nothing was read")


READER = Reader(
    "current-voltage sweeps of source meters and analysers", sniff, read, COLUMNS, EXAMPLE,
    options=("v_read_volts", "invert_current"),
    wants="a column of voltages and one of currents, in steps (v_volts, i_amperes; V1, I1; AnodeV, "
    "AnodeI; Smu1.V[1][1], ...)",
)  # fmt: skip
