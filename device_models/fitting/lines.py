"""Files of text as rows: plain or gzipped, any line ends.

Text is UTF-8 or UTF-16. A file that is neither is one of Windows-1252, as Windows programs write
degree signs and micro signs, or of Shift-JIS, as they write Japanese; it must have been plain ASCII
up to its first such byte.
"""

import codecs
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

from ..errors import DataError

GZIP_MAGIC = b"\x1f\x8b"
UTF8_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
WINDOWS, JAPANESE = "cp1252", "cp932"
ENCODINGS = {WINDOWS: "Windows-1252", JAPANESE: "Shift-JIS"}  # of text that is not UTF
# Two bytes of one character: in Windows-1252 a quotation mark with a letter that has an accent.
PAIR = re.compile(rb"[\x81-\x9f][\x80-\xfc]")
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
        columns: What the user calls the columns.
        encoding: "utf-8" (also of UTF-16), or one of `ENCODINGS`.
    """

    raw: bytes
    lines: tuple[str, ...]
    columns: tuple[str, ...] = ()
    encoding: str = "utf-8"


def head(path: Path, columns: tuple[str, ...] = ()) -> Head:
    """The beginning of a file.

    Raises:
        DataError: It cannot be read, or its gzip data are damaged right there.
    """
    with opened(path) as stream:
        raw = _read(stream, path, HEAD_BYTES, 1)
    encoding = _encoding(raw, cut=len(raw) == HEAD_BYTES)
    text = _plain_ends(raw.removeprefix(UTF8_BOM)).decode(encoding, "replace")
    return Head(raw, tuple(text.split("\n")), columns, encoding)


def chunks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a text file, many at a time.

    Yields:
        Number of the first row (the file's first is 1), and rows without their ends.

    Raises:
        DataError: The file cannot be read, its gzip data are truncated or damaged or unpack to more
            than `most_bytes`, or a row is too long or in no known encoding. The rows before have
            been yielded.
    """
    row, remainder, done, encoding, plain = 1, b"", 0, "utf-8", True
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
                encoding = _encoding(whole) if plain else encoding
                rows = _decoded(whole, path, row, encoding).split("\n")
                plain = plain and whole.removeprefix(UTF8_BOM).isascii()
                yield row, rows
                row += len(rows)
    if remainder:
        last = _plain_ends(remainder)
        encoding = _encoding(last) if plain else encoding
        yield row, _decoded(last, path, row, encoding).removesuffix("\n").split("\n")


def _encoding(raw: bytes, *, cut: bool = False) -> str:
    """The encoding of bytes: of `ENCODINGS` if the first that is not ASCII is not UTF-8 either.

    Args:
        raw: Of the beginning of a file, or after plain ASCII.
        cut: Whether its last character may be cut.
    """
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        whole = not (cut and error.start > len(raw) - 4)
        if whole and not raw.startswith(UTF8_BOM) and raw[: error.start].isascii():
            return JAPANESE if _is_japanese(raw, cut=cut) else WINDOWS
    return "utf-8"


def _is_japanese(raw: bytes, *, cut: bool) -> bool:
    """Whether bytes that are no UTF-8 are Shift-JIS, with characters that no other country has."""
    if not PAIR.search(raw):
        return False
    try:
        codecs.getincrementaldecoder(JAPANESE)().decode(raw, final=not cut)
    except UnicodeDecodeError:
        return False
    return True


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
            start = stream.read(4)
            stream.seek(0)
            if wide := _utf_16(start):
                yield cast("IO[bytes]", codecs.EncodedFile(stream, "utf-8", wide))
            else:
                packed = start[:2] == GZIP_MAGIC
                yield cast("IO[bytes]", gzip.GzipFile(fileobj=stream)) if packed else stream
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}; nothing was read") from error


def _utf_16(start: bytes) -> str:
    """The kind of UTF-16 by four bytes: its mark, or two ASCII characters without one; else ""."""
    if start[:2] in UTF16_BOMS:
        return "utf-16"
    zeros = [byte == 0 for byte in start]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False, True, False] else ""


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


def _decoded(raw: bytes, path: Path, first_row: int, encoding: str) -> str:
    """Rows as text; one that is not of the encoding is named."""
    try:
        return (raw.removeprefix(UTF8_BOM) if first_row == 1 else raw).decode(encoding)
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        row = first_row + before.count(b"\n")
        line = before[before.rfind(b"\n") + 1 :]
        column = 1 + sum(line.count(mark) for mark in (b",", b";", b"\t"))
        raise DataError(
            f"{path}: row {row}, column {column}: byte 0x{error.object[error.start]:02x} is "
            f"neither UTF-8 nor {ENCODINGS.get(encoding, 'Windows-1252')}; save the file as UTF-8; "
            "nothing was read"
        ) from error
