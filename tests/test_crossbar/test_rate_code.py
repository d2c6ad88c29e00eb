"""The rate code: equal to a loop over pixels, and Bernoulli in what it draws."""

import math

import numpy as np
import pytest
import torch
from xbar_stats import z_of_mean, z_of_share

from crossbar.datasets import Half, LoadedDataset
from crossbar.datasets.encode import MOST_BYTES, encode
from crossbar.datasets.settings import DataSettings
from crossbar.snn.encodings.events import SAMPLES_AT_A_TIME
from crossbar.snn.encodings.rate import Rate, RateOptions, rate_code
from device_models.errors import ConfigError

STEPS = 50
SAMPLES, LINES = 1000, 40
TRIALS = SAMPLES * LINES * STEPS


def spikes_of(grey, peak, *, seed=1, steps=STEPS):
    """Spikes of many pixels of one grey value: (pixels, steps), 0 or 1."""
    images = np.full((SAMPLES, 1, LINES), grey, np.uint8)
    generator = np.random.default_rng(seed)
    events = rate_code(images, steps=steps, peak_spikes_per_step=peak, generator=generator)
    sample = np.repeat(np.arange(SAMPLES), np.diff(events.offsets))
    counts = np.zeros((SAMPLES, LINES, steps), np.int8)
    np.add.at(counts, (sample, events.rows, events.times), 1)
    return torch.from_numpy(counts.reshape(-1, steps))


def slow_code(images, steps, peak, generator):
    """Per image the sorted (step, line) of its spikes, one number drawn at a time."""
    samples = [[] for _ in images]
    for first in range(0, len(images), SAMPLES_AT_A_TIME):
        part = range(first, min(first + SAMPLES_AT_A_TIME, len(images)))
        pixels = [(i, line, x) for i in part for line, x in enumerate(images[i].ravel()) if x]
        soonest = {(i, line): 0 for i, line, _ in pixels}
        while pixels:
            awake = []
            for i, line, grey in pixels:
                hazard = -math.log1p(-peak * int(grey) / 255)
                step = soonest[i, line] + int(generator.standard_exponential() / hazard)
                if step < steps:
                    samples[i].append((step, line))
                    soonest[i, line] = step + 1
                    awake.append((i, line, grey))
            pixels = awake
    return [sorted(spikes) for spikes in samples]


@pytest.mark.parametrize("steps", [20, 400])
def test_events_equal_a_loop_that_draws_one_number_at_a_time(steps):
    images = np.random.default_rng(2).integers(0, 256, (SAMPLES_AT_A_TIME + 20, 2, 3), np.uint8)
    images[3] = 0
    events = rate_code(
        images, steps=steps, peak_spikes_per_step=0.1, generator=np.random.default_rng(3)
    )
    slow = slow_code(images, steps, 0.1, np.random.default_rng(3))
    assert np.diff(events.offsets).tolist() == [len(spikes) for spikes in slow]
    pairs = list(zip(events.times.tolist(), events.rows.tolist(), strict=True))
    assert pairs == [pair for spikes in slow for pair in spikes]


@pytest.mark.parametrize(("grey", "peak", "each"), [(255, 1.0, 1), (0, 1.0, 0), (200, 0.0, 0)])
def test_certain_pixels_spike_in_every_step_or_never(grey, peak, each):
    assert (spikes_of(grey, peak) == each).all()


CASES = [(255, 0.05), (128, 0.05), (255, 0.6), (40, 1.0)]


@pytest.mark.parametrize(("grey", "peak"), CASES)
def test_a_pixel_spikes_at_most_once_a_step_in_the_stated_share_of_steps(grey, peak):
    spikes = spikes_of(grey, peak)
    assert spikes.max() == 1
    assert abs(z_of_share(spikes, peak * grey / 255)) < 5


@pytest.mark.parametrize(("grey", "peak"), CASES)
def test_the_test_above_would_notice_a_rate_that_is_3_percent_off(grey, peak):
    assert (
        abs(z_of_share(spikes_of(grey, peak * 1.03 if peak < 1.0 else 0.97), peak * grey / 255)) > 5
    )


def z_of_pairs(spikes, share, lag):
    """Distance of the share of pairs of spikes `lag` steps apart from `share` squared."""
    both = spikes[:, :-lag] * spikes[:, lag:]
    return z_of_mean(both.double().mean(1), share**2)


@pytest.mark.parametrize("lag", [1, 2, 5])
def test_a_spike_says_nothing_of_the_steps_after_it(lag):
    assert abs(z_of_pairs(spikes_of(255, 0.2), 0.2, lag)) < 5


def test_the_test_above_would_notice_one_silent_step_after_one_spike_in_20():
    spikes = spikes_of(255, 0.2)
    refractory = torch.from_numpy(np.random.default_rng(4).random(spikes[:, 1:].shape) < 0.05)
    spikes[:, 1:] *= 1 - (spikes[:, :-1].bool() & refractory).to(torch.int8)
    assert abs(z_of_pairs(spikes, 0.2, 1)) > 5


def z_of_late_steps(spikes, share):
    """Distance of the share of spikes in the second half of the steps from `share`."""
    return z_of_share(spikes[:, STEPS // 2 :], share)


def test_the_last_steps_are_as_busy_as_the_first():
    spikes = spikes_of(255, 0.05)
    assert abs(z_of_share(spikes[:, 0], 0.05)) < 5
    assert abs(z_of_share(spikes[:, -1], 0.05)) < 5
    assert abs(z_of_late_steps(spikes, 0.05)) < 5


def test_the_test_above_would_notice_3_percent_less_at_the_end():
    assert abs(z_of_late_steps(spikes_of(255, 0.0485), 0.05)) > 5


def test_the_spikes_of_a_pixel_are_binomial_and_not_poisson():
    """The variance of a count is steps p (1 - p); without the step's limit of one, steps p."""
    counts = spikes_of(255, 0.2).double().sum(1)
    squares = (counts - 0.2 * STEPS) ** 2
    assert abs(z_of_mean(squares, STEPS * 0.2 * 0.8)) < 5
    assert abs(z_of_mean(squares, STEPS * 0.2)) > 5


def test_one_generator_one_code_and_another_another():
    one, same, other = (spikes_of(255, 0.2, seed=seed, steps=10) for seed in (5, 5, 6))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_spikes_that_are_expected_are_those_that_are_drawn():
    images = np.random.default_rng(5).integers(0, 256, (500, 3, 8, 8), np.uint8)
    code = Rate(RateOptions(peak_spikes_per_step=0.2))
    drawn = len(code.encode(images, steps=STEPS, generator=np.random.default_rng(6)).rows)
    expected = code.expected_spikes(images, steps=STEPS)
    assert abs(drawn - expected) < 5 * math.sqrt(expected) < 0.02 * expected  # wider than binomial


def test_spikes_that_would_fill_the_memory_are_refused_before_one_is_drawn():
    """CIFAR-10 half as bright as it can be: 7.7 thousand million spikes in 100 steps at 0.7."""

    def cifar10(count):
        half = Half(np.broadcast_to(np.uint8(128), (count, 3, 32, 32)), np.zeros(count, np.uint8))
        return LoadedDataset(title="grey", class_names=("one",), train=half, test=half, origin="")

    def settings(**changes):
        code = RateOptions(peak_spikes_per_step=0.7)
        return DataSettings(**{"set": "cifar10", "encoding": code, "steps": 100} | changes)

    words = (
        r"^data\.encoding = rate makes about 7,556 million spikes of cifar10 in 100 steps, 21\.1 "
        r"GiB; at most 2 GiB are kept: take 9 steps at most, .*; nothing was encoded$"
    )
    with pytest.raises(ConfigError, match=words):
        encode(cifar10(35_000), settings(), seed=0)
    with pytest.raises(ConfigError, match=r"4\.0 GiB; at most 2 GiB are kept: take 24,868 steps "):
        encode(cifar10(10), settings(steps=50_000), seed=0)
    data = encode(cifar10(10), settings(), seed=0)
    assert len(data.train_events.rows) * 3 < MOST_BYTES
