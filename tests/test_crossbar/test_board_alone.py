"""A board that answers reads and pulses and nothing else, and a network that is trained on it.

The pulses are those that the event engine sends to emulated devices of the same steps. The two
compute in 64 and in 32 bits: what hangs on a membrane this close to its threshold, or on a change
this close to a whole pulse, may differ, so seeds are taken that keep their distance.
"""

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_bench import STEPS, Bench, problem
from xbar_boards import indices, program_all
from xbar_devices import gen
from xbar_mappings import CASES, IDS, effective, layer_on, mapping_of, some_weights
from xbar_training import MARGIN, finish, margins

from crossbar.array.faults import Faults
from crossbar.array.periphery import Periphery
from crossbar.boards.fault_detection import find_faults
from crossbar.boards.protocol import Board
from crossbar.boards.simulated import SimulatedBoard
from crossbar.boards.write_verify import WriteVerify, write_verify
from crossbar.experiment import builder, checkpoint
from crossbar.experiment.run import summary
from crossbar.snn.engines import board as board_engine
from crossbar.wires.wires import Wires
from device_models.errors import ConfigError, LimitError, RunError, ShapeError
from device_models.presets import load_device


def benches():
    """A factory of such boards that gives every one again when it is asked again."""
    boards = {}
    return lambda number, shape: boards.setdefault(number, Bench(shape))


def on_benches(config, data, find=None):
    """A trainer on boards of the test."""
    return builder.trainer(
        config, STEPS, data, threads=1, boards=benches() if find is None else find
    )


def pulses_of(trainer, monkeypatch):
    """What every array is sent in one epoch from the start: (operation, array), rising devices."""
    log = []
    with monkeypatch.context() as patch:
        for kind in (Bench, SimulatedBoard):

            def noted(board, pulses, shape=None, send=kind.pulse):
                chosen = pulses.count != 0
                order = np.argsort(pulses.device[chosen])
                log.append((board.info.shape, *(part[chosen][order].tolist() for part in pulses)))
                send(board, pulses, shape)

            patch.setattr(kind, "pulse", noted)
        trainer.start()
        finish(trainer, 1)
    return log


def test_the_board_of_these_tests_has_what_the_protocol_names_and_nothing_else():
    members = {name for name in dir(Board) if not name.startswith("_")}
    assert {name for name in dir(Bench((2, 3))) if not name.startswith("_")} == members
    assert members == {"info", "counters", "read", "vmm", "pulse", "wait", "close"}


# Training


CONFIGS = {
    "accumulate": {"policy": "accumulate"},
    "closed_loop": {"policy": "closed_loop", "optimizer": "adam", "learning_rate": 0.02},
    "dale": {"policy": "accumulate", "mapping": "dale"},
    "pair": {"policy": "accumulate", "mapping": "pair"},
    "two layers": {"policy": "accumulate", "network": {"hidden": (8, 6)}},
    "recurrent": {"policy": "accumulate", "network": {"recurrent": True}},
    "copies": {"policy": "accumulate", "copies": 2},
}


def distance_to_another_count(policy, wanted, estimate):
    """How far the nearest change of a policy is from one pulse more or less, relative."""
    if hasattr(policy, "chi"):
        change, half = policy.chi + wanted, 0.0
    else:
        target = policy.target if policy.target.numel() else estimate.weights
        low, high = estimate.limits.split(1, 1)
        change, half = torch.clamp(target + wanted, low, high) - estimate.weights, 0.5
    steps = change.double() / torch.where(change > 0, estimate.up.step, estimate.down.step)
    whole = (steps.abs() + half).round()
    off = ((steps.abs() + half - whole).abs() / steps.abs().clamp(min=1.0))[whole > 0]
    return float(off.min()) if off.numel() else 1.0


def keeps_distance(config, data, monkeypatch):
    """Whether no spike and no pulse of a training on benches hangs on rounding to 32 bits."""
    found, trainer = [1.0], on_benches(config, data)
    for policy in trainer.policies:

        def noted(wanted, estimate, *, generator, policy=policy, update=policy.update):
            found.append(distance_to_another_count(policy, wanted, estimate))
            return update(wanted, estimate, generator=generator)

        monkeypatch.setattr(policy, "update", noted)
    with monkeypatch.context() as patch:
        result_of = board_engine.result_of

        def seen(outcome, crossbars):
            found.append(float(margins(outcome).min()))
            return result_of(outcome, crossbars)

        patch.setattr(board_engine, "result_of", seen)
        trainer.start()
        finish(trainer, 1)
    return min(found) > 2 * MARGIN


@pytest.mark.parametrize("name", CONFIGS)
def test_a_board_alone_trains_to_the_pulses_of_the_event_engine(name, monkeypatch):
    for seed in range(20):
        config, data = problem(seed, **CONFIGS[name])
        if keeps_distance(config, data, monkeypatch):
            break
    else:
        raise AssertionError("no seed keeps its distance")
    trainer, other = on_benches(config, data), builder.trainer(config, STEPS, data, threads=1)
    alone, emulated = (pulses_of(each, monkeypatch) for each in (trainer, other))
    assert alone == emulated
    assert trainer.emulators == []
    assert sum(len(devices) for _, devices, _ in alone) > 500
    for layer, emulator in zip(trainer.layers, other.emulators, strict=True):
        assert torch.equal(layer.board.read(), emulator.effective().siemens)
    for row, expected in zip(trainer.rows, other.rows, strict=True):
        assert row["test_accuracy"] == expected["test_accuracy"]
        assert row["spikes_per_inference"] == expected["spikes_per_inference"]
        assert row["test_loss"] == pytest.approx(expected["test_loss"], rel=1e-5)
    assert trainer.rows[1]["spikes_per_inference"]["total"] > 3.0


def test_a_policy_with_an_array_of_its_own_gets_a_board_for_it():
    """The fast array of tiki_taka; bench devices have a symmetry point if their sheet has one."""
    sheet = load_device("oxram")
    config, data = problem(policy="tiki_taka")
    trainer = builder.trainer(config, sheet, data, threads=1, boards=benches())
    trainer.start()
    finish(trainer, 1)
    assert [type(board.board) for board in trainer.boards] == [Bench] * 4
    assert all(board.counters.set_pulses > 0 for board in trainer.boards)
    assert [row["name"] for row in trainer.rows[1]["layers"]][2:] == [
        "hidden 1, fast array", "readout, fast array",
    ]  # fmt: skip


def test_a_training_learns_on_boards_alone():
    config, data = problem(policy="accumulate", epochs=6, learning_rate=0.3)
    trainer = on_benches(config, data)
    trainer.start()
    finish(trainer, 6)
    assert trainer.rows[-1]["train_loss"] < 0.8 * trainer.rows[1]["train_loss"]
    results = summary(trainer.rows)
    assert "wear" not in results  # which only an emulator knows
    assert results["layers"][0]["pulses"]["set"] == trainer.layers[0].board.counters.set_pulses


def test_a_run_goes_on_from_its_checkpoint_and_what_the_boards_kept():
    config, data = problem(policy="closed_loop", optimizer="adam", learning_rate=3e-3, epochs=2)
    whole = on_benches(config, data)
    whole.start()
    finish(whole, 2)
    find = benches()
    first = on_benches(config, data, find)
    first.start()
    finish(first, 1)
    content = checkpoint.save(first, first.conductances())
    second = on_benches(config, data, find)
    checkpoint.restore(second, content)
    finish(second, 2)
    for one, other in zip(whole.layers, second.layers, strict=True):
        assert torch.equal(one.board.read(), other.board.read())
    assert whole.rows[-1]["test_loss"] == second.rows[-1]["test_loss"]
    emulated = builder.trainer(config, STEPS, data, threads=1)
    with pytest.raises(RunError, match="it holds 0 emulated arrays, not 2"):
        checkpoint.restore(emulated, content)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"wires": Wires(word_ohms=1.0)}, "wires"),
        ({"faults": Faults(stuck_low_share=0.1)}, "faults"),
        ({"periphery": Periphery(kind="adc")}, "periphery"),
        ({"array_kind": "1R"}, "tiles.array_kind = 1R"),
        ({"backward": "true"}, "reads.backward = true"),
    ],
)
def test_nothing_is_emulated_on_boards_that_are_given(settings, name):
    config, data = problem(**settings)
    with pytest.raises(ConfigError, match=f"^{name}: of the boards .* nothing was built$"):
        on_benches(config, data)


def test_a_board_of_another_shape_than_its_layer_is_refused():
    config, data = problem()
    with pytest.raises(ShapeError, match=r"bench has .* \(36, 15\), the layer needs \(36, 16\)"):
        on_benches(config, data, lambda number, shape: Bench((shape[0], shape[1] - 1)))


# Synapses.forward


@pytest.mark.parametrize(("name", "signs"), CASES, ids=IDS)
def test_forward_is_lines_times_weights_through_reads_alone(name, signs):
    """Devices anywhere in their window, so that floors and references matter."""
    mapping = mapping_of(name, signs)
    layer = layer_on(load_device("ideal"), mapping)
    shape = layer.board.info.shape
    g = mapping.targets(some_weights(mapping, share=0.8, kind=torch.float32))
    g = (g + 2e-5 * torch.rand(shape, generator=gen(3))).clamp(1e-6, 1e-3)
    layer.board.restore(layer.board.state._replace(g=g))
    lines = torch.rand((7, shape[0]), generator=gen(1)).double()
    lines[3] = 0.0
    weights = mapping.weights(g.double())
    before = layer.board.counters
    assert_close(layer.forward(lines), lines @ weights, rtol=0.0, atol=1e-5)
    spent = layer.board.counters - before
    vectors = 2 if name == "dale" else 1  # rows of either sign are read apart
    across = -(-shape[1] // mapping.tile_columns)
    assert spent.row_activations == 6 * shape[0] * across
    assert spent.column_conversions == 6 * shape[1] * vectors


def test_forward_has_the_noise_of_its_reads():
    mapping = mapping_of("one_sided", "free")
    layer = layer_on(load_device("oxram"), mapping)
    program_all(layer.board, layer.sheet, torch.full(layer.board.info.shape, 2e-4))
    layer.board.begin_epoch(1)
    lines = torch.ones((4000, 6))
    reads = layer.forward(lines).double()
    mean = lines[:1].double() @ torch.from_numpy(effective(layer).weights).double()
    variance = torch.from_numpy(effective(layer).variance).double().sum(0)
    error = (variance / len(lines)).sqrt()
    assert (((reads.mean(0) - mean[0]) / error).abs() < 5).all()
    assert_close(reads.var(0), variance, rtol=5 * (2 / len(lines)) ** 0.5, atol=0.0)


def test_a_line_beyond_the_read_voltage_is_refused():
    layer = layer_on(load_device("ideal"), mapping_of("pair", "free"))
    before = layer.board.counters
    for line in (2.0, -1.5, float("nan")):
        with pytest.raises(LimitError, match=r"times the read voltage .* nothing was read"):
            layer.forward(torch.full((1, 6), line))
    assert layer.board.counters == before


# Functions over any board


def test_devices_are_written_and_faults_found_on_a_board_alone():
    board, chosen = Bench((6, 8)), torch.ones(6, 8, dtype=torch.bool)
    chosen[2, 3] = False
    targets = 1e-4 + 6e-4 * torch.rand((6, 8), generator=gen(4))
    result = write_verify(board, STEPS, targets, chosen, WriteVerify())
    assert torch.equal(result.accepted, chosen)
    assert_close(board.read()[chosen], targets[chosen], rtol=0.0, atol=0.01 * 1e-3)
    stuck = indices(board)[4, 5]

    def stay(pulses, shape=None, send=board.pulse):
        before = board._g[stuck]
        send(pulses, shape)
        board._g[stuck] = before

    board.pulse = stay
    faults = find_faults(board, STEPS, chosen)
    assert faults.stuck.sum() == 1
    assert faults.stuck_siemens[4, 5] == pytest.approx(float(board.read()[4, 5]))
