"""A folder that one command writes to at a time, and that says so while it is not whole.

The command holds a lock on a hidden file of the folder. The system lets go of it when the process
ends, however it ends; the file is left then, and tells the next command that what lies there is of
a command that was killed.
"""

import os
import socket
from pathlib import Path
from typing import BinaryIO, Self

from .atomic import is_partial
from .errors import RunError
from .locking import TAKEN, is_same, lock

MARK = ".unfinished"
MOST_TRIES = 100
LONGEST_HOLDER = 200  # bytes


class Claim:
    """One folder, claimed until the end of a `with` block or `close`.

    A block that ends in an error leaves the mark.

    Attributes:
        folder: It exists.
        is_free: Whether nothing lay there when it was claimed but what a killed command left that
            wrote the same; what another command finished a moment before is seen here.
    """

    def __init__(self, folder: Path, what: str) -> None:
        """Claim a folder, which is made if it is not there.

        Half-written files of a command that was killed are removed.

        Args:
            folder: Which.
            what: What will lie there, see `unfinished`.

        Raises:
            RunError: Another command writes to it, or it cannot be made.
        """
        self.folder, self._made = folder, [p for p in (folder, *folder.parents) if not p.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = _locked(folder / MARK)
        except OSError as e:
            raise RunError(f"{folder} cannot be written: {e.strerror or e}") from e
        self.is_free = is_free(folder, what)
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        self._stream.write(f"{what}\n{holder}\n".encode())
        self._stream.truncate()
        self._stream.flush()
        for path in folder.iterdir():
            if is_partial(path.name):
                path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        """The claim."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Let go of the folder."""
        self.close(is_whole=kind is None)

    def close(self, *, is_whole: bool = True) -> None:
        """Let go of the folder; idempotent.

        Where nothing else lies in it, the folders that were made for it are removed again.

        Args:
            is_whole: Whether the folder holds all that it is to hold; else its mark stays.
        """
        if self._stream.closed:
            return
        mark = self.folder / MARK
        if is_whole or not any(path != mark for path in self.folder.iterdir()):
            mark.unlink(missing_ok=True)
        self._stream.close()
        for folder in self._made:
            try:
                folder.rmdir()
            except OSError:  # something lies in it
                break


def unfinished(folder: Path) -> str | None:
    """What a command writes into a folder, or wrote when it was killed; None where none did."""
    try:
        lines = (folder / MARK).read_bytes().splitlines()
    except OSError:
        return None
    return lines[0].decode(errors="replace") if lines else ""


def contents(folder: Path) -> list[Path]:
    """What lies in a folder besides the mark; nothing where there is none.

    Raises:
        OSError: It is no folder, or cannot be read.
    """
    return [path for path in folder.iterdir() if path.name != MARK] if folder.exists() else []


def is_free(folder: Path, what: str) -> bool:
    """Whether nothing lies in a folder but what a command left that wrote the same.

    Raises:
        OSError: As for `contents`.
    """
    return unfinished(folder) == what or not contents(folder)


def _locked(path: Path) -> BinaryIO:
    """The file, with the lock on it; the one that lies there, not one that was just removed.

    Raises:
        RunError: Another process holds it.
        OSError: It cannot be opened.
    """
    for _ in range(MOST_TRIES):
        stream = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
        try:
            lock(stream)
            if is_same(stream, path):  # else whoever held it has just finished
                return stream
        except OSError as e:
            _, *holder = stream.read(LONGEST_HOLDER).decode(errors="replace").splitlines() or [""]
            stream.close()
            if e.errno not in TAKEN:
                raise
            who = ", ".join(holder) or "it has just begun"
            raise RunError(f"{path.parent} is being written by another command ({who})") from None
        stream.close()
    raise RunError(f"{path.parent} is being written by other commands")
