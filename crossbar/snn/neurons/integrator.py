"""Perfect integrator: a membrane that forgets nothing and never spikes, for the layer read out.

    O[t+1] = O[t] + D[t]

so that, with D what each step drives, O[T] / T is the mean over time of what comes in: the readout
of an LSNN, scored by the loss `last_step`. It is linear, see `leaky_integrator`.

Source:
    D. Salaj et al., eLife 10:e65459, 2021, with its code: the mean over time of the hidden spikes
    times the output weights. Ours: that an array reads every spike and the sum is taken behind it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from device_models.record import Record

from ..registration import kernels

if TYPE_CHECKING:
    from torch import Tensor

    from .stepping import State


@dataclass(frozen=True, kw_only=True)
class PerfectIntegrator(Record):
    """Settings: none."""

    SPIKES: ClassVar = False
    STATES: ClassVar = 1
    LINEAR: ClassVar = True

    def numbers(
        self, dt_seconds: float, dtype: Callable[[float], Any] = float
    ) -> "PerfectIntegratorNumbers":
        """See `protocol.Neuron`."""
        return PerfectIntegratorNumbers(dtype(0.0))


class PerfectIntegratorNumbers(NamedTuple):
    """One step of perfect integrators."""

    # Nothing decays. First weights follow a mean over time, which no step adds up in.
    beta: Any

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
        return state


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`."""
    from ..kernels import neuron as kernel
    from ..kernels.dispatch import implements

    @implements(kernel.begin, PerfectIntegratorNumbers)
    def _begin(n, silent):  # type: ignore[no-untyped-def]
        return (silent,)

    @implements(kernel.step, PerfectIntegratorNumbers)
    def _step(n, state):  # type: ignore[no-untyped-def]
        return state[0], None, state

    @implements(kernel.step_back, PerfectIntegratorNumbers)
    def _step_back(n, membrane, error, adjoint):  # type: ignore[no-untyped-def]
        return (adjoint[0] + error,)
