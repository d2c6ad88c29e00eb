"""No pulse at all: the layer stays as it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from device_models.record import Record

from ...boards.protocol import Board, PulseBatch
from ..estimate import WeightEstimate
from ..synapses import Synapses
from .policy import MakeArray, Memoryless


class Frozen(Memoryless):
    """Takes the place of the policy of a layer that is not to learn any more."""

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """None."""

    def __init__(self, shape: tuple[int, int], boards: Sequence[Board] = ()) -> None:
        """Keep the arrays of the policy whose place it takes."""
        self.shape, self.boards = shape, boards

    @classmethod
    def build(cls, layer: Synapses, options: Options, make_array: MakeArray) -> Self:
        """See `Policy.build`."""
        return cls(layer.mapping.shape)

    def update(
        self, wanted: Tensor, estimate: WeightEstimate, *, generator: torch.Generator
    ) -> PulseBatch | None:
        """See `Policy.update`."""
        return None
