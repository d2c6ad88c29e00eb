"""Files that are whole or absent: a reader, a crash or a full disk never meets half of one."""

import errno
import os
import secrets
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Replace the file at `path`: write beside it, flush to the disk, rename.

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
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    _sync_folder(path.parent)


def can_be_written(folder: Path) -> bool:
    """Whether files can be made in a folder, which need not exist yet."""
    try:
        above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError:  # no folder that this user may look into
        return False
    return above.is_dir() and os.access(above, os.W_OK | os.X_OK)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut; a no-op where folders cannot be opened."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
