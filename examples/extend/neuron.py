"""A neuron of one's own: LIF whose spike takes the threshold off its membrane, V - 1, not V to 0.

I[t+1] = alpha I[t] + D[t];  V[t+1] = beta V[t] + I[t] - S[t];  S[t] = H(V[t] - 1), letters as in
`crossbar.snn.neurons.lif`. Source: J. Eshraghian et al., Proc. IEEE 111(9), 2023 (subtraction).
"""

from dataclasses import dataclass

from crossbar.snn.kernels import neuron as kernel
from crossbar.snn.kernels.dispatch import implements
from crossbar.snn.kernels.simd import absolute, select, splat
from crossbar.snn.neurons import NEURONS, lif


@dataclass(frozen=True, kw_only=True)
class Subtracting(lif.Lif):  # its settings
    def numbers(self, dt_seconds, dtype=float):
        return SubtractingNumbers(*super().numbers(dt_seconds, dtype))


class SubtractingNumbers(lif.LifNumbers):  # alpha, beta, threshold, surrogate_scale, one; in torch
    def decay(self, state, spikes):
        return self.alpha * state[0], self.beta * state[1] + state[0] - spikes.detach()


@implements(kernel.begin, SubtractingNumbers)  # from here on: the same for the engine `events`
def _begin(n, silent):
    return silent, silent


@implements(kernel.step, SubtractingNumbers)
def _step(n, state):
    fired = state[1] > n.threshold
    taken = select(fired, splat(n.one), splat(n.one - n.one))
    return state[1], fired, (n.alpha * state[0], n.beta * state[1] + state[0] - taken)


@implements(kernel.step_back, SubtractingNumbers)
def _step_back(n, membrane, error, adjoint):
    steep = n.surrogate_scale * absolute(membrane - n.threshold) + n.one
    return n.alpha * adjoint[0] + adjoint[1], n.beta * adjoint[1] + error / (steep * steep)


NEURONS["subtracting"] = Subtracting

if __name__ == "__main__":
    from dataset import train

    import crossbar as xb

    train(network=xb.Network.of(hidden=40, ei=None, neuron=Subtracting()))
