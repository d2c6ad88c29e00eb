"""Pulses that lose amplitude on their lines, against Kirchhoff's laws written out node by node."""

import dataclasses

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from xbar_devices import gen, quiet

from crossbar.array.half_select import HalfSelect
from crossbar.array.tile import Tiling
from crossbar.boards.protocol import PulseBatch, PulseShape
from crossbar.boards.simulated import SimulatedBoard
from crossbar.experiment.array_parts import lossless_note, wired
from crossbar.wires.pulse_loss import behind_transistors, half_selected
from crossbar.wires.wires import Wires
from device_models.presets import load_device

ENDS = [{}, {"drive_both_ends": True}, {"drive_both_ends": True, "ground_both_ends": True}]
OXRAM = quiet(load_device("oxram_literature"), relax_sigma_siemens=0.0)
LOSSY = Wires(20.0, 35.0, 100.0, 40.0, pulse_loss=True)
SHAPE = (7, 5)


def grid(seed=0):
    return 10.0 ** np.random.default_rng(seed).uniform(-6.0, -3.0, SHAPE)


def across(g, wires, row, column, bias):
    """Voltage of a device per volt of its pulse: every node of the tile in one dense system.

    Word line `row` is at 1 V and bit line `column` at 0 V, the other word lines at `bias` and the
    other bit lines at 1 - `bias`.
    """
    rows, columns = g.shape
    word = np.arange(g.size).reshape(g.shape)
    law, current = np.zeros((2 * g.size, 2 * g.size)), np.zeros(2 * g.size)

    def resistor(a, b, siemens):
        law[[a, b], [a, b]] += siemens
        law[a, b] -= siemens
        law[b, a] -= siemens

    def source(node, volts, siemens):
        law[node, node] += siemens
        current[node] += volts * siemens

    for i in range(rows):
        for j in range(columns):
            resistor(word[i, j], g.size + word[i, j], g[i, j])
            if j:
                resistor(word[i, j - 1], word[i, j], 1.0 / wires.word_ohms)
            if i:
                resistor(g.size + word[i - 1, j], g.size + word[i, j], 1.0 / wires.bit_ohms)
    for i in range(rows):
        for end in (0, -1) if wires.drive_both_ends else (0,):
            siemens = 1.0 / (wires.word_ohms + wires.driver_ohms)
            source(word[i, end], 1.0 if i == row else bias, siemens)
    for j in range(columns):
        for end in (-1, 0) if wires.ground_both_ends else (-1,):
            siemens = 1.0 / (wires.bit_ohms + wires.sense_ohms)
            source(g.size + word[end, j], 0.0 if j == column else 1.0 - bias, siemens)
    volts = np.linalg.solve(law, current)
    return volts[word[row, column]] - volts[g.size + word[row, column]]


def each_across(g, wires, bias):
    return np.array(
        [[across(g, wires, i, j, bias) for j in range(SHAPE[1])] for i in range(SHAPE[0])]
    )


@pytest.mark.parametrize("ends", ENDS)
def test_with_transistors_a_pulse_loses_exactly_what_kirchhoff_says(ends):
    wires, g = dataclasses.replace(LOSSY, **ends), grid()
    alone = np.empty(SHAPE)
    for i, j in np.ndindex(SHAPE):
        cut = np.zeros(SHAPE)
        cut[i, j] = g[i, j]
        alone[i, j] = across(cut, wires, i, j, 0.0)
    assert 0.1 < 1.0 - alone.min() < 0.5
    assert_allclose(behind_transistors(wires, *SHAPE).reaching(g), alone, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("ends", ENDS)
@pytest.mark.parametrize("bias", [1 / 2, 1 / 3])
def test_without_transistors_half_selected_devices_load_the_lines(ends, bias):
    """Within a fifteenth of what is lost; the path of the device alone would miss a quarter."""
    wires, g = dataclasses.replace(LOSSY, **ends), grid()
    true = each_across(g, wires, bias)
    error = np.abs(half_selected(g, wires, bias).reaching(g) - true)
    assert (error < (1.0 - true).max() / 15).all()
    alone = np.abs(behind_transistors(wires, *SHAPE).reaching(g) - true)
    assert alone.max() > (1.0 - true).max() / 4


def test_without_transistors_it_is_exact_where_the_crossing_lines_have_no_resistance():
    """Bit lines that hold their bias whatever flows: only the word line of the device loses."""
    held = dataclasses.replace(LOSSY, bit_ohms=1e-6, sense_ohms=0.0)
    true = each_across(grid(), held, 0.5)
    formula = half_selected(grid(), held, 0.5).reaching(grid())
    assert_allclose(formula, true, rtol=1e-6, atol=0.0)


def test_the_far_corner_of_128_lines_of_2_ohm():
    far = behind_transistors(Wires(2.0, 2.0), 128, 128)
    assert_allclose(far.ohms[0, -1], 512.0, rtol=1e-12, atol=0.0)
    assert_allclose(1.0 - far.reaching(2e-4)[0, -1], 0.0929, rtol=1e-3, atol=0.0)
    assert_allclose(1.0 - far.reaching(1e-3)[0, -1], 0.3386, rtol=1e-3, atol=0.0)


# On a board


def board(model=OXRAM, wires=LOSSY, **parts):
    tiling = Tiling(*SHAPE, 4, 3)
    return SimulatedBoard(
        model, tiling, torch.ones(SHAPE, dtype=torch.bool), v_read_volts=0.2, t_read_seconds=1e-7,
        seed=1, index=0, wired=wired(wires, tiling, None), **parts,
    )  # fmt: skip


def risen(model=OXRAM, wires=LOSSY, **parts):
    """A board whose devices are somewhere in their window."""
    made = board(model, wires, **parts)
    x = torch.rand(SHAPE, generator=gen(3))
    made.restore(made.state._replace(g=model.g_min_siemens + x * model.window_siemens))
    return made


def some_pulses():
    rng = np.random.default_rng(2)
    device = rng.permutation(SHAPE[0] * SHAPE[1])[:20].astype(np.int32)
    return PulseBatch(device, rng.choice([-1, 1], 20).astype(np.int32))


def test_a_device_moves_as_by_a_pulse_of_the_amplitude_that_reaches_it():
    lossy, whole, batch = risen(), risen(wires=Wires(20.0, 35.0, 100.0, 40.0)), some_pulses()
    g = lossy.state.g.double().numpy().reshape(-1)[batch.device]
    tiles = [(4, 3), (4, 2), (3, 3), (3, 2)]
    ohms = {shape: behind_transistors(LOSSY, *shape).ohms for shape in tiles}
    path = [
        ohms[4 if i < 4 else 3, 3 if j < 3 else 2][i % 4, j % 3]
        for i, j in (divmod(int(d), SHAPE[1]) for d in batch.device)
    ]
    volts = np.where(batch.count > 0, OXRAM.set_volts, OXRAM.reset_volts)
    left = 1.0 / (1.0 + g * np.array(path))
    lossy.pulse(batch)
    whole.pulse(batch, PulseShape(volts=volts * left))
    assert_allclose(lossy.state.g.numpy(), whole.state.g.numpy(), rtol=1e-6, atol=0.0)
    after = whole.state.g.double().numpy().reshape(-1)[batch.device]
    # What is lost: (V - V_device) I t, with the mean conductance of before and after.
    lines = OXRAM.width_seconds * volts**2 * left * (1.0 - left) * (g + after) / 2.0
    spent = whole.counters.write_joules + lines.sum()
    assert_allclose(lossy.counters.write_joules, spent, rtol=1e-6, atol=0.0)


def test_pulses_lose_nothing_unless_the_wires_are_told_to_take_from_them():
    plain, batch = Wires(20.0, 35.0, 100.0, 40.0), some_pulses()
    made, ideal = risen(wires=plain), risen(wires=Wires())
    for each in (made, ideal):
        each.pulse(batch)
    assert torch.equal(made.state.g, ideal.state.g)


def test_the_kernels_and_the_slow_path_agree():
    """A device that may stand still goes by the model's own functions."""
    mortal = dataclasses.replace(OXRAM, endurance_pulses=1e12)
    fast, slow = risen(), risen(mortal)
    for each in (fast, slow):
        each.pulse(some_pulses())
    assert_allclose(fast.state.g.numpy(), slow.state.g.numpy(), rtol=2e-6, atol=0.0)
    joules = fast.counters.write_joules, slow.counters.write_joules
    assert_allclose(joules[0], joules[1], rtol=2e-6, atol=0.0)


def test_without_transistors_pulses_move_less_far():
    batch, half = some_pulses(), HalfSelect(disturb_volts=1e-3)
    lossy, whole = risen(half=half), risen(wires=Wires(20.0, 35.0), half=half)
    before = lossy.state.g.reshape(-1)[batch.device]
    moves = []
    for each in (lossy, whole):
        each.pulse(batch)
        moves.append((each.state.g.reshape(-1)[batch.device] - before).abs())
    assert (moves[0] < moves[1]).all()


def test_a_run_says_which_pulses_lose_nothing():
    lawless = dataclasses.replace(OXRAM, reset_scale_volts=None)
    assert lossless_note(OXRAM, LOSSY, "mine.yaml") == ""
    assert lossless_note(lawless, Wires(2.0, 2.0), "mine.yaml") == ""
    text = lossless_note(lawless, LOSSY, "mine.yaml")
    assert "mine.yaml" in text
    assert "its RESET pulses lose nothing" in text
    made, same = risen(lawless), risen(lawless, wires=Wires())
    down = PulseBatch(np.array([4], np.int32), np.array([-1], np.int32))
    for each in (made, same):
        each.pulse(down)
    assert torch.equal(made.state.g, same.state.g)
