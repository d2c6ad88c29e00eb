"""Cross-entropy of means over time of output neurons that never spike.

With O_k[t] the membrane of output k behind step t, O[0] = 0, and T steps, a class scores

    mean_over_time   m_k = 1 / T sum over t = 1 ... T of O_k[t]
    last_step        m_k = O_k[T] / T, of an `integrator` the mean of what each step drives

The prediction is the class of the highest score (the first on a tie), and the loss of a sample is

    L = -ln(exp(m_label) / sum over k of exp(m_k)).

Source:
    D. Salaj et al., eLife 10:e65459, 2021, with its code: the mean over time of the hidden spikes.
    That of leaky membranes is ours.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from device_models.record import Record

from ..registration import kernels

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class MeanOverTime(Record):
    """Settings: none."""

    SCORES: ClassVar[Literal["membranes", "spikes"]] = "membranes"

    def numbers(
        self, classes: int, steps: int, dtype: Callable[[float], Any] = float
    ) -> "MeanNumbers":
        """See `protocol.Loss`."""
        return MeanNumbers(classes, 1, dtype(1.0 / steps))


@dataclass(frozen=True, kw_only=True)
class LastStep(Record):
    """Settings: none."""

    SCORES: ClassVar[Literal["membranes", "spikes"]] = "membranes"

    def numbers(
        self, classes: int, steps: int, dtype: Callable[[float], Any] = float
    ) -> "MeanNumbers":
        """See `protocol.Loss`."""
        return MeanNumbers(classes, steps, dtype(1.0 / steps))


class MeanNumbers(NamedTuple):
    """The loss of a network of so many classes."""

    classes: int
    first: int  # membrane that is added up, with all later ones
    share: Any  # of each of them

    def score(self, outputs: "Tensor", labels: "Tensor") -> "tuple[Tensor, Tensor]":
        """See `protocol.Numbers`."""
        import torch

        scores = outputs[:, self.first :].sum(1) * self.share
        losses = torch.nn.functional.cross_entropy(scores, labels, reduction="none")
        return losses, scores.argmax(1)


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import loss as kernel
    from ..kernels.dispatch import implements
    from ..kernels.simd import LANES, load, splat, store, write

    @implements(kernel.score, MeanNumbers, inline=False)
    def _score(loss, label, trace, count, start, c):  # type: ignore[no-untyped-def]
        """Scores and then errors stand in `trace.work`; the padding of both is 0."""
        width, classes, work = trace.width, loss.classes, trace.work
        silent, first = splat(c.one - c.one), max(start, loss.first)
        for column in range(0, width, LANES):
            total = silent
            for t in range(first, c.steps + 1):
                total += load(trace.membranes, t * width + column)
            store(work, column, loss.share * total)
            store(work, width + column, silent)
        top, total = 0, 0.0
        for k in range(classes):
            top = k if work[k] > work[top] else top
        for k in range(classes):
            part = math.exp(work[k] - work[top])
            write(work, width + k, part)
            total += part
        for k in range(classes):
            wrong = work[width + k] / total - (1.0 if k == label else 0.0)
            write(work, width + k, loss.share * wrong)
            write(trace.rows, k, k)
            write(trace.times, k, c.steps)
        for t in range(start, c.steps + 1):
            for column in range(0, width, LANES):
                error = silent if t < first else load(work, width + column)
                store(trace.errors, t * width + column, error)
        listed = classes if loss.first == c.steps else -1
        return top, math.log(total) - (work[label] - work[top]), c.steps, listed
