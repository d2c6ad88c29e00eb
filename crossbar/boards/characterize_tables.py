"""What a characterisation saw, as the tables that `xbar fit` reads."""

import csv
import io
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from device_models.errors import RunError

from .protocol import BoardInfo

Floats = NDArray[np.float64]
OPS = ("read", "set", "reset", "train", "write", "relax")
READ, SET, RESET, TRAIN, WRITE, RELAX = range(len(OPS))
HEADER = (
    "op", "word_line", "bit_line", "t_seconds", "v_volts", "width_seconds", "g_siemens",
    "target_siemens", "v_read_volts",
)  # fmt: skip
ARC_ONE = (
    "Wordline", "Bitline", "Resistance", "Amplitude (V)", "Pulse width (s)", "Tag", "ReadTag",
    "ReadVoltage",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Events:
    """What was done to cells, one row per action on one cell, in the order of the actions.

    Attributes:
        op: Index into `OPS`. A train is pulses that were not read in between.
        device: Flat index of the cell.
        t_seconds: Device time of an emulator, clock of a real board.
        v_volts: Signed amplitude, RESET < 0; nan where no pulse was sent.
        width_seconds: Its width; nan likewise.
        g_siemens: What was read afterwards; nan: nothing.
        target_siemens: Of a write; nan otherwise.
    """

    op: NDArray[np.int64]
    device: NDArray[np.int64]
    t_seconds: Floats
    v_volts: Floats
    width_seconds: Floats
    g_siemens: Floats
    target_siemens: Floats

    def __len__(self) -> int:
        """Rows."""
        return len(self.op)

    @classmethod
    def join(cls, parts: "list[Events]") -> Self:
        """Several, one after the other."""
        columns = {
            f.name: np.concatenate([getattr(part, f.name) for part in parts] or [np.empty(0)])
            for f in fields(cls)
        }
        columns |= {name: columns[name].astype(np.int64) for name in ("op", "device")}
        return cls(**columns)

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        """Some rows."""
        return type(self)(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def as_csv(events: Events, info: BoardInfo) -> bytes:
    """The generic long table of `xbar fit`; numbers to the last bit, blank for nan."""
    word, bit = np.divmod(events.device, info.shape[1])
    read = np.where(np.isfinite(events.g_siemens), info.read_volts, np.nan)
    numbers = (
        events.t_seconds, events.v_volts, events.width_seconds, events.g_siemens,
        events.target_siemens, read,
    )  # fmt: skip
    texts = [[_text(x) for x in column.tolist()] for column in numbers]
    names = [OPS[op] for op in events.op.tolist()]
    rows = zip(names, map(str, word.tolist()), map(str, bit.tolist()), *texts, strict=True)
    return _lines([HEADER, *rows])


def from_csv(path: Path, info: BoardInfo) -> Events:
    """Read `as_csv` back.

    Raises:
        RunError: It is no such file, or has no rows.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            header, first, *rows = csv.reader(stream)
        columns = dict(zip(header, zip(first, *rows, strict=True), strict=True))
        line = {n: np.array(columns[n], np.int64) for n in ("word_line", "bit_line")}
        return Events(
            op=np.array([OPS.index(name) for name in columns["op"]], np.int64),
            device=line["word_line"] * info.shape[1] + line["bit_line"],
            **{n: _numbers(columns[n]) for n in HEADER[3:8]},
        )
    except (OSError, ValueError, KeyError, OverflowError, csv.Error) as e:
        raise RunError(f"{path} is no stage of a characterisation: {e}; nothing was sent") from e


def cycles_csv(events: Events, info: BoardInfo) -> bytes:
    """Full cycles, `cycle,lrs_siemens,hrs_siemens`, of trains of SET and RESET that were read."""
    rows: list[tuple[str, ...]] = [("word_line", "bit_line", "cycle", "lrs_siemens", "hrs_siemens")]
    levels = cycle_levels(events)
    for device, pairs in levels.items():
        word, bit = divmod(device, info.shape[1])
        for number, (up, down) in enumerate(pairs.tolist()):
            rows.append((str(word), str(bit), str(number), _text(up), _text(down)))
    return _lines(rows)


def cycle_levels(events: Events) -> dict[int, Floats]:
    """Of each cell, the mean of its reads after each full SET and RESET, siemens, (cycles, 2)."""
    levels = {}
    for device in np.unique(events.device).tolist():
        of_device = events.take(events.device == device)
        read = of_device.op == READ
        train = (np.cumsum(of_device.op == TRAIN) - 1)[read]
        g = np.bincount(train, of_device.g_siemens[read]) / np.bincount(train)
        levels[device] = np.ascontiguousarray(g[: len(g) // 2 * 2].reshape(-1, 2))
    return levels


def arc_one_csv(events: Events, info: BoardInfo, name: str, date: str) -> bytes:
    """Pulses and reads as ArC ONE writes them: lines from 1, ohms, no clock, cell by cell.

    A train has no reading, so there is no row for it: the read after it begins the next ramp.

    Args:
        events: In any order of the cells.
        info: Of the board.
        name: Of the run; the first line.
        date: The second one.
    """
    listed = events.take((events.op <= RESET) & np.isfinite(events.g_siemens))
    listed = listed.take(np.argsort(listed.device, kind="stable"))
    word, bit = np.divmod(listed.device, info.shape[1])
    pulsed = listed.op != READ
    rows: list[tuple[str, ...]] = [(name,), (date,), ARC_ONE]
    for w, b, g, v, t, is_pulse in zip(
        (word + 1).tolist(), (bit + 1).tolist(), listed.g_siemens.tolist(),
        np.where(pulsed, listed.v_volts, 0.0).tolist(),
        np.where(pulsed, listed.width_seconds, 0.0).tolist(), pulsed.tolist(), strict=True,
    ):  # fmt: skip
        ohms = "inf" if g == 0.0 else repr(1.0 / g)
        tag = "P" if is_pulse else "S R"
        rows.append((str(w), str(b), ohms, repr(v), repr(t), tag, "R", repr(info.read_volts)))
    return _lines(rows)


def _lines(rows: list[tuple[str, ...]]) -> bytes:
    """Rows as CSV."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(rows)
    return stream.getvalue().encode()


def _text(value: float) -> str:
    """A number to the last bit; blank for nan."""
    return "" if value != value else repr(value)


def _numbers(texts: tuple[str, ...]) -> Floats:
    """Numbers of a column; nan for blank."""
    return np.array([float(text) if text else np.nan for text in texts], np.float64)
