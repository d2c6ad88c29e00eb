"""Current-voltage curves of the devices that pulses move."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from xbar_devices import at, gen, registered

from device_models.errors import ConfigError, LimitError
from device_models.iv import chord, dc_sweep, staircase
from device_models.presets import load_device

OXRAM = dataclasses.replace(load_device("oxram"), d2d_bound_sigma=0.0)
CORNERS = (0.0, 1.2, 0.0, -1.6, 0.0)
LIMIT = 1e-4


def swept(seed=0, devices=20, **changes):
    state = at(OXRAM, torch.full((1, devices), 0.004))
    arguments = {"dwell_seconds": 1e-2, "compliance_amperes": LIMIT} | changes
    return dc_sweep(OXRAM, state, staircase(CORNERS, 0.01), generator=gen(seed), **arguments)


def branch(sweep, first, last):
    """Volts and amperes between two corners."""
    ends = [0, 120, 240, 400, 560]
    rows = slice(ends[first], ends[last] + 1)
    return sweep.volts[rows], sweep.amperes[rows, 0]


@given(
    st.lists(st.floats(-3.0, 3.0), min_size=2, max_size=6),
    st.floats(1e-3, 0.5),
)
def test_a_staircase_visits_every_corner_in_steps_that_are_small_enough(corners, step):
    volts = staircase(tuple(corners), step)
    assert volts[0] == corners[0]
    assert volts[-1] == pytest.approx(corners[-1], abs=1e-12)
    assert np.abs(np.diff(volts)).max() <= step * (1 + 1e-6) + 1e-12
    assert all(np.abs(volts - corner).min() < 1e-9 for corner in corners)


def test_positive_volts_set_negative_ones_reset_and_the_curve_is_a_loop():
    sweep = swept()
    up, i_up = branch(sweep, 0, 1)
    down, i_down = branch(sweep, 1, 2)
    there, i_there = branch(sweep, 2, 3)
    back, i_back = branch(sweep, 3, 4)
    at_read = [
        np.abs(i[np.argmin(np.abs(v - read))])
        for v, i, read in (
            (up, i_up, 0.2), (down, i_down, 0.2), (there, i_there, -0.2), (back, i_back, -0.2)
        )
    ]  # fmt: skip
    hrs, lrs, still_low, reset = at_read
    assert (lrs / hrs > 20.0).all()
    assert (still_low / hrs > 15.0).all()
    assert (lrs / reset > 10.0).all()


def test_the_switching_voltages_are_those_of_slow_sweeps():
    volts, amperes = branch(swept(), 0, 1)
    half = np.array([volts[np.argmax(i >= LIMIT / 2)] for i in amperes.T])
    assert 0.5 < np.median(half) < 1.0
    volts, amperes = branch(swept(), 2, 3)
    peak = volts[np.argmin(amperes, 0)]
    assert -1.1 < np.median(peak) < -0.4


@pytest.mark.parametrize("limit", [2e-5, 1e-4, 3e-4])
@pytest.mark.parametrize("iv_volts", [None, 0.64])
def test_the_current_never_exceeds_the_limit_at_positive_volts(limit, iv_volts):
    sweep = swept(compliance_amperes=limit, iv_volts=iv_volts)
    positive = sweep.volts > 0.0
    assert (sweep.amperes[positive] <= limit).all()
    assert (sweep.amperes[positive] == limit).any()


@pytest.mark.parametrize("limit", [2e-5, 1e-4, 3e-4])
def test_the_low_resistance_times_the_limit_is_the_compliance_voltage(limit):
    state = at(OXRAM, torch.full((1, 50), 0.004))
    volts = staircase((0.0, 1.2, 0.0), 0.01)
    swept = dc_sweep(
        OXRAM, state, volts, dwell_seconds=1e-2, compliance_amperes=limit, generator=gen(1)
    )
    g = swept.state.g.numpy()
    assert (g <= limit / OXRAM.compliance_volts * (1 + 1e-6)).all()
    assert np.median(limit / g) == pytest.approx(OXRAM.compliance_volts, rel=0.1)


def test_a_slower_sweep_switches_at_a_lower_voltage():
    medians = []
    for dwell in (1e-4, 1e-2, 1.0):
        volts, amperes = branch(swept(dwell_seconds=dwell), 0, 1)
        medians.append(np.median([volts[np.argmax(i >= LIMIT / 2)] for i in amperes.T]))
    assert medians[0] > medians[1] > medians[2]
    expected = OXRAM.set_scale_volts * OXRAM.set_width_exponent * np.log(100.0)
    assert np.diff(medians) == pytest.approx([-expected, -expected], abs=0.04)


def test_an_ohmic_current_is_conductance_times_voltage_and_sinh_bends_it():
    still = dataclasses.replace(OXRAM, set_scale_volts=1e-3, reset_scale_volts=1e-3)
    state = at(still, torch.tensor([[0.1, 0.5]]))
    volts = np.array([-0.4, -0.2, 0.0, 0.1, 0.2, 0.4])
    how = {"dwell_seconds": 1e-7, "generator": gen(0)}
    ohmic = dc_sweep(still, state, volts, **how)
    g = still.conductance(state).double().numpy()
    assert_close(ohmic.amperes, volts[:, None, None] * g, rtol=1e-6, atol=1e-15)
    bent = dc_sweep(still, state, volts, **how, iv_volts=0.64)
    ratio = bent.amperes[5] / ohmic.amperes[5]
    assert ratio == pytest.approx(np.full((1, 2), np.sinh(0.625) / 2 / np.sinh(0.3125)), rel=1e-6)
    assert_close(bent.amperes[4], ohmic.amperes[4], rtol=1e-12, atol=0.0)
    assert chord(0.0, 0.64, 0.2) < 1.0


def test_a_state_that_was_handed_in_stays_as_it_was():
    state = at(OXRAM, torch.full((1, 3), 0.1))
    before = state.g.clone()
    dc_sweep(OXRAM, state, np.array([1.0]), dwell_seconds=1e-2, generator=gen(0))
    assert torch.equal(state.g, before)


def test_sweeps_that_no_law_reaches_are_refused():
    plain = registered("soft_bounds")
    state, how = at(plain, torch.full((1, 1), 0.5)), {"dwell_seconds": 1e-2, "generator": gen(0)}
    with pytest.raises(LimitError, match=r"without set_scale_volts in .*nothing was"):
        dc_sweep(plain, state, np.array([0.5]), **how)
    with pytest.raises(ConfigError, match="compliance_volts"):
        dc_sweep(plain, state, np.array([0.5]), **how, compliance_amperes=1e-4)
    with pytest.raises(LimitError, match="two corners"):
        staircase((0.0,), 0.1)
    with pytest.raises(LimitError, match="above 0"):
        staircase((0.0, 1.0), 0.0)
