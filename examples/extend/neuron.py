"""A neuron of one's own: LIF whose spike takes the threshold off its membrane, V - 1, not V to 0.

I[t+1] = alpha I[t] + D[t];  V[t+1] = beta V[t] + I[t] - S[t];  S[t] = H(V[t] - 1), letters as in
`crossbar.snn.neurons.lif`. Source: J. Eshraghian et al., Proc. IEEE 111(9), 2023 (reset by subtraction).
"""

from dataclasses import dataclass
from math import exp
from typing import Any, ClassVar, NamedTuple

from crossbar.snn.kernels import neuron as kernel
from crossbar.snn.kernels.dispatch import implements
from crossbar.snn.kernels.simd import absolute, select, splat
from crossbar.snn.neurons import NEURONS
from crossbar.snn.neurons.protocol import fire
from device_models.record import Record, quantity


@dataclass(frozen=True, kw_only=True)
class Subtracting(Record):
    SPIKES: ClassVar = True
    STATES: ClassVar = 2
    LINEAR: ClassVar = False
    tau_mem_seconds: float = quantity("s", 1e-6, 10.0, default=10e-3)
    tau_syn_seconds: float = quantity("s", 1e-6, 10.0, default=5e-3)

    def numbers(self, dt_seconds, dtype=float):
        decays = (exp(-dt_seconds / tau) for tau in (self.tau_syn_seconds, self.tau_mem_seconds))
        return SubtractingNumbers(*map(dtype, decays), dtype(1.0), dtype(100.0))


class SubtractingNumbers(NamedTuple):
    alpha: Any
    beta: Any
    one: Any
    scale: Any  # of the surrogate

    begin = lambda self, rest: (rest, rest)  # noqa: E731  # in torch, and below as kernels
    recorded = lambda self, state: state[1]  # noqa: E731
    fire = lambda self, membrane: fire(membrane, self.one, self.scale)  # noqa: E731

    def decay(self, state, spikes):
        return self.alpha * state[0], self.beta * state[1] + state[0] - spikes.detach()


@implements(kernel.begin, SubtractingNumbers)
def _begin(n, silent):
    return silent, silent


@implements(kernel.step, SubtractingNumbers)
def _step(n, state):
    fired = state[1] > n.one
    taken = select(fired, splat(n.one), splat(n.one - n.one))
    return state[1], fired, (n.alpha * state[0], n.beta * state[1] + state[0] - taken)


@implements(kernel.step_back, SubtractingNumbers)
def _step_back(n, membrane, error, adjoint):
    steep = n.scale * absolute(membrane - n.one) + n.one
    return n.alpha * adjoint[0] + adjoint[1], n.beta * adjoint[1] + error / (steep * steep)


NEURONS["subtracting"] = Subtracting

if __name__ == "__main__":
    import crossbar as xb
    from dataset import training

    run = xb.train(training(network=xb.Network.of(hidden=40, ei=None, neuron=Subtracting())))
    print(f"subtracting: {run.summary['test_accuracy']:.1%}")
