"""Trained thresholds and lateral inhibition in whole runs: kept, resumed, refused."""

import numpy as np
import pytest
import torch
from xbar_kernels import near
from xbar_training import changed, finish, same_bits, small, synthetic, trained, trainer_of

from crossbar.array.periphery import Periphery
from crossbar.energy.activity_file import read_activity
from crossbar.energy.counts import count
from crossbar.energy.record_activity import keep
from crossbar.experiment import checkpoint
from crossbar.experiment.network_settings import load_network
from crossbar.experiment.run import Run
from crossbar.snn.engines import DenseEngine, EventEngine, LayerView
from crossbar.snn.engines.protocol import Batch
from crossbar.snn.losses import MseRate
from crossbar.snn.network import Network
from crossbar.snn.neurons import Snu
from crossbar.snn.topology import Dense, Lateral
from crossbar.wires.wires import Wires
from device_models.errors import ConfigError


def settings(rule="reset_line", plastic=False, **others):
    layers = (
        Lateral(
            neurons=12, neuron=Snu(), inhibition=rule, plastic=plastic, repeats=2, sigma_init=0.2
        ),
        Dense(neurons=10, neuron=Snu(), sigma_init=0.3),
    )
    config = changed(small(optimizer="rmsprop"), learning_rate=0.01, epochs=2, device="ideal.yaml")
    return changed(config, network=Network(layers=layers, loss=MseRate()), **others)


def thresholds(trainer):
    return [layer.trained for layer in trainer.layers]


def test_thresholds_are_trained_and_a_resumed_run_is_the_uninterrupted_one():
    config = settings()
    whole, pieces = trained(config, synthetic()), trainer_of(config, synthetic(), threads=2)
    pieces.start()
    finish(pieces, 1)
    content = checkpoint.save(pieces, pieces.conductances())
    pieces = trainer_of(config, synthetic())
    checkpoint.restore(pieces, content)
    finish(pieces, 2)
    same_bits(pieces, whole)
    for one, other, rate in zip(thresholds(whole), thresholds(pieces), (12, 10), strict=True):
        assert one.tolist() == other.tolist()
        assert one.shape == (1, rate)
        assert np.abs(one - 1.0).max() > 0.01
    rows = whole.rows[-1]["neurons"]
    assert [(row["layer"], row["number"]) for row in rows] == [
        ("hidden 1", "threshold"), ("readout", "threshold")
    ]  # fmt: skip
    assert rows[0]["max"] == thresholds(whole)[0].max()


@pytest.mark.parametrize("rule", ["reset_line", "inhibitory_neuron"])
def test_dense_torch_gives_the_gradients_of_the_kernels(rule):
    """And the counts of its reads, those of an inhibitory neuron among them."""
    data, trainer = synthetic(), trainer_of(settings(rule), synthetic())
    generator, plan = np.random.default_rng(3), trainer.setup.network
    weights = [
        generator.standard_normal(shape).astype(np.float32) * spread
        for shape, spread in zip(plan.crossbars, (0.2, 1.0), strict=True)
    ]
    if rule == "inhibitory_neuron":
        weights[0][-2:] = np.abs(weights[0][-2:]) * np.float32([[-5.0], [5.0]])
    none = np.zeros((0, 0), np.float32)
    views = [
        LayerView(
            w, none, np.arange(1.0, 1.0 + len(w)),
            trained=generator.uniform(0.5, 1.5, (1, w.shape[1])).astype(np.float32),
        )
        for w in weights
    ]  # fmt: skip
    batch = Batch(data.train_events, data.train_labels, np.arange(24))
    engines = (
        EventEngine(plan, tile_rows=64, threads=1),
        DenseEngine(plan, tile_rows=64, device="cpu"),
    )
    events, dense = (engine.run(batch, views, learn=weights) for engine in engines)
    assert events.spikes[0].sum() > 100
    for one, other in zip(events.spikes, dense.spikes, strict=True):
        assert one.tolist() == other.tolist()
    assert events.activations.tolist() == dense.activations.tolist()
    assert events.tile_steps.tolist() == dense.tile_steps.tolist()
    np.testing.assert_allclose(events.siemens, dense.siemens, rtol=1e-6)
    for one, other in zip(
        [*events.gradients, *events.by_trained], [*dense.gradients, *dense.by_trained], strict=True
    ):
        near(one, torch.from_numpy(other), 1e-4)


def test_a_batch_that_inhibits_itself_runs_in_dense_torch_alone():
    with pytest.raises(ConfigError, match=r"BatchWideNumbers has no kernels .* engine = dense"):
        trainer_of(settings("batch_wide"), synthetic())
    config = settings("batch_wide", engine=DenseEngine.Options(), epochs=1)
    assert trained(config, synthetic()).rows[-1]["spikes_per_inference"]["layers"][0] > 0.0


@pytest.mark.parametrize("others", [{"periphery": Periphery(kind="adc")}, {"wires": Wires(2.0)}])
def test_an_array_that_is_read_across_has_no_periphery_and_no_wires(others):
    with pytest.raises(ConfigError, match=r"layers\[0\] .* read across the array"):
        trainer_of(settings("inhibitory_neuron", **others), synthetic())


def test_an_inhibitory_neuron_is_two_rows_of_devices_under_dales_law_that_are_trained():
    trainer = trainer_of(settings("inhibitory_neuron", plastic=True), synthetic())
    trainer.start()
    before = trainer.weights()[0][-2:]
    np.testing.assert_allclose(before, [[-6.0] * 12, [2.0] * 12], rtol=1e-5)
    finish(trainer, 1)
    after = trainer.weights()[0][-2:]
    assert (after[0] <= 0.0).all()
    assert (after[1] >= 0.0).all()
    assert (after != before).any(1).all()


def test_an_estimate_counts_an_inhibitory_neuron_as_the_run_did(tmp_path):
    """Its spikes, its row in a read of its own, the reads across; in tiles and dense too."""
    config = settings("inhibitory_neuron", device="oxram", tile_rows=50, epochs=1)
    trainer = trained(config, synthetic())
    run = Run(tmp_path / "run", config, trainer.layers[0].sheet)
    run.save(trainer, trainer.conductances())
    keep(run, trainer)
    activity = read_activity(run.folder)
    boards = [layer.board for layer in trainer.layers]
    before = [board.counters for board in boards]
    test = trainer.evaluate()
    spent = [board.counters - then for board, then in zip(boards, before, strict=True)]
    counts = count(activity, 50, config.tiles.tile_columns)
    for i, (layer, counted) in enumerate(zip(activity.layers, counts, strict=True)):
        assert layer.fired == test.spikes[i].sum() > 0
        assert counted.drives == spent[i].row_activations
        assert sum(counted.active_steps) == test.tile_steps[i]
        assert counted.conversions == spent[i].column_conversions
        reads = boards[i].info
        joules = counted.siemens_activations * reads.read_volts**2 * reads.read_seconds
        np.testing.assert_allclose(joules, spent[i].read_joules, rtol=1e-6)
    hidden, readout = activity.layers
    assert (hidden.outputs, hidden.neurons, readout.beside) == (12, 13, None)
    assert 2 * hidden.beside.spikes >= hidden.beside.reads > 0
    assert len(readout.inputs.rows) == hidden.fired
    assert counts[0].spikes == hidden.fired + hidden.beside.spikes
    assert counts[0].own_reads == 2 * activity.inferences * activity.steps
    assert counts[0].reads == 3 * activity.inferences * activity.steps


def test_the_preset_is_the_published_network():
    file = load_network("lateral_inhibition")
    hidden, output = file.network.layers
    assert (hidden.neurons, output.neurons, hidden.inhibition) == (100, 10, "reset_line")
    assert (file.data.set, file.data.steps) == ("mnist", 20)
    assert file.plan().crossbars == ((784, 100), (100, 10))
