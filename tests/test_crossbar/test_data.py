"""The data of a run: its settings, what is held back, what is encoded when."""

import dataclasses
import re

import numpy as np
import pytest
import xbar_training
from xbar_training import finish, images_of, same_bits, small, synthetic, trained, trainer_of

from crossbar.datasets import DATASETS, Half, LoadedDataset, load_dataset
from crossbar.datasets.encode import encode, held_back_images
from crossbar.datasets.settings import DataSettings
from crossbar.experiment import checkpoint
from crossbar.snn.encodings import ENCODINGS
from crossbar.snn.encodings.latency import LatencyOptions, latency_code
from crossbar.snn.encodings.rate import RateOptions
from device_models.errors import ConfigError
from device_models.schema import dump, load, override


@pytest.fixture
def read(tmp_path):
    """Settings out of a file of some text."""

    def loaded(text):
        path = tmp_path / "data.yaml"
        path.write_text(text, "utf-8")
        return load(path, DataSettings)

    return loaded


# Settings


def test_the_data_of_the_seed_paper_are_the_default(read):
    settings = read("{}")
    assert settings == DataSettings()
    assert (settings.set, settings.encoding) == ("fashion_mnist", LatencyOptions())
    assert (settings.steps, settings.dt_seconds, settings.held_back) == (100, 1e-3, 0)
    assert settings.seconds == pytest.approx(0.1, rel=1e-12)


def test_a_file_names_the_set_and_the_encoding_in_short_or_in_full(read):
    assert read("set: mnist\nencoding: rate\n").encoding == RateOptions()
    text = (
        "{set: mnist, encoding: {kind: rate, peak_spikes_per_step: 0.2, fresh: true}, steps: 300}"
    )
    assert read(text) == DataSettings(
        set="mnist", encoding=RateOptions(peak_spikes_per_step=0.2, fresh=True), steps=300
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_settings_of_every_encoding_come_back_from_their_file(read, encoding):
    settings = override(DataSettings(), {"encoding": encoding, "held_back": "7", "set": "mnist"})
    assert read(dump(settings)) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("set: minst\n",
         "1:6: set must be one of fashion_mnist, mnist, cifar10, "
         "speech_commands_kw10, speech_commands, shd, not 'minst'; "
         "did you mean 'mnist'?"),
        ("encoding: latncy\n",
         "1:11: encoding must be one of latency, rate, constant, crossings, spikes, or a "
         "mapping with the key kind, not 'latncy'; did you mean 'latency'?"),
        ("steps: 1\n", "1:8: steps = 1 is outside [2, 65535] steps"),
        ("steps: 70000\n", "1:8: steps = 70000 is outside [2, 65535] steps"),
        ("encoding: {kind: rate, peak_spikes_per_step: 1.5}\n",
         "1:46: encoding.peak_spikes_per_step = 1.5 is outside [0, 1]"),
    ],
)  # fmt: skip
def test_wrong_settings_are_refused_in_one_line_with_their_place(read, text, message):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert str(caught.value).endswith(f"data.yaml:{message}")
    assert "\n" not in str(caught.value)


# Encoding


@pytest.fixture(scope="module")
def bars():
    """A set of 300 and 40 images, 4 x 5, of three classes."""
    generator = np.random.default_rng(8)

    def half(count):
        samples = generator.integers(0, 256, (count, 4, 5), np.uint8)
        return Half(samples, generator.integers(0, 3, count, np.uint8))

    return LoadedDataset(
        title="Bars", class_names=("a", "b", "c"), train=half(300), test=half(40), origin="here"
    )


def same_events(one, other):
    return all(
        np.array_equal(a, b)
        for a, b in zip(
            (one.rows, one.times, one.offsets), (other.rows, other.times, other.offsets),
            strict=True,
        )
    )  # fmt: skip


def test_data_say_what_later_rooms_ask(bars):
    data = encode(bars, DataSettings(steps=60), seed=3)
    assert same_events(data.train_events, latency_code(bars.train.samples, steps=60))
    assert same_events(data.test_events, latency_code(bars.test.samples, steps=60))
    assert data.train_labels.tolist() == bars.train.labels.tolist()
    assert data.test_labels.tolist() == bars.test.labels.tolist()
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    assert (data.inputs, data.classes, data.sample_shape) == (20, 3, (4, 5))
    assert (data.class_names, data.test_name) == (("a", "b", "c"), "test")
    assert np.array_equal(data.test_samples, bars.test.samples)


def test_a_network_that_does_not_fit_is_refused_with_both_shapes(bars):
    data = encode(bars, DataSettings(), seed=0)
    data.check_fit(inputs=20, classes=3)
    message = (
        "the network has 784 inputs and 10 classes, the data 20 inputs (4 x 5) and 3 classes; "
        "nothing was trained"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        data.check_fit(inputs=784, classes=10)
    with pytest.raises(ConfigError, match="has 20 inputs and 10 classes"):
        data.check_fit(inputs=20, classes=10)


def test_options_of_the_encoding_are_used(bars):
    settings = DataSettings(encoding=LatencyOptions(tau_steps=5.0, threshold=0.5))
    code = latency_code(bars.train.samples, steps=100, tau_steps=5.0, threshold=0.5)
    assert same_events(encode(bars, settings, seed=0).train_events, code)
    assert not same_events(encode(bars, DataSettings(), seed=0).train_events, code)


# What is held back


def test_what_is_held_back_is_tested_instead_of_the_test_images_and_not_learned(bars):
    data = encode(bars, DataSettings(held_back=50), seed=1)
    held_back = np.sort(held_back_images(300, 50))
    learned = np.setdiff1d(np.arange(300), held_back)
    assert (len(data.train_events), len(data.test_events)) == (250, 50)
    assert data.test_name == "held-back"
    assert np.array_equal(data.test_samples, bars.train.samples[held_back])
    assert data.test_labels.tolist() == bars.train.labels[held_back].tolist()
    assert data.train_labels.tolist() == bars.train.labels[learned].tolist()
    assert same_events(data.test_events, latency_code(bars.train.samples[held_back], steps=100))
    assert same_events(data.train_events, latency_code(bars.train.samples[learned], steps=100))


def test_every_seed_holds_the_same_images_back_and_more_of_them_contain_fewer(bars):
    one, other = (encode(bars, DataSettings(held_back=50), seed=seed) for seed in (1, 2))
    assert np.array_equal(one.test_samples, other.test_samples)
    few, many = held_back_images(300, 20), held_back_images(300, 200)
    assert len(set(few.tolist())) == 20
    assert set(few.tolist()) < set(many.tolist())
    assert sorted(held_back_images(300, 300).tolist()) == list(range(300))
    assert few.tolist() != list(range(20))


def test_holding_back_everything_is_refused(bars):
    encode(bars, DataSettings(held_back=299), seed=0)
    message = (
        "held_back = 300 leaves nothing to learn of the 300 training samples of Bars; "
        "nothing was trained"
    )
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        encode(bars, DataSettings(held_back=300), seed=0)


# A random code, frozen or fresh


@pytest.mark.parametrize("fresh", [False, True])
def test_a_seed_names_the_code_of_both_halves(bars, fresh):
    settings = DataSettings(encoding=RateOptions(fresh=fresh))
    one, same, other = (encode(bars, settings, seed=seed) for seed in (4, 4, 5))
    for name in ("train_events", "test_events"):
        assert same_events(getattr(one, name), getattr(same, name))
        assert not same_events(getattr(one, name), getattr(other, name))


def test_a_frozen_code_is_the_same_in_every_epoch(bars):
    data = encode(bars, DataSettings(encoding=RateOptions()), seed=4)
    assert data.epoch_events(1, 100) is data.epoch_events(2, 100) is data.train_events


def test_a_fresh_code_differs_from_epoch_to_epoch_and_an_epoch_comes_again(bars):
    data = encode(bars, DataSettings(encoding=RateOptions(fresh=True)), seed=4)
    first, second = data.epoch_events(1, 100), data.epoch_events(2, 100)
    assert not same_events(first, second)
    assert not same_events(first, data.train_events)
    assert same_events(first, data.epoch_events(1, 100))
    frozen = encode(bars, DataSettings(encoding=RateOptions()), seed=4)
    assert same_events(data.test_events, frozen.test_events)


def test_a_trainer_learns_the_events_of_each_epoch_and_tests_on_the_same():
    """Epochs that all bring the usual events train as usual, whatever stood there before."""
    config, data = small(device="ideal.yaml"), synthetic()
    epochs = []

    def usual(epoch):
        epochs.append(epoch)
        return data.train_events

    silent = latency_code(np.zeros((192, 28, 28), np.uint8), steps=100)
    fresh = trained(config, data._replace(train_events=silent, encode_epoch=usual))
    assert epochs == [1, 2]
    same_bits(fresh, trained(config, data))
    other = trainer_of(config, data._replace(encode_epoch=lambda epoch: silent))
    other.start()
    finish(other, 1)
    assert other.rows[1]["train_loss"] != fresh.rows[1]["train_loss"]


def test_a_run_of_a_fresh_code_resumed_on_other_threads_is_the_uninterrupted_one():
    images, labels = xbar_training.bars(96, 32)
    halves = (
        Half(images[part], labels[part].astype(np.uint8)) for part in np.split(np.arange(128), [96])
    )
    names = {"title": "Bars", "class_names": tuple("0123456789"), "origin": "here"}
    loaded = LoadedDataset(**names | dict(zip(("train", "test"), halves, strict=True)))
    settings = DataSettings(encoding=RateOptions(fresh=True))
    config = small(device="ideal.yaml", data=settings)
    whole = trained(config, encode(loaded, settings, seed=config.seed))
    pieces = trained(
        dataclasses.replace(config, epochs=1), encode(loaded, settings, seed=config.seed)
    )
    content = checkpoint.save(pieces, pieces.conductances())
    pieces = trainer_of(config, encode(loaded, settings, seed=config.seed), threads=2)
    checkpoint.restore(pieces, content)
    finish(pieces, 2)
    same_bits(pieces, whole)
    frozen = dataclasses.replace(settings, encoding=RateOptions())
    other = trained(config, encode(loaded, frozen, seed=config.seed))
    assert other.rows[2]["train_loss"] != whole.rows[2]["train_loss"]


# A data set from outside


class Stripes:
    """Bright rows or bright columns; it has no files."""

    title, class_names, sample_shape = "Stripes", ("rows", "columns"), (6, 6)
    samples, licence, source, files = (16, 16), "CC0", "this test", None

    def load(self, data_dir=None, *, notice, environment=None):
        rows = np.zeros((6, 6), np.uint8)
        rows[::2] = 255
        half = Half(np.stack([rows, rows.T] * 8), np.array([0, 1] * 8, np.uint8))
        return LoadedDataset(
            title=self.title, class_names=self.class_names, train=half, test=half, origin="made"
        )


def test_a_set_from_outside_is_one_class_and_one_line_in_the_table(monkeypatch, read):
    monkeypatch.setitem(DATASETS, "stripes", Stripes())
    settings = read("{set: stripes, encoding: rate, steps: 20}")
    data = encode(load_dataset(settings.set, notice=print), settings, seed=0)
    assert (data.inputs, data.classes) == (36, 2)


@pytest.mark.parametrize(("peak", "steps"), [(0.05, 100), (6 / 20, 20)])
def test_real_digits_become_events(peak, steps):
    """The second code is that of a published experiment: 6 spikes of a white pixel in 20 steps."""
    loaded = images_of("mnist")
    if isinstance(loaded, str):
        pytest.skip(loaded)
    few = LoadedDataset(
        title=loaded.title, class_names=loaded.class_names, origin=loaded.origin,
        train=Half(*(part[:1000] for part in loaded.train)),
        test=Half(*(part[:100] for part in loaded.test)),
    )  # fmt: skip
    settings = DataSettings(
        set="mnist", encoding=RateOptions(peak_spikes_per_step=peak), steps=steps
    )
    data = encode(few, settings, seed=0)
    mean = few.train.samples.sum() / 255 * peak * steps
    # The variance of the number of spikes is sum p (1 - p), less than its mean.
    assert abs(len(data.train_events.rows) - mean) < 5 * np.sqrt(mean)
