"""Neurons: one file each, and the table of their names.

Another one: `NEURONS["mine"] = Mine`, see `protocol`.
"""

from device_models.record import Record

from .alif import AdaptiveLif
from .leaky import Leaky
from .leaky_integrator import LeakyIntegrator
from .lif import Lif
from .snu import Snu

NEURONS: dict[str, type[Record]] = {
    "lif": Lif,
    "alif": AdaptiveLif,
    "leaky_integrator": LeakyIntegrator,
    "leaky": Leaky,
    "snu": Snu,
}

__all__ = ["NEURONS", "AdaptiveLif", "Leaky", "LeakyIntegrator", "Lif", "Snu"]
