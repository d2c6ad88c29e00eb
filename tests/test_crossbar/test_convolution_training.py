"""Convolutions, biases and held amplitudes in whole runs: resumed, counted, estimated, refused."""

import functools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from xbar_kernels import near
from xbar_training import bars, changed, finish, same_bits, small, trained, trainer_of

from crossbar.array.faults import Faults
from crossbar.array.periphery import Periphery
from crossbar.boards.protocol import BoardInfo, Grid
from crossbar.datasets import Half, LoadedDataset
from crossbar.datasets.encode import encode
from crossbar.datasets.settings import DataSettings
from crossbar.energy.activity_file import unpack
from crossbar.energy.counts import count
from crossbar.energy.record_activity import recorded
from crossbar.experiment import checkpoint
from crossbar.experiment.boards import check_amplitudes
from crossbar.experiment.network_settings import load_network
from crossbar.mappings import MAPPINGS
from crossbar.snn.encodings.constant import Constant
from crossbar.snn.engines import BoardEngine, DenseEngine, EventEngine, LayerView
from crossbar.snn.engines.protocol import Batch
from crossbar.snn.losses import MseCount
from crossbar.snn.network import Network
from crossbar.snn.neurons import Leaky
from crossbar.snn.topology import Conv2d, Dense
from crossbar.wires.wires import Wires
from device_models.errors import ConfigError

DATA = DataSettings(set="mnist", encoding=Constant.Options(mean=(0.1,)), steps=8)


@functools.cache
def images():
    """A quarter of the places of `bars`, as amplitudes of either sign."""
    samples, labels = bars(96, 32)
    halves = [
        Half(samples[part, ::2, ::2].copy(), labels[part].astype(np.uint8))
        for part in (slice(96), slice(96, None))
    ]
    loaded = LoadedDataset(
        title="bars",
        class_names=tuple("0123456789"),
        train=halves[0],
        test=halves[1],
        origin="here",
    )
    return encode(loaded, DATA, seed=0)


def settings(bias="digital", **others):
    leaky = Leaky(surrogate_scale=10.0)
    layers = (
        Conv2d(channels=4, kernel=3, pool=2, bias=bias, neuron=leaky, sigma_init=0.4),
        Conv2d(channels=5, kernel=3, pool=2, bias=bias, neuron=leaky, sigma_init=0.2),
        Dense(neurons=10, bias=bias, neuron=leaky, sigma_init=0.2),
    )
    network = Network(layers=layers, loss=MseCount(correct_rate=0.8, incorrect_rate=0.2))
    config = changed(small(optimizer="adam"), learning_rate=0.01, epochs=2, device="oxram.yaml")
    return changed(config, data=DATA, network=network, **others)


@functools.cache
def done_with(bias):
    return trained(settings(bias), images())


def test_a_resumed_run_is_the_uninterrupted_one_for_any_number_of_threads():
    config, whole = settings(), done_with("digital")
    pieces = trainer_of(config, images(), threads=2)
    first = [bias.values.copy() for bias in pieces.biases]
    pieces.start()
    finish(pieces, 1)
    content = checkpoint.save(pieces, pieces.conductances())
    pieces = trainer_of(config, images())
    checkpoint.restore(pieces, content)
    finish(pieces, 2)
    same_bits(pieces, whole)
    for one, other, before in zip(whole.biases, pieces.biases, first, strict=True):
        assert one.values.tolist() == other.values.tolist()
        assert np.abs(one.values - before).min() > 0.0


def test_dense_torch_gives_what_the_kernels_give():
    data, trainer = images(), trainer_of(settings(), images())
    plan, generator = trainer.setup.network, np.random.default_rng(3)
    none = np.zeros((0, 0), np.float32)
    weights = [(0.3 * generator.standard_normal(s)).astype(np.float32) for s in plan.matrices]
    siemens = [
        np.where(np.arange(len(w)) < layer.rows, 1.0, 0.0)
        for w, layer in zip(weights, plan.synaptic, strict=True)
    ]
    views = [LayerView(w, none, s) for w, s in zip(weights, siemens, strict=True)]
    batch = Batch(data.train_events, data.train_labels, np.arange(16))
    events, dense = (
        engine.run(batch, views, learn=weights)
        for engine in (
            EventEngine(plan, tile_rows=16, threads=1),
            DenseEngine(plan, tile_rows=16, device="cpu"),
        )
    )
    for one, other in zip(events.spikes, dense.spikes, strict=True):
        assert one.tolist() == other.tolist()
        assert one.sum() > 0
    for one, other in zip(events.gradients, dense.gradients, strict=True):
        near(one, torch.as_tensor(other).double(), 1e-3)
    assert events.activations.tolist() == dense.activations.tolist()
    assert events.tile_steps.tolist() == dense.tile_steps.tolist()
    assert_allclose(events.siemens, dense.siemens, rtol=1e-5)


@pytest.mark.parametrize("bias", ["digital", "row"])
def test_an_estimate_counts_what_the_boards_counted(bias):
    """Activations, active reads and the energy of the reads, of each layer."""
    trainer = done_with(bias)
    boards = [layer.board for layer in trainer.layers]
    before = [board.counters for board in boards]
    trainer.evaluate()
    spent = [board.counters - then for board, then in zip(boards, before, strict=True)]
    activity, _ = unpack(recorded(trainer, 0.5))
    tiles = trainer.setup.tiles
    counts = count(activity, tiles.tile_rows, tiles.tile_columns)
    for counted, board, on_board in zip(counts, spent, boards, strict=True):
        assert counted.drives == board.row_activations > 0
        assert counted.conversions == board.column_conversions > 0
        joules = on_board.info.read_volts**2 * on_board.info.read_seconds
        assert_allclose(counted.siemens_activations * joules, board.read_joules, rtol=1e-5)
    assert [counted.reads // 32 for counted in counts] == [12 * 12, 8 * 4 * 4, 8]
    assert [counted.neurons for counted in counts] == [4 * 6 * 6, 5 * 2 * 2, 10]


def test_wires_faults_and_mappings_are_those_of_every_layer():
    config = settings(
        "row", epochs=1, mapping=MAPPINGS["pair"].Options(), faults=Faults(stuck_low_share=0.1),
        wires=Wires(word_ohms=2.0, bit_ohms=2.0),
    )  # fmt: skip
    trainer = trained(config, images())
    row = trainer.rows[-1]
    assert row["wires"]["solved_tiles"] > 0
    assert len(row["faults"]["layers"]) == 3
    assert all(layer["pulses"]["set"] > 0 for layer in row["layers"])
    weights = trainer.layers[0].weights(trainer.layers[0].board.read()).numpy()
    assert weights.shape == (9 + 1, 4)


def test_what_is_not_emulated_is_refused_by_name():
    def refused(message, **others):
        with pytest.raises(ConfigError, match=message):
            trainer_of(changed(settings(), **others), images())

    by_kernels = (
        r"layers\[0\] .*periphery.kind = adc .* a convolution, .* by this engine; choose .* = dense"
    )
    adc, analog = Periphery(kind="adc"), Periphery(kind="analog")
    refused(by_kernels, periphery=adc)
    with pytest.raises(ConfigError, match=by_kernels):
        done_with("digital").evaluate_with(adc)
    in_torch = {"engine": DenseEngine.Options()}
    refused(r"layers\[0\] .*periphery.kind = analog .* position by position", periphery=analog)
    refused(r"layers\[0\] .* = analog .* position by position", periphery=analog, **in_torch)
    refused("periphery.iv_volts is not emulated of amplitudes", periphery=Periphery(iv_volts=0.64))
    plan = trainer_of(settings(), images()).setup.network
    with pytest.raises(ConfigError, match=r"layers\[0\] .* bias = digital is on no board"):
        BoardEngine(plan, [])
    loss = MseCount(correct_rate=0.8, incorrect_rate=0.2)
    layers = tuple(Dense(neurons=10, bias=bias, neuron=Leaky()) for bias in ("row", "digital"))
    both = {"network": Network(layers=layers, loss=loss)}
    refused(r"layers\[0\] .* bias = row by this engine", periphery=adc, **both)
    refused(
        r"layers\[1\] .* bias = digital, which is no current", periphery=analog, **both, **in_torch
    )


def test_converters_of_convolutions_are_trained_in_dense_torch():
    """Amplitudes of either sign in the first layer, digital biases, drivers that rise."""
    fine = Periphery(kind="adc", adc_bits=14, adc_clip_share=0.0, driver_rise_seconds=1e-8)
    config = settings("digital", engine=DenseEngine.Options(), periphery=fine, epochs=1)
    trainer = trained(config, images())
    assert min(trainer.rows[-1]["periphery"]["range_amperes"]) > 0.0
    assert all(layer["pulses"]["set"] > 0 for layer in trainer.rows[-1]["layers"])
    exact = trainer.evaluate_with(Periphery(driver_rise_seconds=1e-8), noise_key=7)
    coarse = Periphery(kind="adc", adc_bits=2, driver_rise_seconds=1e-8)
    off = [
        np.abs(trainer.evaluate_with(p, noise_key=7).losses - exact.losses).mean()
        for p in (fine, coarse)
    ]
    assert off[0] < off[1]
    before = [layer.board.counters.column_conversions for layer in trainer.layers]
    reads = trainer.evaluate().tile_steps
    for layer, then, tiles in zip(trainer.layers, before, reads, strict=True):
        spent = layer.board.counters.column_conversions - then
        assert spent == tiles * layer.mapping.columns > 0


def test_amplitudes_are_refused_on_drivers_that_cannot_set_them():
    def info(dac_volts):
        grid = Grid(dac_volts=dac_volts)
        return BoardInfo(
            name="bench", shape=(9, 4), tile_shape=(9, 4), read_volts=0.2, read_seconds=1e-6,
            grid=grid, is_emulator=False,
        )  # fmt: skip

    check_amplitudes(info(0.2 / 127), 127)
    check_amplitudes(info(None), 127)
    with pytest.raises(ConfigError, match=r"127 amplitudes up to 0\.2 V, and bench sets a line in"):
        check_amplitudes(info(0.2), 127)


def test_the_presets_have_the_published_sizes():
    plan = load_network("csnn_mnist").plan()
    assert plan.crossbars == ((25, 8), (200, 16), (256, 10))
    assert [layer.array.positions for layer in plan.synaptic] == [576, 64, 1]
    assert sum(rows * columns for rows, columns in plan.crossbars) == 5960
