"""The folder of a new run: that nothing else lies there, and that nobody else takes it."""

import os
from pathlib import Path

from device_models.claim import Claim, is_free
from device_models.errors import RunError

RUN = "run"  # what a folder is claimed for


def check_new(folder: Path) -> None:
    """Refuse a folder that no run can be written to.

    One whose training was killed before its first checkpoint can.

    Raises:
        RunError: It holds something else, or cannot be made.
    """
    if (folder / "checkpoint.npz").exists():
        raise RunError(
            f"{folder} is a run already; continue it with --resume {folder} or choose "
            "another --out; nothing was written"
        )
    check_free(folder, RUN)


def check_free(folder: Path, what: str) -> None:
    """Refuse a folder that holds something, or cannot be made; see `claim.is_free`.

    Raises:
        RunError: It is one.
    """
    try:
        if folder.exists() and not (folder.is_dir() and is_free(folder, what)):
            raise RunError(
                f"{folder} exists and is not a {what}; choose another --out; nothing was written"
            )
    except OSError as e:
        raise RunError(f"{folder}: {e.strerror or e}; nothing was written") from e
    above = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    if not (above.is_dir() and os.access(above, os.W_OK)):
        raise RunError(
            f"{folder} cannot be made, because {above} is no folder that can be written; "
            "nothing was written"
        )


def claim_new(out: Path | None, default: Path) -> Claim:
    """Claim the folder of a new run: `out`, or the default one with a number where that exists.

    Raises:
        RunError: As for `check_new`, or another command writes to `out`.
    """
    while out is None:
        folder = free_folder(default)
        check_new(folder)
        try:
            return Claim(folder, RUN)
        except RunError:
            if not folder.exists():  # it was not another command that was faster
                raise
    check_new(out)
    claim = Claim(out, RUN)
    try:
        check_new(out)
    except RunError:  # another command was faster
        claim.close(is_whole=True)
        raise
    return claim


def free_folder(wanted: Path) -> Path:
    """The path, with a number after it if that exists."""
    number, folder = 1, wanted
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}_{number}")
    return folder
