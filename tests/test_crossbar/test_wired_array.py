"""An array through its wires while its conductances change."""

import numpy as np
import pytest
import torch
from xbar_boards import program_all

from crossbar.array.tile import Tiling
from crossbar.boards.operations import pulse_array
from crossbar.boards.simulated import SimulatedBoard
from crossbar.wires.array import WiredArray
from crossbar.wires.transfer import transfer_matrix
from crossbar.wires.wires import Wires
from device_models.presets import load_device

WIRES, OXRAM = Wires(5.0, 5.0), load_device("oxram_literature")
SHAPE, TILE = (50, 30), (32, 16)


def rng(seed=0):
    return np.random.default_rng(seed)


def start():
    return 10.0 ** rng(1).uniform(-6.0, -3.5, SHAPE)


def moved(g, seed, size=0.3):
    """Conductances after pulses to a third of the devices."""
    z = rng(seed)
    return np.where(z.random(g.shape) < 0.3, g * np.exp(size * z.normal(size=g.shape)), g)


def exact(g):
    """Tile by tile, the obvious way."""
    whole = np.empty(g.shape)
    for a in range(0, SHAPE[0], TILE[0]):
        for b in range(0, SHAPE[1], TILE[1]):
            place = (slice(a, a + TILE[0]), slice(b, b + TILE[1]))
            whole[place] = transfer_matrix(g[place], WIRES).T
    return whole


def off(seen, g):
    """Largest error of a column current with all rows driven, tile by tile."""
    true, worst = exact(g), 0.0
    for a in range(0, SHAPE[0], TILE[0]):
        rows = slice(a, a + TILE[0])
        currents = true[rows].sum(0)
        worst = max(worst, np.abs(seen[rows].sum(0) - currents).max() / currents.max())
    return worst


def array(refresh, **options):
    wired = WiredArray(SHAPE, TILE, WIRES, refresh=refresh, **options)
    wired.start(start(), rng(2))
    return wired


def test_every_change_is_solved_and_only_changes():
    wired = array("every")
    np.testing.assert_array_equal(wired.follow(start()).siemens, exact(start()))
    assert wired.solved == 0
    g = start()
    g[40, 3] *= 2.0  # one device, one tile
    np.testing.assert_array_equal(wired.follow(g).siemens, exact(g))
    assert wired.solved == 1


def test_between_solutions_a_change_is_right_to_first_order():
    wired, errors = array("epoch"), []
    for size in (0.04, 0.02, 0.01):
        g = moved(start(), 3, size)
        errors.append(off(wired.follow(g).siemens, g))
        assert off(wired.follow(start()).siemens, g) > 10.0 * errors[-1]  # the old matrix is worse
    assert wired.solved == 0
    assert errors[0] < 2e-3
    # The lines load each other, which ladders neglect: the error is a small share of the change.
    assert errors[2] < 0.3 * errors[0]


def test_adaptive_solves_a_tile_when_its_probe_is_beyond_the_bound():
    wired, g = array("adaptive", bound=3e-3), start()
    for step in range(60):
        g = moved(g, 10 + step)
        seen = wired.follow(g).siemens
    assert 0 < wired.solved < 60
    assert wired.worst_error > 3e-3  # that is what made it solve
    loose = array("adaptive", bound=1.0)
    for step in range(60):
        loose.follow(moved(g, 10 + step))
    assert loose.solved == 0
    assert off(seen, g) < 0.1 * off(loose.follow(g).siemens, g)


def test_a_checkpoint_is_exact_and_measured():
    wired, g = array("epoch"), moved(start(), 4, 1.0)
    before = off(wired.follow(g).siemens, g)
    seen = wired.checkpoint(g)
    np.testing.assert_array_equal(seen.siemens, exact(g))
    assert 0.0 < wired.checkpoint_error < 1e-8
    assert 0.1 * before < wired.worst_error < 10.0 * before
    wired.checkpoint(g)
    assert wired.solved == 4  # nothing changed, nothing was solved


def test_starting_anew_solves_what_is_not_exact_and_gives_the_same_numbers():
    g = moved(start(), 5)
    used, fresh = array("adaptive"), WiredArray(SHAPE, TILE, WIRES)
    for step in range(5):
        used.follow(moved(g, step))
    for wired in (used, fresh):
        wired.start(g, rng(6))
    for step in range(8):
        g = moved(g, 20 + step)
        np.testing.assert_array_equal(used.follow(g).siemens, fresh.follow(g).siemens)


def test_bridged_lines_are_probed_too():
    wired = WiredArray(SHAPE, TILE, Wires(5.0, 5.0, bridged_words=(0,)), bound=1e-9)
    wired.start(start(), rng())
    wired.follow(moved(start(), 7))
    assert wired.solved == 1


def board(wires, refresh="every"):
    wired = WiredArray((40, 20), (32, 16), wires, refresh=refresh)
    return SimulatedBoard(
        OXRAM, Tiling(40, 20, 32, 16), torch.ones(40, 20, dtype=torch.bool),
        v_read_volts=0.2, t_read_seconds=1e-7, seed=0, index=0, wired=wired,
    )  # fmt: skip


def test_write_and_verify_closes_its_loop_through_the_wires():
    made = board(Wires(20.0, 20.0))
    targets = torch.full((40, 20), 6e-5)
    program_all(made, OXRAM, targets)
    own = OXRAM.conductance(made.state)
    seen, meant = (x.double().mean().item() for x in (made.g, targets))
    assert seen == pytest.approx(meant, rel=0.05)
    assert own.double().mean().item() > 1.05 * meant  # the devices make up for the lines


def test_a_board_reads_its_devices_and_its_currents_through_the_wires():
    made = board(Wires(20.0, 20.0))
    pulse_array(made, torch.full((40, 20), 30, dtype=torch.int32))
    own = OXRAM.conductance(made.state).double().numpy()
    v = torch.zeros(1, 40)
    v[0, 5] = 0.2
    one = transfer_matrix(own[:32, :16], Wires(20.0, 20.0))[:, 5] * 0.2
    found = torch.stack([made.vmm(v)[0, :16] for _ in range(400)]).double().numpy()
    error = found.std(0) / 20.0
    assert (np.abs(found.mean(0) - one) < 5.0 * error).all()
    assert made.g[5, 3].item() == pytest.approx(one[3] / 0.2, rel=1e-6)
