"""What npz files raise that are damaged, and what a message says of them."""

import zlib
from zipfile import BadZipFile

UNREADABLE = (
    OSError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, BadZipFile,
    zlib.error, NotImplementedError,
)  # fmt: skip


def reason(error: Exception) -> str:
    """What an error says, in one line.

    Of a file that is no archive of arrays numpy says how it could be unpickled: left out, because
    nothing here unpickles.
    """
    text = " ".join(str(error).split()) or type(error).__name__
    return "it holds something else than arrays of numbers" if "pickle" in text.lower() else text
