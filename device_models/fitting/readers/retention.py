"""Readings after programming: `device,t_seconds,g_siemens[,temperature_kelvin]`.

`t_seconds` counts from the write. The reading may also be `r_ohms`, or `i_amperes` with
`v_read_volts`. `initial_siemens` is the reading right after the write; without it, the earliest one
of the device at this temperature. `target_siemens` is what was to be written. A table of
`t_seconds` and a reading that neither begins with `device` nor has one of these columns holds
repeated reads instead (`reads`).
"""

from pathlib import Path

import numpy as np

from ..checks import KELVIN, SECONDS, SIEMENS, inside, optional
from ..conductance import COLUMNS, conductances
from ..lines import Head
from ..measurements import Floats, Ints, Measurements, Retention
from ..options import Options
from ..table import read_table, split_header
from .reader import Reader, devices, first_row, has_conductance, header_names, notes

TAKES = "a retention table has t_seconds, and g_siemens, r_ohms, or i_amperes with v_read_volts"
MANY = 32  # readings of a device that are more than a retention test takes
OWN = {"temperature_kelvin", "initial_siemens"}


def sniff(head: Head) -> bool:
    """Whether there are times, conductances, and `device` in front or a column of retention."""
    names = header_names(head)
    if "t_seconds" not in names or not has_conductance(names) or "op" in names:
        return False
    return bool(OWN & names) or split_header(first_row(head))[1][0] == "device"


def read(path: Path, options: Options) -> Measurements:
    """Read one retention table; see `Reader`."""
    numbers = ("t_seconds", "temperature_kelvin", "initial_siemens", "target_siemens", *COLUMNS)
    table = read_table(path, numbers=numbers, texts=("device", "word_line", "bit_line"))
    table.need("t_seconds", TAKES)
    time = inside(table, "t_seconds", SECONDS)
    readings = conductances(table, options, TAKES)
    device, names = devices(table)
    stated = optional(table, "temperature_kelvin", KELVIN)
    kelvin = np.where(np.isfinite(stated), stated, options.kelvin)
    given = optional(table, "initial_siemens", SIEMENS)
    use = readings.present & np.isfinite(time)
    earliest = _earliest(device[use], kelvin[use], time[use], readings.g_siemens[use])
    retention = Retention(
        device=device[use],
        time_seconds=time[use],
        g_siemens=readings.g_siemens[use],
        initial_siemens=np.where(np.isfinite(given[use]), given[use], earliest),
        target_siemens=optional(table, "target_siemens", SIEMENS)[use],
        temperature_kelvin=kelvin[use],
        source=str(path),
    )
    dropped = readings.dropped(np.ones(len(table), bool))
    untimed = int((readings.present & ~use).sum())
    dropped |= {"without a time": untimed} if untimed else {}
    return Measurements(
        retention=(retention,) if len(retention) else (),
        devices=names,
        notes=(
            notes(
                table,
                "retention",
                readings,
                used=len(retention),
                dropped=dropped,
                remarks=_doubt(retention),
            ),
        ),
    )


def _doubt(retention: Retention) -> tuple[str, ...]:
    """A remark on a table that resembles repeated reads: many readings, evenly spaced."""
    rows = len(retention) / max(1, len(np.unique(retention.device)))
    order = np.lexsort((retention.time_seconds, retention.device))
    steps = np.diff(retention.time_seconds[order])[np.diff(retention.device[order]) == 0]
    if rows < MANY or not len(steps) or np.ptp(steps) > 0.01 * abs(float(np.median(steps))):
        return ()
    return ("evenly spaced readings; if they are repeated reads at rest, give --format reads",)


def _earliest(device: Ints, kelvin: Floats, time: Floats, g: Floats) -> Floats:
    """The first reading of each row's device at its temperature."""
    _, warmth = np.unique(kelvin, return_inverse=True)
    order = np.lexsort((time, warmth, device))
    starts = np.diff(device[order], prepend=-1) != 0
    starts |= np.diff(warmth[order], prepend=-1) != 0
    first = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))
    result = np.empty_like(g)
    result[order] = g[order[first]]
    return result


READER = Reader("retention: device,t_seconds,g_siemens[,temperature_kelvin]", sniff, read)
