"""Cells, slices, arrays and products over any board; lines that float or lie at ground."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from xbar_lab_boards import OXRAM, exact, fixed, simulated

from crossbar.array.counters import Counters
from crossbar.boards import lab
from crossbar.boards.lines import Lines
from device_models.errors import LimitError, ShapeError

UP, DOWN, WIDTH = OXRAM.set_volts, -OXRAM.reset_volts, OXRAM.width_seconds
PULSES = {  # every way to pulse -> which devices of (10, 8) it moves, and how
    "one": (lambda b: lab.pulse_one(b, 3, 5, UP, WIDTH), {(3, 5): 1}),
    "one, twice": (lambda b: lab.pulse_one(b, 3, 5, DOWN, count=2), {(3, 5): -2}),
    "word slice": (
        lambda b: lab.pulse_slice(b, 2, "word", UP, WIDTH, np.arange(8) < 2),
        {(2, 0): 1, (2, 1): 1},
    ),
    "bit slice": (
        lambda b: lab.pulse_slice(b, 7, "bit", DOWN, mask=np.arange(10) == 9), {(9, 7): -1},
    ),
    "a slice of both signs": (
        lambda b: lab.pulse_slice(b, 0, "word", np.where(np.arange(8) % 2, UP, DOWN)),
        {(0, i): 1 if i % 2 else -1 for i in range(8)},
    ),
    "outer": (
        lambda b: lab.pulse_outer(b, np.eye(10)[4], [1, -1, 0, 0, 0, 0, 0, 2.5], count=3),
        {(4, 0): 3, (4, 1): -3, (4, 7): 3},
    ),
    "outer with amplitudes": (
        lambda b: lab.pulse_outer(b, np.eye(10)[4], [1, -1] + 6 * [0], UP, -DOWN, WIDTH),
        {(4, 0): 1, (4, 1): -1},
    ),
    "array": (
        lambda b: lab.pulse_array(b, np.where(np.arange(80).reshape(10, 8) == 12, 5, 0)),
        {(1, 4): 5},
    ),
}  # fmt: skip


def test_cells_slices_and_the_array_show_the_same_devices():
    board = exact()
    g = board.state.g.double().numpy()
    assert_array_equal(lab.read_all(board), g)
    assert lab.read_one(board, 3, 5) == g[3, 5]
    assert_array_equal(lab.read_slice(board, 3, "word"), g[3])
    assert_array_equal(lab.read_slice(board, 5, "bit"), g[:, 5])
    assert lab.read_all(board).dtype == np.float64


def test_a_masked_slice_is_nan_elsewhere_and_reads_only_what_it_shows():
    board = exact()
    mask = np.array([True, False, True, False, False, False, False, False])
    siemens = lab.read_slice(board, 1, "word", mask)
    assert_array_equal(np.isnan(siemens), ~mask)
    assert_array_equal(siemens[mask], board.state.g[1].double().numpy()[mask])
    assert board.counters.device_reads == 2
    assert np.isnan(lab.read_slice(board, 1, "word", np.zeros(8, bool))).all()
    assert board.counters.device_reads == 2


@pytest.mark.parametrize("name", PULSES)
def test_pulses_reach_the_devices_they_are_for_and_no_others(name):
    send, wanted = PULSES[name]
    board = exact()
    before = board.state.g.clone()
    send(board)
    pulsed = np.zeros((10, 8), int)
    for cell, count in wanted.items():
        pulsed[cell] = count
    assert_array_equal(board.pulsed.numpy(), abs(pulsed))
    assert_array_equal(np.sign((board.state.g - before).numpy()), np.sign(pulsed))


def test_pulseread_is_the_pulse_and_then_the_read():
    one, other = exact(), exact()
    lab.pulse_one(other, 3, 5, UP)
    assert lab.pulseread_one(one, 3, 5, UP) == lab.read_one(other, 3, 5)
    lab.pulse_slice(other, 3, "bit", DOWN)
    assert_array_equal(lab.pulseread_slice(one, 3, "bit", DOWN), lab.read_slice(other, 3, "bit"))
    lab.pulse_array(other, np.ones((10, 8)))
    assert_array_equal(lab.pulseread_all(one, UP), lab.read_all(other))


def test_products_run_both_ways():
    board, z = exact(), np.random.default_rng(0)
    g = board.state.g.double().numpy()
    words, bits = 0.2 * z.random((3, 10)), 0.2 * z.random((3, 8))
    bits[1] = 0.0
    assert_allclose(lab.vmm(board, words), words @ g, rtol=1e-5, atol=1e-12)
    assert_allclose(lab.vmm(board, bits, "bit"), bits @ g.T, rtol=1e-5, atol=1e-12)
    assert lab.vmm(board, words[0]).shape == (1, 8)


def test_the_noise_of_a_product_along_bit_lines_is_that_of_a_product():
    """Spread of 4000 products, standard error 1.1 %, against sum V^2 s^2; 5 sigma."""
    board = simulated()
    volts = np.tile(np.linspace(0.05, 0.2, 8), (4000, 1))
    spread = lab.vmm(board, volts, "bit").std(0)
    wanted = np.sqrt((volts[0] ** 2 * board.read_sigma.double().numpy() ** 2).sum(1))
    assert (np.abs(spread / wanted - 1) < 5 / np.sqrt(8000)).all()
    assert (np.abs(1.2 * spread / wanted - 1) > 5 / np.sqrt(8000)).all()  # the control


def test_devices_are_programmed_into_their_band():
    board = exact()
    mask = np.ones((10, 8), bool)
    mask[0] = False
    targets = np.linspace(2e-4, 8e-4, 80).reshape(10, 8)
    before = board.state.g.clone()
    result = lab.program(board, OXRAM, targets, 1e-5, mask)
    assert_array_equal(result.accepted.numpy(), mask)
    assert (np.abs(lab.read_all(board) - targets)[mask] <= 1e-5).all()
    assert torch.equal(board.state.g[0], before[0])


REFUSED = {
    "there is no word line 10, emulated Oxram has 0 to 9": lambda b: lab.read_one(b, 10, 0),
    "there is no bit line -1": lambda b: lab.pulse_one(b, 0, -1, UP),
    "there is no bit line 8": lambda b: lab.read_slice(b, 8, "bit"),
    "an axis is 'word' or 'bit', not 'row'": lambda b: lab.read_slice(b, 0, "row"),
    "a pulse of 0 V is neither SET nor RESET": lambda b: lab.pulse_one(b, 0, 0, 0.0),
    "a pulse of nan V": lambda b: lab.pulse_slice(b, 0, "word", np.nan),
    "a pulse of 0 s has no width": lambda b: lab.pulse_one(b, 0, 0, UP, 0.0),
    "a pulse of nan s has no width": lambda b: lab.pulse_one(b, 0, 0, UP, np.nan),
    "0 pulses: give 1 to": lambda b: lab.pulse_one(b, 0, 0, UP, count=0),
    "counts of pulses are not whole": lambda b: lab.pulse_array(b, np.full((10, 8), 0.5)),
    "more than 1073741824 pulses": lambda b: lab.pulse_array(b, np.full((10, 8), 2.0**31)),
    "an amplitude of -1 V is not positive": lambda b: lab.pulse_array(b, np.ones((10, 8)), -1.0),
    "a sign is nan": lambda b: lab.pulse_outer(b, np.full(10, np.nan), np.ones(8)),
    "a tolerance of 0 S": lambda b: lab.program(b, OXRAM, 1e-4, 0.0),
    "the target of a device is not finite": lambda b: lab.program(b, OXRAM, np.nan, 1e-5),
    "a voltage is inf": lambda b: lab.vmm(b, np.full((1, 10), np.inf)),
}
MISSHAPEN = {
    "a mask of bool (7,) is given for (8,)": lambda b: lab.read_slice(
        b, 0, "word", np.ones(7, bool)
    ),
    "a mask of int64": lambda b: lab.pulse_slice(b, 0, "word", UP, mask=np.ones(8, int)),
    "voltages have shape (1, 9), not (vectors, 10 word": lambda b: lab.vmm(b, np.ones((1, 9))),
    "voltages have shape (10,), not (vectors, 8 bit": lambda b: lab.vmm(b, np.ones(10), "bit"),
    "counts has shape (8, 10)": lambda b: lab.pulse_array(b, np.ones((8, 10))),
    "signs have shapes (8,) and (10,)": lambda b: lab.pulse_outer(b, np.ones(8), np.ones(10)),
    "targets have shape (3,)": lambda b: lab.program(b, OXRAM, np.ones(3), 1e-5),
}


@pytest.mark.parametrize("text", [*REFUSED, *MISSHAPEN])
def test_what_is_refused_sends_and_reads_nothing(text):
    board = exact()
    before = board.state.g.clone()
    kind = LimitError if text in REFUSED else ShapeError
    with pytest.raises(kind, match=r"(nothing was (sent|read)|no pulse was applied)$") as raised:
        (REFUSED | MISSHAPEN)[text](board)
    assert str(raised.value).startswith(text)
    assert board.counters == Counters()
    assert torch.equal(board.state.g, before)


# Lines


def test_a_pulse_on_a_grounded_line_is_refused_and_changes_nothing():
    lines = Lines(exact())
    lines.ground_all()
    with pytest.raises(LimitError, match=r"word line 3 is grounded; nothing was sent$"):
        lab.pulse_one(lines, 3, 5, UP)
    lines.select(words=[3])
    with pytest.raises(LimitError, match=r"bit line 5 is grounded; nothing was sent$"):
        lab.pulse_one(lines, 3, 5, UP)
    assert lines.counters == Counters()
    lines.select(words=[3], bits=[5])
    lab.pulse_one(lines, 3, 5, UP)
    lines.float_all()
    lab.pulse_one(lines, 0, 0, UP)
    assert lines.counters.set_pulses == 2


def test_grounded_lines_read_nan_and_are_not_read():
    lines = Lines(exact())
    lines.select(words=[1, 2], bits=[0, 7])
    siemens = lab.read_all(lines)
    free = np.zeros((10, 8), bool)
    free[np.ix_([1, 2], [0, 7])] = True
    assert_array_equal(np.isnan(siemens), ~free)
    assert lines.counters.device_reads == 4
    assert_array_equal(np.isnan(lab.vmm(lines, np.zeros(10))[0]), np.arange(8) % 7 != 0)
    with pytest.raises(LimitError, match=r"word line 0 is grounded; nothing was read"):
        lab.vmm(lines, np.full(10, 0.2))


def test_the_idle_state_is_restored_whatever_happens():
    lines = Lines(exact())
    lines.ground_all()

    def interrupted():
        with lines.selected([3], [5]):
            lab.pulse_one(lines, 3, 5, UP)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert lines.grounded_words.all()
    assert lines.grounded_bits.all()
    with pytest.raises(LimitError, match=r"there is no word line 10, .* nothing was switched"):
        lines.select([10])
    assert lines.grounded_words.all()


def test_a_pulse_that_the_board_has_not_is_refused_by_the_board():
    board = fixed()
    lab.pulse_one(board, 0, 0, 1.2, 1e-7)
    with pytest.raises(LimitError, match=r"nothing was sent$"):
        lab.pulse_one(board, 0, 0, 1.25)
    assert board.counters.set_pulses == 1
