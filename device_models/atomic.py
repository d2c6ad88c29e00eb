"""Files that are whole or absent: a reader, a crash or a full disk never meets half of one."""

import os
import secrets
from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Replace the file at `path`: write beside it, flush to the disk, rename.

    Args:
        path: In a folder that exists.
        content: The whole file.

    Raises:
        OSError: It cannot be written, for example on a full disk; what was there is untouched.
    """
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


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power cut; a no-op where folders cannot be opened."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
