"""`xbar analyze`: the loss of a tile as physics says it, and a trained network on other chips."""

import csv
import json
import shutil

import numpy as np
import pytest
import xbar_commands

from crossbar.api import analysis as analyze
from crossbar.array.tile import CrossbarTile
from crossbar.experiment.sweep_axes import parse_axes
from crossbar.wires.wires import Wires
from device_models.claim import MARK, Claim
from device_models.errors import ConfigError

pytestmark = pytest.mark.usefixtures("here")


def run(*args, command="analyze"):
    return xbar_commands.command(command, *args)


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run of one epoch; not to be changed."""
    return xbar_commands.small_run(tmp_path_factory.mktemp("trained"), *data)


def test_a_random_tile_is_solved_drawn_and_its_loss_told(here, monkeypatch):
    monkeypatch.setattr(analyze, "SIZES", (4, 8))
    asked = ("--rows", 12, "--columns", 9, "--wires", 50, "--driver-ohms", 100, "--json")
    ended = run(*asked)
    assert ended.exit_code == 0
    tile = json.loads(ended.stdout)["tile"]
    settings = analyze.Analysis(rows=12, columns=9)
    g = analyze.random_conductances(settings, 12, 9)
    assert g.min() >= 1e-6
    assert g.max() <= 1e-4
    v = np.full(12, 0.2)
    true = CrossbarTile(g, wires=Wires(50.0, 50.0, 100.0)).read(v)
    assert tile["ideal_amperes"] == pytest.approx((v @ g).sum(), rel=1e-9)
    assert tile["sensed_amperes"] == pytest.approx(true.sum(), rel=1e-9)
    assert tile["worst_column_lost_share"] == pytest.approx(1 - (true / (v @ g)).min(), rel=1e-9)
    assert {p.name for p in (here / "analysis").iterdir()} == {"tile.png", "losses.png"}
    again = run(*asked)
    assert again.stdout == ended.stdout


def test_the_loss_grows_with_size_and_wires(monkeypatch):
    monkeypatch.setattr(analyze, "SIZES", (8, 16, 32))
    lost = np.array(
        json.loads(run("--rows", 4, "--columns", 4, "--json").stdout)["losses"]["lost_share"]
    )
    assert (np.diff(lost, axis=0) > 0.0).all()
    assert (np.diff(lost, axis=1) > 0.0).all()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("wires=5,0,1", [0, 1, 5]),
        ("adc_bits=3:6", [3, 4, 5, 6]),
        ("stuck=0:0.2:0.1", [0, 0.1, 0.2]),
    ],
)
def test_values_of_a_sweep_are_lists_or_ranges(text, values):
    (parsed,) = parse_axes([text]).values()
    assert parsed == pytest.approx(values)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--sweep", "wires=1"], "--sweep needs a RUN to test; nothing was drawn"),
        (["--wires", "-2"], "--wires = -2 is outside [0, 1e+09] ohm; nothing was drawn"),
        (["--rows", "0"], "--rows = 0 is outside [1, 4096] lines; nothing was drawn"),
        (["--g-low", "1e-3", "--g-high", "1e-4"],
         "the lowest conductance, 0.001 S, is above the highest, 0.0001 S; nothing was drawn"),
        (["nowhere"], "nowhere is not a run that can be continued: it has no config.yaml; "
         "nothing was drawn"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_draws_nothing(here, args, message):
    ended = run(*args)
    assert (ended.exit_code, ended.stderr) == (2, f"Error: {message}\n")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "volts=1",
            "--sweep 'volts' is unknown; known: wires, tile, tile_rows, tile_columns, "
            "v_read_volts, adc_bits, stuck, stuck_low",
        ),
        ("wires=a", "--sweep wires takes values such as 1,2,5 or 3:10 or 0:0.2:0.05, not 'a'"),
        ("wires=1:2:0", "--sweep wires takes values such as"),
        ("wires=5:1", "--sweep wires has 0 values; 1 to 1000 are possible"),
        (
            "wires=0:1e9:0.001",
            "--sweep wires has 1,000,000,000,001 values; 1 to 1000 are possible",
        ),
    ],
)
def test_a_wrong_sweep_is_named(text, words):
    with pytest.raises(ConfigError) as found:
        parse_axes([text])
    assert str(found.value).startswith(words)


def test_a_trained_network_is_tested_on_other_chips(trained, data_dir, here):
    ended = run(trained, "--sweep", "adc_bits=2,8", "--sweep", "stuck_low=0,1", "--repeats", 2,
                "--data-dir", data_dir, "--out", here / "a", "--json")  # fmt: skip
    assert ended.exit_code == 0, ended.stderr
    found = json.loads(ended.stdout)["sweeps"]
    bits, stuck = np.array(found["adc_bits"]["accuracy"]), np.array(found["stuck_low"]["accuracy"])
    assert bits.shape == stuck.shape == (2, 2)
    as_trained = found["adc_bits"]["as_trained"]
    assert np.abs(bits[1] - as_trained).max() < 0.05
    assert (bits[0] < as_trained).all()
    assert stuck[1].max() < 0.2  # every device stuck: chance
    assert np.ptp(stuck[0]) > 0.0  # each test on a chip of its own
    rows = list(csv.DictReader((here / "a" / "sweep_adc_bits.csv").read_text().splitlines()))
    assert [float(row["test_accuracy"]) for row in rows] == bits.ravel().tolist()
    names = {
        "tile.png",
        *(f"sweep_{n}.{e}" for n in ("adc_bits", "stuck_low") for e in ("png", "csv")),
    }
    assert {p.name for p in (here / "a").iterdir()} == names


def test_two_analyses_do_not_mix_in_one_folder(here):
    with Claim(here / "pictures", "analysis"):
        second = run("--rows", 4, "--columns", 4, "--out", "pictures")
        assert (second.exit_code, second.stdout) == (2, "")
        assert second.stderr.startswith("Error: pictures is being written by another command (")
        assert second.stderr.endswith("; nothing was drawn\n")
        assert [path.name for path in (here / "pictures").iterdir()] == [MARK]
    assert not (here / "pictures").exists()


def test_a_tile_of_a_run_is_named_and_one_beyond_it_refused(trained, here):
    ended = run(trained, "--layer", 1, "--wires", 3, "--out", "a")
    assert ended.exit_code == 0
    assert "layer 1, tile 0, 3 ohm a word-line segment" in ended.stdout
    ended = run(trained, "--tile", 99, "--out", "b")
    assert ended.exit_code == 2
    assert "--tile = 99: layer 0 has 0 to 6; nothing was drawn" in ended.stderr
    ended = run(trained, "--layer", 2, "--out", "b")
    assert ended.exit_code == 2
    assert f"--layer = 2: {trained} has 0 to 1; nothing was drawn" in ended.stderr


def rows_of(path):
    return list(csv.DictReader(path.read_text().splitlines()))


def test_spikes_of_a_run_are_those_of_its_last_test(trained, data_dir, here):
    asked = (trained, "--spikes", "--no-figures", "--threads", 1, "--data-dir", data_dir, "--json")
    ended = run(*asked, "--out", here / "s")
    assert ended.exit_code == 0, ended.stderr
    said = json.loads(ended.stdout)
    one, last = (
        said["runs"][0],
        json.loads((trained / "metrics.jsonl").read_text().splitlines()[-1]),
    )
    assert one["replayed_accuracy"] == last["test_accuracy"]
    per_image = last["spikes_per_inference"]
    assert one["hidden_spikes_per_image"] == pytest.approx(per_image["total"], rel=1e-12)
    assert one["rate_hz"] == pytest.approx(last["rate_hz"], rel=1e-12)
    share = 100.0 * per_image["excitatory"] / per_image["total"]
    assert one["excitatory_percent"] == pytest.approx(share, rel=1e-12)
    names = {"spikes_by_class", "rates", "psth", "intervals", "distances", "distance_matrix",
             "histograms", "pca", "statistics", "runs"}  # fmt: skip
    files = {*(f"{name}.csv" for name in names), "spikes.json", "spikes.html"}
    assert {p.name for p in (here / "s").iterdir()} == files
    by_class = rows_of(here / "s" / "spikes_by_class.csv")
    of_epoch = [r for r in by_class if r["epoch"] == "1" and r["source"] == "test of the epoch"]
    replayed = [r for r in by_class if r["source"] == "replay of the test half"]
    for name in ("images", "excitatory_spikes_per_image", "inhibitory_spikes_per_image",
                 "accuracy"):  # fmt: skip
        a, b = ([float(r[name]) for r in rows] for rows in (of_epoch, replayed))
        assert a == pytest.approx(b, rel=1e-9)
    images = np.array([float(r["images"]) for r in of_epoch])
    total = np.array([float(r["spikes_per_image"]) for r in of_epoch])
    assert images @ total / images.sum() == pytest.approx(per_image["total"], rel=1e-9)
    rates = [float(r["rate_hz"]) for r in rows_of(here / "s" / "rates.csv") if r["class"] == "all"]
    assert np.mean(rates) == pytest.approx(last["rate_hz"], rel=1e-9)
    page = (here / "s" / "spikes.html").read_text()
    assert "http" not in page
    assert run(*asked, "--out", here / "s").stdout == ended.stdout  # taken over, same numbers


def test_trials_of_a_study_are_compared_with_a_control(trained, data_dir, here):
    for size in ("64", "32"):
        twin = shutil.copytree(trained, here / "study" / "trials" / size)
        text = (twin / "config.yaml").read_text().replace("batch_size: 64", f"batch_size: {size}")
        (twin / "config.yaml").write_text(text, "utf-8")
        (twin / "trial.json").write_text(json.dumps({"labels": {"batch_size": size}}), "utf-8")
    common = ("study", "--spikes", "--no-figures", "--threads", 1, "--images", 8,
              "--data-dir", data_dir)  # fmt: skip
    ended = run(*common, "--control", 64, "--json")
    assert ended.exit_code == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert (said["compare"], said["control"]) == ("batch_size", "64")
    assert said["folder"] == "study/spikes"
    assert {t["samples_are"] for t in said["statistics"]} == {"runs"}
    assert [(r["batch_size"], r["images"]) for r in said["runs"]] == [("32", 8), ("64", 8)]
    refused = run(*common, "--compare", "ei")
    assert refused.exit_code == 2
    assert "--compare ei: the runs do not differ in it; they differ in" in refused.stderr
    shutil.rmtree(here / "study" / "trials" / "32")
    (here / "study" / "trials" / "64" / "trial.json").unlink()
    assert run(*common).stderr == (
        "Error: study is a study without a finished trial; nothing was written\n"
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--spikes"], "--spikes needs a RUN, several, or the folder of a study"),
        (["a", "b"], "several RUNs need --spikes; nothing was drawn"),
        (["a", "--spikes", "--rows", "3"], "--rows does not go with --spikes; nothing was written"),
        (["a", "--images", "3"], "--images needs --spikes; nothing was drawn"),
        (["a", "--spikes", "--half", "half"], "--half must be one of test, train, not 'half'"),
        (
            ["a", "--spikes", "--animation", "avi"],
            "--animation must be one of gif, mp4, none, not 'avi'",
        ),
        (["a", "--spikes"], "a is not a run that can be continued: it has no config.yaml"),
    ],
)
def test_wrong_input_to_spikes_is_one_line(here, args, message):
    ended = run(*args)
    assert ended.exit_code == 2
    assert ended.stderr.startswith(f"Error: {message}")
    assert ended.stderr.count("\n") == 1
    assert list(here.iterdir()) == []


def test_more_images_than_there_are_and_a_missing_layer_are_refused(trained, data_dir, here):
    common = (trained, "--spikes", "--no-figures", "--data-dir", data_dir, "--out", "s")
    ended = run(*common, "--images", 1_000_000)
    assert ended.exit_code == 2
    assert "--images = 1000000: there are" in ended.stderr
    ended = run(*common, "--layer", 1)
    assert ended.exit_code == 2
    assert f"--layer = 1: {trained} has hidden layers 0 to 0; nothing was written" in ended.stderr
    assert list(here.iterdir()) == []


@pytest.mark.slow
def test_everything_is_drawn(trained, data_dir, here):
    ended = run(trained, "--spikes", "--images", 32, "--data-dir", data_dir, "--out", here / "s")
    assert ended.exit_code == 0, ended.stderr
    drawn = {p.name for p in (here / "s").iterdir() if p.suffix in (".png", ".gif")}
    names = ("spikes_by_class", "rates", "psth", "intervals", "distances", "histograms", "pca",
             "classes")  # fmt: skip
    assert drawn == {*(f"{name}.png" for name in names), "classes.gif"}
    assert (here / "s" / "classes.gif").read_bytes()[:4] == b"GIF8"
    page = (here / "s" / "spikes.html").read_text()
    assert page.count("data:image/") == len(names)
    assert "data:image/gif" in page
