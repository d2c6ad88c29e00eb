"""Pictures that a run leaves: fields before and after, maps of convolutions, the first image."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from xbar_training import bars, changed, small, synthetic, trained, trainer_of

from crossbar.array.faults import Faults
from crossbar.array.tiles import Tiles
from crossbar.datasets import Half, LoadedDataset
from crossbar.datasets.encode import encode
from crossbar.datasets.settings import DataSettings
from crossbar.experiment.rows import with_output
from crossbar.figures import fields, style
from crossbar.figures.feature_maps import LayerSpikes, feature_maps
from crossbar.figures.run import (
    drawn,
    first_fields,
    first_outcome,
    hidden_title,
    spikes_from_maps_on,
)
from crossbar.snn.encodings.constant import Constant
from crossbar.snn.encodings.rate import Rate
from crossbar.snn.engines import DenseEngine
from crossbar.snn.losses import MseCount, MseRate
from crossbar.snn.network import Network
from crossbar.snn.neurons import Leaky, Snu
from crossbar.snn.topology import Conv2d, Dense, Lateral
from crossbar.snn.topology.protocol import Signal

ALWAYS = {"accuracy", "spikes", "pulses", "conductances", "confusion", "raster"}
HELD = DataSettings(set="mnist", encoding=Constant.Options(mean=(0.1,)), steps=6)
RATE = DataSettings(set="mnist", encoding=Rate.Options(peak_spikes_per_step=0.3), steps=6)


@functools.cache
def images(colours, settings):
    """A quarter of the places of `bars`, perhaps in three colours."""
    samples, labels = bars(64, 16)
    samples = samples[:, ::2, ::2]
    if colours:
        samples = np.stack([samples, samples[:, ::-1], samples // 2], axis=1)
    halves = [
        Half(samples[part].copy(), labels[part].astype(np.uint8))
        for part in (slice(64), slice(64, None))
    ]
    names = tuple("0123456789")
    loaded = LoadedDataset(
        title="bars", class_names=names, train=halves[0], test=halves[1], origin="here"
    )
    return encode(loaded, settings, seed=0)


def convolving():
    leaky = Leaky(surrogate_scale=10.0)
    layers = (
        Conv2d(channels=4, kernel=3, pool=2, bias="row", neuron=leaky, sigma_init=0.4),
        Dense(neurons=12, neuron=leaky, sigma_init=0.3),
        Dense(neurons=10, neuron=leaky, sigma_init=0.5),
    )
    return Network(layers=layers, loss=MseCount(correct_rate=0.8, incorrect_rate=0.2))


def inhibited():
    layers = (
        Lateral(neurons=50, neuron=Snu(), sigma_init=0.2),
        Dense(neurons=10, neuron=Snu(), sigma_init=0.3),
    )
    return Network(layers=layers, loss=MseRate())


@functools.cache
def done(network, data, colours=False, **others):
    """A trainer after an epoch in dense torch, which compiles nothing; conductances of before."""
    config = changed(small(optimizer="adam"), network=network(), data=data, **others)
    config = dataclasses.replace(config, engine=DenseEngine.Options(), epochs=1, batch_size=16)
    trainer = trained(dataclasses.replace(config, epochs=0), images(colours, data))
    before = [g.copy() for g in trainer.conductances()]
    trainer.epochs = 1
    for _ in trainer.run_epoch():
        pass
    return config, trainer, before


def tiles(axes, size):
    """The fields or maps of a mosaic in its panel, by place."""
    (picture,) = axes.images
    shown = np.ma.filled(picture.get_array().astype(float), np.nan)
    step = size + max(1, size // 10)
    rows, columns = (-(-n // step) for n in shown.shape[:2])
    return [
        shown[step * y : step * y + size, step * x : step * x + size]
        for y in range(rows)
        for x in range(columns)
    ]


@pytest.mark.parametrize(
    ("network", "colours", "more"),
    [(inhibited, False, {"fields"}), (convolving, True, {"fields", "feature_maps"})],
)
def test_a_run_has_the_pictures_of_its_layers(network, colours, more):
    _, trainer, before = done(network, HELD if network is convolving else RATE, colours)
    assert set(drawn(trainer, before)) == ALWAYS | more


def test_a_run_of_lines_in_no_image_has_the_pictures_that_are_left(monkeypatch):
    _, trainer, before = done(inhibited, RATE)
    flat = trainer.data._replace(test_samples=None)
    monkeypatch.setattr(trainer, "data", flat)
    first = trainer.setup.network.synaptic[0]
    monkeypatch.setitem(vars(first), "incoming", Signal((196,), first.incoming.signs))
    assert set(drawn(trainer, before)) == ALWAYS - {"raster"}


def test_the_raster_says_which_of_several_hidden_layers_it_shows():
    titles = [
        hidden_title(trainer_of(small(network={"hidden": hidden}), synthetic(24, 12)))
        for hidden in (4, (4, 3))
    ]
    assert titles == ["Hidden layer", "Last of 2 hidden layers (hidden 2)"]
    trainer = done(inhibited, RATE)[1]
    figure = drawn(trainer, trainer.conductances())["raster"]
    assert "Hidden layer" in [axes.get_title(loc="left") for axes in figure.axes]


def test_the_fields_are_the_weights_of_the_devices_before_and_after():
    _, trainer, before = done(inhibited, RATE, device="ideal.yaml")
    moments = [first_fields(trainer, g) for g in (before[0], trainer.conductances()[0])]
    assert_allclose(moments[1].reshape(50, -1).T, trainer.weights()[0], rtol=0, atol=1e-6)
    assert np.abs(moments[1] - moments[0]).max() > 1e-3
    left, right = fields.before_and_after(*moments).axes
    chosen = style.evenly(50, fields.MOST)
    assert (len(chosen), chosen[0], chosen[-1]) == (fields.MOST, 0, 49)
    for axes, moment in zip((left, right), moments, strict=True):
        for tile, number in zip(tiles(axes, 14), chosen, strict=True):
            assert_array_equal(tile, moment[number])
        low, high = axes.images[0].get_clim()
        assert -low == high == np.percentile(np.abs(moment[chosen]), fields.SHARE)
        assert axes.get_xlabel() == "40 of 50 neurons, 14 x 14 pixels each"
        assert axes.child_axes[0].get_ylabel() == "weight (a.u.)"
    assert (left.get_title(loc="left"), right.get_title(loc="left")) == (
        "Before training", "After training"
    )  # fmt: skip


def test_fields_follow_rows_that_were_moved_and_copies_that_are_averaged():
    moved = Tiles(placement="remap", copies=2, averaged=1)
    others = {"tiles": moved, "faults": Faults(stuck_low_share=0.05)}
    config = changed(
        small(), network=inhibited(), data=RATE, device="ideal.yaml", epochs=0, **others
    )
    config = dataclasses.replace(config, engine=DenseEngine.Options())
    trainer = trained(config, images(False, RATE))
    shown = first_fields(trainer, trainer.conductances()[0])
    assert_allclose(shown.reshape(50, -1).T, trainer.weights()[0], rtol=0, atol=1e-5)


def test_kernels_of_three_colours_are_drawn_in_these():
    _, trainer, before = done(convolving, HELD, True)
    kernels = first_fields(trainer, before[0])
    assert kernels.shape == (4, 3, 3, 3)
    weights = trainer.layers[0].weights(torch.from_numpy(before[0])).numpy()
    assert_array_equal(kernels[2, 1, 0], weights[9:12, 2])  # green, the first row of kernel 2
    left, _ = fields.before_and_after(kernels, kernels, kind="kernels").axes
    limit = np.percentile(np.abs(kernels), fields.SHARE)
    wanted = np.clip(0.5 + 0.5 * kernels.transpose(0, 2, 3, 1) / limit, 0.0, 1.0)
    assert_allclose(np.array(tiles(left, 3)[:4]), wanted, rtol=1e-12)
    assert left.get_xlabel() == (
        f"4 kernels, 3 x 3 pixels each\ngrey: weight 0, full colour: \u00b1{limit:.2g} (a.u.)"
    )


def test_lines_in_no_image_have_no_fields():
    weights = np.zeros((12, 5))
    for shape in ((12,), (2, 2, 3)):
        assert fields.of_weights(weights, shape) is None
    assert fields.of_weights(weights, (3, 4)).shape == (5, 3, 4)
    assert fields.of_weights(weights, (1, 3, 4)).shape == (5, 3, 4)
    assert fields.of_weights(weights, (3, 2, 2)).shape == (5, 3, 2, 2)


def test_maps_count_the_spikes_of_the_first_image():
    _, trainer, _ = done(convolving, HELD, True)
    data, outcome = trainer.data, first_outcome(trainer)
    layers = spikes_from_maps_on(trainer, outcome)
    assert [(layer.name, layer.spikes.shape) for layer in layers] == [
        ("hidden 1", (6, 4, 6, 6)), ("hidden 2", (6, 12)), ("output", (6, 10))
    ]  # fmt: skip
    image, label = data.test_samples[0], int(data.test_labels[0])
    figure = feature_maps(image, layers, label, data.class_names, 1e-3)
    picture, maps, raster, output = figure.axes
    assert_array_equal(picture.images[0].get_array(), image.transpose(1, 2, 0))
    counts = outcome.spikes[0][0].sum(0).numpy().reshape(4, 6, 6)
    assert counts.max() > 1
    assert_array_equal(np.array(tiles(maps, 6)), counts)
    assert maps.get_title(loc="left") == f"Hidden 1: {int(counts.sum()):,} spikes"
    assert maps.get_xlabel() == "4 channels, 6 x 6 neurons each"
    assert maps.child_axes[0].get_ylabel() == "spikes in 6 steps"
    (ticks,) = raster.collections
    assert_array_equal(ticks.get_offsets(), outcome.spikes[1][0].nonzero().numpy())
    assert (raster.get_xlabel(), raster.get_ylabel()) == ("time (ms)", "neuron")
    bars_drawn = [bar.get_width() for bar in output.patches]
    assert_array_equal(bars_drawn, outcome.spikes[2][0].sum(0).numpy())
    assert output.get_xlabel() == "spikes in 6 steps"


def test_many_channels_are_thinned_out_and_layers_take_two_rows():
    spikes = np.zeros((5, 100, 2, 2), bool)
    spikes[:, 99] = True
    layers = [LayerSpikes(f"hidden {i}", spikes) for i in range(4)]
    figure = feature_maps(np.zeros((8, 8), np.uint8), layers, 0, ("a", "b"), 1e-3)
    assert len(figure.axes) == 5
    shown = tiles(figure.axes[-1], 2)
    assert len(shown) == 64
    assert_array_equal(shown[-1], 5.0)
    assert np.sum(shown) == 20.0
    assert figure.axes[-1].get_xlabel() == "64 of 100 channels, 2 x 2 neurons each"


# --- which spikes are hidden ---------------------------------------------------------------------


def test_spikes_of_the_output_are_not_hidden_and_learning_is_told_too():
    _, trainer, _ = done(convolving, HELD, True)
    test, row = trainer.recorded(), trainer.rows[-1]
    first, second, output = (spikes.sum() / 16 for spikes in test.spikes)
    said = row["spikes_per_inference"]
    assert said["layers"] == pytest.approx([first, second], rel=1e-12)
    assert said["total"] == pytest.approx(first + second, rel=1e-12)
    assert said["output"] == pytest.approx(output, rel=1e-12)
    assert output > 0
    assert row["rate_hz"] == pytest.approx((first + second) / (4 * 36 + 12) / 6e-3, rel=1e-12)
    assert trainer.rows[0]["train_spikes_per_inference"] is None
    learned = row["train_spikes_per_inference"]
    assert learned["total"] == pytest.approx(sum(learned["layers"]), rel=1e-12)
    assert learned["total"] > 0
    assert learned["output"] > 0


def test_rows_of_before_are_read_with_the_output_told_apart():
    former = {"excitatory": 30.0, "inhibitory": 30.0, "total": 60.0, "layers": [40.0, 20.0]}
    row = with_output({"epoch": 1, "spikes_per_inference": former}, spikes=True)
    assert row == {
        "epoch": 1,
        "spikes_per_inference": {
            "excitatory": 30.0, "inhibitory": 10.0, "total": 40.0, "layers": [40.0], "output": 20.0
        },
    }  # fmt: skip
    assert with_output(row, spikes=True) == row
    silent = with_output({"spikes_per_inference": former}, spikes=False)["spikes_per_inference"]
    assert silent == former | {"output": None}
