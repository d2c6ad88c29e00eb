"""Readings after programming: `device,t_seconds,g_siemens[,temperature_kelvin]`.

`t_seconds` counts from the write. `initial_siemens` is the reading right after the write; without
it, the earliest one of the device at this temperature. A table of `t_seconds` and a reading that
neither begins with `device`, nor states `temperature_kelvin` or `initial_siemens`, nor has times
that grow by a ratio holds repeated reads instead (`reads`), and so does one of many evenly spaced
readings.
"""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from ...record import number
from ..checks import COUNT, KELVIN, SECONDS, SIEMENS, inside, optional
from ..columns import DEVICE, INDEX, READING, Column, plain
from ..conductance import conductances
from ..header import header_of, split
from ..lines import Head
from ..measurements import Floats, Ints, Measurements, Retention
from ..options import OF_READINGS, Options
from ..table import FileTable, read_table
from .reader import READS, Reader, devices, has_conductance, header_names, header_row, notes

TAKES = "a retention table has t_seconds, and g_siemens, r_ohms, or i_amperes with v_read_volts"
YEARS = 1e8  # seconds; no device is read for the first time later than that after its write
UNIX = (6e8, 4e9)  # seconds since 1970 that are of our time
FEWEST_RATIOS = 4  # of consecutive times that grow by ratios
LEAST_RATIO = 1.2
FEWEST = 3  # readings of a device whose times are looked at
FROM_FIRST = "times count from the first reading of each device"
MANY = 32  # readings of a device that are more than a retention test takes
OWN = {"temperature_kelvin", "initial_siemens"}
COLUMNS = (
    *DEVICE,
    Column("t_seconds", "time since the write", "s", optional=False),
    Column("temperature_kelvin", "of the device meanwhile; or one for all: --temperature", "K"),
    Column("initial_siemens", "reading right after the write; else the earliest one", "S"),
    Column("target_siemens", "what was to be written", "S"),
    Column("cycles", "pulses or cycles the device had had before"),
    *READING,
)
EXAMPLE = """device,t_seconds,g_siemens,temperature_kelvin
a,1,1.00e-5,358
a,1000,9.1e-6,358
"""


def sniff(head: Head) -> bool:
    """Whether there are times, conductances, and `device` in front or a column of retention."""
    names = header_names(head)
    if "t_seconds" not in names or not has_conductance(names) or names & {"op", "v_volts"}:
        return False
    if OWN & names:
        return True
    lead = next((name for name in header_row(head) if plain(name) not in INDEX), "")
    rows = _first_readings(head)
    if rows is None:
        return lead == "device"
    return (lead == "device" and not _evenly(*rows)) or _by_ratios(*rows)


def _first_readings(head: Head) -> tuple[Ints, Floats] | None:
    """Device and time of the first readings; None if a time is no number."""
    header = header_of(head.lines, head.columns)
    if header is None:
        return None
    rows = [split(line, header.mark) for line in head.lines[header.first : -1]]
    at = header.names.index("t_seconds")
    rows = [row for row in rows if len(row) == len(header.labels)]
    try:
        time = np.array([float(row[at].replace(",", ".") or "nan") for row in rows])
    except ValueError:
        return None
    name = header.names.index("device") if "device" in header.names else -1
    labels = [row[name] if name >= 0 else "" for row in rows] or [""]
    device = np.unique(labels, return_inverse=True)[1]
    factor = header.meanings[at].factor
    return device[: len(time)], time * factor


def _by_ratios(device: Ints, time: Floats) -> bool:
    """Whether the times of devices grow by about one ratio: readings after a write."""
    follows = (np.diff(device) == 0) & (time[:-1] > 0.0)
    with np.errstate(over="ignore"):  # the first time may be as good as 0
        ratios = time[1:][follows] / time[:-1][follows]
    if len(ratios) < FEWEST_RATIOS or not (ratios > 1.0).all():
        return False
    middle = float(np.median(ratios))
    near = np.abs(np.log(ratios)) < 2.0 * np.log(middle)
    # Evenly spaced times have ratios near 1 in the end, others do not.
    return bool(middle >= LEAST_RATIO and near.all() and ratios[-1] > LEAST_RATIO)


def read(path: Path, options: Options) -> Measurements:
    """Read one retention table; see `Reader`."""
    table = read_table(path, COLUMNS, names=options.columns)
    table.need("t_seconds", TAKES)
    readings = conductances(table, options, TAKES)
    device, names = devices(table)
    time = _since_write(table, device, options)
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
        cycles=optional(table, "cycles", COUNT)[use],
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
                remarks=(FROM_FIRST,) * options.clock + _doubt(retention),
            ),
        ),
        warnings=() if options.clock else _late(retention),
    )


def _since_write(table: FileTable, device: Ints, options: Options) -> Floats:
    """Seconds since the write; with `Options.clock` since the first reading of the device.

    Raises:
        DataError: No device has a reading within `YEARS` of its write, or a time is negative.
    """
    time = table.numbers["t_seconds"]
    first = np.full(int(device.max(initial=0)) + 1, np.inf)
    np.minimum.at(first, device, np.where(np.isfinite(time), time, np.inf))
    if options.clock:
        return inside(table, "t_seconds", SECONDS, time - first[device])
    if YEARS <= first.min() <= SECONDS.allowed.high:
        row = int(np.argmin(np.where(np.isfinite(time), time, np.inf)))
        table.refuse(
            row,
            "t_seconds",
            f"{number(time[row])} s at the earliest reading is a clock{_date(time[row])}, no time "
            f"since a write (at most {YEARS:g} s); --clock counts from the first reading of each "
            "device; nothing was read",
        )
    return inside(table, "t_seconds", SECONDS)


def _date(seconds: float) -> str:
    """The day that a unix time is on, if it is one of our time."""
    if not UNIX[0] <= seconds <= UNIX[1]:
        return ""
    return f" ({datetime.fromtimestamp(seconds, UTC):%Y-%m-%d} as unix time)"


def _late(retention: Retention) -> tuple[str, ...]:
    """A warning where most devices are read late and then for a shorter time than that."""
    of = np.unique(retention.device, return_inverse=True)[1]
    first, last = np.full(int(of.max(initial=0)) + 1, np.inf), np.zeros(int(of.max(initial=0)) + 1)
    np.minimum.at(first, of, retention.time_seconds)
    np.maximum.at(last, of, retention.time_seconds)
    series = np.bincount(of, minlength=len(first)) >= FEWEST
    late = series & (first > last - first)
    if not series.any() or 2 * int(late.sum()) <= int(series.sum()):
        return ()
    return (
        f"{retention.source}: {int(late.sum())} of {int(series.sum())} devices are read first "
        f"{number(float(np.median(first[late])))} s after their write and then for "
        f"{number(float(np.median((last - first)[late])))} s only; if t_seconds is a clock, "
        "--clock counts from the first reading of each device",
    )


def _doubt(retention: Retention) -> tuple[str, ...]:
    """A remark on a table that resembles repeated reads: many readings, evenly spaced."""
    if not _evenly(retention.device, retention.time_seconds):
        return ()
    return ("evenly spaced readings; if they are repeated reads at rest, give --format reads",)


def _evenly(device: Ints, time: Floats) -> bool:
    """Whether there are many readings per device, and about the same time between them."""
    rows = len(time) / max(1, len(np.unique(device)))
    order = np.lexsort((time, device))
    steps = np.diff(time[order])[np.diff(device[order]) == 0]
    even = len(steps) > 0 and np.ptp(steps) <= 0.01 * abs(float(np.median(steps)))
    return bool(rows >= MANY and even)


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


READER = Reader(
    "readings some time after a write", sniff, read, COLUMNS, EXAMPLE,
    options=(*OF_READINGS, "temperature_kelvin", "clock"),
    wants=f"t_seconds and {READS}, with device in front, temperature_kelvin or initial_siemens",
)  # fmt: skip
