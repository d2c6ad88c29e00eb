"""What a neuron brings as kernels: stubs, picked by the type of its numbers.

The state of a block of neurons is a tuple of lanes (`simd`); what a step drives is added to the
first of them, of most neurons the synaptic current. All sixteen neurons of a block step at once:

    begin      the state of a neuron at rest
    step       what is recorded of a step, who spikes, the next state without what this step drives
    step_back  derivatives by the state of a step from those of the next one

Derivatives are a tuple as long as the state. The first of them, of step t + 1, is the derivative by
what step t drives, of prompt neurons by what step t + 1 does (`lead`).

Neurons with numbers of their own (`trained_numbers`) bring `of_block` and `gather_trained` besides,
neurons that lateral inhibition can clear `clear`, `reset_back` and `spike_back`, those that a
neuron can inhibit `decay`, `rectify` and `rectify_back`.
"""

from typing import Any

from ..neurons.protocol import is_prompt, recorded_numbers, trained_numbers
from .dispatch import implements, implements_where
from .records import Integrator
from .simd import load, select, splat, store


def begin(neuron: Any, silent: Any) -> Any:
    """The state at rest, of lanes that are zero."""
    raise NotImplementedError


def step(neuron: Any, state: Any) -> Any:
    """One step.

    Returns:
        What is recorded of the step: the membrane, of some neurons a pair (`recorded_numbers`).
        Mask of the neurons that spike, None if these never do. The state of the next step, before
        it takes in the drive.
    """
    raise NotImplementedError


def step_back(neuron: Any, membrane: Any, error: Any, adjoint: Any) -> Any:
    """Derivatives of step t from those of step t + 1.

    Args:
        neuron: Its numbers.
        membrane: What is recorded of step t.
        error: Derivative by the spikes of step t, or by its membrane where it never spikes.
        adjoint: Derivatives by the state of step t + 1.
    """
    raise NotImplementedError


def of_block(neuron: Any, layer: Any, column: Any) -> Any:
    """The numbers of the block of neurons from `column` on, with those that each has of its own.

    Args:
        neuron: Numbers of all.
        layer: `LayerArrays`, pointers: `trained` is (numbers, neurons).
        column: First neuron of the block.
    """
    raise NotImplementedError


def gather_trained(neuron: Any, adjoint: Any, layer: Any, column: Any) -> Any:
    """Add the derivatives by the trained numbers of a block, once a sample is swept back.

    Args:
        neuron, layer, column: See `of_block`.
        adjoint: Derivatives by the state of the first step.
    """
    raise NotImplementedError


def clear(neuron: Any, decayed: Any) -> Any:
    """The next state, before it takes in the drive, of neurons that are all reset."""
    raise NotImplementedError


def reset_back(neuron: Any, membrane: Any, adjoint: Any) -> Any:
    """Derivative by what resets each neuron after step t; see `step_back`."""
    raise NotImplementedError


def spike_back(neuron: Any, membrane: Any, by_spike: Any, is_reset: Any, adjoint: Any) -> Any:
    """`step_back`, of neurons that something else than their own spike resets.

    Args:
        neuron, membrane, adjoint: See `step_back`.
        by_spike: Derivative by the spikes of step t, what they reset included.
        is_reset: Mask of the neurons that are reset after step t.
    """
    raise NotImplementedError


def decay(neuron: Any, membrane: Any) -> Any:
    """What a step leaves of a membrane, its own reset included: the first of the next state."""
    raise NotImplementedError


def rectify(neuron: Any, amount: Any) -> Any:
    """The membrane of that, see `neurons.snu`."""
    raise NotImplementedError


def rectify_back(neuron: Any, amount: Any, by_membrane: Any) -> Any:
    """Derivative by the argument of `rectify` from that by what it gives."""
    raise NotImplementedError


@implements_where(of_block, lambda numbers: not trained_numbers(numbers))
def _of_block(neuron, layer, column):
    return neuron


@implements_where(gather_trained, lambda numbers: not trained_numbers(numbers))
def _gather_nothing(neuron, adjoint, layer, column):
    pass


def store_recorded(neuron: Any, trace: Any, c: Any, at: Any, recorded: Any) -> Any:
    """Write down what `step` says is recorded of a block of neurons.

    Args:
        neuron: Their numbers.
        trace: `LayerTrace`, pointers: the second number of a pair stands behind all membranes.
        c: `Constants`.
        at: Place of the first.
        recorded: What `step` gave.
    """
    raise NotImplementedError


def load_recorded(neuron: Any, trace: Any, c: Any, at: Any) -> Any:
    """What `store_recorded` wrote down."""
    raise NotImplementedError


@implements_where(store_recorded, lambda numbers: recorded_numbers(numbers) == 1)
def _store_one(neuron, trace, c, at, recorded):
    store(trace.membranes, at, recorded)


@implements_where(load_recorded, lambda numbers: recorded_numbers(numbers) == 1)
def _load_one(neuron, trace, c, at):
    return load(trace.membranes, at)


@implements_where(store_recorded, lambda numbers: recorded_numbers(numbers) == 2)
def _store_pair(neuron, trace, c, at, recorded):
    store(trace.membranes, at, recorded[0])
    store(trace.membranes, at + (c.steps + 1) * trace.width, recorded[1])


@implements_where(load_recorded, lambda numbers: recorded_numbers(numbers) == 2)
def _load_pair(neuron, trace, c, at):
    beside = load(trace.membranes, at + (c.steps + 1) * trace.width)
    return load(trace.membranes, at), beside


def lead(neuron: Any) -> Any:
    """Steps by which its drive comes sooner: 1 of a prompt neuron, else 0; see `is_prompt`."""
    raise NotImplementedError


@implements_where(lead, is_prompt)
def _lead_by_one(neuron):
    return 1


@implements_where(lead, lambda numbers: not is_prompt(numbers))
def _lead_by_none(neuron):
    return 0


def take_in(integrator: Any, current: Any, drive: Any) -> Any:
    """The current of a step, of the decayed one and what the step drives."""
    raise NotImplementedError


@implements(take_in, None)
def _take_in(integrator, current, drive):
    return current + drive


@implements(take_in, Integrator)
def _take_in_cut(integrator, current, drive):
    """See `crossbar.array.periphery.Neurons`; its gain and offset are in the drive."""
    top = splat(integrator.ceiling)
    content = integrator.keep * current + drive
    content = select(content > top, top, content)
    bottom = splat(-integrator.ceiling)
    return select(bottom > content, bottom, content)
