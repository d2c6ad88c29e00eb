"""`xbar train` with two recurrent hidden layers, from the first line to the figures.

As in `test_train.py` a small set stands in the place of the real one.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.image import imread
from xbar_training import without_seconds

from cli.main import main
from cli.train import read_settings
from crossbar.snn.network import Network

SMALL = """\
batch_size: 64
optimizer: {kind: sgd, learning_rate: 0.02}
data: {steps: 60}
"""
FIGURES = [
    "accuracy.png", "conductances.png", "confusion.png", "fields.png", "pulses.png", "raster.png",
    "spikes.png",
]  # fmt: skip


def train(*args):
    """Run the command in this process; returns stdout."""
    result = CliRunner().invoke(main, ["train", *map(str, args)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.stderr
    return result.stdout


def epochs_of(run):
    """The rows of `metrics.jsonl`."""
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def data(data_dir):
    """The options that name the folder of the set."""
    return ("--data-dir", data_dir)


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """A run of one epoch with its figures, and what it printed; not to be changed."""
    folder = tmp_path_factory.mktemp("layers")
    config, run = folder / "small.yaml", folder / "run"
    config.write_text(SMALL, "utf-8")
    options = ("--config", config, "--epochs", 1, "--out", run, "--json", *data)
    return run, train("--hidden", "30,20", "--recurrent", "--sigma-init", 0.02, *options)


def test_layers_are_kept_in_the_settings_of_the_run(finished):
    run, _ = finished
    network = read_settings({}, str(run / "config.yaml"), None).network
    layers = Network.of(hidden=(30, 20), recurrent=True, sigma_init=0.02).layers
    assert network.layers == layers


def test_the_rows_tell_of_every_layer(finished):
    run, printed = finished
    found = json.loads(printed)
    assert found["epochs"] == epochs_of(run)
    assert found["mapping"]["devices"] == 2 * ((784 + 30) * 30 + (30 + 20) * 20 + 20 * 10)
    for row in found["epochs"]:
        spikes = row["spikes_per_inference"]
        assert len(spikes["layers"]) == 2
        assert spikes["total"] == pytest.approx(sum(spikes["layers"]), rel=1e-9)
        assert row["rate_hz"] == pytest.approx(spikes["total"] / 50 / 0.06, rel=1e-9)


def test_the_checkpoint_holds_three_crossbars(finished):
    run, _ = finished
    with np.load(run / "checkpoint.npz", allow_pickle=False) as file:
        shapes = {file[name].shape for name in file.files if name.endswith("before")}
    assert shapes == {(814, 60), (50, 40), (20, 20)}


def test_all_figures_are_drawn(finished):
    run, _ = finished
    assert sorted(path.name for path in (run / "figures").iterdir()) == FIGURES
    for name in FIGURES:
        assert imread(run / "figures" / name)[:, :, :3].std() > 0.05


def test_a_resumed_run_is_the_run_in_one_piece(finished, data, tmp_path):
    run, _ = finished
    pieces = Path(shutil.copytree(run, tmp_path / "pieces"))
    train("--resume", pieces, "--epochs", 2, "--no-figures", *data)
    whole = tmp_path / "whole"
    options = ("--config", run / "config.yaml", "--epochs", 2, "--out", whole, "--no-figures")
    train(*options, *data)
    assert [row["epoch"] for row in epochs_of(pieces)] == [0, 1, 2]
    assert without_seconds(epochs_of(pieces)) == without_seconds(epochs_of(whole))
    with np.load(pieces / "checkpoint.npz") as one, np.load(whole / "checkpoint.npz") as other:
        names = [name for name in one.files if name.endswith((".g", ".before"))]
        assert len(names) == 6
        for name in names:
            assert one[name].tobytes() == other[name].tobytes()
