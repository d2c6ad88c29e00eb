"""The folder of a new run: that nothing else lies there, and that nobody else takes it."""

import os
from pathlib import Path

from device_models.claim import Claim, is_free, unfinished
from device_models.errors import RunError

RUN, CHIPS = "run", "folder of chips"  # what a folder is claimed for


def claim_new(out: Path | None, default: Path, what: str) -> Claim:
    """Claim a new folder: `out`, or the default one with a number where that exists.

    Args:
        out: As the user names it.
        default: What it is called otherwise.
        what: What will lie there, see `claim.unfinished`.

    Raises:
        RunError: As for `check_new`, or another command writes to `out`.
    """
    while True:
        folder = out or free_folder(default)
        check_new(folder, what)
        try:
            claim = Claim(folder, what)
        except RunError:
            if out is not None or not folder.exists():
                raise
            continue  # another command was faster
        if claim.is_free and not (folder / "checkpoint.npz").exists():
            return claim
        claim.close()  # another command was there and is done: `check_new` says so


def check_new(folder: Path, what: str) -> None:
    """Refuse a folder that holds something, or cannot be made.

    One whose command was killed before it was whole is none, see `claim.is_free`; but for a run
    with a checkpoint, which goes on.

    Raises:
        RunError: It is one.
    """
    if what == RUN and (folder / "checkpoint.npz").exists():
        raise RunError(
            f"{folder} is a run already; continue it with --resume {folder} or choose "
            "another --out; nothing was written"
        )
    try:
        if what == CHIPS and unfinished(folder) is None and (folder / "program.png").exists():
            raise RunError(
                f"{folder} is a {what} already; choose another --out; nothing was written"
            )
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


def free_folder(wanted: Path) -> Path:
    """The path, with a number after it if that exists."""
    number, folder = 1, wanted
    while folder.exists():
        number += 1
        folder = wanted.with_name(f"{wanted.name}_{number}")
    return folder
