"""Neurons, layers and losses of every kind: kernels against the reference, laws, gradients."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_kernels import (
    FLOAT64,
    agree,
    counts,
    driven_lines,
    events_of,
    make_case,
    near,
    run_kernel,
)

from crossbar.snn import reference
from crossbar.snn.losses import LOSSES, LastStep, MeanOverTime, MseCount, MseRate
from crossbar.snn.network import Network
from crossbar.snn.neurons import (
    NEURONS,
    AdaptiveLif,
    Leaky,
    LeakyIntegrator,
    Lif,
    Lsnn,
    PerfectIntegrator,
    Snu,
)
from crossbar.snn.plan import plan
from crossbar.snn.topology import LAYERS, Conv2d, Delays, Dense, Lateral, MaxPool, Recurrent

LI = LeakyIntegrator()
ALIF = AdaptiveLif(tau_adapt_seconds=20e-3, rise=3.0)
LSNN = Lsnn(tau_adapt_seconds=20e-3, rise=30.0, refractory_steps=2)
COUNT = MseCount(correct_rate=0.3, incorrect_rate=0.05)
OUT, SPIKING = Dense(neurons=5, neuron=LI), Dense(neurons=5)
SQUARE = (6, 6)
NETWORKS = {
    "pool of the input, recurrent alif, alif": Network(
        layers=(
            MaxPool(), Recurrent(neurons=17, neuron=ALIF), Dense(neurons=9, neuron=ALIF), OUT,
        ),
        spikes_least=60.0, spikes_most=90.0, spikes_penalty=0.5,
    ),
    "count of convolutions, pool between": Network(
        layers=(
            Conv2d(channels=5, neuron=Leaky()), MaxPool(),
            Conv2d(channels=17, kernel=2, bias="row", neuron=Leaky()), SPIKING,
        ),
        loss=COUNT, spikes_least=60.0, spikes_penalty=0.5,
    ),
    "count of recurrent alif, pool, bounds": Network(
        layers=(Dense(neurons=24, image=(4, 6)), MaxPool(), Recurrent(neurons=5, neuron=ALIF)),
        loss=COUNT, spikes_least=60.0, spikes_penalty=0.5,
    ),
    "delays of the input and of recurrent lsnn, integrator": Network(
        layers=(
            Delays(copies=3, most_steps=9), Recurrent(neurons=17, neuron=LSNN),
            Delays(copies=2, most_steps=5, least_steps=1),
            Dense(neurons=9, neuron=LSNN, bias="row"),
            Dense(neurons=5, neuron=PerfectIntegrator(), bias="row"),
        ),
        loss=LastStep(), spikes_most=40.0, spikes_penalty=0.5,
    ),
    "leaky that begins anew, delays before a leaky integrator without current": Network(
        layers=(
            Dense(neurons=17, neuron=Leaky(reset="zero")), Delays(copies=2, most_steps=7),
            Dense(neurons=5, neuron=LeakyIntegrator(tau_syn_seconds=None)),
        ),
        loss=MeanOverTime(), neuron_spikes_least=2.0, neuron_spikes_most=3.5,
        neuron_spikes_penalty=0.05,
    ),
    "lateral snu": Network(
        layers=(Lateral(neurons=17, neuron=Snu()), Dense(neurons=5, neuron=Snu())), loss=MseRate()
    ),
}  # fmt: skip
# Steps above 255 are two bytes: of dense and recurrent layers, of a pool, of both neurons that
# spike. The compiler makes every kernel anew for them.
STEPS = dict.fromkeys(NETWORKS, 50) | {"count of recurrent alif, pool, bounds": 300}
# An adaptive layer before a pool is in `test_adc_kernels.py`.


@functools.cache
def case_of(name):
    steps = STEPS[name]
    network = plan(NETWORKS[name], inputs=SQUARE, classes=5, steps=steps, dt_seconds=1e-3)
    x, generator = counts(30, steps, network.inputs)
    labels = generator.integers(0, network.classes, len(x))
    weights = [
        4.0 * generator.standard_normal((rows, outputs)) / np.sqrt(rows)
        for rows, outputs in network.crossbars
    ]
    return make_case(network, weights, events_of(x), labels, offered=np.arange(len(x)))


def test_the_networks_here_have_every_kind():
    layers = [layer for network in NETWORKS.values() for layer in network.layers]
    assert {type(layer) for layer in layers} == set(LAYERS.values())
    assert {type(layer.neuron) for layer in layers if layer.neuron} == set(NEURONS.values())
    assert {type(network.loss) for network in NETWORKS.values()} == set(LOSSES.values())


@pytest.mark.parametrize("name", NETWORKS)
def test_kernel_equals_the_reference(name):
    """Losses, predictions, spikes of every layer, gradients, which autograd gives, and reads."""
    case = case_of(name)
    for spikes in case.outcome.spikes:
        assert 0.01 < spikes.mean() < 0.6
    assert all(gradient.any() for gradient in case.gradients)
    run = run_kernel(case, np.float64, tile_rows=7)
    agree(case, run, FLOAT64)
    lines = driven_lines(case.network, case.x, case.outcome)
    assert run.tally.activations.tolist() == [int(of_crossbar.sum()) for of_crossbar in lines]


def test_more_than_255_steps_are_two_bytes():
    times = {name: case_of(name).events.times for name in NETWORKS}
    for name, steps in STEPS.items():
        assert times[name].dtype == (np.uint8 if steps < 256 else np.uint16)
        assert times[name].max() > 0.9 * steps


# Laws


def run_one(network, weights, x, labels=None):
    """The reference on counts; one class unless there are labels."""
    labels = torch.zeros(len(x), dtype=torch.int64) if labels is None else labels
    weights = [torch.as_tensor(w).double() for w in weights]
    return reference.simulate(network, weights, torch.as_tensor(x).double(), labels)


def test_an_adaptive_neuron_that_does_not_rise_is_a_lif():
    x, generator = counts(8, 40, 20)
    weights = [4 * generator.standard_normal(s) / 4 for s in ((20, 12), (12, 5))]
    lif, alif = (
        plan(
            Network(layers=(Dense(neurons=12, neuron=neuron), OUT)),
            inputs=20, classes=5, steps=40, dt_seconds=1e-3,
        )
        for neuron in (Lif(), AdaptiveLif(rise=0.0))
    )  # fmt: skip
    assert torch.equal(run_one(lif, weights, x).losses, run_one(alif, weights, x).losses)


def test_a_threshold_rises_with_every_spike_and_falls_back():
    """One neuron under constant drive: intervals grow; adaptation by hand, spike by spike."""
    neuron = AdaptiveLif(tau_adapt_seconds=50e-3, rise=4.0)
    network = plan(
        Network(layers=(Dense(neurons=1, neuron=neuron), Dense(neurons=2, neuron=LI))),
        inputs=1, classes=2, steps=120, dt_seconds=1e-3,
    )  # fmt: skip
    outcome = run_one(network, (np.full((1, 1), 0.12), np.ones((1, 2))), np.ones((1, 120, 1)))
    when = np.flatnonzero(outcome.spikes[0].flatten())
    gaps = np.diff(when)
    assert len(gaps) > 3
    assert gaps[0] < gaps[-1]
    assert (np.diff(gaps) >= -1).all()
    rho = np.exp(-1 / 50)
    adaptation = [sum((1 - rho) * rho ** (t - 1 - s) for s in when if s < t) for t in range(120)]
    after = when[:-1] + 1  # the membrane is 0 there: what is recorded is the adaptation alone
    recorded = outcome.membrane[0].flatten().numpy()[after]
    assert_close(recorded, -4.0 * np.array(adaptation)[after], rtol=1e-12, atol=1e-12)


def test_a_pool_is_the_or_of_its_windows():
    x, _ = counts(6, 30, 36)
    network = plan(
        NETWORKS["pool of the input, recurrent alif, alif"],
        inputs=SQUARE,
        classes=5,
        steps=30,
        dt_seconds=1e-3,
    )
    weights = [np.ones(shape) for shape in network.crossbars]
    pooled = run_one(network, weights, x).spikes[0].numpy()
    image = (x > 0).reshape(6, 30, 3, 2, 3, 2)
    np.testing.assert_array_equal(pooled, image.any((3, 5)).reshape(6, 30, 9))


def test_a_pool_of_channels_keeps_them_apart():
    pool = MaxPool(size=2)
    network = plan(
        Network(layers=(pool, Dense(neurons=3), OUT)),
        inputs=(2, 4, 4), classes=5, steps=10, dt_seconds=1e-3,
    )  # fmt: skip
    windows = pool.windows(network.layers[0].incoming)
    assert windows[:4].tolist() == [0, 0, 1, 1]
    assert windows[16:20].tolist() == [4, 4, 5, 5]
    assert np.bincount(windows).tolist() == [4] * 8


def test_the_count_loss_is_the_squared_distance_of_counts_over_classes_and_steps():
    spikes = torch.zeros(2, 20, 3)
    spikes[0, :6, 0], spikes[0, :1, 1], spikes[1, :3, 2] = 1.0, 1.0, 1.0
    numbers = MseCount(correct_rate=0.25, incorrect_rate=0.05).numbers(3, 20)
    losses, predictions = numbers.score(spikes, torch.tensor([0, 1]))
    assert predictions.tolist() == [0, 2]
    expected = [(1 + 0 + 1) / 60, (1 + 25 + 4) / 60]
    assert_close(losses.tolist(), expected, rtol=1e-6, atol=0.0)


def test_the_gradient_through_a_count_of_silent_neurons_pushes_the_true_class_up():
    name = "count of recurrent alif, pool, bounds"
    bare = replace(NETWORKS[name], spikes_least=0.0)  # its kernels are those of above
    network = plan(bare, inputs=SQUARE, classes=5, steps=STEPS[name], dt_seconds=1e-3)
    x, generator = counts(20, network.steps, network.inputs)
    weights = [np.abs(generator.standard_normal((36, 24))), np.full((11, 5), 1e-3)]
    case = make_case(network, weights, events_of(x), np.full(20, 2), offered=np.arange(20))
    assert case.outcome.spikes[0].any()
    assert not case.outcome.spikes[-1].any()
    gradient = run_kernel(case, np.float64).gradients[1][:, :5]
    assert (gradient[:, 2] < 0).any()
    assert (gradient[:, 2] <= 0).all()
    near(gradient, case.gradients[1], 1e-9)
