"""Convolutions, leaky neurons, biases and held amplitudes: kernels against the dense reference."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_kernels import FLOAT64, agree, driven_lines, events_of, make_case, near_gradients
from xbar_kernels import run_kernel, slow_tile_steps

from crossbar.snn.encodings.constant import Constant
from crossbar.snn.losses import MseCount
from crossbar.snn.network import Network
from crossbar.snn.neurons import Leaky
from crossbar.snn.plan import plan
from crossbar.snn.topology import Conv2d, Dense, MaxPool

STEPS, CLASSES = 7, 3


def network(*layers, image=(2, 9, 8), bias="none"):
    output = Dense(neurons=CLASSES, neuron=Leaky(), bias=bias)
    settings = Network(
        layers=(*layers, output),
        loss=MseCount(correct_rate=0.8, incorrect_rate=0.2),
        spikes_least=0.0,
        spikes_most=20.0,
    )
    return plan(settings, inputs=image, classes=CLASSES, steps=STEPS, dt_seconds=1e-3)


def conv(channels, kernel, bias="none", **settings):
    neuron = Leaky(beta=0.8, surrogate_scale=5.0)
    return Conv2d(channels=channels, kernel=kernel, bias=bias, neuron=neuron, **settings)


NETWORKS = {
    "pooled currents": network(conv(5, 3, pool=2), conv(18, 2), image=(2, 10, 8)),
    "stride": network(conv(4, 3, stride=2), conv(17, 2), image=(9, 9)),
    "cropped, biases": network(
        conv(3, 2, pool=2, crop=True, bias="digital"), conv(4, 2, bias="row"), bias="row"
    ),
    "pooled spikes": network(conv(4, 2), MaxPool(size=2), conv(4, 3, bias="row"), image=(9, 9)),
    "dense first": network(
        Dense(neurons=36, image=(6, 6), neuron=Leaky(), bias="digital"), conv(4, 3), image=(5, 5)
    ),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def weights_of(net):
    generator = np.random.default_rng(1)
    return [generator.normal(0.12, 0.35, shape) for shape in net.matrices]


def spikes(net):
    generator = np.random.default_rng(2)
    return events_of((generator.random((4, STEPS, net.inputs)) < 0.15).astype(int))


def amplitudes(net, mean=0.3):
    generator = np.random.default_rng(3)
    shape = (4, *net.layers[0].incoming.shape)
    encoding = Constant(Constant.Options(mean=(mean,), std=(0.5,)))
    images = generator.integers(0, 256, shape) * (generator.random(shape) < 0.5)
    return encoding.encode(images.astype(np.uint8), steps=STEPS, generator=generator)


@every_network
@pytest.mark.parametrize("code", [spikes, amplitudes])
def test_the_kernels_are_the_reference(name, code):
    net = NETWORKS[name]
    case = make_case(
        net, weights_of(net), code(net), np.arange(4) % CLASSES, offered=np.arange(4)
    )
    assert all(sent.sum() > 0 for sent in case.outcome.spikes)
    assert all(float(gradient.abs().max()) > 0.0 for gradient in case.gradients)
    agree(case, run_kernel(case, np.float64), FLOAT64)
