"""Leaky integrator: a membrane that never spikes, for the layer that is read out.

Letters as in `lif`; F and O stand for I and V:

    F[t+1] = alpha F[t] + D[t]                synaptic current
    O[t+1] = beta O[t] + F[t]                 membrane

or, without a synaptic current (`tau_syn_seconds: null`),

    O[t+1] = beta O[t] + D[t]

A loss scores O[0] ... O[T]. All of this is linear: an error is carried back to the layer before by
the weights first and through time afterwards (`kernels.backward`).

Source:
    F. Zenke, SpyTorch; M. Kilgore et al., Sci. Rep. 15, 24798, 2025.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from device_models.record import Record, quantity

from ..registration import kernels

if TYPE_CHECKING:
    from torch import Tensor

    from .stepping import State


@dataclass(frozen=True, kw_only=True)
class LeakyIntegrator(Record):
    """Settings of a leaky integrator; the seed paper's are the defaults."""

    SPIKES: ClassVar = False
    STATES: ClassVar = 2
    LINEAR: ClassVar = True

    tau_mem_seconds: float = quantity("s", 1e-6, 10.0, default=10e-3)
    tau_syn_seconds: float | None = quantity("s", 1e-6, 10.0, default=5e-3)

    def numbers(
        self, dt_seconds: float, dtype: Callable[[float], Any] = float
    ) -> "LeakyIntegratorNumbers | LeakyMembraneNumbers":
        """See `protocol.Neuron`."""
        beta = dtype(math.exp(-dt_seconds / self.tau_mem_seconds))
        if self.tau_syn_seconds is None:
            return LeakyMembraneNumbers(beta)
        return LeakyIntegratorNumbers(dtype(math.exp(-dt_seconds / self.tau_syn_seconds)), beta)


class LeakyIntegratorNumbers(NamedTuple):
    """One step of leaky integrators."""

    alpha: Any  # decay of the synaptic current per step
    beta: Any  # decay of the membrane per step

    def begin(self, zero: "Tensor") -> "State":
        """Current and membrane."""
        return zero, zero

    def recorded(self, state: "State") -> "Tensor":
        """The membrane."""
        return state[1]

    def fire(self, membrane: "Tensor") -> None:
        """They never do."""

    def decay(self, state: "State", spikes: "Tensor | None") -> "State":
        """The next step without its drive."""
        current, membrane = state
        return self.alpha * current, self.beta * membrane + current


class LeakyMembraneNumbers(NamedTuple):
    """One step of leaky integrators without a synaptic current."""

    beta: Any  # decay of the membrane per step

    def begin(self, zero: "Tensor") -> "State":
        """The membrane."""
        return (zero,)

    def recorded(self, state: "State") -> "Tensor":
        """The membrane."""
        return state[0]

    def fire(self, membrane: "Tensor") -> None:
        """They never do."""

    def decay(self, state: "State", spikes: "Tensor | None") -> "State":
        """The next step without its drive."""
        return (self.beta * state[0],)


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import neuron as kernel
    from ..kernels.dispatch import implements

    @implements(kernel.begin, LeakyIntegratorNumbers)
    def _begin(n, silent):  # type: ignore[no-untyped-def]
        return silent, silent

    @implements(kernel.step, LeakyIntegratorNumbers)
    def _step(n, state):  # type: ignore[no-untyped-def]
        current, membrane = state
        return membrane, None, (n.alpha * current, n.beta * membrane + current)

    @implements(kernel.step_back, LeakyIntegratorNumbers)
    def _step_back(n, membrane, error, adjoint):  # type: ignore[no-untyped-def]
        by_current, by_membrane = adjoint
        return by_membrane + n.alpha * by_current, n.beta * by_membrane + error

    @implements(kernel.begin, LeakyMembraneNumbers)
    def _begin_membrane(n, silent):  # type: ignore[no-untyped-def]
        return (silent,)

    @implements(kernel.step, LeakyMembraneNumbers)
    def _step_membrane(n, state):  # type: ignore[no-untyped-def]
        return state[0], None, (n.beta * state[0],)

    @implements(kernel.step_back, LeakyMembraneNumbers)
    def _step_back_membrane(n, membrane, error, adjoint):  # type: ignore[no-untyped-def]
        return (n.beta * adjoint[0] + error,)
