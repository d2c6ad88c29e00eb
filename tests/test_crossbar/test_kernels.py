"""The fused kernels against the dense reference, and the reference against independent sums."""

import functools

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_kernels import (
    FLOAT32,
    FLOAT64,
    agree,
    driven_lines,
    empty_run,
    events_of,
    make_case,
    near,
    run_kernel,
    slow_tile_steps,
)
from xbar_training import MARGIN, fashion, plan_of

from crossbar.snn import reference
from crossbar.snn.plan import initial_weights

RATIOS = ("50:50", "80:20", "100:0", "none")
ACTIVE = 3.0  # times the initial input weights: most neurons fire, sigma = 0.003 under Dale's law
# Samples of which a membrane comes within `MARGIN` of the threshold (or of which two steps compete
# for a maximum so closely) are left out, by the reference alone, before the kernel is asked.
each_kind = pytest.mark.parametrize("kind", [np.float32, np.float64])
each_tolerance = pytest.mark.parametrize(
    ("kind", "tolerance"), [(np.float64, FLOAT64), (np.float32, FLOAT32)], ids=["64", "32"]
)


@functools.cache
def random_case(ei):
    """64 samples of 0 to 40 spikes, some of them in one step or on one line."""
    network = plan_of(inputs=40, hidden=30, classes=5, steps=60, ei=ei)
    generator = np.random.default_rng([7, RATIOS.index(ei)])
    rate = generator.uniform(0.0, 40.0, (80, 1, 1)) / (network.inputs * 20)
    x = generator.poisson(rate, (80, network.steps, network.inputs))
    x[:4] = 0
    x[:, 20:40] = 0
    labels = generator.integers(0, network.classes, len(x))
    w1, w2 = initial_weights(network, generator=generator)
    weights = w1 * np.float32(0.05 / w1.std()), w2 / 2
    return make_case(
        network, weights, events_of(x), labels, offered=np.arange(80), wanted=64, margin=MARGIN
    )


@pytest.mark.parametrize("ei", RATIOS)
@each_tolerance
def test_kernel_equals_the_reference_on_random_events(ei, kind, tolerance):
    agree(random_case(ei), run_kernel(random_case(ei), kind), tolerance)


def test_random_events_cover_what_they_are_to_cover():
    case = random_case("50:50")
    assert (case.x.sum((1, 2)) == 0).any()
    assert case.x.max() > 1
    assert (case.x.sum(2) > 1).any()
    assert case.outcome.spikes[0].mean() > 0.01
    silent = case.outcome.readout.max(dim=1).values == 0.0
    assert silent.any()
    assert not silent.all()


@pytest.fixture(
    scope="module",
    params=[(ei, gain) for ei in RATIOS for gain in (1.0, ACTIVE)],
    ids=lambda param: f"{param[0]}-gain-{param[1]:g}",
)
def image_case(request):
    """64 images through a network with initial weights, or with `ACTIVE` times that."""
    ei, gain = request.param
    network = plan_of(ei=ei)
    generator = np.random.default_rng([11, RATIOS.index(ei)])
    w1, w2 = initial_weights(network, generator=generator)
    weights = (w1 * np.float32(gain), w2)
    data = fashion(96, 1)
    images = data.train_events, data.train_labels
    case = make_case(network, weights, *images, offered=np.arange(96), wanted=64, margin=MARGIN)
    if gain == ACTIVE:
        assert case.outcome.spikes[0].sum((1, 2)).mean() > 100
    return case


@each_tolerance
def test_kernel_equals_the_reference_on_images(image_case, kind, tolerance):
    agree(image_case, run_kernel(image_case, kind), tolerance)


# What a run counts, and what it leaves alone


@pytest.mark.parametrize("tile_rows", [1, 7, 16, 1000])
@each_kind
def test_tallies_equal_a_slow_count_over_dense_tensors(kind, tile_rows):
    case = random_case("50:50")
    generator = np.random.default_rng(3)
    rows = (len(w) for w in case.weights)
    siemens = tuple(generator.uniform(0, 1e-3, n) for n in rows)
    tally = run_kernel(case, kind, tile_rows=tile_rows, siemens=siemens).tally
    layers = driven_lines(case.network, case.x, case.outcome)
    assert tally.activations.tolist() == [int(lines.sum()) for lines in layers]
    assert tally.tile_steps.tolist() == [slow_tile_steps(lines, tile_rows) for lines in layers]
    expected = [
        float((lines * torch.from_numpy(g)).sum()) for lines, g in zip(layers, siemens, strict=True)
    ]
    assert_close(tally.siemens.tolist(), expected, rtol=1e-12, atol=0.0)


@each_kind
def test_a_chunk_split_in_two_gives_the_same_sums(kind):
    case = random_case("80:20")
    whole, part, rest = run_kernel(case, kind), case.chosen[:23], case.chosen[23:]
    first = run_kernel(case, kind, chosen=part)
    second = run_kernel(case, kind, chosen=rest)
    for name in ("losses", "predictions"):
        halves = [getattr(run.tally, name) for run in (first, second)]
        assert np.concatenate(halves).tolist() == getattr(whole.tally, name).tolist()
    for name in ("spikes", "activations", "tile_steps", "clipped"):
        total = getattr(first.tally, name) + getattr(second.tally, name)
        assert total.tolist() == getattr(whole.tally, name).tolist()
    total = first.tally.siemens + second.tally.siemens
    assert_close(total, whole.tally.siemens, rtol=1e-12, atol=0.0)
    for one, other, both in zip(first.gradients, second.gradients, whole.gradients, strict=True):
        near(one + other, torch.from_numpy(both), 1e-12 if kind is np.float64 else 1e-5)


def test_a_run_adds_to_the_sums_it_is_given():
    case = random_case("80:20")
    once = run_kernel(case, np.float64)
    twice = empty_run(case.network, len(case.chosen), np.float64)
    for _ in range(2):
        run_kernel(case, np.float64, into=twice)
    assert twice.tally.spikes.tolist() == (2 * once.tally.spikes).tolist()
    assert twice.tally.losses.tolist() == once.tally.losses.tolist()
    for both, one in zip(twice.gradients, once.gradients, strict=True):
        near(both, torch.from_numpy(2 * one), 1e-12)


@each_kind
def test_without_learning_the_losses_are_the_same_and_the_gradient_is_left_alone(kind):
    case = random_case("50:50")
    learned = run_kernel(case, kind)
    run = empty_run(case.network, len(case.chosen), kind, fill=7.0)
    run_kernel(case, kind, learn=False, into=run)
    assert all((part == 7.0).all() for part in run.gradients)
    assert run.tally.losses.tolist() == learned.tally.losses.tolist()
    assert run.tally.predictions.tolist() == learned.tally.predictions.tolist()


# The reference itself


def one_spike(weight):
    """The network and what it does in 5 steps after one input spike at step 0."""
    network = plan_of(inputs=1, hidden=1, classes=2, steps=5, ei="none")
    x = torch.eye(5, 1, dtype=torch.float64)[None]
    w1, w2 = torch.full((1, 1), weight, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    return network, reference.simulate(network, (w1, w2), x, torch.tensor([0]))


def test_an_input_spikes_two_steps_later_and_the_reset_discards_that_step():
    network, outcome = one_spike(1.1)
    assert outcome.spikes[0].flatten().tolist() == [0, 0, 1, 0, 0]
    a, b, *_ = network.layers[0].neuron.numbers(network.dt_seconds)
    membrane = [0.0, 0.0, 1.1, 0.0, 1.1 * a**2]  # the current of step 2 is lost with the reset
    assert_close(outcome.membrane[0].flatten().tolist(), membrane, rtol=1e-14, atol=0.0)
    trace = [0.0, 0.0, 0.0, 0.0, 1.0, a + b]
    assert_close(outcome.readout[0, :, 0].tolist(), trace, rtol=1e-14, atol=0.0)


def test_a_membrane_at_the_threshold_does_not_spike():
    assert one_spike(1.0)[1].spikes[0].flatten()[:3].tolist() == [0, 0, 0]
    assert one_spike(np.nextafter(1.0, 2.0))[1].spikes[0].flatten()[:3].tolist() == [0, 0, 1]


def test_gradient_of_w2_equals_finite_differences():
    """The losses are differentiable in W2; not in W1, for which see the test below."""
    generator = np.random.default_rng(13)
    network = plan_of(inputs=6, hidden=5, classes=3, steps=25, ei="none")
    x = torch.from_numpy(generator.poisson(0.1, (4, network.steps, network.inputs)).astype(float))
    w1 = torch.from_numpy(generator.normal(0.5, 0.5, (6, 5)))
    w2 = torch.tensor(generator.standard_normal((5, 3)), requires_grad=True)

    def losses(w2):
        outcome = reference.simulate(network, (w1, w2), x, torch.tensor([0, 1, 2, 0]))
        assert outcome.spikes[0].sum((1, 2)).min() > 0
        return outcome.losses

    torch.autograd.gradcheck(losses, w2, eps=1e-6, atol=1e-8, rtol=1e-7)


def test_loss_is_the_mean_and_a_tie_goes_to_the_first_class():
    network = plan_of(inputs=2, hidden=2, classes=3, steps=5)
    x, w = torch.zeros(4, 5, 2), torch.ones(2, 2)
    outcome = reference.simulate(network, (w, torch.ones(2, 3)), x, torch.tensor([0, 1, 2, 0]))
    assert outcome.predictions.tolist() == [0, 0, 0, 0]
    assert_close(outcome.losses, torch.full((4,), float(np.log(3))), rtol=1e-6, atol=0.0)
    assert_close(outcome.loss, outcome.losses.mean(), rtol=1e-6, atol=0.0)
