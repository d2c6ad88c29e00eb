"""The network through the boards themselves: every step of every sample is a `Board.vmm`.

Equations: `crossbar.snn.reference`. Of a board nothing but its six members is asked, so this runs
on whatever answers them; it is slow, and on an emulated board the measure of the fast engines. The
gradient is that of the reference at the spikes and membranes that the boards made, carried back by
the weights that are given. Boards count their own reads: the counts of a result are 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from device_models.record import Record

from ...synapses.synapses import Synapses
from ..neurons.stepping import Drive
from ..plan import Plan
from ..plan_checks import check_on_boards
from ..reference import Outcome, dense, run_layers
from .checks import BatchChecks
from .dense import Through, joined, listed, mean_gradient, recorded
from .protocol import Batch, BatchResult, LayerView, Resources

AT_A_TIME = 64  # samples: their time course is kept for the way back


class BoardEngine:
    """`Engine` for layers on any board; 64 bit, and no periphery."""

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """Nothing is left open."""

        def build(self, network: Plan, resources: Resources) -> "BoardEngine":
            """See `protocol.EngineOptions`."""
            return BoardEngine(network, resources.layers)

    def __init__(self, network: Plan, layers: Sequence[Synapses]) -> None:
        """Set up for one network on its boards.

        Raises:
            ConfigError: A layer has biases that are on no board.
        """
        check_on_boards(network)
        self._network, self._layers, self._checks = network, layers, BatchChecks(network)

    def run(
        self,
        batch: Batch,
        layers: Sequence[LayerView],
        *,
        learn: Sequence[np.ndarray] | None = None,
        record: bool = False,
    ) -> BatchResult:
        """See `Engine`. `layers` and the key of the noise mean nothing to boards.

        Raises:
            ShapeError, ConfigError: See `BatchChecks`; nothing was read.
        """
        self._checks.samples(batch)
        self._checks.learn(learn)
        back = [None] * len(self._layers) if learn is None else learn
        crossbars = [Crossbar(*both) for both in zip(self._layers, back, strict=True)]
        parts = np.split(batch.chosen, range(AT_A_TIME, len(batch.chosen), AT_A_TIME))
        results, spikes = [], []
        for part in parts:
            with torch.set_grad_enabled(learn is not None):
                outcome = self._run(crossbars, batch, part)
                if learn is not None:
                    loss = outcome.loss * len(part)
                    loss.backward()  # type: ignore[no-untyped-call]  # torch's gap
            results.append(result_of(outcome, len(crossbars)))
            every = recorded(self._network, outcome)
            spikes.append([(s.nonzero().numpy(), len(part)) for s in every])
        samples, steps = len(batch.chosen), self._network.steps
        learning = [c for c in crossbars if c.gradients is not None]
        by_layer = zip(*spikes, strict=True) if record else ()
        return joined(results)._replace(
            gradients=tuple(c.gradient(samples) for c in learning),
            by_trained=tuple(mean_gradient(c.trained, c.outputs, samples) for c in learning),
            recorded=tuple(listed(layer, steps) for layer in by_layer),
        )

    def _run(self, crossbars: Sequence["Crossbar"], batch: Batch, part: np.ndarray) -> Outcome:
        """A part of the samples."""
        x = dense(batch.events, part, self._network, torch.float64)
        labels = torch.from_numpy(batch.labels[part])
        trained = [crossbar.trained for crossbar in crossbars]
        gain = None if batch.events.held is None else batch.events.held.gain

        def drive_of(index: int) -> Drive:
            if gain is None or index > 0:
                return crossbars[index]
            return partial(crossbars[0].scaled, gain=gain)

        return run_layers(self._network, drive_of, x, labels, trained=trained)


class Crossbar:
    """One layer of synapses; called with lines, it gives what they drive on its board."""

    def __init__(self, layer: Synapses, back: np.ndarray | None) -> None:
        """Take a layer; `back`, (rows, outputs), carries the error back, None for no gradient."""
        self._layer, self.outputs = layer, layer.mapping.outputs
        self._back = None if back is None else torch.from_numpy(back).double()
        self.gradients = None if self._back is None else torch.zeros_like(self._back)
        trained = layer.trained
        self.trained = None if trained is None else torch.from_numpy(trained).double()
        for leaf in (self.gradients, self.trained):
            if leaf is not None and self.gradients is not None:
                leaf.requires_grad_()

    def gradient(self, samples: int) -> np.ndarray:
        """Of the mean loss of so many samples, (rows, outputs) float32."""
        total = None if self.gradients is None else self.gradients.grad
        mean = torch.zeros(self._layer.mapping.shape) if total is None else total / samples
        return np.asarray(mean.float().numpy())

    def scaled(self, lines: Tensor, gain: float) -> Tensor:
        """What amplitudes drive, the largest of which, `gain`, is the read voltage."""
        return self(lines / gain) * gain

    def __call__(self, lines: Tensor) -> Tensor:
        """What lines (B, steps, rows) drive, (B, steps, outputs), with the noise of the board."""
        flat = self._layer.forward(lines.detach().flatten(0, 1))
        driven = flat.view(*lines.shape[:2], self.outputs)
        if self.gradients is None:
            return driven
        through: Tensor = Through.apply(lines, self.gradients, driven, self._back)  # type: ignore[no-untyped-call]
        return through


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
    )
