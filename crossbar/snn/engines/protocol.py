"""What every engine takes and gives."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from ...synapses.biases import with_row
from ..encodings.events import Events

if TYPE_CHECKING:
    from ...synapses.synapses import Synapses
    from ..plan import Plan


class Batch(NamedTuple):
    """Some samples of a data set.

    Attributes:
        events: Spikes of all samples of the set.
        labels: Of all samples, (samples,) int64.
        chosen: Numbers of the samples to run, int64.
        noise_key: Names the read noise of this pass over the data.
        first: Position of the first chosen sample in that pass.
    """

    events: Events
    labels: np.ndarray
    chosen: np.ndarray
    noise_key: int = 0
    first: int = 0


class LayerView(NamedTuple):
    """A crossbar as an engine reads it between two programming operations.

    Attributes:
        weights: (rows, outputs) float32.
        variance: (rows, outputs) float32, of one read, weight units squared; (0, 0) without noise.
        siemens: (rows,) float64, conductance that an activation of the row drives.
        front: What stands behind its columns (`adc.FrontRecords`); None for exact currents.
        trained: (numbers, outputs) float32, what its neurons have of their own
            (`neurons.protocol.trained_numbers`); None where they have nothing.
    """

    weights: np.ndarray
    variance: np.ndarray
    siemens: np.ndarray
    front: Any = None
    trained: np.ndarray | None = None

    def with_bias(self, bias: np.ndarray | None) -> "LayerView":
        """With the row of a digital bias, (outputs,), which has no noise and conducts nothing."""
        if bias is None:
            return self
        return self._replace(
            weights=with_row(self.weights, bias),
            variance=with_row(self.variance, np.zeros_like(bias)),
            siemens=np.append(self.siemens, 0.0),
        )


class BatchResult(NamedTuple):
    """One pass of a batch; what is said per crossbar has the output layer's last.

    Attributes:
        predictions: (samples,) int64.
        losses: (samples,) float64, of each sample.
        spikes: Of each of `Plan.senders`, (lines,) int64, over all samples.
        activations: (crossbars,) int64, word lines driven.
        tile_steps: (crossbars,) int64, (row of tiles, step) pairs with a driven line.
        siemens: (crossbars,) float64, conductance of the driven rows summed.
        clipped: (crossbars,) int64, conversions above the range; 0 without converters.
        gradients: Of the mean loss, (rows, outputs) of each crossbar; empty if not asked for.
        by_trained: Likewise by `LayerView.trained`, (numbers, outputs) of each crossbar.
        recorded: Every spike of each of `Plan.senders`, of `Plan.recorded` neurons; empty if not
            asked for.
    """

    predictions: np.ndarray
    losses: np.ndarray
    spikes: tuple[np.ndarray, ...]
    activations: np.ndarray
    tile_steps: np.ndarray
    siemens: np.ndarray
    clipped: np.ndarray
    gradients: tuple[np.ndarray, ...] = ()
    by_trained: tuple[np.ndarray, ...] = ()
    recorded: tuple[Events, ...] = ()


class Resources(NamedTuple):
    """What an engine may run on.

    Attributes:
        layers: The crossbars on their boards, the output layer's last.
        tile_rows: Word lines of a tile, for counters and converters.
        threads: How many samples run at a time; None: one per processor.
    """

    layers: Sequence["Synapses"]
    tile_rows: int
    threads: int | None = None


class EngineOptions(Protocol):
    """The record of settings of a kind of engine, `Options` of each class in `ENGINES`."""

    def build(self, network: "Plan", resources: Resources) -> "Engine":
        """The engine of one network.

        Raises:
            ConfigError: It cannot run here, or not this network.
        """


class Engine(Protocol):
    """Runs batches through one network."""

    def run(
        self,
        batch: Batch,
        layers: Sequence[LayerView],
        *,
        learn: Sequence[np.ndarray] | None = None,
        record: bool = False,
    ) -> BatchResult:
        """Run some samples.

        Args:
            batch: Which ones.
            layers: The crossbars as they are now.
            learn: (rows, outputs) of each crossbar, the weights that carry the error back; None for
                no gradient.
            record: Whether to keep every spike; not together with `learn`.
        """
