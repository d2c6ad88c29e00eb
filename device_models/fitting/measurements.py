"""Measurements in memory: one table per kind of experiment, SI units, whatever the file was.

Every table is a frozen set of numpy columns of equal length, one row per observation. Devices are
numbered from 0; `Measurements.devices` holds their names. `nan` stands for a number that the file
does not give, never for a failed reading: rows without a reading are dropped and counted.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import ShapeError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Rows:
    """Base of the tables: columns of one length, int64 or float64, and the file they came from."""

    source: str = ""

    def __post_init__(self) -> None:
        """Bring the columns to their types.

        Raises:
            ShapeError: The columns are not one-dimensional or differ in length.
        """
        shapes = {}
        for name, kind in columns(type(self)).items():
            column = np.asarray(getattr(self, name), np.int64 if kind == Ints else np.float64)
            object.__setattr__(self, name, column)
            shapes[name] = column.shape
        if len(set(shapes.values())) != 1 or len(next(iter(shapes.values()))) != 1:
            raise ShapeError(f"{type(self).__name__} needs columns of one length, not {shapes}")

    def __len__(self) -> int:
        """How many rows there are."""
        return len(getattr(self, next(iter(columns(type(self))))))

    def take(self, rows: NDArray[Any]) -> Self:
        """The table of some rows: a mask, shape (rows,), or indices."""
        return dataclasses.replace(self, **{c: getattr(self, c)[rows] for c in columns(type(self))})

    @classmethod
    def join(cls, tables: Iterable[Self]) -> Self:
        """One table of the rows of several, in order; empty if there are none."""
        tables = list(tables)
        parts = {c: [getattr(t, c) for t in tables] or [np.empty(0)] for c in columns(cls)}
        sources = " + ".join(dict.fromkeys(t.source for t in tables if t.source))
        return cls(source=sources, **{c: np.concatenate(p) for c, p in parts.items()})


def columns(kind: type) -> dict[str, Any]:
    """The columns of a table class and their types."""
    return {f.name: f.type for f in dataclasses.fields(kind) if f.name != "source"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Pulses(Rows):
    """Single pulses with a reading on both sides.

    Attributes:
        device: Number of the device.
        ramp: Which run of pulses of one polarity on this device; 0, 1, ... per device.
        index: Index in the ramp, from 0; dropped pulses are counted.
        polarity: +1 SET (towards high conductance), -1 RESET.
        g_before_siemens: Last reading before the pulse. In a train with one reading per pulse it
            is also the `g_after_siemens` of the pulse before: their read errors are the same.
        g_after_siemens: First reading after the pulse.
        v_volts: Amplitude with its sign; nan if unknown.
        width_seconds: Duration; nan if unknown.
    """

    device: Ints
    ramp: Ints
    index: Ints
    polarity: Ints
    g_before_siemens: Floats
    g_after_siemens: Floats
    v_volts: Floats
    width_seconds: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Cycles(Rows):
    """Full switching cycles: one full SET and one full RESET, open loop (no write-verify).

    Attributes:
        device: Number of the device.
        cycle: Number of the cycle, as the file counts.
        lrs_siemens: Conductance after the SET; nan in all rows of a file that lacks it.
        hrs_siemens: Conductance after the RESET; likewise.
    """

    device: Ints
    cycle: Ints
    lrs_siemens: Floats
    hrs_siemens: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Reads(Rows):
    """Repeated reads of devices that nothing was done to in between.

    Attributes:
        series: Number of the series; its rows are consecutive and in the order of the reads.
        device: Number of the device.
        time_seconds: Time of the read; nan if unknown.
        g_siemens: The reading.
        dt_seconds: Median interval of the reads of this series; nan if unknown.
    """

    series: Ints
    device: Ints
    time_seconds: Floats
    g_siemens: Floats
    dt_seconds: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class Retention(Rows):
    """Readings some time after programming.

    Attributes:
        device: Number of the device.
        time_seconds: Time since the device was programmed.
        g_siemens: The reading.
        initial_siemens: First reading after programming.
        target_siemens: What it was programmed to; nan if unknown.
        temperature_kelvin: Of the device during that time; nan if unknown.
        cycles: How often the device had been cycled before; nan, as by default, if unknown.
    """

    device: Ints
    time_seconds: Floats
    g_siemens: Floats
    initial_siemens: Floats
    target_siemens: Floats
    temperature_kelvin: Floats
    cycles: Floats = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        """Bring the columns to their types; see `Rows`."""
        if not len(self.cycles):
            object.__setattr__(self, "cycles", np.full(len(self.device), np.nan))
        super().__post_init__()


@dataclass(frozen=True, kw_only=True, eq=False)
class Written(Rows):
    """Devices as they were left by a write with verification.

    Attributes:
        device: Number of the device.
        target_siemens: What was asked for; nan if unknown.
        g_siemens: The reading after the write.
        stuck: +1 stuck at high conductance, -1 stuck at low conductance, 0 neither (or unknown).
        reached: 1 if the verification was content, 0 if it gave up, -1 if that is unknown.
    """

    device: Ints
    target_siemens: Floats
    g_siemens: Floats
    stuck: Ints
    reached: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Lifetimes(Rows):
    """How many cycles devices lived, of files in which the window of one closed.

    Attributes:
        device: Number of the device.
        cycles: Until its window closed, or as far as its record goes.
        died: 1 if it closed, 0 if the device outlived its record.
    """

    device: Ints
    cycles: Ints
    died: Ints


@dataclass(frozen=True, kw_only=True, eq=False)
class Sweeps(Rows):
    """Half loops of current-voltage sweeps in which a device switched, see `sweep_loops`.

    Attributes:
        device: Number of the device.
        half_loop: Number of the event on this device, from 0.
        polarity: +1 SET, -1 RESET.
        volts: Voltage at which it switched, with its sign.
        g_before_siemens: Level on the way up, at the read voltage; nan if unknown.
        g_after_siemens: Level on the way back; likewise.
        limit_amperes: Current limit that a SET met; nan without one.
    """

    device: Ints
    half_loop: Ints
    polarity: Ints
    volts: Floats
    g_before_siemens: Floats
    g_after_siemens: Floats
    limit_amperes: Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class StepTable:
    """Quantiles of the step of one pulse against conductance, of one device and polarity.

    Args:
        device: Number of the device.
        polarity: +1 SET, -1 RESET.
        g_siemens: Conductances before the pulse, ascending, shape (bins,).
        levels: Cumulative probabilities, ascending within [0, 1], shape (levels,).
        dg_siemens: Step that is not exceeded with that probability, shape (levels, bins).
        source: The file it came from.
        v_volts: Amplitude of the pulses; nan if unknown.
        width_seconds: Their duration; nan if unknown.

    Raises:
        ShapeError: The three shapes do not fit.
    """

    device: int
    polarity: int
    g_siemens: Floats
    levels: Floats
    dg_siemens: Floats
    source: str = ""
    v_volts: float = float("nan")
    width_seconds: float = float("nan")

    def __post_init__(self) -> None:
        """Bring the arrays to float64 and check their shapes."""
        for name in ("g_siemens", "levels", "dg_siemens"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), np.float64))
        wanted = (*self.levels.shape, *self.g_siemens.shape)
        if len(wanted) != 2 or self.dg_siemens.shape != wanted:
            raise ShapeError(
                f"StepTable needs dg_siemens of shape (levels, bins) = {wanted}, "
                f"not {self.dg_siemens.shape}"
            )


@dataclass(frozen=True, kw_only=True)
class FileNotes:
    """What a reader did with one file.

    Attributes:
        path: The file.
        format: Name of its format, a key of `readers.FORMATS`.
        units: What its values are and what they became: `r_ohms -> siemens`.
        used: How many rows (values, in files of one column per ramp) entered a table.
        dropped: Reason -> how many rows were left out for it.
        ignored: Columns that no table takes.
        v_read_volts: Read voltage that the file or the user states; nan if unknown.
        remarks: What was assumed, one sentence each.
    """

    path: str
    format: str
    units: str
    used: int
    dropped: Mapping[str, int] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()
    v_read_volts: float = float("nan")
    remarks: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The notes in one line."""
        gone = sum(self.dropped.values())
        why = ", ".join(f"{count} {reason}" for reason, count in self.dropped.items())
        parts = [f"{self.used} used, {gone} dropped{f' ({why})' if why else ''}"]
        ignored = [name or "(no name)" for name in self.ignored]
        parts += [f"columns not used: {', '.join(ignored)}"] if ignored else []
        return f"{self.path} ({self.format}): {'; '.join([*parts, *self.remarks])}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Measurements:
    """Everything that was measured: the tables of each kind, one per file that has the kind.

    Attributes:
        devices: Name of each device; its index is its number in every table.
        notes: What was done with each file.
        warnings: What is implausible in them, one sentence each, with the file.
    """

    pulses: tuple[Pulses, ...] = ()
    cycles: tuple[Cycles, ...] = ()
    reads: tuple[Reads, ...] = ()
    retention: tuple[Retention, ...] = ()
    written: tuple[Written, ...] = ()
    steps: tuple[StepTable, ...] = ()
    lifetimes: tuple[Lifetimes, ...] = ()
    sweeps: tuple[Sweeps, ...] = ()
    devices: tuple[str, ...] = ()
    notes: tuple[FileNotes, ...] = ()
    warnings: tuple[str, ...] = ()


def merge(parts: Sequence[Measurements], *, same_devices: bool = False) -> Measurements:
    """The measurements of several files as one.

    Args:
        parts: In the order of the files. Not modified.
        same_devices: False: the devices of each part are others, and their numbers are made
            disjoint. True: devices of one name are one device, in whichever part they are.

    Returns:
        All tables, with devices renumbered and `Reads.series` made disjoint between tables.
    """
    numbers: dict[tuple[int, str], int] = {}
    tables: dict[str, list[Any]] = {name: [] for name in KINDS}
    series = 0
    for i, part in enumerate(parts):
        keys = [(0 if same_devices else i, name) for name in part.devices]
        new = np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)
        for name in KINDS:
            tables[name] += [_renumbered(table, new) for table in getattr(part, name)]
    for k, reads in enumerate(tables["reads"]):
        tables["reads"][k] = dataclasses.replace(reads, series=reads.series + series)
        series = int(tables["reads"][k].series.max(initial=series - 1)) + 1
    return Measurements(
        devices=tuple(name for _, name in numbers),
        notes=tuple(note for part in parts for note in part.notes),
        warnings=tuple(text for part in parts for text in part.warnings),
        **{name: tuple(merged) for name, merged in tables.items()},
    )


KINDS = ("pulses", "cycles", "reads", "retention", "written", "steps", "lifetimes", "sweeps")


def _renumbered(table: Any, new: Ints) -> Any:
    """A table, of any kind, whose device i is called new[i]."""
    device = new[table.device]
    return dataclasses.replace(table, device=int(device) if device.ndim == 0 else device)
