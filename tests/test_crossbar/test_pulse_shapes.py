"""Pulses of any amplitude and width on an emulated board: the slow reference, energy, refusals."""

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from xbar_devices import all_devices, everywhere, gen, registered

from crossbar.array.faults import healthy
from crossbar.array.half_select import HalfSelect
from crossbar.array.tile import Tiling
from crossbar.boards import pulse_kernels
from crossbar.boards.protocol import PulseBatch, PulseShape
from crossbar.boards.simulated import SimulatedBoard
from device_models.errors import LimitError, ShapeError
from device_models.presets import load_device
from device_models.pulse_law import PulseDrive, ceiling_siemens
from device_models.pulsed import Pulsed

SHAPE = (13, 9)
LAW = {
    "set_scale_volts": 0.09,
    "reset_scale_volts": 0.19,
    "set_width_exponent": 0.5,
    "reset_width_exponent": 0.25,
}
DEVICES = {
    name: dataclasses.replace(model, **LAW)
    for name, model in all_devices().items()
    if isinstance(model, Pulsed)
}
DEVICES["limited"] = dataclasses.replace(
    DEVICES["shipped oxide"], compliance_volts=0.4, compliance_amperes=4e-5
)
every = pytest.mark.parametrize("model", DEVICES.values(), ids=DEVICES)


def board(model, **parts):
    return SimulatedBoard(
        model, Tiling(*SHAPE, 8, 8), torch.ones(SHAPE, dtype=torch.bool),
        v_read_volts=0.2, t_read_seconds=1e-7, seed=1, index=0, **parts,
    )  # fmt: skip


def begun(model, **parts):
    """A board whose devices are somewhere in their window, some time after their pulses."""
    made = board(model, **parts)
    counts = torch.randint(0, 40, SHAPE, generator=gen(5), dtype=torch.int32)
    made.pulse(PulseBatch.of(counts))
    made.wait(2.0)
    return made


def some_pulses(seed, is_single=True, compliance_amperes=None):
    """Of both signs and of none, in any order, with a shape for each."""
    rng = np.random.default_rng(seed)
    device = rng.permutation(SHAPE[0] * SHAPE[1])[:70].astype(np.int32)
    count = rng.integers(-1, 2, 70) * (1 if is_single else rng.integers(1, 6, 70))
    volts, seconds = rng.uniform(0.0, 1.6, 70), 10.0 ** rng.uniform(-8.0, -5.0, 70)
    shape = PulseShape(volts, seconds, compliance_amperes)
    return PulseBatch(device, count.astype(np.int32)), shape


def as_arrays(batch, shape):
    values = [torch.ones(SHAPE, dtype=torch.float64) for _ in range(2)]
    for array, value in zip(values, shape[:2], strict=True):
        array.view(-1)[torch.from_numpy(batch.device).long()] = torch.from_numpy(value)
    return PulseDrive(*values, shape.compliance_amperes)


@every
@given(seed=st.integers(0, 2**32 - 1), is_limited=st.booleans())
@settings(derandomize=True, deadline=None, max_examples=15)
def test_a_board_does_what_the_slow_reference_says(model, seed, is_limited):
    """The draws of single pulses are the same ones: only rounding differs."""
    made = begun(model)
    before, joules = made.state, made.counters.write_joules
    amperes = 0.2 * model.g_max_siemens if is_limited and model.compliance_volts else None
    batch, shape = some_pulses(seed, compliance_amperes=amperes)
    made.streams.pulses = gen(seed)
    made.pulse(batch, shape)
    drive, counts = as_arrays(batch, shape), batch.array(SHAPE)
    alive = counts if made.broken is None else counts.masked_fill(made.broken.dead, 0)
    expected = model.program(before, alive, everywhere(counts), generator=gen(seed), drive=drive)
    window = model.g_max_siemens
    assert_close(made.state.g, expected.state.g, rtol=2e-6, atol=1e-6 * window)
    for name, dynamic in expected.state.dynamics.items():
        if name == "kick" and model.relax_levels_siemens:  # rates at conductances that are rounded
            assert_close(made.state.dynamics[name], dynamic, rtol=1e-4, atol=1e-12)
        else:
            assert torch.equal(made.state.dynamics[name], dynamic)
    if made.broken is None:
        spent = made.counters.write_joules - joules
        assert spent == pytest.approx(expected.energy_joules, rel=1e-5)


@pytest.mark.parametrize("name", ["oxram", "shipped oxide", "soft_bounds", "limited"])
@given(seed=st.integers(0, 2**32 - 1))
@settings(derandomize=True, deadline=None, max_examples=15)
def test_trains_of_such_pulses_agree_too(name, seed):
    model = dataclasses.replace(DEVICES[name], c2c_sigma=0.0)
    assert isinstance(pulse_kernels.in_place(model), pulse_kernels.InPlace)
    made = begun(model)
    before = made.state
    batch, shape = some_pulses(seed, is_single=False)
    made.pulse(batch, shape)
    counts = batch.array(SHAPE)
    drive = as_arrays(batch, shape)
    expected = model.program(before, counts, everywhere(counts), generator=gen(1), drive=drive)
    assert_close(made.state.g, expected.state.g, rtol=2e-5, atol=1e-6 * model.g_max_siemens)


@every
def test_the_own_shape_spelt_out_changes_no_bit(model):
    plain, spelt = begun(model), begun(model)
    batch, _ = some_pulses(3, is_single=False)
    volts = np.where(batch.count > 0, model.set_volts, model.reset_volts)
    plain.pulse(batch)
    spelt.pulse(batch, PulseShape(volts, model.width_seconds))
    assert torch.equal(plain.state.g, spelt.state.g)
    assert torch.equal(plain.g, spelt.g)
    assert plain.counters == spelt.counters


@pytest.mark.parametrize("name", ["oxram_literature", "abrupt"])
def test_a_set_of_own_pulses_ends_at_the_compliance_of_its_batch(name):
    """The end point is that of the law, for kernels and for the functions of the model."""
    model = load_device("oxram_literature")
    if name == "abrupt":
        model = dataclasses.replace(model, set_kind="abrupt", full_set_siemens=8e-4)
    batch = PulseBatch(np.arange(117, dtype=np.int32), np.full(117, 300, np.int32))
    ends = []
    for amperes in (4e-5, 2e-5, 1e-5):
        made = board(model)
        made.pulse(batch, PulseShape(compliance_amperes=amperes))
        highest = made.state.g.max().item()
        assert highest == pytest.approx(ceiling_siemens(model, amperes), rel=1e-6)
        ends.append(float(made.state.g.mean()))
    assert ends == sorted(ends, reverse=True)


@every
def test_a_compliance_that_no_device_meets_changes_no_bit(model):
    plain, held = begun(model), begun(model)
    batch, _ = some_pulses(3, is_single=False)
    plain.pulse(batch)
    most = max(model.set_volts, model.compliance_volts or 0.0) * model.g_max_siemens
    held.pulse(batch, PulseShape(compliance_amperes=2.0 * most))
    if model.compliance_amperes is None:
        assert torch.equal(plain.state.g, held.state.g)
        assert torch.equal(plain.g, held.g)
        assert plain.counters == held.counters
    else:
        assert float(held.state.g.max()) > float(plain.state.g.max())


@every
def test_a_law_in_the_device_file_changes_no_own_pulse(model):
    lawless = dataclasses.replace(model, **dict.fromkeys(LAW))
    mine, theirs = begun(model), begun(lawless)
    batch, _ = some_pulses(4, is_single=False)
    mine.pulse(batch)
    theirs.pulse(batch)
    assert torch.equal(mine.state.g, theirs.state.g)
    assert mine.counters == theirs.counters


def test_the_energy_is_v_squared_t_of_each_pulse():
    model = dataclasses.replace(DEVICES["oxram"], c2c_sigma=0.0)
    made = begun(model)
    before, g = made.counters.write_joules, made.g.double().view(-1).clone()
    device = np.array([3, 40, 77], np.int32)
    shape = PulseShape(np.array([1.0, 0.5, 1.4]), np.array([1e-7, 1e-3, 3e-8]))
    made.pulse(PulseBatch(device, np.array([1, -1, 1], np.int32)), shape)
    both = (g + made.g.double().view(-1))[torch.from_numpy(device).long()].numpy()
    expected = (shape.volts**2 * shape.seconds * both).sum() / 2
    assert made.counters.write_joules - before == pytest.approx(expected, rel=1e-5)


def test_stuck_devices_are_paid_for_at_the_volts_of_the_pulse():
    tiling = Tiling(*SHAPE, 8, 8)
    faults = healthy(tiling)
    faults.stuck_siemens[2, 3] = 5e-4
    made = begun(DEVICES["oxram"], faults=faults)
    before = made.counters
    device = np.array([2 * SHAPE[1] + 3], np.int32)
    made.pulse(PulseBatch(device, np.array([-2], np.int32)), PulseShape(0.8, 1e-6))
    assert made.counters.lost_pulses - before.lost_pulses == 2
    joules = made.counters.write_joules - before.write_joules
    assert joules == pytest.approx(2 * 0.8**2 * 1e-6 * 5e-4, rel=1e-6)


def test_one_shape_may_be_for_all_and_half_of_it_be_the_own():
    model = DEVICES["oxram"]
    batch = PulseBatch(np.arange(20, dtype=np.int32), np.ones(20, np.int32))
    scalar, arrays = begun(model), begun(model)
    scalar.pulse(batch, PulseShape(volts=1.1))
    arrays.pulse(batch, PulseShape(np.full(20, 1.1), np.full(20, model.width_seconds)))
    assert torch.equal(scalar.state.g, arrays.state.g)


def refused(made, batch, shape, error, text):
    g, counters = made.state.g.clone(), made.counters
    with pytest.raises(error, match=text):
        made.pulse(batch, shape)
    assert torch.equal(made.state.g, g)
    assert made.counters == counters


UP = PulseBatch(np.array([1, 2], np.int32), np.array([1, 1], np.int32))
DOWN = PulseBatch(UP.device, -UP.count)


@pytest.mark.parametrize(
    ("fields", "batch", "shape", "error", "text"),
    [
        ({}, UP, PulseShape(1.5), LimitError, "whose pulses are fixed.*nothing was sent"),
        ({}, UP, PulseShape(None, 1e-6), LimitError, "whose pulses are fixed"),
        ({"set_scale_volts": 0.1}, DOWN, PulseShape(1.5), LimitError, "fixed: SET 1.2 V, RESET"),
        (LAW, UP, PulseShape(-0.5), LimitError, "0 or more; nothing was sent"),
        (LAW, UP, PulseShape(1.0, 0.0), LimitError, "above 0"),
        (LAW, UP, PulseShape(np.ones(3)), ShapeError, "volts .* nothing was sent"),
        ({"compliance_volts": None}, UP, PulseShape(compliance_amperes=1e-6), LimitError,
         "needs compliance_volts"),
        ({}, UP, PulseShape(compliance_amperes=np.nan), LimitError, "must be above 0; nothing"),
    ],
)  # fmt: skip
def test_shapes_that_no_law_reaches_send_nothing(fields, batch, shape, error, text):
    model = dataclasses.replace(registered("oxram"), **dict.fromkeys(LAW) | fields)
    refused(begun(model), batch, shape, error, text)


def test_a_law_of_one_polarity_serves_that_one():
    model = dataclasses.replace(registered("oxram"), **LAW | {"reset_scale_volts": None})
    made = begun(model)
    before = made.state.g.clone()
    made.pulse(UP, PulseShape(1.3))
    assert not torch.equal(made.state.g, before)


def test_arrays_without_transistors_take_their_own_pulses_only():
    made = begun(DEVICES["oxram"], half=HalfSelect())
    refused(made, UP, PulseShape(1.5), LimitError, "1R.*nothing was sent")
    made.pulse(UP, PulseShape(1.2))


def test_the_shipped_oxide_answers_every_shape():
    made = begun(load_device("oxram"))
    before = made.state.g.clone()
    made.pulse(UP, PulseShape(1.4, 5e-7))
    weak = made.state.g.view(-1)[1:3] - before.view(-1)[1:3]
    assert (weak > 0.0).all()
    assert made.info.compliance_amperes is None
