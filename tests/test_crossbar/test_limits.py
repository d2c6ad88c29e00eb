"""What a board may be given at most, checked before anything is sent; dry runs."""

import dataclasses

import numpy as np
import pytest
import torch
from xbar_lab_boards import COARSE, GRID, OXRAM, exact, simulated

from crossbar.array.counters import Counters
from crossbar.boards import lab
from crossbar.boards.budget import Budget, costs, device_seconds, dry_run
from crossbar.boards.limited import LimitedBoard
from crossbar.boards.limits import Limits, limits_of, load_limits
from crossbar.boards.protocol import PulseBatch, PulseShape
from crossbar.boards.quantised import QuantisedBoard
from device_models.errors import ConfigError, HardwareError, LimitError, ShapeError

UP, DOWN, WIDTH = OXRAM.set_volts, -OXRAM.reset_volts, OXRAM.width_seconds
G_MOST = OXRAM.g_max_siemens
WIDE = Limits(
    volts=2.0, seconds=1e-6, compliance_amperes=None, pulses_per_cell=None, joules=None
)  # fmt: skip
BLOCK = """
other: 3
limits:
  volts: 1.5
  seconds: 1e-6
  compliance_amperes: 2e-3
  pulses_per_cell: 1000
  joules: null
"""


def within(board=None, **changes):
    """A board within limits."""
    limits = dataclasses.replace(WIDE, **changes)
    return LimitedBoard(exact() if board is None else board, limits, most_siemens=G_MOST)


def test_limits_come_from_the_block_of_a_file(tmp_path):
    path = tmp_path / "board.yaml"
    path.write_text(BLOCK)
    assert load_limits(path) == Limits(
        volts=1.5, seconds=1e-6, compliance_amperes=2e-3, pulses_per_cell=1000, joules=None
    )


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("limits:", "limit:", "missing key limits"),
        ("  volts: 1.5\n", "", "missing key limits.volts"),
        ("  joules: null\n", "", "missing key limits.joules"),
        ("volts: 1.5", "volts: null", "limits.volts must be a number"),
        ("volts: 1.5", "volts: 150", r"limits.volts = 150 is outside \[0.001, 20\] V"),
        ("volts: 1.5", "volts: nan", "limits.volts"),
    ],
)
def test_a_file_without_every_limit_sends_nothing(tmp_path, old, new, text):
    path = tmp_path / "board.yaml"
    path.write_text(BLOCK.replace(old, new))
    with pytest.raises(ConfigError, match=rf"board\.yaml.*{text}.*; nothing was sent$"):
        load_limits(path)


def test_an_emulated_board_has_limits_from_its_device_file():
    assert limits_of(OXRAM) == Limits(
        volts=2 * OXRAM.reset_volts, seconds=1e4 * WIDTH, compliance_amperes=None,
        pulses_per_cell=None, joules=None,
    )  # fmt: skip
    lasting = dataclasses.replace(OXRAM, endurance_pulses=1e5, endurance_sigma=1.0)
    assert limits_of(lasting).pulses_per_cell == 100_000
    assert limits_of(COARSE).pulses_per_cell is None


REFUSED = {
    "volts": ({"volts": 1.1}, r"1.2 V for word line 2, bit line 3: limits.volts = 1.1 V"),
    "seconds": ({"seconds": 5e-8}, r"1e-07 s for word line 2, bit line 3: limits.seconds"),
    "compliance": (
        {"compliance_amperes": 1e-3}, r"0.0012 A for word line 2, .* limits.compliance_amperes",
    ),
    "pulses": ({"pulses_per_cell": 2}, r"3 pulses for word line 2, .* limits.pulses_per_cell = 2"),
    "joules": (
        {"joules": 4e-10}, r"pulses of up to 4.32e-10 J after 0 J exceed limits.joules = 4e-10 J",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_pulse_changes_nothing(name):
    changes, text = REFUSED[name]
    board = within(**changes)
    before = board.board.state.g.clone()
    for _ in range(2):
        with pytest.raises(LimitError, match=rf"^{text}.*; nothing was sent$"):
            lab.pulse_one(board, 2, 3, UP, WIDTH, count=3)
    assert board.counters == Counters()
    assert board.budget() == Budget()
    assert torch.equal(board.board.state.g, before)


@pytest.mark.parametrize("name", REFUSED)
def test_one_device_beyond_a_limit_stops_the_whole_batch(name):
    """Each limit lets pass what lies on it."""
    changes, _ = REFUSED[name]
    exactly = {
        "volts": 1.3, "seconds": 1e-7, "compliance": 1.2e-3, "pulses": 3, "joules": 4.33e-10,
    }[name]  # fmt: skip
    board = within(**dict.fromkeys(changes, exactly))
    lab.pulse_one(board, 2, 3, UP, WIDTH, count=3)
    assert board.counters.set_pulses == 3


def test_pulses_of_a_device_add_up_over_batches_and_inside_one():
    board = within(pulses_per_cell=5)
    lab.pulse_one(board, 2, 3, UP, count=3)
    lab.pulse_one(board, 2, 3, DOWN, count=2)
    with pytest.raises(LimitError, match=r"6 pulses for word line 2, bit line 3"):
        lab.pulse_one(board, 2, 3, UP)
    lab.pulse_one(board, 2, 4, UP, count=5)
    each = costs(board.info, PulseBatch(np.array([7, 7]), np.array([2, 1])), None, None)
    assert board.meter.after(each).tolist() == [3, 3]


@pytest.mark.parametrize("volts", [np.nan, 0.0, -1.2, np.inf])
def test_what_is_no_amplitude_is_refused(volts):
    board = within()
    batch = PulseBatch(np.array([0], np.int32), np.array([1], np.int32))
    with pytest.raises(LimitError, match=r"limits.volts = 2 V; nothing was sent"):
        board.pulse(batch, PulseShape(volts))
    with pytest.raises(LimitError, match=r"limits.seconds = 1e-06 s; nothing was sent"):
        board.pulse(batch, PulseShape(1.2, volts))
    assert board.counters == Counters()


def test_voltages_of_a_product_are_limited_too():
    board = within()
    for volts in (2.1, -2.1):
        with pytest.raises(LimitError, match=r"on a word line exceeds limits.volts = 2 V"):
            lab.vmm(board, np.full(10, volts))
    assert board.counters == Counters()
    lab.vmm(board, np.full(10, 2.0))


def test_a_pulse_whose_fate_is_unknown_counts(monkeypatch):
    board = within(pulses_per_cell=2)

    def lost(pulses, shape=None):
        raise HardwareError("no answer within 1 s")

    with monkeypatch.context() as patch:
        patch.setattr(board.board, "pulse", lost)
        with pytest.raises(HardwareError):
            lab.pulse_one(board, 0, 0, UP, count=2)
    with pytest.raises(LimitError, match=r"3 pulses for word line 0"):
        lab.pulse_one(board, 0, 0, UP)


def test_a_board_that_does_not_say_its_pulse_is_pulsed_only_if_nothing_can_break():
    emulated = LimitedBoard(simulated(COARSE), WIDE)
    lab.pulse_array(emulated, np.ones((10, 8)))
    assert emulated.counters.set_pulses == 80
    real = simulated(COARSE)
    real.info = dataclasses.replace(real.info, is_emulator=False)
    with pytest.raises(LimitError, match=r"nan V for word line 0, bit line 0: limits.volts"):
        lab.pulse_array(LimitedBoard(real, WIDE), np.ones((10, 8)))
    assert real.counters == Counters()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"volts": 10.5}, "limits.volts = 10.5 V is wider than the 10 V of emulated Oxram"),
        ({"seconds": 2.0}, "limits.seconds = 2 s is wider than the 1 s"),
        ({"joules": 1.0}, "limits.joules = 1 J needs the largest conductance"),
        ({"compliance_amperes": 1e-3}, "limits.compliance_amperes = 0.001 A cannot be held"),
    ],
)
def test_limits_that_a_board_cannot_hold_are_refused(changes, text):
    board = QuantisedBoard(exact(), GRID)
    with pytest.raises(ConfigError, match=f"^{text}.*; nothing was sent$"):
        LimitedBoard(board, dataclasses.replace(WIDE, **changes))


def test_the_compliance_of_the_board_bounds_its_set_current():
    board = exact()
    board.info = dataclasses.replace(board.info, compliance_amperes=1e-4)
    held = LimitedBoard(board, dataclasses.replace(WIDE, compliance_amperes=1e-4))
    lab.pulse_one(held, 0, 0, UP)
    with pytest.raises(LimitError, match=r"0.0001 A for word line 0"):
        lab.pulse_one(
            LimitedBoard(board, dataclasses.replace(WIDE, compliance_amperes=0.9e-4)), 0, 0, UP
        )


@pytest.mark.parametrize("amperes", [2.1e-5, 0.0, np.nan, np.inf])
def test_a_compliance_beyond_the_limits_is_refused(amperes):
    board = within(compliance_amperes=2e-5)
    batch = PulseBatch(np.array([0], np.int32), np.array([1], np.int32))
    with pytest.raises(LimitError, match=r"limits.compliance_amperes = 2e-05 A; nothing was sent"):
        board.pulse(batch, PulseShape(compliance_amperes=amperes))
    assert board.counters == Counters()


def test_a_compliance_lets_pulses_pass_that_would_draw_more():
    board = within(compliance_amperes=2e-5)
    with pytest.raises(LimitError, match=r"0.0012 A for word line 0"):
        lab.pulse_one(board, 0, 0, UP)
    lab.pulse_one(board, 0, 0, UP, compliance_amperes=2e-5)
    lab.pulse_one(board, 0, 0, DOWN)
    assert (board.counters.set_pulses, board.counters.reset_pulses) == (1, 1)


# Budgets


def test_the_budget_is_what_was_sent_and_its_energy_is_never_below_the_true_one():
    board = within(simulated())
    lab.read_all(board)
    z = np.random.default_rng(0)
    for _ in range(5):
        lab.pulse_array(board, z.integers(-3, 4, (10, 8)))
    spent, budget = board.counters, board.budget()
    assert (budget.set_pulses, budget.reset_pulses) == (spent.set_pulses, spent.reset_pulses)
    assert budget.cells == int((board.board.pulsed > 0).sum())
    assert budget.most_pulses == int(board.board.pulsed.max())
    assert budget.device_seconds == pytest.approx(device_seconds(spent, board.info))
    squares = spent.set_pulses * UP**2 + spent.reset_pulses * DOWN**2
    assert budget.worst_joules == pytest.approx(squares * WIDTH * G_MOST)
    assert 0.0 < spent.write_joules < budget.worst_joules


def test_a_dry_run_of_a_batch_says_what_it_would_come_to_as_a_table():
    board = exact()
    batch = PulseBatch.of(torch.tensor([[2, -1] + 6 * [0]] + 9 * [8 * [0]]))
    shape = PulseShape(np.array([1.0, 2.0]), 1e-6)
    budget = dry_run(board.info, batch, shape, most_siemens=1e-3)
    assert budget == Budget(
        set_pulses=2, reset_pulses=1, cells=2, most_pulses=2, most_volts=2.0, most_seconds=1e-6,
        pulse_seconds=pytest.approx(3e-6), worst_joules=pytest.approx(6e-9),
    )  # fmt: skip
    assert budget.table() == (
        "SET pulses        2\n"
        "RESET pulses      1\n"
        "cells             2\n"
        "most in one cell  2\n"
        "largest amplitude 2 V\n"
        "longest pulse     1e-06 s\n"
        "device time       3e-06 s\n"
        "energy at worst   6e-09 J"
    )
    assert "energy at worst   unknown" in dry_run(board.info, batch).table()
    assert board.counters == Counters()


def test_device_time_of_a_product_is_a_read_for_each_row_of_tiles():
    board = simulated(shape=(40, 30), tile=(16, 16))
    lab.vmm(board, np.full((5, 40), 0.2))
    assert device_seconds(board.counters, board.info) == pytest.approx(5 * 3 * 1e-7)


def test_the_energy_of_another_pulse_is_bounded_by_its_own_volts_and_width():
    board = within(simulated(), seconds=1e-5)
    lab.pulse_slice(board, 3, "word", np.linspace(1.0, 1.7, 8), 3e-7, count=2)
    lab.pulse_slice(board, 4, "bit", -1.1, 1e-6)
    wanted = (2 * 3e-7 * np.linspace(1.0, 1.7, 8) ** 2).sum() + 10 * 1e-6 * 1.1**2
    assert board.budget().worst_joules == pytest.approx(wanted * G_MOST)
    assert 0.0 < board.counters.write_joules < board.budget().worst_joules
    assert board.budget().most_volts == 1.7
    assert board.budget().pulse_seconds == pytest.approx(16 * 3e-7 + 1e-5)


def test_one_value_per_device_for_another_number_of_devices_is_refused():
    board = within()
    batch = PulseBatch(np.array([0, 1], np.int32), np.array([1, 1], np.int32))
    with pytest.raises(ShapeError, match=r"volts of the pulses has shape \(3,\), the batch \(2,\)"):
        board.pulse(batch, PulseShape(np.ones(3)))
    assert board.counters == Counters()
