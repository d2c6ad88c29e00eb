"""Arrays out of npz files that anyone may have written: no code runs, no size is believed."""

import io
import math
import struct
import tokenize
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy

UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, BadZipFile,
    zlib.error, NotImplementedError, RuntimeError, MemoryError, OverflowError, SyntaxError,
    struct.error, tokenize.TokenError,
)  # fmt: skip
LONGEST_REASON = 300  # characters
MOST_BYTES = 1 << 32
# A deflated file of zeros is a thousandth of them; arrays of a run shrink to a fifth at best.
LITTLE_BYTES, MOST_GROWTH = 1 << 28, 50


def read(source: Path | bytes, only: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of an npz file by name; sizes are compared before memory is taken.

    Args:
        source: The file, or its content.
        only: Names of those that are read, all of them in the file; None for all.

    Raises:
        UNREADABLE: It is no such file, is damaged, or holds more than such files do.
    """
    with ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
        members = archive.infolist()
        size = sum(member.file_size for member in members)
        packed = sum(member.compress_size for member in members)
        most = min(MOST_BYTES, max(LITTLE_BYTES, MOST_GROWTH * packed))
        if size > most:
            raise ValueError(f"its arrays take {size:.3g} bytes, at most {most:.3g} are read")
        sizes = {member.filename.removesuffix(".npy"): member for member in members}
        if len(sizes) < len(members):
            raise ValueError("it holds two arrays of one name")
        arrays = {}
        for name in sizes if only is None else only:
            with archive.open(sizes[name]) as stream:
                arrays[name] = _array(stream, sizes[name].file_size)
        return arrays


def _array(stream: IO[bytes], size: int) -> np.ndarray:
    """The array of an npy file of so many bytes.

    Raises:
        ValueError: Its header and its size do not agree, or it holds something else than numbers.
    """
    version = npy.read_magic(stream)
    read_header = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    if version not in read_header:
        raise ValueError(f"it holds an array of format {version[0]}.{version[1]}")
    shape, is_fortran, dtype = read_header[version](stream)
    if dtype.hasobject or dtype.names is not None:
        raise ValueError("it holds something else than arrays of numbers")
    if math.prod(shape) * dtype.itemsize != size - stream.tell():
        raise ValueError(f"it says {shape} {dtype} of an array of {size - stream.tell()} bytes")
    array = np.empty(math.prod(shape), dtype)
    content, at = array.view(np.uint8).data, 0
    while at < array.nbytes:
        count = stream.readinto(content[at:])  # type: ignore[attr-defined]  # of every zip member
        if not count:
            raise EOFError("it ends in the middle of an array")
        at += count
    stream.read(1)  # the end, where the checksum is compared
    return array.reshape(shape, order="F" if is_fortran else "C")


def reason(error: Exception) -> str:
    """What an error says, in one line; some repeat what a file holds, all of it."""
    text = " ".join(str(error).split()) or type(error).__name__
    if "not a zip" in text:
        return "it holds something else than arrays of numbers"
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."
