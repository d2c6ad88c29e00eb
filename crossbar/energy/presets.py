"""Finding a chip or a cost table: a path if it exists, else one that ships with the package."""

from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TypeVar

from device_models.errors import ConfigError
from device_models.record import did_you_mean
from device_models.schema import load

T = TypeVar("T")


def shipped(folder: str) -> list[str]:
    """Names of the files of one data folder, `chips` or `tables`, without `.yaml`."""
    found = (entry.name for entry in _folder(folder).iterdir())
    return sorted(name.removesuffix(".yaml") for name in found if name.endswith(".yaml"))


def find(name_or_path: str, cls: type[T], folder: str, what: str) -> T:
    """The record of a file, or of a shipped one where no such file exists.

    Args:
        name_or_path: A path, or a name with or without `.yaml`.
        cls: Record class of the file.
        folder: Data folder of the shipped ones.
        what: What it is, for the message.

    Raises:
        ConfigError: There is neither, or the file is not valid; names line and key.
    """
    if Path(name_or_path).exists():
        return load(Path(name_or_path), cls)
    name, known = name_or_path.removesuffix(".yaml"), shipped(folder)
    if name not in known:
        near = did_you_mean(name, known) or f"; presets: {', '.join(known)}"
        raise ConfigError(f"no {what} file and no preset {name_or_path!r}{near}")
    with as_file(_folder(folder) / f"{name}.yaml") as path:
        return load(path, cls)


def _folder(name: str) -> Traversable:
    return files("crossbar.energy") / name
