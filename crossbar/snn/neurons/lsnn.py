"""Adaptive LIF neuron of the LSNN, as published: no synaptic current, subtractive reset, silence.

With rho = exp(-dt / tau_adapt), beta = exp(-dt / tau_mem), H the Heaviside step, D[t] what step t
drives, and V, A and R = 0 at t = 0,

    B[t]   = 1 + rise A[t]                         threshold
    u[t]   = (V[t] - B[t]) / B[t]                  how far the membrane is above it, in thresholds
    S[t]   = H(u[t]) where R[t] = 0, else 0        spikes; none at u = 0
    A[t+1] = rho A[t] + (1 - rho) S[t]             adaptation
    V[t+1] = beta V[t] + D[t] - S[t] B[t+1]        a spike takes the risen threshold off
    R[t+1] = refractory_steps where S[t] = 1, else max(R[t] - 1, 0)       silent steps to come

with dS/du = dampening max(0, 1 - |u|), 0 in a silent step. The gradient is that of these equations
and runs through the threshold everywhere: through u, the adaptation and the reset.

The published threshold begins at 0.01 and rises by 2; ours is the unit of the membrane and rises by
200 of it. The published input is multiplied by 1 - beta; here that gain is in the weights. So
W = (1 - beta) W_published / 0.01 is the same neuron. The published step t + 1 takes in the input of
its own step: its spikes come a step before ours, which come from the same input.

What is recorded of a step is u, -2 in a silent one; kernels record B beside it.

Source:
    G. Bellec et al., NeurIPS 31, 2018; D. Salaj et al., eLife 10:e65459, 2021, with its code
    (GoogleSpeechCommandsRNN @6186575, spiking_models.py:654-796).
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
class Lsnn(Record):
    """Settings of an adaptive neuron of the LSNN; the published ones are the defaults.

    Attributes:
        tau_mem_seconds: Of the membrane.
        tau_adapt_seconds: Of the adaptation; published is the length of the input.
        rise: What the threshold would rise by, in thresholds, if the neuron spiked in every step.
        refractory_steps: Silent ones after a spike.
        dampening: Of the pseudo-derivative.
    """

    SPIKES: ClassVar = True
    STATES: ClassVar = 3
    LINEAR: ClassVar = False
    ADAPTS: ClassVar = True

    tau_mem_seconds: float = quantity("s", 1e-6, 10.0, default=20e-3)
    tau_adapt_seconds: float = quantity("s", 1e-6, 100.0, default=971e-3)
    rise: float = quantity("thresholds", 0.0, 1e6, default=200.0)
    refractory_steps: int = quantity("steps", 0, 65_535, default=1)
    dampening: float = quantity("", 0.0, 1e3, default=0.3)

    def numbers(self, dt_seconds: float, dtype: Callable[[float], Any] = float) -> "LsnnNumbers":
        """See `protocol.Neuron`."""
        rho = math.exp(-dt_seconds / self.tau_adapt_seconds)
        return LsnnNumbers(
            dtype(math.exp(-dt_seconds / self.tau_mem_seconds)),
            dtype(rho),
            dtype(1.0 - rho),
            dtype(self.rise),
            dtype(self.refractory_steps),
            dtype(self.dampening),
            dtype(1.0),
        )


class LsnnNumbers(NamedTuple):
    """One step of adaptive neurons of the LSNN."""

    beta: Any  # decay of the membrane per step
    rho: Any  # decay of the adaptation per step
    spike: Any  # what a spike adds to it
    rise: Any
    silence: Any  # steps
    dampening: Any
    one: Any

    def begin(self, zero: "Tensor") -> "State":
        """Membrane, adaptation and silent steps to come."""
        return zero, zero, zero

    def recorded(self, state: "State") -> "Tensor":
        """How far the membrane is above the threshold."""
        membrane, adaptation, silence = state
        threshold = 1.0 + self.rise * adaptation
        above: Tensor = (membrane - threshold) / threshold
        return above.masked_fill(silence > 0.0, -2.0)

    def fire(self, membrane: "Tensor") -> "Tensor":
        """Spikes of a step."""
        from .stepping import fire_dampened

        return fire_dampened(membrane, self.dampening)

    def decay(self, state: "State", spikes: "Tensor | None") -> "State":
        """The next step without its drive."""
        membrane, adaptation, silence = state
        fired: Any = 0.0 if spikes is None else spikes
        risen = self.rho * adaptation + self.spike * fired
        after = self.beta * membrane - fired * (1.0 + self.rise * risen)
        left = (silence - 1.0).clamp(min=0.0)
        if spikes is not None:
            left = left.masked_fill(spikes > 0.0, self.silence)
        return after, risen, left


LsnnNumbers.RECORDS = 2  # type: ignore[attr-defined]  # a NamedTuple takes fields and methods


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import neuron as kernel
    from ..kernels.dispatch import implements
    from ..kernels.simd import absolute, select, splat

    @implements(kernel.begin, LsnnNumbers)
    def _begin(n, silent):  # type: ignore[no-untyped-def]
        return silent, silent, silent

    @implements(kernel.step, LsnnNumbers)
    def _step(n, state):  # type: ignore[no-untyped-def]
        membrane, adaptation, silence = state
        silent = splat(n.one - n.one)
        threshold = n.rise * adaptation + n.one
        above = (membrane - threshold) / threshold
        above = select(silence > silent, splat(-(n.one + n.one)), above)
        fired = above > silent
        risen = n.rho * adaptation + select(fired, splat(n.spike), silent)
        after = n.beta * membrane - select(fired, n.rise * risen + n.one, silent)
        left = silence - n.one
        left = select(fired, splat(n.silence), select(left > silent, left, silent))
        return (above, threshold), fired, (after, risen, left)

    @implements(kernel.step_back, LsnnNumbers)
    def _step_back(n, recorded, error, adjoint):  # type: ignore[no-untyped-def]
        above, threshold = recorded
        by_membrane, by_adaptation, by_silence = adjoint
        silent = splat(n.one - n.one)
        fired = above > silent
        risen = select(fired, splat(n.rise * n.spike), silent)
        after = n.rho * (threshold - n.one) + risen + n.one  # threshold of the next step
        by_risen = by_adaptation - select(fired, n.rise * by_membrane, silent)
        by_spike = error - by_membrane * after + n.spike * by_risen
        inside = n.one - absolute(above)
        slope = select(inside > silent, n.dampening * inside * by_spike, silent) / threshold
        return (
            n.beta * by_membrane + slope,
            n.rho * by_risen - n.rise * (above + n.one) * slope,
            by_silence,
        )
