"""Pulses of another amplitude and width than the device file's own."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from xbar_devices import PULSED, VALID, all_devices, at, everywhere, gen, quiet, registered

from device_models import pulse_law
from device_models.errors import ConfigError, LimitError, ShapeError
from device_models.presets import load_device
from device_models.pulse_law import PulseDrive
from device_models.pulsed import Pulsed
from device_models.registry import MODELS

LAW = {
    "set_scale_volts": 0.09,
    "reset_scale_volts": 0.19,
    "set_width_exponent": 0.5,
    "reset_width_exponent": 0.25,
    "compliance_volts": 0.4,
}
NO_LAW = dict.fromkeys(LAW)
PULSED_DEVICES = {n: m for n, m in all_devices().items() if isinstance(m, Pulsed)}
OXRAM = dataclasses.replace(registered("oxram"), **LAW)
LAWS = [(v, w) for v in ("sinh", "exponential", "linear") for w in ("power", "log")]
both = pytest.mark.parametrize("sign", [1, -1])
forms = pytest.mark.parametrize(("voltage", "width"), LAWS)


def with_law(model, **changes):
    return dataclasses.replace(model, **LAW | changes)


def factor(model, sign, volts=None, seconds=None):
    """Of one pulse."""
    drive = PulseDrive(volts, seconds)
    return float(pulse_law.step_factor(model, torch.tensor([sign]), drive)[0])


def pulsed(model, state, counts, drive, seed=0):
    return model.program(state, counts, everywhere(state.g), generator=gen(seed), drive=drive)


def spread_out(model, shape=(5, 7)):
    """Devices all over the window, and pulses of both signs for most of them."""
    state = at(model, torch.rand(shape, generator=gen(1)))
    return state, torch.randint(-2, 3, shape, generator=gen(2), dtype=torch.int32)


# --- the law ---------------------------------------------------------------------------------


@forms
@both
def test_the_own_pulse_has_the_factor_one_exactly(voltage, width, sign):
    model = with_law(OXRAM, voltage_law=voltage, width_law=width)
    own = pulse_law.own_volts(model, sign)
    assert factor(model, sign, own, model.width_seconds) == 1.0
    assert factor(model, sign) == 1.0


@forms
@both
@given(volts=st.tuples(st.floats(0.0, 10.0), st.floats(0.0, 10.0)))
def test_a_higher_pulse_moves_no_less(voltage, width, sign, volts):
    model = with_law(OXRAM, voltage_law=voltage, width_law=width)
    low, high = sorted(volts)
    assert 0.0 <= factor(model, sign, low) <= factor(model, sign, high) <= pulse_law.MOST_FACTOR


@forms
@both
@given(logs=st.tuples(st.floats(-12.0, 0.0), st.floats(-12.0, 0.0)))
def test_a_longer_pulse_moves_no_less(voltage, width, sign, logs):
    model = with_law(OXRAM, voltage_law=voltage, width_law=width)
    short, long = (10.0**x for x in sorted(logs))
    assert 0.0 <= factor(model, sign, None, short) <= factor(model, sign, None, long)


@both
@given(volts=st.floats(0.9, 1.6))
def test_an_exponential_doubles_with_every_scale_times_ln_two(sign, volts):
    model = with_law(OXRAM, voltage_law="exponential")
    scale = model.set_scale_volts if sign > 0 else model.reset_scale_volts
    further = factor(model, sign, volts + scale * math.log(2.0))
    assert further == pytest.approx(2.0 * factor(model, sign, volts), rel=1e-9)


@both
@given(seconds=st.floats(1e-9, 1e-3))
def test_a_power_law_multiplies_by_the_same_factor_in_every_decade(sign, seconds):
    exponent = OXRAM.set_width_exponent if sign > 0 else OXRAM.reset_width_exponent
    further = factor(OXRAM, sign, None, 10.0 * seconds)
    assert further == pytest.approx(10.0**exponent * factor(OXRAM, sign, None, seconds), rel=1e-9)


@both
def test_sinh_is_the_exponential_far_above_its_scale_and_nothing_at_zero_volts(sign):
    exponential = with_law(OXRAM, voltage_law="exponential")
    assert factor(OXRAM, sign, 1.5) == pytest.approx(factor(exponential, sign, 1.5), rel=1e-4)
    tiny = with_law(OXRAM, set_scale_volts=50.0, reset_scale_volts=50.0)  # linear there
    assert factor(tiny, sign, 0.6) == pytest.approx(0.6 / pulse_law.own_volts(tiny, sign), rel=1e-3)
    assert factor(tiny, sign, 0.0) == 0.0


@both
def test_both_width_laws_have_the_same_slope_at_the_own_width(sign):
    steps = [
        factor(with_law(OXRAM, width_law=law), sign, None, OXRAM.width_seconds * 1.001)
        for law in ("power", "log")
    ]
    exponent = OXRAM.set_width_exponent if sign > 0 else OXRAM.reset_width_exponent
    assert np.subtract(steps, 1.0) == pytest.approx(2 * [exponent * math.log(1.001)], rel=2e-3)


def test_amplitude_and_width_multiply():
    product = factor(OXRAM, 1, 1.3) * factor(OXRAM, 1, None, 1e-6)
    assert factor(OXRAM, 1, 1.3, 1e-6) == pytest.approx(product, rel=1e-12)


def test_extreme_pulses_stay_numbers():
    steep = with_law(OXRAM, set_scale_volts=1e-3)
    assert factor(steep, 1, 10.0) == pulse_law.MOST_FACTOR
    assert factor(steep, 1, 0.1) == 0.0


# --- devices ---------------------------------------------------------------------------------


@pytest.mark.parametrize("model", PULSED_DEVICES.values(), ids=PULSED_DEVICES)
def test_own_pulses_that_are_spelt_out_do_what_own_pulses_do(model):
    model = with_law(model)
    state, counts = spread_out(model)
    volts = torch.from_numpy(np.where(counts.numpy() > 0, model.set_volts, model.reset_volts))
    drive = PulseDrive(volts, model.width_seconds)
    mine, theirs = pulsed(model, state, counts, drive), pulsed(model, state, counts, pulse_law.OWN)
    assert torch.equal(mine.state.g, theirs.state.g)
    for name, dynamic in theirs.state.dynamics.items():
        assert torch.equal(mine.state.dynamics[name], dynamic)
    assert mine.energy_joules == pytest.approx(theirs.energy_joules, rel=1e-6)


@pytest.mark.parametrize("model", PULSED_DEVICES.values(), ids=PULSED_DEVICES)
def test_the_law_in_a_device_file_changes_no_own_pulse(model):
    lawful, model = with_law(model), with_law(model, **NO_LAW)
    state, counts = spread_out(model)
    with_it, counts_too = spread_out(lawful)
    assert torch.equal(counts, counts_too)
    assert torch.equal(with_it.g, state.g)
    mine = pulsed(lawful, with_it, counts, pulse_law.OWN)
    theirs = pulsed(model, state, counts, pulse_law.OWN)
    assert torch.equal(mine.state.g, theirs.state.g)
    assert mine.energy_joules == theirs.energy_joules


@both
@pytest.mark.parametrize("name", sorted(set(MODELS) & {"oxram", *VALID}))
def test_a_pulse_moves_a_device_by_its_factor_times_its_step(name, sign):
    model = quiet(registered(name), **LAW)
    x = torch.full((1, 1), 0.5)
    state, counts = at(model, x), torch.tensor([[sign]])
    volts = pulse_law.own_volts(model, sign) - 0.05
    moved = pulsed(model, state, counts, PulseDrive(volts, 3e-8)).state.g - state.g
    own = pulsed(model, state, counts, pulse_law.OWN).state.g - state.g
    assert_close(moved, own * factor(model, sign, volts, 3e-8), rtol=1e-3, atol=0.0)


@both
def test_the_energy_is_that_of_the_pulses_own_volts_and_seconds(sign):
    model = quiet(OXRAM, **LAW)
    state, counts = at(model, torch.full((2, 3), 0.4)), torch.full((2, 3), sign)
    volts = torch.linspace(1.0, 1.5, 6, dtype=torch.float64).view(2, 3)
    seconds = torch.linspace(5e-8, 5e-7, 6, dtype=torch.float64).view(2, 3)
    after = pulsed(model, state, counts, PulseDrive(volts, seconds))
    expected = float((volts**2 * seconds * (state.g + after.state.g)).sum()) / 2
    assert after.energy_joules == pytest.approx(expected, rel=1e-6)


def test_a_device_moves_where_the_pulse_is_above_its_own_threshold():
    model = quiet(
        OXRAM, **LAW, set_threshold_volts=1.0, reset_threshold_volts=1.1, d2d_threshold_volts=0.1
    )
    state = at(model, torch.full((40, 40), 0.5))
    for sign, name in pulse_law.THRESHOLDS.items():
        thresholds, counts = state.traits[name], torch.full((40, 40), sign)
        assert 0.09 < float(thresholds.std()) < 0.11
        for volts in (0.8, 1.0, 1.15, 1.5):
            moved = pulsed(model, state, counts, PulseDrive(volts)).state.g != state.g
            assert torch.equal(moved, thresholds < volts)
            assert int(moved.sum()) > 0 or volts == 0.8


def test_thresholds_are_drawn_as_without_a_law():
    plain = with_law(OXRAM, **NO_LAW, set_threshold_volts=1.15, d2d_threshold_volts=0.1)
    folded = plain.manufacture((30, 30), generator=gen(3))
    free = with_law(plain).manufacture((30, 30), generator=gen(3))
    assert torch.equal(pulse_law.gain(with_law(plain), free.traits, 1), folded.traits["set_gain"])
    assert float((folded.traits["set_gain"] == 0.0).float().mean()) == pytest.approx(0.31, abs=0.05)


@both
def test_a_pulse_too_weak_to_count_leaves_relaxation_going_on(sign):
    model = with_law(load_device("oxram"))
    state = model.advance(at(model, torch.full((3, 3), 0.1)), 10.0, generator=gen(4))
    counts = torch.full((3, 3), sign)
    weak, strong = (pulsed(model, state, counts, PulseDrive(v)).state for v in (0.005, 1.0))
    assert torch.equal(weak.g, state.g)
    assert torch.equal(weak.dynamics["kick"], state.dynamics["kick"])
    assert not (strong.dynamics["since_seconds"] > 0.0).any()


# --- compliance ------------------------------------------------------------------------------


@given(amperes=st.floats(1e-6, 1e-3), volts=st.floats(1.0, 3.0), x=st.floats(0.0, 1.0))
def test_a_set_ends_at_the_current_limit(amperes, volts, x):
    state, counts = at(OXRAM, torch.full((2, 4), x)), torch.full((2, 4), 3)
    after = pulsed(OXRAM, state, counts, PulseDrive(volts, None, amperes)).state.g
    limit = torch.tensor(amperes / OXRAM.compliance_volts)
    assert bool((after <= torch.maximum(state.g, limit) * (1 + 1e-6)).all())


def test_a_limit_of_the_device_file_holds_for_own_pulses_and_not_for_reset():
    model = dataclasses.replace(OXRAM, compliance_amperes=4e-5)
    state = at(model, torch.full((3, 5), 0.05))
    many = torch.full((3, 5), 400)
    risen = pulsed(model, state, many, pulse_law.OWN).state
    assert float(risen.g.max()) <= 1e-4 * (1 + 1e-6)
    assert float(risen.g.min()) > 0.9e-4
    high = at(model, torch.full((3, 5), 0.5))
    one = torch.full((3, 5), -1)
    unlimited = pulsed(OXRAM, high, one, pulse_law.OWN).state.g
    assert torch.equal(pulsed(model, high, one, pulse_law.OWN).state.g, unlimited)


# --- refusals --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "drive", "text"),
    [
        (
            {},
            PulseDrive(1.5),
            "SET pulse of 1.5 V .* 1.2 V without set_scale_volts in",
        ),
        (
            {"set_scale_volts": 0.1},
            PulseDrive(None, 1e-6),
            "1e-06 s .* 1e-07 s without set",
        ),
        (
            {"set_scale_volts": 0.1},
            PulseDrive(1.25),
            "RESET .* 1.25 V .*; nothing was sent",
        ),
        (LAW, PulseDrive(-1.0), "-1 V .* must be 0 or more"),
        (LAW, PulseDrive(math.nan), "nan V"),
        (LAW, PulseDrive(1.0, 0.0), "0 s .* above 0"),
        (LAW, PulseDrive(1.0, math.inf), "inf s"),
    ],
)
def test_pulses_without_a_law_are_refused_and_nothing_moves(fields, drive, text):
    model = MODELS["oxram"](**PULSED | {
        "set_fraction": 0.02, "set_beta": 1.0, "reset_fraction": 0.02, "reset_beta": 1.0,
    } | fields)  # fmt: skip
    state = at(model, torch.full((1, 2), 0.5))
    with pytest.raises(LimitError, match=text):
        pulsed(model, state, torch.tensor([[1, -1]]), drive)


def test_a_drive_for_another_array_is_refused():
    state = at(OXRAM, torch.full((1, 2), 0.5))
    with pytest.raises(ShapeError, match="volts has shape"):
        pulsed(OXRAM, state, torch.ones(1, 2), PulseDrive(torch.ones(2, 1)))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"compliance_amperes": 1e-4}, "compliance_volts"),
        ({"set_scale_volts": 0.1, "set_volts": 0.0}, "set_volts above 0"),
        ({"voltage_law": "tanh"}, "voltage_law"),
        ({"set_scale_volts": 0.0}, "set_scale_volts"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(fields, text):
    plain = registered("soft_bounds")
    with pytest.raises(ConfigError, match=text):
        dataclasses.replace(plain, **fields)


@pytest.mark.parametrize("name", ["oxram", "oxram_literature"])
def test_the_shipped_oxide_has_a_law_with_sources(name):
    model = load_device(name)
    for field in LAW:
        assert getattr(model, field) == LAW[field]
        assert model.sources[field]


@both
def test_a_strong_pulse_spreads_as_many_own_pulses_do(sign):
    model = quiet(registered("soft_bounds"), **LAW, c2c_sigma=0.3, set_fraction=1e-3)
    model = dataclasses.replace(model, reset_fraction=1e-3)
    volts = 1.2 + 0.09 * math.log(25.0) if sign > 0 else 1.3 + 0.19 * math.log(25.0)
    state, counts = at(model, torch.full((50, 50), 0.5)), torch.full((50, 50), sign)
    moved = pulsed(model, state, counts, PulseDrive(volts)).state.g - state.g
    assert float(moved.std() / moved.mean().abs()) == pytest.approx(0.3 / 5.0, rel=0.05)
    weak = pulsed(model, state, counts, PulseDrive(1.1)).state.g - state.g
    assert float(weak.std() / weak.mean().abs()) == pytest.approx(0.3, rel=0.05)
