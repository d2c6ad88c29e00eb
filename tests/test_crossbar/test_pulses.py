"""Pulses in place against the pure functions that they stand for, and step laws against steps."""

import dataclasses

import numba
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from xbar_devices import all_devices, at, everywhere, gen

from crossbar.array.tile import Tiling
from crossbar.boards import pulse_kernels
from crossbar.boards.device_array import Devices
from crossbar.boards.fast_math import exp, log
from crossbar.boards.operations import pulse_array
from crossbar.boards.protocol import PulseBatch
from crossbar.boards.pulse_order import ordered
from crossbar.boards.simulated import SimulatedBoard
from device_models import physics, read_noise
from device_models.pulse_law import OWN
from device_models.tabulated import Tabulated

DEVICES = all_devices()
FOUND = {name: pulse_kernels.in_place(model) for name, model in DEVICES.items()}
SERVED = {name: kind for name, kind in FOUND.items() if isinstance(kind, pulse_kernels.InPlace)}
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
    laws = {"oxram", "soft_bounds", "linear_step", "exp_step", "log_step", "shipped oxide"}
    laws |= {"signed_step"}
    laws |= {"oxide with traps", "rates by level", "tabulated", "tables of two"}
    assert set(SERVED) == laws
    assert {name for name, kind in FOUND.items() if kind is not None} == laws | {"ideal"}


@pytest.mark.parametrize("polarity", [1, -1])
@pytest.mark.parametrize("name", [n for n, model in DEVICES.items() if model.step_law(1)])
@given(x=st.lists(st.floats(-0.1, 1.1), min_size=1, max_size=20))
@settings(derandomize=True, deadline=None, max_examples=40)
def test_a_step_law_is_the_expected_step(name, polarity, x):
    model = DEVICES[name]
    x = torch.tensor(x, dtype=torch.float64)
    law = model.step_law(polarity).terms
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
        model = without_spread(kind.model)
    kind, state = pulse_kernels.in_place(model), aged(model, shape, seconds)
    expected = model.program(state, counts, everywhere(counts), generator=gen(seed))
    own = devices_of(kind, state)
    arrays, pulsed = own.state, torch.zeros(shape, dtype=torch.int32)
    joules = own.pulse(PulseBatch.of(counts), pulsed, gen(seed))
    assert torch.equal(pulsed, counts.abs())
    assert not torch.equal(own.state.g, arrays.g)
    own = own.state
    assert_close(own.g, expected.state.g, rtol=2e-5, atol=1e-10)
    assert_close(joules, expected.energy_joules, rtol=1e-5, atol=0.0)
    for name, dynamic in expected.state.dynamics.items():
        mine, theirs = own.dynamics[name], dynamic
        if name == "kick" and model.relax_levels_siemens:  # a rate, by the conductance
            if is_single:
                assert_close(mine, theirs, rtol=1e-3, atol=1e-10)
            continue
        if not is_single:  # the reference draws in another order
            mine, theirs = mine.flatten().sort().values, theirs.flatten().sort().values
        assert torch.equal(mine, theirs)


def without_spread(model):
    """The same model with all its pulses alike: those of a table are at its lowest level."""
    alike = dict.fromkeys(("c2c_sigma", "c2c_additive_siemens", "c2c_quantum_siemens"), 0.0)
    if isinstance(model, Tabulated):
        levels = len(model.levels)
        for name in ("set_steps", "reset_steps"):
            alike[name] = tuple(x for x in getattr(model, name)[::levels] for _ in range(levels))
    return dataclasses.replace(model, **alike)


def devices_of(kind, state):
    """Devices in place, of a perfect array."""
    return Devices(kind.model, lambda: state, None)


def board(model):
    shape = (13, 9)
    every = torch.ones(shape, dtype=torch.bool)
    return SimulatedBoard(
        model, Tiling(*shape, 8, 8), every, v_read_volts=0.2, t_read_seconds=1e-7, seed=1, index=0
    )


@pytest.mark.parametrize("model", DEVICES.values(), ids=DEVICES)
def test_a_state_that_was_handed_out_stays_as_it_was(model):
    made = board(model)
    for _ in range(3):
        before = made.state
        arrays = [before.g, *before.dynamics.values()]
        copies = [array.clone() for array in arrays]
        pulse_array(made, some_counts(made.info.shape))
        made.wait(1.0)
        pulse_array(made, some_counts(made.info.shape, 8))
        assert all(torch.equal(a, copy) for a, copy in zip(arrays, copies, strict=True))
        assert not torch.equal(made.state.g, before.g)


@pytest.mark.parametrize("model", DEVICES.values(), ids=DEVICES)
def test_a_board_sees_after_pulses_what_its_state_says(model):
    made = board(model)
    for seed in range(3):
        pulse_array(made, some_counts(made.info.shape, seed))
        made.wait(2.0)
        pulse_array(made, some_counts(made.info.shape, seed + 9))
        seen = model.conductance(made.state)
        seen = seen if made.broken is None else made.broken.conductance(seen)
        assert_close(made.g, seen, rtol=1e-5, atol=1e-12)
        sigma = read_noise.of_devices(model.read_sigma_siemens(seen), made.state)
        if sigma is not None:
            assert_close(made.read_sigma, sigma, rtol=1e-4, atol=1e-14)


@pytest.mark.parametrize("model", DEVICES.values(), ids=DEVICES)
def test_to_look_at_a_state_changes_no_bit(model):
    """Rates of relaxation, and what is rarely needed, are made when a state is asked for."""
    watched, other = boards = board(model), board(model)
    for seed in range(4):
        assert watched.state.g.shape == watched.info.shape
        for made in boards:
            pulse_array(made, some_counts(made.info.shape, seed))
            if seed % 2:
                made.wait(1.0)
    one, two = watched.state, other.state
    assert list(one.traits) == list(two.traits)
    assert list(one.dynamics) == list(two.dynamics)
    for a, b in zip([one, watched.effective()], [two, other.effective()], strict=True):
        for mine, theirs in zip(a, b, strict=True):
            parts = [mine], [theirs]
            if isinstance(mine, dict):
                parts = mine.values(), theirs.values()
            assert all(x is y or torch.equal(x, y) for x, y in zip(*parts, strict=True))


@pytest.mark.parametrize("name", ["ideal", "oxram"])
def test_a_tally_is_that_of_the_model(name):
    model, counts = DEVICES[name], some_counts((13, 9))
    found = pulse_kernels.count_pulses(model, PulseBatch.of(counts))
    assert (found.sets, found.resets) == model.pulses(counts)
    assert found.devices == int(torch.count_nonzero(counts))
    each = counts.sign() if name == "ideal" else counts
    assert torch.equal(pulse_kernels.pulses_of_each(model, counts), each.abs())


@pytest.mark.parametrize("name", ["ideal", "oxram"])
def test_the_order_of_a_list_changes_nothing_and_zeros_neither(name):
    """Draws go by rising places."""
    counts, boards = some_counts((13, 9)), [board(DEVICES[name]) for _ in range(2)]
    where = torch.randperm(counts.numel(), generator=gen()).int()
    pulse_array(boards[0], counts)
    boards[1].pulse(PulseBatch(where.numpy(), counts.flatten()[where].numpy()))
    one, other = (made.state for made in boards)
    assert torch.equal(one.g, other.g)
    assert all(torch.equal(d, other.dynamics[n]) for n, d in one.dynamics.items())
    assert boards[0].counters == boards[1].counters
    assert torch.equal(boards[0].pulsed, boards[1].pulsed)


@pytest.mark.parametrize("mixed", ["no", "pairs", "all"])
@pytest.mark.parametrize("sent", [0, 1, 60, 1000], ids=lambda n: f"{n} of 1000")
def test_lists_of_any_order_become_rising_ones_without_zeros(sent, mixed):
    device = np.random.default_rng(sent).permutation(1000)[:sent].astype(np.int32)
    if mixed != "all":  # rows of 100 columns; a pair is two columns 50 apart
        device.sort()
        device = device[
            np.argsort(device // 100 * 100 + device % (50 if mixed == "pairs" else 100))
        ]
    count = (device % 5 - 2).astype(np.int32)
    batch, drive = ordered(PulseBatch(device, count), OWN)
    expected = np.sort(device[count != 0])
    assert drive == OWN
    np.testing.assert_array_equal(batch.device, expected)
    np.testing.assert_array_equal(batch.count, expected % 5 - 2)


def test_an_ideal_device_moves_as_the_pure_function_says():
    model, counts = DEVICES["ideal"], some_counts((13, 9)) * (2**18)
    made = board(model)
    expected = made.state
    for way in (1, 1, -1):
        pulse_array(made, way * counts)
        expected = model.program(expected, way * counts, everywhere(counts), generator=gen()).state
    assert torch.equal(made.g, expected.g)
    assert expected.g.unique().numel() > 3


@served
@pytest.mark.parametrize("seconds", [0.0, 1e-3, 50.0])
def test_device_time_in_place_is_that_of_the_pure_function(kind, seconds):
    """The same draws; what differs is rounding."""
    model, state = kind.model, aged(kind.model, (13, 9), 3.0)
    own = devices_of(kind, state)
    assert_seen(own, model, state)
    own.advance(seconds, gen(7), 320.0)
    expected = model.advance(state, seconds, generator=gen(7), temperature_kelvin=320.0)
    for name, dynamic in expected.dynamics.items():
        assert_close(own.state.dynamics[name], dynamic, rtol=1e-6, atol=1e-6)
    assert_seen(own, model, expected)


def assert_seen(own, model, state):
    """What reads see is what the model says of a state."""
    seen = model.conductance(state)
    sigma = read_noise.of_devices(model.read_sigma_siemens(seen), state)
    assert_close(own.g, seen, rtol=3e-6, atol=1e-12)
    assert (sigma is None) == (own.sigma is None)
    if sigma is not None:
        assert_close(own.sigma, sigma, rtol=1e-5, atol=1e-14)


@pytest.mark.parametrize(("own", "theirs"), [(exp, torch.exp), (log, torch.log)])
def test_exponential_and_logarithm_are_right_to_rounding(own, theirs):
    x = torch.linspace(-80.0, 80.0, 100_001, dtype=torch.float64).float()
    x = torch.cat((x, x / 100)) if own is exp else torch.cat((x.exp(), 1 + x / 1000))

    @numba.njit
    def every(values):
        return np.array([own(value) for value in values])

    expected = theirs(x.double())
    found = torch.from_numpy(every(x.numpy())).double()
    assert_close(found, expected, rtol=4e-7, atol=2e-7 if own is log else 0.0)


def test_a_device_that_may_stand_still_is_left_to_the_pure_function():
    model = DEVICES["oxram"]
    for change in (
        {"endurance_pulses": 1e6},
        {"set_threshold_volts": 1.0},
    ):
        assert pulse_kernels.in_place(dataclasses.replace(model, **change)) is None
