"""Spread beside the step, gains that go together, and amplitudes beyond those that were fitted."""

import dataclasses

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic
from xbar_devices import at, everywhere, gen, quiet, registered

from device_models.errors import ConfigError, LimitError
from device_models.fitting import pulse_numbers
from device_models.fitting.estimators import gain_correlation, steps
from device_models.fitting.estimators.laws import as_model
from device_models.fitting.measurements import Measurements
from device_models.fitting.quantities import summarise
from device_models.pulse_law import PulseDrive

BESIDE = 2e-6
LOG_STEP = registered("log_step")
MANY = (200, 200)
RANGE = {"set_scale_volts": 0.2, "set_fitted_volts": (1.0, 1.5)}


def moved(model, x, sign, shape=MANY):
    """Changes of devices at one place of the window by one pulse, float64."""
    state = at(model, torch.full(shape, x))
    counts = torch.full(shape, sign)
    after = model.program(state, counts, everywhere(counts), generator=gen(0)).state
    return (after.g.double() - state.g.double()).numpy().ravel()


@pytest.mark.parametrize("sign", [1, -1])
def test_the_variance_beside_the_step_adds_to_that_of_the_step(sign):
    model = quiet(LOG_STEP, c2c_sigma=0.3, c2c_additive_siemens=BESIDE)
    change = moved(model, 0.5, sign)
    g = at(model, torch.full((1, 1), 0.5)).g
    step = float(model.step_siemens(g, torch.tensor(sign)))
    assert change.mean() == pytest.approx(sign * step, abs=5 * change.std() / 200)
    assert change.std() == pytest.approx(np.hypot(0.3 * step, BESIDE), rel=0.02)


def test_small_steps_lead_the_wrong_way_as_often_as_the_normal_law_says():
    model = quiet(LOG_STEP, c2c_additive_siemens=BESIDE)
    change = moved(model, 0.5, -1)
    step = float(model.step_siemens(at(model, torch.full((1, 1), 0.5)).g, torch.tensor(-1)))
    z = torch.tensor(-step / BESIDE)
    assert (change > 0).mean() == pytest.approx(float(torch.special.ndtr(z)), abs=0.01)


def test_a_pulse_that_moves_nothing_has_no_spread_beside_it():
    model = quiet(LOG_STEP, c2c_additive_siemens=BESIDE, set_threshold_volts=5.0)
    assert (moved(model, 0.5, 1) == 0.0).all()


def test_gains_have_the_spread_and_the_correlation_of_the_file():
    model = quiet(LOG_STEP, d2d_step_sigma=0.3, d2d_step_correlation=0.8)
    traits = model.manufacture(MANY, generator=gen(0)).traits
    logs = [traits[f"{way}_gain"].log().numpy().ravel() for way in ("set", "reset")]
    assert np.corrcoef(logs)[0, 1] == pytest.approx(0.8, abs=0.02)
    assert np.std(logs, axis=1) == pytest.approx([0.3, 0.3], rel=0.02)
    asymmetry = (logs[0] - logs[1]).std()
    assert asymmetry == pytest.approx(0.3 * np.sqrt(2.0 * 0.2), rel=0.02)


def test_without_a_correlation_gains_are_the_bits_of_before():
    model = quiet(LOG_STEP, d2d_step_sigma=0.3, d2d_step_correlation=0.0)
    z = torch.randn((4, 3, 5), generator=gen(0))
    gain = model.manufacture((3, 5), generator=gen(0)).traits["reset_gain"]
    assert torch.equal(gain, torch.exp(0.3 * z[3]))


# --- the fitted range ------------------------------------------------------------------------


@pytest.mark.parametrize("volts", [0.79, 1.81])
def test_an_amplitude_far_from_the_fitted_ones_is_refused_with_their_range(volts):
    model = dataclasses.replace(LOG_STEP, **RANGE)
    state = at(model, torch.full((1, 2), 0.5))
    counts, drive = torch.ones((1, 2), dtype=torch.int32), PulseDrive(volts)
    with pytest.raises(LimitError, match=r"within 20% of the fitted range, 1 to 1.5 V; nothing"):
        model.program(state, counts, everywhere(counts), generator=gen(0), drive=drive)


def test_near_the_fitted_range_and_without_one_any_amplitude_goes():
    counts = torch.ones((1, 2), dtype=torch.int32)
    for changes, volts in ((RANGE, 1.79), (RANGE | {"set_fitted_volts": ()}, 3.0)):
        model = dataclasses.replace(LOG_STEP, **changes)
        state = at(model, torch.full((1, 2), 0.5))
        drive = PulseDrive(volts)
        after = model.program(state, counts, everywhere(counts), generator=gen(0), drive=drive)
        assert (after.state.g != state.g).all()


def test_a_range_that_is_none_and_a_law_without_a_step_are_refused():
    with pytest.raises(ConfigError, match="set_fitted_volts must be the lowest and the highest"):
        dataclasses.replace(LOG_STEP, set_fitted_volts=(1.5, 1.0))
    with pytest.raises(ConfigError, match="set_fraction_3 are all 0"):
        dataclasses.replace(LOG_STEP, **{f"set_fraction_{k}": 0.0 for k in range(4)})


# --- fits ------------------------------------------------------------------------------------


def test_the_law_in_ln_g_and_all_its_spreads_come_back():
    """One device drawn once: each of 12 parameters within twice its interval."""
    blank = as_model(synthetic.truth(), "log_step")
    shapes = {"set": (0.01, 0.03, 0.02, 0.01), "reset": (0.004, 0.01, 0.02, 0.03)}
    fields = {f"{way}_fraction_{k}": v for way, vs in shapes.items() for k, v in enumerate(vs)}
    fields |= {"c2c_sigma": 0.3, "c2c_additive_siemens": 6e-7, "d2d_step_sigma": 0.3}
    fields |= {"d2d_step_correlation": 0.6}
    truth = dataclasses.replace(blank, read_fraction=0.0, read_floor=0.005, **fields)
    table = synthetic.trains(truth, gen(1), devices=16, pulses=60, ramps=2)
    fitted = steps.estimate(table, blank, generator=np.random.default_rng(0), resamples=20)
    for name, value in fields.items():
        estimate, (low, high) = fitted.values[name], fitted.intervals[name]
        assert abs(estimate - value) <= 2.0 * max(high - estimate, estimate - low), name
    assert {len(draw) for draw in fitted.draws.values()} == {20}
    assert fitted.intervals["c2c_additive_siemens"][0] > 3e-7


def test_the_correlation_of_gains_is_told_beside_their_errors():
    rng = np.random.default_rng(3)
    z = rng.standard_normal((2, 300))
    true = 0.2 * np.array([z[0], 0.7 * z[0] + np.sqrt(1.0 - 0.49) * z[1]])
    errors = np.full((2, 300), 0.1)
    told = gain_correlation.estimate(
        np.array([true + errors * rng.standard_normal((2, 300)), errors])
    )
    assert told.low < 0.7 < told.high < 1.0
    assert told.high - told.low < 0.4
    assert gain_correlation.estimate(np.full((2, 2, 5), np.nan)) is None


def test_quantities_follow_pulse_numbers_and_count_steps_that_lead_the_wrong_way():
    model = quiet(synthetic.truth(), c2c_additive_siemens=2e-6)
    table = synthetic.trains(model, gen(0), devices=25, pulses=20, ramps=2)
    measured = Measurements(pulses=(table,), devices=tuple(map(str, range(25))))
    assert pulse_numbers.numbers(measured, 1) == [1, 2, 6, 12]
    sixth = (table.polarity == 1) & (table.index == 5)
    assert sorted(pulse_numbers.after(measured, 1, 6)) == sorted(table.g_after_siemens[sixth])
    names = {q.name: q for q in summarise(measured, measured)}
    shares = [q.numbers[0] for name, q in names.items() if "SET steps the wrong way" in name]
    assert shares
    assert all(0.0 < share < 0.5 for share in shares)
