"""Broken arrays: how much is broken, what it does to reads and pulses, and what half select does.

Statistical limits are 5 sigma, two-sided (false alarm 6e-7), on fixed seeds.
"""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_boards import program_all, pulse_one
from xbar_devices import all_devices, gen, quiet, registered, unit
from xbar_stats import z_of_share
from xbar_training import finish, same_bits, small, synthetic, trained, trainer_of

from crossbar.array import half_select
from crossbar.array.faults import (
    HIGH_OVER_TOP,
    LOW_OVER_BOTTOM,
    FaultMap,
    Faults,
    check_bridges,
    draw,
    healthy,
    load,
    save,
    shapes,
)
from crossbar.array.half_select import HalfSelect
from crossbar.array.tile import Tiling
from crossbar.boards.fault_detection import find_faults
from crossbar.boards.operations import pulse_array
from crossbar.boards.simulated import SimulatedBoard
from crossbar.experiment import checkpoint
from crossbar.wires import nodal
from crossbar.wires.array import WiredArray
from crossbar.wires.wires import Wires
from device_models.errors import ConfigError, LimitError, ShapeError
from device_models.presets import load_device
from device_models.streams import stream

IDEAL = load_device("ideal")
DEVICE = dataclasses.replace(registered("soft_bounds"), g_max_siemens=1e-3)
TILING = Tiling(10, 14, 4, 5)  # tiles of 4 x 5 and smaller ones at the edges
V_READ, T_READ = 0.2, 1e-7


def rng(seed=0):
    return np.random.default_rng(seed)


def drawn(tiling=TILING, seed=0, **rates):
    return draw(Faults(**rates), tiling, DEVICE, generator=rng(seed))


def broken(tiling=TILING, **parts):
    """A map with faults at the given places."""
    made = healthy(tiling)
    for name, places in parts.items():
        for place, value in places.items():
            getattr(made, name)[place] = value
    return dataclasses.replace(made)  # checks it


def board_of(model, faults=None, *, tiling=TILING, wires=None, half=None, seed=3):
    """A board with devices all over the window."""
    wired = None
    if wires is not None:
        each = wires if faults is None else faults.tile_wires(wires)
        tile = tiling.tile_rows, tiling.tile_columns
        wired = WiredArray((tiling.rows, tiling.columns), tile, each, refresh="every")
    board = SimulatedBoard(
        model, tiling, torch.ones((tiling.rows, tiling.columns), dtype=torch.bool),
        v_read_volts=V_READ, t_read_seconds=T_READ, seed=seed, index=0,
        wired=wired, faults=faults, half=half,
    )  # fmt: skip
    x = 0.2 + 0.6 * torch.rand(board.info.shape, generator=gen(5))
    g = (model.g_min_siemens + model.window_siemens * x).to(board.state.g.dtype)
    board.restore(board.state._replace(g=g))
    return board


# Rates


def test_rates_are_met():
    tiling = Tiling(400, 600, 16, 16)
    made = drawn(
        tiling, stuck_high_share=0.05, stuck_low_share=0.03, open_word_share=0.02,
        open_bit_share=0.04, bridged_word_share=0.03, bridged_bit_share=0.02,
        stuck_high_siemens=2e-3, stuck_low_siemens=1e-8,
    )  # fmt: skip
    high, low = made.stuck_siemens == 2e-3, made.stuck_siemens == 1e-8
    inner_words = made.bridged_words[np.arange(400) % 16 != 15]
    inner_bits = made.bridged_bits[:, (np.arange(600) % 16 != 15) & (np.arange(600) != 599)]
    for found, share in (
        (high, 0.05), (low, 0.03), (made.open_words, 0.02), (made.open_bits, 0.04),
        (inner_words, 0.03), (inner_bits, 0.02),
    ):  # fmt: skip
        hits = torch.from_numpy(found)
        assert abs(z_of_share(hits, share)) < 5
        assert hits.any()
    assert abs(z_of_share(torch.from_numpy(high), 0.06)) > 5  # the control
    assert made.as_dict()["stuck_devices"] == high.sum() + low.sum()


def test_a_higher_rate_keeps_the_faults_of_a_lower_one():
    few, many = (drawn(stuck_high_share=s, stuck_low_share=s) for s in (0.1, 0.3))
    assert few.stuck.any()
    assert (many.stuck_siemens[few.stuck] == few.stuck_siemens[few.stuck]).all()
    assert many.stuck.sum() > few.stuck.sum()


def test_levels_that_are_left_open_lie_outside_the_window():
    made = drawn(stuck_high_share=0.5, stuck_low_share=0.5)
    levels = np.unique(made.stuck_siemens)
    expected = [DEVICE.g_min_siemens * LOW_OVER_BOTTOM, DEVICE.g_max_siemens * HIGH_OVER_TOP]
    assert_close(levels, np.array(expected), rtol=1e-12, atol=0.0)
    assert levels[0] < DEVICE.g_min_siemens < DEVICE.g_max_siemens < levels[1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stuck_high_share": 1.1}, r"stuck_high_share = 1.1 is outside \[0, 1\]"),
        ({"stuck_high_share": 0.6, "stuck_low_share": 0.5}, "together exceed 1"),
        ({"stuck_low_siemens": -1e-6}, r"stuck_low_siemens = -1e-06 is outside \[0, 1\] S"),
        ({"map": "a.npz", "open_bit_share": 0.1}, "a map and rates; give one of them"),
    ],
)
def test_wrong_rates_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        Faults(**settings)


# Maps


EVERYTHING = {
    "stuck_high_share": 0.2, "stuck_low_share": 0.1, "open_word_share": 0.2,
    "open_bit_share": 0.2, "bridged_word_share": 0.3, "bridged_bit_share": 0.3,
}  # fmt: skip


def test_a_map_comes_back_from_its_file(tmp_path):
    maps = [drawn(seed=1, **EVERYTHING), drawn(Tiling(3, 4, 8, 8), seed=2, **EVERYTHING)]
    save(tmp_path / "a.npz", maps)
    for place, made in enumerate(maps):
        found = load(tmp_path / "a.npz", place, made.tiling)
        for name in shapes(made.tiling):
            np.testing.assert_array_equal(getattr(found, name), getattr(made, name))


def test_a_part_that_a_file_leaves_out_is_healthy(tmp_path):
    stuck = np.full((10, 14), np.nan)
    stuck[2, 3] = 5e-4
    np.savez(tmp_path / "a.npz", **{"0.stuck_siemens": stuck})
    assert load(tmp_path / "a.npz", 0, TILING).as_dict()["stuck_devices"] == 1
    assert not any(load(tmp_path / "a.npz", 1, TILING).as_dict().values())


BAD_MAPS = {
    "negative": ({"0.stuck_siemens": np.full((10, 14), -1e-6)}, r"-1e-06 S at word line 0, bit"),
    "infinite": ({"0.stuck_siemens": np.full((10, 14), np.inf)}, r"has inf S at word line 0"),
    "shape": ({"0.stuck_siemens": np.ones((10, 13))}, r"\(10, 13\), the array needs \(10, 14\)"),
    "outside": ({"0.open_words": np.ones((11, 3), bool)}, r"\(11, 3\), the array needs \(10, 3\)"),
    "text": ({"0.stuck_siemens": np.full((10, 14), "x")}, "holds <U1, not numbers"),
    "numbers": ({"0.open_bits": np.ones((3, 14))}, "holds float64, not true or false"),
    "name": ({"0.stuck": np.ones(3)}, r"holds '0.stuck'; allowed are LAYER.PART"),
    "bridge": ({"0.bridged_words": np.ones((10, 3), bool)}, "bridged to the next, outside"),
    "pickle": ({"0.open_bits": np.array([{}])}, "cannot be read"),
}


@pytest.mark.parametrize(("parts", "message"), BAD_MAPS.values(), ids=BAD_MAPS)
def test_a_wrong_map_is_refused_in_one_line(tmp_path, parts, message):
    np.savez(tmp_path / "a.npz", **parts)
    with pytest.raises(ConfigError, match=message) as told:
        load(tmp_path / "a.npz", 0, TILING)
    assert str(told.value).endswith("nothing was built")
    assert "a.npz" in str(told.value)
    assert "pickle" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04 broken"])
def test_an_unreadable_map_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ConfigError, match=r"cannot be read .* nothing was built$"):
        load(tmp_path / "a.npz", 0, TILING)


def test_a_map_that_is_no_archive_is_told_in_our_words(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"no archive")
    words = r"cannot be read \(it holds something else than arrays of numbers\); nothing was built$"
    with pytest.raises(ConfigError, match=words):
        load(tmp_path / "a.npz", 0, TILING)


def test_bridges_need_lines_with_resistance():
    word, bit = (broken(**{f"bridged_{n}s": {(0, 0): True}}) for n in ("word", "bit"))
    for made, name, end in ((word, "word", "driver"), (bit, "bit", "sense")):
        message = f"bridged {name} lines need .* wires.{name}_ohms or wires.{end}_ohms"
        with pytest.raises(ConfigError, match=message):
            check_bridges(made, Wires())
        check_bridges(made, Wires(**{f"{end}_ohms": 10.0}))


# Stuck devices


@pytest.mark.parametrize("model", all_devices().values(), ids=all_devices())
def test_a_stuck_device_never_moves(model):
    made = broken(stuck_siemens={(2, 3): 2.5e-3, (7, 8): 0.0})
    board = board_of(model, made)
    healthy_before = board.g[0, 0].clone()
    step = unit(model)
    for way in (1, -1):
        counts = torch.full(board.info.shape, way * step, dtype=torch.int32)
        for _ in range(10):
            pulse_array(board, counts)
            board.wait(10.0)
    pulse_array(board, 1000 * step * torch.ones(board.info.shape, dtype=torch.int32))
    seen = board.g.double()
    assert_close(seen[2, 3], torch.tensor(2.5e-3, dtype=torch.float64), rtol=1e-6, atol=0.0)
    assert seen[7, 8] == 0.0
    assert board.g[0, 0] != healthy_before or board.faults.stuck[0, 0]
    sent = sum(model.pulses(1000 * step * torch.ones(1))) + 20 * sum(
        model.pulses(step * torch.ones(1))
    )
    assert board.counters.lost_pulses == int(board.faults.stuck.sum()) * sent


def test_the_stuck_devices_of_a_kind_join_those_of_the_array():
    """Drawn by the board; what the map says of a device holds."""
    kind = dataclasses.replace(
        DEVICE, stuck_low_share=0.4, stuck_low_siemens=1e-7, stuck_high_share=0.2,
        stuck_high_siemens=3e-3,
    )  # fmt: skip
    tiling = Tiling(100, 100, 128, 128)
    given = np.full((100, 100), np.nan)
    given[:10] = 5e-4
    board = board_of(kind, dataclasses.replace(healthy(tiling), stuck_siemens=given), tiling=tiling)
    levels = torch.from_numpy(board.faults.stuck_siemens)
    assert (levels[:10] == 5e-4).all()
    assert abs(z_of_share(levels[10:] == 1e-7, 0.4)) < 5
    assert abs(z_of_share((levels[10:] - 3e-3).abs() < 1e-9, 0.2)) < 5
    moving = board.g[levels.isnan()].clone()
    pulse_array(board, torch.ones(board.info.shape, dtype=torch.int32))
    stuck = ~levels.isnan()
    assert_close(board.g[stuck].double(), levels[stuck], rtol=1e-6, atol=0.0)
    assert (board.g[~stuck] != moving).all()
    assert board.counters.lost_pulses == int(stuck.sum())
    assert (board.pulsed[stuck] == 0).all()


def test_a_stuck_device_does_not_wear():
    model = dataclasses.replace(DEVICE, endurance_pulses=1e6)
    board = board_of(model, broken(stuck_siemens={(2, 3): 2e-3}))
    pulse_array(board, torch.full(board.info.shape, 7, dtype=torch.int32))
    worn = board.state.dynamics["pulses"]
    assert worn[2, 3] == 0
    assert worn[0, 0] == 7


def test_pulses_to_a_stuck_device_are_paid_for():
    """V^2 t g per pulse, by hand."""
    board = board_of(quiet(DEVICE), broken(stuck_siemens={(2, 3): 2e-3}))
    pulse_one(board, 2, 3, 5)
    pulse_one(board, 2, 3, -2)
    joules = (5 * DEVICE.set_volts**2 + 2 * DEVICE.reset_volts**2) * DEVICE.width_seconds * 2e-3
    assert board.counters.write_joules == pytest.approx(joules, rel=1e-6, abs=1e-30)
    assert (board.counters.set_pulses, board.counters.reset_pulses) == (5, 2)
    assert board.counters.lost_pulses == 7


def test_write_verify_gives_up_on_stuck_devices():
    made = broken(stuck_siemens={(2, 3): 2e-3})
    board = board_of(quiet(DEVICE), made)
    program_all(board, DEVICE, torch.full(board.info.shape, 3e-4))
    off = (board.g - 3e-4).abs() > 2e-5
    assert off[2, 3]
    assert off.sum() == 1


def test_no_fault_changes_no_bit():
    one, other = board_of(DEVICE), board_of(DEVICE, healthy(TILING))
    for board in (one, other):
        pulse_array(board, torch.full(board.info.shape, 3, dtype=torch.int32))
    assert torch.equal(one.state.g, other.state.g)
    assert torch.equal(one.read(), other.read())
    assert one.counters == other.counters


def test_probing_finds_every_stuck_device():
    stuck = {(2, 3): 2e-3, (7, 8): 1e-7, (0, 13): 5e-4}
    made = broken(stuck_siemens=stuck, open_words={(5, 1): True})
    board = board_of(DEVICE, made)
    found = find_faults(board, DEVICE, torch.ones(board.info.shape, dtype=torch.bool))
    np.testing.assert_array_equal(found.stuck, made.stuck | made.cut)
    for place, level in stuck.items():
        assert found.stuck_siemens[place] == pytest.approx(level, rel=0.3)
    assert (found.stuck_siemens[5, 5:10] == 0.0).all()


# Open and bridged lines


LINES = {"open_words": {(1, 0): True, (9, 2): True}, "open_bits": {(0, 7): True, (2, 13): True}}


def test_devices_on_an_open_line_carry_no_current_and_move_not():
    made = broken(**LINES)
    board = board_of(DEVICE, made)
    cut = np.zeros((10, 14), bool)
    cut[1, 0:5] = cut[9, 10:14] = True  # within their tiles alone
    cut[0:4, 7] = cut[8:10, 13] = True
    np.testing.assert_array_equal(made.cut, cut)
    before = board.state.g.clone()
    pulse_array(board, torch.full((10, 14), -5, dtype=torch.int32))
    where = torch.from_numpy(cut)
    assert torch.equal(board.state.g[where], before[where])
    assert (board.state.g != before)[~where].all()
    assert (board.read()[where] == 0.0).all()
    currents = board.vmm(V_READ * torch.eye(10))
    assert (currents[where] == 0.0).all()
    assert (currents[~where] != 0.0).all()
    assert board.counters.lost_pulses == 5 * cut.sum()


@pytest.mark.parametrize("wires", [Wires(5.0, 3.0), Wires(5.0, 3.0, 50.0, 20.0)])
def test_broken_lines_behind_wires_are_the_nodal_solution(wires):
    bridges = {"bridged_words": {(4, 1): True}, "bridged_bits": {(1, 2): True}}
    made = broken(**LINES, **bridges, stuck_siemens={(6, 6): 2e-3})
    board = board_of(quiet(DEVICE), made, wires=wires)
    own = np.where(made.stuck, made.stuck_siemens, board.state.g.double().numpy())
    whole = np.empty((10, 14))
    for a in range(0, 10, 4):
        for b in range(0, 14, 5):
            rows, columns = range(a, min(a + 4, 10)), range(b, min(b + 5, 14))
            parts = {
                "open_words": tuple(i - a for i in rows if made.open_words[i, b // 5]),
                "open_bits": tuple(j - b for j in columns if made.open_bits[a // 4, j]),
                "bridged_words": tuple(i - a for i in rows if made.bridged_words[i, b // 5]),
                "bridged_bits": tuple(j - b for j in columns if made.bridged_bits[a // 4, j]),
            }
            place = slice(a, a + 4), slice(b, b + 5)
            lines = dataclasses.replace(wires, **parts)
            whole[place] = nodal.transfer_matrix(own[place], lines).T
    assert_close(board.g.double().numpy(), whole, rtol=1e-5, atol=1e-12)
    plain = board_of(quiet(DEVICE), wires=wires).g.double().numpy()
    assert np.abs(plain - whole).max() > 1e-5  # the control


# Half select

HALF = HalfSelect(disturb_volts=0.3)
V3 = HalfSelect(scheme="V/3", disturb_volts=0.3)
LINEAR = quiet(registered("linear_step"), set_slope=0.0, reset_slope=0.0)


def one_by_one(model, g, counts, tiling, half):
    """Every pulse on its own, every other device of its tile in turn; energy at the first g."""
    after, joules = g.clone().double(), 0.0
    share = {"V/2": 1 / 2, "V/3": 1 / 3}[half.scheme]
    tile = lambda i, j: (i // tiling.tile_rows, j // tiling.tile_columns)  # noqa: E731
    for i, j in np.ndindex(*g.shape):
        for _ in range(abs(int(counts[i, j]))):
            way = 1 if counts[i, j] > 0 else -1
            volts = model.set_volts if way > 0 else model.reset_volts
            for k, m in np.ndindex(*g.shape):
                if (k, m) == (i, j) or tile(k, m) != tile(i, j):
                    continue
                beside = k == i or m == j
                if not beside and half.scheme == "V/2":
                    continue
                own = way if beside else -way
                full = model.set_volts if own > 0 else model.reset_volts
                fraction = math.exp(-(full - share * volts) / half.disturb_volts)
                step = model.step_siemens(after[k, m], torch.tensor(float(own)))
                after[k, m] += own * fraction * step
                joules += (share * volts) ** 2 * float(g[k, m]) * model.width_seconds
    return after, joules


@pytest.mark.parametrize("half", [HALF, V3], ids=["V/2", "V/3"])
@pytest.mark.parametrize(
    ("model", "rtol"),
    [(LINEAR, 1e-6), (quiet(DEVICE), 2e-3), (quiet(registered("exp_step")), 2e-3)],
)
def test_half_select_is_a_loop_over_single_pulses(model, rtol, half):
    """Exact where a step does not depend on the state, else to first order in the disturbance."""
    tiling = Tiling(5, 6, 3, 4)
    board = board_of(model, tiling=tiling, half=half)
    counts = torch.randint(-1, 2, (5, 6), generator=gen(8), dtype=torch.int32)
    own = board_of(model, tiling=tiling)
    pulse_array(own, counts)  # without disturbance
    after, joules = one_by_one(model, own.state.g, counts, tiling, half)
    pulse_array(board, counts)
    disturbed = board.state.g.double() - own.state.g.double()
    expected = after - own.state.g.double()
    assert expected.abs().max() > 1e-8
    atol = rtol * float(expected.abs().max()) + 1e-11
    assert_close(disturbed, expected, rtol=10 * rtol, atol=10 * atol)
    spent = board.counters.write_joules - own.counters.write_joules
    assert spent == pytest.approx(joules, rel=1e-4, abs=0.0)


def test_energy_of_half_selected_devices_by_hand():
    """One SET at (0, 0) of a 2 x 2 tile: (V/2)^2 t of its two neighbours."""
    tiling = Tiling(2, 2, 8, 8)
    board = board_of(LINEAR, tiling=tiling, half=HALF)
    g, volts = board.state.g.double(), LINEAR.set_volts
    found = half_select.disturb(
        LINEAR, board.state, board.state.g, torch.tensor([[3, 0], [0, 0]]), tiling, HALF
    )
    by_hand = 3 * (volts / 2) ** 2 * LINEAR.width_seconds * float(g[0, 1] + g[1, 0])
    assert found.energy_joules == pytest.approx(by_hand, rel=1e-6, abs=0.0)
    assert found.state.g[0, 0] == board.state.g[0, 0]
    assert found.state.g[1, 1] == board.state.g[1, 1]


def test_disturbed_devices_stay_within_their_bounds():
    board = board_of(DEVICE, half=HalfSelect(disturb_volts=10.0))
    for way in (40, -40):
        pulse_array(board, torch.full((10, 14), way, dtype=torch.int32))
        assert (board.state.g >= board.state.traits["g_low"]).all()
        assert (board.state.g <= board.state.traits["g_high"]).all()


def test_broken_devices_are_not_disturbed():
    made = broken(stuck_siemens={(2, 3): 2e-3}, open_words={(1, 0): True})
    board = board_of(DEVICE, made, half=HALF)
    before = board.state.g.clone()
    pulse_one(board, 0, 0, 20)
    pulse_one(board, 0, 3, 20)
    assert board.state.g[2, 3] == before[2, 3]
    assert torch.equal(board.state.g[1, :5], before[1, :5])
    assert board.state.g[3, 0] != before[3, 0]


def test_an_array_of_one_transistor_each_disturbs_nobody():
    board = board_of(DEVICE)
    before = board.state.g.clone()
    pulse_one(board, 3, 3, 20)
    assert (board.state.g != before).sum() == 1


def test_disturbed_devices_are_read_as_they_are_and_a_state_stays_as_handed_out():
    """The arrays of the kernels follow in place; read anew from the state, they are the same."""
    board = board_of(DEVICE, broken(stuck_siemens={(2, 3): 1e-4}), half=HALF)
    board.wait(100.0)
    before = board.state
    copy = before.g.clone()
    pulse_one(board, 0, 3, 20)
    pulse_one(board, 5, 6, -20)
    assert torch.equal(before.g, copy)
    g, sigma = board.g.clone(), board.read_sigma.clone()
    board.refresh()
    assert_close(board.g, g, rtol=1e-6, atol=0.0)
    assert_close(board.read_sigma, sigma, rtol=1e-6, atol=0.0)
    assert (board.g != copy).sum() > 12


def test_devices_relax_as_those_that_pulses_left_whoever_half_selects_them():
    model = load_device("oxram")
    counts = torch.zeros((10, 14), dtype=torch.int32)
    counts[2, 3], counts[2, 1] = 5, -8  # on one word line
    boards = board_of(model), board_of(model, half=HALF)
    for board in boards:
        board.restore(board.state._replace(g=torch.full((10, 14), 3e-5)))  # between its levels
        pulse_array(board, counts)
    own, disturbed = (board.state for board in boards)
    assert not torch.equal(own.g, disturbed.g)
    assert_close(disturbed.dynamics["kick"], own.dynamics["kick"], rtol=0, atol=0)
    assert own.dynamics["kick"][2, 3] != 0.0


def test_half_select_needs_a_device_with_voltages():
    with pytest.raises(ConfigError, match="1R needs a device with pulse voltages; Ideal has none"):
        board_of(IDEAL, half=HALF)


# Training


def test_default_settings_have_no_faults():
    row = trained(small(epochs=1), synthetic()).rows[0]
    assert "faults" not in row


KINDS = {
    "faults": {"faults": Faults(stuck_high_share=0.01, stuck_low_share=0.05, open_bit_share=0.02)},
    "1R": {"array_kind": "1R"},
    "copies": {
        "faults": Faults(stuck_low_share=0.1),
        "placement": "remap",
        "copies": 3,
        "averaged": 2,
    },
    "wires": {
        "faults": Faults(open_word_share=0.02, bridged_bit_share=0.05),
        "wires": Wires(2.0, 2.0),
        "batch_size": 96,
        "network": {"hidden": 10},
    },
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_resumed_run_equals_an_uninterrupted_one(kind):
    config, data = small(**kind), synthetic()
    whole = trained(config, data)
    first = trained(dataclasses.replace(config, epochs=1), data)
    second = trainer_of(config, data, threads=2)
    before = first.conductances()
    checkpoint.restore(second, checkpoint.save(first, before))
    finish(second, 2)
    same_bits(whole, second)


def test_a_row_tells_what_is_broken(tmp_path):
    config = small(faults=Faults(stuck_low_share=0.1, open_word_share=0.01), epochs=1)
    trainer = trained(config, synthetic())
    told = trainer.rows[0]["faults"]
    for number, layer in enumerate(trainer.layers):
        made = draw(
            config.faults, layer.board.faults.tiling, DEVICE,
            generator=stream("faults", config.seed, number),
        )  # fmt: skip
        assert told["layers"][number] == made.as_dict()
    assert trainer.rows[1]["faults"]["lost_pulses"] > 0


def test_a_run_with_a_map_is_the_run_that_drew_it(tmp_path):
    config = small(faults=Faults(stuck_low_share=0.1, open_word_share=0.01), epochs=1)
    one = trained(config, synthetic())
    save(tmp_path / "a.npz", [layer.board.faults for layer in one.layers])
    given = dataclasses.replace(config, faults=Faults(map=str(tmp_path / "a.npz")))
    same_bits(one, trained(given, synthetic()))


def test_a_map_of_another_array_names_the_layer(tmp_path):
    save(tmp_path / "a.npz", [healthy(TILING)])
    with pytest.raises(ConfigError, match=r"layer 0: stuck_siemens has shape \(10, 14\)"):
        trainer_of(small(faults=Faults(map=str(tmp_path / "a.npz"))), synthetic())


def test_bad_values_in_a_map_object_are_refused():
    parts = {name: getattr(healthy(TILING), name) for name in shapes(TILING)}
    with pytest.raises(LimitError, match="allowed are finite values of 0 S and more"):
        FaultMap(tiling=TILING, **parts | {"stuck_siemens": np.full((10, 14), -1.0)})
    with pytest.raises(ShapeError, match="open_bits has shape"):
        FaultMap(tiling=TILING, **parts | {"open_bits": np.zeros((2, 14), bool)})
