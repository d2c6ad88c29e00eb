"""What every policy answers."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from ...snn.known import Known
from ...snn.layer import CrossbarLayer


class Policy(ABC):
    """Turns wanted weight changes of one layer into pulses on its board."""

    @abstractmethod
    def __init__(self, shape: tuple[int, int]) -> None:
        """Start for a layer of `shape` (rows, outputs)."""

    @abstractmethod
    def update(
        self, layer: CrossbarLayer, wanted: Tensor, known: Known, *, generator: torch.Generator
    ) -> None:
        """Send the pulses that a wanted change is worth.

        Args:
            layer: Where they go.
            wanted: Weight changes (rows, outputs).
            known: The layer as last read back.
            generator: Source of the policy's own randomness.
        """

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What the digital side keeps between updates, by name; empty if nothing."""

    @abstractmethod
    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a saved state."""
