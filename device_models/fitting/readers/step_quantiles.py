"""Tables of the step against conductance: a line of text, conductances, probabilities, steps.

After a line that names them, the first row holds the conductances (the columns), the second the
cumulative probabilities (the rows), and each further row the steps of one pulse, all in siemens and
separated by commas or blanks. `v_volts = -1.35` and `width_seconds = 1e-7` in the first line state
the pulses; the sign of the voltage is the polarity, without one that of the median step. The layout
is that of CrossSim's lookup tables.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...record import shown
from ..checks import SIEMENS
from ..columns import Column
from ..header import SETTING
from ..lines import Head, chunks, head
from ..measurements import FileNotes, Floats, Measurements, StepTable
from ..options import Options
from .reader import Reader, named_polarity, polarity_of, polarity_remark, stated_shape

WORDS = ("gbins", "cdf")
COLUMNS = (
    Column("row 1", "text with the words Gbins and CDF, perhaps v_volts = 1.3"),
    Column("row 2", "conductances before the pulse, ascending", "S"),
    Column("row 3", "cumulative probabilities, ascending"),
    Column("row 4, ...", "step of every conductance, one row per probability", "S"),
)
EXAMPLE = """Gbins, CDF, dG matrix; v_volts = 1.3
1e-5,2e-5
0,1
1e-7,1e-7
3e-7,2e-7
"""


def sniff(head: Head) -> bool:
    """Whether the first line names bins and a distribution."""
    return all(word in head.lines[0].lower() for word in WORDS)


def read(path: Path, options: Options) -> Measurements:
    """Read one table; see `Reader`. It is of one device, "1"."""
    rows = list(_rows(path))
    if len(rows) < 3:
        fault = f"{len(rows)} rows of numbers; conductances, probabilities and steps are needed"
        raise DataError(f"{path}: {fault}; nothing was read")
    (g_row, g), (q_row, levels), steps = rows[0], rows[1], rows[2:]
    _ascending(path, g_row, g, "conductances", SIEMENS.allowed.low, SIEMENS.allowed.high)
    _ascending(path, q_row, levels, "probabilities", 0.0, 1.0)
    for row, step in steps:
        if len(step) != len(g) or not np.all(np.abs(step) <= SIEMENS.allowed.high):
            fault = f"{len(step)} steps, the largest {np.max(np.abs(step)):g}"
            raise DataError(
                f"{path}: row {row}: {fault}; there must be {len(g)}, one per conductance, "
                f"within {SIEMENS.allowed} ({SIEMENS.above}); nothing was read"
            )
    if len(steps) != len(levels):
        fault = f"{len(steps)} rows of steps for {len(levels)} probabilities in row {q_row}"
        raise DataError(f"{path}: row {steps[-1][0]}: {fault}; nothing was read")
    dg = np.stack([step for _, step in steps])
    shape = stated_shape(dict(SETTING.findall(head(path).lines[0])), path)
    by_volts = int(polarity_of(np.array([shape["v_volts"]]), options)[0])
    named, why = named_polarity(path, options)
    if by_volts and not options.polarity:
        named, why = by_volts, "by the sign of v_volts"
    trend = 1 if np.median(dg) >= 0 else -1
    polarity = named or trend
    remarks = (polarity_remark(polarity, why or "by the median step", trend),)
    step_table = StepTable(
        device=0, polarity=polarity, g_siemens=g, levels=levels, dg_siemens=dg, source=str(path),
        v_volts=shape["v_volts"], width_seconds=shape["width_seconds"],
    )  # fmt: skip
    note = FileNotes(
        path=str(path), format="step-quantiles", units="siemens", used=dg.size, remarks=remarks
    )
    return Measurements(steps=(step_table,), devices=("1",), notes=(note,))


def _rows(path: Path) -> Iterator[tuple[int, Floats]]:
    """The rows of numbers under the first line, with their numbers; blank rows have none."""
    for first, block in chunks(path):
        for row, line in enumerate(block, first):
            cells = line.replace(",", " ").split()
            if row == 1 or not cells:
                continue
            yield row, np.array([_number(path, row, i, cell) for i, cell in enumerate(cells, 1)])


def _number(path: Path, row: int, column: int, cell: str) -> float:
    """One cell as a finite number."""
    try:
        value = float(cell)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        where = f"{path}: row {row}, column {column}"
        raise DataError(f"{where}: {shown(cell)} is not a number; nothing was read")
    return value


def _ascending(path: Path, row: int, values: Floats, what: str, low: float, high: float) -> None:
    """Raise DataError unless the values rise inside [low, high]."""
    if np.any(np.diff(values) < 0.0) or values[0] < low or values[-1] > high:
        fault = f"{what} from {values[0]:g} to {values[-1]:g}"
        hint = f" ({SIEMENS.above})" if values[-1] > high and high < 1.0 else ""
        raise DataError(
            f"{path}: row {row}: {fault}; they must ascend within [{low:g}, {high:g}]{hint}; "
            "nothing was read"
        )


READER = Reader(
    "quantiles of the step against conductance", sniff, read, COLUMNS, EXAMPLE,
    options=("polarity", "set_is_negative"),
)  # fmt: skip
