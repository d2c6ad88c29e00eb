"""Recordings to a file of spikes: one result whatever happens on the way, or one refusal."""

import numpy as np
import pytest
import xbar_sounds
from click.testing import CliRunner

from cli.main import main
from crossbar.datasets.cochlea import build as building
from crossbar.datasets.cochlea import membrane
from crossbar.datasets.cochlea.recordings import recordings
from crossbar.datasets.shd import BUILT, SHD
from device_models.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def few_channels(monkeypatch):
    """Ten channels in the place of 700: a table in milliseconds."""
    small = membrane.table(10)
    monkeypatch.setattr(building, "table", lambda: small)


@pytest.fixture
def folder(tmp_path):
    return xbar_sounds.digits(tmp_path / "audio")


def built(folder, out, **settings):
    building.build(folder, out, **settings)
    return out.read_bytes()


def test_workers_order_and_an_end_in_the_middle_change_no_bit(folder, tmp_path):
    whole = built(folder, tmp_path / "whole.npz", seed=3)
    assert not (tmp_path / "whole.npz.clips").exists()
    assert built(folder, tmp_path / "threads.npz", seed=3, workers=3) == whole
    assert built(folder, tmp_path / "other.npz", seed=4) != whole
    # What a killed process leaves: four recordings, and a fifth that was cut short.
    out, journal = tmp_path / "killed.npz", tmp_path / "killed.npz.clips"
    built(folder, out, seed=3, limit=4)
    out.unlink()
    journal.write_bytes(journal.read_bytes() + b"\x05\x00\x00\x00\x10\x00")
    result = building.build(folder, out, seed=3)
    assert (result.recordings, result.new) == (6, 2)
    assert out.read_bytes() == whole
    assert not journal.exists()


def test_a_damaged_record_is_converted_again(folder, tmp_path):
    whole, out = built(folder, tmp_path / "whole.npz"), tmp_path / "damaged.npz"
    built(folder, out, limit=3)
    out.unlink()
    journal = tmp_path / "damaged.npz.clips"
    content = bytearray(journal.read_bytes())
    content[-1] ^= 1
    journal.write_bytes(content)
    result = building.build(folder, out)
    assert (result.new, out.read_bytes() == whole) == (4, True)


def test_the_first_recordings_are_those_of_a_fixed_shuffle(tmp_path):
    folder = xbar_sounds.digits(tmp_path / "many", count=40)
    for limit in (2, 4):
        built(folder, tmp_path / f"{limit}.npz", limit=limit)
    two, four = (np.load(tmp_path / f"{limit}.npz") for limit in (2, 4))
    assert set(two["recordings"]) < set(four["recordings"])
    assert set(four["recordings"]) != {0, 1, 2, 3}


def test_what_was_built_is_read_as_a_data_set(folder, tmp_path):
    data = tmp_path / "shd"
    built(folder, data / BUILT)
    loaded = SHD.load(tmp_path, notice=lambda line: None)
    assert loaded.title == "SHD-equivalent"
    assert (len(loaded.train.samples), len(loaded.test.samples)) == (4, 2)
    assert loaded.test.labels.tolist() == [2, 5]
    with np.load(data / BUILT) as arrays:
        first = slice(arrays["offsets"][2], arrays["offsets"][3])
        seconds, units = arrays["times"][first] / 24_000.0, arrays["units"][first]
    np.testing.assert_allclose(loaded.test.samples[:1].seconds, seconds, rtol=1e-6)
    np.testing.assert_array_equal(loaded.test.samples[:1].units, units)
    assert loaded.test.samples[:1].seconds.max() < 1_501 / 24_000.0


def test_the_published_layout_is_read_with_its_list_of_tested_files(tmp_path):
    audio = tmp_path / "audio"
    audio.mkdir()
    for language, speaker, digit in (("english", 4, 3), ("german", 0, 7), ("english", 1, 0)):
        name = f"lang-{language}_speaker-{speaker:02}_trial-1_digit-{digit}.flac"
        (audio / name).write_bytes(xbar_sounds.written(xbar_sounds.noise(3_000), 48_000))
    rows = recordings(tmp_path)
    assert [(row.label, row.speaker, row.is_test) for row in rows] == [
        (0, 1, False), (3, 4, True), (17, 0, False),
    ]  # fmt: skip
    (tmp_path / "test_filenames.txt").write_text(f"{rows[2].path.name}\n")
    assert [row.is_test for row in recordings(tmp_path)] == [False, False, True]


def test_another_seed_does_not_go_on_where_one_stopped(folder, tmp_path):
    out = tmp_path / "a.npz"
    built(folder, out, limit=2)
    with pytest.raises(ConfigError, match="is there already; remove it"):
        building.build(folder, out)
    out.unlink()
    with pytest.raises(
        ConfigError, match="is of other recordings, another seed or another version"
    ):
        building.build(folder, out, seed=1)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("all.flac", 0, 1500, 20, 0, "train"), ":2: label = 20; 0 to 19 are allowed"),
        (("all.flac", 0, 1500, 0, 0, "valid"), ":2: split = 'valid'; train or test is allowed"),
        (("all.flac", -1, 1500, 0, 0, "test"), ":2: start = '-1'; a whole number from 0 on"),
        (("all.flac", 8000, 1500, 0, 0, "test"), "samples 8,000 to 9,500; all.flac has 9,000"),
        (("all.flac", 0, 500, 0, 0, "test"), "0.0208 s of sound; 0.025 to 2.7 s are taken"),
        (("../all.flac", 0, 1500, 0, 0, "test"), "a name without folders is allowed"),
        (("none.flac", 0, 1500, 0, 0, "test"), "none.flac: no sound that can be read"),
        (("index.csv", 0, 1500, 0, 0, "test"), "index.csv: no sound that can be read"),
    ],
)
def test_a_wrong_index_is_told_by_line_and_nothing_is_begun(folder, tmp_path, row, message):
    (folder / "index.csv").write_bytes(xbar_sounds.table([row], xbar_sounds.DIGITS))
    with pytest.raises(DataError) as refusal:
        building.build(folder, tmp_path / "out.npz")
    assert message in str(refusal.value)
    assert not list(tmp_path.glob("out*"))


def test_silence_is_told_where_it_is(folder, tmp_path):
    (folder / "all.flac").write_bytes(xbar_sounds.written(np.zeros(9_000), 24_000))
    with pytest.raises(DataError, match=r"all.flac, sample [\d,]+: silence, or no sound"):
        building.build(folder, tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()


def test_the_command_ends_in_one_line_either_way(folder, tmp_path):
    def run(*args):
        result = CliRunner().invoke(main, ["data", "build-shd", *map(str, args)])
        return result.exit_code, result.stdout, result.stderr

    out = tmp_path / "out.npz"
    code, stdout, _ = run(folder, "--out", out, "--limit", 3)
    assert code == 0
    assert stdout.startswith("3 recordings (3 new), ")
    assert stdout.endswith(f"{out}\n")
    xbar_sounds.digits(tmp_path / "slow", samples=1_500, rate=16_000)
    for audio, message in (
        ("slow", "index.csv:2: 16,000 Hz; the inner ear takes 48,000 or 24,000 Hz"),
        ("nowhere", f"there is no folder {tmp_path / 'nowhere'}"),
        (".", "holds no recordings of spoken digits: neither index.csv nor files lang-english_"),
    ):
        code, stdout, stderr = run(tmp_path / audio, "--out", tmp_path / "none.npz")
        assert (code, stdout) == (2, "")
        line = stderr.splitlines()[-1]
        assert line.startswith("Error: ")
        assert message in line
        assert line.endswith("nothing was written")
    assert not (tmp_path / "none.npz").exists()
