"""A loss of one's own: cross-entropy of the spike counts of output neurons, count / `scale`.

L = -ln(exp(n_label / scale) / sum over k of exp(n_k / scale)); source: snnTorch, ce_count_loss, of
J. Eshraghian et al., Proc. IEEE 111(9), 2023; the scale is ours.
"""

from dataclasses import dataclass
from math import exp, log
from typing import Any, NamedTuple

import torch

from crossbar.snn.kernels import loss as kernel
from crossbar.snn.kernels.dispatch import implements
from crossbar.snn.kernels.simd import write
from crossbar.snn.losses import LOSSES
from device_models.record import Record, quantity


@dataclass(frozen=True, kw_only=True)
class CountEntropy(Record):
    SCORES = "spikes"
    scale: float = quantity("spikes", 0.1, 1000.0, default=2.0)

    def numbers(self, classes, steps, dtype=float):
        return CountEntropyNumbers(classes, dtype(1.0 / self.scale))


class CountEntropyNumbers(NamedTuple):
    classes: int
    per_spike: Any

    def score(self, outputs, labels):
        scores = outputs.sum(1) * self.per_spike
        losses = torch.nn.functional.cross_entropy(scores, labels, reduction="none")
        return losses, scores.argmax(1)


@implements(kernel.score, CountEntropyNumbers, inline=False)
def _score(loss, label, trace, count, start, c):
    work, width = trace.work, trace.width
    for k in range(width):
        write(work, k, c.one - c.one)
    for event in range(count):
        write(work, trace.rows[event], work[trace.rows[event]] + loss.per_spike)
    top, total = 0, 0.0
    for k in range(loss.classes):
        top = k if work[k] > work[top] else top
        total += exp(work[k])
    for t in range(start, c.steps):
        for k in range(width):
            wrong = exp(work[k]) / total - (1.0 if k == label else 0.0)
            write(
                trace.errors, t * width + k, loss.per_spike * (wrong if k < loss.classes else 0.0)
            )
    return top, log(total) - work[label], c.steps - 1, -1


LOSSES["count_entropy"] = CountEntropy

if __name__ == "__main__":
    from dataset import train

    import crossbar as xb
    from crossbar.snn.neurons import Lif

    train(network=xb.Network.of(hidden=40, ei=None, readout=Lif(), loss=CountEntropy()))
