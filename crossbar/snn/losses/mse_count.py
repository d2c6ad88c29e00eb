"""Squared error of the spike counts, or of the mean rates, of output neurons.

With n_k the spikes of output k in a sample of T steps and K classes, the loss of the counts is

    L = 1 / (K T) sum over k of (n_k - N_k)^2,    N_k = int(T rate_k),

where rate_k is `correct_rate` for the true class and `incorrect_rate` for the others; that of the
mean rates against one-hot, L = 1 / K sum over k of (n_k / T - y_k)^2, is the same of rates 1 and 0
over T once more. The prediction is the class of most spikes, the first on a tie.

Source:
    J. Eshraghian et al., Proc. IEEE 111(9), 1016-1054, 2023, and snnTorch, functional/loss.py,
    mse_count_loss: the loss, its rates and their defaults. A `lif` that spikes rests for a step
    here, so that it reaches no rate above 0.5. The mean rates: IBM, neuroaikit,
    Website/Examples/MNIST_LatInh.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from device_models.record import Record, quantity

from ..registration import kernels

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class MseCount(Record):
    """Spikes wanted of the output of the true class and of the others, per step."""

    SCORES: ClassVar[Literal["membranes", "spikes"]] = "spikes"

    correct_rate: float = quantity("spikes a step", 0.0, 1.0, default=1.0)
    incorrect_rate: float = quantity("spikes a step", 0.0, 1.0, default=0.0)

    def numbers(
        self, classes: int, steps: int, dtype: Callable[[float], Any] = float
    ) -> "MseCountNumbers":
        """See `protocol.Loss`."""
        wanted = int(steps * self.correct_rate), int(steps * self.incorrect_rate)
        return MseCountNumbers(classes, steps, *wanted, dtype(1.0))


@dataclass(frozen=True, kw_only=True)
class MseRate(Record):
    """Settings: none. The true class is to spike in every step, the others in none."""

    SCORES: ClassVar[Literal["membranes", "spikes"]] = "spikes"

    def numbers(
        self, classes: int, steps: int, dtype: Callable[[float], Any] = float
    ) -> "MseCountNumbers":
        """See `protocol.Loss`."""
        return MseCountNumbers(classes, steps * steps, steps, 0, dtype(1.0))


class MseCountNumbers(NamedTuple):
    """The loss of a network of so many classes."""

    classes: int
    divisor: int  # of the mean square: steps for counts, their square for rates
    correct: int  # spikes wanted of the true class
    incorrect: int  # and of each other one
    one: Any

    def score(self, outputs: "Tensor", labels: "Tensor") -> "tuple[Tensor, Tensor]":
        """See `protocol.Numbers`."""
        import torch

        counts = outputs.sum(1)
        is_true = torch.nn.functional.one_hot(labels, self.classes).bool()
        wanted = torch.where(is_true, self.correct, self.incorrect)
        return (counts - wanted).square().mean(1) / self.divisor, counts.argmax(1)


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import loss as kernel
    from ..kernels.dispatch import implements
    from ..kernels.simd import LANES, load, store, write

    @implements(kernel.score, MseCountNumbers, inline=False)
    def _score(loss, label, trace, count, start, c):  # type: ignore[no-untyped-def]
        """Counts, and then the errors of all steps, stand in `trace.work`."""
        width, classes, work = trace.width, loss.classes, trace.work
        for k in range(width):
            write(work, k, loss.one - loss.one)
        for event in range(count):
            write(work, trace.rows[event], work[trace.rows[event]] + loss.one)
        top, total, per_spike = 0, 0.0, 2.0 / (classes * loss.divisor)
        for k in range(classes):
            top = k if work[k] > work[top] else top
        for k in range(classes):
            beyond = work[k] - (loss.correct if k == label else loss.incorrect)
            total += beyond * beyond
            write(work, width + k, per_spike * beyond)
        for k in range(width - classes):
            write(work, width + classes + k, loss.one - loss.one)
        for t in range(start, c.steps):
            for column in range(0, width, LANES):
                store(trace.errors, t * width + column, load(work, width + column))
        return top, total / (classes * loss.divisor), c.steps - 1, -1
