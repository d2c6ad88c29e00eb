"""Cross-entropy of the maxima over time of output neurons that never spike.

A class scores the maximum of its membrane, m_k = max(O_k[0], ..., O_k[T]), taken at the first step
that reaches it; the prediction is the class of the highest score (the first on a tie) and the loss
of a sample is

    L = -ln(exp(m_label) / sum over k of exp(m_k)).

Because O[0] = 0 is among the candidates, a class whose membrane stays negative scores 0 and passes
no gradient on.

Source:
    M. Kilgore et al., Sci. Rep. 15, 24798, 2025, and its published code; F. Zenke, SpyTorch. That
    the maximum belongs to its first step is what torch does there.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np

from device_models.record import Record

from ..registration import kernels

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class MaxOverTime(Record):
    """Settings: none."""

    SCORES: ClassVar[Literal["membranes", "spikes"]] = "membranes"

    def numbers(
        self, classes: int, steps: int, dtype: Callable[[float], Any] = float
    ) -> "MaxOverTimeNumbers":
        """See `protocol.Loss`."""
        return MaxOverTimeNumbers(classes, dtype(1.0))


class MaxOverTimeNumbers(NamedTuple):
    """The loss of a network of so many classes."""

    classes: int
    one: Any

    def score(self, outputs: "Tensor", labels: "Tensor") -> "tuple[Tensor, Tensor]":
        """See `protocol.Numbers`."""
        import torch

        scores = outputs.max(dim=1).values  # its gradient goes to the first maximum alone; amax not
        losses = torch.nn.functional.cross_entropy(scores, labels, reduction="none")
        return losses, scores.argmax(1)


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import loss as kernel
    from ..kernels.dispatch import implements
    from ..kernels.simd import LANES, load, select, splat, store, write

    @implements(kernel.score, MaxOverTimeNumbers, inline=False)
    def _score(loss, label, trace, count, start, c):  # type: ignore[no-untyped-def]
        """Scores, their first steps (as numbers of the lanes) and errors stand in `trace.work`."""
        width, classes, work = trace.width, loss.classes, trace.work
        silent = splat(loss.one - loss.one)
        for column in range(0, width, LANES):
            highest, reached, step = silent, silent, splat(loss.one * np.float32(start))
            for t in range(start + 1, c.steps + 1):
                step += splat(loss.one)
                membrane = load(trace.membranes, t * width + column)
                higher = membrane > highest
                highest, reached = select(higher, membrane, highest), select(higher, step, reached)
            store(work, column, highest)
            store(work, width + column, reached)
        top = 0
        for k in range(classes):
            if work[k] > work[top]:
                top = k
        total, last = 0.0, 0
        for k in range(classes):
            share = math.exp(work[k] - work[top])
            write(work, 2 * width + k, share)
            total += share
            when = int(work[width + k])
            last = when if when > last else last
        for at in range(start * width, (last + 1) * width, LANES):
            store(trace.errors, at, silent)
        count = 0
        for k in range(classes):
            error = work[2 * width + k] / total - (1.0 if k == label else 0.0)
            when = int(work[width + k])
            if when > 0:
                write(trace.errors, when * width + k, error)
                write(trace.rows, count, k)
                write(trace.times, count, when)
                count += 1
        return top, math.log(total) - (work[label] - work[top]), last, count
