"""An append-only file of what was done to an array since its last snapshot.

A record is `XBJ1`, its length and the CRC-32 of its content (4 bytes each, least byte first), then
the content: one line of JSON and the arrays that it names. A record says how much of the file was
safe on the disk when it was written. A power cut may leave anything beyond that, which nobody was
told of: it is left out. What does not fit before a place that a later record calls safe is damage,
and refused.
"""

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NotRequired, TypedDict

import numpy as np

from device_models.errors import DataError
from device_models.typed_json import checked, parse

from ..limits import MOST_PULSES, MOST_SECONDS, MOST_VOLTS
from ..protocol import PulseBatch, PulseShape

_MAGIC = b"XBJ1"
_HEAD = struct.Struct("<4sII")


class Pulsing(NamedTuple):
    """Pulses that were about to be sent, and the counters before them."""

    pulses: PulseBatch
    shape: PulseShape | None
    counters: dict[str, Any]


class Waiting(NamedTuple):
    """Device time that was about to pass, and the counters before it."""

    seconds: float
    temperature_kelvin: float | None
    counters: dict[str, Any]


class Sticking(NamedTuple):
    """Devices that were about to get stuck, siemens each, or to be healed (nan)."""

    device: np.ndarray
    siemens: np.ndarray
    counters: dict[str, Any]


Event = Pulsing | Waiting | Sticking


class _About(TypedDict):
    """The line of JSON of a record, of any kind of event."""

    counters: dict[str, float]
    safe: int
    seconds: NotRequired[float]
    kelvin: NotRequired[float | None]
    stuck: NotRequired[int]
    devices: NotRequired[int]
    shape: NotRequired[tuple[Any, ...]]


class Journal:
    """The file, open for writing. What was appended is safe after `sync`."""

    def __init__(self, path: Path) -> None:
        """Make an empty file that lasts."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
        self.path, self.size = path, 0
        self._file: int | None = os.open(path, flags, 0o644)
        self._safe, self._is_sound = -1, True
        self.sync()

    def append(self, event: Event) -> None:
        """Write a record at the end; see `sync`.

        Raises:
            OSError: It cannot be written; the file is as it was before, or takes no more.
        """
        if self._file is None or not self._is_sound:
            raise OSError(5, "the journal cannot be written; DIAG:EMUL:SNAP begins a new one")
        content = encoded(event, self._safe)
        record = _HEAD.pack(_MAGIC, len(content), zlib.crc32(content)) + content
        try:
            left = memoryview(record)
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            self._is_sound = False
            os.ftruncate(self._file, self.size)
            os.lseek(self._file, self.size, os.SEEK_SET)
            self._is_sound = True
            raise
        self.size += len(record)

    def sync(self) -> None:
        """Make all records last through a power cut; cheap where there is nothing new.

        Raises:
            OSError: They may be lost: what they say must not be acknowledged.
        """
        if self._safe == self.size or self._file is None:
            return
        try:
            os.fsync(self._file)
        except OSError:
            self._is_sound = False
            raise
        self._safe = self.size

    def close(self) -> None:
        """Sync and close; idempotent."""
        if self._file is not None:
            try:
                self.sync()
            finally:
                os.close(self._file)
                self._file = None


def encoded(event: Event, safe: int) -> bytes:
    """The content of a record; `safe` is how many bytes before it are on the disk."""
    about: dict[str, Any] = {"counters": event.counters, "safe": safe}
    if isinstance(event, Waiting):
        about |= {"seconds": event.seconds, "kelvin": event.temperature_kelvin}
        return json.dumps(about).encode() + b"\n"
    if isinstance(event, Sticking):
        about |= {"stuck": len(event.device)}
        line = json.dumps(about).encode() + b"\n"
        return line + _bytes(event.device, "<i4") + _bytes(event.siemens, "<f8")
    arrays = [np.asarray(event.pulses.device, "<i4"), np.asarray(event.pulses.count, "<i4")]
    about["devices"] = len(arrays[0])
    if event.shape is not None:
        about["shape"] = []
        for value in event.shape:
            is_array = isinstance(value, np.ndarray) and value.ndim > 0
            about["shape"].append("array" if is_array else None if value is None else float(value))
            if is_array:
                arrays.append(np.asarray(value, "<f8"))
    return json.dumps(about).encode() + b"\n" + b"".join(array.tobytes() for array in arrays)


def _bytes(values: np.ndarray, dtype: str) -> bytes:
    """Numbers one after another."""
    return np.asarray(values, dtype).tobytes()


def decoded(content: bytes) -> Event:
    """The event of a record.

    Raises:
        ValueError, KeyError: There is none.
    """
    line, _, data = content.partition(b"\n")
    about: _About = checked(_About, parse(line), "a record", finite=False)
    counters = about["counters"]
    if (seconds := about.get("seconds")) is not None:
        return Waiting(seconds, about.get("kelvin"), counters)
    size, start = about["stuck" if "stuck" in about else "devices"], 0

    def take(dtype: str) -> np.ndarray:
        nonlocal start
        if not 0 <= size <= (len(data) - start) // np.dtype(dtype).itemsize:
            raise ValueError(f"a record of {size} devices ends after {len(data)} bytes")
        array = np.frombuffer(data, dtype, size, start)
        start += array.nbytes
        return array.astype(dtype[1:])

    if "stuck" in about:
        return Sticking(take("<i4"), take("<f8"), counters)
    pulses = PulseBatch(take("<i4"), take("<i4"))
    if size and np.abs(pulses.count.astype(np.int64)).max() > MOST_PULSES:
        raise ValueError("more pulses of one device than a command sends")
    shape = None
    if "shape" in about:
        values = [take("<f8") if v == "array" else _number(v) for v in about["shape"]]
        # A journal of before has no compliance.
        shape = PulseShape(**dict[str, Any](zip(PulseShape._fields, values, strict=False)))
        for value, most in zip(shape, (MOST_VOLTS, MOST_SECONDS, np.inf), strict=True):
            each = np.asarray(most if value is None else value)
            if not ((each > 0.0) & (each <= most)).all():
                raise ValueError("a pulse beyond what any limit lets through")
    return Pulsing(pulses, shape, counters)


def _number(value: Any) -> float | None:
    """A number of a shape; None is the board's own."""
    number: float | None = checked(float | None, value, "a pulse", finite=False)
    return number


def events(path: Path) -> Iterator[Event]:
    """All that a journal holds, oldest first, up to where a crash left it incomplete.

    Raises:
        DataError: A record is damaged, and a later one says that it was safe on the disk.
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        place = 0
        while (content := _record(file, size)) is not None:
            yield decoded(content)
            place = file.tell()
        file.seek(place)
        rest = file.read()
    start = rest.find(_MAGIC)
    while start >= 0:
        content = _record(io.BytesIO(rest[start:]), size)
        if content is not None and parse(content.partition(b"\n")[0])["safe"] > place:
            raise DataError(f"{path} is damaged at byte {place}; nothing was served")
        start = rest.find(_MAGIC, start + 1)


def _record(file: BinaryIO, most: int) -> bytes | None:
    """The content of the next record; None where there is no whole one of at most so many bytes."""
    head = file.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    magic, length, crc = _HEAD.unpack(head)
    content = file.read(length) if magic == _MAGIC and length <= most else b""
    is_whole = len(content) == length and zlib.crc32(content) == crc and length > 0
    return content if is_whole else None
