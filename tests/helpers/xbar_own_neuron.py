"""A neuron outside the package, in one file: LIF that resets to a share of its threshold."""

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from crossbar.snn.neurons import NEURONS
from crossbar.snn.neurons.stepping import fire
from crossbar.snn.registration import kernels
from device_models.record import Record, quantity

RESET = 0.25


@dataclass(frozen=True, kw_only=True)
class Partial(Record):
    """Settings."""

    SPIKES: ClassVar = True
    STATES: ClassVar = 1
    LINEAR: ClassVar = False

    tau_mem_seconds: float = quantity("s", 1e-6, 10.0, default=10e-3)

    def numbers(self, dt_seconds, dtype=float):
        return PartialNumbers(dtype(np.exp(-dt_seconds / self.tau_mem_seconds)), dtype(1.0))


class PartialNumbers(NamedTuple):
    """V[t+1] = beta V[t] + D[t], or RESET + D[t] after a spike; without a synaptic current."""

    beta: Any
    threshold: Any

    def begin(self, rest):
        return (rest,)

    def recorded(self, state):
        return state[0]

    def fire(self, membrane):
        return fire(membrane, self.threshold, 10.0)

    def decay(self, state, spikes):
        reset = spikes.detach()
        return (self.beta * state[0] * (1.0 - reset) + RESET * reset,)


@kernels
def _kernels():
    from crossbar.snn.kernels import neuron as kernel
    from crossbar.snn.kernels.dispatch import implements
    from crossbar.snn.kernels.simd import absolute, select, splat

    @implements(kernel.begin, PartialNumbers)
    def _begin(n, silent):
        return (silent,)

    @implements(kernel.step, PartialNumbers)
    def _step(n, state):
        fired = state[0] > n.threshold
        return state[0], fired, (select(fired, splat(n.threshold * RESET), n.beta * state[0]),)

    @implements(kernel.step_back, PartialNumbers)
    def _step_back(n, membrane, error, adjoint):
        passed = select(membrane > n.threshold, adjoint[0] - adjoint[0], adjoint[0])
        steep = absolute(membrane - n.threshold) * (n.threshold * 10.0) + n.threshold
        return (n.beta * passed + error / (steep * steep),)


NEURONS["partial"] = Partial


def main():
    """The kernels against the reference, in float64."""
    from xbar_kernels import FLOAT64, agree, events_of, make_case, run_kernel

    from crossbar.snn.network import Network
    from crossbar.snn.neurons import LeakyIntegrator
    from crossbar.snn.plan import plan
    from crossbar.snn.topology import Dense

    layers = Dense(neurons=9, neuron=Partial()), Dense(neurons=3, neuron=LeakyIntegrator())
    network = plan(Network(layers=layers), inputs=12, classes=3, steps=30, dt_seconds=1e-3)
    generator = np.random.default_rng(0)
    x = generator.poisson(0.05, (8, 30, 12))
    weights = [generator.standard_normal(shape) for shape in network.crossbars]
    labels = generator.integers(0, 3, 8)
    case = make_case(network, weights, events_of(x), labels, offered=np.arange(8))
    assert case.outcome.spikes[0].sum() > 50
    agree(case, run_kernel(case, np.float64), FLOAT64)
    print(f"reset to {RESET}: equal")  # noqa: T201


if __name__ == "__main__":
    main()
