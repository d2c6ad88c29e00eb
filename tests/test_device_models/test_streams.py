"""One stream per purpose and place, none of which moves another."""

import itertools
import random

import numpy as np
import torch
from xbar_boards import read_line
from xbar_devices import quiet

from crossbar.array.tile import Tiling
from crossbar.boards.operations import pulse_array
from crossbar.boards.simulated import SimulatedBoard
from device_models.presets import load_device
from device_models.streams import stream, stream_key, torch_stream

N = 100_000  # standard error of a correlation 0.32 %
PURPOSES = ("manufacture", "pulses", "board reads", "policy", "shuffle", "read noise")
# (seed, board, epoch). The places of one purpose must have one length: numpy's seeding takes
# [seed, purpose] and [seed, purpose, 0] for the same.
PLACES = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 1, 1), (1, 1, 0), (7, 0, 0), (0, 0, 7)]


def draws(*name):
    return stream(*name).standard_normal(N)


def torch_draws(*name):
    return torch.randn(N, generator=torch_stream(*name), dtype=torch.float64).numpy()


def test_a_stream_is_named_by_purpose_seed_and_place():
    for make in (draws, torch_draws):
        assert make("pulses", 3, 1, 2).tobytes() == make("pulses", 3, 1, 2).tobytes()
    assert stream_key("pulses", 3, 1, 2) == stream_key("pulses", 3, 1, 2)


def test_names_that_differ_anywhere_give_other_keys():
    keys = [stream_key(p, *place) for p in PURPOSES for place in PLACES]
    assert len(set(keys)) == len(keys)
    assert all(0 <= key < 2**63 for key in keys)


def test_streams_are_independent_of_each_other():
    """Correlations of 28 pairs of streams of neighbouring names: 5 sigma each."""
    names = [("pulses", *place) for place in PLACES[:4]] + [(p, 0, 0, 0) for p in PURPOSES[2:]]
    for make in (draws, torch_draws):
        rows = np.corrcoef([make(*name) for name in names])
        for i, j in itertools.combinations(range(len(names)), 2):
            assert abs(rows[i, j]) < 5 / N**0.5


def test_the_test_above_would_notice_a_shared_part_of_5_percent():
    a, b, shared = (draws("pulses", seed) for seed in range(3))
    one, other = (np.sqrt(0.95) * own + np.sqrt(0.05) * shared for own in (a, b))
    assert abs(np.corrcoef(one, other)[0, 1]) > 5 / N**0.5


def test_drawing_from_one_stream_moves_no_other_and_no_global_one():
    torch_before, python_before = torch.random.get_rng_state(), random.getstate()
    alone = draws("pulses", 0)
    one, other = stream("pulses", 0), stream("policy", 0)
    parts = []
    for _ in range(10):
        parts.append(one.standard_normal(N // 10))
        other.standard_normal(17)
    assert np.concatenate(parts).tobytes() == alone.tobytes()
    assert torch.equal(torch.random.get_rng_state(), torch_before)
    assert random.getstate() == python_before


def board(model, *, seed=3, index=0):
    tiling = Tiling(6, 8, 128, 128)
    selected = torch.ones((6, 8), dtype=torch.bool)
    return SimulatedBoard(
        model, tiling, selected, v_read_volts=0.2, t_read_seconds=1e-7, seed=seed, index=index
    )


def test_reading_moves_no_pulse():
    """Two boards get the same pulses; one is read all the time."""
    counts = torch.arange(48, dtype=torch.int32).view(6, 8) % 7 - 3
    silent, read = board(load_device("oxram_literature")), board(load_device("oxram_literature"))
    for _ in range(5):
        pulse_array(silent, counts)
        read.read()
        read_line(read, 2, "bit")
        read.vmm(torch.full((3, 6), 0.2))
        pulse_array(read, counts)
    assert torch.equal(silent.state.g, read.state.g)


def test_pulsing_moves_no_read():
    """The noise of a read is what it would have been without the pulses."""
    pulsed, still = board(load_device("oxram_literature")), board(load_device("oxram_literature"))
    pulse_array(pulsed, torch.ones((6, 8), dtype=torch.int32))
    z = [(b.read() - b.state.g) / b.read_sigma for b in (pulsed, still)]
    torch.testing.assert_close(*z, rtol=0.0, atol=1e-3)  # rounding of a difference


def test_silent_cycles_redraw_no_array():
    noisy = load_device("oxram_literature")
    same = quiet(noisy, d2d_step_sigma=noisy.d2d_step_sigma, d2d_bound_sigma=noisy.d2d_bound_sigma)
    for name, trait in board(noisy).state.traits.items():
        assert torch.equal(trait, board(same).state.traits[name])


def test_boards_of_another_seed_or_number_hold_other_devices():
    arrays = [
        board(load_device("oxram_literature"), seed=seed, index=index).state.g
        for seed, index in itertools.product((3, 4), (0, 1))
    ]
    for one, other in itertools.combinations(arrays, 2):
        assert not torch.equal(one, other)
