"""`import crossbar as xb`: the same training as the command, in three lines of Python.

A small set stands in the place of the real one.
"""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from xbar_training import without_seconds

import crossbar as xb
from cli.main import main
from crossbar.experiment.train import TrainingInterrupted
from crossbar.experiment.trainer import Trainer
from crossbar.synapses.optimizers import OPTIMIZERS
from device_models.errors import ConfigError, HardwareError, RunError

SETTINGS = {"batch_size": 64, "epochs": 1}
FIRST_EDITION = """\
device: oxram.yaml
init_from: null
seed: 0
epochs: 1
batch_size: 6000
optimizer: sgd
policy: closed_loop
tile_rows: 128
wires:
  word_ohms: 0.0
network:
  hidden:
  - 20
"""


def quiet(line):
    """A notice that nobody reads."""


@pytest.fixture(scope="module")
def run(data_dir, tmp_path_factory):
    """A run of one epoch; not to be changed."""
    folder = tmp_path_factory.mktemp("front") / "run"
    return xb.train(xb.Training(**SETTINGS), out=folder, data_dir=data_dir, notice=quiet)


@pytest.fixture
def copy(run, tmp_path):
    """A copy of its folder."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in run.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def test_importing_the_package_pays_for_nothing_heavy():
    code = (
        "import sys, crossbar\n"
        "assert {'train', 'Training', 'load_run'} <= set(dir(crossbar)) == set(crossbar.__all__)\n"
        "sys.exit(bool({'torch', 'numpy', 'numba', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there_and_no_other():
    assert all(getattr(xb, name) is not None for name in xb.__all__)
    assert xb.load_device("oxram").g_max_siemens == 1e-3
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        xb.trian  # noqa: B018


def test_a_run_holds_its_results(run):
    assert run.summary == json.loads((run.folder / "summary.json").read_text("utf-8"))
    assert run.rows == run.summary["epochs"]
    assert run.trainer.epoch == 1
    assert (run.folder / "activity.npz").exists()
    opened = xb.load_run(run.folder)
    assert opened.summary == run.summary
    assert opened.config == run.config
    with pytest.raises(RunError, match=r"was opened, not trained here.*crossbar\.train\(resume="):
        _ = opened.trainer


def test_the_command_trains_the_same(run, data_dir, tmp_path):
    folder = tmp_path / "run"
    options = ["--set", "batch_size=64", "--epochs", "1", "--no-figures", "--out", str(folder)]
    main(["train", *options, "--data-dir", str(data_dir)], standalone_mode=False)
    assert without_seconds(xb.load_run(folder).rows) == without_seconds(run.rows)


def test_a_run_stopped_by_control_c_goes_on_to_the_same_bits(copy, data_dir, tmp_path, monkeypatch):
    other = shutil.copytree(copy, tmp_path / "other")
    whole = xb.train(resume=other, epochs=2, data_dir=data_dir, notice=quiet)
    started = Trainer.run_epoch

    def stop(trainer):
        steps = started(trainer)
        yield next(steps)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "run_epoch", stop)
    with pytest.raises(TrainingInterrupted, match="epoch 1 is kept") as stopped:
        xb.train(resume=copy, epochs=2, data_dir=data_dir, notice=quiet)
    assert (stopped.value.folder, stopped.value.epoch) == (copy, 1)
    monkeypatch.undo()
    assert without_seconds(xb.load_run(copy).rows) == without_seconds(whole.rows[:2])
    shown = []

    def progress(steps, total, label):
        shown.append((total, label))
        return steps

    pieces = xb.train(resume=copy, epochs=2, data_dir=data_dir, notice=quiet, progress=progress)
    assert shown == [(10, "epoch 2/2")]
    assert without_seconds(pieces.rows) == without_seconds(whole.rows)


def test_a_resumed_run_keeps_its_settings(run):
    with pytest.raises(ConfigError, match="only epochs may change; nothing was written"):
        xb.train(xb.Training(seed=4), resume=run.folder)


def test_the_threads_of_torch_are_as_before(run, copy, data_dir):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        xb.train(resume=copy, data_dir=data_dir, notice=quiet)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_names_of_tables_stand_for_their_defaults():
    named = xb.Training(optimizer="adam", mapping="bit_sliced", policy="sign", engine="dense")
    assert named.optimizer == OPTIMIZERS["adam"].Options()
    assert named.mapping.slices == 2
    assert (named.policy.threshold, named.engine.device) == (0.5, "cpu")
    with pytest.raises(ConfigError, match=r"policy must be one of .*; did you mean 'sign'"):
        xb.Training(policy="sing")


# What determines the pulses


def test_the_settings_of_a_run_say_all_that_determines_its_pulses(run):
    text = (run.folder / "config.yaml").read_text("utf-8")
    for room in ("device", "network", "engine", "policy", "reads", "tiles", "versions"):
        assert f"\n{room}:" in f"\n{text}"
    assert xb.load_run(run.folder).config.versions["torch"] == torch.__version__


def test_another_version_is_a_note_and_no_error(copy, data_dir):
    path, notes = copy / "config.yaml", []
    torch_version = xb.load_run(copy).config.versions["torch"]
    path.write_text(path.read_text("utf-8").replace(f"torch: {torch_version}", "torch: 1.0.0"))
    xb.train(resume=copy, epochs=2, data_dir=data_dir, notice=notes.append)
    expected = (
        f"note: {copy} was trained with torch 1.0.0, this is {torch_version}; equal seeds may give "
        "other pulses"
    )
    assert [line for line in notes if "was trained with" in line] == [expected]
    assert xb.load_run(copy).config.versions["torch"] == f"1.0.0, then {torch_version}"
    notes.clear()
    xb.train(resume=copy, data_dir=data_dir, notice=notes.append)
    assert not [line for line in notes if "was trained with" in line]


def test_a_run_that_was_edited_is_refused_and_another_board_is_a_note(copy, data_dir):
    path, notes = copy / "config.yaml", []
    text = path.read_text("utf-8")
    path.write_text(text.replace("seed: 0", "seed: 7").replace("batch_size: 64", "batch_size: 32"))
    before = {path: path.read_bytes() for path in copy.iterdir()}
    with pytest.raises(RunError) as raised:
        xb.train(resume=copy, epochs=2, data_dir=data_dir, notice=notes.append)
    assert str(raised.value) == (
        f"{copy} was edited since its last epoch (seed 0 -> 7, batch_size 64 -> 32), and a run "
        "that goes on keeps its settings: undo that, or train anew with --config; nothing was "
        "written"
    )
    assert before == {path: path.read_bytes() for path in copy.iterdir()}
    path.write_text(text.replace("board: simulated", "board: tcp://127.0.0.1:1"))
    with pytest.raises(HardwareError, match="no board at"):
        xb.train(resume=copy, epochs=2, data_dir=data_dir, notice=notes.append)
    assert notes[0] == f"note: {copy} goes on with board simulated -> tcp://127.0.0.1:1"
    path.write_text(text)
    device = copy / "device.yaml"
    device.write_text(device.read_text("utf-8").replace("set_volts: 1.2", "set_volts: 1.25"))
    with pytest.raises(RunError, match=r"\(device\.yaml was edited\)"):
        xb.train(resume=copy, epochs=2, data_dir=data_dir, notice=notes.append)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: xb.train("nonsense"), "config must be a Training or None, not 'nonsense'"),
        (lambda: xb.train(model="oxram"), "model must be a DeviceModel or None, not 'oxram'"),
        (lambda: xb.train(threads=0), "threads must be a whole number above 0 or None, not 0"),
        (lambda: xb.train(out=""), "a file or folder is named by text or a path, not ''"),
        (lambda: xb.Training(epochs="two"), "epochs must be a whole number"),
        (lambda: xb.Network.of(hidden=1.5), r"neurons must be a whole number .* not 1\.5"),
        (lambda: xb.Network.of(ei=1.5), r"ei must be a ratio .* not '1\.5'"),
        (lambda: xb.load_run(3), "is named by text or a path, not 3"),
        (lambda: xb.load_device(3), "3 is no name of a device file or preset"),
        (lambda: xb.load_device(""), "'' is no name of a device file or preset"),
        (lambda: xb.characterize(3, out="out"), "board must be a board or an address, not 3"),
        (lambda: xb.characterize("simulated", "plan", out="out"), "plan must be a Plan or None"),
    ],
)
def test_what_is_handed_over_wrong_is_one_line_of_ours(call, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=message) as raised:
        call()
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_share_is_a_ratio_too():
    assert (
        xb.Network.of(ei=0.8).layers[0].excitatory == xb.Network.of(ei="80:20").layers[0].excitatory
    )


def test_a_run_of_the_first_edition_is_refused_in_one_line(copy):
    (copy / "config.yaml").write_text(FIRST_EDITION, "utf-8")
    before = {path: path.read_bytes() for path in copy.iterdir()}
    with pytest.raises(RunError) as raised:
        xb.train(resume=copy)
    assert str(raised.value) == (
        f"{copy / 'config.yaml'} does not say its versions: it is cut off, or of the first edition "
        "of xbar, whose settings had other names; put it back, or train anew; nothing was written"
    )
    assert before == {path: path.read_bytes() for path in copy.iterdir()}
