"""The networks of the presets in torch: snnTorch, its way for neurons that it lacks, our reference.

A convolution, a linear layer and its neurons stand behind one another and step through time, as
snnTorch's tutorials have it: what comes in is taken through all layers in every step, also where it
never changes. Our reference does what does not change once. snnTorch knows no spiking neural unit
and no lateral inhibition; `SnuCell` is a cell in its manner, by the published equations, whose line
clears the membranes of its own image alone.
"""

import importlib.util
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from crossbar.snn import reference
from crossbar.snn.plan import LayerPlan, Plan
from crossbar.synapses.optimizers import MOMENTUM, RHO, RMS_TINY, SECOND, TINY, Adam, Rates

SNNTORCH = importlib.util.find_spec("snntorch") is not None
REFERENCE, RIVAL, CELLS = "our torch reference", "snnTorch", "snnTorch's way"


class Program(NamedTuple):
    """What is learned, and the mean loss of x (B, steps or 1, lines) and labels."""

    parameters: list[Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]


Matrices = Sequence[np.ndarray]
Make = Callable[[Plan, Matrices, Sequence[np.ndarray | None]], Program]


def makes(network: Plan) -> dict[str, Make]:
    """Who there is for a network; the first one is what ratios are told against."""
    if any(layer.trained for layer in network.synaptic):
        return {CELLS: cells, REFERENCE: torch_reference}
    return (
        {RIVAL: snntorch, REFERENCE: torch_reference} if SNNTORCH else {REFERENCE: torch_reference}
    )


def optimizer_of(options: Rates, parameters: Sequence[Tensor]) -> torch.optim.Optimizer:
    """Torch's own: Adam, or RMSprop, whose epsilon stands outside the root as ours."""
    rate = options.first_rate
    if isinstance(options, Adam.Options):
        return torch.optim.Adam(parameters, lr=rate, betas=(MOMENTUM, SECOND), eps=TINY)
    return torch.optim.RMSprop(parameters, lr=rate, alpha=RHO, eps=RMS_TINY)


def torch_reference(
    network: Plan, matrices: Matrices, trained: Sequence[np.ndarray | None]
) -> Program:
    """`crossbar.snn.reference`."""
    weights = [torch.from_numpy(m.copy()).requires_grad_() for m in matrices]
    own = [None if t is None else torch.from_numpy(t.copy()).requires_grad_() for t in trained]

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return reference.simulate(network, weights, x, y, own).loss

    return Program([*weights, *(t for t in own if t is not None)], loss)


def synapses(layer: LayerPlan, matrix: np.ndarray) -> list[nn.Module]:
    """The modules that carry the weights of a layer, (rows, outputs), its bias behind them."""
    has_bias = layer.bias != "none"
    if layer.kind == "conv2d":
        n = layer.settings.numbers(layer.incoming)
        last: nn.Module = nn.Conv2d(n.channels_in, n.channels, n.kernel, n.stride, bias=has_bias)
        modules = [last] + [nn.MaxPool2d(layer.settings.pool)] * (layer.settings.pool > 1)
    else:
        last = nn.Linear(layer.lines, layer.outputs, bias=has_bias)
        modules = [nn.Flatten(), last]
    values = torch.from_numpy(matrix.copy())
    with torch.no_grad():
        weights = values[: len(values) - has_bias]
        last.weight.copy_(weights.T.reshape(last.weight.shape))
        if has_bias:
            last.bias.copy_(values[-1])
    return modules


def snntorch(network: Plan, matrices: Matrices, trained: Sequence[np.ndarray | None]) -> Program:
    """snnTorch's modules in a row; raises ImportError where it is not installed."""
    import snntorch as snn
    from snntorch import functional, surrogate, utils

    modules: list[nn.Module] = []
    for layer, matrix in zip(network.layers, matrices, strict=True):
        n = layer.neuron
        leaky = snn.Leaky(
            beta=n.beta,
            spike_grad=surrogate.fast_sigmoid(slope=n.surrogate_scale),
            init_hidden=True,
            output=layer is network.layers[-1],
        )
        modules += [*synapses(layer, matrix), leaky]
    net, wanted = nn.Sequential(*modules), network.network.loss
    score = functional.mse_count_loss(wanted.correct_rate, wanted.incorrect_rate)
    shape = (1, *network.layers[0].incoming.shape)[-3:]

    def loss(x: Tensor, y: Tensor) -> Tensor:
        utils.reset(net)
        steps = [x[:, min(t, x.shape[1] - 1)] for t in range(network.steps)]
        return score(torch.stack([net(step.reshape(-1, *shape))[0] for step in steps]), y)

    return Program(list(net.parameters()), loss)


class Fire(torch.autograd.Function):
    """H(x), with the derivative 1 - tanh(x)^2."""

    @staticmethod
    def forward(ctx: Any, above: Tensor) -> Tensor:
        ctx.save_for_backward(above)
        return (above > 0.0).float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (above,) = ctx.saved_tensors
        return grads[0] * (1.0 - torch.tanh(above) ** 2)


class SnuCell(nn.Module):
    """One step of spiking neural units; what resets them comes out with their spikes."""

    def __init__(self, layer: LayerPlan, thresholds: np.ndarray) -> None:
        super().__init__()
        self.decay, self.slope = layer.neuron.decay, layer.neuron.slope
        self.is_line = getattr(layer.settings, "inhibition", "none") == "reset_line"
        self.threshold = nn.Parameter(torch.from_numpy(thresholds[0].copy()))

    def forward(
        self, drive: Tensor, membrane: Tensor, reset: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Spikes, membranes and what resets them."""
        before = self.decay * membrane * (1.0 - reset) + drive
        membrane = nn.functional.leaky_relu(before, self.slope)
        spikes = Fire.apply(membrane - self.threshold)
        return spikes, membrane, spikes.amax(1, keepdim=True) if self.is_line else spikes


def cells(network: Plan, matrices: Matrices, trained: Sequence[np.ndarray | None]) -> Program:
    """Linear layers and `SnuCell`s, step by step; mean rates against one-hot."""
    each = zip(network.layers, matrices, trained, strict=True)
    rows = [(synapses(layer, m)[-1], SnuCell(layer, t)) for layer, m, t in each if t is not None]
    net = nn.ModuleList(module for row in rows for module in row)

    def loss(x: Tensor, y: Tensor) -> Tensor:
        states = [(x.new_zeros(len(x), len(cell.threshold)),) * 2 for _, cell in rows]
        counts = x.new_zeros(len(x), network.classes)
        for lines in x.unbind(1):
            for i, (linear, cell) in enumerate(rows):
                lines, *state = cell(linear(lines), *states[i])  # noqa: PLW2901  # into the next one
                states[i] = tuple(state)
            counts = counts + lines
        one_hot = nn.functional.one_hot(y, network.classes)
        return (counts / network.steps - one_hot).square().mean()

    return Program(list(net.parameters()), loss)
