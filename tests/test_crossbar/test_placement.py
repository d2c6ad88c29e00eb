"""Where a layer lies on a faulty array: rows that change places, copies that are averaged."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_boards import indices, pulse_line, pulse_one, read_line, read_one
from xbar_devices import gen, quiet, registered
from xbar_stats import z_of_mean, z_of_sigma
from xbar_training import changed, small, synthetic, trained, trainer_of

from crossbar.array.faults import Faults, draw, healthy
from crossbar.array.periphery import Periphery
from crossbar.array.placement import (
    Placement,
    assign,
    best_placement,
    choose,
    error,
    held,
    plain,
    row_costs,
)
from crossbar.array.tile import Tiling
from crossbar.boards.operations import pulse_array
from crossbar.boards.protocol import PulseBatch, PulseShape, ReadCounts
from crossbar.boards.routed import RoutedBoard, RoutedEmulator
from crossbar.boards.simulated import SimulatedBoard
from crossbar.boards.write_verify import program
from crossbar.experiment import fault_study
from crossbar.experiment.run import Run
from crossbar.mappings import MAPPINGS
from crossbar.synapses.synapses import Synapses
from device_models.errors import ConfigError, LimitError, ShapeError
from device_models.presets import load_device

DEVICE = dataclasses.replace(registered("soft_bounds"), g_max_siemens=1e-3)
QUIET, IDEAL = quiet(DEVICE), load_device("ideal")
UNIT = DEVICE.window_siemens / 0.5
SIGNS = {"none": (0, 0, 0, 0, 0), "dale": (1, 1, -1, 1, -1)}
ONES = np.ones


def mapping_of(name, signs, outputs=4):
    return MAPPINGS[name](
        torch.tensor(signs, dtype=torch.int8), outputs, UNIT, DEVICE.g_min_siemens,
        DEVICE.g_max_siemens, 6,
    )  # fmt: skip


def wanted(mapping, seed=0):
    """Weights that a mapping can hold."""
    w = 0.2 * torch.randn(mapping.shape, generator=gen(seed))
    return mapping.clip(w)


def faults_of(rows, columns, *, seed=1, tile=(8, 6), **rates):
    rates = rates or {"stuck_high_share": 0.1, "stuck_low_share": 0.15, "open_word_share": 0.1}
    tiling = Tiling(rows, columns, *tile)
    return draw(Faults(**rates), tiling, DEVICE, generator=np.random.default_rng(seed))


KINDS = [(name, signs) for name in MAPPINGS for signs in SIGNS if (name, signs) != ("dale", "none")]
each_mapping = pytest.mark.parametrize(("name", "signs"), KINDS)


# Rows


@each_mapping
@pytest.mark.parametrize("seed", range(3))
def test_remapped_rows_are_the_best_of_all_permutations(name, signs, seed):
    mapping = mapping_of(name, SIGNS[signs])
    faults = faults_of(5, mapping.columns, seed=seed)
    targets = mapping.targets(wanted(mapping, seed))
    found = best_placement(faults, targets, mapping.weights, copies=1, averaged=1, remap=True)

    def cost(order):
        where = dataclasses.replace(found, order=torch.tensor(order))
        return error(faults, targets, mapping.weights, where, importance=ONES(5))

    costs = {order: cost(order) for order in itertools.permutations(range(5))}
    assert cost(found.order.tolist()) == pytest.approx(min(costs.values()), rel=1e-5)
    assert min(costs.values()) < costs[0, 1, 2, 3, 4]  # the faults here leave something to gain


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("copies", "averaged"), [(1, 1), (3, 3), (3, 1)])
def test_remapping_is_never_worse_than_leaving_rows_where_they_are(seed, copies, averaged):
    mapping = mapping_of("one_sided", (0,) * 20, outputs=6)
    faults = faults_of(20, 12 * copies, seed=seed)
    targets = mapping.targets(wanted(mapping, seed))
    importance = np.random.default_rng(seed).random(20)
    options = {"copies": copies, "averaged": averaged, "importance": importance}
    errors = [
        error(
            faults, targets, mapping.weights,
            best_placement(faults, targets, mapping.weights, remap=remap, **options),
            importance=importance,
        )
        for remap in (False, True)
    ]  # fmt: skip
    assert errors[1] <= errors[0]


def test_rows_stay_in_their_row_of_tiles():
    cost = np.random.default_rng(0).random((20, 20))
    order = assign(cost, 8)
    assert sorted(order) == list(range(20))
    assert all(line // 8 == row // 8 for row, line in enumerate(order))


def test_a_perfect_array_leaves_every_row_where_it_is():
    mapping = mapping_of("one_sided", SIGNS["dale"])
    targets = mapping.targets(wanted(mapping))
    found = best_placement(
        healthy(Tiling(5, 8, 8, 6)), targets, mapping.weights, copies=1, averaged=1, remap=True
    )
    assert found.order.tolist() == [0, 1, 2, 3, 4]


def test_the_cost_of_a_row_at_a_word_line_is_the_error_it_makes_there():
    mapping = mapping_of("one_sided", SIGNS["dale"])
    faults = faults_of(5, 8)
    targets, weight = mapping.targets(wanted(mapping)), np.arange(5.0)
    cost = row_costs(faults, targets, mapping.weights, copies=1, importance=weight)
    for order in [(0, 1, 2, 3, 4), (4, 2, 0, 1, 3)]:
        where = dataclasses.replace(plain(5, 8, 1), order=torch.tensor(order))
        total = error(faults, targets, mapping.weights, where, importance=weight)
        assert sum(cost[line, row] for row, line in enumerate(order)) == pytest.approx(total)


def test_an_unimportant_row_takes_the_worst_word_line():
    mapping = mapping_of("one_sided", (1,) * 6)
    faults = healthy(Tiling(6, 8, 8, 8))
    faults.stuck_siemens[2] = 3e-3
    targets = mapping.targets(wanted(mapping))
    importance = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 1.0])
    found = best_placement(
        faults, targets, mapping.weights, copies=1, averaged=1, remap=True, importance=importance
    )
    assert found.order[4] == 2


# Copies


def test_the_best_copies_of_each_bit_line_are_averaged():
    mapping = mapping_of("one_sided", (1,) * 5)
    faults = healthy(Tiling(5, 24, 8, 8))
    faults.stuck_siemens[0, 3] = faults.stuck_siemens[1, 8 + 5] = 3e-3
    targets = mapping.targets(wanted(mapping))
    found = choose(faults, targets, plain(5, 8, 3), averaged=2, importance=ONES(5))
    out = (~found.averaged).nonzero().tolist()
    assert [0, 3] in out
    assert [1, 5] in out
    assert len(out) == 8
    assert error(faults, targets, mapping.weights, found, importance=ONES(5)) < 1e-5


def test_more_copies_leave_less_error():
    """Root mean square of the weights' errors; 40 x 30 devices a copy, 20 draws."""
    mapping = mapping_of("one_sided", (0,) * 40, outputs=15)
    targets = mapping.targets(wanted(mapping))
    found = {}
    for copies, averaged in ((1, 1), (3, 3), (3, 1), (6, 3)):
        squares = []
        for seed in range(20):
            faults = faults_of(40, 30 * copies, seed=seed, stuck_high_share=0.05)
            where = best_placement(
                faults, targets, mapping.weights, copies=copies, averaged=averaged, remap=False
            )
            off = mapping.weights(where.mean(held(faults, targets, where)))
            squares.append(float((off - mapping.weights(targets)).square().mean()))
        found[copies, averaged] = np.array(squares)
    for better in ((3, 3), (3, 1), (6, 3)):
        gain = torch.from_numpy(found[1, 1] - found[better])
        assert z_of_mean(gain, 0.0) > 5
    # The mean of 3 independent errors has a third of their variance, and the square of their mean.
    assert found[3, 3].mean() < 0.5 * found[1, 1].mean()


# The board of a placed layer


ROWS, COLUMNS = 10, 6


def placed_board(model=QUIET, *, copies=3, faults=None, seed=4):
    """A board with some order and two of three copies averaged."""
    z = np.random.default_rng(seed)
    order = np.concatenate((z.permutation(8), 8 + z.permutation(2)))
    averaged = np.ones((copies, COLUMNS), bool)
    if copies > 1:
        averaged[z.integers(0, copies, COLUMNS), np.arange(COLUMNS)] = False
    where = Placement(torch.from_numpy(order), torch.from_numpy(averaged))
    tiling = Tiling(ROWS, copies * COLUMNS, 8, 8)
    array = SimulatedBoard(
        model, tiling, where.sent(torch.ones(ROWS, COLUMNS, dtype=torch.bool)),
        v_read_volts=0.2, t_read_seconds=1e-7, seed=seed, index=0, faults=faults,
    )  # fmt: skip
    return RoutedBoard(array, where)


def truth(board):
    """What the emulator knows of the layer."""
    return RoutedEmulator(board.board, board.placement).effective()


def write(board, model, targets):
    """The simple loop through the routes."""
    selected = torch.ones(board.info.shape, dtype=torch.bool)
    return board.write(program, model, targets, selected, None)


def test_a_layer_reads_back_what_was_programmed():
    board = placed_board(IDEAL)
    targets = 1e-4 + 5e-4 * torch.rand(ROWS, COLUMNS, generator=gen(2))
    found = write(board, IDEAL, targets)
    assert_close(found, targets, rtol=0.0, atol=1e-9)
    assert_close(truth(board).siemens, targets, rtol=0.0, atol=1e-9)
    for row, line in enumerate(board.placement.order.tolist()):
        for copy, column in board.placement.averaged.nonzero().tolist():
            own = board.board.g[line, copy * COLUMNS + column]
            assert_close(own, targets[row, column], rtol=0.0, atol=1e-9)
    never = ~board.placement.averaged.flatten()
    assert (board.board.state.g[:, never] == IDEAL.g_min_siemens).all()


def test_every_way_to_read_a_placed_layer_agrees():
    board = placed_board()
    write(board, QUIET, 1e-4 + 5e-4 * torch.rand(ROWS, COLUMNS, generator=gen(2)))
    ways = {
        "all": board.read(),
        "word": torch.stack([read_line(board, i, "word") for i in range(ROWS)]),
        "bit": torch.stack([read_line(board, j, "bit") for j in range(COLUMNS)], 1),
        "one": torch.tensor([[read_one(board, i, j) for j in range(COLUMNS)] for i in range(ROWS)]),
        "vmm": board.vmm(0.2 * torch.eye(ROWS)) / 0.2,
    }
    for found in ways.values():
        assert_close(found, truth(board).siemens, rtol=1e-5, atol=1e-12)


def test_the_noise_of_a_mean_is_that_of_its_copies():
    board = placed_board(DEVICE)
    write(board, DEVICE, torch.full((ROWS, COLUMNS), 3e-4))
    every = indices(board)
    siemens, sigma = truth(board)
    for read in (board.read, lambda: board.read(every)):
        z = (torch.stack([read() for _ in range(400)]).double() - siemens) / sigma
        assert abs(z_of_mean(z, 0.0)) < 5
        assert abs(z_of_sigma(z, 1.0)) < 5
        assert abs(z_of_sigma(z * 2**0.5, 1.0)) > 5  # the control: the noise of one copy
    vmm = torch.stack([board.vmm(torch.full((1, ROWS), 0.2))[0] for _ in range(2000)]).double()
    spread = 0.2 * sigma.double().square().sum(0).sqrt()
    assert abs(z_of_sigma((vmm - vmm.mean(0)) / spread, 1.0)) < 5


def test_pulses_go_to_every_averaged_copy():
    board = placed_board()
    before = board.board.state.g.clone()
    pulse_one(board, 2, 3, 4)
    moved = (board.board.state.g != before).nonzero().tolist()
    line = int(board.placement.order[2])
    copies = board.placement.averaged[:, 3].nonzero().flatten().tolist()
    assert moved == [[line, copy * COLUMNS + 3] for copy in copies]
    assert board.counters.set_pulses == 8
    pulse_line(board, 2, "word", torch.ones(COLUMNS, dtype=torch.int32))
    pulse_line(board, 1, "bit", torch.ones(ROWS, dtype=torch.int32))
    assert board.counters.set_pulses == 8 + 2 * COLUMNS + 2 * ROWS


def test_the_energy_of_a_kernel_is_that_of_the_averaged_bit_lines():
    board = placed_board()
    write(board, QUIET, torch.full((ROWS, COLUMNS), 3e-4))
    before, emulator = board.counters, RoutedEmulator(board.board, board.placement)
    emulator.count_vmm(ReadCounts(1, 1, float(emulator.effective().siemens[2].sum())))
    spent = board.counters - before
    line = board.board.g[board.placement.order[2]]
    by_hand = float(line[board.placement.averaged.flatten()].sum()) * 0.2**2 * 1e-7
    assert spent.read_joules == pytest.approx(by_hand, rel=1e-5, abs=0.0)
    assert spent.row_activations == 3  # a word line in each of three tiles


def test_a_compliance_holds_for_every_copy():
    board = placed_board(dataclasses.replace(QUIET, compliance_volts=0.4))
    board.pulse(PulseBatch.of(torch.full((10, 6), 400)), PulseShape(compliance_amperes=1e-5))
    g = board.board.state.g[board.board.pulsed > 0]
    assert len(g) == 2 * 60
    assert g.numpy() == pytest.approx(np.full(len(g), 1e-5 / 0.4), rel=1e-5)


def test_a_placed_layer_refuses_what_a_board_refuses():
    board = placed_board()
    with pytest.raises(
        LimitError, match=r"there is no device 60, .* has 0 to 59; nothing was sent"
    ):
        board.read(np.array([3, 60]))
    with pytest.raises(LimitError, match="there is no device -1"):
        board.pulse(PulseBatch(np.array([-1], np.int32), np.array([1], np.int32)))
    with pytest.raises(LimitError, match="one pulse shape; nothing was sent"):
        board.pulse(PulseBatch.of(torch.ones(10, 6)), PulseShape(volts=np.ones(60)))
    with pytest.raises(ShapeError, match=r"\(10, 18\), the array \(10, 6\); no pulse was applied"):
        pulse_array(board, torch.ones(10, 18, dtype=torch.int32))
    with pytest.raises(ShapeError, match="voltages have shape"):
        board.vmm(torch.ones(2, 11))


# Training


def test_training_through_a_permutation_is_training():
    """An ideal device without faults: where a row lies changes nothing but the order of sums."""
    config, data = small(device="ideal.yaml", epochs=1), synthetic()
    plain_run = trained(config, data)
    moved = trainer_of(config, data)
    z = np.random.default_rng(0)
    for number, layer in enumerate(moved.layers):
        rows, columns = layer.board.info.shape
        where = dataclasses.replace(
            plain(rows, columns, 1), order=torch.from_numpy(z.permutation(rows))
        )
        layer.board._selected = where.sent(layer.board._selected)
        moved.emulators[number] = RoutedEmulator(layer.board, where)
        routed = RoutedBoard(layer.board, where)
        moved.layers[number] = Synapses(layer.mapping, routed, layer.sheet, write=routed.write)
    moved.start()
    for _ in moved.run_epoch():
        pass
    for one, other in zip(plain_run.emulators, moved.emulators, strict=True):
        g = one.effective().siemens
        assert_close(g, other.effective().siemens, rtol=0.0, atol=1e-9)
        assert not torch.equal(g, other.array_siemens())
    assert plain_run.rows[-1]["pulses"] == moved.rows[-1]["pulses"]


@pytest.mark.parametrize("name", list(MAPPINGS))
def test_copies_are_trained_whatever_the_mapping(name):
    config = small(
        mapping=name, copies=2, placement="remap", epochs=1, learning_rate=0.1,
        faults=Faults(stuck_low_share=0.02),
    )  # fmt: skip
    trainer = trained(config, synthetic())
    for layer, emulator in zip(trainer.layers, trainer.emulators, strict=True):
        state = emulator.state_dict()
        g, low = state["g"], state["trait.g_low"]
        for half in (g - low).chunk(2, 1):
            assert (half > 0).any()
        assert layer.board.info.shape[1] * 2 == g.shape[1]
    assert trainer.rows[-1]["pulses"]["set"] > 0


def test_one_ideal_copy_more_changes_no_weight():
    config, data = small(device="ideal.yaml", epochs=1), synthetic()
    one, two = trained(config, data), trained(changed(config, copies=2), data)
    for a, b in zip(one.emulators, two.emulators, strict=True):
        assert_close(a.effective().siemens, b.effective().siemens, rtol=0.0, atol=1e-9)
    assert two.rows[-1]["pulses"]["set"] == 2 * one.rows[-1]["pulses"]["set"]
    spent = two.rows[-1]["energy_joules"]["read"] / one.rows[-1]["energy_joules"]["read"]
    assert spent == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"copies": 2, "averaged": 3}, "averaged = 3 exceeds the 2 copies of a layer"),
        ({"copies": 0}, r"copies = 0 is outside \[1, 64\]"),
        ({"copies": 2, "periphery": Periphery(kind="adc")}, "read without periphery"),
        ({"placement": "best"}, "placement must be one of none, remap"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        small(**settings)


# Sweeps


def test_a_trained_run_is_written_to_faulty_chips(tmp_path):
    """Errors of the weights grow with the rate, and fall by copies."""
    config, data = small(epochs=1), synthetic()
    run = Run(tmp_path, config, load_device(config.device))
    trainer = trained(config, data)
    run.save(trainer, trainer.conductances())
    parameters = fault_study.trained_parameters(run, data)
    for layer, w in zip(trainer.weights(), parameters.weights, strict=True):
        np.testing.assert_array_equal(layer, w)

    def tested(rate, **options):
        faults = Faults(stuck_high_share=rate / 2, stuck_low_share=rate / 2)
        return fault_study.evaluate_with_faults(run, data, parameters, faults, seed=5, **options)

    plain_errors = [sum(tested(rate).weight_error) for rate in (0.0, 0.05, 0.2)]
    assert plain_errors[0] < 1.0 < plain_errors[1] < plain_errors[2]
    better = {"copies": 3, "averaged": 1, "placement": "remap"}
    found, again = tested(0.05, **better), tested(0.05, **better)
    assert sum(found.weight_error) < plain_errors[1]
    assert found.row["faults"]["layers"][0]["stuck_devices"] > 0
    assert (found.accuracy, found.weight_error) == (again.accuracy, again.weight_error)
