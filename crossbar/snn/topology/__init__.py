"""Kinds of layers: one file each, and the table of their names.

Another one: `LAYERS["mine"] = Mine`, see `protocol`.
"""

from device_models.record import Record

from .dense import Dense
from .lateral import Lateral
from .max_pool import MaxPool
from .recurrent import Recurrent

LAYERS: dict[str, type[Record]] = {
    "dense": Dense,
    "recurrent": Recurrent,
    "lateral": Lateral,
    "max_pool": MaxPool,
}

__all__ = ["LAYERS", "Dense", "Lateral", "MaxPool", "Recurrent"]
