"""What a neuron brings as kernels: stubs, picked by the type of its numbers.

The state of a block of neurons is a tuple of lanes (`simd`); what a step drives is added to the
first of them, the synaptic current. All sixteen neurons of a block step at once:

    begin      the state of a neuron at rest
    step       what is recorded of a step, who spikes, the next state without what this step drives
    step_back  derivatives by the state of a step from those of the next one

Derivatives are a tuple as long as the state. The first of them, of step t + 1, is the derivative by
what step t drives.
"""

from typing import Any

from numba.extending import overload

from ..neurons.protocol import is_prompt
from .dispatch import implements
from .records import Integrator
from .simd import select, splat


def begin(neuron: Any, silent: Any) -> Any:
    """The state at rest, of lanes that are zero."""
    raise NotImplementedError


def step(neuron: Any, state: Any) -> Any:
    """One step.

    Returns:
        What is recorded of the step: the membrane. Mask of the neurons that spike, None if these
        never do. The state of the next step, before it takes in the drive.
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


def lead(neuron: Any) -> Any:
    """Steps by which its drive comes sooner: 1 of a prompt neuron, else 0; see `is_prompt`."""
    raise NotImplementedError


@overload(lead, strict=False)
def _lead(neuron):  # type: ignore[no-untyped-def]
    if is_prompt(getattr(neuron, "instance_class", type(None))):
        return lambda neuron: 1
    return lambda neuron: 0


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
