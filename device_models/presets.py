"""Finding a device file: a path if it exists, else a preset that ships with the package."""

import difflib
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path

from .errors import ConfigError
from .model import DeviceModel
from .registry import MODELS
from .schema import load_tagged


def _shipped() -> Traversable:
    return files("device_models.calibration_data")


def preset_names() -> list[str]:
    """Names of the shipped devices, as `--device` takes them (with `.yaml`)."""
    folders = (entry for entry in _shipped().iterdir() if (entry / "model.yaml").is_file())
    return sorted(f"{folder.name}.yaml" for folder in folders)


def load_device(name_or_path: str) -> DeviceModel:
    """The device of a file, or of a shipped preset where no such file exists.

    Args:
        name_or_path: A path, or a preset such as `oxram.yaml` (`oxram` will do).
    Raises:
        ConfigError: There is neither, or the file is no valid device; names line and key.
    """
    if Path(name_or_path).exists():
        return load_tagged(Path(name_or_path), "model", MODELS)
    name = name_or_path.removesuffix(".yaml")
    known = preset_names()
    if f"{name}.yaml" not in known:
        near = difflib.get_close_matches(f"{name}.yaml", known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"presets: {', '.join(known)}"
        raise ConfigError(f"no device file and no preset {name_or_path!r}; {hint}")
    with as_file(_shipped() / name / "model.yaml") as path:
        return load_tagged(path, "model", MODELS)
