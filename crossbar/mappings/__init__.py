"""How signed weights stand for positive conductances, one file each."""

from .dale import Dale
from .mapping import Mapping, MappingOptions, Route
from .one_sided import OneSided
from .pair import Pair
from .reference_column import ReferenceColumn
from .sliced import Sliced

MAPPINGS: dict[str, type[Mapping]] = {
    "one_sided": OneSided,
    "pair": Pair,
    "dale": Dale,
    "reference_column": ReferenceColumn,
    "sliced": Sliced,
}

__all__ = ["MAPPINGS", "Mapping", "MappingOptions", "Route"]
