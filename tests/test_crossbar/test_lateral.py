"""Spiking neural units with trained thresholds, and layers whose neurons reset each other."""

import functools

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_kernels import FLOAT64, agree, counts, events_of, make_case, run_kernel

from crossbar.snn import reference
from crossbar.snn.losses import MseRate
from crossbar.snn.network import Network
from crossbar.snn.neurons import AdaptiveLif, LeakyIntegrator, Lif, Snu
from crossbar.snn.plan import plan
from crossbar.snn.topology import Dense, Lateral, Recurrent
from device_models.errors import ConfigError

STEPS = 20
OUT = Dense(neurons=5, neuron=Snu())
LI = Dense(neurons=5, neuron=LeakyIntegrator())


def lateral(rule, neuron=None, neurons=17):
    return Lateral(neurons=neurons, neuron=neuron or Snu(), inhibition=rule)


NETWORKS = {
    "reset line": Network(layers=(lateral("reset_line"), OUT), loss=MseRate()),
    "dense below a linear output": Network(layers=(lateral("none"), LI)),
    "inhibitory neuron": Network(layers=(lateral("inhibitory_neuron"), OUT), loss=MseRate()),
    "plastic inhibitory neuron": Network(
        layers=(
            Lateral(
                neurons=17, neuron=Snu(), inhibition="inhibitory_neuron", repeats=2, plastic=True
            ),
            OUT,
        ),
        loss=MseRate(),
    ),
    "reset lines of lif and snu, bounds": Network(
        layers=(lateral("none"), lateral("reset_line", Lif()), lateral("reset_line"), LI),
        spikes_least=30.0, spikes_most=40.0, spikes_penalty=0.5,
    ),
}  # fmt: skip


@functools.cache
def case_of(name, low=0.3):
    network = plan(NETWORKS[name], inputs=20, classes=5, steps=STEPS, dt_seconds=1e-3)
    x, generator = counts(30, STEPS, 20, seed=1)
    weights = [
        6.0 * generator.standard_normal((rows, outputs)) / np.sqrt(rows)
        for rows, outputs in network.crossbars
    ]
    if "inhibitory neuron" in name:  # some spikes make it spike, others do not
        weights[0][-2] = -generator.uniform(0.0, 2.0, 17)
        weights[0][-1] = generator.uniform(0.0, 0.8, 17)
    trained = [
        generator.uniform(low, 2.0, (1, layer.outputs)) if layer.trained else None
        for layer in network.synaptic
    ]
    labels = generator.integers(0, network.classes, len(x))
    how = {"offered": np.arange(len(x)), "trained": trained}
    return make_case(network, weights, events_of(x), labels, **how)


@pytest.mark.parametrize("low", [0.3, -0.5])
@pytest.mark.parametrize("name", NETWORKS)
def test_kernel_equals_the_reference_with_thresholds_of_every_neuron(name, low):
    """Losses, spikes, gradients by weights and thresholds; below 0 they spike without input."""
    case = case_of(name, low)
    silent = case.outcome.spikes[0][case.x.sum((1, 2)) == 0]
    assert silent.any() == (low < 0.0 and case.trained[0] is not None)
    for spikes in case.outcome.spikes:
        assert 0.01 < spikes.mean() < 0.7
    by_trained = [by for by in case.by_trained if by is not None]
    assert all(gradient.any() for gradient in (*case.gradients, *by_trained))
    if "inhibitory neuron" in name:
        assert case.gradients[0][-2:].any(1).all() == NETWORKS[name].layers[0].plastic
    agree(case, run_kernel(case, np.float64), FLOAT64)


def published(weights, thresholds, x, rule):
    """Spikes as the published cell computes them, in numpy: (B, T, inputs) to (B, T, neurons).

    Behind the rows of the lines stand -i and e of an inhibitory neuron.
    """
    v = s = np.zeros((len(x), weights.shape[1]))
    lines = x.shape[2]
    silent = np.zeros((2, weights.shape[1]))
    weights, (minus_i, e) = weights[:lines], np.concatenate([weights[lines:], silent])[:2]
    spikes = []
    for step in np.moveaxis(x, 1, 0):
        resets = {"reset_line": s.max(1, keepdims=True), "batch_wide": s.max()}
        left = 0.9 * v * (1.0 - resets.get(rule, s))
        left = np.where(s @ e[:, None] > 1.0, rectified(left + minus_i), left)
        v = rectified(left + step @ weights)
        s = (v > thresholds).astype(float)
        spikes.append(s)
    return np.stack(spikes, 1)


def rectified(u):
    return np.where(u > 0.0, u, 0.1 * u)


@pytest.mark.parametrize("rule", ["none", "reset_line", "batch_wide", "inhibitory_neuron"])
def test_the_reference_is_the_published_cell(rule):
    network = plan(
        Network(layers=(lateral(rule), OUT), loss=MseRate()),
        inputs=20, classes=5, steps=STEPS, dt_seconds=1e-3,
    )  # fmt: skip
    x, generator = counts(12, STEPS, 20)
    weights = [generator.standard_normal(shape) for shape in network.crossbars]
    if rule == "inhibitory_neuron":
        weights[0][20:] = np.abs(weights[0][20:]) * [[-1.0], [1.0]]
    thresholds = [generator.uniform(0.5, 1.5, (1, n)) for _, n in network.crossbars]
    outcome = reference.simulate(
        network, [torch.from_numpy(w) for w in weights], torch.from_numpy(x).double(),
        torch.zeros(len(x), dtype=torch.int64), [torch.from_numpy(b) for b in thresholds],
    )  # fmt: skip
    hidden = published(weights[0], thresholds[0], x.astype(float), rule)
    output = published(weights[1], thresholds[1], hidden, "none")
    np.testing.assert_array_equal(outcome.spikes[0].numpy(), hidden)
    np.testing.assert_array_equal(outcome.spikes[1].numpy(), output)
    losses = ((output.mean(1) - np.eye(5)[0]) ** 2).mean(1)
    assert_close(outcome.losses.numpy(), losses, rtol=1e-12, atol=0.0)


def test_a_strong_inhibitory_neuron_is_a_reset_line_but_for_the_slope():
    """Without a slope nothing is left of a membrane, and every spike makes N spike."""
    x, generator = counts(30, STEPS, 20)
    network, drawn = {}, 3.0 * generator.standard_normal((20, 17))
    for rule in ("reset_line", "inhibitory_neuron"):
        layers = (lateral(rule, Snu(slope=0.0)), OUT)
        network[rule] = plan(
            Network(layers=layers, loss=MseRate()),
            inputs=20, classes=5, steps=STEPS, dt_seconds=1e-3,
        )  # fmt: skip
    spikes = {}
    for rule, each in network.items():
        rows = [[-1e3] * 17, [1.5] * 17][: each.crossbars[0][0] - 20]
        first = np.concatenate([drawn, np.reshape(rows, (-1, 17))])
        weights = [torch.from_numpy(first), torch.ones(17, 5, dtype=torch.float64)]
        outcome = reference.simulate(
            each, weights, torch.from_numpy(x).double(), torch.zeros(len(x), dtype=torch.int64)
        )
        spikes[rule] = outcome.spikes[0]
    assert spikes["reset_line"].any(2).float().mean() > 0.2
    assert torch.equal(spikes["reset_line"], spikes["inhibitory_neuron"])


def test_the_gradient_of_a_threshold_is_that_by_hand():
    """Two steps, one hidden neuron that fires in the second, two outputs."""
    network = plan(
        Network(
            layers=(lateral("reset_line", neurons=1), Dense(neurons=2, neuron=Snu())),
            loss=MseRate(),
        ),
        inputs=1, classes=2, steps=2, dt_seconds=1e-3,
    )  # fmt: skip
    x = np.zeros((1, 2, 1), int)
    x[0, 1] = 1
    thresholds = [np.array([[0.5]]), np.array([[0.4, 2.0]])]
    weights = [np.array([[0.8]]), np.array([[0.9, 0.7]])]
    case = make_case(
        network, weights, events_of(x), np.array([0]), offered=np.arange(1), trained=thresholds
    )
    assert case.outcome.spikes[1].flatten().tolist() == [0, 0, 1, 0]

    def slope(above):
        return 1.0 - np.tanh(above) ** 2

    error = (0.5 - 1.0) / 2.0  # d loss / d spike of class 0 in any step; class 1 is right
    now, before = error * slope(0.9 - 0.4), error * slope(0.0 - 0.4)
    assert_close(case.by_trained[1][0].tolist(), [-now - before, 0.0], rtol=1e-12, atol=0.0)
    # The first spike reaches the output in both steps; a membrane at 0 has the slope below it.
    first = 0.9 * 0.1 * (before + 0.9 * now)
    hidden = -(0.9 * now * slope(0.8 - 0.5) + first * slope(0.0 - 0.5))
    assert_close(case.by_trained[0].item(), hidden, rtol=1e-12, atol=0.0)
    agree(case, run_kernel(case, np.float64), FLOAT64)


BAD = {
    "inhibition = reset_line follows the spikes of its layer, whose neurons never spike": lateral(
        "reset_line", LeakyIntegrator()
    ),
    "inhibition = none follows the spikes of its layer": lateral("none", LeakyIntegrator()),
    "inhibition = reset_line clears membranes, and AdaptiveLif says not how": lateral(
        "reset_line", AdaptiveLif()
    ),
    "inhibition = inhibitory_neuron acts on a membrane before .* and Lif says not how": lateral(
        "inhibitory_neuron", Lif()
    ),
    "Snu takes in what a step drives in that step": Recurrent(neurons=5, neuron=Snu()),
}


@pytest.mark.parametrize("text", BAD)
def test_a_layer_that_cannot_inhibit_is_refused_in_one_line(text):
    layers, is_last = [Dense(neurons=7), BAD[text]], not BAD[text].neuron.SPIKES
    network = Network(layers=tuple(layers if is_last else [*layers, LI]))
    with pytest.raises(ConfigError, match=text) as error:
        plan(network, inputs=3, classes=5, steps=9, dt_seconds=1e-3)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith("layers[1] (")
