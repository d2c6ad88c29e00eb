"""`xbar train --board`: a served board, a driver of one's own, a recorded session, and none."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import main
from crossbar.boards.address import open_board

ROOT = Path(__file__).parents[2]
SMALL = """\
batch_size: 64
epochs: 1
policy: accumulate
optimizer: {kind: adam, learning_rate: 2e-3}
data: {steps: 30}
network:
  layers:
  - {kind: dense, neurons: 8, ei: 50:50, sigma_init: 0.02}
  - {kind: dense, neurons: 10, neuron: leaky_integrator}
"""
WORDS, BITS = 792, 20  # what that network needs: 784 x 16 above 8 x 20
DRIVER = f"""\
import dataclasses
from pathlib import Path

from crossbar.boards.recorded import RecordingBoard
from crossbar.boards.scpi.serving import ServedBoard, emulated_board
from device_models.presets import load_device


def ideal():
    return emulated_board(load_device("ideal"), ServedBoard(rows={WORDS}, columns={BITS}))


def recorded():
    return RecordingBoard(ideal(), Path("session.jsonl"))


def oxram():
    board = emulated_board(load_device("oxram"), ServedBoard(rows={WORDS}, columns={BITS}))
    board.info = dataclasses.replace(board.info, is_emulator=False, name="cells in the laboratory")
    return board


def nothing():
    return None
"""
LIMITS = """\
limits:
  volts: 1.5
  seconds: 1.0e-6
  compliance_amperes: null
  pulses_per_cell: 1000000
  joules: null
"""


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A working folder with settings, limits and a driver."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "small.yaml").write_text(SMALL)
    (folder / "limits.yaml").write_text(LIMITS)
    (folder / "seam_driver.py").write_text(DRIVER)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    yield folder
    sys.modules.pop("seam_driver", None)


@contextmanager
def serving(*options, port=0):
    """`xbar serve` in a process of its own; gives the process and its address."""
    size = ["--device", "ideal", "--rows", str(WORDS), "--columns", str(BITS)]
    command = [sys.executable, "-c", "from cli.main import main; main()", "serve", *size]
    with subprocess.Popen(
        [*command, "--port", str(port), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.stderr.read())
        try:
            yield process, line.split()[-1]
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


@pytest.fixture
def train(data_dir):
    """The command, in this process."""

    def run(*args):
        given = ["train", "--data-dir", data_dir, "--no-figures", *map(str, args)]
        result = CliRunner().invoke(main, given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.stdout, result.stderr

    return run


def on(address, out, *more):
    """Options of a training there."""
    return "--config", "small.yaml", "--device", "ideal", "--board", address, "--out", out, *more


def summary(folder):
    """Of a run, without what a clock said and what the board has to do with."""
    content = json.loads((Path(folder) / "summary.json").read_text())
    for each in (content, *content["epochs"]):
        del each["seconds"]
    return content


def test_a_board_over_tcp_is_trained_with_the_pulses_of_one_in_this_process(train):
    with serving() as (_, address):
        ended = train(*on(address, "far"))
        assert ended[0] == 0, ended
        with open_board(address) as board:
            far, counters = board.read(), board.counters
    assert train(*on("python:seam_driver.ideal", "near"))[0] == 0
    far_summary, near_summary = summary("far"), summary("near")
    assert far_summary == near_summary
    pulses = far_summary["pulses"]
    assert pulses["set"] + pulses["reset"] > 1000
    assert pulses == {"set": counters.set_pulses, "reset": counters.reset_pulses}
    with np.load("far/checkpoint.npz") as one, np.load("near/checkpoint.npz") as other:
        assert one.files == other.files
        assert all(np.array_equal(one[name], other[name]) for name in one.files if name != "about")
    assert far.unique().numel() > 1000
    config = Path("far/config.yaml").read_text()
    assert f"board: {address}\n" in config
