"""The ways to a data set, in the order in which they are tried.

1. the folder that the user names (`data_dir`, else XBAR_DATA): there or nowhere
2. the cache ($XDG_CACHE_HOME/xbar, else ~/.cache/xbar)
3. the folder of the installed Debian package
4. a download from the publisher          } kept in the cache
5. a download of the Debian package       }
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from device_models.errors import DataError

from .fetch import Notice, Open, Run, download, from_debian, open_url, run_command
from .files import FileSet, NotHereError, read_set, store_set


class Found(NamedTuple):
    """The files of a set (name to uncompressed content, checked), and where they came from."""

    contents: dict[str, bytes]
    origin: str


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What the ladder knows of the machine; the defaults are this machine.

    Args:
        environment: Read for XBAR_DATA and XDG_CACHE_HOME.
        root: The folder that counts as `/`.
        open_url: See `fetch.open_url`.
        run: See `fetch.run_command`.
        is_root: Whether package lists may be refreshed.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    root: Path = Path("/")
    open_url: Open = open_url
    run: Run = run_command
    is_root: bool = field(default_factory=lambda: os.name == "posix" and os.geteuid() == 0)

    def cache(self, files: FileSet) -> Path:
        """The folder in which this program keeps a set."""
        base = Path(self.environment.get("XDG_CACHE_HOME", ""))
        # The XDG specification says to ignore a relative path.
        return (base if base.is_absolute() else _home_cache()) / "xbar" / files.folder


def _home_cache() -> Path:
    """~/.cache, or the temporary folder for a user without a home (containers)."""
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return Path(tempfile.gettempdir())


def find(
    files: FileSet,
    data_dir: Path | None = None,
    *,
    notice: Notice,
    around: Surroundings | None = None,
) -> Found:
    """Find a data set, or fetch it.

    Args:
        files: What belongs to the set.
        data_dir: Folder with the files, or with a sub-folder `files.folder` of them; beats
            XBAR_DATA.
        notice: Told in one line what is about to take long.
        around: The machine; this one if None.

    Returns:
        The files, every MD5 as stated in `files`, and their origin.

    Raises:
        DataError: The named folder lacks a file; a file there or in the cache is damaged or has
            other content; or no way leads to the set, and then the message lists every way and its
            reason.
    """
    around = around or Surroundings()
    if data_dir is not None:
        return _in_named_folder(data_dir, "--data-dir", files)
    if named := around.environment.get("XBAR_DATA"):
        return _in_named_folder(Path(named), "XBAR_DATA", files)
    reasons = ["no folder is named by --data-dir or XBAR_DATA"]
    for title, way in WAYS.items():
        try:
            return way(files, around, notice)
        except NotHereError as reason:
            reasons.append(f"{title}: {' '.join(str(reason).split())}")
    ways_out = (
        f"--data-dir DIR or XBAR_DATA=DIR with the files, apt-get install {files.debian_package}, "
        f"or download them from {files.page}"
    )
    found = "; ".join(f"({number}) {reason}" for number, reason in enumerate(reasons, 1))
    raise DataError(f"{files.title} was not found: {found}; use {ways_out}; nothing was trained")


def _in_named_folder(folder: Path, named_by: str, files: FileSet) -> Found:
    """UpdatePath 1: a user who names a folder never gets data from elsewhere."""
    try:
        return Found(read_set(folder, files), str(folder))
    except NotHereError as reason:
        raise DataError(
            f"{reason}; the folder of {files.title} was named by {named_by}, "
            f"files directly in it or in {files.folder}/ are allowed; nothing was loaded"
        ) from reason


def _in_cache(files: FileSet, around: Surroundings, notice: Notice) -> Found:
    """UpdatePath 2; a wrong file is an error, because it will be wrong every time."""
    cache = around.cache(files)
    try:
        return Found(read_set(cache, files), str(cache))
    except DataError as error:
        raise DataError(f"{error}; delete that file and it will be fetched again") from error


def _in_debian_folder(files: FileSet, around: Surroundings, notice: Notice) -> Found:
    """UpdatePath 3; other content means another version of the package: go on."""
    folder = around.root / files.debian_folder
    try:
        return Found(read_set(folder, files), str(folder))
    except DataError as error:
        raise NotHereError(str(error)) from error


def _from_publisher(files: FileSet, around: Surroundings, notice: Notice) -> Found:
    """UpdatePath 4."""
    contents = download(files, open_url=around.open_url, notice=notice)
    return _kept(contents, files.url, files, around, notice)


def _from_debian(files: FileSet, around: Surroundings, notice: Notice) -> Found:
    """UpdatePath 5."""
    contents = from_debian(files, run=around.run, is_root=around.is_root, notice=notice)
    return _kept(contents, f"Debian package {files.debian_package}", files, around, notice)


def _kept(
    contents: dict[str, bytes], source: str, files: FileSet, around: Surroundings, notice: Notice
) -> Found:
    """Store what was fetched; a cache that cannot be written costs the next run time, no more."""
    cache = around.cache(files)
    try:
        store_set(cache, contents)
    except OSError as error:
        notice(f"{cache}: {error.strerror}; {files.title} was not kept, it is in use all the same")
        return Found(contents, source)
    notice(f"{files.title} is kept in {cache}")
    return Found(contents, f"{source}, kept in {cache}")


WAYS: dict[str, Callable[[FileSet, Surroundings, Notice], Found]] = {
    "cache": _in_cache,
    "installed package": _in_debian_folder,
    "publisher": _from_publisher,
    "Debian package": _from_debian,
}
