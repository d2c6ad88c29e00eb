"""Spiking neural unit: a leaky-rectified membrane without synaptic current, trainable threshold.

With d the decay of a step, b_j the threshold of neuron j, g(u) = u above zero and slope x u below,
H the Heaviside step, D[t] what step t drives and V, S = 0 before the first one,

    U[t] = d V[t-1] (1 - R[t-1]) + D[t]       the input of a step counts in that step
    V[t] = g(U[t])                            membrane
    S[t] = H(V[t] - b)                        spikes; none at V = b

where R is what resets a neuron: its own spike, or what lateral inhibition makes of the spikes of
its layer (`crossbar.snn.topology.lateral`). The gradient is that of these equations with
dS/d(V - b) = 1 - tanh(V - b)^2; it runs through the reset as well. Thresholds are digital numbers
in the periphery, one a neuron and trained beside the synapses; a neuron whose threshold is below
zero also spikes where nothing comes in.

Source:
    S. Wozniak et al., Nature Machine Intelligence 2, 325-336, 2020, and IBM, neuroaikit,
    tf/layers/snubasiccell.py, snulicell.py, activations.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from device_models.record import Record, quantity

from ..registration import kernels

if TYPE_CHECKING:
    from torch import Tensor

    from .stepping import State


@dataclass(frozen=True, kw_only=True)
class Snu(Record):
    """Settings of a spiking neural unit; the published ones are the defaults.

    Attributes:
        decay: Of the membrane in a step, whatever the length of a step.
        slope: Of the rectifier below zero.
        threshold: Of all neurons before training.
    """

    SPIKES: ClassVar = True
    STATES: ClassVar = 2
    LINEAR: ClassVar = False
    CLEARABLE: ClassVar = True
    RECTIFIED: ClassVar = True

    decay: float = quantity("", 0.0, 1.0, default=0.9)
    slope: float = quantity("", 0.0, 1.0, default=0.1)
    threshold: float = quantity("", -1e3, 1e3, default=1.0)

    def numbers(self, dt_seconds: float, dtype: Callable[[float], Any] = float) -> "SnuNumbers":
        """See `protocol.Neuron`."""
        return SnuNumbers(
            dtype(self.decay), dtype(self.slope), dtype(self.threshold), dtype(1.0), dtype(4.0)
        )


class SnuNumbers(NamedTuple):
    """One step of spiking neural units."""

    beta: Any  # decay of the membrane per step
    slope: Any
    threshold: Any  # of all neurons; where it is trained (neurons,), of a block of them lanes
    one: Any
    four: Any

    def begin(self, zero: "Tensor") -> "State":
        """What the membrane is rectified from."""
        return (zero,)

    def recorded(self, state: "State") -> "Tensor":
        """The membrane."""
        from torch import nn

        return nn.functional.leaky_relu(state[0], self.slope)

    def fire(self, membrane: "Tensor") -> "Tensor":
        """Spikes of a step."""
        from .stepping import fire_steadily

        return fire_steadily(membrane - self.threshold)

    def decay(self, state: "State", spikes: "Tensor | None") -> "State":
        """The next step without its drive; `spikes` are what resets."""
        reset = 1.0 if spikes is None else 1.0 - spikes
        return (self.beta * self.recorded(state) * reset,)


SnuNumbers.PROMPT = True  # type: ignore[attr-defined]  # a NamedTuple takes fields and methods
SnuNumbers.TRAINED = ("threshold",)  # type: ignore[attr-defined]


@kernels
def _kernels() -> None:
    """See `crossbar.snn.registration`.

    The second number of a state is what its neuron adds to its threshold: nothing. So the
    derivative by it, gathered on the way back, is that by the threshold.
    """
    from ..kernels import neuron as kernel
    from ..kernels.dispatch import implements
    from ..kernels.simd import absolute, exponential, load, select, splat, store

    @implements(kernel.of_block, SnuNumbers)
    def _of_block(n, layer, column):  # type: ignore[no-untyped-def]
        return SnuNumbers(n.beta, n.slope, load(layer.trained, column), n.one, n.four)

    @implements(kernel.gather_trained, SnuNumbers)
    def _gather_trained(n, adjoint, layer, column):  # type: ignore[no-untyped-def]
        store(layer.by_trained, column, load(layer.by_trained, column) + adjoint[1])

    @implements(kernel.begin, SnuNumbers)
    def _begin(n, silent):  # type: ignore[no-untyped-def]
        return silent, silent

    @implements(kernel.step, SnuNumbers)
    def _step(n, state):  # type: ignore[no-untyped-def]
        before, added = state
        silent = splat(n.one - n.one)
        membrane = select(before > silent, before, n.slope * before)
        fired = membrane > n.threshold
        return membrane, fired, (select(fired, silent, n.beta * membrane), added)

    @implements(kernel.clear, SnuNumbers)
    def _clear(n, decayed):  # type: ignore[no-untyped-def]
        return splat(n.one - n.one), decayed[1]

    @implements(kernel.decay, SnuNumbers)
    def _decay(n, membrane):  # type: ignore[no-untyped-def]
        return select(membrane > n.threshold, splat(n.one - n.one), n.beta * membrane)

    @implements(kernel.rectify, SnuNumbers)
    def _rectify(n, amount):  # type: ignore[no-untyped-def]
        return select(amount > splat(n.one - n.one), amount, n.slope * amount)

    @implements(kernel.rectify_back, SnuNumbers)
    def _rectify_back(n, amount, by_membrane):  # type: ignore[no-untyped-def]
        return select(amount > splat(n.one - n.one), by_membrane, n.slope * by_membrane)

    @implements(kernel.reset_back, SnuNumbers)
    def _reset_back(n, membrane, adjoint):  # type: ignore[no-untyped-def]
        return (n.one - n.one - n.beta) * membrane * adjoint[0]

    @implements(kernel.spike_back, SnuNumbers)
    def _spike_back(n, membrane, by_spike, is_reset, adjoint):  # type: ignore[no-untyped-def]
        by_next, by_added = adjoint
        silent = splat(n.one - n.one)
        above = membrane - n.threshold
        small = exponential((n.one - n.one) - absolute(above + above))
        slope = by_spike * (n.four * small / ((n.one + small) * (n.one + small)))
        by_membrane = select(is_reset, silent, n.beta * by_next) + slope
        by_before = select(membrane > silent, by_membrane, n.slope * by_membrane)
        return by_before, by_added - slope

    @implements(kernel.step_back, SnuNumbers)
    def _step_back(n, membrane, error, adjoint):  # type: ignore[no-untyped-def]
        by_spike = error + kernel.reset_back(n, membrane, adjoint)
        return kernel.spike_back(n, membrane, by_spike, membrane > n.threshold, adjoint)
