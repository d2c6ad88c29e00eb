"""Devices from files: presets that ship with the package, and files that start from another."""

import dataclasses

from .homes import DEVICES, preset_names
from .model import DeviceModel
from .record import declared
from .registry import MODELS
from .schema import Origin, load_based

__all__ = ["load_device", "preset_names"]


def load_device(name_or_path: str) -> DeviceModel:
    """The device of a file, or of a shipped preset where no such file exists.

    A file may say `base: NAME`, a path from its own folder or a preset, and give what differs. The
    status of the base and the source of a number do not hold for what replaces it: without a word
    in the file that replaces it, the device is invented and the number assumed.

    Args:
        name_or_path: A path, or a preset such as `oxram.yaml` (`oxram` will do).
    Raises:
        ConfigError: There is neither, or the file is no valid device; names line and key.
    """
    path = DEVICES.find(name_or_path)
    model, origin = load_based(path, "model", MODELS, DEVICES.find)
    return model if len(origin.files) == 1 else _with_marks(model, origin)


def _with_marks(model: DeviceModel, origin: Origin) -> DeviceModel:
    """A device whose status and sources speak of its own numbers."""
    given, last = origin.given, len(origin.files) - 1
    numbers = [name for name in declared(type(model)) if name not in ("status", "sources")]
    changed = {name: given[name] for name in numbers if given.get(name, last) < last}
    unsaid = {
        name: f"assumed: set in {origin.files[index].name}, which gives no source"
        for name, index in changed.items()
        if given.get(f"sources.{name}", last + 1) > index
    }
    stale = any(index < given["status"] for index in changed.values())
    return dataclasses.replace(
        model,
        status="invented" if stale else model.status,
        sources=model.sources | unsaid,
    )
