"""Convolutions, leaky neurons, biases and held amplitudes: kernels against the dense reference."""

import functools

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_kernels import (
    FLOAT64,
    agree,
    driven_lines,
    empty_run,
    events_of,
    make_case,
    run_kernel,
    runner,
    slow_tile_steps,
)

from crossbar.snn import reference
from crossbar.snn.encodings.constant import Constant
from crossbar.snn.kernels.convolution import MANY
from crossbar.snn.kernels.records import Samples
from crossbar.snn.losses import MseCount
from crossbar.snn.network import Network
from crossbar.snn.neurons import Leaky, Lif, Snu
from crossbar.snn.plan import plan
from crossbar.snn.plan_checks import check_held
from crossbar.snn.topology import Conv2d, Dense, MaxPool
from device_models.errors import ConfigError

STEPS, CLASSES = 7, 3


def network(*layers, image, bias="none"):
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


# Two convolutions and a dense layer each, whose kernels they share.
DENSE, BIASED = Dense(neurons=17, neuron=Leaky()), Dense(neurons=17, neuron=Leaky(), bias="row")
NETWORKS = {
    "pooled currents": network(conv(5, 3, pool=2), conv(18, 2), DENSE, image=(2, 10, 8)),
    "stride": network(conv(4, 3, stride=2), conv(17, 2), DENSE, image=(9, 9)),
    "cropped, biases": network(
        conv(3, 2, pool=2, crop=True, bias="digital"), conv(4, 2, bias="row"), BIASED,
        image=(2, 9, 8), bias="row",
    ),
    "dense": network(BIASED, image=(3, 3), bias="digital"),
}  # fmt: skip


def spikes(net):
    generator = np.random.default_rng(2)
    return events_of((generator.random((4, STEPS, net.inputs)) < 0.15).astype(int))


def crowds(net):
    """So many spikes that positions are gathered, some of a line that has spiked in the step."""
    generator = np.random.default_rng(6)
    return events_of(generator.choice(3, (4, STEPS, net.inputs), p=(0.4, 0.5, 0.1)))


def amplitudes(net):
    """Half of the values are 0.2 below zero, the others between that and 1.2."""
    generator = np.random.default_rng(3)
    shape = (4, *net.layers[0].incoming.shape)
    encoding = Constant(Constant.Options(mean=(0.1,), std=(0.75,)))
    images = generator.integers(0, 256, shape) * (generator.random(shape) < 0.5)
    return encoding.encode(images.astype(np.uint8), steps=STEPS, generator=generator)


@functools.cache
def case_of(name, code):
    net, generator = NETWORKS[name], np.random.default_rng(1)
    weights = [generator.normal(0.12, 0.35, shape) for shape in net.matrices]
    case = make_case(net, weights, code(net), np.arange(4) % CLASSES, offered=np.arange(4))
    assert all(sent.sum() > 0 for sent in case.outcome.spikes)
    assert all(float(gradient.abs().max()) > 0.0 for gradient in case.gradients)
    return case


every_case = pytest.mark.parametrize(
    ("name", "code"),
    [(name, code) for name in NETWORKS for code in (spikes, amplitudes) if name != "dense"]
    + [("dense", amplitudes)],
)


@every_case
def test_the_kernels_are_the_reference(name, code):
    case = case_of(name, code)
    agree(case, run_kernel(case, np.float64), FLOAT64)


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "dense"])
def test_many_spikes_are_gathered_by_positions(name):
    case = case_of(name, crowds)
    sizes = case.network.layers[0].settings.numbers(case.network.layers[0].incoming)
    driven = case.x.sum(2).min() * sizes.kernel**2 / sizes.stride**2
    assert driven > MANY * sizes.positions  # in every step, rows of the first convolution
    agree(case, run_kernel(case, np.float64), FLOAT64)


@every_case
def test_reads_are_counted_per_position(name, code):
    """Held amplitudes are read once; what they drive dissipates as the square of the voltage."""
    case = case_of(name, code)
    generator = np.random.default_rng(4)
    siemens = [generator.random(rows) for rows, _ in case.network.matrices]
    for layer, of_rows in zip(case.network.synaptic, siemens, strict=True):
        of_rows[layer.rows :] = 0.0  # a digital bias conducts nothing
    tally = run_kernel(case, np.float64, tile_rows=7, siemens=siemens).tally
    for i, driven in enumerate(driven_lines(case.network, case.x, case.outcome)):
        assert tally.activations[i] == int((driven != 0.0).sum())
        assert tally.tile_steps[i] == slow_tile_steps((driven != 0.0).double(), 7)
        expected = driven.square().sum((0, 1)) @ torch.tensor(siemens[i][: driven.shape[2]])
        assert_close(tally.siemens[i], float(expected), rtol=1e-12, atol=0.0)


def test_noise_has_the_variance_of_what_each_position_reads():
    """One neuron behind each position of a held map: its first membrane is its current."""
    net = network(conv(2, 2), conv(1, 2), DENSE, image=(9, 9))
    events, one = amplitudes(net), np.zeros(1, np.int64)
    weights, variance = np.full((4, 2), 0.01), np.full((4, 2), 0.04)
    silent = [np.zeros(shape) for shape in net.matrices[1:]]
    case = make_case(net, [weights, *silent], events, one, offered=one)
    run = empty_run(net, 1, np.float64)
    add = runner(
        net, case.weights, np.float64, run, learn=False, is_held=True,
        variances=[variance, None, None, None],
    )  # fmt: skip
    held = events.held
    sample = Samples(events.rows, events.times, events.offsets, one, one, 0, held.codes, held.unit)
    drawn = np.array(
        [
            add(sample._replace(first_key=number)).traces[0].membranes[0, :128].copy()
            for number in range(600)
        ]
    )
    read = net.layers[0].settings.reads(net.layers[0].incoming, case.x[:1])
    expected = (read.square() @ torch.tensor(variance))[0].T.reshape(-1)
    assert_close(drawn.mean(0), case.outcome.membrane[0][0, 0].numpy(), rtol=0.0, atol=0.12)
    ratio = drawn.var(0) / expected.numpy()
    assert abs(ratio.mean() - 1.0) < 0.03
    correlations = np.corrcoef(drawn.T)[~np.eye(128, dtype=bool)]
    assert np.abs(correlations).max() < 0.25


def test_a_leaky_neuron_is_snntorchs():
    """U[t+1] = 0.5 U[t] + I[t+1] - R[t], by hand: a spike takes 1 off in the step after it."""
    net = network(Dense(neurons=1, neuron=Leaky(beta=0.5)), image=(1, 1))
    x = torch.tensor([1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 1.0], dtype=torch.float64).view(1, 7, 1)
    weights = [torch.full((1, 1), 0.8, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64)]
    outcome = reference.simulate(net, weights, x, torch.zeros(1, dtype=torch.int64))
    membrane = [0.8, 0.4, 1.8, -0.1, -0.05, 0.775, 1.1875]
    assert_close(outcome.membrane[0].flatten(), torch.tensor(membrane, dtype=torch.float64))
    assert outcome.spikes[0].flatten().tolist() == [0, 0, 1, 0, 0, 0, 1]


@pytest.mark.parametrize(
    ("layers", "image", "message"),
    [
        ([conv(2, 5)], (4, 9), r"layers\[0\] .* gets 4 x 9 lines: its kernel of 5 x 5 is larger"),
        ([conv(2, 3, pool=2)], (7, 8), r"windows of 2 x 2 do not tile the 5 x 6 positions"),
        ([conv(2, 2, pool=4)], (4, 4), r"whose windows of 4 x 4 are larger than the 4 x 4 image"),
        ([conv(2, 2), Dense(neurons=4), conv(1, 2)], (4, 4), r"layers\[2\] .* 4 lines in no image"),
        ([Dense(neurons=4, ei="50:50", image=(2, 2)), conv(1, 2)], (4, 4), "give the layer before"),
        ([Conv2d(channels=2, neuron=Snu())], (4, 4), "numbers of its own that are trained"),
    ],
)  # fmt: skip
def test_layers_that_do_not_fit_are_refused(layers, image, message):
    with pytest.raises(ConfigError, match=message) as raised:
        network(*layers, image=image)
    assert "\n" not in str(raised.value)


def test_amplitudes_are_refused_where_nothing_can_take_them():
    with pytest.raises(ConfigError, match=r"layers\[0\] .* takes spikes alone"):
        check_held(network(MaxPool(), Dense(neurons=4, neuron=Lif()), image=(4, 4)))


def test_amplitudes_are_codes_of_the_drivers():
    generator = np.random.default_rng(0)
    images = np.arange(0, 256, 17, dtype=np.uint8).reshape(1, 4, 4)
    held = Constant(Constant.Options()).encode(images, steps=STEPS, generator=generator).held
    assert held.codes.tolist() == images.reshape(1, 16).tolist()
    assert_close(held.unit, 1.0 / 255.0)
    coarse = Constant(Constant.Options(bits=3, mean=(0.6,), std=(0.2,)))
    held = coarse.encode(images, steps=STEPS, generator=generator).held
    assert (held.codes.min(), held.codes.max(), held.top) == (-3, 2, 3)
    assert_close(held.gain, 3.0)
