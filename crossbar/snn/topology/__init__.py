"""Kinds of layers: one file each, and the table of their names.

Another one: `LAYERS["mine"] = Mine`, see `protocol`.
"""

from device_models.record import Record

from .conv2d import Conv2d
from .delays import Delays
from .dense import Dense
from .lateral import Lateral
from .max_pool import MaxPool
from .recurrent import Recurrent

LAYERS: dict[str, type[Record]] = {
    "dense": Dense,
    "recurrent": Recurrent,
    "conv2d": Conv2d,
    "lateral": Lateral,
    "max_pool": MaxPool,
    "delays": Delays,
}

__all__ = ["LAYERS", "Conv2d", "Delays", "Dense", "Lateral", "MaxPool", "Recurrent"]
