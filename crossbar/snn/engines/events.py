"""Runs batches through the kernels: fixed chunks of samples on a pool of threads."""

import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np

from device_models.record import Record

from ...synapses.effective import EffectiveWeights
from .. import kernels
from ..encodings.events import Events
from ..kernels.reduction import mean_of_chunks
from ..network import Network
from .buffers import (
    aligned,
    constants,
    empty_tally,
    kept,
    scratch,
    synapses,
    tiles_of,
    trimmed,
    widths_of,
)

T = TypeVar("T")

CHUNKS = 4  # of a batch; fixed, so that sums do not depend on the number of threads
SMALL = 200_000  # weights: a second thread would take longer to begin than to help
_ROOM = 1 << 26  # spikes of a layer that there is room for at a time, 3 bytes each


class BatchResult(NamedTuple):
    """One pass of a batch; what is said per crossbar has the readout's last.

    Attributes:
        predictions: (samples,) int64.
        losses: (samples,) float64, cross-entropy of each sample.
        spikes: Of each hidden layer, (neurons,) int64, over all samples.
        activations: (crossbars,) int64, word lines driven.
        tile_steps: (crossbars,) int64, (row of tiles, step) pairs with a driven line.
        siemens: (crossbars,) float64, conductance of the driven rows summed.
        clipped: (crossbars,) int64, conversions above the range; 0 without converters.
        gradients: Of the mean loss, (rows, outputs) of each crossbar; empty if not asked for.
    """

    predictions: np.ndarray
    losses: np.ndarray
    spikes: tuple[np.ndarray, ...]
    activations: np.ndarray
    tile_steps: np.ndarray
    siemens: np.ndarray
    clipped: np.ndarray
    gradients: tuple[np.ndarray, ...]


class Engine:
    """A pool of threads and the scratch memory of the gradients."""

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """Nothing is left open."""

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
        self._pool = ThreadPoolExecutor(max(1, self.threads - 1))  # beside the calling thread
        self._mine = threading.local()
        self._no_back = tuple(np.zeros((0, 0), np.float32) for _ in network.crossbars)
        self._widths = widths_of(network)
        self._tile_of = [tiles_of(rows, tile_rows) for rows, _ in network.crossbars]
        self._sums = [
            aligned((CHUNKS, rows, width), np.float32)
            for (rows, _), width in zip(network.crossbars, self._widths, strict=True)
        ]

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
        columns: Sequence[kernels.Columns] = (),
    ) -> BatchResult:
        """Run some samples.

        Args:
            layers: The crossbars as they are now.
            events: Spikes of all samples.
            labels: (all samples,) int64.
            chosen: (samples,) int64, which ones to run.
            noise_key: Names the read noise of this pass over the data.
            first: Position of the first chosen sample in that pass.
            backward_weights: (rows, outputs) of each crossbar, which carry the error back; None
                for no gradient.
            columns: The crossbars behind their periphery; empty if it is ideal.
        """
        tallies = self._run(
            layers, events, labels, chosen, noise_key, first, columns, backward_weights
        )
        done = join(tallies, self._network)
        if backward_weights is None:
            return done
        return done._replace(gradients=self._mean_gradients(len(chosen)))

    def recorded(
        self,
        layers: Sequence[EffectiveWeights],
        events: Events,
        labels: np.ndarray,
        chosen: np.ndarray,
        *,
        noise_key: int,
        first: int = 0,
        columns: Sequence[kernels.Columns] = (),
    ) -> tuple[BatchResult, list[Events]]:
        """A pass without gradients, and every spike of each hidden layer in it.

        Args:
            layers, events, labels, chosen, noise_key, first, columns: See `__call__`.
        """
        network = self._network
        most = max(1, _ROOM // (network.steps * max(network.hidden)))
        tallies: list[kernels.BatchStats] = []
        for low in range(0, len(chosen), most):
            part = chosen[low : low + most]
            tallies += self._run(
                layers, events, labels, part, noise_key, first + low, columns, None, keep=True
            )  # fmt: skip
        return join(tallies, network), [kept(tallies, n) for n in range(len(network.hidden))]

    def _run(
        self,
        layers: Sequence[EffectiveWeights],
        events: Events,
        labels: np.ndarray,
        chosen: np.ndarray,
        noise_key: int,
        first: int,
        columns: Sequence[kernels.Columns],
        backward_weights: Sequence[np.ndarray] | None,
        *,
        keep: bool = False,
    ) -> list[kernels.BatchStats]:
        """The tallies of all chunks; see `__call__`. Gradients are left in the scratch memory."""
        made: dict[int, tuple[tuple[kernels.CrossbarRows, ...], tuple[np.ndarray, ...]]] = {}
        bounds = [len(chosen) * chunk // CHUNKS for chunk in range(CHUNKS + 1)]

        def run(chunk: int) -> kernels.BatchStats:
            me = threading.get_ident()
            if me not in made:  # each thread its own copy, or lines come one by one from the other
                made[me] = self._synapses(layers), self._back(backward_weights)
            (synapses, back), (low, high) = made[me], bounds[chunk : chunk + 2]
            samples = kernels.Samples(
                events.rows, events.times, events.offsets, labels, chosen[low:high], first + low
            )
            tally = empty_tally(self._network, high - low, max(self._widths), keep=keep)
            gradients = tuple(sums[chunk] for sums in self._sums)
            learn = backward_weights is not None
            if learn:
                for gradient in gradients:
                    gradient.fill(0.0)
            rest = back, self._constants, noise_key, self._scratch(), tally, gradients, learn
            recurrent = self._network.recurrent or None
            if columns:
                kernels.run_converted(samples, synapses, tuple(columns), *rest, recurrent)
            else:
                kernels.run_chunk(samples, synapses, *rest, recurrent)
            return trimmed(tally) if keep else tally

        return self._share(run, CHUNKS, self.threads)

    def _share(self, run: Callable[[int], T], count: int, threads: int) -> list[T]:
        """`run` of 0, 1, ..., in this order, by the calling thread and those of the pool.

        The calling thread does not wait for another to wake. It begins at the one end and the
        others at the other, so that each finds most of its memory in its own cache.
        """
        if threads == 1:
            return [run(number) for number in range(count)]
        found: dict[int, T] = {}
        left = deque(range(count))

        def work(take: Callable[[], int]) -> None:
            while True:
                try:
                    number = take()
                except IndexError:  # none is left
                    return
                found[number] = run(number)

        others = [self._pool.submit(work, left.pop) for _ in range(threads - 1)]
        try:
            work(left.popleft)
        finally:
            wait(others)
        for other in others:
            other.result()
        return [found[number] for number in range(count)]

    def _scratch(self) -> kernels.Scratch:
        """The scratch memory of the thread that asks."""
        if not hasattr(self._mine, "scratch"):
            self._mine.scratch = scratch(self._network.steps, self._widths)
        found: kernels.Scratch = self._mine.scratch
        return found

    def _synapses(self, layers: Sequence[EffectiveWeights]) -> tuple[kernels.CrossbarRows, ...]:
        """The crossbars as the kernels read them, in arrays that the next pass overwrites."""
        rest = self._widths, self._network.inputs_of, self._tile_of
        matrices = [
            self._room(
                "crossbar", place, (len(own.weights), width * (2 if own.variance.size else 1))
            )
            for place, (own, width) in enumerate(zip(layers, self._widths, strict=True))
        ]
        return tuple(map(synapses, layers, *rest, matrices))

    def _room(self, use: str, place: int, shape: tuple[int, int]) -> np.ndarray:
        """Memory that every pass of the thread that asks overwrites; what is padding stays 0."""
        rooms: dict[tuple[str, int, tuple[int, int]], np.ndarray]
        rooms = self._mine.__dict__.setdefault("rooms", {})
        key = use, place, shape
        if key not in rooms:
            rooms[key] = aligned(shape, np.float32)
        return rooms[key]

    def _back(self, weights: Sequence[np.ndarray] | None) -> tuple[np.ndarray, ...]:
        """The backward weights as the kernels read them: those of the readout turned over.

        Through the first crossbar nothing is carried back, unless its layer drives itself.
        """
        if weights is None:
            return self._no_back
        found, unread = list(self._no_back), 0 if self._network.recurrent else 1
        widths = [*self._widths[:-1], self._widths[-2]]
        for place, own in enumerate([*weights[:-1], weights[-1].T]):
            if place >= unread:
                found[place] = self._room("back", place, (len(own), widths[place]))
                found[place][:, : own.shape[1]] = own
        return tuple(found)

    def _mean_gradients(self, samples: int) -> tuple[np.ndarray, ...]:
        """Sum over the chunks in their order, without the padding."""
        found = tuple(np.empty(shape, np.float32) for shape in self._network.crossbars)
        for sums, mean in zip(self._sums, found, strict=True):
            self._reduce(sums, samples, mean)
        return found

    def _reduce(self, sums: np.ndarray, samples: int, mean: np.ndarray) -> None:
        """`mean_of_chunks`, by as many threads as are worth it."""
        parts = self.threads if mean.size > SMALL else 1
        ends = [len(mean) * part // parts for part in range(parts + 1)]

        def some(part: int) -> None:
            mean_of_chunks(sums, samples, ends[part], ends[part + 1], mean)

        self._share(some, parts, parts)


def join(tallies: Sequence[kernels.BatchStats], network: Network) -> BatchResult:
    """Add up the tallies of chunks, in their order; padding is left out."""

    def added(name: str) -> np.ndarray:
        first, *others = (getattr(tally, name) for tally in tallies)
        return np.asarray(sum(others, first))

    return BatchResult(
        np.concatenate([t.predictions for t in tallies]),
        np.concatenate([t.losses for t in tallies]),
        tuple(row[:n] for row, n in zip(added("spikes"), network.hidden, strict=True)),
        added("activations"),
        added("tile_steps"),
        added("siemens"),
        added("clipped"),
        (),
    )
