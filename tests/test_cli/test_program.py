"""`xbar program` and `xbar train --init-from`: a wrong input is one line; whole output or none."""

import json
import shutil

import numpy as np
import pytest
import xbar_commands
from xbar_training import without_seconds

from cli.program import extrapolation, kelvin_of, times_of
from crossbar.api import programming as program
from crossbar.energy.counts import counts_of_run
from crossbar.experiment.run import Run
from device_models.errors import ConfigError

pytestmark = pytest.mark.usefixtures("here")


def run(*args, command="program"):
    return xbar_commands.command(command, *args)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run of one epoch on an ideal device; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    return xbar_commands.small_run(folder, "--device", "ideal", *data)


@pytest.fixture(scope="module")
def written(trained, data, tmp_path_factory):
    """Two chips of it and what the command said; not to be changed."""
    out = tmp_path_factory.mktemp("written") / "chips"
    ended = run(trained, "--device", "oxram", "--seeds", 2, "--seed", 5, "--retention", "1d,1s",
                "--retune-epochs", 1, "--out", out, *data, "--json")  # fmt: skip
    assert ended.exit_code == 0, ended.stderr
    return out, json.loads(ended.stdout)


def test_chips_are_written_tested_and_kept(written, trained):
    out, found = written
    assert json.loads((out / "summary.json").read_text("utf-8")) == found
    assert sorted(p.name for p in out.iterdir()) == [
        "chip_seed5", "chip_seed6", "program.png", "summary.json",
    ]  # fmt: skip
    assert found["retention_seconds"] == [1.0, 86_400.0]
    one, other = found["chips"]
    assert [chip["seed"] for chip in (one, other)] == [5, 6]
    assert one["all"] != other["all"]
    for chip in (one, other):
        assert chip["all"]["true_within_band_share"] > 0.98
        assert chip["all"]["pulses_per_device"]["mean"] > 0.5
        assert abs(chip["programmed_accuracy"] - found["source_accuracy"]) < 0.05
    mean = np.mean([chip["programmed_accuracy"] for chip in found["chips"]])
    assert found["programmed_accuracy"]["mean"] == pytest.approx(mean)
    last = json.loads((trained / "summary.json").read_text("utf-8"))["test_accuracy"]
    assert found["source_accuracy"] == pytest.approx(
        last, abs=2e-3
    )  # an ideal device reads exactly
    assert not list(out.parent.glob(".*"))
    counted = counts_of_run(out / "chip_seed5")
    assert counted.accuracy == one["programmed_accuracy"]
    for told, writes in zip(one["layers"], counted.training, strict=True):
        assert told["pulses"] == {"set": writes.set_pulses, "reset": writes.reset_pulses}
        assert told["device_reads"] == writes.device_reads > 0


def test_a_chip_is_a_run_that_training_goes_on_from(written, data, here):
    out, found = written
    chip = shutil.copytree(out / "chip_seed5", here / "chip")
    ended = run("--resume", chip, "--epochs", 1, *data, "--no-figures", "--json", command="train")
    assert ended.exit_code == 0, ended.stderr
    rows = json.loads(ended.stdout)["epochs"]
    assert rows[0]["test_accuracy"] == found["chips"][0]["programmed_accuracy"]
    assert rows[1]["test_accuracy"] > rows[0]["test_accuracy"] - 0.05
    assert Run.open(chip).model.pulses_across == pytest.approx(100, abs=1)


def test_the_same_call_says_the_same_and_a_person_reads_a_table(written, trained, data, here):
    again = run(trained, "--device", "oxram", "--seeds", 1, "--seed", 5, "--retention", "1s", *data)
    assert again.exit_code == 0, again.stderr
    assert "pulses a cell" in again.stdout
    assert "right after" in again.stdout
    assert "after 1 s" in again.stdout
    folder = here / "runs" / "program_oxram_seed5"
    assert again.stdout.splitlines()[-1].split() == ["folder", "runs/program_oxram_seed5"]
    found = json.loads((folder / "summary.json").read_text("utf-8"))
    assert found["chips"][0]["all"] == written[1]["chips"][0]["all"]


def test_weights_come_from_arrays_too(trained, data, here):
    (here / "small.yaml").write_text(xbar_commands.SMALL, "utf-8")
    weights = np.random.default_rng(1).normal(0.0, 0.05, (784, 20)), np.zeros((20, 10))
    np.savez("w.npz", *weights)
    ended = run(
        "w.npz", "--config", "small.yaml", "--seeds", 1, "--retention", "none", *data, "--json"
    )
    assert ended.exit_code == 0, ended.stderr
    chip = json.loads(ended.stdout)["chips"][0]
    # About half of the weights have the wrong sign for their row: Dale's law holds on the chip.
    assert 0.3 < chip["clipped_share"] < 0.6


def refused(here, message, *args, command="program"):
    before = files(here)
    ended = run(*args, command=command)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr == f"Error: {message}\n"
    assert files(here) == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["nowhere"], "nowhere is not a run that can be continued: it has no config.yaml"),
        (["nowhere.npz"], "there is no file nowhere.npz"),
        (["w.npz", "--device", "oxrem"],
         "no device file and no preset 'oxrem'; did you mean 'oxram.yaml'?"),
        (["w.npz", "--algorithm", "magic"],
         "--algorithm must be one of write_verify, not 'magic'"),
        (["w.npz", "--tolerance", "0"], "--tolerance = 0 is outside [1e-06, 0.5] of the window"),
        (["w.npz", "--confirm", "0"], "--confirm = 0 is outside [1, 1000] reads"),
        (["w.npz", "--max-pulses", "-1"],
         "--max-pulses = -1 is outside [1, 1073741824] pulses"),
        (["w.npz", "--passes", "0"], "--passes = 0 is outside [1, 1000] passes"),
        (["w.npz", "--relax-seconds", "-1"], "--relax-seconds = -1 is outside [0, 1e+09] s"),
        (["w.npz", "--seeds", "0"], "--seeds = 0 is outside [1, 1000] chips"),
        (["w.npz", "--seed", "-3"], "--seed = -3 is outside [0, 1073741824]"),
        (["w.npz", "--retune-epochs", "x"],
         "--retune-epochs must be a whole number in [0, 10000] epochs, not 'x'"),
        (["w.npz", "--retention", "1s,soon"],
         "--retention takes times such as 1s,1h,1d,10y (s, min, h, d or y) or none, not 'soon'"),
        (["w.npz", "--out", "taken"],
         "taken exists and is not a folder of chips; choose another --out"),
        (["w.npz", "--out", "w.npz/below"],
         "w.npz/below cannot be made, because {here}/w.npz is no folder that can be written"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_and_writes_nothing(here, args, message):
    np.savez("w.npz", w0=np.zeros((784, 100)), w1=np.zeros((100, 10)))
    (here / "taken").mkdir()
    (here / "taken" / "mine").write_text("x", "utf-8")
    refused(here, message.format(here=here) + "; nothing was written", *args)


def test_a_finished_folder_of_chips_is_named_as_one(written, here):
    np.savez("w.npz", w0=np.zeros((784, 100)), w1=np.zeros((100, 10)))
    out = written[0]
    message = f"{out} is a folder of chips already; choose another --out; nothing was written"
    refused(here, message, "w.npz", "--out", out)


NEEDS = "the network needs w0 (784, 100), w1 (100, 10); nothing was written"


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, f"w.npz holds no array; {NEEDS}"),
        ({"w0": np.zeros((784, 100))}, f"w.npz holds w0 (784, 100); {NEEDS}"),
        ({"w0": np.zeros((100, 784)), "w1": np.zeros((100, 10))},
         f"w.npz holds w0 (100, 784), w1 (100, 10); {NEEDS}"),
        ({"a": np.zeros((784, 100)), "b": np.zeros((100, 10))},
         f"w.npz holds a (784, 100), b (100, 10); {NEEDS}"),
        ({"w0": np.full((784, 100), np.nan), "w1": np.zeros((100, 10))},
         "w.npz: w0 holds what is no finite number; nothing was written"),
        ({"w0": np.zeros((784, 100)), "w1": np.full((100, 10), "x")},
         "w.npz: w1 holds what is no finite number; nothing was written"),
    ],
    ids=["none", "one", "turned", "names", "nan", "text"],
)  # fmt: skip
def test_arrays_that_do_not_fit_are_named(here, data, arrays, message):
    np.savez("w.npz", **arrays)
    for command in ("program", "train"):
        args = ("w.npz",) if command == "program" else ("--init-from", "w.npz")
        refused(here, message, *args, *data, command=command)


def test_a_file_that_is_no_npz_is_named(here, data):
    (here / "w.npz").write_bytes(b"no zip")
    ended = run("w.npz", *data)
    assert (ended.exit_code, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith("Error: w.npz is no npz file of arrays: ")
    assert files(here) == ["w.npz"]


def test_a_chip_that_cannot_be_drawn_leaves_nothing(here, data, trained, monkeypatch):
    def no_room(chips, found, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(program, "draw", no_room)
    message = "out cannot be written: No space left on device; nothing was written"
    ended = run(trained, "--seeds", 1, "--retention", "none", "--out", "out", *data)
    assert (ended.exit_code, ended.stderr.splitlines()[-1]) == (2, f"Error: {message}")
    assert files(here) == []


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("none", []),
        ("1s", [1.0]),
        ("10y,1d,1h", [3600.0, 86_400.0, 315_576_000.0]),
        ("1.5min", [90.0]),
    ],
)
def test_times_are_in_seconds_and_rise(text, seconds):
    assert times_of(text) == seconds


@pytest.mark.parametrize("text", ["1", "s", "-1s", "0s", "1 week", "1e3s", "99999999y"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ConfigError, match="--retention takes times such as"):
        times_of(text)


# Training that starts from the weights of another run


def test_a_training_starts_from_the_weights_of_another(trained, data, here):
    asked = ("--init-from", trained, "--config", trained.parent / "small.yaml", "--device", "oxram",
             "--set", "readout_w_max=1", *data, "--no-figures", "--json")  # fmt: skip
    ended = run(*asked, "--epochs", 1, "--out", "a", command="train")
    assert ended.exit_code == 0, ended.stderr
    rows = json.loads(ended.stdout)["epochs"]
    source = json.loads((trained / "summary.json").read_text("utf-8"))["test_accuracy"]
    assert rows[0]["test_accuracy"] > source - 0.1  # without, ten classes by chance
    opened = Run.open(here / "a")
    assert opened.config.init_from == str(trained)
    assert [w.shape for w in opened.first.weights] == [(784, 20), (20, 10)]
    # A resumed run needs nothing of the other one, and is the run that was never stopped.
    ended = run(*asked, "--epochs", 0, "--out", "b", command="train")
    assert ended.exit_code == 0, ended.stderr
    resumed = run("--resume", "b", "--epochs", 1, *data, "--no-figures", "--json", command="train")
    assert resumed.exit_code == 0, resumed.stderr
    assert without_seconds(json.loads(resumed.stdout)["epochs"]) == without_seconds(rows)


def test_a_run_that_lost_its_first_weights_says_so(written, here, data):
    chip = shutil.copytree(written[0] / "chip_seed6", here / "chip")
    (chip / "weights.npz").unlink()
    ended = run("--resume", chip, "--epochs", 1, *data, command="train")
    assert ended.exit_code == 2
    assert "cannot be continued: weights.npz cannot be read" in ended.stderr


@pytest.mark.parametrize(
    ("text", "kelvin"),
    [("85C", 358.15), (" 358.15K", 358.15), ("-40C", 233.15), ("85\u00b0C", 358.15)],
)
def test_a_temperature_says_its_unit(text, kelvin):
    assert kelvin_of(text) == pytest.approx(kelvin)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("85", "does not say its unit: give 85C or 85K"),
        ("-300C", "-300C is not above 0 K"),
        ("0K", "0K is not above 0 K"),
        ("5000K", "is above 2000 K"),
        ("warm", "takes one such as 85C or 358K, not 'warm'"),
    ],
)
def test_a_temperature_that_is_none_is_refused(text, words):
    with pytest.raises(ConfigError, match=words):
        kelvin_of(text)


def test_a_temperature_far_from_the_measured_ones_is_said_to_be_extrapolated():
    assert "lies outside 20 to 260 C" in extrapolation(20.0)
    assert extrapolation(358.0) == ""


def test_a_temperature_without_a_unit_is_refused_before_anything_is_written(trained, data, here):
    refused = run(trained, "--temperature", "85", *data)
    assert refused.exit_code == 2
    assert "nothing was written" in refused.stderr
    assert files(here) == []
