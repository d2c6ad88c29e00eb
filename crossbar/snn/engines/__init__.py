"""What runs batches through a network: event-driven kernels, dense torch, or the boards."""

from .board import BoardEngine
from .dense import DenseEngine
from .events import EventEngine
from .protocol import Batch, BatchResult, Engine, LayerView

ENGINES: dict[str, type[EventEngine | DenseEngine | BoardEngine]] = {
    "events": EventEngine,
    "dense": DenseEngine,
    "board": BoardEngine,
}

__all__ = [
    "ENGINES",
    "Batch",
    "BatchResult",
    "BoardEngine",
    "DenseEngine",
    "Engine",
    "EventEngine",
    "LayerView",
]
