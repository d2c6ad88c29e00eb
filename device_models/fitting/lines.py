"""Files of text as rows: plain or gzipped, UTF-8 or (with its mark) UTF-16, any line ends."""

import codecs
import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

from ..errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
HEAD_BYTES = 1 << 16
BLOCK_BYTES = 1 << 18  # some 3000 rows: their cells stay in the processor's cache
LONGEST_ROW = 1 << 20
# A table of measurements shrinks to a tenth; of one that says nothing a thousandth is left.
LITTLE_BYTES, MOST_GROWTH = 1 << 23, 30


class Head(NamedTuple):
    """The beginning of a file, by which its format is recognised.

    Attributes:
        raw: Its first 64 KiB, uncompressed.
        lines: Those bytes as text (wrong characters replaced), without line ends. The last one is
            cut if the file is longer.
        columns: What the user calls the columns of a file without a header.
    """

    raw: bytes
    lines: tuple[str, ...]
    columns: tuple[str, ...] = ()


def head(path: Path, columns: tuple[str, ...] = ()) -> Head:
    """The beginning of a file.

    Raises:
        DataError: It cannot be read, or its gzip data are damaged right there.
    """
    with opened(path) as stream:
        raw = _read(stream, path, HEAD_BYTES, 1)
    text = _plain_ends(raw.removeprefix(UTF8_BOM)).decode("utf-8", "replace")
    return Head(raw, tuple(text.split("\n")), columns)


def chunks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a text file, many at a time.

    Yields:
        Number of the first row (the file's first is 1), and rows without their ends.

    Raises:
        DataError: The file cannot be read, its gzip data are truncated or damaged or unpack to more
            than `most_bytes`, or a row is too long or not UTF-8. The rows before have been yielded.
    """
    row, remainder, done = 1, b"", 0
    with opened(path) as stream:
        most = most_bytes(path, stream)
        while block := _read(stream, path, BLOCK_BYTES, row):
            done += len(block)
            if done > most:
                raise DataError(
                    f"{path}: unpacks to more than {most:,} bytes, which is no table; if it is "
                    "one, unpack it and name the plain file; nothing was read"
                )
            whole, remainder = _cut(remainder + block)
            if len(remainder) > LONGEST_ROW:
                raise DataError(
                    f"{path}: row {row} or a later one has more than {LONGEST_ROW:,} bytes; "
                    "nothing was read"
                )
            if whole is not None:
                rows = _decoded(whole, path, row).split("\n")
                yield row, rows
                row += len(rows)
    if remainder:
        yield row, _decoded(_plain_ends(remainder), path, row).removesuffix("\n").split("\n")


def most_bytes(path: Path, stream: IO[bytes]) -> float:
    """What a file may hold: a plain one as much as it likes, a gzipped one not much more."""
    if not isinstance(stream, gzip.GzipFile):
        return math.inf
    return max(LITTLE_BYTES, MOST_GROWTH * path.stat().st_size)


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The uncompressed bytes of a file; gzip is recognised by content, not by name.

    Raises:
        DataError: The file cannot be opened.
    """
    try:
        with path.open("rb") as stream:
            mark = stream.read(2)
            stream.seek(0)
            if mark in UTF16_BOMS:
                yield cast("IO[bytes]", codecs.EncodedFile(stream, "utf-8", "utf-16"))
            else:
                packed = mark == GZIP_MAGIC
                yield cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if packed else stream
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; nothing was read") from error


def _read(stream: IO[bytes], path: Path, size: int, row: int) -> bytes:
    """Up to `size` bytes; `row` is where they begin, for the message."""
    try:
        return stream.read(size)
    except UnicodeDecodeError as error:
        where = f"{path}: row {row} or a later one"
        raise DataError(f"{where}: not UTF-16 ({error.reason}); nothing was read") from error
    except EOFError as error:
        where = f"{path}: row {row} or a later one"
        raise DataError(
            f"{where}: the gzip data end early (truncated); nothing was read"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        where = f"{path}: row {row} or a later one"
        raise DataError(
            f"{where}: the gzip data are damaged ({error}); nothing was read"
        ) from error


def _cut(block: bytes) -> tuple[bytes | None, bytes]:
    """The whole rows of a block, without the last line end, and what begins the next block."""
    end = block.rfind(b"\n")
    if end < 0:  # line ends of old Macintoshes; a last \r may still be followed by \n
        end = block.rfind(b"\r", 0, -1)
    if end < 0:
        return None, block
    return _plain_ends(block[: end + 1])[:-1], block[end + 1 :]


def _plain_ends(raw: bytes) -> bytes:
    """Rows that end in \\n, whatever they ended in."""
    return raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in raw else raw


def _decoded(raw: bytes, path: Path, first_row: int) -> str:
    """Rows as text; one that is not UTF-8 is named."""
    try:
        return (raw.removeprefix(UTF8_BOM) if first_row == 1 else raw).decode("utf-8")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        row = first_row + before.count(b"\n")
        line = before[before.rfind(b"\n") + 1 :]
        column = 1 + sum(line.count(mark) for mark in (b",", b";", b"\t"))
        raise DataError(
            f"{path}: row {row}, column {column}: byte 0x{error.object[error.start]:02x} is not "
            "UTF-8; save the file as UTF-8; nothing was read"
        ) from error
