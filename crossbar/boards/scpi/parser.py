"""Program messages -> commands with their parameters, as IEEE 488.2 and SCPI-99 write them.

Pure: text in, values out. What headers there are, and what their parameters mean, is known to the
instrument alone.
"""

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from .errors import ScpiError


class Number(NamedTuple):
    """Decimal or `#H`, `#Q`, `#B` data with what follows it, in upper case: `1.5`, `MV`."""

    value: float
    suffix: str = ""


class Word(NamedTuple):
    """Character data, in upper case: `ON`, `MAXIMUM`."""

    text: str


class Text(NamedTuple):
    """What stands between quotes."""

    text: str


class Block(NamedTuple):
    """Definite-length arbitrary data."""

    data: bytes


class ChannelRange(NamedTuple):
    """All channels between two corners, (word line, bit line) each, both included."""

    first: tuple[int, int]
    last: tuple[int, int]


class Channels(NamedTuple):
    """A channel list, `(@1!2,3!0:4!7)`."""

    ranges: tuple[ChannelRange, ...]


Value = Number | Word | Text | Block | Channels


class Unit(NamedTuple):
    """One command or query of a message.

    Attributes:
        header: In upper case from the root, without a colon before it: `SOUR:VOLT`, `*RST`.
        is_query: Whether a question mark follows.
        parameters: What was given.
    """

    header: str
    is_query: bool
    parameters: tuple[Value, ...]


RANGES = 1024  # most ranges of one channel list
MNEMONIC = 12  # characters, IEEE 488.2
DIGITS, EXPONENT = 255, 32_000  # most of a number, IEEE 488.2
_SPACE = rb"[\x00-\x09\x0b-\x20]"
_SPACES = re.compile(_SPACE + rb"*")
_HEADER = re.compile(rb"(:?\*[A-Za-z]+|:?[A-Za-z]\w*(?::[A-Za-z]\w*)*)(\??)", re.ASCII)
_NUMBER = re.compile(
    rb"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))"
    rb"(?:" + _SPACE + rb"*[eE]" + _SPACE + rb"*([+-]?[0-9]+))?"
    rb"(?:" + _SPACE + rb"*(/?[A-Za-z][A-Za-z0-9/.]*))?"
)
_RADIX = re.compile(rb"#(?:[Hh]([0-9A-Fa-f]+)|[Qq]([0-7]+)|[Bb]([01]+))")
_WORD = re.compile(rb"[A-Za-z]\w*", re.ASCII)
_TEXT = re.compile(rb"'((?:[^']|'')*)'|\"((?:[^\"]|\"\")*)\"")
_CHANNEL = rb"([0-9]{1,9})!([0-9]{1,9})"
_RANGE = re.compile(_CHANNEL + rb"(?::" + _CHANNEL + rb")?")
_LIST = re.compile(rb"\(" + _SPACE + rb"*@([0-9!:,\x00-\x09\x0b-\x20]*)\)")


def parse(message: bytes) -> Iterator[Unit]:
    """The commands of a message in their order, each with its header from the root.

    After `;` a header that begins with no colon goes on in the path of the one before it: after
    `SOUR:VOLT 1`, `LIM 2` is `SOUR:LIM 2`. Common commands (`*CLS`) leave the path alone.

    Raises:
        ScpiError: At the first command that cannot be read; those before it were handed out.
    """
    place, path = _SPACES.match(message).end(), ""  # type: ignore[union-attr]  # matches anything
    while place < len(message):
        if message[place : place + 1] == b";":
            place = _after_spaces(message, place + 1)
            continue
        typed, is_query, place = _header(message, place)
        parameters, place = _parameters(message, place)
        header = typed.lstrip(":") if typed.lstrip(":*") != typed else path + typed
        if not header.startswith("*"):
            path = header[: header.rfind(":") + 1]
        yield Unit(header, is_query, parameters)


def _after_spaces(message: bytes, place: int) -> int:
    """Where the next thing stands."""
    match = _SPACES.match(message, place)
    return place if match is None else match.end()


def _header(message: bytes, place: int) -> tuple[str, bool, int]:
    """A header as typed, in upper case, whether it asks, and where it ends."""
    match = _HEADER.match(message, place)
    if match is None:
        raise ScpiError(-101, f"no command begins with {_shown(message, place)}")
    typed, end = match[1].decode().upper(), match.end()
    if max(map(len, typed.lstrip("*").split(":"))) > MNEMONIC:
        raise ScpiError(-112, f"{typed[:40]}: a mnemonic has at most {MNEMONIC} characters")
    if end < len(message) and not re.match(_SPACE + b"|;", message[end : end + 1]):
        raise ScpiError(-103, f"{typed[:40]} is followed by {_shown(message, end)}")
    return typed, bool(match[2]), end


def _parameters(message: bytes, place: int) -> tuple[tuple[Value, ...], int]:
    """What follows a header up to `;` or the end, and where that is."""
    values: list[Value] = []
    place = _after_spaces(message, place)
    while place < len(message) and message[place : place + 1] != b";":
        value, place = _value(message, place)
        values.append(value)
        place = _after_spaces(message, place)
        after = message[place : place + 1]
        if after == b",":
            place = _after_spaces(message, place + 1)
            if place == len(message) or message[place : place + 1] == b";":
                raise ScpiError(-109, "nothing follows a comma")
        elif after not in (b"", b";"):
            raise ScpiError(-103, f"a parameter is followed by {_shown(message, place)}")
    return tuple(values), place


def _value(message: bytes, place: int) -> tuple[Value, int]:
    """One parameter, and where it ends."""
    first = message[place : place + 1]
    if first == b"#":
        return _hash(message, place)
    if first == b"(":
        return _channels(message, place)
    if first in (b"'", b'"'):
        return _text(message, place)
    if match := _WORD.match(message, place):
        return Word(match[0].decode().upper()), match.end()
    if match := _NUMBER.match(message, place):
        return _number(match), match.end()
    raise ScpiError(-102, f"no parameter begins with {_shown(message, place)}")


def _number(match: re.Match[bytes]) -> Number:
    """A decimal number; one beyond the range of 64 bits is refused."""
    digits, exponent = match[1].decode(), int((match[2] or b"0")[:8])
    if len(digits) > DIGITS:
        raise ScpiError(-124, f"a number has at most {DIGITS} digits")
    if abs(exponent) > EXPONENT:
        raise ScpiError(-123, f"an exponent is at most {EXPONENT}")
    value = float(f"{digits}e{exponent}")
    if math.isinf(value):
        raise ScpiError(-123, f"{digits[:40]}E{exponent} is beyond the range of 64 bits")
    return Number(value, (match[3] or b"").decode().upper())


def _text(message: bytes, place: int) -> tuple[Text, int]:
    """A string; its quote is doubled inside."""
    match = _TEXT.match(message, place)
    if match is None:
        raise ScpiError(-151, "a string is not closed")
    quote = message[place : place + 1]
    inside = match[0][1:-1].replace(quote * 2, quote)
    return Text(inside.decode("latin-1")), match.end()


def _hash(message: bytes, place: int) -> tuple[Value, int]:
    """A block, or a number of another base."""
    if match := _RADIX.match(message, place):
        for digits, base in zip(match.groups(), (16, 8, 2), strict=True):
            if digits is not None and len(digits) * math.log2(base) <= 64:
                return Number(float(int(digits, base))), match.end()
        raise ScpiError(-124, "a number that is not decimal has at most 64 bits")
    head = re.compile(rb"#([1-9])").match(message, place)
    start = place + 2 + (int(head[1]) if head else 0)
    digits = message[place + 2 : start]
    if head is None or not digits.isdigit() or len(digits) < int(head[1]):
        raise ScpiError(-161, "a block begins with #, a digit n and n digits of its length")
    end = start + int(digits)
    if end > len(message):
        raise ScpiError(-161, f"a block of {int(digits)} bytes ends after {len(message) - start}")
    return Block(message[start:end]), end


def _channels(message: bytes, place: int) -> tuple[Channels, int]:
    """A channel list; white space in it means nothing."""
    match = _LIST.match(message, place)
    if match is None:
        raise ScpiError(-171, "a channel list looks like (@0!1,2!0:3!31), word!bit from 0")
    parts = re.sub(_SPACE, b"", match[1]).split(b",")
    if len(parts) > RANGES:
        raise ScpiError(-223, f"a channel list has at most {RANGES} ranges, not {len(parts)}")
    ranges = [_RANGE.fullmatch(part) for part in parts]
    if parts == [b""]:
        return Channels(()), match.end()
    corners = []
    for part, corner in zip(parts, ranges, strict=True):
        if corner is None:
            raise ScpiError(-171, f"{_shown(part, 0)} is no channel; one is word!bit, from 0")
        word, bit, last_word, last_bit = (None if n is None else int(n) for n in corner.groups())
        first = word or 0, bit or 0
        last = first if last_word is None else (last_word, last_bit or 0)
        corners.append(ChannelRange(first, last))
    return Channels(tuple(corners)), match.end()


def _shown(message: bytes, place: int) -> str:
    """A few characters for an error."""
    return repr(message[place : place + 16].decode("ascii", "replace"))


def block(data: bytes | memoryview) -> bytes:
    """Definite-length arbitrary data: `#`, how many digits, the length, the bytes."""
    length = str(len(data))
    return f"#{len(length)}{length}".encode() + bytes(data)


def quoted(text: str) -> str:
    """A string with its quotes."""
    return '"' + text.replace('"', '""') + '"'
