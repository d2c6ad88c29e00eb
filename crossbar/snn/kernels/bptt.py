"""A chunk of samples through the whole network, one after the other.

Layers are of as many kinds as the network has, in groups of one type each; a layer says where its
kind stands. What a kind does is picked by the types of its records, so the compiler makes it once,
however many layers are of it.
"""

from typing import Any

import numpy as np
from numba.extending import overload

from device_models.jit import inlined, jit

from .backward import inject, spike_count_penalty, spread_errors
from .counter_rng import sample_key
from .dispatch import implements, is_record
from .forward import find_bins, first_step
from .loss import score
from .pointers import injected_pointers, layer_at, stats_pointers
from .rates import bounds_neurons, hold_neurons
from .records import EventSlice, Injected
from .simd import data_pointer, write
from .topology import backward, carry, forward


@jit
def lines_into(n, samples, i, layers, counts):
    """What comes into layer n in sample i of a chunk."""
    if n > 0:
        trace = layers[n - 1].trace
        return EventSlice(trace.rows, trace.times, 0, counts[n - 1])
    chosen = samples.chosen[i]
    first, last = samples.offsets[chosen], samples.offsets[chosen + 1]
    return EventSlice(data_pointer(samples.rows), data_pointer(samples.times), first, last)


@jit
def take_amplitudes(samples, i, values):
    """Write down the amplitudes that drive the first layer in sample i, where there are some."""
    chosen = samples.chosen[i]
    for line in range(samples.held.shape[1]):
        write(values, line, samples.unit * samples.held[chosen, line])


def forward_at(
    groups: Any, group: Any, kind: Any, lines: Any, bin_count: Any, layer: Any, c: Any, start: Any,
    keys: Any, stats: Any,
) -> Any:  # fmt: skip
    """`topology.forward` of the kind `groups[group][kind]`."""
    raise NotImplementedError


def backward_at(
    groups: Any, group: Any, kind: Any, injected: Any, is_given: Any, lines: Any, bin_count: Any,
    count: Any, layer: Any, below: Any, c: Any, start: Any, last: Any, hold: Any, is_lowest: Any,
) -> Any:  # fmt: skip
    """`backward_of` the kind `groups[group][kind]`."""
    raise NotImplementedError


@inlined
def backward_of(
    kind, injected, is_given, lines, bin_count, count, layer, below, c, start, last, hold, is_lowest
):
    """`topology.backward`, then (above the lowest layer with weights) `topology.carry`."""
    backward(
        kind.topology, kind, injected, is_given, lines, bin_count, count, layer, c, start, last
    )
    if not is_lowest:
        carry(kind.topology, layer, below, c, start, last, hold)


@implements(forward_at, None)
def _forward_none(groups, group, kind, lines, bin_count, layer, c, start, keys, stats):
    return 0


@implements(backward_at, None)
def _backward_none(
    groups, group, kind, injected, is_given, lines, bin_count, count, layer, below, c, start, last,
    hold, is_lowest,
):  # fmt: skip
    pass


@overload(forward_at, strict=False)
def _forward_at(groups, *args):
    def last_group(groups, group, kind, lines, bin_count, layer, c, start, keys, stats):
        layer_kind = groups[0][kind]
        return forward(
            layer_kind.topology, layer_kind, lines, bin_count, layer, c, start, keys, stats
        )

    def several(groups, group, kind, lines, bin_count, layer, c, start, keys, stats):
        if group == 0:
            layer_kind = groups[0][kind]
            return forward(
                layer_kind.topology, layer_kind, lines, bin_count, layer, c, start, keys, stats
            )
        return forward_at(
            groups[1:], group - 1, kind, lines, bin_count, layer, c, start, keys, stats
        )

    return None if is_record(groups, None) else last_group if len(groups) == 1 else several


@overload(backward_at, strict=False)
def _backward_at(groups, *args):
    def last_group(
        groups, group, kind, injected, is_given, lines, bin_count, count, layer, below, c, start,
        last, hold, is_lowest,
    ):  # fmt: skip
        backward_of(
            groups[0][kind], injected, is_given, lines, bin_count, count, layer, below, c, start,
            last, hold, is_lowest,
        )  # fmt: skip

    def several(
        groups, group, kind, injected, is_given, lines, bin_count, count, layer, below, c, start,
        last, hold, is_lowest,
    ):  # fmt: skip
        if group == 0:
            backward_of(
                groups[0][kind], injected, is_given, lines, bin_count, count, layer, below, c,
                start, last, hold, is_lowest,
            )  # fmt: skip
        else:
            backward_at(
                groups[1:], group - 1, kind, injected, is_given, lines, bin_count, count, layer,
                below, c, start, last, hold, is_lowest,
            )  # fmt: skip

    return None if is_record(groups, None) else last_group if len(groups) == 1 else several


@jit
def record_spikes(i, layers, counts, c, stats):
    """Copy the spikes of sample i, if there is a buffer for them."""
    for n in range(stats.recorded_ends.shape[0]):
        at, trace, event = stats.recorded_ends[n, i], layers[n].trace, 0
        for t in range(c.steps):
            while event < counts[n] and int(trace.times[event]) == t:
                stats.recorded_rows[n, at] = trace.rows[event]
                stats.recorded_times[n, at] = t
                at += 1
                event += 1
            if layers[n].beside != 0 and layers[n].recurrent_bins.slots[t] != 0:
                stats.recorded_rows[n, at] = layers[n].crossbar.neurons
                stats.recorded_times[n, at] = t
                at += 1
        stats.recorded_ends[n, i + 1] = at


def output_back(
    injected: Any, output: Any, listed: Any, lines: Any, bin_count: Any, count: Any, layers: Any,
    is_held: Any, hold: Any, c: Any, start: Any, last: Any,
) -> Any:  # fmt: skip
    """The gradient of the output layer, and the errors of the layer before.

    Args:
        injected: None where the output neurons are not linear.
        output: `LayerKind` of the output layer.
        listed: How many errors are listed in its trace, see `loss.score`.
        lines, found, count, c, start, last: See `topology.backward`.
        layers: All layers.
        is_held: Whether a layer sent too many or too few spikes.
        hold: `spike_count_penalty` of the layer before.

    Returns:
        Whether the errors stand in the trace of the layer before.
    """
    raise NotImplementedError


@implements(output_back, None, inline=False)
def _carry_down(
    injected, output, listed, lines, bin_count, count, layers, is_held, hold, c, start, last
):
    layer, below = layers[len(layers) - 1], layers[len(layers) - 2]
    backward(output.topology, output, None, True, lines, bin_count, count, layer, c, start, last)
    carry(output.topology, layer, below.trace, c, start, last, hold)
    return True


@implements(output_back, Injected, inline=False)
def _inject(
    injected, output, listed, lines, bin_count, count, layers, is_held, hold, c, start, last
):
    layer, below = layers[len(layers) - 1], layers[len(layers) - 2]
    inject(injected, layer.trace, listed, below.trace.width, start, last, c.steps, c.one)
    backward(output.topology, output, None, True, lines, bin_count, count, layer, c, start, last)
    is_spread = is_held or below.takes_injected == 0
    if is_spread:
        end = c.steps - 1 if is_held and last < c.steps else last
        spread_errors(injected, c, start, end, hold, below.crossbar.neurons, below.trace)
    return is_spread


@jit
def sweep_back(
    samples,
    i,
    bin_count,
    kinds,
    others,
    layers,
    output,
    injected,
    listed,
    c,
    counts,
    start,
    last,
    low,
):
    """The gradient of sample i, once its errors stand in the trace of the output layer."""
    top, is_held, hold = len(layers) - 2, False, c.one - c.one
    for n in range(top + 1):  # ends with the one before the output
        hold = spike_count_penalty(counts[n] if layers[n].is_penalised != 0 else -1, c)
        is_held |= hold != c.one - c.one or bounds_neurons(c.rates)
    lines = lines_into(top + 1, samples, i, layers, counts)
    is_given = output_back(
        injected, output, listed, lines, bin_count[top + 1], counts[top + 1], layers, is_held,
        hold, c, start, last,
    )  # fmt: skip
    last = c.steps - 1 if is_held and last < c.steps else last
    for n in range(top, low - 1, -1):
        below = n - 1 if n > 0 else 0
        lines, layer = lines_into(n, samples, i, layers, counts), layers[n]
        hold = spike_count_penalty(counts[below] if layers[below].is_penalised != 0 else -1, c)
        hold_neurons(c.rates, layer, counts[n], c, start, last)
        if layer.group == 0:
            backward_of(
                kinds[layer.kind], injected, is_given or n < top, lines, bin_count[n], counts[n],
                layer, layers[below].trace, c, start, last, hold, n == low,
            )  # fmt: skip
        else:
            backward_at(
                others, layer.group - 1, layer.kind, injected, is_given or n < top, lines,
                bin_count[n], counts[n], layer, layers[below].trace, c, start, last, hold,
                n == low,
            )  # fmt: skip


@jit
def run_chunk(samples, kinds, others, table, output, loss, injected, c, seed, low, stats, learn):
    """Run a chunk of samples one after the other, forward and (with `learn`) backward.

    Args:
        samples: Which samples, and their events.
        kinds: Tuple of `LayerKind` of one type, that of the first layer.
        others: Tuple of such tuples of other types; None without. The output layer is in neither.
        table: The arrays of every layer, see `layer_at`; gradients are not touched without `learn`.
        output: `LayerKind` of the output layer.
        loss: Its numbers.
        injected: `Injected`, if the output neurons are linear; else None.
        c: Constants.
        seed: 64-bit seed of the read noise of this pass over the data.
        low: The lowest layer with weights.
        stats: Added to.
        learn: Whether to sweep back.
    """
    layers = [layer_at(table, n, c.one, samples.times) for n in range(table.shape[0])]
    counters, injection = stats_pointers(stats), injected_pointers(injected)
    top, start = len(layers) - 2, c.steps
    counts, bin_count = np.zeros(top + 2, np.int64), np.zeros(top + 2, np.int64)
    for i in range(samples.chosen.shape[0]):
        for n in range(top + 2):
            lines, layer = lines_into(n, samples, i, layers, counts), layers[n]
            if n == 0:
                start = 0 if c.is_restless != 0 else first_step(lines, c)
                take_amplitudes(samples, i, layer.trace.values)
            bin_count[n] = find_bins(lines, layer.bins, c.steps)
            # Conversions have keys of their own, behind those of the reads of the sample.
            number = samples.first_key + i
            keys = (
                sample_key(seed, number, layer.place),
                sample_key(seed, number, layer.place + c.crossbars),
            )
            if n > top:
                counts[n] = forward(
                    output.topology, output, lines, bin_count[n], layer, c, start, keys, counters
                )
            elif layer.group == 0:
                kind = kinds[layer.kind]
                counts[n] = forward(
                    kind.topology, kind, lines, bin_count[n], layer, c, start, keys, counters
                )
            else:
                counts[n] = forward_at(
                    others, layer.group - 1, layer.kind, lines, bin_count[n], layer, c, start, keys,
                    counters,
                )  # fmt: skip
        record_spikes(i, layers, counts, c, stats)
        label, trace = samples.labels[samples.chosen[i]], layers[top + 1].trace
        prediction, amount, last, listed = score(loss, label, trace, counts[top + 1], start, c)
        stats.predictions[i], stats.losses[i] = prediction, amount
        if learn:
            sweep_back(
                samples, i, bin_count, kinds, others, layers, output, injection, listed, c, counts,
                start, last, low,
            )  # fmt: skip
