"""Neurons: one file each, and the table of their names.

Another one: `NEURONS["mine"] = Mine`, see `protocol`.
"""

from device_models.record import Record

from .alif import AdaptiveLif
from .integrator import PerfectIntegrator
from .leaky import Leaky
from .leaky_integrator import LeakyIntegrator
from .lif import Lif
from .lsnn import Lsnn
from .snu import Snu

NEURONS: dict[str, type[Record]] = {
    "lif": Lif,
    "alif": AdaptiveLif,
    "lsnn": Lsnn,
    "leaky_integrator": LeakyIntegrator,
    "integrator": PerfectIntegrator,
    "leaky": Leaky,
    "snu": Snu,
}

__all__ = [
    "NEURONS",
    "AdaptiveLif",
    "Leaky",
    "LeakyIntegrator",
    "Lif",
    "Lsnn",
    "PerfectIntegrator",
    "Snu",
]
