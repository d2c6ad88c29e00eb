"""The numbers of the oxide-RRAM model against its laws.

Statistical limits are 5 sigma, two-sided (false alarm 6e-7), on fixed seeds; beside each stands a
twin which shows that a small error would be noticed.
"""

import dataclasses
import math

import pytest
import torch
from scipy import stats
from torch.testing import assert_close
from xbar_devices import at, everywhere, gen, program, quiet
from xbar_stats import FALSE_ALARM, z_of_mean, z_of_sigma

from device_models.presets import load_device

OXRAM = load_device("oxram_literature")
ALIKE = dataclasses.replace(OXRAM, d2d_step_sigma=0.0, d2d_bound_sigma=0.0)
SHAPE = (200, 200)  # 40 000 devices: standard error of a spread 0.35 %, of a mean step 0.18 %


def steps_of(model, x, sign, *, seed=0):
    """What one pulse moves each of 40 000 devices at a fraction `x` of the window."""
    state = at(model, torch.full(SHAPE, x), seed=100 + seed)
    counts = torch.full(SHAPE, sign, dtype=torch.int32)
    return sign * (program(model, state, counts, seed=seed).state.g - state.g).double()


# The step

each_way = pytest.mark.parametrize("sign", [1, -1], ids=["SET", "RESET"])
each_place = pytest.mark.parametrize("x", [0.1, 0.5, 0.9])


@each_way
@each_place
def test_mean_step_is_step_siemens(x, sign):
    g = at(ALIKE, torch.full((1, 1), x)).g
    expected = float(ALIKE.step_siemens(g, torch.tensor(sign)))
    assert abs(z_of_mean(steps_of(ALIKE, x, sign), expected)) < 5


@each_way
@each_place
def test_the_test_above_would_notice_2_percent(x, sign):
    g = at(ALIKE, torch.full((1, 1), x)).g
    expected = 1.02 * float(ALIKE.step_siemens(g, torch.tensor(sign)))
    assert abs(z_of_mean(steps_of(ALIKE, x, sign), expected)) > 5


@pytest.mark.parametrize(
    ("x", "sign", "siemens"),
    [  # W = 999 uS: SET 0.0232 W exp(-1.5 x), RESET 0.0186 W exp(-1.5 (1 - x))
        (0.0, 1, 23.1768e-6),
        (0.5, 1, 10.9480e-6),
        (1.0, 1, 5.17144e-6),
        (0.0, -1, 4.14607e-6),
        (0.5, -1, 8.77727e-6),
        (1.0, -1, 18.5814e-6),
    ],
)
def test_expected_step_is_the_one_computed_by_hand(x, sign, siemens):
    g = torch.tensor(1e-6 + 999e-6 * x, dtype=torch.float64)
    found = OXRAM.step_siemens(g, torch.tensor(sign))
    assert_close(float(found), siemens, rtol=1e-5, atol=0.0)


@each_way
def test_relative_step_spread_is_c2c_sigma(sign):
    steps = steps_of(ALIKE, 0.5, sign)
    assert abs(z_of_sigma(steps / steps.mean(), 0.35)) < 5


@each_way
def test_the_test_above_would_notice_3_percent(sign):
    steps = steps_of(dataclasses.replace(ALIKE, c2c_sigma=1.03 * 0.35), 0.5, sign)
    assert abs(z_of_sigma(steps / steps.mean(), 0.35)) > 5


def test_cycles_of_one_device_are_independent():
    """Correlation of successive steps; standard error 1 / 200."""
    state = at(ALIKE, torch.full(SHAPE, 0.5))
    middle = program(ALIKE, state, torch.ones(SHAPE, dtype=torch.int32)).state
    after = program(ALIKE, middle, -torch.ones(SHAPE, dtype=torch.int32), seed=1).state
    first, second = (middle.g - state.g).double(), (after.g - middle.g).double()
    # A large step leads to a place of a larger next one: compare relative to the expected step.
    second = second / ALIKE.step_siemens(middle.g, torch.tensor(-1)).double()
    both = torch.stack((first.flatten(), second.flatten()))
    assert abs(float(torch.corrcoef(both)[0, 1])) < 5 / 200


# Device to device


def gains(model, sign):
    """Step of each device without cycle noise, in units of the expected step, as ln."""
    model = dataclasses.replace(model, c2c_sigma=0.0, d2d_bound_sigma=0.0)
    g = at(model, torch.full((1, 1), 0.5)).g
    expected = float(model.step_siemens(g, torch.tensor(sign)))
    return (steps_of(model, 0.5, sign) / expected).log()


@each_way
def test_gain_of_devices_spreads_by_d2d_step_sigma_in_ln_around_one(sign):
    found = gains(OXRAM, sign)
    assert abs(z_of_sigma(found, 0.3)) < 5
    assert abs(z_of_mean(found, 0.0)) < 5
    assert stats.kstest((found / 0.3).flatten(), "norm").pvalue > FALSE_ALARM


@each_way
def test_the_test_above_would_notice_3_percent_of_the_gain(sign):
    found = gains(dataclasses.replace(OXRAM, d2d_step_sigma=1.03 * 0.3), sign)
    assert abs(z_of_sigma(found, 0.3)) > 5
    assert abs(z_of_mean(gains(OXRAM, sign), 0.03)) > 5


def test_gains_of_set_and_reset_are_independent():
    both = torch.stack((gains(OXRAM, 1).flatten(), gains(OXRAM, -1).flatten()))
    assert abs(float(torch.corrcoef(both)[0, 1])) < 5 / 200


def test_bounds_are_half_normal_in_ln_and_inside_the_window():
    traits = OXRAM.manufacture(SHAPE, generator=gen()).traits
    for inside in ((traits["g_low"] / 1e-6).log(), (1e-3 / traits["g_high"]).log()):
        assert stats.kstest((inside / 0.15).flatten(), "halfnorm").pvalue > FALSE_ALARM
        assert stats.kstest((inside / 0.165).flatten(), "halfnorm").pvalue < FALSE_ALARM


@each_way
def test_many_pulses_end_at_the_own_bound_of_each_device(sign):
    state = at(OXRAM, torch.full((20, 20), 0.5))
    counts = torch.full((20, 20), 500 * sign, dtype=torch.int32)
    found = program(OXRAM, state, counts).state
    bound = found.traits["g_high" if sign > 0 else "g_low"]
    # The last draws may have led away from the bound by a few steps.
    few = 6 * OXRAM.step_siemens(bound, torch.tensor(-sign)) * found.traits["reset_gain"]
    assert ((found.g - bound).abs() <= few).all()
    assert (found.g == bound).double().mean() > 0.5


def test_new_devices_stand_at_their_own_lower_bound():
    state = OXRAM.manufacture(SHAPE, generator=gen())
    assert torch.equal(state.g, state.traits["g_low"])


# Several pulses


def ends(model, calls, *, seed):
    """Conductances and joules after pulses given in one or several calls, to the same devices."""
    state, generator, joules = at(model, torch.full(SHAPE, 0.3), seed=7), gen(seed), 0.0
    for count in calls:
        counts = torch.full(SHAPE, count, dtype=torch.int32)
        done = model.program(state, counts, everywhere(state.g), generator=generator)
        state, joules = done.state, joules + done.energy_joules
    return state.g.flatten().double(), joules


@each_way
def test_pulses_in_one_call_are_as_many_calls_in_distribution(sign):
    (once, joules), (often, more) = (
        ends(OXRAM, calls, seed=seed) for seed, calls in enumerate([[9 * sign], [sign] * 9])
    )
    assert stats.ks_2samp(once, often).pvalue > FALSE_ALARM
    assert_close(joules, more, rtol=1e-2, atol=0.0)


@each_way
def test_the_test_above_would_notice_one_pulse_too_many(sign):
    once, often = (ends(OXRAM, calls, seed=1)[0] for calls in ([9 * sign], [sign] * 10))
    assert stats.ks_2samp(once, often).pvalue < FALSE_ALARM


def test_pulses_of_both_signs_and_several_numbers_reach_the_right_devices():
    model = quiet(OXRAM)
    counts = torch.tensor([[0, 1, 2], [-1, -2, 5]], dtype=torch.int32)
    state = at(model, torch.full((2, 3), 0.5))
    found = program(model, state, counts).state.g
    for place, count in enumerate(counts.flatten().tolist()):
        g = state.g.flatten()[place]
        for _ in range(abs(count)):
            way = torch.tensor(math.copysign(1, count))
            g = g + way * model.step_siemens(g, way)
        assert_close(found.flatten()[place], g, rtol=1e-6, atol=1e-12)


# Reads


@pytest.mark.parametrize(
    ("ohms", "siemens"),
    [  # G sqrt(0.01^2 + min(0.5, 0.01 (R / 3 kohm)^0.7)^2)
        (1e3, 1.10218e-5),  # 1.10 %
        (1e4, 2.52893e-6),  # 2.53 %
        (1e5, 1.16845e-6),  # 11.7 %
        (1e6, 5.00100e-7),  # 50 %: the cap
    ],
)
def test_read_noise_is_the_one_computed_by_hand(ohms, siemens):
    for kind in (torch.float32, torch.float64):
        found = OXRAM.read_sigma_siemens(torch.tensor([1.0 / ohms], dtype=kind))
        assert_close(float(found), siemens, rtol=1e-5, atol=0.0)


def test_relative_read_noise_grows_with_the_resistance():
    g = torch.logspace(-3, -6, 60, dtype=torch.float64)
    relative = OXRAM.read_sigma_siemens(g) / g
    assert (relative.diff() >= 0).all()


def test_without_floor_and_fraction_a_read_is_exact():
    assert (
        dataclasses.replace(OXRAM, read_floor=0.0, read_fraction=0.0).read_sigma_siemens(
            torch.tensor([1e-4])
        )
        is None
    )


def test_switching_read_noise_off_redraws_no_array_and_no_pulse():
    silent = dataclasses.replace(OXRAM, read_floor=0.0, read_fraction=0.0)
    x, counts = torch.full((8, 8), 0.5), torch.full((8, 8), 3, dtype=torch.int32)
    noisy_state, silent_state = at(OXRAM, x), at(silent, x)
    for name, trait in noisy_state.traits.items():
        assert torch.equal(trait, silent_state.traits[name])
    noisy, quiet_ = program(OXRAM, noisy_state, counts), program(silent, silent_state, counts)
    assert torch.equal(noisy.state.g, quiet_.state.g)


# Energy


@pytest.mark.parametrize(
    ("sign", "joules"),
    [
        # From 100 uS, x = 99 / 999. SET: + 19.9754 uS;  1.2^2 100e-9 (100 + 119.9754) uS / 2
        (1, 1.583823e-11),
        # RESET: - 4.81054 uS;  1.3^2 100e-9 (100 + 95.18946) uS / 2
        (-1, 1.649351e-11),
    ],
)
def test_energy_of_one_pulse_is_the_one_computed_by_hand(sign, joules):
    model = quiet(OXRAM)
    state = at(model, torch.full((1, 1), 99 / 999))
    done = program(model, state, torch.full((1, 1), sign, dtype=torch.int32))
    assert_close(done.energy_joules, joules, rtol=1e-5, atol=0.0)


def test_energy_grows_with_the_square_of_the_voltage_and_with_the_width():
    def joules(**changes):
        model = dataclasses.replace(OXRAM, **changes)
        counts = torch.full((8, 8), 2, dtype=torch.int32)
        return program(model, at(model, torch.full((8, 8), 0.4)), counts).energy_joules

    assert_close(joules(set_volts=2.4), 4 * joules(), rtol=1e-6, atol=0.0)
    assert_close(joules(reset_volts=2.6), joules(), rtol=1e-12, atol=0.0)
    assert_close(joules(width_seconds=300e-9), 3 * joules(), rtol=1e-9, atol=0.0)
