"""Runs batches through the kernels: fixed chunks of samples on a pool of threads."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from . import kernels
from .encoding import Events
from .layer import Effective
from .network import Network

LANES = 8  # the hidden layer is padded to whole SIMD registers of 32-bit numbers
CHUNKS = 8  # of a batch; fixed, so that sums do not depend on the number of threads


class Pass(NamedTuple):
    """One pass of a batch.

    Attributes:
        predictions: (samples,) int64.
        losses: (samples,) float64, cross-entropy of each sample.
        spikes: (hidden,) int64, over all samples.
        activations: (2,) int64, word lines driven, per layer.
        tile_steps: (2,) int64, (row of tiles, step) pairs with a driven line, per layer.
        siemens: (2,) float64, conductance of the driven rows summed, per layer.
        clipped: (2,) int64, conversions above the range, per layer; 0 without converters.
        gradients: Of the mean loss, ((inputs, hidden), (hidden, classes)); empty if not asked for.
    """

    predictions: np.ndarray
    losses: np.ndarray
    spikes: np.ndarray
    activations: np.ndarray
    tile_steps: np.ndarray
    siemens: np.ndarray
    clipped: np.ndarray
    gradients: tuple[np.ndarray, ...]


class Engine:
    """A pool of threads and the scratch memory of the gradients."""

    def __init__(self, network: Network, *, tile_rows: int, threads: int | None = None) -> None:
        """Set up for one network.

        Args:
            network: Its sizes and constants.
            tile_rows: Word lines of a tile, for the counters.
            threads: How many samples run at a time; by default one per processor.
        """
        self._network = network
        self._constants = constants(network, tile_rows)
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        self.threads = min(CHUNKS, threads or processors)
        self._pool = ThreadPoolExecutor(self.threads)
        self._width = -(-network.hidden // LANES) * LANES
        shapes = (network.inputs, self._width), (self._width, network.classes)
        self._sums = [np.zeros((CHUNKS, *shape), np.float32) for shape in shapes]

    def __call__(
        self,
        layers: Sequence[Effective],
        events: Events,
        labels: np.ndarray,
        chosen: np.ndarray,
        *,
        noise_key: int,
        first: int,
        backward_weights: np.ndarray | None = None,
        columns: Sequence[kernels.Columns] = (),
    ) -> Pass:
        """Run some samples.

        Args:
            layers: The two layers as they are now.
            events: Spikes of all samples.
            labels: (all samples,) int64.
            chosen: (samples,) int64, which ones to run.
            noise_key: Names the read noise of this pass over the data.
            first: Position of the first chosen sample in that pass.
            backward_weights: (hidden, classes) that carry the error back; None for no gradient.
            columns: The two layers behind their periphery; empty if it is ideal.
        """
        learn = backward_weights is not None
        back = layers[1].weights if backward_weights is None else backward_weights
        back = padded(back, rows=self._width)
        weights = self._weights(layers)
        bounds = np.linspace(0, len(chosen), CHUNKS + 1).astype(int)

        fronts = [self._front(columns) for _ in range(CHUNKS)]

        def run(chunk: int) -> kernels.Tally:
            low, high = bounds[chunk], bounds[chunk + 1]
            samples = kernels.Samples(
                events.rows, events.times, events.offsets, labels, chosen[low:high], first + low
            )
            tally = empty_tally(high - low, self._width)
            gradient = kernels.Gradient(self._sums[0][chunk], self._sums[1][chunk])
            if learn:
                gradient.w1.fill(0.0)
                gradient.w2.fill(0.0)
            front = fronts[chunk]
            same = samples, weights, back, self._constants, noise_key, tally, gradient, learn
            if front is None:
                kernels.run_chunk(*same)
            else:
                kernels.run_converted(*same, front)
            return tally

        done = join(list(self._pool.map(run, range(CHUNKS))), self._network.hidden)
        clipped = sum((front.clipped for front in fronts if front), np.zeros(2, np.int64))
        done = done._replace(clipped=clipped)
        return done._replace(gradients=self._mean_gradients(len(chosen))) if learn else done

    def hidden_spikes(
        self, layers: Sequence[Effective], events: Events, chosen: np.ndarray
    ) -> np.ndarray:
        """Which hidden neurons fire in each step, without any noise, bool (chosen, steps, hidden)."""
        quiet = [layer._replace(variance=np.zeros((0, 0), np.float32)) for layer in layers]
        network = self._network
        fired = np.zeros((len(chosen), network.steps, self._width), bool)
        labels = np.zeros(len(events), np.int64)
        samples = kernels.Samples(events.rows, events.times, events.offsets, labels, chosen, 0)
        kernels.hidden_events(samples, self._weights(quiet), self._constants, fired)
        return fired[:, :, : network.hidden]

    def _front(self, columns: Sequence[kernels.Columns]) -> kernels.Front | None:
        """The periphery of both layers as the kernels read it, with a count of its own."""
        if not columns:
            return None
        hidden, readout = columns
        readout = readout._replace(
            columns=padded(readout.columns, rows=self._width),
            variance=padded(readout.variance, rows=self._width)
            if readout.variance.size
            else readout.variance,
        )
        return kernels.Front(hidden, readout, np.zeros(2, np.int64))

    def _weights(self, layers: Sequence[Effective]) -> kernels.Weights:
        """The layers as the kernels read them, padded with neurons that never fire."""
        first, second = layers
        width = self._width
        return kernels.Weights(
            padded(first.weights, columns=width),
            padded(second.weights, rows=width),
            padded(first.variance, columns=width) if first.variance.size else first.variance,
            padded(second.variance, rows=width) if second.variance.size else second.variance,
            first.siemens,
            padded(second.siemens[:, None], rows=width)[:, 0],
        )

    def _mean_gradients(self, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """Sum over the chunks in their order, without the padding."""
        hidden, count = self._network.hidden, np.float32(samples)
        first, second = (sums.sum(0) for sums in self._sums)
        return first[:, :hidden] / count, second[:hidden] / count


def constants(
    network: Network, tile_rows: int, dtype: type[np.floating] = np.float32
) -> kernels.Constants:
    """The numbers of a network as the kernels take them, in the dtype of the weights."""
    return kernels.Constants(
        dtype(network.alpha),
        dtype(network.beta),
        dtype(1.0),
        dtype(network.surrogate_scale),
        dtype(1.0),
        network.steps,
        tile_rows,
    )


def empty_tally(samples: int, hidden: int) -> kernels.Tally:
    """A tally of nothing yet."""
    return kernels.Tally(
        np.zeros(hidden, np.int64),
        np.zeros(samples, np.int64),
        np.zeros(samples),
        np.zeros(2, np.int64),
        np.zeros(2, np.int64),
        np.zeros(2),
    )


def padded(array: np.ndarray, *, rows: int = 0, columns: int = 0) -> np.ndarray:
    """`array` with rows or columns of zeros behind it, up to the given numbers; contiguous."""
    shape = max(rows, array.shape[0]), max(columns, array.shape[1])
    if shape == array.shape and array.flags.c_contiguous:
        return array
    wider = np.zeros(shape, array.dtype)
    wider[: array.shape[0], : array.shape[1]] = array
    return wider


def join(tallies: Sequence[kernels.Tally], hidden: int) -> Pass:
    """Add up the tallies of chunks, in their order; padding is left out."""
    return Pass(
        np.concatenate([t.predictions for t in tallies]),
        np.concatenate([t.losses for t in tallies]),
        np.sum([t.spikes for t in tallies], axis=0)[:hidden],
        np.sum([t.activations for t in tallies], axis=0),
        np.sum([t.tile_steps for t in tallies], axis=0),
        np.sum([t.siemens for t in tallies], axis=0),
        np.zeros(2, np.int64),
        (),
    )
