"""Mean steps that change their sign, and the spread of steps that are sums of events."""

import dataclasses

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic
from xbar_devices import at, everywhere, gen, quiet, registered

from crossbar.synapses.policies.compatibility import can_reset
from device_models.errors import ConfigError
from device_models.fitting.estimators import model_selection, pulse_shapes, steps
from device_models.fitting.estimators.laws import as_model
from device_models.fitting.measurements import Pulses
from device_models.presets import load_device
from device_models.pulse_law import PulseDrive
from device_models.schema import dump
from device_models.signed_step import LEAST_SHARE
from device_models.to_aihwkit import to_aihwkit

SIGNED = registered("signed_step")
MANY = (200, 200)
VOLTS = {"set_scale_volts": 0.2, "voltage_law": "linear", "set_volts": 1.2}


def moved(model, x, sign, **drive):
    """Changes of devices at one place of the window by one pulse, float64."""
    state = at(model, torch.full(MANY, x))
    counts = torch.full(MANY, sign)
    settings = {"drive": PulseDrive(**drive)} if drive else {}
    program = model.program(state, counts, everywhere(counts), generator=gen(0), **settings)
    return (program.state.g.double() - state.g.double()).numpy().ravel()


def mean_at(model, x, sign):
    """The mean step at one place of the window, siemens, in the direction of the pulse."""
    g = at(model, torch.full((1, 1), x)).g.double()
    return float(model.mean_siemens(g, torch.tensor(sign)))


@pytest.mark.parametrize(("x", "sign"), [(0.05, 1), (0.95, 1), (0.01, -1), (0.9, -1)])
@pytest.mark.parametrize("quantum", [0.0, 3e-7])
def test_pulses_move_by_the_signed_mean_with_the_variance_of_all_three_spreads(x, sign, quantum):
    changes = {"c2c_sigma": 0.3, "c2c_additive_siemens": 2e-7, "c2c_quantum_siemens": quantum}
    model = quiet(SIGNED, **changes)
    mean, change = mean_at(model, x, sign), sign * moved(model, x, sign)
    assert (mean < 0.0) == ((x, sign) in ((0.95, 1), (0.01, -1)))
    if x > 0.01:  # nothing is cut by the lower bound
        variance = (0.3 * mean) ** 2 + 4e-14 + quantum * abs(mean)
        assert change.std() == pytest.approx(np.sqrt(variance), rel=0.02)
        assert change.mean() == pytest.approx(mean, abs=5 * change.std() / 200)
        g = at(model, torch.full((1, 1), x)).g
        sigma = model.pulse_sigma_siemens(g, torch.tensor(sign))
        assert float(sigma) == pytest.approx(np.sqrt(variance), rel=1e-4)
    else:
        assert change.mean() < 0.0


def test_stronger_pulses_are_as_many_more_events():
    model = quiet(SIGNED, c2c_quantum_siemens=3e-7, **VOLTS)
    strong, own = moved(model, 0.1, 1, volts=1.4), moved(model, 0.1, 1)  # twice the own factor
    assert strong.mean() == pytest.approx(2.0 * own.mean(), rel=0.02)
    assert strong.var() == pytest.approx(2.0 * own.var(), rel=0.05)


def test_a_weak_pulse_of_measured_amplitudes_scatters_and_leads_nowhere():
    measured = quiet(SIGNED, c2c_additive_siemens=4e-7, set_fitted_volts=(0.9, 1.4), **VOLTS)
    change = moved(measured, 0.3, 1, volts=0.95)  # the threshold is 1 V
    assert change.std() == pytest.approx(4e-7, rel=0.02)
    assert change.mean() == pytest.approx(0.0, abs=5 * 4e-7 / 200)
    for changes in ({"set_fitted_volts": ()}, {"c2c_additive_siemens": 0.0}):
        still = dataclasses.replace(measured, **changes)
        assert (moved(still, 0.3, 1, volts=0.95) == 0.0).all()
    other = quiet(registered("log_step"), c2c_additive_siemens=4e-7, set_fitted_volts=(0.9, 1.4))
    assert (moved(dataclasses.replace(other, **VOLTS), 0.3, 1, volts=0.95) == 0.0).all()


def test_the_data_sheet_of_a_trainer_has_no_step_near_zero():
    g = torch.linspace(SIGNED.g_min_siemens, SIGNED.g_max_siemens, 500, dtype=torch.float64)
    for sign, greatest in ((1, 0.03), (-1, 0.04)):
        told = SIGNED.step_siemens(g, torch.tensor(sign))
        mean = SIGNED.mean_siemens(g, torch.tensor(sign))
        least = LEAST_SHARE * greatest * SIGNED.window_siemens
        torch.testing.assert_close(told, mean.clamp(min=least), rtol=1e-12, atol=1e-16)
    assert SIGNED.pulses_across < 20.0 / 0.03
    assert can_reset(SIGNED)


def test_a_file_gives_back_the_law(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(dump(SIGNED, ("model", "signed_step")), encoding="utf-8")
    assert load_device(path) == SIGNED


def test_a_polarity_without_a_step_its_way_is_refused():
    none = {f"reset_fraction_{k}": -0.01 for k in range(4)}
    with pytest.raises(ConfigError, match="none of reset_fraction_0 to reset_fraction_3 is above"):
        dataclasses.replace(SIGNED, **none)


def test_aihwkit_has_no_sums_of_events():
    with pytest.raises(ConfigError, match="c2c_quantum_siemens"):
        to_aihwkit(quiet(registered("soft_bounds"), c2c_quantum_siemens=1e-7))


# --- fits ------------------------------------------------------------------------------------


def truth():
    """Near the top SETs lead down, near the bottom RESETs up; with every spread."""
    blank = as_model(synthetic.truth(), "signed_step")
    shapes = {"set": (0.02, 0.03, 0.01, -0.02), "reset": (-0.01, 0.01, 0.02, 0.03)}
    fields = {f"{way}_fraction_{k}": v for way, vs in shapes.items() for k, v in enumerate(vs)}
    fields |= {"c2c_sigma": 0.3, "c2c_additive_siemens": 4e-7, "c2c_quantum_siemens": 5e-7}
    device = dataclasses.replace(blank, read_fraction=0.0, read_floor=0.005, **fields)
    return blank, device, fields


def test_a_law_that_changes_its_sign_comes_back_with_all_its_spreads():
    """One device type drawn once: each parameter within twice its interval."""
    blank, device, fields = truth()
    table = synthetic.trains(device, gen(1), devices=16, pulses=60, ramps=2)
    fitted = steps.estimate(table, blank, generator=np.random.default_rng(0), resamples=20)
    for name, value in fields.items():
        estimate, (low, high) = fitted.values[name], fitted.intervals[name]
        assert abs(estimate - value) <= 2.0 * max(high - estimate, estimate - low), name
    assert fitted.values["set_fraction_3"] < 0.0


def spreads(device):
    """The spreads of pulses of a device."""
    names = ("c2c_sigma", "c2c_additive_siemens", "c2c_quantum_siemens")
    return {name: getattr(device, name) for name in names}


def scattered(model, devices=12, pulses=150):
    """Single pulses of both signs all over the window, beyond the zeros of the law, too."""
    state = at(model, torch.rand((devices, pulses), generator=gen(3)))
    counts = torch.ones_like(state.g, dtype=torch.int32)
    counts[:, 1::2] = -1
    after = model.program(state, counts, everywhere(counts), generator=gen(4)).state.g
    device, index = np.indices(counts.shape).reshape(2, -1)
    unknown = np.full(len(index), np.nan)
    return Pulses(
        device=device, ramp=index, index=0 * index, polarity=counts.long().numpy().ravel(),
        g_before_siemens=state.g.double().numpy().ravel(),
        g_after_siemens=after.double().numpy().ravel(),
        v_volts=unknown, width_seconds=unknown, source="synthetic",
    )  # fmt: skip


def test_held_out_devices_ask_for_the_sign_where_it_is_there(monkeypatch):
    monkeypatch.setattr(model_selection, "fittable", lambda: ("oxram", "log_step", "signed_step"))
    _, device, _ = truth()
    table, rng = scattered(quiet(device, **spreads(device))), np.random.default_rng(0)
    ranking = model_selection.candidates(table, device, generator=rng)
    assert ranking[0].name == "signed_step"
    assert all(one.difference < -2.0 * one.standard_error for one in ranking[1:])


def test_the_voltage_law_is_told_where_the_mean_changes_its_sign():
    """The sums of signed steps of a window nearly cancel; those along the law do not."""
    fields = {f"set_fraction_{k}": v for k, v in enumerate((0.02, 0.01, -0.01, -0.02))}
    model = dataclasses.replace(quiet(SIGNED, **VOLTS), **fields)
    y = torch.linspace(0.05, 0.95, 200, dtype=torch.float64)
    g = model.g_min_siemens * torch.exp(model.log_width * y)
    mean = model.mean_siemens(g, torch.ones_like(g)).numpy()
    assert abs(mean.sum()) < 0.5 * np.abs(mean).sum()
    volts = np.repeat((1.1, 1.2, 1.3), g.numel())
    before, index = np.tile(g.numpy(), 3), np.arange(len(volts))
    noise = 1e-8 * np.random.default_rng(1).standard_normal(len(volts))
    table = Pulses(
        device=0 * index, ramp=index, index=0 * index,
        polarity=np.ones_like(index), g_before_siemens=before,
        g_after_siemens=before + (1.0 + (volts - 1.2) / 0.2) * np.tile(mean, 3) + noise,
        v_volts=volts, width_seconds=np.full(len(volts), np.nan), source="synthetic",
    )  # fmt: skip
    fitted = pulse_shapes.estimate(table, model, generator=np.random.default_rng(0), resamples=0)
    assert fitted.values["set_scale_volts"] == pytest.approx(0.2, rel=0.02)
