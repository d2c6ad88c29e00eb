"""Devices after a write with verification: `device,target_siemens,g_siemens[,stuck]`.

A target may be a range, `low_siemens,high_siemens`: its middle counts. `success` says whether the
verification was content, `pulses` how many it took. A blank target is unknown.
"""

from pathlib import Path

import numpy as np

from ...record import shown
from ..checks import OHMS, SIEMENS, optional
from ..columns import DEVICE, READING, TEXT, Column, names
from ..conductance import Readings, conductances
from ..lines import Head
from ..measurements import Floats, Ints, Measurements, Written
from ..options import OF_READINGS, Options
from ..table import FileTable, read_table
from .reader import READS, Reader, devices, header_names, notes

TARGETS = (
    Column("target_siemens", "what was to be written; or a range:", "S"),
    Column("target_ohms", "the same as resistance", "ohm"),
    Column("low_siemens", "lower end of the range", "S"),
    Column("high_siemens", "its upper end", "S"),
    Column("low_ohms", "lower end as resistance", "ohm"),
    Column("high_ohms", "upper end as resistance", "ohm"),
)
COLUMNS = (
    *DEVICE,
    *TARGETS,
    Column("success", "1 if the verification was content, 0 if it gave up", TEXT),
    Column("pulses", "how many the write took"),
    Column("stuck", "1 at high conductance, -1 at low, 0 neither"),
    *READING,
)
TAKES = "a table of writes has target_siemens or target_ohms, and g_siemens or r_ohms"
EXAMPLE = """device,low_siemens,high_siemens,g_siemens,success,pulses
a,9e-6,1.1e-5,1.02e-5,1,4
b,9e-6,1.1e-5,1.4e-5,0,20
"""
YES, NO = ("1", "true", "yes", "ok", "pass", "y", "t"), ("0", "false", "no", "fail", "n", "f")


def sniff(head: Head) -> bool:
    """Whether there are targets, and neither times nor operations."""
    header = header_names(head)
    return bool(header & set(names(TARGETS))) and not header & {"t_seconds", "op"}


def read(path: Path, options: Options) -> Measurements:
    """Read one table of writes; see `Reader`."""
    table = read_table(path, COLUMNS, names=options.columns)
    readings = conductances(table, options, TAKES)
    device, device_names = devices(table)
    use = readings.present
    written = Written(
        device=device[use],
        target_siemens=_targets(table)[use],
        g_siemens=readings.g_siemens[use],
        stuck=_stuck(table)[use],
        reached=_reached(table)[use],
        source=str(path),
    )
    dropped = readings.dropped(np.ones(len(table), bool))
    remarks = _remarks(table, written, readings)
    return Measurements(
        written=(written,),
        devices=device_names,
        notes=(
            notes(table, "written", readings, used=len(written), dropped=dropped, remarks=remarks),
        ),
    )


def _targets(table: FileTable) -> Floats:
    """What was to be written, siemens; the middle of a range."""
    for name, unit in (("target_siemens", SIEMENS), ("target_ohms", OHMS)):
        if name in table.header:
            values = optional(table, name, unit)
            return 1.0 / values if unit is OHMS else values
    ohms = "low_ohms" in table.header
    for end in ("low", "high"):
        table.demand(f"{end}_{'ohms' if ohms else 'siemens'}", TAKES)
    if ohms:
        low, high = (1.0 / optional(table, f"{end}_ohms", OHMS) for end in ("high", "low"))
    else:
        low, high = (optional(table, f"{end}_siemens", SIEMENS) for end in ("low", "high"))
    if len(wrong := np.flatnonzero(low > high)):
        column = "low_ohms" if ohms else "low_siemens"
        table.refuse(int(wrong[0]), column, "the lower end is above the upper; nothing was read")
    return (low + high) / 2.0


def _stuck(table: FileTable) -> Ints:
    """The stuck map; blank is 0."""
    values = np.nan_to_num(table.numbers.get("stuck", np.zeros(len(table))))
    wrong = np.flatnonzero(~np.isin(values, (-1.0, 0.0, 1.0)))
    if len(wrong):
        text = f"{values[wrong[0]]:g} is none of -1 (low), 0, 1 (high); nothing was read"
        table.refuse(int(wrong[0]), "stuck", text)
    return values.astype(np.int64)


def _reached(table: FileTable) -> Ints:
    """1 where the verification was content, 0 where it gave up, -1 where nothing is said."""
    if "success" not in table.texts:
        return np.full(len(table), -1)
    codes, words = table.texts["success"]
    meant = []
    for code, word in enumerate(words):
        plain = word.lower().removesuffix(".0")
        if plain not in (*YES, *NO, "", "nan"):
            row = int(np.flatnonzero(codes == code)[0])
            text = f"{shown(word)} is neither 1 (reached) nor 0 (gave up); nothing was read"
            table.refuse(row, "success", text)
        meant.append(1 if plain in YES else 0 if plain in NO else -1)
    return np.array(meant, np.int64)[codes]


def _remarks(table: FileTable, written: Written, readings: Readings) -> tuple[str, ...]:
    """Shares of success and counts of pulses, which no parameter takes."""
    said = written.reached >= 0
    remarks = []
    if said.any():
        gave_up, total = int((written.reached == 0).sum()), int(said.sum())
        remarks.append(f"{gave_up} of {total} writes gave up: left out of the spread")
    counts = table.numbers.get("pulses", np.full(len(table), np.nan))[readings.present]
    counts = counts[np.isfinite(counts)]
    if len(counts):
        middle, most = np.quantile(counts, (0.5, 0.95))
        remarks.append(f"pulses per write: median {middle:g}, 95 % within {most:g}")
    return tuple(remarks)


READER = Reader(
    "devices after a write with verification",
    sniff,
    read,
    COLUMNS,
    EXAMPLE,
    options=OF_READINGS,
    wants=f"target_siemens or low_siemens and high_siemens, and {READS}",
)
