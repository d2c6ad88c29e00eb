"""What every policy answers."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from device_models.errors import ShapeError
from device_models.record import Record

from ...boards.protocol import Board, PulseBatch
from ..estimate import WeightEstimate
from ..synapses import Synapses

MakeArray = Callable[[], Board]  # an array with a device for each weight of the layer


class Policy(ABC):
    """Turns wanted weight changes of one layer into pulses.

    Attributes:
        Options: Its settings.
        is_unbiased: Whether the expected change by the pulses of one update is the wanted one.
        needs_symmetry_point: Whether it works on devices alone whose SET and RESET steps are equal
            somewhere, so that alternating pulses lead there.
        sends_single_pulses: Whether no device gets more than one pulse in an update.
        shape: (rows, outputs) of the layer.
        boards: Arrays that the policy owns besides that of the layer.
    """

    Options: ClassVar[type[Record]]
    is_unbiased: ClassVar[bool] = False
    needs_symmetry_point: ClassVar[bool] = False
    sends_single_pulses: ClassVar[bool] = False
    shape: tuple[int, int]
    boards: Sequence[Board] = ()

    @classmethod
    @abstractmethod
    def build(cls, layer: Synapses, options: Any, make_array: MakeArray) -> Self:
        """For one layer.

        Args:
            layer: Built, perhaps not programmed.
            options: Of the class `Options`.
            make_array: Makes an array of the policy's own; called by those that need one.
        """

    @abstractmethod
    def update(
        self, wanted: Tensor, estimate: WeightEstimate, *, generator: torch.Generator
    ) -> PulseBatch | None:
        """The pulses that a wanted change is worth; None where this update programs nothing.

        Args:
            wanted: Weight changes (rows, outputs).
            estimate: The layer as last read back. It follows the pulses, as `pulse_router.route`
                lets it.
            generator: Source of the policy's own randomness.
        """

    def check(self, wanted: Tensor) -> None:
        """Refuse wanted changes that a kernel would misread.

        Raises:
            ShapeError: They are not (rows, outputs) float32; nothing was sent.
        """
        if wanted.shape != self.shape or wanted.dtype != torch.float32:
            raise ShapeError(
                f"wanted changes are {wanted.dtype} of shape {tuple(wanted.shape)}, not float32 of "
                f"shape {self.shape}; nothing was sent"
            )

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
        size = sum(array.numel() * array.element_size() for array in self.state().values())
        return size / self.synapses


class Memoryless(Policy):
    """A policy that keeps nothing between updates."""

    def state(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def restore(self, state: dict[str, Tensor]) -> None:
        """See `Policy.restore`."""
