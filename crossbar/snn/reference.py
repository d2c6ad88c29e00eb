"""The spiking network in plain dense torch: slow, obvious, differentiated by autograd.

With dt the length of a step, alpha = exp(-dt / tau_syn), beta = exp(-dt / tau_mem), H the Heaviside
step, X[t] the input spikes of step t and I, V, F, O = 0 at t = 0, all steps t = 0 ... T - 1 are

    S[t]   = H(V[t] - 1)                      spikes of the hidden layer; none at V = 1
    I[t+1] = alpha I[t] + X[t] W1             synaptic current
    V[t+1] = (beta V[t] + I[t]) (1 - S[t])    membrane; a spike resets it to 0
    F[t+1] = alpha F[t] + S[t] W2             synaptic current of the readout
    O[t+1] = beta O[t] + F[t]                 membrane of the readout, which never spikes

so an input of step t can cause a spike at t + 2, no earlier. Further hidden layers stand in between
with the same equations, the spikes of the layer before in the place of X; in a recurrent network
the lines of a hidden layer are those spikes and its own S[t] behind them. A class scores the maximum of its
trace, m_k = max(O_k[0], ..., O_k[T]), taken at the first step that reaches it; the prediction is
the class of the highest score (the first on a tie) and the loss of a sample is

    L = -ln(exp(m_label) / sum over k of exp(m_k)).

With a bound N on spikes, every hidden layer that sends n > N of them in a sample (or, where N is the
least, n < N) adds

    (penalty N / 2) (n / N - 1)^2

to what is differentiated, but not to the loss that is told. The penalty is ours.

The gradient is that of these equations with the derivative of the step replaced by

    dS/dV = 1 / (scale |V - 1| + 1)^2

and with 1 - S[t] of the reset held constant. Because O[0] = 0 is among the candidates, a class
whose trace stays negative scores 0 and passes no gradient on.

Currents, membranes and weights are in units of the threshold and have no dimension.

Source:
    M. Kilgore et al., Sci. Rep. 15, 24798, 2025, and its published code; F. Zenke, SpyTorch, for
    loop, surrogate and loss. That the maximum belongs to its first step is what torch does there.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .encodings.events import Events
from .network import Network

TakeIn = Callable[[Tensor, Tensor], Tensor]
Drive = Callable[[Tensor], Tensor]  # what lines (B, steps, rows) drive, (B, steps, outputs)


class Outcome(NamedTuple):
    """What a batch of B samples did in T steps; letters as in the equations of the module."""

    loss: Tensor  # (), mean of `losses` and penalties: what is differentiated
    losses: Tensor  # (B,), L
    predictions: Tensor  # (B,), int64
    spikes: tuple[Tensor, ...]  # of each hidden layer, (B, T, neurons), S[0] ... S[T - 1]
    membrane: tuple[Tensor, ...]  # the same, V[0] ... V[T - 1], before the reset
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


def simulate(network: Network, weights: Sequence[Tensor], x: Tensor, labels: Tensor) -> Outcome:
    """Run a batch through the network; the equations are those of the module.

    Args:
        network: Time constants, surrogate and recurrence; the sizes come from the tensors.
        weights: Of every crossbar, (rows, outputs). Their dtype is that of the whole run.
        x: Input spikes, counts of any size, shape (B, T, inputs), dtype of the weights.
        labels: True classes, int64, shape (B,).

    Returns:
        The outcome; `loss` and `losses` are differentiable with respect to the weights.
    """
    *hidden, readout = weights
    lines, spikes, membranes = x, [], []
    for w in hidden:
        lines, membrane = hidden_layer(network, lines, partial(_product, w), w.shape[1])
        spikes.append(lines)
        membranes.append(membrane)
    return scored(network, spikes, membranes, readout_layer(network, lines @ readout), labels)


def _product(weights: Tensor, lines: Tensor) -> Tensor:
    """What lines drive through ideal weights."""
    return lines @ weights


def scored(
    network: Network,
    spikes: Sequence[Tensor],
    membranes: Sequence[Tensor],
    readout: Tensor,
    labels: Tensor,
) -> Outcome:
    """OutputTrace, losses and predictions of the traces."""
    scores = readout.max(dim=1).values  # passes its gradient to the first maximum alone; amax not
    losses = torch.nn.functional.cross_entropy(scores, labels, reduction="none")
    both = tuple(spikes), tuple(membranes)
    loss = (losses + penalties(network, spikes)).mean()
    return Outcome(loss, losses, scores.argmax(1), *both, readout)


def penalties(network: Network, spikes: Sequence[Tensor]) -> Tensor:
    """What too many or too few spikes of the hidden layers add to each sample's loss, (B,)."""
    total = spikes[0].new_zeros(len(spikes[0]))
    for bound, side in ((network.spikes_most, 1.0), (network.least_spikes or None, -1.0)):
        if bound is None:
            continue
        for fired in spikes:
            beyond = (side * (fired.sum((1, 2)) / bound - 1.0)).clamp(min=0.0)
            total = total + 0.5 * network.spikes_penalty * bound * beyond.square()
    return total


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
    parts = [slice(events.offsets[sample], events.offsets[sample + 1]) for sample in which]
    sample = np.repeat(np.arange(len(which)), [part.stop - part.start for part in parts])
    none = [np.zeros(0, np.int64)]
    times = np.concatenate([events.times[part] for part in parts] or none).astype(np.int64)
    rows = np.concatenate([events.rows[part] for part in parts] or none).astype(np.int64)
    x = torch.zeros(len(which), network.steps, network.inputs, dtype=dtype)
    at = tuple(map(torch.from_numpy, (sample, times, rows)))
    return x.index_put_(at, torch.ones((), dtype=dtype), accumulate=True)


def hidden_layer(
    network: Network, lines: Tensor, drive: Drive, neurons: int, take_in: TakeIn = torch.add
) -> tuple[Tensor, Tensor]:
    """S and V of every step, (B, T, neurons), from the lines that come in, (B, T, lines).

    `drive` has the rows of the crossbar; `take_in` makes I[t+1] of alpha I[t] and what a step
    drives.
    """
    current = membrane = lines.new_zeros(len(lines), neurons)
    spikes, membranes = [], []
    # Slicing step by step makes the backward pass O(T^2).
    for step in (lines if network.recurrent else drive(lines)).unbind(1):
        spike = _fire(membrane, network.surrogate_scale)
        spikes.append(spike)
        membranes.append(membrane)
        membrane = (network.beta * membrane + current) * (1.0 - spike.detach())
        own = network.recurrent
        driven = drive(torch.cat((step, spike), 1)[:, None])[:, 0] if own else step
        current = take_in(network.alpha * current, driven)
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
