"""The shared physics of pulsed devices against its laws, and the closed forms of step models.

Statistical limits are 5 sigma, two-sided (false alarm 6e-7), on fixed seeds; twins show the power.
"""

import dataclasses
import math
from statistics import NormalDist

import pytest
import torch
from scipy import stats
from torch.testing import assert_close
from xbar_devices import PULSED, TABLE, VALID, at, gen, program, quiet
from xbar_stats import FALSE_ALARM, z_of_mean, z_of_share, z_of_sigma

from device_models import physics
from device_models.errors import ConfigError
from device_models.exp_step import ExpStep
from device_models.linear_step import LinearStep
from device_models.presets import load_device
from device_models.soft_bounds import SoftBounds
from device_models.tabulated import Tabulated

OXRAM = load_device("oxram_literature")
SHAPE = (200, 200)
QUIET = quiet(OXRAM)
ONES = torch.ones(SHAPE, dtype=torch.int32)
each_way = pytest.mark.parametrize("sign", [1, -1], ids=["SET", "RESET"])


def half(model, x=0.5):
    """40 000 devices at a fraction of the window."""
    return at(model, torch.full(SHAPE, x))


# Slow fluctuation

TAUS = physics.relaxation_times(1e-3, 1e4)


def lag_correlation(seconds, times=TAUS):
    """Standardised products of the fluctuation before and after an interval."""
    slow = torch.randn((physics.COMPONENTS, *SHAPE), generator=gen())
    later = physics.step_fluctuation(slow, seconds, times, generator=gen(1))
    return slow.sum(0) * later.sum(0) / physics.COMPONENTS, later.sum(0) / 2.0


@pytest.mark.parametrize("seconds", [0.0, 1e-4, 0.1, 30.0, 1e6])
def test_slow_fluctuation_keeps_unit_variance_and_has_the_autocorrelation_of_its_parts(seconds):
    products, later = lag_correlation(seconds)
    assert abs(z_of_sigma(later, 1.0)) < 5
    expected = sum(math.exp(-seconds / tau) for tau in TAUS) / len(TAUS)
    assert abs(z_of_mean(products, expected)) < 5


def test_the_test_above_would_notice_time_constants_twice_as_long():
    products, _ = lag_correlation(30.0, [2 * tau for tau in TAUS])
    expected = sum(math.exp(-30.0 / tau) for tau in TAUS) / len(TAUS)
    assert abs(z_of_mean(products, expected)) > 5


def test_the_spectrum_falls_as_one_over_f_between_the_corners():
    """Of the sum of Lorentzians, four decades inside the corners; ripple stays below 0.2."""
    f = torch.logspace(-3.5, 1, 400, dtype=torch.float64)
    power = sum(tau / (1.0 + (2 * math.pi * f * tau) ** 2) for tau in TAUS)
    slope = stats.linregress(f.log().numpy(), power.log().numpy()).slope
    assert abs(slope + 1.0) < 0.1


def test_two_intervals_are_one_in_distribution():
    start = torch.ones((physics.COMPONENTS, *SHAPE))
    once = physics.step_fluctuation(start, 50.0, TAUS, generator=gen())
    middle = physics.step_fluctuation(start, 20.0, TAUS, generator=gen(1))
    twice = physics.step_fluctuation(middle, 30.0, TAUS, generator=gen(2))
    found = stats.ks_2samp(once.sum(0).flatten(), twice.sum(0).flatten())
    assert found.pvalue > FALSE_ALARM


def test_intervals_far_below_the_time_constants_are_not_lost():
    """1 ns of 1e4 s: variance 2 t / tau; 32-bit numbers would round it to nothing."""
    still = torch.zeros((physics.COMPONENTS, *SHAPE))
    later = physics.step_fluctuation(still, 1e-9, TAUS, generator=gen())[-1]
    assert abs(z_of_sigma(later, math.sqrt(2e-9 / 1e4))) < 5


# Relaxation

RELAXING = dataclasses.replace(
    QUIET, relax_sigma_siemens=3e-6, relax_drift_siemens=-2e-6, relax_peak_siemens=1e-4,
    relax_activation_ev=1.1,
)  # fmt: skip


def drifted(seconds, **how):
    """Devices right after a pulse and their change after an interval, by the shape at `g`."""
    state = program(RELAXING, half(RELAXING, 0.1), ONES).state
    later = RELAXING.advance(state, seconds, generator=gen(), **how)
    moved = RELAXING.conductance(later) - state.g
    return state, moved / physics.relaxation_siemens(state.g, 1.0, 1e-4)


def test_right_after_a_pulse_nothing_has_relaxed():
    state = program(RELAXING, half(RELAXING), ONES).state
    assert torch.equal(RELAXING.conductance(state), state.g)


@pytest.mark.parametrize("seconds", [1e-6, 1e-3, 1.0, 1e4])
def test_mean_and_spread_grow_per_decade(seconds):
    late = math.log10(1.0 + seconds / 1e-6)
    _, moved = drifted(seconds)
    assert abs(z_of_mean(moved, -2e-6 * late)) < 5
    assert abs(z_of_sigma(moved, 3e-6 * late)) < 5
    assert abs(z_of_sigma(moved, 1.03 * 3e-6 * late)) > 5


def test_relaxation_has_its_peak_at_the_peak():
    g = torch.tensor([1e-5, 1e-4, 3e-4])
    expected = torch.tensor([0.1 * math.exp(0.9), 1.0, 3.0 * math.exp(-2.0)])
    assert_close(physics.relaxation_siemens(g, 1.0, 1e-4), expected, rtol=1e-6, atol=0.0)


def test_a_sharper_hump_is_the_power_of_the_plain_one():
    g = torch.tensor([1e-5, 1e-4, 3e-4])
    expected = 2e-6 * torch.tensor([0.1 * math.exp(0.9), 1.0, 3.0 * math.exp(-2.0)]) ** 2.5
    found = physics.relaxation_siemens(g, 2e-6, 1e-4, 2.5)
    assert_close(found, expected, rtol=1e-5, atol=0.0)
    sharp = dataclasses.replace(RELAXING, relax_sharpness=2.5, relax_sigma_siemens=0.0)
    state = program(sharp, half(sharp, 0.1), ONES).state
    later = sharp.advance(state, 1e-3, generator=gen())
    # float32 keeps 1e-11 of 1e-4 siemens, of a drift of 6e-6.
    drift = -2e-6 * physics.decades(torch.tensor(1e-3), 1e-6)
    law = drift * (state.g / 1e-4 * torch.exp(1.0 - state.g / 1e-4)) ** 2.5
    assert_close(sharp.conductance(later) - state.g, law, rtol=1e-4, atol=2e-11)


TAILED = dataclasses.replace(RELAXING, relax_tail_sigma=0.8, relax_drift_siemens=0.0)


@pytest.mark.parametrize("tail", [0.0, 0.8])
def test_tails_of_the_kicks_are_a_log_normal_scale(tail):
    """E z^2 = exp(2 tail^2) and E |z| = sqrt(2 / pi) exp(tail^2 / 2)."""
    z = physics.draw_relaxation(torch.Size((400, 400)), tail, generator=gen())
    assert abs(z_of_mean(z, 0.0)) < 5
    assert abs(z_of_mean(z**2, math.exp(2.0 * tail**2))) < 5
    size = math.sqrt(2.0 / math.pi) * math.exp(tail**2 / 2.0)
    assert abs(z_of_mean(z.abs(), size)) < 5
    assert abs(z_of_mean(z.abs(), 1.03 * size)) > 5


def test_a_pulse_draws_kicks_with_the_tails_of_the_device():
    kick = program(TAILED, half(TAILED), ONES).state.dynamics["kick"]
    assert abs(z_of_mean(kick.abs(), math.sqrt(2.0 / math.pi) * math.exp(0.32))) < 5
    plain = program(RELAXING, half(RELAXING), ONES).state.dynamics["kick"]
    assert abs(z_of_mean(plain.abs(), math.sqrt(2.0 / math.pi))) < 5


def test_a_new_pulse_starts_from_the_drifted_value_and_restarts_the_clock():
    state, _ = drifted(1e3)
    later = RELAXING.advance(state, 1e3, generator=gen())
    seen = RELAXING.conductance(later)
    after = program(RELAXING, later, ONES, seed=5).state
    step = RELAXING.step_siemens(seen, ONES)
    assert_close(after.g, (seen + step).clamp(1e-6, 1e-3), rtol=1e-5, atol=1e-12)
    assert torch.equal(RELAXING.conductance(after), after.g)
    both = torch.stack((later.dynamics["kick"].flatten(), after.dynamics["kick"].flatten()))
    assert abs(float(torch.corrcoef(both)[0, 1])) < 5 / 200


def test_heat_makes_device_time_run_faster():
    # exp(1.1 eV / k (1 / 300 K - 1 / 400 K)) = exp(12765.0 / 1200)
    assert_close(physics.acceleration(400.0, 300.0, 1.1), 41674.0, rtol=2e-3, atol=0.0)
    hot, cold = (
        drifted(1.0, temperature_kelvin=400.0)[1],
        drifted(physics.acceleration(400.0, 300.0, 1.1))[1],
    )
    assert_close(hot, cold, rtol=1e-5, atol=1e-11)


# Some devices alone


def test_some_devices_are_seen_alone_as_among_all():
    """Slow noise and relaxation; a rounding may differ, for they are other lanes."""
    model = dataclasses.replace(RELAXING, slow_fraction=0.1)
    state = program(model, half(model), ONES).state
    later = model.advance(state, 10.0, generator=gen(2))
    where = torch.tensor([0, 3, 4, 39_999, 17])
    alone, all_ = model.conductance(later, where), model.conductance(later)
    assert_close(alone, all_.flatten()[where], rtol=1e-6, atol=0.0)
    assert not torch.equal(alone, state.g.flatten()[where])


# Faults

STUCK = dataclasses.replace(
    QUIET, stuck_high_share=0.04, stuck_high_siemens=2e-3, stuck_low_share=0.1,
    stuck_low_siemens=1e-7,
)  # fmt: skip


def test_shares_of_stuck_devices_and_their_levels():
    seen = STUCK.draw_stuck(SHAPE, generator=gen())
    assert abs(z_of_share(seen.isnan(), 0.86)) < 5
    assert abs(z_of_share(seen == 2e-3, 0.04)) < 5
    assert abs(z_of_share(seen == 1e-7, 0.1)) < 5
    assert abs(z_of_share(seen == 1e-7, 0.11)) > 5


def test_a_kind_of_device_without_a_share_draws_no_stuck_ones():
    assert QUIET.draw_stuck(SHAPE, generator=gen()) is None


def test_after_its_lifetime_a_device_no_longer_moves_but_draws_current():
    model = dataclasses.replace(RELAXING, endurance_pulses=9.5)
    state = half(model, 0.01)
    first, second = program(model, state, 8 * ONES), program(model, state, 30 * ONES)
    last = program(model, first.state, 30 * ONES).state
    assert_close(last.g, second.state.g, rtol=1e-6, atol=0.0)
    ten = program(RELAXING, half(RELAXING, 0.01), 10 * ONES).state.g
    assert_close(last.g, ten, rtol=1e-6, atol=0.0)
    aged = model.advance(last, 10.0, generator=gen())
    dead = program(model, aged, ONES, seed=3)
    assert torch.equal(model.conductance(dead.state), model.conductance(aged))
    assert dead.energy_joules > 0.0


def test_wear_counts_single_pulses_beyond_the_16_million_of_32_bits():
    model = dataclasses.replace(QUIET, endurance_pulses=1e9)
    state = half(model)
    state.dynamics["pulses"].fill_(2**24)
    assert (program(model, state, ONES).state.dynamics["pulses"] == 2**24 + 1).all()


# Thresholds and abrupt SET


@each_way
def test_the_share_of_devices_above_their_threshold_moves(sign):
    model = dataclasses.replace(
        QUIET, set_threshold_volts=1.15, reset_threshold_volts=1.35, d2d_threshold_volts=0.1
    )
    moved = program(model, half(model), sign * ONES).state.g != half(model).g
    share = NormalDist().cdf(0.5 * sign)
    assert abs(z_of_share(moved, share)) < 5
    assert abs(z_of_share(moved, share - 0.02)) > 5


def test_an_abrupt_set_forgets_where_it_came_from():
    model = dataclasses.replace(QUIET, set_kind="abrupt", full_set_siemens=2e-4, full_set_sigma=0.2)
    for x in (0.0, 0.5, 1.0):
        logs = (program(model, half(model, x), ONES).state.g / 2e-4).log()
        assert abs(z_of_mean(logs, 0.0)) < 5
        assert abs(z_of_sigma(logs, 0.2)) < 5
        assert abs(z_of_sigma(logs, 0.206)) > 5


# Energy, verification, switches


@pytest.mark.parametrize(("sign", "volts"), [(1, 1.2), (-1, 1.3)])
def test_energy_of_a_pulse_is_v_squared_t_times_the_mean_conductance(sign, volts):
    state = half(OXRAM)
    done = program(OXRAM, state, sign * ONES)
    mean = (state.g.double() + done.state.g.double()).sum() / 2
    assert_close(done.energy_joules, float(volts**2 * 1e-7 * mean), rtol=1e-6, atol=0.0)


def test_spread_after_verification_is_one_percent_at_1_kohm_and_all_of_it_at_1_mohm():
    model = dataclasses.replace(
        OXRAM, read_knee_ohms=1e3, verified_fraction=0.01, verified_exponent=2 / 3
    )
    g = torch.tensor([1e-3, 1e-6], dtype=torch.float64)
    expected = torch.tensor([1e-5, 1e-6], dtype=torch.float64)
    assert_close(model.verified_sigma_siemens(g), expected, rtol=1e-9, atol=0.0)


def test_switching_a_part_on_redraws_neither_steps_nor_bounds():
    state = half(OXRAM)
    assert state.traits.keys() == {"g_low", "g_high", "set_gain", "reset_gain"}
    assert not state.dynamics
    plain = program(OXRAM, state, ONES).state.g
    for change in (
        {"slow_fraction": 0.1}, {"relax_sigma_siemens": 1e-6}, {"endurance_pulses": 1e12},
        {"stuck_low_share": 0.2}, {"set_threshold_volts": 0.1}, {"verified_fraction": 0.1},
        {"full_set_siemens": 1e-4}, {"d2d_threshold_volts": 5.0},
    ):  # fmt: skip
        model = dataclasses.replace(OXRAM, **change)
        assert torch.equal(program(model, half(model), ONES).state.g, plain)


# Closed forms of the step models

GONG = load_device("gong2018_exp.yaml")
WEIGHT = GONG.window_siemens / 2  # conductance per unit of weight
GOLDEN = [
    (-0.9, 0.0025953, 0.0011044), (-0.5, 0.0018081, 0.0012839), (0.0, 0.0014813, 0.0019914),
    (0.5, 0.0013876, 0.0044608), (0.9, 0.0013638, 0.0104076),
]  # fmt: skip


@pytest.mark.parametrize(("w", "up", "down"), GOLDEN)
def test_the_step_of_gong_equals_the_golden_numbers(w, up, down):
    g = torch.tensor(GONG.g_min_siemens + WEIGHT * (w + 1.0), dtype=torch.float64)
    for sign, expected in ((1, up), (-1, down)):
        found = float(GONG.step_siemens(g, torch.tensor(sign))) / WEIGHT
        assert_close(found, expected, rtol=0.0, atol=1e-6)


def one_pulse(model, x, sign, d2d=0.0):
    """Change in the direction of one pulse."""
    model = dataclasses.replace(model, d2d_step_sigma=d2d, d2d_bound_sigma=0.0)
    state = half(model, x)
    return sign * (program(model, state, sign * ONES).state.g - state.g).double()


def test_cycle_spread_of_gong_at_weight_zero():
    moved = one_pulse(GONG, 0.5, 1) / WEIGHT
    assert abs(z_of_mean(moved, 0.0014813)) < 5
    assert abs(z_of_sigma(moved, 0.007406)) < 5
    assert abs(z_of_sigma(moved, 1.03 * 0.007406)) > 5


@each_way
def test_soft_bounds_near_the_upper_bound(sign):
    """aihwkit: d = 0.01, c2c 0.3, w = 0.9: d (1 - w) up and d (1 + w) down, times 1 + 0.3 xi."""
    model = SoftBounds(**PULSED | {"set_fraction": 0.01, "reset_fraction": 0.01, "c2c_sigma": 0.3})
    moved = one_pulse(model, 0.95, sign) / WEIGHT
    mean = 0.01 * (1.0 - sign * 0.9)
    assert abs(z_of_mean(moved, mean)) < 5
    assert abs(z_of_sigma(moved, 0.3 * mean)) < 5


@pytest.mark.parametrize(("c2c", "spread"), [(0.0, 0.012495), (0.3, 0.013668)])
def test_a_constant_step_with_log_normal_devices(c2c, spread):
    """Mean d exp(s^2 / 2), variance d^2 (exp(2 s^2) (1 + c2c^2) - exp(s^2)); aihwkit: c2c 0."""
    flat = {"set_fraction": 0.005, "set_slope": 0.0, "reset_fraction": 0.005, "reset_slope": 0.0}
    moved = one_pulse(LinearStep(**PULSED | flat | {"c2c_sigma": c2c}), 0.5, 1, 0.7829) / WEIGHT
    assert abs(z_of_mean(moved, 0.013586)) < 5
    assert abs(z_of_mean((moved - moved.mean()) ** 2, spread**2)) < 5


@each_way
def test_a_linear_step_is_never_negative(sign):
    model = LinearStep(**PULSED | VALID["linear_step"])
    x = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    g = model.g_min_siemens + model.window_siemens * x
    start, slope = (0.03, -0.6) if sign > 0 else (0.01, 0.7)
    expected = model.window_siemens * start * (1.0 + slope * x)
    assert_close(model.step_siemens(g, torch.tensor(sign)), expected, rtol=1e-9, atol=0.0)
    steep = dataclasses.replace(model, set_slope=-2.0, reset_slope=-2.0)
    assert float(steep.step_siemens(g, torch.tensor(sign))[2]) == physics.LEAST_STEP_SIEMENS


def test_an_exponential_step_may_vanish():
    model = ExpStep(**PULSED | VALID["exp_step"] | {"set_a": 100.0})
    g = torch.tensor([5e-5])
    assert float(model.step_siemens(g, torch.tensor(1))) == pytest.approx(1e-12, rel=1e-6)


# Tables

TABULATED = Tabulated(**PULSED | TABLE | {"d2d_step_sigma": 0.0, "d2d_bound_sigma": 0.0})


@each_way
@pytest.mark.parametrize("siemens", [2e-6, 5e-6, 2e-5, 4e-5, 8e-5, 9.7e-5])
def test_a_table_is_drawn_with_its_mean_and_quantiles(sign, siemens):
    g = torch.full((1, 40_000), siemens)
    traits = TABULATED.manufacture(tuple(g.shape), generator=gen()).traits
    drawn = TABULATED.draw_step_siemens(g, torch.full_like(g, sign), traits, generator=gen())
    expected = float(TABULATED.step_siemens(g[0, :1], torch.tensor(sign)))
    assert abs(z_of_mean(drawn, expected)) < 5
    assert abs(z_of_mean(drawn, expected + 0.06 * float(drawn.std()))) > 5
    sigma = float(TABULATED.pulse_sigma_siemens(g[0, :1], torch.tensor(sign)))
    assert float(drawn.std()) == pytest.approx(sigma, rel=0.15)  # lines between levels
    share = (siemens - TABULATED.g_min_siemens) / TABULATED.window_siemens
    place, levels = min(max((share - 0.05) / 0.35, 0.0), 1.0), TABLE["levels"]
    if share <= 0.4:
        table = torch.tensor(TABLE["set_steps" if sign > 0 else "reset_steps"]).view(3, 4)
        for column in (1, 2):
            quantile = float(torch.lerp(table[0, column], table[1, column], place))
            within = sign * drawn <= quantile * TABULATED.window_siemens
            assert abs(z_of_share(within, levels[column])) < 5


TWO = dataclasses.replace(
    TABULATED, bins=(0.0, 1.0), levels=(0.4, 0.6),
    set_steps=(0.2, 0.2, 0.1, 0.1, 0.4, 0.4, 0.0, 0.0), reset_steps=(-0.1,) * 4 + (-0.3,) * 4,
    low_siemens=(2e-6, 1e-5), high_siemens=(6e-5, 9e-5),
)  # fmt: skip


@each_way
@pytest.mark.parametrize("x", [0.0, 0.25, 1.0])
def test_a_device_repeats_one_measured_device_at_places_of_its_own_range(sign, x):
    traits = TWO.manufacture(SHAPE, generator=gen()).traits
    second = traits["table"] == 1
    assert abs(z_of_share(second, 0.5)) < 5
    low, high = torch.where(second, 1e-5, 2e-6), torch.where(second, 9e-5, 6e-5)
    assert_close(traits["g_low"], low, rtol=1e-6, atol=0.0)
    assert_close(traits["g_high"], high, rtol=1e-6, atol=0.0)
    g = low + x * (high - low)
    drawn = TWO.draw_step_siemens(g, torch.full_like(g, sign), traits, generator=gen())
    up = torch.where(second, 0.4 - 0.4 * x, 0.2 - 0.1 * x)
    share = up if sign > 0 else torch.where(second, 0.3, 0.1)
    assert_close(drawn, share * (high - low), rtol=1e-4, atol=1e-11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"c2c_sigma": 0.1}, "c2c_sigma must be 0: the table holds the cycle-to-cycle spread"),
        ({"levels": (0.1, 0.1, 0.5, 0.9)}, "levels must be two or more rising numbers"),
        ({"bins": (0.1,)}, "bins must be two or more rising numbers"),
        (
            {"set_steps": (0.1,) * 11},
            "set_steps must hold 1 tables of 3 bins times 4 levels = 12 numbers",
        ),
        ({"reset_steps": (0.0, -0.1) * 6}, r"reset_steps\[1\] is below the quantile of"),
        ({"low_siemens": (1e-6,)}, "low_siemens must be as many numbers as high_siemens"),
        (
            {"low_siemens": (1e-6,), "high_siemens": (1e-6,)},
            "low_siemens must be as many numbers as high_siemens, each below its",
        ),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(TABULATED, **change)


def test_choosing_by_sign_equals_torch_where():
    counts = torch.randint(-3, 4, (1000,), generator=gen())
    up, down = torch.randn((2, 1000), generator=gen(1))
    found = physics.by_sign(counts, up, down, torch.float32)
    assert torch.equal(found, torch.where(counts > 0, up, down))


@pytest.mark.parametrize("exponent", [0.0, 0.5, 2.0])
def test_relative_spread_is_the_power_law_down_to_no_conductance(exponent):
    g = torch.tensor([0.0, 1e-9, 1e-6, 2e-5, 1e-4, 1e-3])
    found = physics.growing_fraction(g, 0.02, 1e4, exponent, 0.7)
    expected = (0.02 * (g.double() * 1e4) ** -exponent).clamp(max=0.7)
    assert_close(found.double(), expected, rtol=1e-5, atol=0.0)
