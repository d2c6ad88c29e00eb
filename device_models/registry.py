"""Name in a device file -> class. A new model is one file and one line here."""

from .exp_step import ExpStep
from .linear import GaussianUpdate, Ideal
from .linear_step import LinearStep
from .log_step import LogStep
from .model import DeviceModel
from .oxram import Oxram
from .soft_bounds import SoftBounds
from .tabulated import Tabulated

MODELS: dict[str, type[DeviceModel]] = {
    "ideal": Ideal,
    "gaussian_update": GaussianUpdate,
    "oxram": Oxram,
    "soft_bounds": SoftBounds,
    "linear_step": LinearStep,
    "exp_step": ExpStep,
    "log_step": LogStep,
    "tabulated": Tabulated,
}


def name_of(model: DeviceModel) -> str:
    """The name under which the class of `model` is registered."""
    return next(name for name, cls in MODELS.items() if cls is type(model))
