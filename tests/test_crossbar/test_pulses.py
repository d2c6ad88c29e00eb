"""Pulses in place against the pure functions that they stand for, and step laws against steps."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from xbar_devices import all_devices, at, everywhere, gen

from crossbar.boards import pulses
from crossbar.boards.emulated import EmulatedBoard
from crossbar.tile import Tiling
from device_models import physics

DEVICES = all_devices()
SERVED = {name: kind for name, model in DEVICES.items() if (kind := pulses.in_place(model))}
served = pytest.mark.parametrize("kind", SERVED.values(), ids=SERVED)


def some_counts(shape, seed=3):
    """Of a few pulses, of many, and of none."""
    few = torch.randint(-4, 5, shape, generator=gen(seed), dtype=torch.int32)
    many = torch.rand(shape, generator=gen(seed + 1)) > 0.95
    return few * torch.where(many, 10, 1).to(torch.int32)


def aged(model, shape, seconds):
    """Devices over the whole window, some time after their last pulses."""
    state = at(model, torch.rand(shape, generator=gen(1)))
    state = model.program(state, some_counts(shape, 5), everywhere(state.g), generator=gen(2)).state
    return model.advance(state, seconds, generator=gen(4))


def test_the_devices_of_all_step_laws_are_served_and_the_others_are_not():
    laws = {"oxram", "soft_bounds", "linear_step", "exp_step", "shipped oxide"}
    assert set(SERVED) == laws


@pytest.mark.parametrize("polarity", [1, -1])
@pytest.mark.parametrize("name", [n for n, model in DEVICES.items() if model.step_law(1)])
@given(x=st.lists(st.floats(-0.1, 1.1), min_size=1, max_size=20))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_a_step_law_is_the_expected_step(name, polarity, x):
    model = DEVICES[name]
    x = torch.tensor(x, dtype=torch.float64)
    law = model.step_law(polarity)
    step = law.level + law.slope * x + law.scale * torch.exp(law.rate * x)
    expected = model.step_siemens(
        model.g_min_siemens + model.window_siemens * x, torch.tensor(polarity)
    )
    found = (step * model.window_siemens).clamp(min=physics.LEAST_STEP_SIEMENS)
    assert_close(found, expected, rtol=1e-6, atol=1e-15)


@served
@given(seed=st.integers(0, 2**32 - 1), seconds=st.sampled_from([0.0, 3.0]), is_single=st.booleans())
@settings(derandomize=True, deadline=None, max_examples=20)
def test_pulses_in_place_do_what_the_pure_function_says(kind, seed, seconds, is_single):
    """Single pulses have the same draws, many are compared without: what differs is rounding."""
    shape, counts = (13, 9), some_counts((13, 9), seed)
    if is_single:
        counts, model = counts.sign(), kind.model
    else:
        model = dataclasses.replace(kind.model, c2c_sigma=0.0)
    kind, state = kind._replace(model=model), aged(model, shape, seconds)
    expected = model.program(state, counts, everywhere(counts), generator=gen(seed))
    own = state._replace(
        g=state.g.clone(), dynamics={n: d.clone() for n, d in state.dynamics.items()}
    )
    where = counts.flatten().nonzero().flatten()
    joules = pulses.pulse(kind, own, counts, where, gen(seed))
    assert_close(own.g, expected.state.g, rtol=2e-5, atol=1e-10)
    assert_close(joules, expected.energy_joules, rtol=1e-5, atol=0.0)
    for name, dynamic in expected.state.dynamics.items():
        mine, theirs = own.dynamics[name], dynamic
        if not is_single:  # the reference draws in another order
            mine, theirs = mine.flatten().sort().values, theirs.flatten().sort().values
        assert torch.equal(mine, theirs)


def board(model):
    shape = (13, 9)
    every = torch.ones(shape, dtype=torch.bool)
    return EmulatedBoard(
        model, Tiling(*shape, 8, 8), every, v_read_volts=0.2, t_read_seconds=1e-7, seed=1, place=0
    )


@pytest.mark.parametrize("model", DEVICES.values(), ids=DEVICES)
def test_a_state_that_was_handed_out_stays_as_it_was(model):
    made = board(model)
    for _ in range(3):
        before = made.state
        arrays = [before.g, *before.dynamics.values()]
        copies = [array.clone() for array in arrays]
        made.pulse_array(some_counts(made.info.shape))
        made.wait(1.0)
        made.pulse_array(some_counts(made.info.shape, 8))
        assert all(torch.equal(a, copy) for a, copy in zip(arrays, copies, strict=True))
        assert not torch.equal(made.state.g, before.g)


@pytest.mark.parametrize("model", DEVICES.values(), ids=DEVICES)
def test_a_board_sees_after_pulses_what_its_state_says(model):
    made = board(model)
    for seed in range(3):
        made.pulse_array(some_counts(made.info.shape, seed))
        made.wait(2.0)
        made.pulse_array(some_counts(made.info.shape, seed + 9))
        seen = made.model.conductance(made.state)
        assert_close(made.g, seen, rtol=1e-5, atol=1e-12)
        sigma = made.model.read_sigma_siemens(seen)
        if sigma is not None:
            assert_close(made.read_sigma, sigma, rtol=1e-4, atol=1e-14)


@pytest.mark.parametrize("name", ["ideal", "oxram"])
def test_a_tally_is_that_of_the_model(name):
    model, shape = DEVICES[name], (13, 9)
    counts = some_counts(shape)
    reaching = counts.masked_fill(torch.rand(shape, generator=gen()) > 0.8, 0)
    worn = torch.full(shape, 5, dtype=torch.int32)
    found = pulses.tally(model, counts, reaching, worn)
    assert (found.sets, found.resets) == model.pulses(counts)
    assert found.devices == int(torch.count_nonzero(counts))
    where = reaching.flatten().nonzero().flatten()
    assert torch.equal(found.where, where[:0] if name == "ideal" else where)
    each = reaching.sign() if name == "ideal" else reaching
    assert torch.equal(worn, 5 + each.abs())


def test_a_device_that_may_stand_still_is_left_to_the_pure_function():
    model = DEVICES["oxram"]
    for change in (
        {"endurance_pulses": 1e6},
        {"set_threshold_volts": 1.0},
        {"stuck_low_share": 0.1},
    ):
        assert pulses.in_place(dataclasses.replace(model, **change)) is None
