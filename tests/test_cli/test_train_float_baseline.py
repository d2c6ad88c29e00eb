"""`xbar train --float-baseline`: the network on exact weights, kept and continued with the run."""

import json

import pytest
from click.testing import CliRunner
from xbar_training import without_seconds

from cli.main import main
from crossbar.array.faults import Faults
from crossbar.array.periphery import Periphery
from crossbar.array.tiles import Tiles
from crossbar.experiment.config import Training
from crossbar.synapses.optimizers import Adam
from crossbar.wires.wires import Wires
from device_models.schema import load

SMALL = """\
device: gaussian_update.yaml
update_noise: 0.5
seed: 3
batch_size: 64
optimizer: {kind: adam, learning_rate: 0.002}
data: {steps: 60}
network:
  layers:
  - {kind: dense, neurons: 20, ei: 80:20, sigma_init: 0.02}
  - {kind: dense, neurons: 10, neuron: leaky_integrator}
"""


def train(*args):
    """Run the command in this process; its standard output."""
    result = CliRunner().invoke(main, ["train", *map(str, args), "--no-figures"])
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(run):
    """Epochs of a run, without the time that they took."""
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    return without_seconds([json.loads(line) for line in lines])


@pytest.fixture(scope="module")
def data(data_dir):
    """The options that name the folder of the set."""
    return ("--data-dir", data_dir)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A run of two epochs with its baseline, and its summary."""
    folder = tmp_path_factory.mktemp("companions")
    (folder / "small.yaml").write_text(SMALL, "utf-8")
    given = ("--config", folder / "small.yaml", "--epochs", 2, *data)
    said = train(*given, "--out", folder / "run", "--float-baseline", "--json")
    return folder, json.loads(said)


def test_the_summary_says_both_accuracies_and_the_gap(finished):
    folder, found = finished
    own, baseline = rows(folder / "run")[-1], rows(folder / "run" / "float_baseline")[-1]
    assert found["test_accuracy"] == own["test_accuracy"]
    assert found["float_baseline"]["test_accuracy"] == baseline["test_accuracy"]
    expected = baseline["test_accuracy"] - own["test_accuracy"]
    assert found["float_baseline"]["gap"] == pytest.approx(expected, abs=1e-12)
    assert baseline["test_accuracy"] != own["test_accuracy"]
    assert json.loads((folder / "run" / "summary.json").read_text("utf-8")) == found


def test_the_baseline_is_the_run_that_its_settings_name(finished, data):
    """So no noise of the run is in it."""
    folder, _ = finished
    settings = folder / "run" / "float_baseline" / "config.yaml"
    found = load(settings, Training)
    assert found == load(folder / "run" / "config.yaml", Training).float_baseline()
    assert (found.seed, found.device) == (3, "ideal.yaml")
    assert found.optimizer == Adam.Options(learning_rate=0.002)
    train("--config", settings, "--out", folder / "alone", *data)
    assert rows(folder / "alone") == rows(folder / "run" / "float_baseline")


def test_a_baseline_has_no_wires_no_periphery_and_no_faults():
    chip = Training(
        wires=Wires(word_ohms=2.0),
        periphery=Periphery(kind="adc"),
        faults=Faults(stuck_low_share=0.1),
        tiles=Tiles(hidden_w_max=0.1),
    )
    assert chip.float_baseline() == Training(device="ideal.yaml", policy="accumulate")


def test_a_resumed_run_continues_its_baseline(finished, data):
    folder, _ = finished
    given = ("--config", folder / "small.yaml", *data)
    train(*given, "--out", folder / "pieces", "--epochs", 1, "--float-twin")  # its former name
    said = train("--resume", folder / "pieces", "--epochs", 2, *data)
    assert rows(folder / "pieces" / "float_baseline") == rows(folder / "run" / "float_baseline")
    assert rows(folder / "pieces") == rows(folder / "run")
    accuracy = rows(folder / "run" / "float_baseline")[-1]["test_accuracy"]
    (line,) = [line for line in said.splitlines() if line.startswith("float baseline")]
    assert f"{accuracy:.2%}; this run is" in line


def test_a_run_without_a_baseline_says_nothing_of_one(finished, data):
    folder, _ = finished
    said = train("--config", folder / "small.yaml", "--epochs", 0, "--out", folder / "lone", *data)
    assert "baseline" not in said
    assert not (folder / "lone" / "float_baseline").exists()
