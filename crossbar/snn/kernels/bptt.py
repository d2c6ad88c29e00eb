"""A chunk of samples through the whole network: one after the other, or some at a time.

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
from .records import Company, EventSlice, Injected
from .simd import data_pointer, write
from .topology import backward, carry, forward, sweep_together


@jit
def lines_into(n, samples, i, layers, slot, counts):
    """What comes into layer n in sample i of a chunk, which has the arrays of a slot."""
    if n > 0:
        trace = layers[n - 1][slot].trace
        return EventSlice(trace.rows, trace.times, 0, counts[n - 1, slot])
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
    company: Any,
) -> Any:  # fmt: skip
    """`backward_of` the kind `groups[group][kind]`."""
    raise NotImplementedError


@inlined
def backward_of(
    kind, injected, is_given, lines, bin_count, count, layer, below, c, start, last, hold,
    is_lowest, company,
):  # fmt: skip
    """`topology.backward`, then (above the lowest layer with weights) `topology.carry`.

    Before the first sample of a company comes what all of them do at once.
    """
    if company.size > 0:
        sweep_together(kind.topology, kind, company, c)
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
    hold, is_lowest, company,
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
        last, hold, is_lowest, company,
    ):  # fmt: skip
        backward_of(
            groups[0][kind], injected, is_given, lines, bin_count, count, layer, below, c, start,
            last, hold, is_lowest, company,
        )  # fmt: skip

    def several(
        groups, group, kind, injected, is_given, lines, bin_count, count, layer, below, c, start,
        last, hold, is_lowest, company,
    ):  # fmt: skip
        if group == 0:
            backward_of(
                groups[0][kind], injected, is_given, lines, bin_count, count, layer, below, c,
                start, last, hold, is_lowest, company,
            )  # fmt: skip
        else:
            backward_at(
                groups[1:], group - 1, kind, injected, is_given, lines, bin_count, count, layer,
                below, c, start, last, hold, is_lowest, company,
            )  # fmt: skip

    return None if is_record(groups, None) else last_group if len(groups) == 1 else several


@jit
def record_spikes(i, layers, counts, c, stats):
    """Copy the spikes of sample i, if there is a buffer for them."""
    for n in range(stats.recorded_ends.shape[0]):
        layer, at, event = layers[n][0], stats.recorded_ends[n, i], 0
        trace = layer.trace
        for t in range(c.steps):
            while event < counts[n, 0] and int(trace.times[event]) == t:
                stats.recorded_rows[n, at] = trace.rows[event]
                stats.recorded_times[n, at] = t
                at += 1
                event += 1
            if layer.beside != 0 and layer.recurrent_bins.slots[t] != 0:
                stats.recorded_rows[n, at] = layer.crossbar.neurons
                stats.recorded_times[n, at] = t
                at += 1
        stats.recorded_ends[n, i + 1] = at


def output_back(
    injected: Any, output: Any, listed: Any, lines: Any, bin_count: Any, count: Any, layer: Any,
    below: Any, company: Any, is_spread: Any, hold: Any, c: Any, start: Any, last: Any, end: Any,
) -> Any:  # fmt: skip
    """The gradient of the output layer, and the errors of the layer before.

    Args:
        injected: None where the output neurons are not linear.
        output: `LayerKind` of the output layer.
        listed: How many errors are listed in its trace, see `loss.score`.
        lines, bin_count, count, c, start, last: See `topology.backward`.
        layer, below: `LayerArrays` of the output layer, and of the one before.
        company: This sample alone.
        is_spread: Whether the errors of the layer before are wanted in its trace: it takes none
            that are injected, or it sent too many or too few spikes, or another sample is next.
        hold: `spike_count_penalty` of the layer before.
        end: Where its sweep begins.

    Returns:
        Whether they stand there.
    """
    raise NotImplementedError


@implements(output_back, None, inline=False)
def _carry_down(
    injected, output, listed, lines, bin_count, count, layer, below, company, is_spread, hold, c,
    start, last, end,
):  # fmt: skip
    backward_of(
        output, None, True, lines, bin_count, count, layer, below.trace, c, start, last, hold,
        False, company,
    )  # fmt: skip
    return True


@implements(output_back, Injected, inline=False)
def _inject(
    injected, output, listed, lines, bin_count, count, layer, below, company, is_spread, hold, c,
    start, last, end,
):  # fmt: skip
    inject(injected, layer.trace, listed, below.trace.width, start, last, c.steps, c.one)
    backward(output.topology, output, None, True, lines, bin_count, count, layer, c, start, last)
    if is_spread:
        spread_errors(injected, c, start, end, hold, below.crossbar.neurons, below.trace)
    return is_spread


@jit
def output_back_of(
    samples, i, bin_count, layers, slot, output, injected, listed, c, counts, starts, lasts
):
    """`output_back` of sample i; `lasts` of its slot becomes where the hidden layers begin."""
    top, is_held, hold, last = len(layers) - 2, False, c.one - c.one, lasts[slot]
    for n in range(top + 1):  # ends with the one before the output
        is_bounded = layers[n][slot].is_penalised != 0
        hold = spike_count_penalty(counts[n, slot] if is_bounded else -1, c)
        is_held |= hold != c.one - c.one or bounds_neurons(c.rates)
    end = c.steps - 1 if is_held and last < c.steps else last
    lines, below = lines_into(top + 1, samples, i, layers, slot, counts), layers[top][slot]
    is_spread = is_held or below.takes_injected == 0 or len(layers[top]) > 1
    alone = slice(slot, slot + 1)
    company = Company(layers[top + 1][alone], starts[alone], lasts[alone], 1)
    is_given = output_back(
        injected, output, listed, lines, bin_count[top + 1, slot], counts[top + 1, slot],
        layers[top + 1][slot], below, company, is_spread, hold, c, starts[slot], last, end,
    )  # fmt: skip
    lasts[slot] = end
    return is_given


@jit
def sweep_back(
    samples, first, size, bin_count, kinds, others, layers, injected, are_given, c, counts, starts,
    lasts, low,
):  # fmt: skip
    """The gradient of samples from `first` on, once errors stand in the traces before the output.

    Layer by layer, so that the samples of a layer that drives itself can take its steps together.
    """
    top = len(layers) - 2
    for n in range(top, low - 1, -1):
        below = n - 1 if n > 0 else 0
        for slot in range(size):
            hold_neurons(c.rates, layers[n][slot], counts[n, slot], c, starts[slot], lasts[slot])
        for slot in range(size):
            layer, under = layers[n][slot], layers[below][slot]
            lines = lines_into(n, samples, first + slot, layers, slot, counts)
            hold = spike_count_penalty(counts[below, slot] if under.is_penalised != 0 else -1, c)
            company = Company(layers[n], starts, lasts, size if slot == 0 else 0)
            is_given = are_given[slot] or n < top
            if layer.group == 0:
                backward_of(
                    kinds[layer.kind], injected, is_given, lines, bin_count[n, slot],
                    counts[n, slot], layer, under.trace, c, starts[slot], lasts[slot], hold,
                    n == low, company,
                )  # fmt: skip
            else:
                backward_at(
                    others, layer.group - 1, layer.kind, injected, is_given, lines,
                    bin_count[n, slot], counts[n, slot], layer, under.trace, c, starts[slot],
                    lasts[slot], hold, n == low, company,
                )  # fmt: skip


@jit
def run_forward(
    samples, i, slot, kinds, others, layers, output, bin_count, c, seed, counts, start, stats
):
    """All layers of sample i, forward."""
    top = len(layers) - 2
    for n in range(top + 2):
        lines, layer = lines_into(n, samples, i, layers, slot, counts), layers[n][slot]
        if n == 0:
            take_amplitudes(samples, i, layer.trace.values)
        bins = bin_count[n, slot] = find_bins(lines, layer.bins, c.steps)
        # Conversions have keys of their own, behind those of the reads of the sample.
        number = samples.first_key + i
        keys = (
            sample_key(seed, number, layer.place),
            sample_key(seed, number, layer.place + c.crossbars),
        )
        if n > top:
            counts[n, slot] = forward(
                output.topology, output, lines, bins, layer, c, start, keys, stats
            )
        elif layer.group == 0:
            kind = kinds[layer.kind]
            counts[n, slot] = forward(
                kind.topology, kind, lines, bins, layer, c, start, keys, stats
            )
        else:
            counts[n, slot] = forward_at(
                others, layer.group - 1, layer.kind, lines, bins, layer, c, start, keys, stats
            )


@jit
def run_chunk(samples, kinds, others, table, output, loss, injected, c, seed, low, stats, learn):
    """Run a chunk of samples, forward and (with `learn`) backward.

    Args:
        samples: Which samples, and their events.
        kinds: Tuple of `LayerKind` of one type, that of the first layer.
        others: Tuple of such tuples of other types; None without. The output layer is in neither.
        table: (slots, layers, fields): the arrays of every layer, see `layer_at`, for each of the
            samples that sweep back together; gradients are not touched without `learn`.
        output: `LayerKind` of the output layer.
        loss: Its numbers.
        injected: `Injected`, if the output neurons are linear; else None.
        c: Constants.
        seed: 64-bit seed of the read noise of this pass over the data.
        low: The lowest layer with weights.
        stats: Added to.
        learn: Whether to sweep back.
    """
    slots, depth = table.shape[:2]
    layers = [
        [layer_at(table[slot], n, c.one, samples.times) for slot in range(slots)]
        for n in range(depth)
    ]
    counters, injection = stats_pointers(stats), injected_pointers(injected)
    counts, bin_count = np.zeros((depth, slots), np.int64), np.zeros((depth, slots), np.int64)
    starts, lasts = np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    are_given = np.zeros(slots, np.bool_)
    many = samples.chosen.shape[0]
    for first in range(0, many, slots if learn else 1):
        size = min(slots, many - first) if learn else 1
        for slot in range(size):
            i = first + slot
            lines = lines_into(0, samples, i, layers, slot, counts)
            start = starts[slot] = 0 if c.is_restless != 0 else first_step(lines, c)
            run_forward(
                samples, i, slot, kinds, others, layers, output, bin_count, c, seed, counts, start,
                counters,
            )  # fmt: skip
            record_spikes(i, layers, counts, c, stats)
            label, trace = samples.labels[samples.chosen[i]], layers[depth - 1][slot].trace
            prediction, amount, last, listed = score(
                loss, label, trace, counts[depth - 1, slot], start, c
            )
            stats.predictions[i], stats.losses[i], lasts[slot] = prediction, amount, last
            if learn:
                are_given[slot] = output_back_of(
                    samples, i, bin_count, layers, slot, output, injection, listed, c, counts,
                    starts, lasts,
                )  # fmt: skip
        if learn:
            sweep_back(
                samples, first, size, bin_count, kinds, others, layers, injection, are_given, c,
                counts, starts, lasts, low,
            )  # fmt: skip
