"""Bytes of a stream -> program messages: lines, whose binary blocks may hold line ends.

A block is `#`, a digit n, n digits that give its length, and its bytes. Its length is known before
its bytes arrive, so what is too long is refused before any memory is spent on it.
"""

import re

from .errors import ScpiError

LINE = 64 * 1024  # bytes of a message besides its blocks
BLOCKS = 16 * 1024 * 1024  # bytes of the blocks of a message
_END, _HASH = 10, 35
_SPECIAL, _LINE_END = re.compile(rb"[\n\"'#]"), re.compile(rb"\n")


class Unframed(Exception):
    """A block is too long: commands can no longer be told from data; close the connection."""


class Framer:
    """Cuts what one client sends into messages."""

    def __init__(self, line: int = LINE, blocks: int = BLOCKS) -> None:
        """Start between two messages.

        Args:
            line: Largest message without its blocks, bytes.
            blocks: Largest sum of its blocks, bytes.
        """
        self._line, self._blocks = line, blocks
        self._buffer, self._next = bytearray(), 0
        self._quote, self._in_blocks, self._is_dropping = 0, 0, False

    @property
    def size(self) -> int:
        """Bytes held of a message that is not complete."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[bytes | ScpiError]:
        """The messages that `data` completes, without their line ends, or why one is dropped.

        Raises:
            Unframed: A block is longer than is allowed; nothing after it can be understood.
        """
        self._buffer += data
        messages: list[bytes | ScpiError] = []
        while (end := self._scan()) is not None:
            is_short = end - self._in_blocks <= self._line
            if not self._is_dropping:
                message = bytes(self._buffer[:end]).removesuffix(b"\r")
                messages.append(message if is_short else self._too_long())
            self._forget(end + 1)
            self._is_dropping = False
        if self._next - self._in_blocks > self._line:
            if not self._is_dropping:
                messages.append(self._too_long())
            self._forget(len(self._buffer))
            self._is_dropping = True
        return messages

    def _too_long(self) -> ScpiError:
        """Why a message is dropped."""
        return ScpiError(-363, f"a line has more than {self._line} bytes; it was dropped")

    def _forget(self, end: int) -> None:
        """Drop the start of the buffer; a new message begins."""
        del self._buffer[:end]
        self._next, self._quote, self._in_blocks = 0, 0, 0

    def _scan(self) -> int | None:
        """Where the message ends; None if that has not arrived."""
        buffer, size = self._buffer, len(self._buffer)
        while self._next < size:
            byte = buffer[self._next]
            if byte == _END:
                return self._next
            if self._is_dropping or byte not in b"\"'#":
                self._next = self._skip()
            elif byte != _HASH:
                self._quote = 0 if self._quote == byte else self._quote or byte
                self._next += 1
            elif self._quote:
                self._next += 1
            elif not self._pass_block():
                return None
        return None

    def _skip(self) -> int:
        """The next place that matters."""
        wanted = _LINE_END if self._is_dropping else _SPECIAL
        match = wanted.search(self._buffer, self._next)
        return len(self._buffer) if match is None else match.start()

    def _pass_block(self) -> bool:
        """Go over a block, or over a `#` that begins none; False while its header is not there."""
        head = bytes(self._buffer[self._next + 1 : self._next + 11])
        digits = head[0] - 48 if head else -1
        if not head:
            return False
        if not 1 <= digits <= 9:
            self._next += 1
            return True
        given = head[1 : 1 + digits]
        if given and not given.isdigit():
            self._next += 1
            return True
        if len(given) < digits:
            return False
        length = int(given)
        if self._in_blocks + length > self._blocks:
            raise Unframed
        self._in_blocks += length
        self._next += 2 + digits + length
        return True
