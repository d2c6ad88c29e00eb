"""What runs batches through a network: the kernels, or dense torch; one protocol, one table."""

from collections.abc import Callable
from typing import Any

from .dense import DenseEngine
from .events import EventEngine
from .protocol import Batch, BatchResult, Engine, LayerView

ENGINES: dict[str, Callable[..., Any]] = {"events": EventEngine, "dense": DenseEngine}

__all__ = ["ENGINES", "Batch", "BatchResult", "DenseEngine", "Engine", "EventEngine", "LayerView"]
