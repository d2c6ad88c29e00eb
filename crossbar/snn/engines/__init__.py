"""What computes a pass of a batch: event-driven kernels or dense torch."""

from .dense import DenseEngine
from .events import Engine

ENGINES: dict[str, type[Engine | DenseEngine]] = {"events": Engine, "dense": DenseEngine}
