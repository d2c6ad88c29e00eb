"""Programs in torch that take dense batches: the published one, snnTorch, our own reference."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import dense as published
import numpy as np
import torch
from data import BATCH, Workload, batches, dense
from torch import Tensor

from crossbar.snn import reference
from crossbar.snn.plan import Plan, signs


class Program(NamedTuple):
    """Weights (leaves of autograd) and what makes a loss of them, of x (B, T, n) and of labels."""

    weights: list[Tensor]
    loss: Callable[[Tensor, Tensor], Tensor]


Make = Callable[[Plan, list[Tensor]], Program]


def sliced(network: Plan, weights: list[Tensor]) -> Program:
    """The published program as it was published.

    Its generator of batches makes them sparse, its loop dense again.
    """

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return _dense_loss(network, weights, x.to_sparse().to_dense(), y, is_sliced=True)

    return Program(weights, loss)


def mended(network: Plan, weights: list[Tensor]) -> Program:
    """The published program with `unbind(1)`, and batches that stay dense."""
    return Program(weights, lambda x, y: _dense_loss(network, weights, x, y, is_sliced=False))


def _dense_loss(
    network: Plan, weights: list[Tensor], x: Tensor, y: Tensor, *, is_sliced: bool
) -> Tensor:
    return published.loss_of(published.run(network, weights, x, sliced=is_sliced).traces, y)


def torch_reference(network: Plan, weights: list[Tensor]) -> Program:
    """`crossbar.snn.reference`."""
    return Program(weights, lambda x, y: reference.simulate(network, weights, x, y).loss)


def snntorch(network: Plan, weights: list[Tensor]) -> Program:
    """The same network in snnTorch; raises ImportError where that is not installed."""
    import snntorch_net

    return Program(weights, snntorch_net.loss_function(network, weights))


def norse(network: Plan, weights: list[Tensor]) -> Program:
    """Nearly the same network in norse, see `norse_net`; raises ImportError likewise."""
    import norse_net

    return Program(weights, norse_net.loss_function(network, weights))


def leaves(weights: Sequence[np.ndarray]) -> list[Tensor]:
    """Copies of some weights that autograd differentiates by."""
    return [torch.from_numpy(w.copy()).requires_grad_() for w in weights]


def training(make: Make, work: Workload, weights: Sequence[np.ndarray]) -> Callable[[], int]:
    """What trains one batch at each call, from its events to the new weights; returns its size."""
    program = make(work.network, leaves(weights))
    bounds = sign_bounds(work.network)
    buffer = torch.zeros(BATCH, work.network.steps, work.network.inputs)
    data = work.data
    order = batches(len(data.train_labels), seed=0)

    def unit() -> int:
        chosen = next(order)
        x = dense(data.train_events, chosen, work.network, buffer)
        program.loss(x, torch.from_numpy(data.train_labels[chosen])).backward()
        descend(program.weights, bounds, work.rate)
        return len(chosen)

    return unit


def inference(make: Make, work: Workload, weights: Sequence[np.ndarray]) -> Callable[[], int]:
    """What runs one batch of test samples at each call; returns its size."""
    program = make(work.network, leaves(weights))
    buffer = torch.zeros(BATCH, work.network.steps, work.network.inputs)
    data = work.data
    order = batches(len(data.test_labels), seed=0)

    def unit() -> int:
        chosen = next(order)
        with torch.no_grad():
            x = dense(data.test_events, chosen, work.network, buffer)
            program.loss(x, torch.from_numpy(data.test_labels[chosen]))
        return len(chosen)

    return unit


def loss_and_gradients(
    make: Make, work: Workload, weights: Sequence[np.ndarray], chosen: np.ndarray
) -> tuple[float, list[np.ndarray]]:
    """Of a batch of training samples."""
    program = make(work.network, leaves(weights))
    buffer = torch.zeros(len(chosen), work.network.steps, work.network.inputs)
    x = dense(work.data.train_events, chosen, work.network, buffer)
    loss = program.loss(x, torch.from_numpy(work.data.train_labels[chosen]))
    loss.backward()
    return float(loss.detach()), [w.grad.numpy() for w in program.weights]


def descend(weights: Sequence[Tensor], bounds: Sequence[Tensor], rate: float) -> None:
    """Plain SGD; then weights that left the sign of their neuron become 0 (0 in `bounds`: free)."""
    with torch.no_grad():
        for w, sign in zip(weights, bounds, strict=True):
            moved = w - rate * w.grad
            w.copy_(torch.where(sign == 0, moved, sign * torch.relu(sign * moved)))
            w.grad = None


def sign_bounds(network: Plan) -> list[Tensor]:
    """Dale's law per row of each crossbar, (rows, 1) float."""
    return [torch.from_numpy(sign[:, None]).float() for sign in signs(network)]
