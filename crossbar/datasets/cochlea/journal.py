"""What is converted, recording by recording, in a file that survives any end of the process.

A line that names what is converted, then for each recording four uint32 (its number, spikes, spikes
of fibres, CRC-32 of what follows and of the three numbers), times and units as uint16, all
little-endian. A record that was cut short is cut off when the file is opened again.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from device_models.errors import ConfigError
from device_models.locking import TAKEN, lock

from .model import Spikes

HEAD = struct.Struct("<IIII")
MOST_SPIKES = 1 << 20  # of a recording: 700 channels, one spike a millisecond, 1.5 s


class Journal:
    """Recordings that are converted.

    Args:
        stream: An open file, locked.
        first_line: What is converted, and a line end.

    Attributes:
        spikes: Number of a recording -> its spikes.
    """

    def __init__(self, stream: BinaryIO, first_line: bytes) -> None:
        """Read what is there."""
        self._stream = stream
        self.spikes: dict[int, Spikes] = {}
        stream.seek(0)
        if stream.readline(len(first_line)) != first_line:
            stream.seek(0)
            stream.truncate()
            stream.write(first_line)
            stream.flush()
        end = stream.tell()
        for number, spikes in _records(stream):
            self.spikes[number] = spikes
            end = stream.tell()
        stream.seek(end)
        stream.truncate()

    def add(self, number: int, spikes: Spikes) -> None:
        """Append a recording."""
        body = spikes.times.astype("<u2").tobytes() + spikes.units.astype("<u2").tobytes()
        numbers = number, len(spikes.times), spikes.fibres
        self._stream.write(HEAD.pack(*numbers, _crc(numbers, body)) + body)
        self._stream.flush()
        self.spikes[number] = spikes


@contextmanager
def opened(path: Path, first_line: bytes) -> Iterator[Journal]:
    """The journal at a path, new where there is none.

    Raises:
        ConfigError: Another process writes it, or it is of other recordings or another seed.
    """
    with path.open("a+b") as stream:
        try:
            lock(stream)
        except OSError as e:
            if e.errno not in TAKEN:
                raise
            raise ConfigError(f"{path} is being written by another process") from e
        stream.seek(0)
        there = stream.readline(len(first_line))
        if len(there) == len(first_line) and there != first_line:
            raise ConfigError(
                f"{path} is of other recordings, another seed or another version; remove it, or "
                "name another --out"
            )
        yield Journal(stream, first_line)


def _records(stream: BinaryIO) -> Iterator[tuple[int, Spikes]]:
    """The whole records that follow."""
    while len(head := stream.read(HEAD.size)) == HEAD.size:
        number, count, fibres, crc = HEAD.unpack(head)
        body = stream.read(4 * count) if count <= MOST_SPIKES else b""
        if len(body) != 4 * count or _crc((number, count, fibres), body) != crc:
            return
        times, units = np.frombuffer(body, "<u2").reshape(2, count).astype(np.uint16)
        yield number, Spikes(times, units, fibres)


def _crc(numbers: tuple[int, int, int], body: bytes) -> int:
    """Checksum of a record."""
    return zlib.crc32(body, zlib.crc32(struct.pack("<III", *numbers)))
