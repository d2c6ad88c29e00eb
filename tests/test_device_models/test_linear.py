"""Devices of one equal step: exact moves, and the noise of the seed paper.

Statistical limits are 5 sigma, two-sided (false alarm 6e-7), on fixed seeds; each has a twin.
"""

import dataclasses
from statistics import NormalDist

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.testing import assert_close
from xbar_devices import at, program
from xbar_stats import FALSE_ALARM, z_of_mean, z_of_share, z_of_sigma

from device_models.presets import load_device

IDEAL = load_device("ideal.yaml")
SIGMA = 2e-5
NOISY = dataclasses.replace(load_device("gaussian_update.yaml"), update_sigma_siemens=SIGMA)
SELECTIVE = dataclasses.replace(NOISY, noise_on="programmed")
SHAPE = (200, 200)


def moved(model, x, count, *, seed=0):
    """Change of 40 000 devices at a fraction `x` of the window by one programming operation."""
    state = at(model, torch.full(SHAPE, x))
    counts = torch.full(SHAPE, count, dtype=torch.int32)
    return (program(model, state, counts, seed=seed).state.g - state.g).double()


# Ideal


@given(
    start=st.integers(0, 1000), count=st.integers(-1200, 1200), states=st.sampled_from([1000, 250])
)
def test_an_ideal_device_moves_by_exactly_what_it_was_told(start, count, states):
    model = dataclasses.replace(IDEAL, states=states)
    state = at(model, torch.full((1, 1), start / 1000, dtype=torch.float64))
    found = program(model, state, torch.full((1, 1), count, dtype=torch.int32)).state.g
    x = min(1.0, max(0.0, start / 1000 + count / states))
    # Conductances are 32-bit numbers: the rounding is that of the larger one on the way.
    assert_close(float(found), 1e-6 + 999e-6 * x, rtol=1e-6, atol=1.2e-10)


def test_an_ideal_step_is_the_same_everywhere_and_both_ways():
    g = torch.linspace(1e-6, 1e-3, 11)
    for sign in (1, -1):
        steps = IDEAL.step_siemens(g, torch.tensor(sign))
        assert_close(steps, torch.full((11,), 999e-6 / 2**24), rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("model", [IDEAL, NOISY], ids=["ideal", "gaussian_update"])
def test_a_linear_device_reads_exactly_and_writes_for_nothing(model):
    state = at(model, torch.full((2, 2), 0.5))
    assert model.read_sigma_siemens(state.g) is None
    assert program(model, state, torch.ones((2, 2), dtype=torch.int32)).energy_joules == 0.0


def test_without_noise_gaussian_update_is_ideal():
    model = dataclasses.replace(NOISY, update_sigma_siemens=0.0)
    for count in (5000, -70_000, 10**8):
        assert torch.equal(moved(model, 0.4, count), moved(IDEAL, 0.4, count))


# The noise


@pytest.mark.parametrize("count", [0, 1_000_000, -1_000_000])
def test_programming_adds_a_normal_of_update_sigma_to_the_exact_move(count):
    noise = moved(NOISY, 0.5, count) - count * 999e-6 / 2**24
    assert abs(z_of_mean(noise, 0.0)) < 5
    assert abs(z_of_sigma(noise, SIGMA)) < 5
    assert stats.kstest((noise / SIGMA).flatten(), "norm").pvalue > FALSE_ALARM


def test_the_test_above_would_notice_3_percent():
    noise = moved(dataclasses.replace(NOISY, update_sigma_siemens=1.03 * SIGMA), 0.5, 0)
    assert abs(z_of_sigma(noise, SIGMA)) > 5
    assert abs(z_of_mean(noise, 0.03 * SIGMA)) > 5


def test_one_operation_draws_once_however_many_pulses_it_has():
    noise = moved(NOISY, 0.2, 3_000_000) - 3_000_000 * 999e-6 / 2**24
    assert abs(z_of_sigma(noise, SIGMA)) < 5


def off_the_floor(model):
    """Which devices leave the floor in an operation that would lead one sigma below it."""
    state = at(model, torch.zeros(SHAPE))
    count = -round(SIGMA / (999e-6 / 2**24))
    counts = torch.full(SHAPE, count, dtype=torch.int32)
    return program(model, state, counts).state.g > state.g


def test_the_clip_follows_the_noise():
    """Above the floor ends who draws more than one sigma: 15.9 %."""
    assert abs(z_of_share(off_the_floor(NOISY), NormalDist().cdf(-1.0))) < 5


def test_the_test_above_would_notice_a_clip_before_the_noise():
    """Clipped twice, half of them would leave the floor."""
    twice = moved(NOISY, 0.0, 0) > 0
    assert abs(z_of_share(twice, 0.5)) < 5
    assert abs(z_of_share(twice, NormalDist().cdf(-1.0))) > 5


# Where


def parts():
    """40 000 devices: pulsed, selected without a pulse, neither."""
    part = torch.arange(40_000).view(SHAPE) % 3
    return part == 0, part == 1, part == 2


@pytest.mark.parametrize("model", [NOISY, SELECTIVE], ids=["all", "programmed"])
def test_noise_goes_where_it_says(model):
    pulsed, idle, unselected = parts()
    state = at(model, torch.full(SHAPE, 0.5))
    found = program(model, state, pulsed.int(), selected=~unselected).state.g
    noise = (found - state.g).double()
    assert abs(z_of_sigma(noise[pulsed], SIGMA)) < 5
    assert not noise[unselected].any()
    if model is NOISY:
        assert abs(z_of_sigma(noise[idle], SIGMA)) < 5
    else:
        assert not noise[idle].any()


def test_noise_on_programmed_leaves_an_operation_without_pulses_alone():
    assert not moved(SELECTIVE, 0.5, 0).any()
