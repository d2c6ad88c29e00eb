"""Spiking digits: files that colleagues bring, and their code."""

import dataclasses
import gzip
import io

import numpy as np
import pytest

from crossbar.datasets.dataset import Half, LoadedDataset
from crossbar.datasets.encode import encode
from crossbar.datasets.settings import DataSettings
from crossbar.datasets.shd import BUILT, SHD, half_of_hdf5, halves_of_built
from crossbar.experiment import builder
from crossbar.experiment.config import Training
from crossbar.experiment.network_settings import load_network, with_network
from crossbar.snn.encodings import ENCODINGS
from crossbar.snn.encodings.augment import Augmentation, augmented
from crossbar.snn.encodings.events import Events
from crossbar.snn.encodings.spike_trains import Recorded, SpikeTrains
from device_models.errors import ConfigError, DataError, ShapeError
from device_models.presets import load_device

RNG = np.random.default_rng(0)


def trains(counts=(3, 0, 4), channels=700):
    """Spikes in 0.9 s, in the order of their times."""
    seconds = [np.sort(RNG.uniform(0.0, 0.9, count)).astype(np.float32) for count in counts]
    units = RNG.integers(0, min(channels, 700), sum(counts)).astype(np.uint16)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return SpikeTrains(
        seconds=np.concatenate(seconds), units=units, offsets=offsets, channels=channels
    )


def hdf5(samples, marks, **others):
    """A file as published; skips the test without h5py."""
    h5py = pytest.importorskip("h5py")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        group, kinds = file.create_group("spikes"), {"times": np.float32, "units": np.uint16}
        for at, (name, kind) in enumerate(kinds.items()):
            column = group.create_dataset(name, (len(samples),), h5py.vlen_dtype(kind))
            for number, sample in enumerate(samples):
                column[number] = sample[at]
        file["labels"] = np.asarray(marks)
        for name, value in others.items():
            del file[name]
            if value is not None:
                file[name] = value
    return buffer.getvalue()


def samples_of(some):
    parts = (some[i : i + 1] for i in range(len(some)))
    return [(part.seconds, part.units) for part in parts]


def test_trains_are_chosen_by_slice_numbers_and_mask():
    some = trains()
    for chosen in (slice(1, 3), np.array([1, 2]), np.array([False, True, True])):
        part = some[chosen]
        assert part.shape == (2, 700)
        assert part.offsets.tolist() == [0, 0, 4]
        np.testing.assert_array_equal(part.seconds, some.seconds[3:])
    assert some[[2, 0]].units.tolist() == [*some.units[3:], *some.units[:3]]


def test_the_official_files_are_read_plain_or_gzipped(tmp_path):
    some = trains()
    content = hdf5(samples_of(some), [4, 19, 0])
    (tmp_path / "shd").mkdir()
    (tmp_path / "shd/shd_train.h5").write_bytes(content)
    (tmp_path / "shd/shd_test.h5.gz").write_bytes(gzip.compress(content))
    loaded = SHD.load(tmp_path, notice=lambda line: None)
    assert loaded.title == "Spiking Heidelberg Digits"
    assert loaded.class_names[19] == "de 9"
    for half in (loaded.train, loaded.test):
        np.testing.assert_array_equal(half.samples.seconds, some.seconds)
        np.testing.assert_array_equal(half.samples.units, some.units)
        assert half.labels.tolist() == [4, 19, 0]


@pytest.mark.parametrize(
    ("labels", "others", "message"),
    [
        ([0, 1, 2], {"spikes": None}, "it has no spikes/times"),
        ([0, 1, 2], {"labels": None}, "it has no labels"),
        ([0, 1, 20], {}, "labels are whole numbers from 0 to 19"),
        ([0, 1], {}, "3 times, 3 units, 2 labels; each sample has one of all"),
    ],
)
def test_a_file_without_spikes_or_labels_is_refused_in_one_line(labels, others, message):
    content = hdf5(samples_of(trains()), labels, **others)
    with pytest.raises(DataError, match=f"^a.h5: no spikes of the Heidelberg digits: {message}"):
        half_of_hdf5(content, where="a.h5")


def test_what_is_no_hdf5_or_has_units_beyond_is_refused():
    pytest.importorskip("h5py")
    with pytest.raises(DataError, match=r"a\.h5: no spikes of the Heidelberg digits"):
        half_of_hdf5(b"no HDF5 at all", where="a.h5")
    wrong = [(np.array([0.1, np.nan], np.float32), np.array([1, 2], np.uint16))]
    with pytest.raises(DataError, match="a time outside of 0 to 60 s"):
        half_of_hdf5(hdf5(wrong, [0]), where="a.h5")
    wrong = [(np.array([0.1], np.float32), np.array([700], np.uint16))]
    with pytest.raises(DataError, match="a unit of sample 0 is none of 700"):
        half_of_hdf5(hdf5(wrong, [0]), where="a.h5")


def archive(**changes):
    """A file that was built, of three samples."""
    arrays = {
        "times": np.array([5, 9, 7], np.uint16),
        "units": np.array([1, 699, 0], np.uint16),
        "offsets": np.array([0, 2, 2, 3]),
        "labels": np.array([1, 2, 3], np.uint8),
        "is_test": np.array([0, 1, 0], np.uint8),
    } | changes
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"units": None}, "units"),
        ({"units": np.array([1, 700, 0], np.uint16)}, "unit 700; there are 700 from 0 on"),
        ({"units": np.array([1, 2], np.uint16)}, "its samples are not one after the other"),
        ({"offsets": np.array([0, 3, 2, 3])}, "its samples are not one after the other"),
        ({"times": np.zeros(3)}, r"times is float64 of \(3,\)"),
        ({"labels": np.zeros(2, np.uint8)}, "it has not as many labels as samples"),
        ({"is_test": np.zeros(3, np.uint8)}, "0 of its 3 samples are tested"),
    ],
)
def test_a_built_file_that_is_wrong_is_refused(changes, message):
    assert len(halves_of_built(archive(), where=BUILT)[0].samples) == 2
    with pytest.raises(DataError, match=rf"^{BUILT}: no spikes of the Heidelberg.*{message}"):
        halves_of_built(archive(**changes), where=BUILT)


def code(some, steps=100, **options):
    events = Recorded(Recorded.Options(**options)).encode(some, steps=steps, generator=RNG)
    assert isinstance(events, Events)
    return events


def test_steps_are_equal_parts_of_the_window_and_later_spikes_are_left_out():
    some = SpikeTrains(
        seconds=np.array([0.0, 0.0099, 0.01, 0.999, 1.0], np.float32),
        units=np.array([9, 4, 699, 3, 2], np.uint16), offsets=np.array([0, 5]), channels=700,
    )  # fmt: skip
    events = code(some)
    assert events.times.tolist() == [0, 0, 1, 99]
    assert events.rows.tolist() == [4, 9, 699, 3]
    assert code(some, channels_per_line=5).rows.tolist() == [0, 1, 139, 0]
    assert code(some, seconds=2.0).times.tolist() == [0, 0, 0, 49, 50]


def test_the_published_bins_are_a_window_of_100_99ths_of_1_4_s_less_an_empty_step():
    some = trains((500,))
    published = np.digitize(some.seconds, np.linspace(0.0, 1.4, 100))
    np.testing.assert_array_equal(np.sort(published) - 1, code(some, seconds=1.4 * 100 / 99).times)


def test_several_spikes_of_a_line_in_a_step_are_several_events_unless_binary():
    some = SpikeTrains(
        seconds=np.full(4, 0.5, np.float32), units=np.array([0, 1, 2, 7], np.uint16),
        offsets=np.array([0, 4]), channels=10,
    )  # fmt: skip
    assert code(some, channels_per_line=5).rows.tolist() == [0, 0, 0, 1]
    assert code(some, channels_per_line=5, binary=True).rows.tolist() == [0, 1]


def grid(samples, steps, lines):
    """A spike of every line in every step."""
    rows = np.tile(np.arange(lines, dtype=np.uint16), samples * steps)
    times = np.tile(np.repeat(np.arange(steps, dtype=np.uint8), lines), samples)
    return Events(rows, times, np.arange(samples + 1) * steps * lines)


def test_augmented_samples_are_moved_and_lack_a_band_of_steps_and_of_channels():
    samples, steps, channels, lines = 300, 12, 10, 3
    how = Augmentation(shift_steps=2, shift_channels=1, mask_steps=3, mask_channels=2)
    events = augmented(
        grid(samples, steps, channels * lines), how, channels=channels, lines=lines, steps=steps,
        generator=np.random.default_rng(7),
    )  # fmt: skip
    seen = set()
    for i in range(samples):
        part = slice(events.offsets[i], events.offsets[i + 1])
        there = np.zeros((steps, channels * lines), int)
        np.add.at(there, (events.times[part], events.rows[part]), 1)
        order = events.times[part].astype(int) * channels * lines + events.rows[part]
        assert (np.diff(order) > 0).all()  # by step, then line, none twice
        of_channel = there.reshape(steps, channels, lines)
        assert (of_channel == of_channel[..., :1]).all()  # the lines of a channel go together
        of_step = there.any(1)
        assert (of_channel[of_step, :, 0] == of_channel[of_step, :, 0][0]).all()
        gone = [np.flatnonzero(~there) for there in (of_step, there.any(0)[::lines])]
        seen.add(tuple(len(each) for each in gone))
    assert {n for n, _ in seen} == set(range(2 + 3 + 1))  # of steps: a shift and a band
    assert {n for _, n in seen} == set(range(1 + 2 + 1))
    none = augmented(
        grid(2, steps, 30), Augmentation(), channels=10, lines=3, steps=steps,
        generator=np.random.default_rng(7),
    )  # fmt: skip
    assert len(none.rows) == 2 * steps * 30


def test_recorded_spikes_are_learned_anew_in_every_epoch_where_they_are_moved():
    encoding = Recorded(Recorded.Options(shift_steps=5))
    some, usual = trains((40, 0, 30)), {"steps": 100}
    once = encoding.encode(some, generator=RNG, **usual)
    assert encoding.fresh
    assert not Recorded(Recorded.Options()).fresh
    drawn = [
        encoding.encode_epoch(some, once, generator=np.random.default_rng(seed), **usual)
        for seed in (1, 1, 2)
    ]
    times = [events.times.tolist() for events in drawn]
    assert times[0] == times[1] != times[2]
    assert once.times.tolist() == encoding.encode(some, generator=RNG, **usual).times.tolist()


@pytest.mark.parametrize("name", ["crossings", "spikes"])
def test_what_events_cannot_say_is_refused_of_sounds_and_spikes_too(name):
    encoding, usual = ENCODINGS[name](ENCODINGS[name].Options()), {"generator": RNG}
    some = {"crossings": np.zeros((2, 9_000, 3), np.float32), "spikes": trains(channels=70_000)}
    with pytest.raises(
        ShapeError, match=r"input lines \((9000 x 8|70000)\); an event names one of"
    ):
        encoding.encode(some[name], steps=3, **usual)
    few = {"crossings": np.zeros((2, 9, 3), np.float32), "spikes": trains()}[name]
    with pytest.raises(ShapeError, match="there is no sample"):
        encoding.encode(few[:0], steps=3, **usual)
    with pytest.raises(ShapeError, match="65,536 steps; an event names one of"):
        encoding.encode(few, steps=65_536, **usual)


def loaded(some):
    half = Half(some, np.arange(len(some), dtype=np.uint8))
    return LoadedDataset(
        title="digits", class_names=SHD.class_names, train=half, test=half, origin="here"
    )


def test_a_set_of_spikes_is_encoded_for_the_trainer():
    settings = DataSettings(set="shd", encoding=Recorded.Options(channels_per_line=5))
    assert settings.input_shape == (140,)
    data = encode(loaded(trains()), settings, seed=0)
    assert (data.inputs, data.classes, len(data.train_events)) == (140, 20, 3)
    assert data.test_samples.shape == (1, 140, 100)
    assert np.count_nonzero(data.test_samples[0]) == 3
    data.check(100)


def test_settings_that_do_not_fit_spikes_are_refused():
    for settings, message in (
        (DataSettings(set="shd"), "digits has spikes, the data settings encode images; data.enc"),
        (
            DataSettings(set="shd", encoding=Recorded.Options(channels_per_line=3)),
            "does not divide",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            encode(loaded(trains()), settings, seed=0)


def bands(count, generator):
    """Digits that sweep, each class over channels of its own; 300 spikes each."""
    labels = np.arange(count) % 20
    seconds = np.sort(generator.uniform(0.0, 0.8, (count, 300)), axis=1)
    units = 30 * labels[:, None] + generator.normal(60.0 * seconds, 8.0)
    spikes = SpikeTrains(
        seconds=seconds.ravel().astype(np.float32),
        units=np.clip(units, 0, 699).ravel().astype(np.uint16),
        offsets=300 * np.arange(count + 1),
        channels=700,
    )
    return Half(spikes, labels.astype(np.uint8))


@pytest.mark.parametrize("name", ["shd_feedforward", "shd_recurrent", "shd_delays"])
def test_presets_of_digits_fit_their_data(name):
    assert with_network(Training(), name).data.input_shape == (140,)
    network = load_network(name).plan()
    assert (network.inputs, network.layers[-1].outputs, network.steps) == (140, 20, 100)


def test_a_preset_of_digits_learns_bands_by_pulses():
    preset = with_network(Training(), "shd_delays")
    still = dataclasses.replace(
        preset.data.encoding, shift_channels=0
    )  # bands stay in their places
    data_settings = dataclasses.replace(preset.data, encoding=still)
    config = dataclasses.replace(preset, batch_size=20, data=data_settings)
    generator = np.random.default_rng(0)
    digits = LoadedDataset(
        title="bands", class_names=SHD.class_names, train=bands(200, generator),
        test=bands(40, generator), origin="here",
    )  # fmt: skip
    data = encode(digits, config.data, seed=0)
    trainer = builder.trainer(config, load_device("ideal"), data, threads=1)
    trainer.start()
    for _ in range(3):
        for _ in trainer.run_epoch():
            pass
    assert trainer.setup.network.layers[-1].outputs == 20
    assert trainer.rows[-1]["test_accuracy"] > 0.5
