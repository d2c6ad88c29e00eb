"""The spiking network in plain dense torch: slow, obvious, differentiated by autograd.

The equations of a neuron stand with it (`crossbar.snn.neurons`), so do those of a layer
(`crossbar.snn.topology`) and of a loss (`crossbar.snn.losses`); here they follow one another. The
spikes of a layer in a step are the lines that come into the next one in the same step.

With a bound N on spikes, every hidden layer of neurons that sends n > N of them in a sample (or,
where N is the least, n < N) adds

    (penalty N / 2) (n / N - 1)^2

to what is differentiated, but not to the loss of the sample; with bounds on the spikes of each
neuron, every hidden neuron adds the same of its own spikes, bounds and penalty. The penalties are
ours. Of one sample: D. Salaj et al. (eLife 10:e65459, 2021) take the mean rate over a batch, and
0.001 (rate - 0.01)^2 of each neuron, which in T steps is a penalty of 2e-5 / T here.

Currents, membranes and weights are in units of the threshold and have no dimension.

Source:
    M. Kilgore et al., Sci. Rep. 15, 24798, 2025, and its published code; F. Zenke, SpyTorch.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from .encodings.events import Events
from .neurons.stepping import Drive, TakeIn, run_steps, with_trained
from .plan import LayerPlan, Plan

DriveOf = Callable[[int], Drive]  # crossbar -> what its lines drive
TakeInOf = Callable[[int], TakeIn]  # crossbar -> how its neurons take that in
Trained = Sequence[Tensor | None]  # of each crossbar, what its neurons have of their own


class Outcome(NamedTuple):
    """What a batch of B samples did in T steps."""

    loss: Tensor  # (), mean of `losses` and penalties: what is differentiated
    losses: Tensor  # (B,)
    predictions: Tensor  # (B,), int64
    spikes: tuple[Tensor, ...]  # of each layer that sends some (`Plan.senders`), (B, T, lines)
    membrane: tuple[Tensor, ...]  # the same, what is compared with the threshold, before the reset
    readout: Tensor  # what is recorded of the output layer: (B, T + 1, classes), (B, T, ...) if it
    # spikes


def simulate(
    network: Plan, weights: Sequence[Tensor], x: Tensor, labels: Tensor, trained: Trained = ()
) -> Outcome:
    """Run a batch through the network.

    Args:
        network: Layers and loss.
        weights: Of every crossbar, (rows, outputs). Their dtype is that of the whole run.
        x: Input spikes, counts of any size, shape (B, T, inputs), dtype of the weights; or
            amplitudes that are held in all steps, (B, 1, inputs).
        labels: True classes, int64, shape (B,).
        trained: What neurons have of their own, see `run_layers`.

    Returns:
        The outcome; `loss` and `losses` are differentiable with respect to the weights and to what
        neurons have of their own.
    """
    drive_of = lambda i: partial(_product, weights[i])  # noqa: E731
    return run_layers(network, drive_of, x, labels, trained=trained)


def run_layers(
    network: Plan,
    drive_of: DriveOf,
    x: Tensor,
    labels: Tensor,
    take_in_of: TakeInOf | None = None,
    trained: Trained = (),
) -> Outcome:
    """`simulate` over whatever crossbars there are.

    Args:
        network: Layers and loss.
        drive_of: What lines (B, steps, rows) drive through a crossbar, (B, steps, outputs); a layer
            that drives itself asks step by step.
        x, labels: See `simulate`.
        take_in_of: Makes the current of a step of the decayed one and the drive; by default a sum.
        trained: Of each crossbar, what its neurons have of their own (`trained_numbers`), (numbers,
            neurons), or None; by default what they begin with.
    """
    lines, spikes, membranes, recorded = x, [], [], x
    for layer in network.layers:
        place = layer.crossbar
        drive = _no_drive if place is None else drive_of(place)
        take_in = torch.add if place is None or take_in_of is None else take_in_of(place)
        numbers = numbers_of(network, layer)
        if place is not None and trained:
            numbers = with_trained(numbers, trained[place])
        if layer.index == 0 and lines.shape[1] < network.steps:
            held = layer.settings.currents(layer.incoming, lines, drive)
            held = held.expand(-1, network.steps, -1)
            sent, recorded = run_steps(numbers, layer.outputs, held, take_in)
        else:
            sent, recorded = layer.settings.run(layer.incoming, numbers, lines, drive, take_in)
        if sent is not None:
            lines = sent
            spikes.append(sent)
            membranes.append(recorded)
    outputs = lines if network.layers[-1].spikes else recorded
    loss = network.network.loss.numbers(network.classes, network.steps)  # type: ignore[attr-defined]
    losses, predictions = loss.score(outputs, labels)
    mean = (losses + penalties(network, spikes)).mean()
    return Outcome(mean, losses, predictions, tuple(spikes), tuple(membranes), recorded)


def numbers_of(network: Plan, layer: LayerPlan) -> Any:
    """Numbers of the neurons of a layer; None where it has none."""
    return None if layer.neuron is None else layer.neuron.numbers(network.dt_seconds)


def _product(weights: Tensor, lines: Tensor) -> Tensor:
    """What lines drive through ideal weights."""
    return lines @ weights


def _no_drive(lines: Tensor) -> Tensor:
    """Of a layer without crossbar."""
    return lines


def penalties(network: Plan, spikes: Sequence[Tensor]) -> Tensor:
    """What too many or too few spikes of the hidden layers add to each sample's loss, (B,).

    Args:
        network: Bounds.
        spikes: Of each of its `senders`.
    """
    settings, last = network.network, len(network.layers) - 1
    bounded = [
        sent.sum(1)
        for layer, sent in zip(network.senders, spikes, strict=True)
        if layer.neuron is not None and layer.index < last
    ]
    total = spikes[0].new_zeros(len(spikes[0]))
    for of_neurons in bounded:
        of_layer = of_neurons.sum(1, keepdim=True)
        bounds = network.spikes_most, network.least_spikes
        total = total + beyond(of_layer, *bounds, network.spikes_penalty)
        bounds = settings.neuron_spikes_most, settings.neuron_spikes_least
        total = total + beyond(of_neurons, *bounds, settings.neuron_spikes_penalty)
    return total


def beyond(counts: Tensor, most: float | None, least: float, penalty: float) -> Tensor:
    """What counts (B, n) beyond their bounds add to each sample's loss, (B,)."""
    total = counts.new_zeros(len(counts))
    for bound, side in ((most, 1.0), (least or None, -1.0)):
        if bound is not None:
            outside = (side * (counts / bound - 1.0)).clamp(min=0.0)
            total = total + 0.5 * penalty * bound * outside.square().sum(1)
    return total


def dense(
    events: Events,
    chosen: np.ndarray,
    network: Plan,
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Events as counts per step and line; they are spread out where they are needed.

    Args:
        events: Input spikes of many samples.
        chosen: Numbers of the samples wanted, shape (B,).
        network: Gives the number of steps T and of input lines.
        dtype: Of the result.
        device: Of torch, likewise.

    Returns:
        Counts, shape (B, T, inputs); of held amplitudes these, (B, 1, inputs).
    """
    if events.held is not None:
        codes = torch.from_numpy(events.held.codes[chosen]).to(device, dtype)
        return (codes * events.held.unit)[:, None]
    parts = [slice(events.offsets[sample], events.offsets[sample + 1]) for sample in chosen]
    sample = np.repeat(np.arange(len(chosen)), [part.stop - part.start for part in parts])
    none = [np.zeros(0, np.int64)]
    times = np.concatenate([events.times[part] for part in parts] or none).astype(np.int64)
    rows = np.concatenate([events.rows[part] for part in parts] or none).astype(np.int64)
    x = torch.zeros(len(chosen), network.steps, network.inputs, dtype=dtype, device=device)
    at = tuple(torch.from_numpy(index).to(device) for index in (sample, times, rows))
    return x.index_put_(at, x.new_ones(()), accumulate=True)
