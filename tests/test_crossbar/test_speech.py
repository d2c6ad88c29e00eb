"""Words: front ends against the sums they stand for, thresholds against plain Python."""

import dataclasses
import hashlib
import shutil

import numpy as np
import pytest
import xbar_sounds
import xbar_training

from crossbar.datasets.dataset import Half, LoadedDataset
from crossbar.datasets.encode import encode
from crossbar.datasets.front_ends import LogMel, Mfcc
from crossbar.datasets.settings import DataSettings
from crossbar.datasets.speech_commands import SPEECH_COMMANDS_KW10, WORDS
from crossbar.datasets.speech_commands_folder import SPEECH_COMMANDS
from crossbar.snn.encodings.crossings import Crossings
from device_models.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
SMALL = {"window_seconds": 0.02, "channels": 6, "sample_hertz": 4000, "high_hertz": 1500.0}
SMALL |= {"stride_seconds": 0.005}


def sounds(count=5, samples=400):
    return (20 * RNG.standard_normal((count, samples))).astype(np.int16)


def plain_log_mel(sound, rate, window, stride, channels, low, high, floor):
    """One sum a time: a periodic Hann window, magnitudes, triangles, a logarithm."""
    points = 1 << (window - 1).bit_length()
    mel = lambda hertz: 1127.0 * np.log(1.0 + hertz / 700.0)  # noqa: E731
    corners = np.linspace(mel(low), mel(high), channels + 2)
    result = []
    for start in range(0, len(sound) - window + 1, stride):
        n = np.arange(window)
        frame = sound[start : start + window] * (0.5 - 0.5 * np.cos(2 * np.pi * n / window))
        magnitudes, sums = abs(np.fft.rfft(frame, points)), []
        for left, centre, right in zip(corners, corners[1:], corners[2:], strict=False):
            total = floor
            for bin_, magnitude in enumerate(magnitudes):
                at = mel(bin_ * rate / points)
                if left < at < right:
                    rises = at <= centre
                    total += magnitude * (
                        (at - left) / (centre - left) if rises else (right - at) / (right - centre)
                    )
            sums.append(np.log(total))
        result.append(sums)
    return np.array(result).T


def test_log_mel_is_the_sum_it_stands_for():
    sound = sounds(1)
    front_end = LogMel(LogMel.Options(**SMALL))
    features = front_end.features(sound)
    assert features.shape == (1, *front_end.shape(400)) == (1, 6, 17)
    expected = plain_log_mel(sound[0].astype(float), 4000, 80, 20, 6, 20.0, 1500.0, 10.0)
    np.testing.assert_allclose(features[0], expected, rtol=2e-5)


def test_silence_is_the_floor_and_a_word_has_98_frames_of_40_channels():
    front_end = LogMel(LogMel.Options())
    assert front_end.shape(16_000) == (40, 98)
    assert front_end.frame_seconds == 0.01
    np.testing.assert_allclose(front_end.features(np.zeros((1, 16_000), np.int16)), np.log(10.0))


def test_mfcc_are_the_cosine_transform_of_log_mel():
    some = sounds()
    mel = LogMel(LogMel.Options(**SMALL)).features(some)
    mfcc = Mfcc(Mfcc.Options(**SMALL, coefficients=4)).features(some)
    channel = np.arange(6) + 0.5
    for k in range(4):
        weights = np.cos(np.pi * k * channel / 6) * np.sqrt((2 if k else 1) / 6)
        np.testing.assert_allclose(mfcc[:, k], np.einsum("scf,c->sf", mel, weights), atol=2e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"high_hertz": 9000.0}, "low_hertz < high_hertz <= 8000 Hz is allowed"),
        ({"low_hertz": 5000.0}, "channels from 5000 to 4000 Hz of sound of 16,000 Hz"),
    ],
)
def test_channels_that_are_not_there_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        LogMel.Options(**options)
    with pytest.raises(ConfigError, match="41 coefficients of 40 channels"):
        Mfcc.Options(coefficients=41)


def test_a_sound_shorter_than_a_window_is_refused():
    with pytest.raises(ConfigError, match="sounds of 400 samples are shorter than a window of 480"):
        LogMel(LogMel.Options()).features(sounds())


FEATURES = RNG.standard_normal((7, 3, 20)).astype(np.float32)


def plain_lines(features, thresholds, code):
    """(step, line) of every spike of a sample."""
    channels, steps = features.shape
    spikes, count = [], len(thresholds)
    for t in range(steps):
        for c in range(channels):
            now = [features[c, t] >= threshold for threshold in thresholds]
            before = [t > 0 and features[c, t - 1] >= threshold for threshold in thresholds]
            if code == "levels":
                spikes += [(t, c * count + k) for k in range(count) if now[k]]
            else:
                at = 2 * c * count
                spikes += [(t, at + k) for k in range(count) if now[k] and not before[k]]
                spikes += [(t, at + count + k) for k in range(count) if before[k] and not now[k]]
    return spikes


@pytest.mark.parametrize("code", ["crossings", "levels"])
def test_lines_spike_where_thresholds_are_crossed_or_passed(code):
    encoding = Crossings(Crossings.Options(thresholds=3, lowest=-1.0, highest=1.0, code=code))
    events = encoding.encode(FEATURES, steps=20, generator=RNG)
    assert encoding.input_shape((3, 20)) == (3, 6 if code == "crossings" else 3)
    for i, features in enumerate(FEATURES):
        part = slice(events.offsets[i], events.offsets[i + 1])
        spikes = list(zip(events.times[part], events.rows[part], strict=True))
        assert spikes == plain_lines(features, [-1.0, 0.0, 1.0], code)
    with pytest.raises(ConfigError, match=r"data.steps = 19, but a sample has 20 frames"):
        encoding.encode(FEATURES, steps=19, generator=RNG)


def small_words():
    """Both halves of a set of words of 0.1 s, in a set of one's own."""
    labels = np.array([0, 1, 2, 0, 1], np.uint8)
    halves = [Half(sounds(), labels) for _ in range(2)]
    return LoadedDataset(
        title="words", class_names=("a", "b", "c"), train=halves[0], test=halves[1], origin="here"
    )


def settings(monkeypatch, **changes):
    from crossbar.datasets import DATASETS

    small = dataclasses.replace(SPEECH_COMMANDS_KW10, sample_shape=(400,))
    monkeypatch.setitem(DATASETS, "speech_commands_kw10", small)
    usual = {"set": "speech_commands_kw10", "front_end": LogMel.Options(**SMALL), "steps": 17}
    usual |= {"encoding": Crossings.Options(shift_steps=4), "dt_seconds": 0.005}
    return DataSettings(**usual | changes)


def test_features_are_standardised_by_what_is_learned_and_only_that_is_shifted(monkeypatch):
    given = settings(monkeypatch)
    data = encode(small_words(), given, seed=5)
    assert data.sample_shape == given.input_shape == (6, 8)
    assert data.test_samples.shape == (1, 6, 17)
    data.check(17)
    epochs = [data.epoch_events(epoch, 17) for epoch in (1, 1, 2)]
    np.testing.assert_array_equal(epochs[0].times, epochs[1].times)
    assert not np.array_equal(epochs[0].times, epochs[2].times)
    again = encode(small_words(), settings(monkeypatch), seed=6)
    assert data.epoch_events(1, 17).times.size != again.epoch_events(1, 17).times.size
    plain = encode(
        small_words(), settings(monkeypatch, encoding=Crossings.Options(shift_steps=0)), seed=5
    )
    assert plain.encode_epoch is None


def test_the_mean_feature_is_zero_and_its_variance_one():
    from crossbar.datasets.encode import standardised

    words = small_words()
    train, test = standardised(LogMel(LogMel.Options(**SMALL)), words.train, words.test)
    np.testing.assert_allclose(train.samples.mean(axis=(0, 2)), 0.0, atol=1e-5)
    np.testing.assert_allclose(train.samples.std(axis=(0, 2)), 1.0, rtol=1e-5)
    assert abs(test.samples.mean()) > 1e-4  # by the numbers of the training half


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 98}, "a step is a frame of data.front_end, so 17 of 0.005 s are allowed"),
        ({"dt_seconds": 0.01}, "a step is a frame of data.front_end, so 17 of 0.005 s are allowed"),
        ({"front_end": None}, "data.encoding = crossings takes features, and data.front_end is mi"),
        ({"set": "mnist"}, "data.front_end takes sounds, mnist has none"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_data_are_read(monkeypatch, changes, message):
    with pytest.raises(ConfigError, match=message):
        settings(monkeypatch, **changes).check()


def test_sounds_are_no_images(monkeypatch):
    with pytest.raises(
        ConfigError, match="words has sounds, the data settings encode images; data"
    ):
        encode(small_words(), DataSettings(set="speech_commands_kw10"), seed=0)


def test_clips_are_found_by_the_index_and_compared_with_checksums(tmp_path):
    clips = {
        name: (1000 * RNG.standard_normal((2, 16_000))).astype(np.int16) for name in ("go", "up")
    }
    contents = {
        f"{name}.flac": xbar_sounds.written(both.ravel(), 16_000) for name, both in clips.items()
    }
    rows = [("go.flac", 1, 0, "test"), ("up.flac", 0, 1, "train"), ("go.flac", 0, 0, "train"),
            ("up.flac", 1, 1, "test")]  # fmt: skip
    contents["index.csv"] = xbar_sounds.table(rows, ("file", "clip", "label", "split"))
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}
    files = dataclasses.replace(SPEECH_COMMANDS_KW10.files, md5=md5)
    small = dataclasses.replace(SPEECH_COMMANDS_KW10, files=files)
    loaded = small.load(tmp_path, notice=lambda line: None)
    np.testing.assert_array_equal(loaded.train.samples, [clips["up"][0], clips["go"][0]])
    np.testing.assert_array_equal(loaded.test.samples, [clips["go"][1], clips["up"][1]])
    assert loaded.test.labels.tolist() == [0, 1]


def test_the_real_words_are_as_many_as_stated():
    pytest.importorskip("soundfile")
    words = xbar_training.images_of("speech_commands_kw10")
    if isinstance(words, str):
        pytest.skip(words)
    assert (len(words.train.labels), len(words.test.labels)) == SPEECH_COMMANDS_KW10.samples
    assert "own split" in words.title
    # Each clip was scaled to an rms of 8 units.
    rms = np.sqrt(np.mean(words.test.samples.astype(float) ** 2, axis=1))
    assert 7.0 < np.median(rms) < 9.0


EVERY = [f"{word}/{name}.wav" for word in (*WORDS, "bed", "cat") for name in "abc"]
LISTED = {"testing_list.txt": ["go/b.wav", "bed/b.wav"], "validation_list.txt": ["go/c.wav"]}


def commands(root, **changes):
    """A folder of Speech Commands, three clips a word, each of one number; of `changes` other."""
    soundfile = pytest.importorskip("soundfile")
    folder = root / SPEECH_COMMANDS.files.folder
    clips = {
        f"{word}/{name}.wav": np.full(16_000, 10 * k + i, np.int16)
        for k, word in enumerate((*WORDS, "bed", "cat"))
        for i, name in enumerate("abc", 1)
    }
    clips["go/a.wav"] = clips["go/a.wav"][:9_000]
    clips["_background_noise_/hum.wav"] = np.full(20_000, 1_000, np.int16)
    for name, samples in clips.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, samples, changes.get("rate", 16_000), subtype="PCM_16")
    for name, lines in (LISTED | changes.get("lists", {})).items():
        (folder / name).write_text("\n".join(lines))
    return root


def test_the_folder_of_the_publisher_is_split_by_its_lists(tmp_path):
    loaded = SPEECH_COMMANDS.load(commands(tmp_path), notice=lambda line: None)
    learned, tested = loaded.train, loaded.test
    counts = np.bincount(learned.labels, minlength=12)
    # Three clips a word but those of the lists, a tenth of 28 rounded up of each of the others.
    assert counts.tolist() == [3, 1, *[3] * 8, 3, 3]
    assert tested.labels.tolist() == [WORDS.index("go"), 10, 11]
    assert tested.samples[:2, 0].tolist() == [12, 102]
    short = learned.samples[learned.labels == WORDS.index("go")][0]
    assert (short[:9_000] == 11).all()
    assert not short[9_000:].any()
    silence = learned.samples[learned.labels == 11]
    assert len({int(clip.max()) for clip in silence}) == 3  # three volumes
    assert ((silence >= 0) & (silence < 1_000)).all()
    again = SPEECH_COMMANDS.load(tmp_path, notice=lambda line: None)
    np.testing.assert_array_equal(again.train.samples, learned.samples)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 8_000}, "8,000 samples a second; 16,000 are taken; nothing was loaded"),
        (
            {"lists": {"testing_list.txt": ["go/b.wav", "../z.wav"]}},
            r"testing_list.txt:2: there is no ",
        ),
        ({"lists": {"testing_list.txt": EVERY}}, "name all 36 clips, so none is left to learn"),
        ({"lists": {"testing_list.txt": []}}, "testing_list.txt names no clip; nothing was loaded"),
    ],
)
def test_a_folder_that_is_not_the_publishers_is_refused(tmp_path, changes, message):
    with pytest.raises(DataError, match=message):
        SPEECH_COMMANDS.load(commands(tmp_path, **changes), notice=lambda line: None)


def test_a_folder_without_a_word_or_noise_is_refused(tmp_path):
    folder = commands(tmp_path) / SPEECH_COMMANDS.files.folder
    shutil.rmtree(folder / "_background_noise_")
    with pytest.raises(DataError, match=r"_background_noise_ holds no \.wav file"):
        SPEECH_COMMANDS.load(tmp_path, notice=lambda line: None)
    shutil.rmtree(folder / "left")
    with pytest.raises(DataError, match="has no folder left; nothing was loaded"):
        SPEECH_COMMANDS.load(tmp_path, notice=lambda line: None)
