"""IDX files, the format of MNIST and its successors, plain or gzipped."""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from device_models.errors import DataError
from device_models.record import shown

GZIP_MAGIC = b"\x1f\x8b"
UINT8 = 0x08
HEAD_BYTES = 4 + 4 * 255  # of an IDX file of as many dimensions as it can say
MOST_SHOWN = 8  # dimensions that an error repeats
MOST_BYTES = 1 << 27  # of a content: several times that of any data set here


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Read one IDX file of bytes; see `parse_idx`.

    Args:
        path: The file, plain or gzipped (told apart by content, not by name).

    Returns:
        The array, uint8, of the shape that the header states; writable.

    Raises:
        DataError: The file cannot be read, or is not one whole IDX file of bytes.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}; nothing was loaded") from error
    return parse_idx(uncompressed(raw, where=str(path)), where=str(path))


def uncompressed(raw: bytes, *, where: str, most_bytes: int = MOST_BYTES) -> bytes:
    """The content of a file that may be gzipped.

    Args:
        raw: The file as it is stored.
        where: Its path or address, for the message.
        most_bytes: Of the content. An IDX file states its size at the beginning: of one that holds
            more than that, one byte more is unpacked, and no memory taken for the rest.

    Raises:
        DataError: It starts like gzip but is cut short or damaged, or unpacks to more.
    """
    if not raw.startswith(GZIP_MAGIC):
        return raw
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as stream:
            head = stream.read(HEAD_BYTES)
            stated = _stated_bytes(head)
            most = most_bytes if stated is None else min(most_bytes, stated + 1)
            content = head + stream.read(max(0, most + 1 - len(head)))
    except (EOFError, OSError, zlib.error) as error:
        state = f"{len(raw)} bytes that start like gzip but are cut short or damaged"
        raise DataError(f"{where}: {state} ({error}); nothing was loaded") from error
    if len(content) > most_bytes:
        raise DataError(
            f"{where}: {len(raw):,} bytes that unpack to more than {most_bytes:,}; "
            "nothing was loaded"
        )
    if stated is not None and len(content) > stated:
        raise DataError(
            f"{where}: unpacks to more than the {shown(stated)} bytes that its header states; "
            "nothing was loaded"
        )
    return content


def _stated_bytes(head: bytes) -> int | None:
    """What a file that begins so takes, if it is an IDX file of bytes; else None."""
    if len(head) < 4 or head[:3] != bytes([0, 0, UINT8]) or len(head) < 4 + 4 * head[3]:
        return None
    return 4 + 4 * head[3] + int(math.prod(struct.unpack_from(f">{head[3]}I", head, 4)))


def parse_idx(content: bytes, *, where: str) -> NDArray[np.uint8]:
    """Decode an uncompressed IDX file of bytes.

    Big-endian header: two zero bytes, one byte type (0x08: uint8), one byte number of dimensions,
    then one uint32 per dimension. The values follow in C order, and nothing follows them.

    Args:
        content: The whole file.
        where: Its path or address, for the message.

    Returns:
        The array, uint8, of the shape that the header states; writable, a copy of `content`.

    Raises:
        DataError: Another magic number, or not exactly as many values as the header states.

    Source:
        Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database", section "The IDX file format".
    """
    if len(content) < 4 or content[:3] != bytes([0, 0, UINT8]) or content[3] == 0:
        first = content[:4].hex(" ") or "no bytes"
        raise DataError(
            f"{where}: starts with {first}, an IDX file of bytes starts with 00 00 08 and its "
            "number of dimensions (not 0); nothing was loaded"
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise DataError(
            f"{where}: {len(content)} bytes, the header alone takes {start}; nothing was loaded"
        )
    shape = struct.unpack(f">{content[3]}I", content[4:start])
    if len(content) - start != math.prod(shape):
        dots = " x ..." if len(shape) > MOST_SHOWN else ""
        sides = " x ".join(map(str, shape[:MOST_SHOWN])) + dots
        stated = f"{shown(math.prod(shape))} values ({sides})"
        raise DataError(
            f"{where}: {len(content) - start} bytes after the header, which states {stated}; "
            "nothing was loaded"
        )
    try:
        return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()
    except ValueError as error:  # more dimensions than numpy has, or an empty array of huge ones
        raise DataError(
            f"{where}: the header states {shown(math.prod(shape))} values in {len(shape)} "
            f"dimensions, which is no array ({error}); nothing was loaded"
        ) from error
