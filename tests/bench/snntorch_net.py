"""The network in plain snnTorch: a linear layer, `Synaptic`, a linear layer, `Synaptic`.

snnTorch lets an input reach the membrane in its own step, our equations two steps later; so the
hidden neurons of its step t are those of our step t + 2, its readout of step t that of our step
t + 4 (t + 2 behind the hidden layer, and once more). Our traces end at O[T]: its first T - 3 steps
are all that counts, and it is spared the others. Our O[0] = 0 takes part in the maximum.
"""

from collections.abc import Callable, Sequence

import snntorch
import torch
from snntorch import surrogate
from torch import Tensor

from crossbar.snn.plan import Plan

LATE = 3  # last steps of the input, which cannot reach the loss


def loss_function(network: Plan, weights: Sequence[Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Loss of x (B, T, inputs) and labels; weights are (W1, W2), with V below W1 if recurrent."""
    (first, w2), lines = weights, network.inputs
    n = network.layers[0].neuron.numbers(network.dt_seconds)
    decay = {"alpha": n.alpha, "beta": n.beta}
    hidden = snntorch.Synaptic(
        **decay,
        threshold=1.0,
        reset_mechanism="zero",
        spike_grad=surrogate.fast_sigmoid(slope=n.surrogate_scale),
    )
    readout = snntorch.Synaptic(**decay, reset_mechanism="none")

    def loss(x: Tensor, labels: Tensor) -> Tensor:
        w1, own = first[:lines], first[lines:]
        none = torch.zeros(len(x), w1.shape[1])
        history = [none, none]  # a spike drives its neighbours in the step after ours
        synapse, membrane = hidden.reset_mem()
        synapse_out, trace = readout.reset_mem()
        traces = [torch.zeros(len(x), w2.shape[1])]
        for at in x.unbind(1)[: network.steps - LATE]:
            drive = at @ w1
            if len(own):
                drive = drive + history[-2] @ own
            spikes, synapse, membrane = hidden(drive, synapse, membrane)
            history = [history[-1], spikes]
            _, synapse_out, trace = readout(spikes @ w2, synapse_out, trace)
            traces.append(trace)
        return torch.nn.functional.cross_entropy(torch.stack(traces, 1).max(1).values, labels)

    return loss
