"""What callers in Python hand over: folders as they name them, and things of one kind."""

from os import PathLike
from pathlib import Path
from typing import overload

from device_models.errors import ConfigError
from device_models.record import shown

Folder = str | PathLike[str]


@overload
def path(folder: None) -> None: ...
@overload
def path(folder: Folder) -> Path: ...
@overload
def path(folder: Folder | None) -> Path | None: ...
def path(folder: Folder | None) -> Path | None:
    """A folder as a path.

    Raises:
        ConfigError: It is none.
    """
    if folder is None:
        return None
    if not isinstance(folder, str | PathLike) or not str(folder).strip():
        raise ConfigError(f"a file or folder is named by text or a path, not {shown(folder)}")
    return Path(folder)


def check_kind(name: str, value: object, kind: type) -> None:
    """Refuse an argument that is neither None nor of its class.

    Raises:
        ConfigError: It is.
    """
    if value is not None and not isinstance(value, kind):
        raise ConfigError(f"{name} must be a {kind.__name__} or None, not {shown(value)}")


def check_callable(name: str, value: object, *, is_optional: bool = False) -> None:
    """Refuse an argument that cannot be called.

    Raises:
        ConfigError: It is.
    """
    if not (callable(value) or (value is None and is_optional)):
        raise ConfigError(f"{name} must be a function, not {shown(value)}")
