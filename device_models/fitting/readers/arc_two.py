"""HDF5 files of ArC TWO: the history of every crosspoint.

`/crosspoints/W<word>B<bit>/timeseries` is a table of `current`, `voltage`, `pulse_width`,
`read_voltage` and `op_type` (1 reading, 2 pulse, 3 pulse and reading); its attribute `NROWS` says
how many rows are filled. Conductance is |current / read_voltage|, as the board's own software has
it (one side is biased at minus the read voltage). Needs h5py: `pip install 'xbar-hil[hdf5]'`.
"""

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import CalibrationError, DataError
from ...printable import printable
from ..checks import VOLTS, WIDTH, optional
from ..columns import Column, names
from ..conductance import conductances
from ..events import PULSE, READ, DeviceEvents
from ..lines import LITTLE_BYTES, MOST_GROWTH, Head
from ..measurements import Ints, Measurements
from ..options import Options
from ..table import FileTable, Names
from .reader import Reader, devices, from_history, polarity_of, whole

MAGIC = b"\x89HDF\r\n\x1a\n"
LONGEST = 200  # characters of what the library says
DAMAGED = (
    OSError, KeyError, IndexError, TypeError, ValueError, RuntimeError, AttributeError, MemoryError,
    OverflowError, AssertionError, SystemError,
)  # fmt: skip
COLUMNS = (
    Column("current", "as read", "A", optional=False),
    Column("voltage", "amplitude of the pulse", "V", optional=False),
    Column("pulse_width", "its duration", "s", optional=False),
    Column("read_voltage", "of the reading", "V", optional=False),
    Column("op_type", "1 reading, 2 pulse, 3 pulse and reading", optional=False),
)
FIELDS = tuple(names(COLUMNS))
TAKES = f"a timeseries has {', '.join(FIELDS)}"
IS_READ, IS_PULSE = 1, 2  # bits of op_type


def sniff(head: Head) -> bool:
    """Whether the file begins as HDF5 does."""
    return head.raw.startswith(MAGIC)


def read(path: Path, options: Options) -> Measurements:
    """Read one ArC TWO file; see `Reader`. Rows are counted from 1 in each crosspoint."""
    return measurements(_table(path, _timeseries(path)), "arc-two", options)


def measurements(table: FileTable, name: str, options: Options) -> Measurements:
    """What the histories of crosspoints hold, whichever file they came from.

    Args:
        table: Columns `FIELDS` as the board writes them (V, A, s), and `device` if there are
            several crosspoints.
        name: Of the format.
        options: See `Reader`.

    Raises:
        DataError: An `op_type` is none of 1, 2, 3; see also `conductances` and `notes`.
        CalibrationError: As `conductances`.
    """
    op = _op_types(table)
    table = _generic(table, (op & IS_READ) != 0)
    readings = conductances(table, options, TAKES)
    v = optional(table, "v_volts", VOLTS)
    unknown = np.full(len(table), np.nan)
    device, device_names = devices(table)
    events = DeviceEvents(
        device=device,
        kind=np.where(op & IS_PULSE, PULSE, READ),
        polarity=np.where(op & IS_PULSE, polarity_of(v, options), 0),
        g_siemens=readings.g_siemens,
        v_volts=v,
        width_seconds=optional(table, "width_seconds", WIDTH),
        time_seconds=unknown,
        target_siemens=unknown,
    )
    return from_history(table, name, device_names, events, readings)


def _op_types(table: FileTable) -> Ints:
    """What was done in each row; bits `IS_READ` and `IS_PULSE`."""
    op = whole(table, "op_type", TAKES)
    wrong = np.flatnonzero(~np.isin(op, (IS_READ, IS_PULSE, IS_READ | IS_PULSE)))
    if len(wrong):
        text = f"{op[wrong[0]]} is none of 1 (reading), 2 (pulse), 3 (pulse and reading)"
        table.refuse(int(wrong[0]), "op_type", f"{text}; nothing was read")
    return op


def _generic(table: FileTable, is_read: NDArray[np.bool_]) -> FileTable:
    """The table with the column names of `generic`; currents of readings alone, unsigned."""
    numbers = {
        "i_amperes": np.where(is_read, np.abs(table.numbers["current"]), np.nan),
        "v_read_volts": np.where(is_read, np.abs(table.numbers["read_voltage"]), np.nan),
        "v_volts": table.numbers["voltage"],
        "width_seconds": table.numbers["pulse_width"],
    }
    return replace(table, header=tuple(numbers), numbers=numbers)


def _h5py(path: Path) -> ModuleType:
    """The library, imported where it is needed."""
    try:
        import h5py
    except ImportError:
        raise CalibrationError(
            f"{path}: an HDF5 file needs h5py: pip install 'xbar-hil[hdf5]'; nothing was read"
        ) from None
    return h5py  # type: ignore[no-any-return]  # no stubs


def _timeseries(path: Path) -> dict[str, NDArray[Any]]:
    """Crosspoint -> its filled rows.

    Nothing outside the file is followed, and no size in it is believed before it is compared.
    """
    h5py = _h5py(path)
    most = max(LITTLE_BYTES, MOST_GROWTH * path.stat().st_size)
    series: dict[str, NDArray[Any]] = {}
    try:
        with h5py.File(path, "r") as file:
            points = _inside(h5py, file, "crosspoints", h5py.Group)
            for name in points:
                point = _inside(h5py, points, name, h5py.Group)
                rows = _filled(_inside(h5py, point, "timeseries", h5py.Dataset), most)
                most -= rows.nbytes
                series[printable(name)] = rows
    except DAMAGED as error:
        reason = " ".join(printable(str(error)).split())[:LONGEST]
        raise DataError(f"{path}: not a whole ArC TWO file ({reason}); nothing was read") from error
    series = {name: rows for name, rows in series.items() if len(rows)}
    if not series:
        raise DataError(f"{path}: no crosspoint has a row; nothing was read")
    return series


def _inside(h5py: ModuleType, group: Any, name: str, kind: type) -> Any:
    """A group or data set of a group, which lies in the file itself.

    Raises:
        KeyError, ValueError: There is none, or it is elsewhere.
    """
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{name} leads elsewhere")
    item = group[name]
    if not isinstance(item, kind):
        raise ValueError(f"{name} is no {kind.__name__.lower()}")
    return item


def _filled(dataset: Any, most: int) -> NDArray[Any]:
    """The rows of a timeseries that hold something; they take at most so many bytes.

    Raises:
        KeyError, ValueError: It is no such table.
    """
    fields = dataset.dtype.fields or {}
    if missing := [name for name in FIELDS if name not in fields]:
        raise KeyError(f"a timeseries lacks {', '.join(missing)}")
    if dataset.ndim != 1 or any(fields[name][0].kind not in "fiu" for name in FIELDS):
        raise ValueError("a timeseries is no table of numbers")
    if dataset.is_virtual or dataset.external:
        raise ValueError("a timeseries lies in another file")
    count = np.asarray(dataset.attrs["NROWS"])
    if count.size != 1 or count.dtype.kind not in "iu" or not 0 <= count.item() <= len(dataset):
        raise ValueError(f"NROWS is no number from 0 to {len(dataset)}")
    size = max(count.item(), *(dataset.chunks or (0,))) * dataset.dtype.itemsize
    if size > most:
        raise ValueError(f"a timeseries takes {size:.3g} bytes, at most {most:.3g} are read")
    rows: NDArray[Any] = dataset.fields(list(FIELDS))[: count.item()]
    return rows


def _table(path: Path, series: dict[str, NDArray[Any]]) -> FileTable:
    """All histories as one table."""
    lengths = [len(rows) for rows in series.values()]
    return FileTable(
        path=path,
        header=FIELDS,
        header_row=0,
        rows=np.concatenate([np.arange(1, n + 1) for n in lengths]),
        numbers={
            name: np.concatenate([rows[name].astype(np.float64) for rows in series.values()])
            for name in FIELDS
        },
        texts={"device": Names(np.repeat(np.arange(len(series)), lengths), tuple(series))},
        ignored=(),
        settings={},
    )


READER = Reader(
    "HDF5 of ArC TWO (needs h5py): /crosspoints/W..B../timeseries", sniff, read, COLUMNS, "",
    options=("v_read_volts", "set_is_negative"),
)  # fmt: skip
