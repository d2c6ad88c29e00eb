"""Scripts of an ArC TWO on an emulated array, and the board over the instrument's package.

The names, shapes, channel numbers and orders are those of pyarc2 0.6 and libarc2 72f8c9f.
"""

import dataclasses
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from xbar_devices import quiet
from xbar_lab_boards import OXRAM, simulated

from crossbar.array.counters import Counters
from crossbar.boards import lab, pyarc2
from crossbar.boards.arc2 import Arc2Board, open_arc2
from crossbar.boards.arc2_names import BIT_CHANNELS, GRID, WORD_CHANNELS, line_of
from crossbar.boards.conformance import run_checks
from crossbar.boards.limits import Limits
from crossbar.boards.protocol import PulseBatch, PulseShape
from crossbar.boards.pyarc2 import (
    ArC2Error,
    BiasOrder,
    DataMode,
    IdleMode,
    Instrument,
    OutputRange,
    ReadAfter,
    ReadAt,
    ReadType,
    WaitFor,
    find_ids,
)
from device_models.errors import ConfigError, HardwareError, LimitError, ShapeError

SILENT = quiet(OXRAM)
UP, DOWN, NANOS = OXRAM.set_volts, -OXRAM.reset_volts, 100
V = 0.2
WORD_22, BIT_0 = 6, 0  # the lines of channels 22 and 0


@pytest.fixture
def board():
    """The array of the only instrument."""
    return simulated(SILENT, (32, 32))


@pytest.fixture
def arc(board):
    """That instrument, connected as a script does it."""
    port = pyarc2.plug_in(board)
    assert find_ids() == [port]
    yield Instrument(find_ids()[0], "fw.bin")
    pyarc2.unplug(port)


def amperes(board):
    """What a noiseless read of every device at V gives."""
    return V * board.state.g.double().numpy()


def moved(board, before):
    """Which devices were pulsed since, as SET (1) or RESET (-1), by [word, bit]."""
    change = np.sign((board.state.g - before).numpy())
    return {(int(w), int(b)): int(change[w, b]) for w, b in np.argwhere(change)}


def test_channels_are_the_lines_that_the_instrument_has():
    lines = [line_of(channel) for channel in range(64)]
    assert [lines[c] for c in BIT_CHANNELS] == [("bit", i) for i in range(32)]
    assert [lines[c] for c in WORD_CHANNELS] == [("word", i) for i in range(32)]
    assert (lines[22], lines[0], lines[47], lines[48]) == (
        ("word", WORD_22), ("bit", BIT_0), ("bit", 31), ("word", 16),
    )  # fmt: skip


# Reads


def test_reads_have_the_shapes_the_order_and_the_unit_of_the_instrument(arc, board):
    wanted = amperes(board)
    assert arc.read_one(22, 0, V) == pytest.approx(wanted[WORD_22, BIT_0], rel=1e-6)
    assert arc.read_one(0, 22, V) == pytest.approx(wanted[WORD_22, BIT_0], rel=1e-6)
    for values, expected in (
        (arc.read_slice(22, V), wanted[WORD_22]),
        (arc.read_slice(0, V), wanted[:, BIT_0]),
        (arc.read_all(V, BiasOrder.Rows), wanted),
        (arc.read_all(V, BiasOrder.Cols), wanted.T),
        (arc.read_all(-V, BiasOrder.Rows), -wanted),
    ):
        assert values.dtype == np.float32
        assert_allclose(values, expected, rtol=1e-6)


def test_a_masked_slice_is_nan_where_nothing_is_selected(arc, board):
    values = arc.read_slice_masked(22, np.array([0, 33, 47], np.uint64), V)
    chosen = np.isin(BIT_CHANNELS, [0, 33, 47])
    assert_array_equal(np.isnan(values), ~chosen)
    assert_allclose(values[chosen], amperes(board)[WORD_22][chosen], rtol=1e-6)
    assert board.counters.device_reads == 3


def test_an_open_read_is_the_product_of_the_voltages_that_are_there(arc, board):
    g = board.state.g.double().numpy()
    volts = np.linspace(-0.2, 0.2, 32)
    arc.config_channels(
        [(int(c), float(v)) for c, v in zip(WORD_CHANNELS, volts, strict=True)], 0.0
    )
    values = arc.read_slice_open(BIT_CHANNELS, False)
    assert values.shape == (64,)
    assert np.isnan(values[WORD_CHANNELS]).all()
    assert_allclose(values[BIT_CHANNELS], -volts @ g, rtol=1e-5, atol=1e-9)
    arc.config_channels([(5, 0.1)], None)  # one bit line away from 0 V: I = sum G (V - V_word)
    assert arc.read_slice_open([5], False)[5] == pytest.approx((0.1 - volts) @ g[:, 5], rel=1e-5)
    arc.open_channels([16])  # a floating word line carries nothing
    wanted = (0.1 - volts[1:]) @ g[1:, 5]
    assert arc.read_slice_open([5], True)[5] == pytest.approx(wanted, rel=1e-5)
    assert arc.read_slice_open([5], True)[5] == pytest.approx(0.0, abs=1e-12)  # grounded after
    arc.config_channels([(0, V)], 0.0)
    assert_allclose(arc.read_slice_open(WORD_CHANNELS)[WORD_CHANNELS], -V * g[:, 0], rtol=1e-5)


# Pulses


def test_nothing_is_sent_until_execute_and_methods_chain(arc, board):
    before = board.state.g.clone()
    assert arc.pulse_one(22, 0, UP, NANOS).delay(1000) is arc
    assert board.counters == Counters()
    arc.execute().wait()
    assert not arc.busy()
    assert moved(board, before) == {(WORD_22, BIT_0): 1}
    arc.execute()
    assert board.counters.set_pulses == 1


def test_a_read_carries_out_what_waits_before_it(arc, board):
    before = amperes(board)[WORD_22, BIT_0]
    arc.pulse_one(22, 0, UP, NANOS)
    assert arc.read_one(22, 0, V) > before
    assert arc.pulseread_one(22, 0, DOWN, NANOS, V) == pytest.approx(
        amperes(board)[WORD_22, BIT_0], rel=1e-6
    )


def test_a_device_sees_its_bit_line_over_its_word_line(arc, board):
    """The instrument's channels have no polarity: with the two exchanged, a pulse resets."""
    before = board.state.g.clone()
    arc.pulse_one(22, 0, UP, NANOS).pulse_one(1, 23, -DOWN, NANOS).execute()
    assert moved(board, before) == {(WORD_22, 0): 1, (7, 1): -1}


def test_slices_and_the_array_are_pulsed(arc, board):
    before = board.state.g.clone()
    values = arc.pulseread_slice_masked(22, [0, 32], UP, NANOS, V)
    assert moved(board, before) == {(WORD_22, 0): 1, (WORD_22, 16): 1}
    assert np.isnan(values).sum() == 30
    assert_allclose(arc.pulseread_slice(22, DOWN, NANOS, V), amperes(board)[WORD_22], rtol=1e-6)
    before = board.state.g.clone()
    rows = arc.pulseread_all(UP, NANOS, V, BiasOrder.Rows)
    assert rows.shape == (32, 32)
    assert_allclose(rows, amperes(board), rtol=1e-6)
    assert set(moved(board, before).values()) == {1}
    assert len(moved(board, before)) == 1024
    before = board.state.g.clone()
    columns = arc.pulseread_all(-DOWN, NANOS, V, BiasOrder.Cols)
    assert_allclose(columns, amperes(board).T, rtol=1e-6)
    assert set(moved(board, before).values()) == {-1}
    arc.pulse_all(UP, NANOS, BiasOrder.Rows).execute()
    assert board.counters.set_pulses == 2 + 1024 + 1024


REFUSED = {
    "10.1 V on channel 22 is beyond +/-10 V": lambda a: a.pulse_one(22, 0, 10.1, NANOS),
    "nan V on channel 22": lambda a: a.pulse_slice(22, float("nan"), NANOS),
    "-11 V on channel 22": lambda a: a.read_slice(22, -11.0),
    "there is no channel 64": lambda a: a.read_one(64, 0, V),
    "there is no channel -1": lambda a: a.pulse_one(22, -1, UP, NANOS),
    "channel 22 and a high channel are both word lines": lambda a: a.pulse_one(22, 23, UP, NANOS),
    "-1 ns is no time": lambda a: a.delay(-1),
    "a bias order is BiasOrder.Rows": lambda a: a.read_all(V, "rows"),
    "an idle mode is one of IdleMode": lambda a: a.finalise_operation("float"),
    "no ramp goes from 1 to 0 V": lambda a: a.generate_ramp(
        22, 0, 1.0, 0.1, 0.0, NANOS, 0, 1, ReadAt.Bias, ReadAfter.Pulse
    ),
    "an emulated ArC TWO measures currents": lambda a: a.pick_one(DataMode.All, ReadType.Voltage),
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_instrument_refuses_sends_nothing(arc, board, text):
    with pytest.raises(ArC2Error) as raised:
        REFUSED[text](arc)
    assert str(raised.value).startswith(text)
    arc.execute()
    assert board.counters == Counters()


def test_times_are_whole_nanoseconds(arc, board):
    with pytest.raises(TypeError):
        arc.pulse_one(22, 0, UP, 1e-7)
    with pytest.raises(TypeError):
        arc.delay(10.0)
    assert board.counters == Counters()


def test_the_extended_range_goes_to_20_volts(arc):
    arc.set_channel_range([22], OutputRange.EXT)
    arc.read_slice(22, 15.0)
    with pytest.raises(ArC2Error, match=r"15 V on channel 23"):
        arc.read_slice(23, 15.0)


def test_a_grounded_line_is_not_pulsed_and_reads_nan(arc, board):
    arc.finalise_operation(IdleMode.HardGnd)
    with pytest.raises(ArC2Error, match=r"word line 6 is grounded; nothing was sent"):
        arc.pulse_one(22, 0, UP, NANOS).execute()
    assert np.isnan(arc.read_all(V, BiasOrder.Rows)).all()
    assert board.counters == Counters()
    arc.gnd_remove([22, 0]).execute()
    arc.pulse_one(22, 0, UP, NANOS).execute()
    arc.gnd_add([0]).execute()
    assert np.isnan(arc.read_one(22, 0, V))
    for mode in (IdleMode.SoftGnd, IdleMode.Float):
        arc.connect_to_gnd([22]).finalise_operation(mode)
        arc.pulse_one(22, 0, UP, NANOS).execute()
    assert board.counters.set_pulses == 3


def test_after_a_refused_command_what_comes_after_it_is_dropped(arc, board):
    arc.pulse_one(22, 1, UP, NANOS).connect_to_gnd([0]).pulse_one(22, 0, UP, NANOS)
    arc.pulse_one(22, 2, UP, NANOS)
    with pytest.raises(ArC2Error, match=r"bit line 0 is grounded"):
        arc.execute()
    arc.execute()
    assert board.counters.set_pulses == 1


# Ramps and trains


@pytest.mark.parametrize(
    ("after", "pulses", "results"),
    [
        (ReadAfter.Pulse, 2, 2), (ReadAfter.Block, 2, 1), (ReadAfter.Ramp, 2, 1),
        (ReadAfter.Never, 2, 0), (ReadAfter.Pulse, 0, 1), (ReadAfter.Block, 0, 0),
    ],
)  # fmt: skip
def test_a_ramp_reads_when_it_is_told_to(arc, board, after, pulses, results):
    """One step, [1.2, 1.3): the stop is not reached."""
    arc.generate_ramp(22, 0, UP, 0.1, 1.3, NANOS, 1000, pulses, ReadAt.Arb(V), after)
    assert board.counters == Counters()
    arc.execute()
    assert board.counters.set_pulses == pulses
    data = list(arc.get_iter(DataMode.Bits))
    assert len(data) == results
    for datum in data:
        assert datum.shape == (32,)
        assert_array_equal(np.isnan(datum), np.arange(32) != BIT_0)
    if results:
        assert data[-1][BIT_0] == pytest.approx(amperes(board)[WORD_22, BIT_0], rel=1e-6)
    assert list(arc.get_iter(DataMode.Bits)) == []


@pytest.mark.parametrize(("stop", "step"), [(1.0, 0.1), (-1.0, -0.1)])
def test_a_ramp_has_the_voltages_from_the_start_to_before_the_stop(arc, board, stop, step):
    """Read-only, so that the currents show the voltages."""
    arc.generate_ramp(22, 0, 0.0, step, stop, NANOS, 0, 0, ReadAt.Bias, ReadAfter.Pulse)
    values = [datum[0] for datum in arc.execute().get_iter(DataMode.All)]
    g = amperes(board)[WORD_22, BIT_0] / V
    assert_allclose(values, g * step * np.arange(10), rtol=1e-5)


def test_a_ramp_from_0_volts_sets_more_with_each_step(arc, board):
    """Strong pulses of one sign, from 0 V; the array is at a tenth of its window."""
    board.restore(simulated(SILENT, (32, 32), x=0.1).state)
    arc.generate_ramp(22, 0, 0.0, 0.1, 1.4, NANOS, 1000, 2, ReadAt.Arb(V), ReadAfter.Block)
    curve = np.array([datum[0] for datum in arc.execute().get_iter(DataMode.Bits)])
    steps = np.diff(curve)
    assert len(curve) == 14
    assert (steps >= 0).all()
    assert (steps[:8] < 0.01 * steps[-1]).all()
    assert (np.diff(steps[-4:]) > 0).all()
    assert board.counters.set_pulses == 26  # the pulses of 0 V are none


def test_a_wider_or_weaker_pulse_is_that_of_the_device_file(arc, board):
    reference = simulated(SILENT, (32, 32))
    arc.pulse_slice(22, 1.05, 3000).pulse_one(23, 1, -1.4, 40).execute()
    lab.pulse_slice(reference, WORD_22, "word", 1.05, 3e-6)
    lab.pulse_one(reference, 7, 1, -1.4, 4e-8)
    assert torch.equal(board.state.g, reference.state.g)


def test_a_pulse_of_0_volts_takes_its_time_and_does_nothing(arc, board):
    arc.generate_ramp(22, 0, 0.0, 2.0, 1.0, NANOS, 0, 3, ReadAt.Bias, ReadAfter.Never).execute()
    assert board.counters == Counters()


def test_results_come_by_word_by_bit_or_all(arc):
    for mode, size, index in (
        (DataMode.All, 64, 0), (DataMode.Bits, 32, 0), (DataMode.Words, 32, None),
    ):  # fmt: skip
        arc.generate_read_train([22], [0], V, 1, 0, True).execute()
        datum = arc.pick_one(mode)
        assert datum.shape == (size,)
        assert np.flatnonzero(~np.isnan(datum)).tolist() == ([] if index is None else [index])
    assert arc.pick_one(DataMode.All) is None


def test_trains_read_again_and_again(arc, board):
    wanted = pytest.approx(amperes(board)[WORD_22, BIT_0], rel=1e-5)
    arc.generate_read_train([22], [0], V, 3, 1000, True).execute()
    assert [datum[0] for datum in arc.get_iter(DataMode.All)] == 3 * [wanted]
    for condition in (WaitFor.Iterations(4), WaitFor.Nanos(4000), WaitFor.Millis(0)):
        arc.read_train(22, 0, V, 1000, None, condition)
        count = len(list(arc.get_iter(DataMode.Bits)))
        assert count == (1 if condition == WaitFor.Millis(0) else 4)
    arc.config_channels([(22, -V)], 0.0).generate_read_train(None, [0], V, 2, 0, True).execute()
    assert [datum[0] for datum in arc.get_iter(DataMode.All)] == 2 * [wanted]


# Ports


def test_a_script_meets_the_devices_as_it_left_them(arc, board):
    arc.pulse_one(22, 0, UP, NANOS).execute()
    again = Instrument(find_ids()[0], "other.bin")
    assert again.read_one(22, 0, V) == pytest.approx(amperes(board)[WORD_22, BIT_0], rel=1e-6)
    with pytest.raises(ArC2Error, match=r"no ArC TWO at port 99"):
        Instrument(99, "fw.bin")
    with pytest.raises(ShapeError, match=r"an ArC TWO drives 32 x 32 devices"):
        pyarc2.plug_in(simulated())


def test_without_an_array_there_is_a_default_one():
    assert find_ids() == [0]
    try:
        first = Instrument(0, "fw.bin").read_all(V, BiasOrder.Rows)
        assert first.shape == (32, 32)
        assert (first > 0).mean() > 0.98  # HRS reads of noisy devices may be below 0
        second = Instrument(0, "fw.bin").pulseread_all(1.3, 200, V, BiasOrder.Rows)
        assert (second > first).mean() > 0.95
    finally:
        pyarc2.unplug(0)


SCRIPT = """
from {module} import Instrument, find_ids, BiasOrder, ReadAt, ReadAfter, DataMode, IdleMode
import numpy as np

arc = Instrument(find_ids()[0], "fw.bin")
arc.connect_to_gnd(np.array([], dtype=np.uint64))
arc.generate_ramp(22, 0, 1.2, 0.1, 1.3, 100, 10000, 5, ReadAt.Arb(0.2), ReadAfter.Pulse)
arc.execute()
curve = [datum[0] for datum in arc.get_iter(DataMode.Bits)]
arc.finalise_operation(IdleMode.SoftGnd)
state = arc.read_all(0.2, BiasOrder.Rows)
"""


def test_a_script_potentiates_a_cell(arc, board):
    names = {}
    exec(SCRIPT.format(module="crossbar.boards.pyarc2"), names)
    assert len(names["curve"]) == 5
    assert (np.diff(names["curve"]) > 0).all()
    assert names["state"][WORD_22, BIT_0] == names["curve"][-1]


# The board over the package, here over the emulated one


LIMITS = Limits(
    volts=2.0, seconds=1e-5, compliance_amperes=None, pulses_per_cell=100_000, joules=1.0
)  # fmt: skip


@pytest.fixture
def real(arc):
    """What `open_arc2` gives, over the emulated package."""
    return open_arc2("fw.bin", LIMITS, OXRAM, package="crossbar.boards.pyarc2")


def test_the_board_over_the_instrument_reads_and_pulses_as_the_array_does(real, board):
    g = board.state.g
    assert_allclose(lab.read_all(real), g.numpy(), rtol=1e-6)
    assert_allclose(lab.read_slice(real, 3, "bit"), g[:, 3].numpy(), rtol=1e-6)
    volts = np.linspace(-0.2, 0.2, 64).reshape(2, 32)
    assert_allclose(lab.vmm(real, volts), volts @ g.double().numpy(), rtol=1e-5, atol=1e-9)
    before, reference = g.clone(), simulated(SILENT, (32, 32))
    batch = PulseBatch(np.array([5, 40, 1023], np.int32), np.array([3, -2, 1], np.int32))
    real.pulse(batch)
    real.pulse(batch, PulseShape(np.array([1.2, 1.3, 1.2]), 1e-7))
    reference.pulse(batch)
    reference.pulse(batch)
    assert_allclose(board.state.g.numpy(), reference.state.g.numpy(), rtol=1e-6)
    assert moved(board, before) == {(0, 5): 1, (1, 8): -1, (31, 31): 1}
    spent = real.counters
    assert (spent.set_pulses, spent.reset_pulses) == (8, 4)
    assert real.info.grid == GRID


def test_the_board_over_the_instrument_passes_the_suite():
    """With pulses: this tests the emulated instrument as well, which answers every call."""
    port = pyarc2.plug_in(simulated(shape=(32, 32)))
    try:
        real = open_arc2("fw.bin", LIMITS, OXRAM, port=port, package="crossbar.boards.pyarc2")
        results = run_checks(real, allow_pulses=True)
    finally:
        pyarc2.unplug(port)
    assert {r.check.name: r.problem for r in results if r.problem} == {}
    assert all(result.was_run for result in results)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (PulseShape(11.0), "limits.volts = 2 V"),
        (PulseShape(1.2, 1e-4), "limits.seconds = 1e-05 s"),
        (PulseShape(1.2, 1e-8), "a pulse is shorter than 4e-08 s"),
    ],
)
def test_pulses_beyond_the_limits_or_the_instrument_send_nothing(real, board, shape, text):
    batch = PulseBatch(np.array([5, 6], np.int32), np.array([1, 1], np.int32))
    with pytest.raises(LimitError, match=rf"{text}.*nothing was sent$"):
        real.pulse(batch, shape)
    assert real.counters == board.counters == Counters()


def test_after_close_every_channel_is_grounded_and_nothing_is_sent(real, board):
    real.close()
    real.close()
    assert np.isnan(Instrument.read_all(real.board._arc, V, BiasOrder.Rows)).all()
    with pytest.raises(HardwareError, match=r"is closed; nothing was sent"):
        real.pulse(PulseBatch(np.array([5], np.int32), np.array([1], np.int32)))
    assert board.counters == Counters()


def test_a_missing_package_or_instrument_is_said_in_one_line(monkeypatch, arc):
    monkeypatch.setitem(sys.modules, "pyarc2", None)  # as if it were not installed
    with pytest.raises(HardwareError, match=r"pip install 'xbar-hil\[arc2\]'; nothing was sent$"):
        open_arc2("fw.bin", LIMITS, OXRAM)
    with pytest.raises(HardwareError, match=r"no ArC TWO answers at port 7"):
        open_arc2("fw.bin", LIMITS, OXRAM, port=7, package="crossbar.boards.pyarc2")
    wide = dataclasses.replace(LIMITS, volts=12.0)
    with pytest.raises(ConfigError, match=r"limits.volts = 12 V is wider than the 10 V"):
        open_arc2("fw.bin", wide, OXRAM, package="crossbar.boards.pyarc2")


def test_the_board_takes_no_vector_that_the_instrument_has_not(arc):
    board = Arc2Board(pyarc2, find_ids()[0], "fw.bin", OXRAM, V)
    with pytest.raises(LimitError, match=r"a voltage is beyond"):
        board.vmm(torch.full((1, 32), 10.5))
    with pytest.raises(ShapeError, match=r"not \(vectors, 32 word lines\)"):
        board.vmm(torch.zeros(1, 31))
