"""Adaptive LIF neuron: every spike raises its threshold, which falls back slowly.

Letters as in `lif`; with rho = exp(-dt / tau_adapt) and A = 0 at t = 0

    S[t]   = H(V[t] - (1 + rise A[t]))        spikes
    A[t+1] = rho A[t] + (1 - rho) S[t]        adaptation
    I[t+1] = alpha I[t] + D[t]
    V[t+1] = (beta V[t] + I[t]) (1 - S[t])

The gradient runs through the adaptation too: its S[t] is not held constant, that of the reset is.
What is recorded of a step is V - rise A, which is compared with 1.

Source:
    G. Bellec et al., NeurIPS 31, 2018, and D. Salaj et al., eLife 10:e65459, 2021, with its code
    (GoogleSpeechCommandsRNN, spiking_models.py): threshold and adaptation. There the threshold is
    0.01 and rises by 2, tau_adapt is the length of the input, a spike subtracts the threshold and
    is followed by one silent step. Ours: a threshold of 1 that `rise` is a share of, the synaptic
    current, the reset to 0 without a silent step, and the surrogate, all of them those of `lif`.
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
class AdaptiveLif(Record):
    """Settings of an adaptive LIF neuron.

    `rise` is what the threshold would rise by, in thresholds, if the neuron spiked in every step.
    """

    SPIKES: ClassVar = True
    STATES: ClassVar = 3
    LINEAR: ClassVar = False
    ADAPTS: ClassVar = True

    tau_mem_seconds: float = quantity("s", 1e-6, 10.0, default=10e-3)
    tau_syn_seconds: float = quantity("s", 1e-6, 10.0, default=5e-3)
    tau_adapt_seconds: float = quantity("s", 1e-6, 100.0, default=100e-3)
    rise: float = quantity("thresholds", 0.0, 1e3, default=2.0)
    surrogate_scale: float = quantity("", 0.0, 1e6, default=100.0)

    def numbers(
        self, dt_seconds: float, dtype: Callable[[float], Any] = float
    ) -> "AdaptiveLifNumbers":
        """See `protocol.Neuron`."""
        rho = math.exp(-dt_seconds / self.tau_adapt_seconds)
        return AdaptiveLifNumbers(
            dtype(math.exp(-dt_seconds / self.tau_syn_seconds)),
            dtype(math.exp(-dt_seconds / self.tau_mem_seconds)),
            dtype(rho),
            dtype(1.0 - rho),
            dtype(self.rise),
            dtype(1.0),
            dtype(self.surrogate_scale),
            dtype(1.0),
        )


class AdaptiveLifNumbers(NamedTuple):
    """One step of adaptive LIF neurons."""

    alpha: Any  # decay of the synaptic current per step
    beta: Any  # decay of the membrane per step
    rho: Any  # decay of the adaptation per step
    spike: Any  # what a spike adds to it
    rise: Any
    threshold: Any
    surrogate_scale: Any
    one: Any

    def begin(self, zero: "Tensor") -> "State":
        """Current, membrane and adaptation."""
        return zero, zero, zero

    def recorded(self, state: "State") -> "Tensor":
        """The membrane, less what the threshold has risen by."""
        relative: Tensor = state[1] - self.rise * state[2]
        return relative

    def fire(self, membrane: "Tensor") -> "Tensor":
        """Spikes of a step."""
        from .stepping import fire

        return fire(membrane, self.threshold, self.surrogate_scale)

    def decay(self, state: "State", spikes: "Tensor | None") -> "State":
        """The next step without its drive."""
        current, membrane, adaptation = state
        fired = 0.0 if spikes is None else spikes
        reset = 1.0 if spikes is None else 1.0 - spikes.detach()
        after = (self.beta * membrane + current) * reset
        return self.alpha * current, after, self.rho * adaptation + self.spike * fired


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import neuron as kernel
    from ..kernels.dispatch import implements
    from ..kernels.simd import absolute, select, splat

    @implements(kernel.begin, AdaptiveLifNumbers)
    def _begin(n, silent):  # type: ignore[no-untyped-def]
        return silent, silent, silent

    @implements(kernel.step, AdaptiveLifNumbers)
    def _step(n, state):  # type: ignore[no-untyped-def]
        current, membrane, adaptation = state
        relative, silent = membrane - n.rise * adaptation, splat(n.one - n.one)
        fired = relative > n.threshold
        after = select(fired, silent, n.beta * membrane + current)
        risen = n.rho * adaptation + select(fired, splat(n.spike), silent)
        return relative, fired, (n.alpha * current, after, risen)

    @implements(kernel.step_back, AdaptiveLifNumbers)
    def _step_back(n, membrane, error, adjoint):  # type: ignore[no-untyped-def]
        by_current, by_membrane, by_adaptation = adjoint
        passed = select(membrane > n.threshold, by_membrane - by_membrane, by_membrane)
        steep = n.surrogate_scale * absolute(membrane - n.threshold) + n.one
        slope = (error + n.spike * by_adaptation) / (steep * steep)
        return (
            n.alpha * by_current + passed,
            n.beta * passed + slope,
            n.rho * by_adaptation - n.rise * slope,
        )
