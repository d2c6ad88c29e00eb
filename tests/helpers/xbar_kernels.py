"""The kernels by hand: what they read and write, made from plain weights in any dtype."""

from typing import NamedTuple

import numpy as np
import torch
from torch.testing import assert_close
from xbar_training import margins

from crossbar.snn import reference
from crossbar.snn.encodings.events import Events
from crossbar.snn.engines.buffers import (
    aligned,
    constants,
    crossbar_rows,
    empty_stats,
    fill_rows,
    first_trained,
    no_crossbar,
    padded,
    scratch,
    time_type,
)
from crossbar.snn.engines.protocol import LayerView
from crossbar.snn.engines.wiring import carries_back, injection, kinds_of, lowest, table_of
from crossbar.snn.kernels import counter_rng
from crossbar.snn.kernels.bptt import run_chunk
from crossbar.snn.kernels.records import BatchStats, LayerArrays, LayerTrace, Samples
from crossbar.snn.plan import Plan
from crossbar.snn.registration import load_kernels

load_kernels()


class Case(NamedTuple):
    """A network, its input and what the reference makes of it; gradients are sums over samples."""

    network: Plan
    weights: tuple[np.ndarray, ...]
    events: Events
    labels: np.ndarray
    chosen: np.ndarray  # the samples compared
    x: torch.Tensor
    outcome: reference.Outcome
    gradients: tuple[torch.Tensor, ...]
    trained: tuple = ()  # what neurons have of their own, of each crossbar an array or None
    by_trained: tuple = ()  # gradients by those


class Run(NamedTuple):
    """What the kernel made of some samples; tally and gradients are as wide as the padding."""

    tally: BatchStats
    gradients: tuple[np.ndarray, ...]
    traces: tuple[LayerTrace, ...] = ()  # of every layer, as the last sample left them
    by_trained: tuple[np.ndarray, ...] = ()


def views_of(weights, kind, *, siemens=None, variances=None, fronts=None):
    """The crossbars as an engine takes them; `siemens` is 1 and there is no noise by default."""
    none = [None] * len(weights)
    return [
        LayerView(
            w.astype(kind),
            np.zeros((0, 0), kind) if variance is None else variance.astype(kind),
            np.ones(len(w)) if of_row is None else of_row,
            front,
        )
        for w, of_row, variance, front in zip(
            weights, siemens or none, variances or none, fronts or none, strict=True
        )
    ]


def wider(array, shape):
    """`array` with rows or columns of zeros behind it, contiguous."""
    wide = aligned(shape, array.dtype)
    wide[: array.shape[0], : array.shape[1]] = array
    return wide


def empty_run(network, samples, kind, *, fill=0.0):
    """A run of `samples` that has done nothing yet; its gradients start at `fill`."""
    tally = empty_stats(network, samples)
    tally.predictions.fill(-1)
    tally.losses.fill(np.nan)
    shapes = [(rows, padded(columns)) for rows, columns in network.matrices]
    return Run(tally, tuple(np.full(shape, fill, kind) for shape in shapes))


def run_samples(network, weights, samples, kind, *, into=None, **how):
    """Samples through `run_chunk`; `how` as for `runner`."""
    run = empty_run(network, len(samples.chosen), kind) if into is None else into
    is_held = samples.held.size > 0
    return runner(network, weights, kind, run, is_held=is_held, **how)(samples)


def runner(
    network, weights, kind, run, *, seed=0, learn=True, tile_rows=64, trained=(), is_held=False,
    **synapses,
):  # fmt: skip
    """What adds samples to `run`, again and again on the same arrays; `synapses`: see `views_of`.

    Returns:
        A function of `Samples`, which gives the run.
    """
    views = views_of(weights, kind, **synapses)
    kinds = kinds_of(network, [view.front for view in views], kind, is_held=is_held)
    layers, none, changes = [], np.zeros((0, 0), kind), []
    for layer, memory, place in zip(
        network.layers, scratch(network, kind), (*kinds.places, (0, 0)), strict=True
    ):
        crossbar, back, gradient, i = no_crossbar(layer, kind), none, none, layer.crossbar
        if i is not None:
            is_noisy = bool(views[i].variance.size)
            crossbar = crossbar_rows(layer, tile_rows, is_noisy=is_noisy, dtype=kind)
            fill_rows(crossbar, views[i])
            siemens = np.ascontiguousarray(views[i].siemens, float)
            siemens = layer.settings.siemens_of_lines(layer.incoming, siemens)
            crossbar = crossbar._replace(siemens=siemens)
            gradient = run.gradients[i]
            if carries_back(network, layer):
                back = aligned(layer.settings.back_shape(layer.incoming), kind)
                layer.settings.fill_back(layer.incoming, views[i].weights, back)
        own = first_trained(layer, kind)
        if i is not None and trained and trained[i] is not None:
            own[:, : layer.outputs] = trained[i]
        changes += [] if i is None else [np.zeros_like(own)]
        by_own = np.zeros_like(own) if i is None else changes[-1]
        is_penalised = layer.neuron is not None and layer.index < len(network.layers) - 1
        layers.append(
            LayerArrays(
                crossbar, *memory, back, gradient, own, by_own, layer.index, -1 if i is None else i,
                is_penalised, layer.settings.TAKES_INJECTED, layer.beside, *place,
            )
        )  # fmt: skip
    before, output = network.layers[-2:]
    back = wider(views[-1].weights.T, (output.outputs, padded(before.outputs)))
    loss = network.network.loss.numbers(network.classes, network.steps, kind)
    table, injected = table_of([layers]), injection(network, back, kind)
    c, low = constants(network, tile_rows, kind), lowest(network)
    c = c._replace(is_restless=is_held or c.is_restless)
    traces = tuple(layer.trace for layer in layers)
    run = run._replace(traces=traces, by_trained=tuple(changes))

    def add(samples):
        run_chunk(
            samples, kinds.first, kinds.others, table, kinds.output, loss, injected, c, seed, low,
            run.tally, learn,
        )  # fmt: skip
        return run

    add.arrays = layers  # the table has their addresses alone
    return add


def run_kernel(case, kind, *, chosen=None, **how):
    """The samples of `case`, or some, through the kernel in the dtype `kind`, without noise."""
    chosen = case.chosen if chosen is None else chosen
    rows, times, offsets = case.events.rows, case.events.times, case.events.offsets
    held = case.events.held
    amplitudes = () if held is None else (held.codes, held.unit)
    samples = Samples(rows, times, offsets, case.labels, chosen, 0, *amplitudes)
    return run_samples(case.network, case.weights, samples, kind, **{"trained": case.trained} | how)


def counts(samples, steps, inputs, seed=0):
    """Counts of 0 to some 80 spikes a sample, some of them in one step or on one line."""
    generator = np.random.default_rng([71, seed])
    rate = generator.uniform(0.0, 80.0, (samples, 1, 1)) / (inputs * steps)
    x = generator.poisson(rate, (samples, steps, inputs))
    x[:3] = 0
    return x, generator


def events_of(x):
    """The events of counts (samples, steps, inputs); a count of n gives n events."""
    sample, times, rows = np.nonzero(x)
    counts = x[sample, times, rows]
    offsets = np.concatenate([[0], np.cumsum(x.sum((1, 2)))]).astype(np.int64)
    return Events(
        np.repeat(rows, counts).astype(np.uint16),
        np.repeat(times, counts).astype(time_type(x.shape[1])),
        offsets,
    )


def make_case(network, weights, events, labels, *, offered, wanted=None, margin=0.0, trained=()):
    """Run the reference in float64; keep the first `wanted` samples that have the margin."""
    x = reference.dense(events, offered, network, torch.float64)
    leaves = [torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in weights]
    own = [None if t is None else torch.tensor(t, dtype=torch.float64) for t in trained]
    each = [t.requires_grad_() for t in own if t is not None]
    outcome = reference.simulate(network, leaves, x, torch.from_numpy(labels[offered]), own)
    kept = np.flatnonzero(margins(outcome).numpy() >= margin)[:wanted]
    assert wanted is None or len(kept) == wanted, "offer more samples"
    told = outcome.losses + reference.penalties(network, outcome.spikes)
    gradients = torch.autograd.grad(told[kept].sum(), [*leaves, *each], materialize_grads=True)
    by_own = iter(gradients[len(leaves) :])
    return Case(
        network, tuple(weights), events, labels, offered[kept], x[kept], some(outcome, kept),
        gradients[: len(leaves)], tuple(trained),
        tuple(None if t is None else next(by_own) for t in own),
    )  # fmt: skip


def some(outcome, kept):
    """The outcome of some of its samples, without its graph."""
    losses, predictions, readout = (
        part.detach()[kept] for part in (outcome.losses, outcome.predictions, outcome.readout)
    )
    spikes, membrane = (
        tuple(part.detach()[kept] for part in layers)
        for layers in (outcome.spikes, outcome.membrane)
    )
    return reference.Outcome(losses.mean(), losses, predictions, spikes, membrane, readout)


def driven_lines(network, x, outcome):
    """What drives the rows of every crossbar, (samples, steps, rows) each."""
    lines = []
    for layer, source in zip(network.synaptic, network.sources, strict=True):
        into = [x if source < 0 else outcome.spikes[source]]
        into += [outcome.spikes[layer.index]] if layer.recurrent_rows else []
        driven = layer.settings.reads(layer.incoming, torch.cat(into, 2))
        lines.append(driven[:, :, : layer.rows])
    return lines


def slow_tile_steps(driven, tile_rows):
    """(row tile, step) pairs with a driven line, of lines (samples, steps, rows)."""
    return sum(int((tile.sum(2) > 0).sum()) for tile in driven.split(tile_rows, dim=2))


def near(actual, expected, rtol):
    """Equal to `rtol` of the largest entry."""
    actual, expected = torch.as_tensor(actual).double(), expected.double()
    assert_close(actual, expected, rtol=0.0, atol=rtol * float(expected.abs().max()) + 1e-300)


class Tolerance(NamedTuple):
    """What a run may differ from the reference by."""

    loss: float  # relative, each sample
    loss_floor: float  # absolute: a loss near 0 is a difference of scores of order 1
    hidden: float  # gradients, of the largest entry
    readout: float  # the same


FLOAT64 = Tolerance(loss=1e-9, loss_floor=1e-14, hidden=1e-9, readout=1e-9)
# The surrogate is steep: at V = 1 a relative error of V comes back 200 times as large in its slope
# and so in the gradient of W1. The reference itself, run in float32, is off by up to 3.3e-5 here.
FLOAT32 = Tolerance(loss=1e-5, loss_floor=3e-6, hidden=1e-4, readout=1e-5)


def same_spikes(tally, outcome):
    """The spikes of every hidden neuron, exactly; none of the padding."""
    for found, spikes in zip(tally.spikes, outcome.spikes, strict=False):
        neurons = spikes.shape[2]
        assert found[:neurons].tolist() == spikes.sum((0, 1)).tolist()
        assert not found[neurons:].any()


def near_gradients(gradients, expected, tolerance):
    """Within the tolerance of the expected ones; those of the padding are zero."""
    allowed = [tolerance.hidden] * (len(expected) - 1) + [tolerance.readout]
    for found, wanted, rtol in zip(gradients, expected, allowed, strict=True):
        outputs = wanted.shape[1]
        near(found[:, :outputs], wanted, rtol)
        assert not found[:, outputs:].any()


def agree(case, run, tolerance):
    """Within the tolerance of the reference; predictions and spikes exactly."""
    tally, gradients, _, by_trained = run
    rtol, atol, *_ = tolerance
    assert_close(torch.from_numpy(tally.losses), case.outcome.losses, rtol=rtol, atol=atol)
    assert tally.predictions.tolist() == case.outcome.predictions.tolist()
    same_spikes(tally, case.outcome)
    near_gradients(gradients, case.gradients, tolerance)
    for found, wanted in zip(by_trained, case.by_trained, strict=False):
        if wanted is not None:
            near(found[:, : wanted.shape[1]], wanted, tolerance.hidden)


def lane_squares():
    """Correlation of the squares of two lanes of a block of noise, by their distance.

    With x = (p + q) / sqrt 2 it is that of the squares within the two pools, a quarter of each.
    """
    found = np.zeros(counter_rng._SIZE)
    for pool in (counter_rng._P, counter_rng._Q):
        squares = pool[: counter_rng._SIZE].astype(float) ** 2
        power = np.abs(np.fft.rfft(squares - squares.mean())) ** 2
        found += np.fft.irfft(power, counter_rng._SIZE) / counter_rng._SIZE / 8.0
    return found
