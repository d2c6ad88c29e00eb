"""`xbar train --board`: a served board, a driver of one's own, a recorded session, and none."""

import dataclasses
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
from xbar_served import served

import crossbar as xb
from cli.main import main
from crossbar.boards.address import open_board
from crossbar.experiment.config import Training
from crossbar.experiment.trainer import Trainer
from device_models.errors import ConfigError
from device_models.schema import load

ROOT = Path(__file__).parents[2]
IMAGES = 160, 80  # to learn and to test: a board reads each in all its steps
SMALL = """\
batch_size: 16
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


def small():
    return emulated_board(load_device("oxram"), ServedBoard(rows=10, columns=20))


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


def serving(**options):
    """A board that is served by a thread; gives its address."""
    return served("ideal", WORDS, BITS, **options)


@contextmanager
def serving_apart(port, state):
    """`xbar serve` in a process that can be killed; gives the process."""
    size = ["--device", "ideal", "--rows", str(WORDS), "--columns", str(BITS)]
    command = [sys.executable, "-c", "from cli.main import main; main()", "serve", *size]
    with subprocess.Popen(
        [*command, "--port", str(port), "--state", state], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        line = process.stdout.readline()
        if not line:
            raise AssertionError(process.stderr.read())
        try:
            yield process
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
    """Of a run, without what a clock said."""
    content = json.loads((Path(folder) / "summary.json").read_text())
    for each in (content, *content["epochs"]):
        del each["seconds"]
    return content


def test_a_board_over_tcp_is_trained_with_the_pulses_of_one_in_this_process(train):
    with serving() as address:
        ended = train(*on(address, "far"))
        assert ended[0] == 0, ended
        with open_board(address) as board:
            far, counters = board.read(), board.counters
    assert train(*on("python:seam_driver.ideal", "near"))[0] == 0
    one, other = summary("far"), summary("near")
    assert one == other
    pulses = one["pulses"]
    assert pulses["set"] + pulses["reset"] > 1000
    assert pulses == {"set": counters.set_pulses, "reset": counters.reset_pulses}
    with np.load("far/checkpoint.npz") as one, np.load("near/checkpoint.npz") as other:
        assert one.files == other.files
        names = set(one.files) - {"about", "sha256"}  # how long each took
        assert all(np.array_equal(one[name], other[name]) for name in names)
    assert far.unique().numel() > 1000
    config = Path("far/config.yaml").read_text()
    assert f"board: {address}\n" in config


def test_a_recorded_training_is_played_back(train):
    assert train(*on("python:seam_driver.recorded", "first"))[0] == 0
    assert train(*on("recorded:session.jsonl", "second"))[0] == 0
    assert summary("first") == summary("second")
    lines = Path("session.jsonl").read_bytes().splitlines(keepends=True)
    count = len(lines) // 4 * 2 + 1  # between two calls
    Path("cut.jsonl").write_bytes(b"".join(lines[:count]))
    code, out, err = train(*on("recorded:cut.jsonl", "cut"))
    assert (code, out) == (2, ""), err
    (error,) = [line for line in err.splitlines() if line.startswith("Error: ")]
    assert error.startswith(f"Error: cut.jsonl:{count}: the session ends here, ")
    code, out, err = train(*on("recorded:session.jsonl", "third", "--lr", "1e-3"))
    assert (code, out) == (3, "")
    assert err.splitlines()[-1].startswith("Error: session.jsonl:")
    assert "was asked" in err


# A board that fails


def test_a_server_that_is_killed_leaves_a_run_that_goes_on_with_the_cells(train, tmp_path):
    state = tmp_path / "cells.state"
    with serving(state=state) as address:
        port = int(address.rpartition(":")[2])
        assert train(*on(address, "run"))[0] == 0
    first = summary("run")
    code, out, err = train("--resume", "run", "--epochs", "3")
    message = f"no board at {address} (connection refused); nothing was sent; xbar serve starts one"
    assert (code, out, err) == (3, "", f"Error: {message}\n")
    with serving_apart(port, str(state)) as process, kill_after_batches(process, 12):
        code, out, err = train("--resume", "run", "--epochs", "3")
    assert (code, out) == (3, "")
    last = err.splitlines()[-1]
    assert last.startswith(f"Error: {address}: the connection was lost; what was sent last may or")
    assert last.endswith("; epoch 2 is kept; go on with xbar train --resume run")
    rows = [json.loads(line) for line in Path("run/metrics.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    with serving(state=state, port=port) as again:
        assert again == address
        with open_board(address) as board:
            before = board.read()
        code, out, err = train("--resume", "run", "--epochs", "3")
        assert code == 0, err
        with open_board(address) as board:
            after = board.read()
    assert f"note: the cells of {address} are as they were left;" in err
    assert not np.array_equal(before, after)
    last = summary("run")
    assert last["epochs"][:2] == first["epochs"]
    assert last["epochs"][3]["pulses"]["set"] > 0


@contextmanager
def kill_after_batches(process, count):
    """Kill a server once a training has had so many batches."""
    learn, done = Trainer._learn, []

    def counted(self, *args):
        done.append(None)
        if len(done) > count:
            process.kill()
            process.wait(30)
        return learn(self, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trainer, "_learn", counted)
        yield


def tree(folder):
    """Every file below a folder with its content, but what Python compiled."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in Path(folder).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }


def refused(train, here, message, *args, code=2):
    """One line, the exit code, and nothing written."""
    before = tree(here)
    assert train(*args) == (code, "", f"Error: {message}\n")
    assert tree(here) == before


def test_a_board_without_limits_gets_nothing(train, here):
    message = (
        "cells in the laboratory is no emulator: it needs limits (volts, seconds, "
        "compliance_amperes, pulses_per_cell, joules) from --limits FILE; nothing was sent"
    )
    refused(train, here, message, *on("python:seam_driver.oxram", "run"))


@pytest.mark.parametrize(
    ("address", "code", "message"),
    [
        ("usb0", 2, "'usb0' is no board; boards are at tcp://..., recorded:..., python:..., "
         "TCPIP0::HOST::PORT::SOCKET; "
                    "nothing was sent"),
        ("tcp://127.0.0.1:1", 3, "no board at tcp://127.0.0.1:1 (connection refused); nothing was "
                                 "sent; xbar serve starts one"),
        ("recorded:none.jsonl", 2, "none.jsonl: No such file or directory; nothing was written"),
        ("python:seam_driver.wrong", 2, "python:seam_driver.wrong: module 'seam_driver' has no "
                                        "attribute 'wrong'; nothing was sent"),
        ("python:seam_driver.nothing", 2,
         "python:seam_driver.nothing gave None, which is no board: it has no info, counters, read, "
         "vmm, pulse, wait, close; nothing was sent"),
    ],
)  # fmt: skip
def test_an_address_where_no_board_is_is_one_line(train, here, address, code, message):
    refused(train, here, message, *on(address, "run"), code=code)


def test_a_board_that_is_too_small_says_how_many_tiles_are_needed(train, here):
    message = (
        f"the network needs 800 word lines x 32 bit lines (784 x 32 + 16 x 20, one below the "
        f"other), 14 tiles of 128 x 20; emulated Ideal has {WORDS} x {BITS}, 7 of them; nothing "
        "was sent"
    )
    refused(train, here, message, *on("python:seam_driver.ideal", "run", "--hidden", "16"))


def test_limits_of_a_file_are_kept_by_the_run_and_hold(train):
    options = ["--config", "small.yaml", "--device", "oxram", "--set", "policy=closed_loop"]
    options += ["--board", "python:seam_driver.oxram", "--limits", "limits.yaml", "--out", "run"]
    code, out, err = train(*options)
    assert code == 0, err
    config = Path("run/config.yaml").read_text()
    assert "limits:\n  volts: 1.5\n" in config
    with np.load("run/sent.npz") as sent:
        total = summary("run")["pulses"]
        assert sent["pulses"].sum() == total["set"] + total["reset"] > 1000
        most = int(sent["pulses"].max())
    Path("limits.yaml").write_text(LIMITS.replace("1000000", str(most - 1)))
    code, out, err = train(*options[:-1], "other")
    assert (code, out) == (2, "")
    assert f"limits.pulses_per_cell = {most - 1} pulses; nothing was sent" in err
    assert err.count("Error: ") == 1


# A dry run


def test_a_dry_run_prints_what_the_training_sends_and_writes_nothing(train, here):
    options = ["--config", "small.yaml", "--device", "oxram", "--limits", "limits.yaml"]
    before = tree(here)
    board = "--board", "python:seam_driver.oxram"
    code, out, err = train(*options, *board, "--dry-run")
    assert code == 0, err
    assert tree(here) == before
    code, _, err = train(*options, *board, "--out", "run")
    assert code == 0, err
    pulses = summary("run")["pulses"]
    assert f"SET pulses        {pulses['set']}\n" in out
    assert f"RESET pulses      {pulses['reset']}\n" in out
    assert out.splitlines()[-1].startswith("energy at worst   ")


def test_a_dry_run_beyond_the_limits_says_which(train, here):
    Path("limits.yaml").write_text(LIMITS.replace("1000000", "5"))
    options = ["--config", "small.yaml", "--device", "oxram", "--dry-run"]
    code, out, err = train(*options, "--limits", "limits.yaml")
    assert (code, out) == (2, "")
    assert err.splitlines()[-1].startswith("Error: ")
    assert err.endswith("limits.pulses_per_cell = 5 pulses; nothing was sent\n")


def test_a_dry_run_asks_the_board_whether_it_can_hold_the_network(train, here):
    options = ["--config", "small.yaml", "--device", "oxram", "--dry-run", "--board"]
    message = (
        "the network needs 792 word lines x 20 bit lines (784 x 16 + 8 x 20, one below the other), "
        "80 tiles of 10 x 20; emulated Oxram has 10 x 20, 1 of them; nothing was sent"
    )
    refused(train, here, message, *options, "python:seam_driver.small")
    message = (
        "cells in the laboratory is no emulator: it needs limits (volts, seconds, "
        "compliance_amperes, pulses_per_cell, joules) from --limits FILE; nothing was sent"
    )
    refused(train, here, message, *options, "python:seam_driver.oxram")
    code, out, err = train(*options, "tcp://127.0.0.1:1")
    assert (code, out) == (3, "")
    assert err.startswith("Error: no board at tcp://127.0.0.1:1 (connection refused); nothing was")


def test_a_dry_run_on_an_emulator_has_the_limits_of_its_device_file(train):
    code, out, err = train("--config", "small.yaml", "--device", "oxram", "--dry-run")
    assert code == 0, err
    first, second, *_ = err.splitlines()
    assert first == "dry run: limits of an emulated board of oxram: 2.6 V, 0.001 s"
    assert second.endswith(
        "on an emulated board first, about as long as such a training; --epochs 1 is "
        "the shortest; nothing is sent"
    )
    assert out.startswith("SET pulses        ")


def test_a_resumed_run_keeps_its_board_and_its_limits(train, here):
    message = (
        "--resume keeps the settings of the run; --board, --limits, --dry-run cannot change; "
        "nothing was written"
    )
    changed = ("--board", "tcp://127.0.0.1:1", "--limits", "limits.yaml", "--dry-run")
    refused(train, here, message, "--resume", "run", *changed)


def test_the_token_of_a_server_opens_it_for_a_run_and_is_not_kept(train, monkeypatch):
    with serving(token="long enough") as address:
        code, _, err = train(*on(address, "run", "--token", "long enough", "--epochs", "0"))
        assert code == 0, err
        for wrong in ([], ["--token", "long, but wrong"]):
            code, out, err = train(*on(address, "other", *wrong))
            assert (code, out, err.count("\n")) == (3, "", 1)
            assert "-203" in err
        host = address.removeprefix("tcp://")
        code, _, err = train(*on(f"tcp://long enough@{host}", "other"))
        assert (code, "--token" in err, "long enough" in err) == (2, True, False)
        monkeypatch.setenv("XBAR_TOKEN", "long enough")
        code, _, err = train("--resume", "run", "--epochs", "1")
        assert code == 0, err
    assert summary("run")["pulses"]["set"] > 100
    assert all(b"long enough" not in content for content in tree("run").values())


def test_a_run_on_a_board_is_drawn_and_says_that_the_board_has_its_weights(data_dir):
    options = [
        "train",
        "--data-dir",
        str(data_dir),
        *map(str, on("python:seam_driver.ideal", "run")),
    ]
    result = CliRunner().invoke(main, options, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    assert list(Path("run").rglob("*.png"))
    assert "test accuracy" in result.stdout
    again = ["train", "--data-dir", str(data_dir), "--init-from", "run", "--out", "other"]
    result = CliRunner().invoke(main, again, catch_exceptions=False)
    assert result.exit_code == 2
    assert result.stderr.startswith(
        "Error: run was trained on python:seam_driver.ideal, which keep"
    )


def test_the_same_from_python(train, data_dir):
    options = {"data_dir": data_dir, "notice": lambda line: None, "out": "python"}
    config = load(Path("small.yaml"), Training)
    run = xb.train(
        dataclasses.replace(config, device="oxram"), board="python:seam_driver.oxram",
        limits="limits.yaml", **options,
    )  # fmt: skip
    assert run.config.board == "python:seam_driver.oxram"
    assert run.config.limits.pulses_per_cell == 1_000_000
    options["out"] = "command"
    ended = train("--config", "python/config.yaml", "--out", "command")
    assert ended[0] == 0, ended
    assert summary("python") == summary("command")
    options["out"] = "other"
    with pytest.raises(
        ConfigError, match=r"^board = tcp://there: boards are given already; .* wri"
    ):
        xb.train(config, board="tcp://there", boards=lambda number, shape: None, **options)
    with pytest.raises(ConfigError, match=r"^limits: the simulated arrays .* nothing was"):
        xb.train(config, limits="limits.yaml", **options)
