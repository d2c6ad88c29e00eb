"""The files of a data set in a folder: found, checked against their checksums, stored."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from device_models import atomic
from device_models.errors import DataError

from .idx import uncompressed


class Package(NamedTuple):
    """A package that holds the files: its name, and their folder below where it is unpacked."""

    name: str
    folder: str


@dataclass(frozen=True, kw_only=True)
class FileSet:
    """What a data set consists of and who offers it.

    Args:
        title: Its name in messages.
        folder: Its folder inside the cache and inside the user's data folder.
        md5: File name (uncompressed, no `.gz`) to the MD5 of the uncompressed content. Compressed
            files are not compared: packagers change the gzip header.
        url: The publisher's folder or a mirror of it, with each file as `<name>.gz`; ends in `/`.
        page: The publisher's page for people.
        debian: The Debian package with the same files, if there is one.
        npm: The npm package with the same files and its version, if there is one.
    """

    title: str
    folder: str
    md5: Mapping[str, str]
    url: str
    page: str
    debian: Package | None = None
    npm: Package | None = None


class NotHereError(Exception):
    """One source does not have the data set; the message is the reason, the next one is asked."""


class NotOfferedError(NotHereError):
    """The set is known not to be there."""


def read_set(folder: Path, files: FileSet) -> dict[str, bytes]:
    """Read and check a data set in the sub-folder `files.folder` of `folder`, or in `folder`.

    The sub-folder comes first: another set in `folder` itself may have files of the same names.

    Returns:
        File name to uncompressed content, every MD5 as stated in `files`.

    Raises:
        NotHereError: Neither folder has every file, or they cannot be read.
        DataError: All files are there, but one is damaged or has other content.
    """
    incomplete = []
    for place in (folder / files.folder, folder):
        try:
            paths = _located(place, files)
            missing = [name for name in files.md5 if name not in paths]
            if not missing:
                return {
                    name: checked(path.read_bytes(), name, files, where=str(path))
                    for name, path in paths.items()
                }
        except OSError as error:
            raise NotHereError(f"{error.filename or place}: {error.strerror}") from error
        if paths:
            incomplete.append(f"{place} lacks {', '.join(missing)}")
    if not incomplete and not folder.is_dir():
        raise NotHereError(f"there is no folder {folder}")
    none = f"{folder} holds none of {', '.join(files.md5)} (plain or .gz)"
    raise NotHereError("; ".join(incomplete) or none)


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
    content = uncompressed(raw, where=where)
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != files.md5[name]:
        raise DataError(
            f"{where}: MD5 of the uncompressed content is {md5}, "
            f"that of {files.title} is {files.md5[name]}; nothing was loaded"
        )
    return content


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
