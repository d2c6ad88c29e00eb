"""The spiking network in plain dense torch: slow, obvious, differentiated by autograd.

With dt the length of a step, alpha = exp(-dt / tau_syn), beta = exp(-dt / tau_mem), H the Heaviside
step, X[t] the input spikes of step t and I, V, F, O = 0 at t = 0, all steps t = 0 ... T - 1 are

    S[t]   = H(V[t] - 1)                      spikes of the hidden layer; none at V = 1
    I[t+1] = alpha I[t] + X[t] W1             synaptic current
    V[t+1] = (beta V[t] + I[t]) (1 - S[t])    membrane; a spike resets it to 0
    F[t+1] = alpha F[t] + S[t] W2             synaptic current of the readout
    O[t+1] = beta O[t] + F[t]                 membrane of the readout, which never spikes

so an input of step t can cause a spike at t + 2, no earlier. A class scores the maximum of its
trace, m_k = max(O_k[0], ..., O_k[T]), taken at the first step that reaches it; the prediction is
the class of the highest score (the first on a tie) and the loss of a sample is

    L = -ln(exp(m_label) / sum over k of exp(m_k)).

The gradient is that of these equations with the derivative of the step replaced by

    dS/dV = 1 / (scale |V - 1| + 1)^2

and with 1 - S[t] of the reset held constant. Because O[0] = 0 is among the candidates, a class
whose trace stays negative scores 0 and passes no gradient on.

Currents, membranes and weights are in units of the threshold and have no dimension.

Source:
    M. Kilgore et al., Sci. Rep. 15, 24798, 2025, and its published code; F. Zenke, SpyTorch, for
    loop, surrogate and loss. That the maximum belongs to its first step is what torch does there.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .encoding import Events
from .network import Network

TakeIn = Callable[[Tensor, Tensor], Tensor]


class Outcome(NamedTuple):
    """What a batch of B samples did in T steps; letters as in the equations of the module."""

    loss: Tensor  # (), mean of `losses`
    losses: Tensor  # (B,), L
    predictions: Tensor  # (B,), int64
    spikes: Tensor  # (B, T, hidden), S[0] ... S[T - 1]
    membrane: Tensor  # (B, T, hidden), V[0] ... V[T - 1], before the reset
    readout: Tensor  # (B, T + 1, classes), O[0] ... O[T]


class _Spike(torch.autograd.Function):
    """H(V - 1), with the derivative that the module states."""

    @staticmethod
    def forward(ctx: Any, membrane: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(membrane)
        ctx.scale = scale
        return (membrane > 1.0).to(membrane.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (membrane,) = ctx.saved_tensors
        return grads[0] / (ctx.scale * (membrane - 1.0).abs() + 1.0) ** 2, None


def _fire(membrane: Tensor, scale: float) -> Tensor:
    """S of one step from its V, any shape."""
    spikes: Tensor = _Spike.apply(membrane, scale)  # type: ignore[no-untyped-call]  # torch's gap
    return spikes


def simulate(network: Network, w1: Tensor, w2: Tensor, x: Tensor, labels: Tensor) -> Outcome:
    """Run a batch through the network; the equations are those of the module.

    Args:
        network: Time constants and surrogate; the sizes come from the tensors.
        w1: Input weights, shape (inputs, hidden). Its dtype is that of the whole run.
        w2: Readout weights, shape (hidden, classes), dtype of `w1`.
        x: Input spikes, counts of any size, shape (B, T, inputs), dtype of `w1`.
        labels: True classes, int64, shape (B,).

    Returns:
        The outcome; `loss` and `losses` are differentiable with respect to `w1` and `w2`.
    """
    spikes, membrane = hidden_layer(network, x @ w1)
    readout = readout_layer(network, spikes @ w2)
    return scored(spikes, membrane, readout, labels)


def scored(spikes: Tensor, membrane: Tensor, readout: Tensor, labels: Tensor) -> Outcome:
    """Scores, losses and predictions of the traces."""
    scores = readout.max(dim=1).values  # passes its gradient to the first maximum alone; amax not
    losses = torch.nn.functional.cross_entropy(scores, labels, reduction="none")
    return Outcome(losses.mean(), losses, scores.argmax(1), spikes, membrane, readout)


def dense(events: Events, which: np.ndarray, network: Network, dtype: torch.dtype) -> Tensor:
    """Events as counts per step and line.

    Args:
        events: Input spikes of many samples.
        which: Numbers of the samples wanted, shape (B,).
        network: Gives the number of steps T and of input lines.
        dtype: Of the result.

    Returns:
        Counts, shape (B, T, inputs).
    """
    x = torch.zeros(len(which), network.steps, network.inputs, dtype=dtype)
    one = torch.ones((), dtype=dtype)
    for counts, sample in zip(x, which, strict=True):
        own = slice(events.offsets[sample], events.offsets[sample + 1])
        at = [torch.from_numpy(part[own].astype(np.int64)) for part in (events.times, events.rows)]
        counts.index_put_(tuple(at), one, accumulate=True)
    return x


def hidden_layer(
    network: Network, drives: Tensor, take_in: TakeIn = torch.add
) -> tuple[Tensor, Tensor]:
    """S and V of every step, from X W1 of every step; all of shape (B, T, hidden).

    `take_in` makes I[t+1] of alpha I[t] and X[t] W1.
    """
    current = membrane = torch.zeros_like(drives[:, 0])
    spikes, membranes = [], []
    for drive in drives.unbind(1):  # slicing step by step makes the backward pass O(T^2)
        spike = _fire(membrane, network.surrogate_scale)
        spikes.append(spike)
        membranes.append(membrane)
        membrane = (network.beta * membrane + current) * (1.0 - spike.detach())
        current = take_in(network.alpha * current, drive)
    return torch.stack(spikes, 1), torch.stack(membranes, 1)


def readout_layer(network: Network, drives: Tensor, take_in: TakeIn = torch.add) -> Tensor:
    """O of every step, shape (B, T + 1, classes), from S W2, shape (B, T, classes)."""
    current = trace = torch.zeros_like(drives[:, 0])
    traces = [trace]
    for drive in drives.unbind(1):
        trace = network.beta * trace + current
        current = take_in(network.alpha * current, drive)
        traces.append(trace)
    return torch.stack(traces, 1)
