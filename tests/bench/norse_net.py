"""The network in plain norse: `lif_step` with its recurrence, and a leaky integrator.

As in `snntorch_net` an input reaches the membrane in its own step. The spikes that drive the
neighbours are handed over as the state of two steps ago, which is when ours arrive. Norse takes a
current of 1 / (1 - beta) for what is one in our membranes. A neuron of norse that spikes takes the
current of the next step in, ours does not: the numbers are others, the work is the same.
"""

from collections.abc import Callable, Sequence

import torch
from norse.torch.functional.leaky_integrator import LIParameters, LIState, li_feed_forward_step
from norse.torch.functional.lif import LIFParameters, LIFState, lif_step
from snntorch_net import LATE
from torch import Tensor

from crossbar.snn.plan import Plan


def loss_function(network: Plan, weights: Sequence[Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Loss of x (B, T, inputs) and labels; weights are (W1, W2), with V below W1."""
    (first, w2), lines, dt = weights, network.inputs, network.dt_seconds
    n = network.layers[0].neuron.numbers(dt)
    rates = {
        "tau_mem_inv": torch.tensor((1.0 - n.beta) / dt),
        "tau_syn_inv": torch.tensor((1.0 - n.alpha) / dt),
    }
    lif = LIFParameters(
        **rates, v_th=torch.tensor(1.0), method="super", alpha=torch.tensor(n.surrogate_scale)
    )
    li = LIParameters(**rates)
    gain = 1.0 / (1.0 - n.beta)

    def loss(x: Tensor, labels: Tensor) -> Tensor:
        w1, own = gain * first[:lines].T, gain * first[lines:].T
        none = torch.zeros(len(x), len(w1))
        state, history = LIFState(none, none, none), [none, none]
        out = torch.zeros(len(x), w2.shape[1])
        state_out, traces = LIState(out, out), [out]
        for at in x.unbind(1)[: network.steps - LATE]:
            spikes, state = lif_step(at, state._replace(z=history[-2]), w1, own, lif, dt)
            history = [history[-1], spikes]
            trace, state_out = li_feed_forward_step(gain * (spikes @ w2), state_out, li, dt)
            traces.append(trace)
        return torch.nn.functional.cross_entropy(torch.stack(traces, 1).max(1).values, labels)

    return loss
