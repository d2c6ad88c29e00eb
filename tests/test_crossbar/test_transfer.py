"""Networks with thresholds and digital biases on new chips: copied, written, aged, retuned."""

import functools

import numpy as np
import pytest
import torch
from xbar_training import changed, same_bits, small, synthetic, trained

from crossbar.array.faults import Faults
from crossbar.boards.write_verify import WriteVerify
from crossbar.experiment import builder, checkpoint, fault_study, transfer
from crossbar.experiment.run import Run
from crossbar.snn import parameters, reference
from crossbar.snn.losses import MseRate
from crossbar.snn.network import Network
from crossbar.snn.neurons import Leaky, Snu
from crossbar.snn.topology import Conv2d, Dense
from device_models.errors import ConfigError
from device_models.presets import load_device

LAYERS = (
    Conv2d(channels=3, kernel=5, stride=3, pool=2, bias="digital", neuron=Leaky(), sigma_init=0.2),
    Dense(neurons=12, bias="row", neuron=Snu(), sigma_init=0.2),
    Dense(neurons=10, bias="digital", neuron=Snu(), sigma_init=0.3),
)
NAMES = ["w0", "w1", "w2", "bias0", "threshold1", "bias2", "threshold2"]


def settings(**others):
    network = Network(layers=LAYERS, loss=MseRate(), spikes_least=0.0)
    config = changed(small(optimizer="adam"), learning_rate=0.02, epochs=1, device="ideal.yaml")
    return changed(config, network=network, **others)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A run of one epoch, and its trainer; not to be changed."""
    config = settings()
    run = Run(tmp_path_factory.mktemp("source") / "run", config, load_device(config.device))
    trainer = trained(config, synthetic())
    run.save(trainer, trainer.conductances())
    return run, trainer


@pytest.fixture(scope="module")
def first(source):
    """What the run holds."""
    return fault_study.trained_parameters(source[0], synthetic())


@functools.cache
def network():
    return builder.plan_of(settings(), synthetic())


def same(one, other):
    assert (one is None) == (other is None)
    if one is not None:
        np.testing.assert_array_equal(one, other)


def test_a_file_holds_every_number_of_a_network_by_name(first):
    arrays = parameters.to_arrays(first, network())
    assert list(arrays) == list(parameters.shapes_of(network())) == NAMES
    assert {name: array.shape for name, array in arrays.items()} == parameters.shapes_of(network())
    again = parameters.from_arrays(arrays)
    for kind, other in zip(first, again, strict=True):
        for one, two in zip(kind, other, strict=True):
            same(one, two)
    assert [bias is None for bias in first.biases] == [False, True, False]
    assert [own is None for own in first.trained] == [True, False, False]


def test_the_numbers_of_a_run_are_those_that_it_was_tested_with(source, first):
    """The dense reference, given these numbers, has the loss and accuracy of the last test."""
    _, trainer = source
    for one, layer in zip(first.trained, trainer.layers, strict=True):
        same(one, layer.trained)
        if one is not None:
            assert np.abs(one - 1.0).max() > 0.01
    for one, bias in zip(first.biases, trainer.biases, strict=True):
        same(one, bias and bias.values)
    data, matrices = synthetic(), trainer.matrices()
    x = reference.dense(data.test_events, np.arange(64), network(), torch.float64)
    own = [None if numbers is None else torch.from_numpy(numbers).double() for numbers in first[2]]
    outcome, other = (
        reference.simulate(
            network(), [torch.from_numpy(m).double() for m in matrices], x,
            torch.from_numpy(data.test_labels), trained,
        )
        for trained in (own, ())
    )  # fmt: skip
    last = trainer.rows[-1]
    assert float(outcome.losses.mean()) == pytest.approx(last["test_loss"], rel=1e-3)
    assert float(other.losses.mean()) != pytest.approx(last["test_loss"], rel=5e-3)
    right = float((outcome.predictions.numpy() == data.test_labels).mean())
    exact = transfer.exact_accuracy(trainer.setup.engine, first, data)
    assert exact == pytest.approx(right, abs=0.02)


def chip_of(first, seed=3):
    oxram = load_device("oxram")
    config = settings(device="oxram", seed=seed)
    filled = transfer.filling_window(config, network(), oxram, first.weights)
    return builder.trainer(filled, oxram, synthetic(), threads=1, first=first)


def digital(trainer):
    """Its biases and thresholds, copied."""
    biases = [None if bias is None else bias.values.copy() for bias in trainer.biases]
    return biases, [None if x.trained is None else x.trained.copy() for x in trainer.layers]


def test_digital_numbers_are_copied_and_only_the_readouts_are_trained_again(first):
    trainer, kept = chip_of(first), []
    written = transfer.write_chip(
        trainer, WriteVerify(), retention=(86_400.0, 3e8), retune_epochs=1,
        keep=lambda trainer: kept.append(digital(trainer)),
    )  # fmt: skip
    report = written.report
    assert report["all"]["devices"] == sum(layer.mapping.devices for layer in trainer.layers)
    assert report["all"]["true_within_band_share"] > 0.95
    assert len(report["retention_accuracy"]) == 2
    assert report["retuned"]["pulses"] > 0
    for before, wanted in zip(kept[0], (first.biases, first.trained), strict=True):
        for one, other in zip(before, wanted, strict=True):
            same(one, other)
    for before, after in zip(kept[0], digital(trainer), strict=True):
        same(before[0], after[0])
        same(before[1], after[1])
        assert (before[2] != after[2]).all()


def test_a_chip_that_began_with_a_file_goes_on_like_one_that_was_never_stopped(first, tmp_path):
    oxram, config = load_device("oxram"), settings(device="oxram", init_from="w.npz", epochs=1)
    np.savez(tmp_path / "w.npz", **parameters.to_arrays(first, network()))
    read = transfer.parameters_of(tmp_path / "w.npz", network(), None)
    whole = builder.trainer(config, oxram, synthetic(), threads=1, first=read)
    whole.start()
    run = Run(tmp_path / "run", config, oxram, read)
    run.save(whole, whole.conductances())
    pieces = builder.trainer(
        config, oxram, synthetic(), threads=2, first=Run.open(tmp_path / "run").first
    )
    checkpoint.restore(pieces, run.checkpoint())
    for trainer in (whole, pieces):
        for _ in trainer.run_epoch():
            pass
    same_bits(whole, pieces)
    for one, other in zip(digital(whole), digital(pieces), strict=True):
        for a, b in zip(one, other, strict=True):
            same(a, b)


def test_faults_hit_the_devices_alone(source, first):
    run, _ = source
    tested = fault_study.evaluate_with_faults(
        run, synthetic(), first, Faults(stuck_low_share=0.3), seed=1
    )
    assert max(tested.weight_error) > 0.1
    clean = fault_study.evaluate_with_faults(run, synthetic(), first, Faults(), seed=1)
    assert clean.accuracy >= tested.accuracy


@pytest.mark.parametrize(
    ("left_out", "message"),
    [
        (("bias0", "threshold2"),
         r"w.npz has no bias0 \(3,\), threshold2 \(10,\): trained numbers that lie on no device"),
        (("w1",), r"w.npz holds w0 .*; the network needs w0 \(25, 3\), w1 \(49, 12\), w2"),
        (("w1", "bias0"), "w.npz holds w0 .*; the network needs w0"),
    ],
)  # fmt: skip
def test_a_file_without_numbers_of_the_network_is_refused(first, tmp_path, left_out, message):
    arrays = parameters.to_arrays(first, network())
    np.savez(tmp_path / "w.npz", **{n: a for n, a in arrays.items() if n not in left_out})
    with pytest.raises(ConfigError, match=message) as refused:
        transfer.parameters_of(tmp_path / "w.npz", network(), None)
    assert "\n" not in str(refused.value)
