"""Adaptive neurons of the LSNN and their readout, against the published equations stepped here."""

import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_kernels import counts

from crossbar.snn import reference
from crossbar.snn.losses import LastStep, MeanOverTime
from crossbar.snn.network import Network
from crossbar.snn.neurons import LeakyIntegrator, Lsnn, PerfectIntegrator
from crossbar.snn.plan import plan
from crossbar.snn.topology import Dense, Recurrent

STEPS, LINES, NEURONS, CLASSES = 60, 12, 8, 3
ALPHA, RHO, THRESHOLD, BETA = math.exp(-1 / 20), math.exp(-1 / 30), 0.01, 2.0


class Published(torch.autograd.Function):
    """`SpikeFunction` of the published code."""

    @staticmethod
    def forward(ctx, scaled):
        ctx.save_for_backward(scaled)
        return (scaled > 0.0).double()

    @staticmethod
    def backward(ctx, error):
        return error * 0.3 * torch.clamp(1 - torch.abs(ctx.saved_tensors[0]), min=0.0)


def published(x, w_in, w_rec, w_out):
    """Spikes (B, T, neurons) and the readout of D. Salaj's spiking_models.py, letters as there."""
    v = b = z = r = torch.zeros(len(x), NEURONS, dtype=torch.float64)
    spikes = []
    for step in x.unbind(1):
        b = RHO * b + (1 - RHO) * z
        threshold = THRESHOLD + BETA * b
        i_t = step @ w_in + z @ w_rec
        v = ALPHA * v + (1 - ALPHA) * i_t - z * threshold
        z = torch.where(r > 0.1, 0.0, Published.apply((v - threshold) / threshold))
        r = torch.clamp(r + 2 * z.detach() - 1, 0, 2)
        spikes.append(z)
    spikes = torch.stack(spikes, 1)
    return spikes, spikes.mean(1) @ w_out


@pytest.mark.parametrize("ei", [None, "75:25"])
def test_spikes_and_gradients_are_those_of_the_published_equations(ei):
    """The input of a step counts in it there, in the next one here; weights hold the gain."""
    neuron = Lsnn(tau_adapt_seconds=30e-3, rise=BETA / THRESHOLD)
    network = plan(
        Network(
            layers=(
                Recurrent(neurons=NEURONS, neuron=neuron, ei=ei),
                Dense(neurons=CLASSES, neuron=PerfectIntegrator()),
            ),
            loss=LastStep(),
        ),
        inputs=LINES, classes=CLASSES, steps=STEPS, dt_seconds=1e-3,
    )  # fmt: skip
    x, generator = counts(12, STEPS, LINES)
    x[:, 0] = 0  # ours, which is driven a step later, begins at rest
    normal = generator.standard_normal
    w = [normal((LINES, NEURONS)), 0.1 * normal((NEURONS, NEURONS)), normal((NEURONS, CLASSES))]
    if ei is not None:
        for each, signs in ((w[0], np.ones(LINES)), (w[1], network.layers[0].sent.signs)):
            each[:] = 0.3 * np.abs(each) * signs[:, None]
    w_in, w_rec, w_out = (torch.tensor(each, requires_grad=True) for each in w)
    labels = torch.from_numpy(generator.integers(0, CLASSES, len(x)))

    spikes, scores = published(torch.from_numpy(x).double(), w_in, w_rec, w_out)
    loss = torch.nn.functional.cross_entropy(scores, labels, reduction="none")
    wanted = torch.autograd.grad(loss.sum(), (w_in, w_rec, w_out))

    gain = (1 - ALPHA) / THRESHOLD
    ours = [gain * torch.cat((w_in, w_rec)).detach(), w_out.detach()]
    leaves = [each.requires_grad_() for each in ours]
    later = torch.cat((torch.from_numpy(x)[:, 1:], torch.zeros(len(x), 1, LINES)), 1).double()
    outcome = reference.simulate(network, leaves, later, labels)
    assert 0.02 < spikes.mean() < 0.4
    assert not (outcome.spikes[0][:, 1:] * outcome.spikes[0][:, :-1]).any()  # one silent step
    assert torch.equal(outcome.spikes[0], spikes)
    assert_close(outcome.losses, loss, rtol=1e-12, atol=0.0)
    found = torch.autograd.grad(outcome.losses.sum(), leaves)
    assert_close(found[0] * gain, torch.cat(wanted[:2]), rtol=1e-9, atol=1e-12)
    assert_close(found[1], wanted[2], rtol=1e-9, atol=1e-12)


def test_an_integrator_scores_the_mean_of_what_comes_in_and_a_leaky_one_its_own():
    lines = torch.tensor(np.random.default_rng(5).poisson(0.3, (4, 20, 6)), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 2])
    for neuron, loss in ((PerfectIntegrator(), LastStep()), (LeakyIntegrator(), MeanOverTime())):
        numbers, membrane = neuron.numbers(1e-3), torch.zeros(4, 21, 6, dtype=torch.float64)
        state = numbers.begin(torch.zeros(4, 6, dtype=torch.float64))
        for t in range(20):
            decayed = numbers.decay(state, None)
            state = (decayed[0] + lines[:, t], *decayed[1:])
            membrane[:, t + 1] = numbers.recorded(state)
        means = lines.mean(1) if isinstance(neuron, PerfectIntegrator) else membrane[:, 1:].mean(1)
        losses, predictions = loss.numbers(6, 20).score(membrane, labels)
        expected = torch.nn.functional.cross_entropy(means, labels, reduction="none")
        assert_close(losses, expected, rtol=1e-12, atol=0.0)
        assert predictions.tolist() == means.argmax(1).tolist()
