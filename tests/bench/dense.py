"""The dense published algorithm, written anew from its equations.

Equations, letters and source are those of `crossbar.snn.reference`. The published program makes a
dense tensor of all inputs, multiplies it with the weights in one call and then walks over the
steps; spikes are set by a mask, and membranes and spikes of all steps are recorded. It takes each
step out of the product by a slice inside the loop, `h[:, t]`; the gradient of every such slice is a
tensor of the whole product, so the backward pass costs O(T^2). That is `sliced=True`. With
`unbind(1)` before the loop it costs O(T): the "mended" program.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from crossbar.snn.plan import Plan


class SurrGradSpike(torch.autograd.Function):
    """H(v) forward, 1 / (scale |v| + 1)^2 backward."""

    scale = 100.0

    @staticmethod
    def forward(ctx, v):
        ctx.save_for_backward(v)
        spikes = torch.zeros_like(v)
        spikes[v > 0] = 1.0
        return spikes

    @staticmethod
    def backward(ctx, grad):
        (v,) = ctx.saved_tensors
        return grad / (SurrGradSpike.scale * torch.abs(v) + 1.0) ** 2


def steps_of(h: Tensor, sliced: bool) -> Iterator[Tensor]:
    """The steps of a product (B, T, n), one after the other."""
    if sliced:
        return (h[:, t] for t in range(h.shape[1]))
    return iter(h.unbind(1))


class Run(NamedTuple):
    """What the network did: (B, T + 1, classes), then (B, T, hidden) twice."""

    traces: Tensor
    membranes: Tensor
    spikes: Tensor


def run(network: Plan, weights: Sequence[Tensor], x: Tensor, *, sliced: bool) -> Run:
    """Run x (B, T, inputs); weights are (W1, W2), with V below W1 if recurrent."""
    alpha, beta, *_ = network.layers[0].neuron.numbers(network.dt_seconds)
    (first, w2), lines = weights, x.shape[2]
    w1, own = first[:lines], first[lines:]
    h = torch.einsum("btn,nh->bth", x, w1)
    current = torch.zeros(len(x), w1.shape[1])
    membrane = torch.zeros(len(x), w1.shape[1])
    spikes, membranes = [], []
    for drive in steps_of(h, sliced):
        spike = SurrGradSpike.apply(membrane - 1.0)
        spikes.append(spike)
        membranes.append(membrane)
        if len(own):
            drive = drive + spike @ own  # noqa: PLW2901
        membrane, current = (
            (beta * membrane + current) * (1.0 - spike.detach()),
            alpha * current + drive,
        )
    recorded = torch.stack(membranes, 1), torch.stack(spikes, 1)
    h = torch.einsum("bth,ho->bto", recorded[1], w2)
    current = trace = torch.zeros(len(x), w2.shape[1])
    traces = [trace]
    for drive in steps_of(h, sliced):
        trace, current = beta * trace + current, alpha * current + drive
        traces.append(trace)
    return Run(torch.stack(traces, 1), *recorded)


def loss_of(traces: Tensor, labels: Tensor) -> Tensor:
    """Negative log-likelihood of the maximum over time."""
    scores = traces.max(1).values
    return torch.nn.functional.nll_loss(torch.log_softmax(scores, 1), labels)
