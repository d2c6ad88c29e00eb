"""Leaky neuron without a synaptic current, as `Leaky` of snnTorch: a step drives it at once.

With H the Heaviside step, D[t] what step t drives and U = 0, R = 0 before the first step,

    U[t] = beta U[t-1] + D[t] - R[t-1]        membrane
    S[t] = H(U[t] - 1)                        spikes; none at U = 1
    R[t] = S[t]                               reset: subtract
    R[t] = beta U[t] S[t]                     reset: zero

so a spike takes the threshold off the membrane one step later, and off what is left after the
leak; or it leaves nothing of it. The gradient is that of these equations with dS/dU =
1 / (scale |U - 1| + 1)^2 and with S held constant in R. The threshold is the unit of the membrane.

Source:
    J. Eshraghian et al., Proc. IEEE 111(9), 1016-1054, 2023, and snnTorch 0.9.4,
    _neurons/leaky.py, neurons.py and surrogate.py (fast_sigmoid), reset_mechanism = subtract, zero.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from device_models.record import Record, quantity

from ..registration import kernels

if TYPE_CHECKING:
    from torch import Tensor

    from .stepping import State


@dataclass(frozen=True, kw_only=True)
class Leaky(Record):
    """Settings of a leaky neuron; snnTorch's surrogate is the default.

    `beta` is the decay of the membrane in a step, however long that is.
    """

    SPIKES: ClassVar = True
    STATES: ClassVar = 1
    LINEAR: ClassVar = False

    beta: float = quantity("", 0.0, 1.0, default=0.9)
    surrogate_scale: float = quantity("", 0.0, 1e6, default=25.0)
    reset: Literal["subtract", "zero"] = "subtract"

    def numbers(
        self, dt_seconds: float, dtype: Callable[[float], Any] = float
    ) -> "LeakyNumbers | LeakyZeroNumbers":
        """See `protocol.Neuron`."""
        kind = LeakyNumbers if self.reset == "subtract" else LeakyZeroNumbers
        return kind(dtype(self.beta), dtype(1.0), dtype(self.surrogate_scale), dtype(1.0))


class LeakyNumbers(NamedTuple):
    """One step of leaky neurons that lose the threshold by a spike."""

    beta: Any  # decay of the membrane per step
    threshold: Any
    surrogate_scale: Any
    one: Any

    def begin(self, zero: "Tensor") -> "State":
        """Membrane."""
        return (zero,)

    def recorded(self, state: "State") -> "Tensor":
        """The membrane."""
        return state[0]

    def fire(self, membrane: "Tensor") -> "Tensor":
        """Spikes of a step."""
        from .stepping import fire

        return fire(membrane, self.threshold, self.surrogate_scale)

    def decay(self, state: "State", spikes: "Tensor | None") -> "State":
        """The next step without its drive."""
        reset = 0.0 if spikes is None else self.threshold * spikes.detach()
        return (self.beta * state[0] - reset,)


class LeakyZeroNumbers(NamedTuple):
    """One step of leaky neurons that begin anew after a spike."""

    beta: Any  # decay of the membrane per step
    threshold: Any
    surrogate_scale: Any
    one: Any

    def begin(self, zero: "Tensor") -> "State":
        """Membrane."""
        return (zero,)

    def recorded(self, state: "State") -> "Tensor":
        """The membrane."""
        return state[0]

    def fire(self, membrane: "Tensor") -> "Tensor":
        """Spikes of a step."""
        from .stepping import fire

        return fire(membrane, self.threshold, self.surrogate_scale)

    def decay(self, state: "State", spikes: "Tensor | None") -> "State":
        """The next step without its drive."""
        left = 1.0 if spikes is None else 1.0 - spikes.detach()
        return (self.beta * state[0] * left,)


LeakyNumbers.PROMPT = True  # type: ignore[attr-defined]  # a NamedTuple takes fields and methods
LeakyZeroNumbers.PROMPT = True  # type: ignore[attr-defined]


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import neuron as kernel
    from ..kernels.dispatch import implements
    from ..kernels.simd import absolute, select, splat

    @implements(kernel.begin, LeakyNumbers)
    def _begin(n, silent):  # type: ignore[no-untyped-def]
        return (silent,)

    @implements(kernel.step, LeakyNumbers)
    def _step(n, state):  # type: ignore[no-untyped-def]
        membrane = state[0]
        fired = membrane > n.threshold
        reset = select(fired, splat(n.threshold), splat(n.one - n.one))
        return membrane, fired, (n.beta * membrane - reset,)

    @implements(kernel.step_back, LeakyNumbers)
    def _step_back(n, membrane, error, adjoint):  # type: ignore[no-untyped-def]
        steep = n.surrogate_scale * absolute(membrane - n.threshold) + n.one
        return (n.beta * adjoint[0] + error / (steep * steep),)

    @implements(kernel.begin, LeakyZeroNumbers)
    def _begin_zero(n, silent):  # type: ignore[no-untyped-def]
        return (silent,)

    @implements(kernel.step, LeakyZeroNumbers)
    def _step_zero(n, state):  # type: ignore[no-untyped-def]
        membrane = state[0]
        fired = membrane > n.threshold
        return membrane, fired, (select(fired, splat(n.one - n.one), n.beta * membrane),)

    @implements(kernel.step_back, LeakyZeroNumbers)
    def _step_back_zero(n, membrane, error, adjoint):  # type: ignore[no-untyped-def]
        by_next = n.beta * adjoint[0]
        passed = select(membrane > n.threshold, by_next - by_next, by_next)
        steep = n.surrogate_scale * absolute(membrane - n.threshold) + n.one
        return (passed + error / (steep * steep),)
