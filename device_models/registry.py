"""Name in a device file -> class. A new model is one file and one line in `HOMES`."""

from importlib import import_module

from .homes import HOMES
from .model import DeviceModel

MODELS: dict[str, type[DeviceModel]] = {
    name: getattr(import_module(f".{module}", __package__), cls)
    for name, (module, cls) in HOMES.items()
}


def name_of(model: DeviceModel) -> str:
    """The name under which the class of `model` is registered."""
    return next(name for name, cls in MODELS.items() if cls is type(model))
