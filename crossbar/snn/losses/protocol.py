"""What a loss is: settings, and the numbers that score the output layer in torch and as a kernel.

The kernel is `crossbar.snn.kernels.loss.score`, picked by the type of the numbers.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Numbers(Protocol):
    """A loss in torch."""

    def score(self, outputs: "Tensor", labels: "Tensor") -> "tuple[Tensor, Tensor]":
        """Losses (B,) and predictions (B,) int64.

        Args:
            outputs: Membranes (B, T + 1, classes) or spikes (B, T, classes), as `SCORES` says.
            labels: True classes, (B,) int64.
        """


class Loss(Protocol):
    """Settings of a loss: a `Record` beside this."""

    SCORES: ClassVar[Literal["membranes", "spikes"]]  # of the output layer

    def numbers(self, classes: int, steps: int, dtype: Callable[[float], Any] = float) -> Any:
        """Its `Numbers` for a network."""
