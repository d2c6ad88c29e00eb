"""Name in a device file -> class. A new model is one file and one line here."""

from .linear import GaussianUpdate, Ideal
from .model import DeviceModel
from .oxram import Oxram

MODELS: dict[str, type[DeviceModel]] = {
    "ideal": Ideal,
    "gaussian_update": GaussianUpdate,
    "oxram": Oxram,
}


def name_of(model: DeviceModel) -> str:
    """The name under which the class of `model` is registered."""
    return next(name for name, cls in MODELS.items() if cls is type(model))
