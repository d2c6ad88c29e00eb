"""`xbar train`: every wrong input in one line, every interruption a run that goes on.

A small set stands in the place of the real one, and a small network keeps them short.
"""

import gzip
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from xbar_commands import SMALL
from xbar_images import TRAIN
from xbar_training import without_seconds

from cli.main import main
from cli.train import read_settings, spike_rows
from crossbar.datasets import DATASETS
from crossbar.datasets.fashion_mnist import FASHION_MNIST
from crossbar.datasets.idx_images import TEST_LABELS
from crossbar.energy.counts import counts_of_run
from crossbar.experiment.config import Training
from crossbar.experiment.trainer import Trainer
from crossbar.snn.network import Network
from device_models.errors import ConfigError
from device_models.presets import preset_names
from device_models.record import declared

pytestmark = pytest.mark.usefixtures("here")

OWN = "model: ideal\nstatus: invented\ng_min_siemens: 1e-6\ng_max_siemens: 1e-3\nstates: 64\n"
OWN += "sources: {}\n"


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


def train(*args):
    """Run the command in this process."""
    result = CliRunner().invoke(main, ["train", *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


def tree(folder):
    """Every file below a folder with its content, every folder with None."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A run of one epoch and how its command ended; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    config = folder / "small.yaml"
    config.write_text(SMALL, "utf-8")
    run = folder / "run"
    ended = train("--config", config, "--epochs", 1, "--out", run, *data, "--json", "--no-figures")
    assert ended.code == 0, ended.stderr
    return run, ended


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of that run, to be changed."""
    return Path(shutil.copytree(finished[0], tmp_path / "copy"))


def epochs_of(run):
    """The rows of `metrics.jsonl`."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


# Wrong input


def refused(here, message, *args):
    """Exactly one line on stderr, exit code 2, an empty stdout, and nothing written."""
    before = tree(here.parent)
    ended = train(*args)
    assert ended == Ended(2, "", f"Error: {message}\n")
    assert tree(here.parent) == before


RATIO = (
    "ei must be a ratio that adds up to 100 such as 80:20, a share in [0, 1] such as 0.8, or none, "
    "not {!r}; nothing was written"
)
PRESETS = f"presets: {', '.join(preset_names())}"


@pytest.mark.parametrize("ratio", ["80:30", "-1", "4820", "80:20:0"])
def test_an_impossible_ratio_is_refused(here, ratio):
    refused(here, "--" + RATIO.format(ratio), "--ei", ratio)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--epochs", "-1", "--epochs = -1 is outside [0, 100000] epochs"),
        ("--epochs", "1.5", "--epochs must be a whole number in [0, 100000] epochs, not '1.5'"),
        ("--lr", "101", "--lr = 101 is outside [0, 100]"),
        ("--lr", "nan", "--lr must be a number in [0, 100] or null, not 'nan'"),
        ("--batch-size", "0", "--batch-size = 0 is outside [1, 60000] images"),
        ("--hidden", "65536", "--hidden[0] = 65536 is outside [1, 65535] neurons"),
        ("--sigma-init", "x", "--sigma-init must be a number in [0, 100] weight or null, not 'x'"),
        ("--hidden-w-max", "0", "--hidden-w-max = 0 is outside [1e-06, 1000] weight"),
        ("--readout-w-max", "0", "--readout-w-max = 0 is outside [1e-06, 1000] weight"),
        ("--update-noise", "-1", "--update-noise = -1 is outside [0, 1000]"),
        ("--seed", "2147483648", "--seed = 2147483648 is outside [0, 2147483647]"),
        (
            "--policy",
            "acumulate",
            "--policy must be one of accumulate, closed_loop, stochastic, sign, tiki_taka or null, "
            "not 'acumulate'; did you mean 'accumulate'?",
        ),
        (
            "--mapping",
            "pairs",
            "--mapping must be one of one_sided, pair, dale, reference_column, bit_sliced, not "
            "'pairs'; did you mean 'pair'?",
        ),
        (
            "--device",
            "oxarm.yaml",
            "no device file and no preset 'oxarm.yaml'; did you mean 'oxram.yaml'?",
        ),
        ("--device", "zzz", f"no device file and no preset 'zzz'; {PRESETS}"),
        ("--device", ".", ".: Is a directory; nothing was read"),
        ("--config", "absent.yaml", "absent.yaml: No such file or directory; nothing was read"),
        ("--config", ".", ".: Is a directory; nothing was read"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name_range_and_unit(here, option, value, message):
    ending = "" if "nothing was" in message else "; nothing was written"
    refused(here, message + ending, option, value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: 1\nepoch: 2\n", ":2:1: unknown key 'epoch'; did you mean 'epochs'?"),
        ("network: {los: 3}\n", ":1:11: unknown key 'network.los'; did you mean 'loss'?"),
        ("seed: 1\nepochs: 2\nseed: 3\n", ":3:1: seed is given twice (first on line 1)"),
        ("batch_size: 70000\n", ":1:13: batch_size = 70000 is outside [1, 60000] images"),
        (
            "reads: {v_read_volts: 0.9}\n",
            ":1:23: reads.v_read_volts = 0.9 is outside [0.001, 0.5] V: more disturbs the state",
        ),
        ("tiles: {tile_rows: 8.5}\n",
         ":1:20: tiles.tile_rows must be a whole number in [1, 65536] lines, not '8.5'"),
        ("network: {layers: [{kind: dense, neurons: 3, ei: 80:30}]}\n",
         ":1:20: network.layers[0]: " + RATIO.format("80:30").removesuffix(
            "; nothing was written")),
        ("epochs: [1\n", ":2:1: not YAML: expected ',' or ']', but got '<stream end>'"),
        ("- 1\n", f":1:1: the file must be a mapping of {', '.join(declared(Training))}, "
                  "not a list"),
    ],
)  # fmt: skip
def test_a_wrong_settings_file_is_refused_with_line_and_column(here, text, message):
    Path("my.yaml").write_text(text, "utf-8")
    refused(here, f"my.yaml{message}; nothing was written", "--config", "my.yaml")


def test_a_wrong_device_file_is_refused_with_line_and_column(here):
    Path("mine.yaml").write_text(OWN.replace("states: 64", "states: 1"), "utf-8")
    message = "mine.yaml:5:9: states = 1 is outside [2, 1073741824] states; nothing was written"
    refused(here, message, "--device", "mine.yaml")


def test_update_noise_needs_its_device(here, data):
    message = (
        "update_noise = 0.2 needs a gaussian_update device; oxram.yaml has its own spread; "
        "nothing was written"
    )
    refused(here, message, "--update-noise", "0.2", *data)


def test_one_device_a_synapse_needs_rows_with_a_sign(here, data):
    message = (
        "layers[0] (dense, 100 neurons, Lif): the mapping dale needs rows of one sign each, and "
        "ei none has none; rows without a sign "
        "need two devices a synapse (one_sided, pair, bit_sliced) or a reference_column; "
        "nothing was written"
    )
    refused(here, message, "--mapping", "dale", "--ei", "none", *data)


# Numbers of YAML


def test_numbers_of_a_settings_file_are_what_a_person_means():
    Path("my.yaml").write_text(
        "optimizer: {kind: adam, learning_rate: 1e-6}\n"
        "reads: {t_read_seconds: 5e-8}\n"
        "network:\n  layers:\n"
        "  - {kind: dense, neurons: 3, ei: 80:20, sigma_init: .5e-2}\n"
        "  - {kind: dense, neurons: 10, neuron: leaky_integrator}\n",
        "utf-8",
    )
    found = read_settings({}, "my.yaml", None)
    assert (found.optimizer.learning_rate, found.reads.t_read_seconds) == (1e-6, 5e-8)
    assert (found.network.layers[0].ei, found.network.layers[0].sigma_init) == ("80:20", 5e-3)


def test_options_override_the_settings_file():
    Path("my.yaml").write_text(
        "seed: 4\nepochs: 7\nnetwork:\n  layers:\n  - {kind: dense, neurons: 30, ei: 80:20}\n"
        "  - {kind: dense, neurons: 10, neuron: leaky_integrator}\n",
        "utf-8",
    )
    found = read_settings({"seed": "5", "ei": "95:5"}, "my.yaml", None)
    assert (found.seed, found.epochs) == (5, 7)
    assert found.network == Network.of(hidden=30, ei="95:5")


def test_every_wrong_option_is_named_at_once():
    with pytest.raises(ConfigError) as error:
        read_settings({"seed": "x", "epochs": "-1"}, None, None)
    assert {line.split()[0] for line in str(error.value).splitlines()} == {"--seed", "--epochs"}


# Data


@pytest.fixture
def damaged(data_dir, tmp_path):
    """A folder with the set but for the test labels: their path, and what belongs there."""
    folder = tmp_path / "data"
    shutil.copytree(data_dir, folder)
    labels = folder / TEST_LABELS
    content = labels.read_bytes()
    labels.unlink()
    return labels, content


def test_a_data_file_of_another_content_is_refused_with_both_checksums(here, damaged):
    labels, content = damaged
    labels.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    before = tree(here.parent)
    ended = train("--data-dir", labels.parent)
    wanted = DATASETS["fashion_mnist"].files.md5[labels.name]
    assert (ended.code, ended.stdout) == (2, "")
    assert re.fullmatch(
        rf"Error: {labels}: MD5 of the uncompressed content is [0-9a-f]{{32}}, that of "
        rf"Fashion-MNIST is {wanted}; nothing was loaded\n",
        ended.stderr,
    )
    assert tree(here.parent) == before


@pytest.mark.parametrize("end", ["", ".gz"])
def test_a_truncated_data_file_is_refused_by_its_name(here, damaged, end):
    labels, content = damaged
    stored = gzip.compress(content) if end else content
    (labels.parent / f"{labels.name}{end}").write_bytes(stored[: len(stored) // 2])
    before = tree(here.parent)
    ended = train("--data-dir", labels.parent)
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"Error: {labels}{end}: ")
    assert ended.stderr.endswith("nothing was loaded\n")
    assert ended.stderr.count("\n") == 1
    assert tree(here.parent) == before


def test_a_data_folder_without_the_files_is_refused(here):
    names = ", ".join(FASHION_MNIST.files.md5)
    message = (
        f"{here} holds none of {names} (plain or .gz); the folder of Fashion-MNIST was named by "
        "--data-dir, files directly in it or in fashion-mnist/ are allowed; nothing was loaded"
    )
    refused(here, message, "--data-dir", here)


# Folders


def test_a_folder_that_is_not_a_run_is_not_written_to(here):
    Path("thesis").mkdir()
    Path("thesis/chapter.txt").write_text("dear", "utf-8")
    message = "thesis exists and is not a run; choose another --out; nothing was written"
    refused(here, message, "--out", "thesis")
    refused(here, message.replace("thesis", "thesis/chapter.txt"), "--out", "thesis/chapter.txt")


def test_a_folder_below_a_file_is_refused(here):
    Path("file").write_text("dear", "utf-8")
    message = (
        f"file/a/run cannot be made, because {here / 'file'} is no folder that can be written; "
        "nothing was written"
    )
    refused(here, message, "--out", "file/a/run")


def test_a_run_is_not_overwritten(here, copy):
    message = (
        f"{copy} is a run already; continue it with --resume {copy} or choose another --out; "
        "nothing was written"
    )
    refused(here, message, "--out", copy)


def test_half_a_run_is_neither_overwritten_nor_called_a_run(here, copy):
    """As a full disk may leave it in its first seconds."""
    (copy / "checkpoint.npz").unlink()
    message = f"{copy} exists and is not a run; choose another --out; nothing was written"
    refused(here, message, "--out", copy)
    message = f"{copy} is not a run that can be continued: it has no checkpoint.npz"
    refused(here, f"{message}; nothing was written", "--resume", copy)


@pytest.mark.parametrize("folder", ["absent", "."])
def test_nothing_cannot_be_resumed(here, folder):
    message = f"{folder} is not a run that can be continued: it has no config.yaml"
    refused(here, f"{message}; nothing was written", "--resume", folder)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--seed", "3"], "--seed"),
        (["--ei", "95:5", "--device", "ideal.yaml"], "--device, --ei"),
        (["--config", "my.yaml", "--out", "other"], "--config, --out"),
        (["--epochs", "9", "--lr", "1"], "--lr"),
    ],
)
def test_a_resumed_run_keeps_its_settings(here, copy, options, named):
    before = tree(here.parent)
    ended = train("--resume", copy, *options)
    assert (ended.code, ended.stdout) == (2, "")
    found = re.fullmatch(
        r"Error: --resume keeps the settings of the run; (.*) cannot change; nothing was written\n",
        ended.stderr,
    )
    assert found
    assert sorted(found[1].split(", ")) == sorted(named.split(", "))
    assert tree(here.parent) == before


def test_a_damaged_checkpoint_is_refused(here, copy, data):
    path = copy / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:-1000])
    what = "it holds something else than arrays of numbers"
    message = f"{path}: the checkpoint cannot be read ({what}); nothing was changed"
    refused(here, message, "--resume", copy, "--epochs", 2, *data)


# A run


def test_dale_takes_half_of_the_devices_of_the_default(finished, data, tmp_path):
    config = tmp_path / "small.yaml"
    config.write_text(SMALL, "utf-8")
    run = tmp_path / "run"
    options = ("--config", config, "--epochs", 1, "--out", run, "--json", "--no-figures", *data)
    ended = train("--mapping", "dale", *options)
    assert ended.code == 0, ended.stderr
    one, other = json.loads(ended.stdout), json.loads(finished[1].stdout)
    assert one["mapping"]["name"] == "dale"
    assert other["mapping"]["name"] == "one_sided"
    assert 2 * one["mapping"]["devices"] == other["mapping"]["devices"] == 2 * 20 * (784 + 10)
    losses = [row["test_loss"] for row in one["epochs"]]
    assert losses[1] < losses[0]
    assert {row["mapping"]["name"] for row in epochs_of(run)} == {"dale"}


def test_spikes_are_printed_by_layer_and_those_of_the_output_apart():
    def spikes(*layers, output=None):
        kinds = {"excitatory": None, "inhibitory": None}
        return kinds | {"total": sum(layers), "layers": list(layers), "output": output}

    hidden, output = "hidden spikes per inference", "output spikes per inference"
    assert spike_rows(spikes(3.0), spikes(4.0)) == [(hidden, "3.0 before, 4.0 after")]
    assert spike_rows(spikes(3.0, 1.5, output=0.0), spikes(4.0, 2.0, output=18.04)) == [
        (hidden, "4.5 before, 6.0 after"),
        ("  of hidden 1", "3.0 before, 4.0 after"),
        ("  of hidden 2", "1.5 before, 2.0 after"),
        (output, "0.0 before, 18.0 after"),
    ]
    former = {name: value for name, value in spikes(3.0).items() if name != "output"}
    assert spike_rows(former, former) == [(hidden, "3.0 before, 3.0 after")]


def test_json_has_what_a_script_needs(finished):
    run, ended = finished
    found = json.loads(ended.stdout)
    assert found == json.loads((run / "summary.json").read_text("utf-8"))
    assert [row["epoch"] for row in found["epochs"]] == [0, 1]
    assert found["epochs"] == epochs_of(run)
    assert found["test_accuracy"] == found["epochs"][-1]["test_accuracy"]
    assert 0.0 <= found["test_accuracy"] <= 1.0
    spikes = found["spikes_per_inference"]
    assert set(spikes) == {"excitatory", "inhibitory", "total", "layers", "output"}
    assert spikes["output"] is None  # it never spikes
    assert spikes["total"] == pytest.approx(spikes["excitatory"] + spikes["inhibitory"], rel=1e-9)
    for place, when in ((0, "initial"), (1, "final")):
        rate = found["epochs"][place]["spikes_per_inference"]["total"] / 20 / 0.06
        assert found["rate_hz"][when] == pytest.approx(rate, rel=1e-9)
    for group, parts in (("pulses", ("set", "reset")), ("energy_joules", ("read", "write"))):
        assert set(found[group]) == set(parts)
        for part in parts:
            total = sum(row[group][part] for row in found["epochs"])
            assert found[group][part] == total > 0
    assert found["seconds"] == sum(row["seconds"] for row in found["epochs"])
    assert (found["seed"], found["device"], found["ei"]) == (0, "oxram.yaml", "80:20")
    assert found["version"] == version("xbar-hil")


def test_a_run_keeps_its_settings_its_device_and_nothing_half_written(finished):
    run, _ = finished
    names = {p.name for p in run.iterdir()}
    assert names == {
        "activity.npz",
        "checkpoint.npz",
        "config.yaml",
        "device.yaml",
        "metrics.jsonl",
        "summary.json",
    }
    assert read_settings({}, str(run / "config.yaml"), None).network.layers == (
        Network.of(hidden=20, sigma_init=0.02).layers
    )
    assert (run / "device.yaml").read_text("utf-8").startswith("model: oxram\n")


def test_the_spikes_of_the_last_test_are_kept_and_made_anew_by_resume(finished, copy, data):
    """They are those of the epoch that the summary ends with; a finished run trains no further."""
    summary = json.loads((copy / "summary.json").read_text("utf-8"))
    path = copy / "activity.npz"
    first = path.read_bytes()
    found = counts_of_run(copy)
    assert (found.epochs, found.accuracy) == (1, summary["test_accuracy"])
    spikes = found.activity.layers[0].fired / found.activity.inferences
    assert spikes == pytest.approx(summary["spikes_per_inference"]["total"], rel=1e-12)
    assert found.training_images == TRAIN
    path.unlink()
    ended = train("--resume", copy, *data, "--no-figures")
    assert ended.code == 0, ended.stderr
    assert path.read_bytes() == first


# Interruptions

COMMAND = """
import signal
import xbar_images
from cli.main import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` had it ignored
xbar_images.install()
main()
"""


def start(*args):
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "train", *map(str, args)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    )


def wait_for(process, text):
    """Read stderr up to a line with `text`."""
    seen = []
    for line in process.stderr:
        seen.append(line)
        if text in line:
            return
    raise AssertionError("".join(seen))


@contextmanager
def largest_file(size):
    """This process cannot make a larger file, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_ends_in_one_line_and_keeps_the_last_checkpoint(copy, data):
    before = tree(copy)
    with largest_file(len(before["checkpoint.npz"]) // 2):
        ended = train("--resume", copy, "--epochs", 2, *data, "--no-figures")
    assert (ended.code, ended.stdout) == (2, "")
    (error,) = [line for line in ended.stderr.splitlines() if "Error" in line]
    assert error.startswith("Error: a file is larger than the limit (ulimit -f) (")
    assert error.endswith("); nothing was lost before the last checkpoint")
    assert ended.stderr.endswith(f"{error}\n")
    after = tree(copy)
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"config.yaml"}  # it says 2 epochs by now
    assert after.keys() == before.keys()


def test_control_c_during_the_last_test_of_an_epoch_keeps_the_epoch_before(copy, data, monkeypatch):
    def interrupt(trainer, **how):
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "evaluate", interrupt)
    ended = train("--resume", copy, "--epochs", 2, *data, "--no-figures")
    assert (ended.code, ended.stdout) == (130, "")
    assert "\nInterrupted; epoch 1 is kept. Continue with: " in ended.stderr


def test_control_c_leaves_a_run_that_can_be_continued(copy, data):
    with start("--resume", copy, "--epochs", 1000, *data, "--no-figures") as process:
        wait_for(process, "epoch 2/1000  test")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=120)
    assert (process.returncode, stdout) == (130, "")
    found = re.search(
        rf"\nInterrupted; epoch (\d+) is kept. Continue with: xbar train --resume {copy}\n$", stderr
    )
    assert found, stderr
    kept = int(found[1])
    assert [row["epoch"] for row in epochs_of(copy)] == list(range(kept + 1))
    # Nothing is left to do up to that epoch, so this only reports the run.
    ended = train("--resume", copy, "--epochs", kept, *data, "--no-figures")
    assert ended.code == 0
    assert f"{copy}: untrained " in ended.stderr
    assert [line[:29].strip() for line in ended.stdout.splitlines()] == [
        "test accuracy",
        "hidden spikes per inference",
        "rate of a hidden neuron",
        "pulses",
        "reads",
        "energy in the devices",
        "pulses per device",
        "digital bytes per synapse",
        "time",
        "run",
    ]
    assert len(json.loads((copy / "summary.json").read_text("utf-8"))["epochs"]) == kept + 1


def test_kill_9_in_mid_training_changes_no_number(finished, copy, tmp_path, data):
    with start("--resume", copy, "--epochs", 1000, *data, "--no-figures") as process:
        wait_for(process, "epoch 2/1000  test")
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    epochs = epochs_of(copy)[-1]["epoch"] + 2
    whole = Path(shutil.copytree(finished[0], tmp_path / "whole"))
    for run in (whole, copy):
        assert train("--resume", run, "--epochs", epochs, *data, "--no-figures").code == 0
    assert without_seconds(epochs_of(copy)) == without_seconds(epochs_of(whole))
