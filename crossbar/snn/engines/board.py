"""The network through the boards themselves: every step of every sample is a `Board.vmm`.

Equations: `crossbar.snn.reference`. Of a board nothing but its six members is asked, so this runs on
whatever answers them; it is slow, and on an emulated board the measure of the fast engines. The
gradient is that of the reference at the spikes and membranes that the boards made, carried back by
the weights that are given. Boards count their own reads: the counts of a result are 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from device_models.record import Record

from ...synapses.effective import EffectiveWeights
from ...synapses.synapses import Synapses
from ..encodings.events import Events
from ..network import Network
from ..reference import Outcome, dense, hidden_layer, readout_layer, scored
from .dense import Part, joined, listed
from .events import BatchResult

AT_A_TIME = 64  # samples: their time course is kept for the way back


class BoardEngine:
    """Same calls and results as `Engine`, for layers on any board; 64 bit, and no periphery."""

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """Nothing is left open."""

    def __init__(self, network: Network, layers: Sequence[Synapses]) -> None:
        """Set up for one network on its boards."""
        self._network, self._layers = network, layers

    def __call__(
        self,
        layers: Sequence[EffectiveWeights],
        events: Events,
        labels: np.ndarray,
        chosen: np.ndarray,
        *,
        noise_key: int,
        first: int,
        backward_weights: Sequence[np.ndarray] | None = None,
        columns: Sequence[Any] = (),
    ) -> BatchResult:
        """Run some samples; see `Engine`. `layers`, keys and `columns` mean nothing to boards."""
        return self._pass(events, labels, chosen, backward_weights)[0]

    def recorded(
        self,
        layers: Sequence[EffectiveWeights],
        events: Events,
        labels: np.ndarray,
        chosen: np.ndarray,
        *,
        noise_key: int,
        first: int = 0,
        columns: Sequence[Any] = (),
    ) -> tuple[BatchResult, list[Events]]:
        """A pass without gradients, and every spike of each hidden layer in it; see `Engine`."""
        result, spikes = self._pass(events, labels, chosen, None)
        return result, [listed(layer) for layer in zip(*spikes, strict=True)]

    def _pass(
        self,
        events: Events,
        labels: np.ndarray,
        chosen: np.ndarray,
        backward_weights: Sequence[np.ndarray] | None,
    ) -> tuple[BatchResult, list[list[Part]]]:
        """A pass; of each part of it and each hidden layer (sample, step, neuron) of the spikes."""
        back = [None] * len(self._layers) if backward_weights is None else backward_weights
        crossbars = [Crossbar(*both) for both in zip(self._layers, back, strict=True)]
        parts = np.split(chosen, range(AT_A_TIME, len(chosen), AT_A_TIME))
        results, spikes = [], []
        for part in parts:
            with torch.set_grad_enabled(backward_weights is not None):
                outcome = self._run(crossbars, events, labels, part)
                if backward_weights is not None:
                    loss = outcome.loss * len(part)
                    loss.backward()  # type: ignore[no-untyped-call]  # torch's gap
            results.append(result_of(outcome, len(crossbars)))
            spikes.append([(s.detach().nonzero().numpy(), len(part)) for s in outcome.spikes])
        gradients = tuple(c.gradient(len(chosen)) for c in crossbars if c.gradients is not None)
        return joined(results)._replace(gradients=gradients), spikes

    def _run(
        self, crossbars: Sequence["Crossbar"], events: Events, labels: np.ndarray, part: np.ndarray
    ) -> Outcome:
        """A part of the samples."""
        network = self._network
        lines, spikes, membranes = dense(events, part, network, torch.float64), [], []
        for crossbar in crossbars[:-1]:
            lines, membrane = hidden_layer(network, lines, crossbar, crossbar.outputs)
            spikes.append(lines)
            membranes.append(membrane)
        trace = readout_layer(network, crossbars[-1](lines))
        return scored(network, spikes, membranes, trace, torch.from_numpy(labels[part]))


class Crossbar:
    """One layer of synapses; called with lines, it gives what they drive on its board."""

    def __init__(self, layer: Synapses, back: np.ndarray | None) -> None:
        """Take a layer; `back`, (rows, outputs), carries the error back, None for no gradient."""
        self._layer, self.outputs = layer, layer.mapping.outputs
        self._back = None if back is None else torch.from_numpy(back).double()
        self.gradients = None if self._back is None else torch.zeros_like(self._back)
        if self.gradients is not None:
            self.gradients.requires_grad_()

    def gradient(self, samples: int) -> np.ndarray:
        """Of the mean loss of so many samples, (rows, outputs) float32."""
        total = None if self.gradients is None else self.gradients.grad
        mean = torch.zeros(self._layer.mapping.shape) if total is None else total / samples
        return np.asarray(mean.float().numpy())

    def __call__(self, lines: Tensor) -> Tensor:
        """What lines (B, steps, rows) drive, (B, steps, outputs), with the noise of the board."""
        flat = self._layer.forward(lines.detach().flatten(0, 1))
        driven = flat.view(*lines.shape[:2], self.outputs)
        if self.gradients is None:
            return driven
        through: Tensor = _Through.apply(lines, self.gradients, driven, self._back)  # type: ignore[no-untyped-call]
        return through


class _Through(torch.autograd.Function):
    """What a board gave for lines @ weights, whose error goes back through other weights."""

    @staticmethod
    def forward(ctx: Any, lines: Tensor, weights: Tensor, driven: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(lines, back)
        return driven

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        lines, back = ctx.saved_tensors
        error = grads[0] @ back.T if ctx.needs_input_grad[0] else None
        return error, torch.einsum("bti,btj->ij", lines, grads[0]), None, None


def result_of(outcome: Outcome, crossbars: int) -> BatchResult:
    """A part of a batch, without counts of reads and without gradients."""
    none = np.zeros(crossbars, np.int64)
    return BatchResult(
        outcome.predictions.numpy(),
        outcome.losses.detach().numpy(),
        tuple(spikes.detach().sum((0, 1)).long().numpy() for spikes in outcome.spikes),
        none,
        none,
        none.astype(np.float64),
        none,
        (),
    )
