"""What computes a pass of a batch: event-driven kernels, dense torch, or the boards themselves."""

from .board import BoardEngine
from .dense import DenseEngine
from .events import Engine

ENGINES: dict[str, type[Engine | DenseEngine | BoardEngine]] = {
    "events": Engine,
    "dense": DenseEngine,
    "board": BoardEngine,
}
