"""How signed weights stand for positive conductances, one file each."""

from .bit_sliced import BitSliced
from .dale import Dale
from .mapping import Mapping, Route
from .one_sided import OneSided
from .pair import Pair
from .reference_column import ReferenceColumn

MAPPINGS: dict[str, type[Mapping]] = {
    "one_sided": OneSided,
    "pair": Pair,
    "dale": Dale,
    "reference_column": ReferenceColumn,
    "bit_sliced": BitSliced,
}

__all__ = ["MAPPINGS", "Mapping", "Route"]
