"""What every policy answers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from device_models.record import Record

from ...boards.simulated import SimulatedBoard
from ..estimate import WeightEstimate
from ..synapses import Synapses


class Policy(ABC):
    """Turns wanted weight changes of one layer into pulses on its board.

    Attributes:
        Options: The settings of the policy, a record class.
        is_unbiased: Whether the expected change by the pulses of one update is the wanted one.
        needs_symmetry_point: Whether it works on devices alone whose SET and RESET steps are equal
            somewhere, so that alternating pulses lead there.
        shape: (rows, outputs) of the layer.
        boards: Arrays that the policy owns besides that of the layer.
    """

    Options: ClassVar[type[Record]]
    is_unbiased: ClassVar[bool] = False
    needs_symmetry_point: ClassVar[bool] = False
    shape: tuple[int, int]
    boards: Sequence[SimulatedBoard] = ()

    @classmethod
    def build(cls, layer: Synapses, options: Any, fast_array: Callable[[], SimulatedBoard]) -> Self:
        """For a layer of a run.

        Args:
            layer: Built, perhaps not programmed.
            options: An `Options` of the policy.
            fast_array: Makes a perfect array of the layer's shape and kind of device, for a policy
                that needs one of its own.
        """
        return cls(layer.mapping.shape)

    @abstractmethod
    def __init__(self, shape: tuple[int, int]) -> None:
        """Start for a layer of `shape` (rows, outputs)."""

    @abstractmethod
    def update(
        self, layer: Synapses, wanted: Tensor, known: WeightEstimate, *, generator: torch.Generator
    ) -> None:
        """Send the pulses that a wanted change is worth.

        Args:
            layer: Where they go.
            wanted: Weight changes (rows, outputs).
            known: The layer as last read back.
            generator: Source of the policy's own randomness.
        """

    def begin_epoch(self) -> None:  # noqa: B027  # most policies have nothing to forget
        """Forget what `state` does not hold: a run may be resumed here."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What the digital side keeps between updates, by name; empty if nothing."""

    @abstractmethod
    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a saved state."""

    @property
    def synapses(self) -> int:
        """Weights of the layer."""
        return self.shape[0] * self.shape[1]

    @property
    def bytes_per_synapse(self) -> float:
        """Digital memory of the state."""
        kept = sum(array.numel() * array.element_size() for array in self.state().values())
        return kept / self.synapses
