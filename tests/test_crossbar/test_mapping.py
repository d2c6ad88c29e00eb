"""Weights on pairs of conductances: there and back, and the way a pulse must take."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close
from xbar_devices import gen

from crossbar.mapping import OneSided
from device_models.model import DeviceState
from device_models.presets import load_device

G_MIN, G_MAX, W_MAX = 1e-6, 1e-3, 2.0
UNIT = (G_MAX - G_MIN) / W_MAX
SIGNS = torch.tensor([1, -1, 0, 1, 0, -1], dtype=torch.int8)
MIXED = OneSided(SIGNS, UNIT, G_MIN)
DALE = OneSided(SIGNS[SIGNS != 0], UNIT, G_MIN)  # the mapping has a path of its own without zeros
OUTPUTS = 4
each_mapping = pytest.mark.parametrize("mapping", [MIXED, DALE], ids=["mixed", "dale"])


def allowed(mapping, weights):
    """The weights with the signs that the rows allow."""
    sign = mapping.signs[:, None]
    return torch.where(sign == 0, weights, sign * weights.abs())


def some_weights(mapping, kind=torch.float64, seed=0):
    shape = (len(mapping.signs), OUTPUTS)
    return allowed(mapping, torch.randn(shape, generator=gen(seed), dtype=torch.float64)).to(kind)


# There and back


@each_mapping
@pytest.mark.parametrize(("kind", "atol"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_weights_of_the_targets_of_weights_are_the_weights(mapping, kind, atol):
    weights = some_weights(mapping, kind)
    found = mapping.weights(mapping.targets(weights))
    assert_close(found, weights, rtol=0.0, atol=atol)


@each_mapping
def test_a_target_has_one_device_of_each_pair_at_the_floor(mapping):
    weights = some_weights(mapping)
    plus, minus = mapping.targets(weights).chunk(2, dim=1)
    assert torch.equal(plus == G_MIN, weights <= 0)
    assert torch.equal(minus == G_MIN, weights >= 0)
    full = mapping.targets(torch.full_like(weights, W_MAX)).max()
    assert_close(float(full), G_MAX, rtol=1e-12, atol=0.0)


def test_a_target_is_not_clipped_to_the_window():
    mapping = OneSided(torch.tensor([1], dtype=torch.int8), UNIT, G_MIN)
    targets = mapping.targets(torch.tensor([[3.0]], dtype=torch.float64))
    assert_close(float(targets[0, 0]), G_MIN + 3.0 * UNIT, rtol=1e-12, atol=0.0)
    assert_close(float(mapping.weights(targets)), 3.0, rtol=1e-12, atol=0.0)


def test_variance_of_a_weight_is_that_of_both_devices():
    sigma = torch.tensor([[3e-6, 1e-6, 4e-6, 2e-6]], dtype=torch.float64)
    mapping = OneSided(torch.tensor([0], dtype=torch.int8), 1e-3, G_MIN)
    expected = torch.tensor([[25e-6, 5e-6]], dtype=torch.float64)
    assert_close(mapping.variance(sigma), expected, rtol=1e-12, atol=0.0)


def test_arguments_are_left_alone():
    weights = some_weights(MIXED)
    g = MIXED.targets(weights)
    copies = weights.clone(), g.clone()
    MIXED.weights(g)
    MIXED.variance(g)
    MIXED.targets(weights)
    route = MIXED.route(weights > 0, g)
    MIXED.counts(torch.ones((len(SIGNS), OUTPUTS), dtype=torch.int32), route)
    assert torch.equal(weights, copies[0])
    assert torch.equal(g, copies[1])


# Which devices


def test_excitatory_rows_select_the_positive_devices_inhibitory_the_negative_free_both():
    plus, minus = MIXED.selected(OUTPUTS).chunk(2, dim=1)
    for row, sign in enumerate(SIGNS.tolist()):
        assert plus[row].tolist() == [sign >= 0] * OUTPUTS
        assert minus[row].tolist() == [sign <= 0] * OUTPUTS


@each_mapping
def test_pulses_go_to_selected_devices_only_and_to_one_of_a_pair(mapping):
    g = mapping.targets(some_weights(mapping))
    up = torch.rand((len(mapping.signs), OUTPUTS), generator=gen(1)) > 0.5
    pulses = torch.randint(1, 9, up.shape, generator=gen(2), dtype=torch.int32)
    counts = mapping.counts(pulses, mapping.route(up, g))
    assert not counts[~mapping.selected(OUTPUTS)].any()
    plus, minus = counts.chunk(2, dim=1)
    assert not ((plus != 0) & (minus != 0)).any()
    assert torch.equal(plus.abs() + minus.abs(), pulses)


# (sign of the row, weight, up) -> (negative device?, SET or RESET)
ROUTES = [
    ((1, 0.5, True), (False, 1)),
    ((1, 0.5, False), (False, -1)),
    ((1, 0.0, True), (False, 1)),
    ((1, 0.0, False), (False, -1)),
    ((-1, -0.5, True), (True, -1)),
    ((-1, -0.5, False), (True, 1)),
    ((-1, 0.0, True), (True, -1)),
    ((-1, 0.0, False), (True, 1)),
    ((0, 0.5, True), (False, 1)),
    ((0, 0.5, False), (False, -1)),
    ((0, -0.5, True), (True, -1)),
    ((0, -0.5, False), (True, 1)),
    ((0, 0.0, True), (False, 1)),
    ((0, 0.0, False), (True, 1)),
]


@pytest.mark.parametrize(("situation", "way"), ROUTES)
@pytest.mark.parametrize("company", [0, 1], ids=["beside a free row", "beside a bound row"])
def test_route_is_the_one_of_the_table(situation, way, company):
    sign, weight, up = situation
    mapping = OneSided(torch.tensor([sign, company], dtype=torch.int8), UNIT, G_MIN)
    g = mapping.targets(torch.tensor([[weight], [0.0]], dtype=torch.float64))
    route = mapping.route(torch.tensor([[up], [True]]), g)
    assert (bool(route.minus[0, 0]), int(route.polarity[0, 0])) == way
    assert float(route.g[0, 0]) == float(g[0, int(way[0])])


@given(
    sign=st.sampled_from([1, -1, 0]),
    weight=st.integers(-190, 190).map(lambda percent: percent / 100),
    up=st.booleans(),
    pulses=st.integers(1, 40),
)
def test_pulses_along_a_route_move_the_weight_in_the_wanted_direction(sign, weight, up, pulses):
    """Up, or not at all at a bound; a free row always moves."""
    mapping = OneSided(torch.tensor([sign], dtype=torch.int8), UNIT, G_MIN)
    ideal = dataclasses.replace(load_device("ideal"), states=1000)
    before = allowed(mapping, torch.tensor([[weight]], dtype=torch.float64))
    g = mapping.targets(before)
    counts = mapping.counts(
        torch.tensor([[pulses]], dtype=torch.int32), mapping.route(torch.tensor([[up]]), g)
    )
    state = DeviceState(g, {}, {})
    selected = mapping.selected(1)
    after = mapping.weights(ideal.program(state, counts, selected, generator=gen()).state.g)
    change = float(after - before) * (1 if up else -1)
    assert change >= -1e-12
    room = sign == 0 or abs(float(before)) > 1e-9 or (sign > 0) == up
    assert (change > 1e-12) == room
    if sign:
        assert float(after) * sign >= -1e-12
