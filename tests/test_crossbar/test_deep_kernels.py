"""The kernels and the reference with several hidden layers and with recurrence, in float64."""

import functools
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from xbar_kernels import (
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
from xbar_training import fashion, plan_of

from crossbar.snn import reference
from crossbar.snn.engines.buffers import scratch
from crossbar.snn.kernels.gather_scatter import OFTEN
from crossbar.snn.plan import initial_weights

SHAPES = [
    ((12,), True),
    ((20, 12), False),
    ((20, 12), True),
    ((17, 9, 13), False),
    ((17, 9, 13), True),
]
each_shape = pytest.mark.parametrize(("hidden", "recurrent"), SHAPES)


def normal_weights(network, generator, gain):
    """Signed weights, `gain` times those that keep a sum of lines at one; the readout's once."""
    *hidden, readout = (
        generator.standard_normal((rows, outputs)) / np.sqrt(rows)
        for rows, outputs in network.crossbars
    )
    return (*(gain * w for w in hidden), readout)


@functools.cache
def random_case(hidden, recurrent, bounds=(None, None)):
    """40 samples of 0 to some 80 spikes, some of them in one step or on one line."""
    network = plan_of(
        inputs=30, hidden=hidden, classes=5, steps=50, ei="none", recurrent=recurrent,
        spikes_least=bounds[0], spikes_most=bounds[1], spikes_penalty=0.5,
    )  # fmt: skip
    generator = np.random.default_rng([41, len(hidden), recurrent])
    rate = generator.uniform(0.0, 80.0, (40, 1, 1)) / (30 * 50)
    x = generator.poisson(rate, (40, 50, 30))
    x[:3] = 0
    labels = generator.integers(0, network.classes, len(x))
    weights = normal_weights(network, generator, gain=3.0)
    return make_case(network, weights, events_of(x), labels, offered=np.arange(40))


@each_shape
def test_kernel_equals_the_reference(hidden, recurrent):
    case = random_case(hidden, recurrent)
    for spikes in case.outcome.spikes:
        assert 0.01 < spikes.mean() < 0.5
    assert all(gradient.any() for gradient in case.gradients)
    agree(case, run_kernel(case, np.float64), FLOAT64)


@pytest.mark.parametrize("recurrent", [False, True])
def test_a_layer_whose_rows_lie_far_takes_its_events_line_by_line(recurrent):
    """Some samples of it spike often enough, others do not."""
    case = random_case((300, 230), recurrent=recurrent)
    bins = scratch(case.network)[1][1]
    often = case.outcome.spikes[0].sum((1, 2)) > OFTEN * bins.lines
    assert bins.capacity > 0
    assert often.any()
    assert not often.all()
    agree(case, run_kernel(case, np.float64), FLOAT64)


@pytest.mark.parametrize(("hidden", "recurrent"), [((12,), False), *SHAPES])
def test_bounds_of_spikes_change_the_gradient_as_in_the_reference(hidden, recurrent):
    """Samples lie below and above the bounds; those without a spike are pushed up."""
    case, free = random_case(hidden, recurrent, (6.0, 40.0)), random_case(hidden, recurrent)
    fired = torch.stack([layer.sum((1, 2)) for layer in case.outcome.spikes])
    for some in (fired > 40.0, fired < 6.0, fired == 0.0):
        assert some.any()
    agree(case, run_kernel(case, np.float64), FLOAT64)
    for held, other in zip(case.gradients, free.gradients, strict=True):
        is_readout = held.shape == case.gradients[-1].shape
        assert is_readout == torch.equal(held, other)


@pytest.mark.parametrize(("hidden", "recurrent"), [((60, 40), False), ((60, 40), True)])
def test_kernel_equals_the_reference_on_images_with_initial_weights(hidden, recurrent):
    """Under Dale's law; the weights of the input are made large enough for the layers to fire."""
    network = plan_of(hidden=hidden, recurrent=recurrent, ei="80:20")
    first, *others = initial_weights(network, generator=np.random.default_rng(43))
    first[: network.inputs] *= 5
    data = fashion(64, 1)
    images = data.train_events, data.train_labels
    case = make_case(network, (first, *others), *images, offered=np.arange(64))
    assert all(spikes.sum((1, 2)).mean() > 50 for spikes in case.outcome.spikes)
    agree(case, run_kernel(case, np.float64), FLOAT64)


@st.composite
def small_cases(draw):
    """Networks of a few neurons; signed weights of order 1, empty samples, crowded steps."""
    sizes = {"inputs": (1, 20), "classes": (2, 5), "steps": (2, 30)}
    network = plan_of(
        **{name: draw(st.integers(*ends), label=name) for name, ends in sizes.items()},
        hidden=tuple(draw(st.lists(st.integers(1, 12), min_size=1, max_size=3), label="hidden")),
        recurrent=draw(st.booleans(), label="recurrent"),
        tau_mem_seconds=draw(st.sampled_from([1e-3, 5e-3, 10e-3])),
        surrogate_scale=draw(st.sampled_from([1.0, 100.0])),
    )
    samples, rate = draw(st.integers(1, 6)), draw(st.sampled_from([0.0, 0.01, 0.1, 1.0]))
    # Of a generator: hypothesis prefers round weights, which put membranes on the threshold.
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    x = generator.poisson(rate, (samples, network.steps, network.inputs))
    x[generator.random(samples) < 0.2] = 0
    labels = generator.integers(0, network.classes, samples)
    weights = tuple(generator.standard_normal(shape) for shape in network.crossbars)
    return make_case(network, weights, events_of(x), labels, offered=generator.permutation(samples))


@given(case=small_cases())
@settings(derandomize=True, deadline=None, max_examples=60)
def test_kernel_equals_the_reference_on_small_networks(case):
    agree(case, run_kernel(case, np.float64), FLOAT64)


# What a run counts, and what it leaves alone


@each_shape
@pytest.mark.parametrize("tile_rows", [1, 7, 16, 1000])
def test_tallies_equal_a_slow_count_over_dense_tensors(hidden, recurrent, tile_rows):
    """EventSlice of a recurrent layer are what comes in and its own spikes; 7 divides neither."""
    case = random_case(hidden, recurrent)
    generator = np.random.default_rng(3)
    siemens = [generator.uniform(0, 1e-3, rows) for rows, _ in case.network.crossbars]
    tally = run_kernel(case, np.float64, tile_rows=tile_rows, siemens=siemens).tally
    layers = driven_lines(case.network, case.x, case.outcome)
    assert tally.activations.tolist() == [int(lines.sum()) for lines in layers]
    assert tally.tile_steps.tolist() == [slow_tile_steps(lines, tile_rows) for lines in layers]
    expected = [
        float((lines * torch.from_numpy(g)).sum()) for lines, g in zip(layers, siemens, strict=True)
    ]
    assert_close(tally.siemens.tolist(), expected, rtol=1e-12, atol=0.0)


def test_one_tile_that_holds_incoming_and_own_lines_is_counted_once():
    """Input and neuron spike in the same step: one tile of two rows, two tiles of one row."""
    network = plan_of(inputs=1, hidden=1, classes=2, steps=6, ei="none", recurrent=True)
    x = np.zeros((1, 6, 1), int)
    x[0, [0, 2], 0] = 1
    weights = np.array([[1.1], [0.0]]), np.ones((1, 2))
    case = make_case(network, weights, events_of(x), np.array([0]), offered=np.arange(1))
    assert case.outcome.spikes[0].flatten().tolist() == [0, 0, 1, 0, 1, 0]
    counts = [run_kernel(case, np.float64, tile_rows=n).tally.tile_steps.tolist() for n in (2, 1)]
    assert counts == [[3, 2], [4, 2]]  # driven in steps 0, 2 (both lines) and 4


@each_shape
def test_without_learning_the_losses_are_the_same_and_the_gradients_are_left_alone(
    hidden, recurrent
):
    case = random_case(hidden, recurrent)
    learned = run_kernel(case, np.float64)
    run = empty_run(case.network, len(case.chosen), np.float64, fill=7.0)
    run_kernel(case, np.float64, learn=False, into=run)
    assert all((part == 7.0).all() for part in run.gradients)
    assert run.tally.losses.tolist() == learned.tally.losses.tolist()


@each_shape
def test_a_sample_does_not_depend_on_the_ones_before_it(hidden, recurrent):
    """Scratch is used again and again: what an earlier sample left must not be seen."""
    case = random_case(hidden, recurrent)
    whole = run_kernel(case, np.float64)
    total = [np.zeros_like(gradient) for gradient in whole.gradients]
    for place, sample in enumerate(case.chosen):
        alone = run_kernel(case, np.float64, chosen=np.array([sample]))
        assert alone.tally.losses.tolist() == [whole.tally.losses[place]]
        total = [both + part for both, part in zip(total, alone.gradients, strict=True)]
    for summed, gradient in zip(total, whole.gradients, strict=True):
        near(summed, torch.from_numpy(gradient), 1e-12)


# The reference itself


def test_a_neuron_drives_itself_in_the_step_of_its_spike():
    """Its own weight comes with the current of the step after, at the membrane two steps later."""
    network = plan_of(inputs=1, hidden=1, classes=2, steps=6, ei="none", recurrent=True)
    x = torch.eye(6, 1, dtype=torch.float64)[None]
    own = 0.3
    weights = torch.tensor([[1.1], [own]], dtype=torch.float64), torch.ones(1, 2).double()
    outcome = reference.simulate(network, weights, x, torch.tensor([0]))
    a, b, *_ = network.layers[0].neuron.numbers(network.dt_seconds)
    later = 1.1 * a**2 + own
    assert later > 1.0  # the input alone would not make it fire again; see the test of one spike
    expected = [0.0, 0.0, 1.1, 0.0, later, 0.0]
    assert_close(outcome.membrane[0].flatten().tolist(), expected, rtol=1e-14, atol=0.0)
    assert outcome.spikes[0].flatten().tolist() == [0, 0, 1, 0, 1, 0]
    trace = [0.0, 0.0, 0.0, 0.0, 1.0, a + b, b * (a + b) + a**2 + 1.0]
    assert_close(outcome.readout[0, :, 0].tolist(), trace, rtol=1e-14, atol=0.0)


def test_layers_follow_one_another_two_steps_apart():
    network = plan_of(inputs=1, hidden=(1, 1, 1), classes=2, steps=8, ei="none")
    x = torch.eye(8, 1, dtype=torch.float64)[None]
    weights = [torch.full((1, n), 1.1, dtype=torch.float64) for n in (1, 1, 1, 2)]
    outcome = reference.simulate(network, weights, x, torch.tensor([0]))
    first = [int(spikes.flatten().nonzero()[0]) for spikes in outcome.spikes]
    assert first == [2, 4, 6]


def forward_sensitivities(network, weights, x, label):
    """dL/dW of every weight, carried forwards in time: no back-propagation.

    `slopes` are derivatives by all weights, one after the other; x is (steps, inputs).
    """
    n = network.layers[0].neuron.numbers(network.dt_seconds)
    ends = np.cumsum([0, *(w.size for w in weights)])
    zeros = [(np.zeros(w.shape[1]), np.zeros((w.shape[1], ends[-1]))) for w in weights]
    currents, membranes, trace = list(zeros), list(zeros), []

    def driven(place, lines, slopes):
        w, own = weights[place], slice(ends[place], ends[place + 1])
        by_weights = w.T @ slopes
        by_weights[:, own] += np.einsum("r,jk->jrk", lines, np.eye(w.shape[1])).reshape(-1, w.size)
        return lines @ w, by_weights

    for counts in x:
        trace.append(membranes[-1])
        lines, slopes = counts, np.zeros((len(counts), ends[-1]))
        for place in range(len(weights)):
            v, by_v = membranes[place]
            i, by_i = currents[place]
            readout = place == len(weights) - 1
            spikes = np.zeros(len(v)) if readout else (v > 1.0).astype(float)
            surrogate = 1.0 / (n.surrogate_scale * np.abs(v - 1.0) + 1.0) ** 2
            keeps = (1.0 - spikes)[:, None]
            after = n.beta * v + i, n.beta * by_v + by_i
            membranes[place] = after[0] * keeps[:, 0], after[1] * keeps
            if network.recurrent and not readout:
                lines = np.concatenate([lines, spikes])
                slopes = np.concatenate([slopes, surrogate[:, None] * by_v])
            drawn = driven(place, lines, slopes)
            currents[place] = n.alpha * i + drawn[0], n.alpha * by_i + drawn[1]
            lines, slopes = spikes, surrogate[:, None] * by_v
    trace.append(membranes[-1])
    values, by_weights = (np.array(part) for part in zip(*trace, strict=True))
    when, classes = values.argmax(0), np.arange(values.shape[1])
    scores = values[when, classes]
    error = np.exp(scores) / np.exp(scores).sum() - (classes == label)
    gradient = error @ by_weights[when, classes]
    parts = [gradient[a:b] for a, b in itertools.pairwise(ends)]
    return [part.reshape(w.shape) for part, w in zip(parts, weights, strict=True)]


def sensitive_case(hidden, recurrent, seed):
    """One sample of which every layer fires and every part of a crossbar has a gradient."""
    network = plan_of(
        inputs=6, hidden=hidden, classes=3, steps=25, ei="none", recurrent=recurrent,
        spikes_least=0.0,
    )  # fmt: skip
    for attempt in range(200):
        generator = np.random.default_rng([5, seed, attempt])
        x = generator.poisson(0.3, (1, network.steps, network.inputs))
        weights = [w + 0.1 for w in normal_weights(network, generator, gain=3.0)]
        case = make_case(network, weights, events_of(x), np.array([1]), offered=np.arange(1))
        parts = [g[:n] for g, n in zip(case.gradients, network.inputs_of, strict=True)]
        if recurrent:
            own = zip(case.gradients[:-1], network.inputs_of, strict=False)
            parts += [gradient[lines:] for gradient, lines in own]
        large = all(float(part.abs().max()) > 1e-4 for part in parts)
        if large and all(spikes.any() for spikes in case.outcome.spikes):
            return case
    raise AssertionError("no case in which every layer fires")


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("hidden", "recurrent"),
    [((1,), False), ((4,), False), ((1,), True), ((4,), True), ((5, 4), False), ((3, 2), True),
     ((5, 4), True), ((4, 3, 5), False), ((4, 3, 5), True)],
)  # fmt: skip
def test_gradients_equal_forward_sensitivities_with_the_surrogate(hidden, recurrent, seed):
    """Of every weight: those of lines that come in, of own rows, of the readout."""
    case = sensitive_case(hidden, recurrent, seed)
    expected = forward_sensitivities(case.network, case.weights, case.x[0].numpy(), 1)
    found = run_kernel(case, np.float64).gradients
    for wanted, by_torch, by_kernel in zip(expected, case.gradients, found, strict=True):
        near(by_torch, torch.from_numpy(wanted), 1e-10)
        near(by_kernel[:, : wanted.shape[1]], torch.from_numpy(wanted), 1e-10)
