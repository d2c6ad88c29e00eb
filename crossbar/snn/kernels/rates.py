"""Bounds on the spikes of each neuron of a hidden layer, see `crossbar.snn.reference`.

`Constants.rates` is None where there are none, and picks kernels that do nothing. All records hold
pointers.
"""

from typing import Any, NamedTuple

from device_models.jit import jit

from .dispatch import implements
from .pointers import increase
from .simd import LANES, load, store, write


class RateBounds(NamedTuple):
    """Spikes of a neuron in a sample, floats in the dtype of the weights."""

    most: Any  # beyond which they are penalised; 0: none
    least: Any
    penalty: Any


def bounds_neurons(rates: Any) -> Any:
    """Whether spikes of single neurons are bounded."""
    raise NotImplementedError


def hold_neurons(rates: Any, layer: Any, count: Any, c: Any, start: Any, last: Any) -> Any:
    """Add what the bounds tell each neuron to its errors in the steps from `start` to `last`.

    Args:
        rates: None or `RateBounds`.
        layer: `LayerArrays`, pointers: its errors stand in the trace, `work` is free.
        count: Spikes that it sent.
        c: `Constants`.
        start, last: Steps where the sweep ends and begins.
    """
    raise NotImplementedError


@implements(bounds_neurons, None)
def _bounds_none(rates):
    return False


@implements(hold_neurons, None)
def _hold_none(rates, layer, count, c, start, last):
    pass


@implements(bounds_neurons, RateBounds)
def _bounds_some(rates):
    return True


@implements(hold_neurons, RateBounds, inline=False)
def _hold_neurons(rates, layer, count, c, start, last):
    if layer.is_penalised != 0:
        add_rates(rates, layer, count, c, start, last)


@jit
def add_rates(rates, layer, count, c, start, last):
    """`hold_neurons`; spikes and then errors of the neurons stand in `work`."""
    trace, neurons = layer.trace, layer.crossbar.neurons
    width, none = trace.width, c.one - c.one
    for j in range(width):
        write(trace.work, j, none)
    for event in range(count):
        increase(trace.work, int(trace.rows[event]), c.one)
    for j in range(neurons):
        spikes, amount = trace.work[j], none
        if rates.most > none and spikes > rates.most:
            amount = rates.penalty * (spikes / rates.most - c.one)
        elif spikes < rates.least:
            amount = rates.penalty * (spikes / rates.least - c.one)
        write(trace.work, j, amount)
    for t in range(start, min(last, c.steps - 1) + 1):
        for column in range(0, width, LANES):
            at = t * width + column
            store(trace.errors, at, load(trace.errors, at) + load(trace.work, column))
