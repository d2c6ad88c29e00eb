"""Locks on files, which die with the process that holds them, however it ends."""

import errno
import os
import sys
from pathlib import Path
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
FAR = 1 << 20


def lock(stream: BinaryIO) -> bool:
    """Lock a file for this process until it is closed.

    Returns:
        Whether it is locked: not on a file system without locks.

    Raises:
        OSError: Another process holds the lock: one of `TAKEN`.
    """
    if sys.platform == "win32":
        stream.seek(FAR)  # who reads the beginning is not kept out
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        stream.seek(0)
        return True
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as e:
        if e.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
            raise
        return False
    return True


def is_same(stream: BinaryIO, path: Path) -> bool:
    """Whether an open file still is the one at a path."""
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False
