"""Neuron, layer and loss of examples/extend in one network: kernels and torch, 64 bits."""

import sys
from pathlib import Path

import numpy as np
from xbar_kernels import FLOAT64, agree, events_of, make_case, run_kernel

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "extend"))

import layer
import loss
import neuron

from crossbar.snn.network import Network
from crossbar.snn.plan import plan
from crossbar.snn.topology import Dense
from device_models.jit import add_source


def main():
    """Spikes, losses and gradients of both.

    Its kernels lie in a folder of their own: who loads them imports the modules of their records,
    and a run of an example would meet its own classes for a second time.
    """
    add_source(main)
    own = neuron.Subtracting()
    layers = Dense(neurons=17, neuron=own), layer.Delay(), Dense(neurons=5, neuron=own)
    network = plan(
        Network(layers=layers, loss=loss.CountEntropy()),
        inputs=12, classes=5, steps=40, dt_seconds=1e-3,
    )  # fmt: skip
    generator = np.random.default_rng(0)
    x = generator.poisson(0.05, (20, 40, 12))
    weights = [2.0 * generator.standard_normal(shape) for shape in network.crossbars]
    labels = generator.integers(0, 5, 20)
    case = make_case(network, weights, events_of(x), labels, offered=np.arange(20))
    assert all(spikes.sum() > 50 for spikes in case.outcome.spikes)
    assert all(gradient.any() for gradient in case.gradients)
    agree(case, run_kernel(case, np.float64), FLOAT64)
    print("equal")  # noqa: T201


if __name__ == "__main__":
    main()
