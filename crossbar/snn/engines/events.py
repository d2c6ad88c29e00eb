"""Runs batches through the kernels: fixed chunks of samples on a pool of threads."""

import os
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from device_models.record import Record

from ..encodings.events import Held
from ..kernels import records
from ..kernels.chunks import run_chunks
from ..kernels.pointers import KIND
from ..kernels.reduction import mean_of_chunks
from ..plan import LayerPlan, Plan
from ..registration import load_kernels
from .buffers import (
    Scratch,
    aligned,
    constants,
    crossbar_rows,
    empty_stats,
    fill_rows,
    first_trained,
    join,
    most_recorded,
    no_crossbar,
    padded,
    recorded_spikes,
    scratch,
    shrink,
)
from .checks import BatchChecks, check_kernels, check_tiles
from .protocol import Batch, BatchResult, LayerView, Resources
from .wiring import Kinds, address, carries_back, injection, kinds_of, lowest, slots_of, table_of

load_kernels()
T = TypeVar("T")

CHUNKS = 4  # of a batch; fixed, so that sums do not depend on the number of threads
# A second thread would take longer to begin than to help: weights, and those that all steps of a
# batch may meet.
SMALL, SMALL_BATCH = 200_000, 25_000_000
_BUFFER = 1 << 26  # spikes of a layer that are recorded at a time, 3 bytes each


class Wiring(NamedTuple):
    """What all chunks of a pass share, as one thread reads it."""

    kinds: Kinds
    layers: list[records.LayerArrays]
    table: np.ndarray  # of the layers, see `wiring.table_of`
    injected: records.Injected | None


class EventEngine:
    """`Engine` of the kernels: a pool of threads and the scratch memory of the gradients."""

    @dataclass(frozen=True, kw_only=True)
    class Options(Record):
        """Nothing is left open."""

        def build(self, network: Plan, resources: Resources) -> "EventEngine":
            """See `protocol.EngineOptions`."""
            return EventEngine(network, tile_rows=resources.tile_rows, threads=resources.threads)

    def __init__(self, network: Plan, *, tile_rows: int, threads: int | None = None) -> None:
        """Set up for one network.

        Args:
            network: Its layers and constants.
            tile_rows: Word lines of a tile, for counters and converters.
            threads: How many samples run at a time; by default one per processor.

        Raises:
            ConfigError: A neuron, a kind of layer or the loss brings no kernels, or a convolution
                lies on too many tiles.
        """
        check_tiles(network, tile_rows)
        self._network, self._checks = network, BatchChecks(network)
        self._constants, self._lowest = constants(network, tile_rows), lowest(network)
        self._loss = network.network.loss.numbers(  # type: ignore[attr-defined]  # of every loss
            network.classes, network.steps, np.float32
        )
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2
        self.threads = min(CHUNKS, threads or processors)
        self._pool = ThreadPoolExecutor(max(1, self.threads - 1))  # beside the calling thread
        self._of_thread, self._loaded = threading.local(), set[Hashable]()
        self._none, self._tile_rows = np.zeros((0, 0), np.float32), tile_rows
        self._work = network.steps * sum(
            layer.lines * layer.columns * layer.array.positions for layer in network.synaptic
        )
        self._kinds = kinds_of(network, [None] * len(network.crossbars), np.float32)
        self._held_kinds: Kinds | None = None
        check_kernels(network, self._loss)
        self._sums = [
            aligned(
                (CHUNKS, layer.matrix_rows + len(layer.trained), padded(layer.columns)), np.float32
            )
            for layer in network.synaptic
        ]  # the rows behind those of the crossbar are those of `BatchResult.by_trained`
        self._targets, self._is_clear = _targets(network, self._sums), True

    def run(
        self,
        batch: Batch,
        layers: Sequence[LayerView],
        *,
        learn: Sequence[np.ndarray] | None = None,
        record: bool = False,
    ) -> BatchResult:
        """See `Engine`.

        Raises:
            ShapeError, ConfigError: See `BatchChecks`.
        """
        network = self._network
        self._checks.samples(batch)
        self._checks.layers(layers)
        self._checks.learn(learn)
        if not record:
            total = join(self._chunks(batch, layers, learn), network)
            if learn is None:
                return total
            means = list(zip(network.synaptic, self._means(len(batch.chosen)), strict=True))
            return total._replace(
                gradients=tuple(mean[: layer.matrix_rows] for layer, mean in means),
                by_trained=tuple(mean[layer.matrix_rows :] for layer, mean in means),
            )
        most = max(1, _BUFFER // (network.steps * most_recorded(network)))
        chunks: list[records.BatchStats] = []
        for low in range(0, len(batch.chosen), most):
            part = batch._replace(chosen=batch.chosen[low : low + most], first=batch.first + low)
            chunks += self._chunks(part, layers, None, record=True)
        spikes = tuple(recorded_spikes(chunks, layer.index) for layer in network.senders)
        return join(chunks, network)._replace(recorded=spikes)

    def _chunks(
        self,
        batch: Batch,
        layers: Sequence[LayerView],
        learn: Sequence[np.ndarray] | None,
        *,
        record: bool = False,
    ) -> list[records.BatchStats]:
        """Statistics of all chunks. Gradients are left in the scratch memory."""
        wirings: dict[int, Wiring] = {}
        size, held = len(batch.chosen), batch.events.held
        bounds = size * np.arange(CHUNKS + 1) // CHUNKS
        amplitudes = () if held is None else (held.codes, held.unit)
        samples = records.Samples(
            batch.events.rows, batch.events.times, batch.events.offsets, batch.labels,
            batch.chosen, batch.first, *amplitudes,
        )  # fmt: skip
        constants = self._constants
        if held is not None:
            constants = constants._replace(is_restless=True)
        learns = learn is not None
        targets = self._clear_targets() if learns else self._targets[:, :0]

        def run(first: int, last: int, bounds: np.ndarray, stats: records.BatchStats) -> None:
            thread = threading.get_ident()
            if thread not in wirings:  # its own copy, or lines come one by one from the other
                wirings[thread] = self._wiring(layers, learn, held)
            wiring = wirings[thread]
            run_chunks(
                first, last, bounds, samples, wiring.kinds.first, wiring.kinds.others,
                wiring.table, wiring.kinds.output, self._loss, wiring.injected, constants,
                batch.noise_key, self._lowest, stats, targets, learns,
            )  # fmt: skip

        def run_recorded(chunk: int) -> records.BatchStats:
            own = bounds[chunk : chunk + 2]
            stats = empty_stats(self._network, int(own[1] - own[0]), chunks=1, record=True)
            run(0, 1, own, stats)
            return shrink(stats)

        threads = 1 if size * self._work <= SMALL_BATCH else self.threads
        stats = empty_stats(self._network, size, chunks=CHUNKS)
        if threads == 1 and not record:
            run(0, CHUNKS, bounds, stats)
            return [stats]
        kinds = tuple((bool(view.variance.size), view.front is not None) for view in layers)
        key = learns, record, held is not None, kinds
        if record:
            return self._map_threads(run_recorded, CHUNKS, threads, key)
        self._map_threads(lambda i: run(i, i + 1, bounds, stats), CHUNKS, threads, key)
        return [stats]

    def _clear_targets(self) -> np.ndarray:
        """Where chunks add their gradients to; all is zero there."""
        if not self._is_clear:
            for sums in self._sums:
                sums.fill(0.0)
        self._is_clear = False
        return self._targets

    def _map_threads(
        self, run: Callable[[int], T], count: int, threads: int, key: Hashable
    ) -> list[T]:
        """`run` of 0, 1, ..., in this order, by the calling thread and those of the pool.

        The calling thread does not wait for another to wake. It begins at the one end and the
        others at the other, so that each finds most of its memory in its own cache. Of each `key`
        the first of all is run alone: it loads or compiles kernels, and a thread that Ctrl-C ends
        meanwhile may keep a lock that the others would wait for.
        """
        if threads == 1:
            return [run(number) for number in range(count)]
        alone = key not in self._loaded
        results = {number: run(number) for number in range(alone)}
        self._loaded.add(key)
        left = deque(range(alone, count))

        def work(take: Callable[[], int]) -> None:
            while True:
                try:
                    number = take()
                except IndexError:  # none is left
                    return
                results[number] = run(number)

        others = [self._pool.submit(work, left.pop) for _ in range(threads - 1)]
        try:
            work(left.popleft)
        finally:
            wait(others)
        for other in others:
            other.result()
        return [results[number] for number in range(count)]

    def _wiring(
        self,
        layers: Sequence[LayerView],
        learn: Sequence[np.ndarray] | None,
        held: Held | None,
    ) -> Wiring:
        """The layers as this thread reads them, in memory that its next pass overwrites."""
        of_thread = self._of_thread
        if not hasattr(of_thread, "wirings"):
            of_thread.wirings, of_thread.crossbars = {}, {}
            slots = slots_of(self._network)
            of_thread.scratch = [scratch(self._network) for _ in range(slots)]
            of_thread.injected = injection(self._network, None)
        key = learn is not None, *(bool(view.variance.size) for view in layers)
        if key not in of_thread.wirings:
            of_thread.wirings[key] = self._new_wiring(layers, learns=learn is not None)
        wiring: Wiring = of_thread.wirings[key]
        for i, (layer, view) in enumerate(zip(self._network.synaptic, layers, strict=True)):
            arrays = wiring.layers[layer.index]
            fill_rows(arrays.crossbar, view)
            siemens = layer.settings.siemens_of_lines(layer.incoming, view.siemens)
            if held is not None and layer.index == 0:
                siemens = siemens / held.gain**2
            arrays.crossbar.siemens[:] = siemens
            if arrays.trained.size:
                own = layer.first_trained if view.trained is None else view.trained
                arrays.trained[:, : layer.outputs] = own
            if learn is not None and arrays.back.size:
                layer.settings.fill_back(layer.incoming, learn[i], arrays.back)
        if learn is not None and wiring.injected is not None:
            lines = self._network.synaptic[-1].lines  # a bias behind them carries nothing
            wiring.injected.back[:, :lines] = learn[-1][:lines].T
        kinds = self._kinds
        if any(view.front is not None for view in layers):  # each layer has its own then
            kinds = kinds_of(self._network, self._fronts(layers), np.float32)
        if held is not None:
            kinds = self._held_kinds = self._held_kinds or kinds_of(
                self._network, [None] * len(layers), np.float32, is_held=True
            )
        wiring.table[:, :-1, KIND] = kinds.places
        return wiring._replace(kinds=kinds)

    def _new_wiring(self, layers: Sequence[LayerView], *, learns: bool) -> Wiring:
        """Memory for layers with or without noise, of the thread that asks."""
        network, arrays = self._network, []
        places, last = (*self._kinds.places, (0, 0)), len(network.layers) - 1
        memories: list[Scratch] = self._of_thread.scratch[0]
        for layer, (trace, bins, recurrent_bins), (group, kind) in zip(
            network.layers, memories, places, strict=True
        ):
            crossbar, back = no_crossbar(layer), self._none
            if layer.crossbar is not None:
                crossbar = self._crossbar(layer, bool(layers[layer.crossbar].variance.size))
                if learns and carries_back(network, layer):
                    back = aligned(layer.settings.back_shape(layer.incoming), np.float32)
            arrays.append(
                records.LayerArrays(
                    crossbar, trace, bins, recurrent_bins, back, self._none,
                    first_trained(layer), self._none, layer.index,
                    -1 if layer.crossbar is None else layer.crossbar,
                    layer.neuron is not None and layer.index < last,
                    layer.settings.TAKES_INJECTED, layer.beside, group, kind,
                )
            )  # fmt: skip
        injected = self._of_thread.injected
        if injected is not None and learns:
            before, output = network.layers[-2:]
            back = aligned((output.outputs, padded(before.outputs)), np.float32)
            injected = injected._replace(back=back)
        slots = [arrays] + [
            [layer._replace(trace=own[0], bins=own[1], recurrent_bins=own[2])
             for layer, own in zip(arrays, each, strict=True)]
            for each in self._of_thread.scratch[1:]
        ]  # fmt: skip
        return Wiring(self._kinds, arrays, table_of(slots), injected)

    def _crossbar(self, layer: LayerPlan, is_noisy: bool) -> records.CrossbarRows:
        """Rows of one layer, of the thread that asks: the same memory to learn and to test."""
        crossbars: dict[tuple[int, bool], records.CrossbarRows] = self._of_thread.crossbars
        key = layer.index, is_noisy
        if key not in crossbars:
            crossbars[key] = crossbar_rows(layer, self._tile_rows, is_noisy=is_noisy)
        return crossbars[key]

    def _fronts(self, layers: Sequence[LayerView]) -> list[Any]:
        """The front ends, with scratch memory of the thread that asks."""
        fronts: list[Any] = []
        for view in layers:
            front = view.front
            if front is not None:
                sums = np.zeros_like(front.columns.sums)
                front = front._replace(columns=front.columns._replace(sums=sums))
            fronts.append(front)
        return fronts

    def _means(self, samples: int) -> tuple[np.ndarray, ...]:
        """Sum over the chunks in their order, without the padding; the chunks are cleared."""
        means = tuple(
            np.empty((sums.shape[1], layer.columns), np.float32)
            for layer, sums in zip(self._network.synaptic, self._sums, strict=True)
        )
        for sums, mean in zip(self._sums, means, strict=True):
            self._reduce(sums, samples, mean)
        self._is_clear = True
        return means

    def _reduce(self, sums: np.ndarray, samples: int, mean: np.ndarray) -> None:
        """`mean_of_chunks`, by as many threads as are worth it."""
        parts = self.threads if mean.size > SMALL else 1
        ends = [len(mean) * part // parts for part in range(parts + 1)]

        def reduce(part: int) -> None:
            mean_of_chunks(sums, samples, ends[part], ends[part + 1], mean)

        self._map_threads(reduce, parts, parts, mean_of_chunks)


def _targets(network: Plan, sums: Sequence[np.ndarray]) -> np.ndarray:
    """Where each chunk adds what to, see `kernels.chunks.run_chunks`.

    Args:
        network: The layers.
        sums: Of each crossbar, (chunks, rows, columns): those of its neurons behind its own.
    """
    parts = [
        [
            (layer.index, address(of_chunk, np.float32), address(own, np.float32))
            for layer, chunks in zip(network.synaptic, sums, strict=True)
            for of_chunk, own in [(chunks[chunk], chunks[chunk, layer.matrix_rows :])]
        ]
        for chunk in range(CHUNKS)
    ]
    return np.array(parts, np.int64)
