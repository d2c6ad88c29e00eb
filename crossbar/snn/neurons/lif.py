"""Leaky integrate-and-fire neuron with a current-based synapse.

With dt the length of a step, alpha = exp(-dt / tau_syn), beta = exp(-dt / tau_mem), H the Heaviside
step, D[t] what step t drives and I, V = 0 at t = 0,

    S[t]   = H(V[t] - 1)                      spikes; none at V = 1
    I[t+1] = alpha I[t] + D[t]                synaptic current
    V[t+1] = (beta V[t] + I[t]) (1 - S[t])    membrane; a spike resets it to 0

so an input of step t can cause a spike at t + 2, no earlier. The gradient is that of these
equations with dS/dV = 1 / (scale |V - 1| + 1)^2 and with 1 - S[t] of the reset held constant.

Source:
    M. Kilgore et al., Sci. Rep. 15, 24798, 2025, and its published code; F. Zenke, SpyTorch, for
    loop and surrogate.
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
class Lif(Record):
    """Settings of a LIF neuron; the seed paper's are the defaults."""

    SPIKES: ClassVar = True
    STATES: ClassVar = 2
    LINEAR: ClassVar = False
    CLEARABLE: ClassVar = True

    tau_mem_seconds: float = quantity("s", 1e-6, 10.0, default=10e-3)
    tau_syn_seconds: float = quantity("s", 1e-6, 10.0, default=5e-3)
    surrogate_scale: float = quantity("", 0.0, 1e6, default=100.0)

    def numbers(self, dt_seconds: float, dtype: Callable[[float], Any] = float) -> "LifNumbers":
        """See `protocol.Neuron`."""
        return LifNumbers(
            dtype(math.exp(-dt_seconds / self.tau_syn_seconds)),
            dtype(math.exp(-dt_seconds / self.tau_mem_seconds)),
            dtype(1.0),
            dtype(self.surrogate_scale),
            dtype(1.0),
        )


class LifNumbers(NamedTuple):
    """One step of LIF neurons."""

    alpha: Any  # decay of the synaptic current per step
    beta: Any  # decay of the membrane per step
    threshold: Any
    surrogate_scale: Any
    one: Any

    def begin(self, zero: "Tensor") -> "State":
        """Current and membrane."""
        return zero, zero

    def recorded(self, state: "State") -> "Tensor":
        """The membrane."""
        return state[1]

    def fire(self, membrane: "Tensor") -> "Tensor":
        """Spikes of a step."""
        from .stepping import fire

        return fire(membrane, self.threshold, self.surrogate_scale)

    def decay(self, state: "State", spikes: "Tensor | None") -> "State":
        """The next step without its drive."""
        current, membrane = state
        reset = 1.0 if spikes is None else 1.0 - spikes.detach()
        return self.alpha * current, (self.beta * membrane + current) * reset


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import neuron as kernel
    from ..kernels.dispatch import implements
    from ..kernels.simd import absolute, select, splat

    @implements(kernel.begin, LifNumbers)
    def _begin(n, silent):  # type: ignore[no-untyped-def]
        return silent, silent

    @implements(kernel.step, LifNumbers)
    def _step(n, state):  # type: ignore[no-untyped-def]
        current, membrane = state
        fired = membrane > n.threshold
        after = select(fired, splat(n.one - n.one), n.beta * membrane + current)
        return membrane, fired, (n.alpha * current, after)

    @implements(kernel.clear, LifNumbers)
    def _clear(n, decayed):  # type: ignore[no-untyped-def]
        return decayed[0], splat(n.one - n.one)

    @implements(kernel.reset_back, LifNumbers)
    def _reset_back(n, membrane, adjoint):  # type: ignore[no-untyped-def]
        return splat(n.one - n.one)

    @implements(kernel.spike_back, LifNumbers)
    def _spike_back(n, membrane, by_spike, is_reset, adjoint):  # type: ignore[no-untyped-def]
        by_current, by_membrane = adjoint
        passed = select(is_reset, by_membrane - by_membrane, by_membrane)
        steep = n.surrogate_scale * absolute(membrane - n.threshold) + n.one
        return n.alpha * by_current + passed, n.beta * passed + by_spike / (steep * steep)

    @implements(kernel.step_back, LifNumbers)
    def _step_back(n, membrane, error, adjoint):  # type: ignore[no-untyped-def]
        return kernel.spike_back(n, membrane, error, membrane > n.threshold, adjoint)
