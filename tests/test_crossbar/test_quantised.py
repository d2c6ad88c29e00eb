"""Boards that set and measure in steps."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from xbar_lab_boards import GRID, OXRAM, exact, fixed

from crossbar.array.counters import Counters
from crossbar.boards import lab
from crossbar.boards.protocol import BoardInfo, Grid
from crossbar.boards.quantised import QuantisedBoard
from device_models.errors import ConfigError, LimitError


def test_without_a_grid_nothing_changes():
    plain, wrapped = exact(), QuantisedBoard(exact(), Grid())
    lab.pulseread_all(plain, OXRAM.set_volts)
    lab.pulseread_all(wrapped, OXRAM.set_volts)
    assert torch.equal(plain.state.g, wrapped.board.state.g)
    assert plain.info.grid is None
    assert {f.name for f in BoardInfo.__dataclass_fields__.values()} >= {"grid"}


def test_volts_and_seconds_go_to_the_nearest_step():
    """The board takes its own pulse alone, 1.2 V and 100 ns: what gets through was rounded so."""
    board = QuantisedBoard(fixed(), GRID)
    lab.pulse_one(board, 0, 0, 1.23, 1.04e-7)
    lab.pulse_one(board, 0, 0, 1.16, 0.96e-7)
    lab.pulse_one(board, 0, 0, -1.34)
    lab.pulse_slice(board, 0, "word", np.linspace(1.16, 1.24, 8))
    assert board.counters.set_pulses == 10
    with pytest.raises(LimitError, match=r"nothing was sent$"):
        lab.pulse_one(board, 0, 0, 1.26)
    with pytest.raises(LimitError, match=r"nothing was sent$"):
        lab.pulse_one(board, 0, 0, 1.2, 1.12e-7)
    assert board.counters.set_pulses == 10


def test_own_pulses_off_the_grid_are_sent_as_the_grid_has_them():
    board = QuantisedBoard(fixed(), Grid(dac_volts=0.5))
    assert (board.info.set_volts, board.info.reset_volts) == (1.0, 1.5)
    with pytest.raises(LimitError, match=r"nothing was sent$"):
        lab.pulse_array(board, np.ones((10, 8)))


@pytest.mark.parametrize(
    ("volts", "seconds", "text"),
    [
        (10.1, None, "10.1 V is beyond the instrument's \\+/-10 V"),
        (-11.0, None, "11 V is beyond"),
        (1.2, 2e-8, "a pulse of 2e-08 s, the instrument has 4e-08 to 1 s"),
        (1.2, 2.0, "a pulse of 2 s"),
    ],
)
def test_beyond_the_range_nothing_is_sent(volts, seconds, text):
    board = QuantisedBoard(exact(), GRID)
    with pytest.raises(LimitError, match=text + ".*nothing was sent$"):
        lab.pulse_one(board, 0, 0, volts, seconds)
    with pytest.raises(LimitError, match=r"20 V is beyond"):
        lab.vmm(board, np.full(10, 20.0))
    assert board.counters == Counters()


def test_currents_come_in_steps_of_the_converter_and_within_its_range():
    step, most = 1e-6, 1e-4
    board = QuantisedBoard(exact(), Grid(adc_amperes=step, most_amperes=most))
    amperes = board.board.state.g.double().numpy() * 0.2
    measured = lab.read_all(board) * 0.2
    assert_allclose(measured / step, np.round(measured / step), rtol=0.0, atol=1e-3)
    inside = amperes < most
    assert inside.any()
    assert not inside.all()
    assert (np.abs(measured - amperes)[inside] <= step / 2 * 1.001).all()
    assert_allclose(measured[~inside], most, rtol=1e-6)
    assert_allclose(lab.vmm(board, np.full(10, 0.2)), most, rtol=1e-6)


def test_a_board_that_does_not_fit_the_instrument_is_refused():
    with pytest.raises(ConfigError, match=r"emulated Oxram does not fit .* 1.2 V is beyond"):
        QuantisedBoard(exact(), Grid(most_volts=1.0))
    with pytest.raises(ConfigError, match=r"grid.dac_volts = 0 is no step"):
        QuantisedBoard(exact(), Grid(dac_volts=0.0))


def test_pulses_of_any_amplitude_have_the_effect_of_the_step_they_are_rounded_to():
    rounded, plain = QuantisedBoard(exact(), GRID), exact()
    lab.pulse_one(rounded, 0, 0, 1.13, 2.09e-7)
    lab.pulse_slice(rounded, 3, "word", np.linspace(0.9, 1.6, 8) + 0.04)
    lab.pulse_one(plain, 0, 0, 1.1, 2e-7)
    lab.pulse_slice(plain, 3, "word", np.arange(9, 17) / 10)
    assert torch.equal(rounded.board.state.g, plain.state.g)
    assert rounded.counters == plain.counters


def test_own_pulses_off_the_grid_move_devices_by_the_steps_of_the_grid():
    rounded, plain = QuantisedBoard(exact(), Grid(dac_volts=0.25, time_seconds=3e-8)), exact()
    lab.pulse_array(rounded, np.tile([2, -1], (10, 4)))
    assert (rounded.info.set_volts, rounded.info.reset_volts) == (1.25, 1.25)
    lab.pulse_array(plain, np.tile([2, -1], (10, 4)), 1.25, rounded.info.set_seconds)
    assert rounded.info.set_seconds == pytest.approx(9e-8)
    assert torch.equal(rounded.board.state.g, plain.state.g)
