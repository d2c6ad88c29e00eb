"""A first layer that amplitudes drive, the same in all steps: it is read once and held.

`HeldInput` stands around the numbers of a layer; what such a layer brings are two stubs. The drive
is one row, which the neurons take in in every step; the gradient by it is that of all steps summed.
All records hold pointers.
"""

from typing import Any, NamedTuple

from device_models.jit import jit

from . import topology as kernel
from .backward import sweep
from .dispatch import implements
from .forward import integrate_drive, list_fired
from .neuron import begin, step
from .simd import LANES, load, splat, store, write


class HeldInput(NamedTuple):
    """A layer over held amplitudes."""

    topology: Any  # its numbers


def drive_held(topology: Any, layer: Any, c: Any, keys: Any, stats: Any) -> Any:
    """What the amplitudes of a sample drive, in row 1 of the drive; counts its reads.

    Args:
        topology: Numbers of the layer.
        layer, c, keys, stats: See `topology.forward`; `layer.trace.values` are the amplitudes.
    """
    raise NotImplementedError


def gradient_held(topology: Any, layer: Any) -> Any:
    """Add to the gradient of the weights; the derivative by the drive is row 0 of the errors."""
    raise NotImplementedError


@jit
def sum_steps(trace, c, start, last):
    """The derivatives by the drive of all steps, added up in row 0 of the errors."""
    for column in range(0, trace.width, LANES):
        total = splat(c.one - c.one)
        for t in range(start, min(last, c.steps - 1) + 1):
            total += load(trace.membranes, t * trace.width + column)
        store(trace.errors, column, total)


@implements(kernel.forward, HeldInput, inline=False)
def _forward(topology, kind, lines, bin_count, layer, c, start, keys, stats):
    trace, slots = layer.trace, layer.bins.slots
    drive_held(topology.topology, layer, c, keys, stats)
    for t in range(c.steps):
        write(slots, t, 1)
    write(slots, c.steps, 0)
    for column in range(0, trace.width, LANES):
        integrate_drive(
            kind.neuron, kind.integrator, layer, slots, 2 * trace.width, c, start, column
        )
    mask = step(kind.neuron, begin(kind.neuron, splat(c.one)))[1]
    return list_fired(mask, layer, c, start, stats)


@implements(kernel.backward, HeldInput, inline=False)
def _backward(topology, kind, injected, is_given, lines, bin_count, count, layer, c, start, last):
    for column in range(0, layer.trace.width, LANES):
        sweep(injected, is_given, kind.neuron, layer, c, start, last, column)
    sum_steps(layer.trace, c, start, last)
    gradient_held(topology.topology, layer)


@implements(kernel.carry, HeldInput, inline=False)
def _carry(topology, layer, below, c, start, last, hold):
    """Nothing is below it."""
