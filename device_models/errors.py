"""One error class per thing the user can do about it.

An error takes one argument, the message: what was found, where, what is allowed and what did not
happen. (A second argument would break unpickling, and with it every pool of processes.)
"""

from collections.abc import Iterator
from contextlib import contextmanager

from .printable import printable


class XbarError(Exception):
    """Base class; the CLI turns it into one message and this exit code, never a traceback."""

    exit_code = 2

    def __str__(self) -> str:
        """The message; it may repeat what files and their names say."""
        return printable(super().__str__())


class ConfigError(XbarError):
    """A file, option or parameter is wrong: edit it and run again."""


class CalibrationError(XbarError):
    """Asked outside what was measured: ask for less, or bring other data."""


class LimitError(XbarError, ValueError):
    """Could harm the device; refused before anything was sent."""


class ShapeError(XbarError, ValueError):
    """Two arrays that must describe the same devices do not: mend the calling code."""


class DataError(XbarError):
    """A data file is missing, truncated or not what its checksum says: fetch it again."""


class RunError(XbarError):
    """A run directory is not what the command needs: name another, or run again."""


class BoardError(XbarError):
    """The driver of a board answers what no board may: mend the driver."""


class HardwareError(XbarError):
    """Cable, instrument or board: look at it and try again."""

    exit_code = 3


def says_consequence(message: str) -> bool:
    """Whether a message says what did not happen."""
    return "nothing was" in message or "no report was" in message


@contextmanager
def consequence(nothing: str) -> Iterator[None]:
    """Let every error inside end in what did not happen, unless it says so already.

    Args:
        nothing: For example `nothing was written`.

    Raises:
        XbarError: That of the block, of its class.
    """
    try:
        yield
    except XbarError as e:
        if says_consequence(str(e)):
            raise
        raise type(e)(f"{e}; {nothing}") from e
