"""What a caller hands over is refused by name before a kernel believes it."""

import dataclasses

import numpy as np
import pytest
import torch
import xbar_training as xt

import crossbar as xb
from crossbar.array.tile import CrossbarTile, Tiling
from crossbar.boards.limited import LimitedBoard
from crossbar.boards.limits import limits_of
from crossbar.boards.protocol import PulseBatch, PulseShape
from crossbar.boards.simulated import SimulatedBoard
from crossbar.boards.write_verify import WriteVerify, program, write_verify
from crossbar.datasets import Half, LoadedDataset
from crossbar.snn.encodings.events import Events, Held
from crossbar.wires import iterative, nodal, transfer
from crossbar.wires.wires import Wires
from device_models.errors import ConfigError, DataError, LimitError, ShapeError
from device_models.presets import load_device

G, WIRES = np.full((3, 2), 2e-5), Wires(1.0, 2.0)
COUNT = np.array([1, -2], np.int32)
DEVICES = np.array([3, 1], np.int32)
NAN, INF = float("nan"), float("inf")


@pytest.fixture(scope="module")
def model():
    return load_device("oxram.yaml")


@pytest.fixture(params=["simulated", "limited"])
def board(request, model):
    shape = (4, 5)
    array = SimulatedBoard(
        model, Tiling(*shape, 8, 8), torch.ones(shape, dtype=torch.bool), v_read_volts=0.2,
        t_read_seconds=1e-7, seed=1, index=0,
    )  # fmt: skip
    return array if request.param == "simulated" else LimitedBoard(array, limits_of(model))


@pytest.fixture(scope="module")
def data():
    return xt.synthetic(24, 12)


# --- tiles ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (G * 1j, "conductances are of type complex128, not real numbers; nothing was solved"),
        ([["a", "b"]], "conductances are of type <U1, not real numbers"),
        ([[1e-5], [1e-5, 2e-5]], "conductances are no array of numbers"),
        ({}, "conductances are of type object"),
        (np.array([[None, 1e-5]]), "conductances are of type object"),
    ],
)
def test_conductances_are_real_numbers(bad, message):
    with pytest.raises(ShapeError, match=message):
        CrossbarTile(bad, wires=WIRES)


@pytest.mark.parametrize("bad", [np.ones(3) * 1j, ["a", "b", "c"], [[0.1], [0.1, 0.2]], None])
@pytest.mark.parametrize("call", ["read", "voltages"])
def test_voltages_of_a_tile_are_real_numbers(call, bad):
    with pytest.raises(ShapeError, match=r"^voltages are .*; nothing was read$"):
        getattr(CrossbarTile(G, wires=WIRES), call)(bad)


@pytest.mark.parametrize("solve", [iterative.solve, nodal.solve])
def test_a_solver_takes_no_complex_numbers(solve):
    with pytest.raises(ShapeError, match="voltages are of type complex128"):
        solve(G, WIRES, np.ones((1, 3)) * 1j)
    with pytest.raises(ShapeError, match="conductances are of type complex128"):
        solve(G * 1j, WIRES, np.ones((1, 3)))
    with pytest.raises(ShapeError, match="conductances are of type complex128"):
        transfer.transfer_matrix(G * 1j, WIRES)


@pytest.mark.parametrize("wires", [2.0, {"word_ohms": 2.0}])
def test_wires_are_wires(wires):
    with pytest.raises(ConfigError, match="wires must be a Wires or None, not "):
        CrossbarTile(G, wires=wires)


# --- boards --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [np.array([0.0]), np.array([1j]), np.ones(20, bool), [0, 1], torch.tensor([1]), 3],
    ids=["float", "complex", "mask", "list", "tensor", "number"],
)
def test_devices_are_named_by_whole_numbers(board, bad):
    with pytest.raises(ShapeError, match="devices are named by an array of whole numbers, not by"):
        board.read(bad)
    with pytest.raises(ShapeError, match=r"devices are named by .*; nothing was sent"):
        board.pulse(PulseBatch(bad, COUNT))
    assert board.counters.set_pulses == board.counters.device_reads == 0


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (COUNT[:1], r"devices have shape \(2,\), their counts of pulses \(1,\)"),
        (COUNT.astype(float), "signed whole numbers, not ndarray of float64"),
        (COUNT * 1j, "signed whole numbers, not ndarray of complex128"),
        (torch.from_numpy(COUNT), "signed whole numbers, not Tensor of torch.int32"),
        ([1, -2], "signed whole numbers, not list"),
        (np.array([2**40, 1]), "1099511627776 pulses for one device; a batch has at most 2147"),
    ],
)
def test_counts_are_whole_numbers_one_for_each_device(board, count, message):
    with pytest.raises((ShapeError, LimitError), match=f"{message}.*; nothing was sent$"):
        board.pulse(PulseBatch(DEVICES, count))
    assert board.counters.set_pulses == 0


def test_a_batch_is_one_and_lies_in_a_row(board):
    with pytest.raises(ShapeError, match="pulses must be a PulseBatch, not tuple"):
        board.pulse((DEVICES, COUNT))
    with pytest.raises(ShapeError, match=r"devices have shape \(2, 1\)"):
        board.pulse(PulseBatch(DEVICES[:, None], COUNT[:, None]))


def test_a_batch_of_other_whole_numbers_and_steps_is_the_same(model):
    def after(pulses):
        array = SimulatedBoard(
            model, Tiling(4, 5, 8, 8), torch.ones((4, 5), dtype=torch.bool), v_read_volts=0.2,
            t_read_seconds=1e-7, seed=1, index=0,
        )  # fmt: skip
        array.pulse(pulses)
        return array.state.g

    twice = PulseBatch(np.repeat(DEVICES, 2)[::2], np.repeat(COUNT, 2)[::2])
    assert torch.equal(after(twice), after(PulseBatch(DEVICES, COUNT)))


@pytest.mark.parametrize("value", [np.array([1j, 1.0]), "a"])
@pytest.mark.parametrize("name", ["volts", "seconds"])
def test_amplitudes_and_widths_are_real_numbers(model, name, value):
    array = SimulatedBoard(
        model, Tiling(4, 5, 8, 8), torch.ones((4, 5), dtype=torch.bool), v_read_volts=0.2,
        t_read_seconds=1e-7, seed=1, index=0,
    )  # fmt: skip
    with pytest.raises(ShapeError, match=f"{name} of the pulses: .* is no real number"):
        array.pulse(PulseBatch(DEVICES, COUNT), PulseShape(**{name: value}))


@pytest.mark.parametrize(
    ("volts", "message"),
    [
        (torch.ones(1, 4) * 1j, "a tensor of real numbers, not Tensor of torch.complex64"),
        (np.ones((1, 4)), "a tensor of real numbers, not ndarray of float64"),
        (torch.ones(4), r"voltages have shape \(4,\), not \(vectors, 4 word lines\)"),
        (torch.ones(1, 5), r"voltages have shape \(1, 5\)"),
        (torch.tensor([[0.1, NAN, 0.1, 0.1]]), "a voltage is not finite"),
        (torch.tensor([[0.1, INF, 0.1, 0.1]]), "a voltage is not finite"),
    ],
)
def test_voltages_of_a_board_are_finite_and_one_for_each_word_line(board, volts, message):
    with pytest.raises((ShapeError, LimitError), match=f"{message}.*; nothing was read$"):
        board.vmm(volts)
    assert board.counters.row_activations == 0


@pytest.mark.parametrize("seconds", [-1.0, NAN, INF, 1e13, 1j, "a"])
def test_time_is_finite_and_goes_on(board, seconds):
    with pytest.raises(LimitError, match=r"cannot pass: a time is from 0 to 1e\+12 s"):
        board.wait(seconds)


TARGETS, ALL = torch.full((4, 5), 3e-5), torch.ones((4, 5), dtype=torch.bool)


@pytest.mark.parametrize(
    ("targets", "chosen", "message"),
    [
        (TARGETS[:2], ALL, r"targets: Tensor of shape \(2, 5\), not a tensor of shape \(4, 5\)"),
        (TARGETS.numpy(), ALL, "targets: ndarray of shape"),
        (TARGETS * 1j, ALL, "targets of torch.complex64 must be finite numbers"),
        (TARGETS * NAN, ALL, "targets of torch.float32 must be finite numbers"),
        (TARGETS, ALL[:2], r"chosen devices: Tensor of shape \(2, 5\)"),
        (TARGETS, ALL.float(), "chosen devices are torch.float32, not bool"),
    ],
)
def test_targets_of_a_write_are_those_of_the_board(board, model, targets, chosen, message):
    with pytest.raises(ShapeError, match=f"{message}.*; nothing was sent$"):
        program(board, model, targets, chosen)
    with pytest.raises(ShapeError, match=message):
        write_verify(board, model, targets, chosen, WriteVerify())
    assert board.counters.device_reads == 0


# --- data ----------------------------------------------------------------------------------------


def with_events(data, **changes):
    return data._replace(train_events=dataclasses.replace(data.train_events, **changes))


def wrong_labels(labels):
    return {
        "one too large": (np.where(labels == 3, 10, labels), "label of the training samples 10: "
                          "the network has 10 classes, from 0 on"),
        "negative": (labels - 1, "label of the training samples -1: the network has 10 classes"),
        "float": (labels.astype(float), "labels .*: float64 of shape .24., not int64"),
        "complex": (labels * 1j, "labels .*: complex128"),
        "nan": (np.full(24, NAN), "labels .*: float64"),
        "other bytes": (labels.astype(np.uint8), "labels .*: uint8"),
        "too few": (labels[:5], r"labels .*: int64 of shape \(5\), not int64 of shape \(24\)"),
        "two each": (np.stack([labels, labels], 1), r"labels .*: int64 of shape \(24, 2\)"),
        "list": (labels.tolist(), "labels .*: list, not an array int64"),
        "every second": (np.repeat(labels, 2)[::2], "labels .*: does not lie in one piece"),
    }  # fmt: skip


@pytest.mark.parametrize("name", wrong_labels(np.zeros(24, np.int64)))
def test_labels_are_classes_of_the_network(data, name):
    labels, message = wrong_labels(data.train_labels)[name]
    with pytest.raises(ShapeError, match=f"{message}.*; nothing was run$"):
        data._replace(train_labels=labels).check(100)


def wrong_events(events):
    rows, times, offsets = events.rows, events.times, events.offsets
    return {
        "a line too many": ({"rows": np.full_like(rows, 784)},
                            "line of the training samples 784: the network has 784 input lines"),
        "wide lines": ({"rows": rows.astype(np.int64)}, "lines of the .*: int64"),
        "complex lines": ({"rows": rows * 1j}, "lines of the .*: complex128"),
        "other byte order": ({"rows": rows.astype(">u2")}, "lines of the .*: >u2|uint16"),
        "lines apart": ({"rows": np.repeat(rows, 2)[::2]}, "lines .* does not lie in one piece"),
        "a late step": ({"times": np.full_like(times, 100)},
                        "step of the training samples 100: the network has 100 steps"),
        "wide steps": ({"times": times.astype(np.uint16)}, "steps of the .*: uint16"),
        "few steps": ({"times": times[:7]}, r"steps of the .*: uint8 of shape \(7\)"),
        "steps back": ({"times": times[::-1].copy()}, "not in the order of their steps"),
        "offsets fall": ({"offsets": offsets[::-1].copy()}, "offsets .* must rise from 0"),
        "offsets beyond": ({"offsets": offsets + 9}, "offsets .* must rise from 0"),
        "offsets below": ({"offsets": offsets - 9}, "offsets .* must rise from 0"),
        "narrow offsets": ({"offsets": offsets.astype(np.int32)}, "offsets .*: int32"),
        "no sample": ({"offsets": offsets[:1]}, "there are no training samples"),
        "amplitudes": ({"held": Held(np.zeros((24, 9), np.int16), 1.0, 9)},
                       r"amplitudes .*: int16 of shape \(24, 9\), not int16 of shape \(24, 784\)"),
    }  # fmt: skip


NO_EVENTS = Events(np.zeros(1, np.uint16), np.zeros(1, np.uint8), np.array([0, 1]))


@pytest.mark.parametrize("name", wrong_events(NO_EVENTS))
def test_events_are_lines_and_steps_of_the_network(data, name):
    changes, message = wrong_events(data.train_events)[name]
    with pytest.raises(ShapeError, match=message):
        with_events(data, **changes).check(100)


def test_the_test_samples_are_looked_at_too(data):
    with pytest.raises(ShapeError, match="label of the test samples 77: the network has 10"):
        data._replace(test_labels=np.full(12, 77)).check(100)


def test_data_of_another_number_of_steps_are_refused_before_anything_is_built(data, model):
    config = xt.small(network={"hidden": 4})
    longer = dataclasses.replace(config, data=dataclasses.replace(config.data, steps=300))
    shorter = dataclasses.replace(config, data=dataclasses.replace(config.data, steps=50))
    with pytest.raises(ShapeError, match=r"steps of the training samples: uint8 .*, not uint16"):
        xt.trainer_of(longer, data, model=model)
    with pytest.raises(ShapeError, match=r"step of the training samples \d+: .* 50 steps"):
        xt.trainer_of(shorter, data, model=model)


def test_a_fresh_code_is_looked_at_in_every_epoch(data):
    wrong = dataclasses.replace(data.train_events, rows=np.full_like(data.train_events.rows, 9999))
    fresh = data._replace(encode_epoch=lambda epoch: wrong if epoch == 2 else data.train_events)
    assert fresh.epoch_events(1, 100) is data.train_events
    with pytest.raises(ShapeError, match="line of the training samples 9999"):
        fresh.epoch_events(2, 100)


@pytest.mark.parametrize("count", [0, -3, 13])
def test_no_more_test_samples_are_run_than_there_are(data, count):
    with pytest.raises(ShapeError, match=f"^{count} samples of 12 test samples; nothing was run$"):
        data.first_test_samples(count)
    assert data.first_test_samples(None).tolist() == list(range(12))


BYTES, CLASSES = np.zeros((2, 4), np.uint8), np.array([0, 1])


@pytest.mark.parametrize(
    ("samples", "labels", "message"),
    [
        (BYTES, CLASSES - 1, "the training half has label -1 at sample 0; there are 2 classes"),
        (BYTES, CLASSES + 1, "the training half has label 2 at sample 1"),
        (BYTES, CLASSES.astype(float), "samples of uint8 and labels of float64; they are arrays"),
        (BYTES, CLASSES.tolist(), "samples of uint8 and labels of list"),
        (BYTES.tolist(), CLASSES, "samples of list and labels of int64"),
    ],
)
def test_labels_of_a_set_are_its_classes(samples, labels, message):
    half = Half(samples, labels)
    with pytest.raises(DataError, match=f"{message}.*; nothing was loaded$"):
        LoadedDataset(title="t", class_names=("a", "b"), train=half, test=half, origin="here")


# --- layers and policies -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trainer(data, model):
    return xt.trainer_of(xt.small(network={"hidden": 4}), data, model=model)


@pytest.mark.parametrize(
    ("call", "argument", "message"),
    [
        ("program", torch.ones(3, 3), r"weights are torch.float32 of shape \(3, 3\), not real"),
        ("program", torch.ones(784, 4) * 1j, "weights are torch.complex64"),
        ("program", torch.full((784, 4), NAN), "a weight is not finite; nothing was written"),
        ("forward", torch.ones(1, 3), r"lines are torch.float32 of shape \(1, 3\), not real"),
        ("forward", torch.ones(1, 784) * 1j, "lines are torch.complex64"),
        ("forward", torch.full((1, 784), NAN), "a line carries nan times the read voltage"),
    ],
)
def test_a_layer_takes_its_own_weights_and_lines(trainer, call, argument, message):
    with pytest.raises((ShapeError, LimitError), match=message):
        getattr(trainer.layers[0], call)(argument)


def test_pulses_and_wanted_changes_are_one_for_each_weight(trainer):
    layer, policy = trainer.layers[0], trainer.policies[0]
    estimate, generator = layer.read_back(), torch.Generator()
    for pulses in (torch.ones(9, 9, dtype=torch.int32), torch.ones(784, 4)):
        with pytest.raises(ShapeError, match=r"pulses are .*, not torch.int32 of\s+shape"):
            layer.send(pulses, estimate)
    for wanted in (torch.ones(9, 9), torch.ones(784, 4).double()):
        with pytest.raises(ShapeError, match=r"wanted changes are .*, not float32 of shape"):
            policy.update(wanted, estimate, generator=generator)


# --- the front door ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"), [("boards", 3), ("boards", "tcp://a:1"), ("notice", None), ("progress", 3)]
)
def test_what_train_calls_is_a_function(tmp_path, name, value):
    with pytest.raises(ConfigError, match=f"{name} must be a function, not .*; nothing was writ"):
        xb.train(out=tmp_path / "run", **{name: value})
    assert not list(tmp_path.iterdir())


def test_no_folder_is_no_run():
    with pytest.raises(ConfigError, match="the folder of a run is named by text or a path, not No"):
        xb.load_run(None)


@pytest.mark.parametrize("name", ["plan", "limits", "bench"])
def test_what_a_board_is_measured_by_is_of_its_kind(tmp_path, name):
    with pytest.raises(ConfigError, match=f"{name} must be a .* or None, not 7; nothing was sent"):
        xb.characterize("simulated", out=tmp_path / "new", **{name: 7})
    assert not list(tmp_path.iterdir())
