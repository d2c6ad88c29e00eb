"""Laws that hold for every kind of device. A model is tested by being registered."""

import dataclasses
import math
import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from xbar_devices import all_devices, at, everywhere, gen, program, quiet, unit
from xbar_stats import z_of_mean

from device_models.errors import ConfigError, ShapeError
from device_models.signed_step import SignedStep
from device_models.soft_bounds import SoftBounds

DEVICES = all_devices()
DISTURBS = {"noise on all"}  # programming moves selected devices that get no pulse, on purpose
every_device = pytest.mark.parametrize("model", DEVICES.values(), ids=DEVICES)
HARD = {name: model for name, model in DEVICES.items() if name != "soft_bounds"}  # no soft bounds
CALM = {name: model for name, model in DEVICES.items() if name not in DISTURBS}
calm_device = pytest.mark.parametrize("model", CALM.values(), ids=CALM)


@st.composite
def arrays_and_counts(draw):
    """Fractions of the window and signed counts, of one shape."""
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    size = shape[0] * shape[1]
    corner = st.sampled_from([0.0, 1.0])
    x = draw(st.lists(corner | st.floats(0.0, 1.0), min_size=size, max_size=size))
    counts = draw(st.lists(st.integers(-80, 80), min_size=size, max_size=size))
    return torch.tensor(x).view(shape), torch.tensor(counts, dtype=torch.int32).view(shape)


def some_array(model):
    """4000 devices over the whole window; SET, RESET and no pulse in turn."""
    x = torch.linspace(0.0, 1.0, 4000).view(50, 80)
    turns = torch.tensor([3, 0, -2, 0, 1], dtype=torch.int32).repeat(800).view(50, 80)
    return at(model, x), turns * unit(model)


@every_device
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_steps_of_both_directions_are_those_of_each_to_the_last_bit(model, dtype):
    x = torch.linspace(-0.1, 1.1, 60, dtype=dtype).view(5, 12)
    g = (model.g_min_siemens + x * model.window_siemens).clamp(min=model.g_min_siemens / 2)
    up, down = model.both_steps(g)
    assert torch.equal(up, model.step_siemens(g, torch.ones(5, 12)))
    assert torch.equal(down, model.step_siemens(g, torch.tensor(-1.0)))


# The window


@every_device
@given(case=arrays_and_counts())
@settings(derandomize=True, deadline=None, max_examples=30)
def test_conductance_never_leaves_its_window(model, case):
    x, counts = case
    g = program(model, at(model, x), counts * unit(model)).state.g
    assert (g >= model.g_min_siemens).all()
    assert (g <= model.g_max_siemens).all()


@every_device
@given(seed=st.integers(0, 2**32 - 1))
@settings(derandomize=True, deadline=None, max_examples=20)
def test_new_devices_are_inside_the_window_too(model, seed):
    state = model.manufacture((5, 7), generator=gen(seed))
    assert state.g.shape == (5, 7)
    assert all(trait.shape[-2:] == (5, 7) for trait in state.traits.values())  # traps come first
    assert (state.g >= model.g_min_siemens).all()
    assert (state.g <= model.g_max_siemens).all()


@pytest.mark.parametrize("model", HARD.values(), ids=HARD)
@pytest.mark.parametrize(("start", "sign"), [(0.97, 1), (0.03, -1)])
def test_the_pulses_above_would_leave_the_window_if_nothing_held_them(model, start, sign):
    """The clip is at work: the expected steps alone lead out."""
    g = at(model, torch.full((1, 1), start)).g.double()
    for _ in range(80):
        way = torch.full_like(g, sign)
        g = g + sign * unit(model) * model.step_siemens(g, way)
    assert not model.g_min_siemens <= float(g) <= model.g_max_siemens


# No pulse


@calm_device
def test_a_device_without_a_pulse_keeps_its_bits(model):
    state, counts = some_array(model)
    after = program(model, state, counts).state.g
    still = counts == 0
    assert torch.equal(after[still], state.g[still])
    assert not torch.equal(after[~still], state.g[~still])


@calm_device
def test_no_pulse_at_all_costs_nothing_and_moves_nothing(model):
    state, counts = some_array(model)
    done = program(model, state, torch.zeros_like(counts))
    assert torch.equal(done.state.g, state.g)
    assert done.energy_joules == 0.0


@every_device
def test_a_device_that_is_not_selected_keeps_its_bits(model):
    state, counts = some_array(model)
    selected = torch.arange(4000).view(50, 80) % 3 > 0
    after = program(model, state, counts * selected, selected=selected).state.g
    assert torch.equal(after[~selected], state.g[~selected])


def test_noise_on_all_moves_selected_devices_without_a_pulse():
    model = DEVICES["noise on all"]
    state, counts = some_array(model)
    after = program(model, state, torch.zeros_like(counts)).state.g
    assert (after != state.g).double().mean() > 0.9  # the others were at a bound


# Randomness


@every_device
def test_same_seed_same_bits(model):
    state, counts = some_array(model)
    again = model.manufacture((50, 80), generator=gen())
    made = model.manufacture((50, 80), generator=gen())
    one, two = program(model, state, counts), program(model, state, counts)
    assert torch.equal(made.g, again.g)
    assert all(torch.equal(trait, again.traits[name]) for name, trait in made.traits.items())
    assert torch.equal(one.state.g, two.state.g)
    assert one.energy_joules == two.energy_joules


@pytest.mark.parametrize("name", ["oxram", "noise on all", "noise on programmed"])
def test_another_seed_gives_other_bits(name):
    model = DEVICES[name]
    state, counts = some_array(model)
    one, two = program(model, state, counts), program(model, state, counts, seed=1)
    assert not torch.equal(one.state.g, two.state.g)


@every_device
def test_arguments_and_the_global_generators_are_left_alone(model):
    state, counts = some_array(model)
    selected = everywhere(counts)
    arguments = [state.g, counts, selected, *state.traits.values(), *state.dynamics.values()]
    copies = [a.clone() for a in arguments]
    torch_before, python_before = torch.random.get_rng_state(), random.getstate()
    model.manufacture((3, 3), generator=gen())
    model.advance(state, 3.0, generator=gen(), temperature_kelvin=350.0)
    model.conductance(state)
    after = model.program(state, counts, selected, generator=gen()).state
    model.step_siemens(state.g, counts)
    model.read_sigma_siemens(state.g)
    model.pulses(counts)
    after.g.zero_()  # nor does the result share their memory
    assert all(torch.equal(a, copy) for a, copy in zip(arguments, copies, strict=True))
    assert torch.equal(torch.random.get_rng_state(), torch_before)
    assert random.getstate() == python_before


# Device time


@every_device
def test_device_time_leaves_programmed_conductances_alone_and_reads_stay_positive(model):
    state = some_array(model)[0]
    later = model.advance(state, 1e3, generator=gen())
    assert torch.equal(later.g, state.g)
    assert later.traits is state.traits
    seen = model.conductance(later)
    assert seen.shape == state.g.shape
    assert (seen > 0).all()
    moved = state.dynamics.keys() & {"slow", "traps"}
    waits = bool(getattr(model, "relax_levels_siemens", ())) and not moved  # no rate before a pulse
    assert torch.equal(seen, state.g) == (waits or not state.dynamics)


@every_device
def test_no_device_time_changes_no_read(model):
    state = some_array(model)[0]
    same = model.advance(state, 0.0, generator=gen())
    assert torch.equal(model.conductance(same), model.conductance(state))


# Direction and size


@every_device
@pytest.mark.parametrize("sign", [1, -1])
def test_set_raises_and_reset_lowers_the_mean(model, sign):
    """5 sigma; were there no step at all, the test would fail with probability 1 - 3e-7."""
    x = 0.1 if isinstance(model, SignedStep) else 0.5  # between the zeros of its means
    state = at(model, torch.full((50, 80), x))
    moved = program(model, state, torch.full((50, 80), sign * unit(model))).state.g - state.g
    spread = max(float(moved.double().std()), 1e-12) / 4000**0.5
    assert float(moved.double().mean()) * sign > 5 * spread


def test_the_test_above_would_notice_noise_without_a_step():
    model = DEVICES["noise on all"]
    state = at(model, torch.full((50, 80), 0.5))
    moved = program(model, state, torch.zeros((50, 80), dtype=torch.int32)).state.g - state.g
    assert abs(z_of_mean(moved, 0.0)) < 5


@every_device
def test_an_expected_step_is_positive_and_depends_on_the_sign_of_the_count_alone(model):
    g = at(model, torch.linspace(0.0, 1.0, 40).view(5, 8)).g
    for sign in (1, -1):
        steps = model.step_siemens(g, torch.tensor(sign))
        assert steps.shape == g.shape
        assert (steps > 0).all()
        assert torch.equal(steps, model.step_siemens(g, torch.full_like(g, 7 * sign)))


@every_device
def test_pulses_across_equals_a_mean_staircase(model):
    """A staircase of single SET pulses, all spreads off; half a step of difference is rounding."""
    if isinstance(model, SignedStep):
        pytest.skip("its SET pulses lead down near the top: no staircase ends there")
    coarse = {"states": 500} if hasattr(model, "states") else {}
    model = quiet(model, **coarse)
    state, climbed = model.manufacture((1, 1), generator=gen()), 0
    # Where the last steps vanish as 1 - x, the mean over 256 intervals ends at this distance.
    short = math.exp(-math.log(4 * 256) - 0.5772) if isinstance(model, SoftBounds) else 1e-5
    while float(state.g) < model.g_max_siemens * (1 - short):
        state = program(model, state, torch.ones((1, 1), dtype=torch.int32)).state
        climbed += 1
    assert_close(model.pulses_across, float(climbed), rtol=0.02, atol=0.0)


# Bookkeeping


@every_device
@given(case=arrays_and_counts())
@settings(derandomize=True, deadline=None, max_examples=30)
def test_pulses_add_up_over_devices_and_change_sides_with_the_sign(model, case):
    counts = case[1]
    sets, resets = model.pulses(counts)
    assert model.pulses(-counts) == (resets, sets)
    assert model.pulses(torch.zeros_like(counts)) == (0, 0)
    one_by_one = [model.pulses(count.view(1, 1)) for count in counts.flatten()]
    assert tuple(map(sum, zip(*one_by_one, strict=True))) == (sets, resets)
    assert {type(sets), type(resets)} == {int}


@pytest.mark.parametrize(
    ("name", "expected"), [("ideal", (2, 1)), ("gaussian_update", (2, 1)), ("oxram", (8, 4))]
)
def test_a_count_is_a_width_for_linear_devices_and_a_number_of_pulses_for_oxram(name, expected):
    counts = torch.tensor([[3, 0, -4], [5, 0, 0]], dtype=torch.int32)
    assert DEVICES[name].pulses(counts) == expected


@every_device
def test_energy_is_that_of_the_parts(model):
    """Two halves of an array, programmed one after the other, cost what the whole costs."""
    model = quiet(model)
    state, counts = some_array(model)
    upper = torch.arange(50)[:, None] < 25
    whole = program(model, state, counts).energy_joules
    parts = [program(model, state, counts * part).energy_joules for part in (upper, ~upper)]
    assert_close(sum(parts), whole, rtol=1e-9, atol=0.0)
    assert whole >= 0.0


# Wrong shapes


@every_device
@pytest.mark.parametrize("shape", [(2, 3), (4,), (1, 4), (), (3, 4, 1)])
@pytest.mark.parametrize("which", ["counts", "selected"])
def test_a_wrong_shape_is_refused_before_any_pulse(model, shape, which):
    state = at(model, torch.full((3, 4), 0.5))
    good = {"counts": torch.ones((3, 4), dtype=torch.int32), "selected": everywhere(state.g)}
    bad = {which: torch.ones(shape, dtype=good[which].dtype)}
    message = f"{which} has shape {shape}, the array (3, 4); no pulse was applied"
    with pytest.raises(ShapeError) as error:
        model.program(state, **good | bad, generator=gen())
    assert str(error.value) == message


# The record


@every_device
@pytest.mark.parametrize("change", ["window", "status", "sources"])
def test_a_device_that_makes_no_sense_does_not_exist(model, change):
    changes, message = {
        "window": ({"g_min_siemens": model.g_max_siemens}, "the window is empty"),
        "status": ({"status": "guessed"}, "status must be one of .*, not 'guessed'"),
        "sources": ({"sources": {"g_mim_siemens": "x"}}, "unknown parameters: g_mim_siemens"),
    }[change]
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(model, **changes)
