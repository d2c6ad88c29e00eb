"""The fused kernels against the dense reference, and the reference against independent sums."""

import functools
from typing import NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from crossbar.datasets import fashion_mnist
from crossbar.datasets.ladder import Surroundings
from crossbar.snn import kernels, reference
from crossbar.snn.encoding import Events, latency_code
from crossbar.snn.network import Network, initial_weights
from device_models.errors import DataError

RATIOS = ("50:50", "80:20", "100:0", "none")
ACTIVE = 3.0  # times the initial input weights: most neurons fire, sigma = 0.003 under Dale's law
# Rounding to float32 moves a membrane by up to some 1e-6. A sample of which a membrane comes closer
# than this to the threshold (or of which two steps compete for a maximum so closely) may spike
# otherwise in float32, and is no test of the arithmetic: such samples are left out, by the
# reference alone, before the kernel is asked.
MARGIN = 4e-6


class Case(NamedTuple):
    """A network, its input and what the reference makes of it; gradients are sums over samples."""

    network: Network
    weights: tuple[np.ndarray, np.ndarray]  # float32 numbers
    events: Events
    labels: np.ndarray
    chosen: np.ndarray  # the samples compared
    x: torch.Tensor
    outcome: reference.Outcome
    gradients: tuple[torch.Tensor, torch.Tensor]


class Run(NamedTuple):
    """What the kernel made of some samples."""

    tally: kernels.Tally
    gradient: kernels.Gradient


def empty_run(network, samples, kind, *, fill=0.0):
    """A run of `samples` that has done nothing yet; its gradient starts at `fill`."""
    tally = kernels.Tally(
        spikes=np.zeros(network.hidden, np.int64),
        predictions=np.full(samples, -1),
        losses=np.full(samples, np.nan),
        activations=np.zeros(2, np.int64),
        tile_steps=np.zeros(2, np.int64),
        siemens=np.zeros(2),
    )
    w1 = np.full((network.inputs, network.hidden), fill, kind)
    return Run(tally, kernels.Gradient(w1, np.full((network.hidden, network.classes), fill, kind)))


def run_kernel(case, kind, *, chosen=None, learn=True, tile_rows=64, siemens=None, into=None):
    """Run samples of `case` through the kernel in the dtype `kind`, without noise."""
    network, chosen = case.network, case.chosen if chosen is None else chosen
    run = empty_run(network, len(chosen), kind) if into is None else into
    w1, w2 = (np.ascontiguousarray(w, kind) for w in case.weights)
    siemens = siemens or (np.ones(network.inputs), np.ones(network.hidden))
    quiet = np.zeros((0, 0), kind)
    scalars = (network.alpha, network.beta, 1.0, network.surrogate_scale, 1.0)
    constants = kernels.Constants(*map(kind, scalars), network.steps, tile_rows)
    rows, times, offsets = case.events.rows, case.events.times, case.events.offsets
    samples = kernels.Samples(rows, times, offsets, case.labels, chosen, 0)
    weights = kernels.Weights(w1, w2, quiet, quiet, *siemens)
    kernels.run_chunk(samples, weights, w2, constants, 0, *run, learn)
    return run


def events_of(x):
    """The events of counts (samples, steps, inputs); a count of n gives n events."""
    sample, times, rows = np.nonzero(x)
    counts = x[sample, times, rows]
    offsets = np.concatenate([[0], np.cumsum(x.sum((1, 2)))]).astype(np.int64)
    return Events(
        np.repeat(rows, counts).astype(np.uint16),
        np.repeat(times, counts).astype(np.uint8),
        offsets,
    )


def make_case(network, weights, events, labels, *, offered, wanted=None, margin=0.0):
    """Run the reference in float64; keep the first `wanted` samples that have the margin."""
    x = reference.dense(events, offered, network, torch.float64)
    w1, w2 = (torch.tensor(w, dtype=torch.float64, requires_grad=True) for w in weights)
    outcome = reference.simulate(network, w1, w2, x, torch.from_numpy(labels[offered]))
    kept = np.flatnonzero(margins(outcome) >= margin)[:wanted]
    assert wanted is None or len(kept) == wanted, "offer more samples"
    gradients = torch.autograd.grad(outcome.losses[kept].sum(), (w1, w2), materialize_grads=True)
    _, *rest = (part.detach() for part in outcome)
    rest = [part[kept] for part in rest]
    outcome = reference.Outcome(rest[0].mean(), *rest)
    return Case(network, weights, events, labels, offered[kept], x[kept], outcome, gradients)


def margins(outcome):
    """Per sample, how close a membrane comes to the threshold or a rival to a maximum in time."""
    readout = outcome.readout.detach()
    top = readout.max(dim=1, keepdim=True).values
    rival = torch.where(readout < top, readout, -torch.inf).max(dim=1).values
    to_rival = (top[:, 0] - rival).min(dim=1).values  # inf for a silent class
    to_threshold = (outcome.membrane.detach() - 1.0).abs().flatten(1).min(dim=1).values
    return torch.minimum(to_rival, to_threshold).numpy()


def near(actual, expected, rtol):
    """Equal to `rtol` of the largest entry."""
    actual, expected = torch.as_tensor(actual).double(), expected.double()
    assert_close(actual, expected, rtol=0.0, atol=rtol * float(expected.abs().max()) + 1e-300)


class Tolerance(NamedTuple):
    """What a run may differ from the reference by."""

    loss: float  # relative, each sample
    loss_floor: float  # absolute: a loss near 0 is a difference of scores of order 1
    w1: float  # of the largest entry
    w2: float  # of the largest entry


FLOAT64 = Tolerance(loss=1e-9, loss_floor=1e-14, w1=1e-9, w2=1e-9)
# The surrogate is steep: at V = 1 a relative error of V comes back 200 times as large in its slope
# and so in the gradient of W1. The reference itself, run in float32, is off by up to 3.3e-5 here.
FLOAT32 = Tolerance(loss=1e-5, loss_floor=3e-6, w1=1e-4, w2=1e-5)
each_kind = pytest.mark.parametrize("kind", [np.float32, np.float64])
each_tolerance = pytest.mark.parametrize(
    ("kind", "tolerance"), [(np.float64, FLOAT64), (np.float32, FLOAT32)], ids=["64", "32"]
)


def agree(case, run, tolerance):
    """Within the tolerance of the reference; predictions and spikes exactly."""
    tally, gradient = run
    rtol, atol, *_ = tolerance
    assert_close(torch.from_numpy(tally.losses), case.outcome.losses, rtol=rtol, atol=atol)
    assert tally.predictions.tolist() == case.outcome.predictions.tolist()
    assert tally.spikes.tolist() == case.outcome.spikes.sum((0, 1)).tolist()
    near(gradient.w1, case.gradients[0], tolerance.w1)
    near(gradient.w2, case.gradients[1], tolerance.w2)


@functools.cache
def random_case(ei):
    """64 samples of 0 to 40 spikes, some of them in one step or on one line."""
    network = Network(inputs=40, hidden=30, classes=5, steps=60, ei=ei)
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
    assert case.outcome.spikes.mean() > 0.01
    silent = case.outcome.readout.max(dim=1).values == 0.0
    assert silent.any()
    assert not silent.all()


@pytest.fixture(scope="module")
def images():
    def offline(url):
        raise OSError(f"{url} is not asked by tests")

    def no_program(command, folder):
        raise FileNotFoundError(2, "not run by tests", command[0])

    around = Surroundings(open_url=offline, run=no_program)
    try:
        data = fashion_mnist.load(notice=lambda line: None, around=around)
    except DataError as reason:
        pytest.skip(str(reason))
    return latency_code(data.train_images[:320], steps=100), data.train_labels[:320].astype(int)


@pytest.fixture(
    scope="module",
    params=[(ei, gain) for ei in RATIOS for gain in (1.0, ACTIVE)],
    ids=lambda param: f"{param[0]}-gain-{param[1]:g}",
)
def image_case(request, images):
    """256 images through a network with initial weights, or with `ACTIVE` times that."""
    ei, gain = request.param
    network = Network(ei=ei)
    generator = np.random.default_rng([11, RATIOS.index(ei)])
    w1, w2 = initial_weights(network, generator=generator)
    weights = (w1 * np.float32(gain), w2)
    case = make_case(network, weights, *images, offered=np.arange(320), wanted=256, margin=MARGIN)
    if gain == ACTIVE:
        assert case.outcome.spikes.sum((1, 2)).mean() > 100
    return case


@each_tolerance
def test_kernel_equals_the_reference_on_images(image_case, kind, tolerance):
    agree(image_case, run_kernel(image_case, kind), tolerance)


@st.composite
def small_cases(draw):
    """Networks of a few neurons; signed weights of order 1, empty samples, crowded steps."""
    sizes = {"inputs": (1, 20), "hidden": (1, 12), "classes": (2, 5), "steps": (2, 30)}
    network = Network(
        **{name: draw(st.integers(*ends), label=name) for name, ends in sizes.items()},
        tau_mem_seconds=draw(st.sampled_from([1e-3, 5e-3, 10e-3])),
        surrogate_scale=draw(st.sampled_from([1.0, 100.0])),
    )
    samples, rate = draw(st.integers(1, 6)), draw(st.sampled_from([0.0, 0.01, 0.1, 1.0]))
    # Numbers of a generator: hypothesis prefers round weights, which put membranes on the threshold.
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    x = generator.poisson(rate, (samples, network.steps, network.inputs))
    x[generator.random(samples) < 0.2] = 0
    labels = generator.integers(0, network.classes, samples)
    shapes = (network.inputs, network.hidden), (network.hidden, network.classes)
    weights = tuple(generator.standard_normal(shape) for shape in shapes)
    return make_case(network, weights, events_of(x), labels, offered=generator.permutation(samples))


@given(case=small_cases())
@settings(derandomize=True, deadline=None, max_examples=100)
def test_kernel_equals_the_reference_on_small_networks(case):
    agree(case, run_kernel(case, np.float64), FLOAT64)


# What a run counts, and what it leaves alone


def slow_tile_steps(driven, tile_rows):
    """(row tile, step) pairs with a driven line, of lines (samples, steps, rows)."""
    return sum(int((tile.sum(2) > 0).sum()) for tile in driven.split(tile_rows, dim=2))


@pytest.mark.parametrize("tile_rows", [1, 7, 16, 1000])
@each_kind
def test_tallies_equal_a_slow_count_over_dense_tensors(kind, tile_rows):
    case = random_case("50:50")
    generator = np.random.default_rng(3)
    rows = (len(w) for w in case.weights)
    siemens = tuple(generator.uniform(0, 1e-3, n) for n in rows)
    tally, _ = run_kernel(case, kind, tile_rows=tile_rows, siemens=siemens)
    layers = case.x, case.outcome.spikes
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
    for name in ("spikes", "activations", "tile_steps"):
        total = getattr(first.tally, name) + getattr(second.tally, name)
        assert total.tolist() == getattr(whole.tally, name).tolist()
    total = first.tally.siemens + second.tally.siemens
    assert_close(total, whole.tally.siemens, rtol=1e-12, atol=0.0)
    for one, other, both in zip(first.gradient, second.gradient, whole.gradient, strict=True):
        near(one + other, torch.from_numpy(both), 1e-12 if kind is np.float64 else 1e-5)


def test_a_run_adds_to_the_sums_it_is_given():
    case = random_case("80:20")
    once = run_kernel(case, np.float64)
    twice = empty_run(case.network, len(case.chosen), np.float64)
    for _ in range(2):
        run_kernel(case, np.float64, into=twice)
    assert twice.tally.spikes.tolist() == (2 * once.tally.spikes).tolist()
    assert twice.tally.losses.tolist() == once.tally.losses.tolist()
    near(twice.gradient.w1, torch.from_numpy(2 * once.gradient.w1), 1e-12)
    near(twice.gradient.w2, torch.from_numpy(2 * once.gradient.w2), 1e-12)


@each_kind
def test_without_learning_the_losses_are_the_same_and_the_gradient_is_left_alone(kind):
    case = random_case("50:50")
    learned = run_kernel(case, kind)
    run = empty_run(case.network, len(case.chosen), kind, fill=7.0)
    run_kernel(case, kind, learn=False, into=run)
    assert all((part == 7.0).all() for part in run.gradient)
    assert run.tally.losses.tolist() == learned.tally.losses.tolist()
    assert run.tally.predictions.tolist() == learned.tally.predictions.tolist()


# The reference itself


def one_spike(weight):
    """The network and what it does in 5 steps after one input spike at step 0."""
    network = Network(inputs=1, hidden=1, classes=2, steps=5, ei="none")
    x = torch.eye(5, 1, dtype=torch.float64)[None]
    w1, w2 = torch.full((1, 1), weight, dtype=torch.float64), torch.ones(1, 2, dtype=torch.float64)
    return network, reference.simulate(network, w1, w2, x, torch.tensor([0]))


def test_an_input_spikes_two_steps_later_and_the_reset_discards_that_step():
    network, outcome = one_spike(1.1)
    assert outcome.spikes.flatten().tolist() == [0, 0, 1, 0, 0]
    a, b = network.alpha, network.beta
    membrane = [0.0, 0.0, 1.1, 0.0, 1.1 * a**2]  # the current of step 2 is lost with the reset
    assert_close(outcome.membrane.flatten().tolist(), membrane, rtol=1e-14, atol=0.0)
    trace = [0.0, 0.0, 0.0, 0.0, 1.0, a + b]
    assert_close(outcome.readout[0, :, 0].tolist(), trace, rtol=1e-14, atol=0.0)


def test_a_membrane_at_the_threshold_does_not_spike():
    assert one_spike(1.0)[1].spikes.flatten()[:3].tolist() == [0, 0, 0]
    assert one_spike(np.nextafter(1.0, 2.0))[1].spikes.flatten()[:3].tolist() == [0, 0, 1]


def test_gradient_of_w2_equals_finite_differences():
    """The losses are differentiable in W2; not in W1, for which see the test below."""
    generator = np.random.default_rng(13)
    network = Network(inputs=6, hidden=5, classes=3, steps=25, ei="none")
    x = torch.from_numpy(generator.poisson(0.1, (4, network.steps, network.inputs)).astype(float))
    w1 = torch.from_numpy(generator.normal(0.5, 0.5, (6, 5)))
    w2 = torch.tensor(generator.standard_normal((5, 3)), requires_grad=True)

    def losses(w2):
        outcome = reference.simulate(network, w1, w2, x, torch.tensor([0, 1, 2, 0]))
        assert outcome.spikes.sum((1, 2)).min() > 0
        return outcome.losses

    torch.autograd.gradcheck(losses, w2, eps=1e-6, atol=1e-8, rtol=1e-7)


def forward_sensitivity(network, w1, w2, x, label):
    """dL/dW1 (inputs,) of one hidden neuron, carried forwards in time: no back-propagation."""
    a, b, scale = network.alpha, network.beta, network.surrogate_scale
    state, slope = np.zeros(4), np.zeros((4, *w1.shape))  # I, V, F and O for W2 = 1, and d / dW1
    traces, slopes = [state[3]], [slope[3]]
    for counts in x:
        spike, slope_of_spike = state[1] > 1.0, slope[1] / (scale * abs(state[1] - 1.0) + 1.0) ** 2
        step = np.array(
            [[a, 0, 0, 0], [1 - spike, b * (1 - spike), 0, 0], [0, 0, a, 0], [0, 0, 1, b]]
        )
        state = step @ state + [counts @ w1, 0, spike, 0]
        slope = step @ slope + [counts, 0 * counts, slope_of_spike, 0 * counts]
        traces.append(state[3])
        slopes.append(slope[3])
    when = np.outer(traces, w2).argmax(0)
    scores = np.array(traces)[when] * w2
    error = np.exp(scores) / np.exp(scores).sum() - (np.arange(len(w2)) == label)
    return (error * w2) @ np.array(slopes)[when]


@pytest.mark.parametrize("seed", range(8))
def test_gradient_of_w1_equals_forward_sensitivities_with_the_surrogate(seed):
    generator = np.random.default_rng([5, seed])
    network = Network(inputs=6, hidden=1, classes=3, steps=25, ei="none")
    x = generator.poisson(0.1, (1, network.steps, network.inputs)).astype(float)
    w1, w2 = generator.normal(0.5, 0.5, (6, 1)), generator.standard_normal((1, 3))
    tensors = [torch.tensor(w, requires_grad=True) for w in (w1, w2)]
    outcome = reference.simulate(network, *tensors, torch.from_numpy(x), torch.tensor([1]))
    assert outcome.spikes.any()
    outcome.loss.backward()
    expected = forward_sensitivity(network, w1[:, 0], w2[0], x[0], 1)
    near(tensors[0].grad[:, 0], torch.from_numpy(expected), 1e-10)


def test_loss_is_the_mean_and_a_tie_goes_to_the_first_class():
    network = Network(inputs=2, hidden=2, classes=3, steps=5)
    x, w = torch.zeros(4, 5, 2), torch.ones(2, 2)
    outcome = reference.simulate(network, w, torch.ones(2, 3), x, torch.tensor([0, 1, 2, 0]))
    assert outcome.predictions.tolist() == [0, 0, 0, 0]
    assert_close(outcome.losses, torch.full((4,), float(np.log(3))), rtol=1e-6, atol=0.0)
    assert_close(outcome.loss, outcome.losses.mean(), rtol=1e-6, atol=0.0)
