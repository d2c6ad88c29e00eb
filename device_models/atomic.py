"""Files that are whole or absent: a reader, a crash or a full disk never meets half of one."""

import errno
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from .locking import TAKEN, is_same, lock

IS_WINDOWS = os.name == "nt"
ENDING = ".01234567.part"
PARTIAL = re.compile(r"\..+\.[0-9a-f]{8}\.part")


def write(path: Path, content: bytes) -> None:
    """Replace the file at `path`: write beside it, flush to the disk, rename.

    What a process that was killed meanwhile left beside it is removed.

    Args:
        path: In a folder that exists. Of a symbolic link, what it leads to is replaced.
        content: The whole file.

    Raises:
        OSError: It cannot be written, for example on a full disk; what was there is untouched. Or
            a device or a pipe lies there.
    """
    path = path.resolve()
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    _remove_partials(path)
    try:
        _write(path, content)
    except OSError as e:  # of a file beside it, whose name means nothing to anybody
        raise OSError(e.errno, e.strerror, str(path)) from e
    _sync_folder(path.parent)


def _write(path: Path, content: bytes) -> None:
    """Write a file beside the path, and rename it."""
    partial, stream = _new_partial(path)
    try:
        with stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
            if not IS_WINDOWS:
                partial.replace(path)  # while it is locked
        if IS_WINDOWS:  # an open file cannot be renamed there
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def is_partial(name: str, of: str = "") -> bool:
    """Whether a file of such a name is one that `write` has begun, perhaps of a certain file."""
    return PARTIAL.fullmatch(name) is not None and (not of or name[: -len(ENDING)] == f".{of}")


def _new_partial(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside `path`, locked as long as it is open.

    Raises:
        OSError: It cannot be made.
    """
    while True:
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
        stream = partial.open("wb")
        try:
            lock(stream)
            if is_same(stream, partial):
                return partial, stream
        except OSError as e:
            if e.errno not in TAKEN:
                raise
        stream.close()  # another writer of the same file was faster, and took it for abandoned


def _remove_partials(path: Path) -> None:
    """Remove what writers of a file left that do not live any more, as far as that can be told."""
    with suppress(OSError):
        partials = [p for p in path.parent.iterdir() if is_partial(p.name, path.name)]
        for partial in partials if not IS_WINDOWS else ():
            with suppress(OSError), partial.open("r+b") as stream:
                if lock(stream):
                    partial.unlink()


def can_be_written(folder: Path) -> bool:
    """Whether files can be made in a folder, which need not exist yet."""
    try:
        above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError:  # no folder that this user may look into
        return False
    return above.is_dir() and os.access(above, os.W_OK | os.X_OK)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut; a no-op where folders cannot be opened."""
    if IS_WINDOWS:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
