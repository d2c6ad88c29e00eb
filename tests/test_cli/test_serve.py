import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from xbar_scpi import service

from cli.main import main
from cli.serve import COMPILING
from crossbar.boards.address import open_board
from crossbar.boards.protocol import PulseBatch
from crossbar.boards.scpi.table import COMMANDS
from device_models.errors import LimitError

ROOT = Path(__file__).parents[2]


LIMITS = """limits:
  volts: 1.25
  seconds: 1.0e-6
  compliance_amperes: null
  pulses_per_cell: 1000
  joules: null
"""


def run(*args):
    result = CliRunner().invoke(main, ["serve", *args])
    return result.exit_code, result.stdout, result.stderr


def test_it_prints_its_address_serves_there_and_ends_on_control_c(tmp_path):
    limits = tmp_path / "limits.yaml"
    limits.write_text(LIMITS)
    options = ["--rows", "3", "--columns", "6", "--seed", "5", "--port", "0"]
    options += ["--limits", str(limits), "--state", str(tmp_path / "state")]
    command = [sys.executable, "-c", "from cli.main import main; main()", "serve", *options]
    env = os.environ | {"XBAR_TOKEN": "from the environment"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env
    ) as process:
        line = process.stdout.readline()
        assert line.startswith("emulated Oxram, 3 x 6, at tcp://127.0.0.1:"), process.stderr.read()
        with open_board(line.split()[-1], token="from the environment") as board:
            assert board.info.shape == (3, 6)
            board.pulse(PulseBatch(np.array([17], np.int32), np.array([1], np.int32)))
            with pytest.raises(
                LimitError, match=r"1\.3 V for word .*: limits\.volts = 1\.25 V; nothing was"
            ):
                board.pulse(PulseBatch(np.array([17], np.int32), np.array([-1], np.int32)))
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) in [("", ""), ("", f"{COMPILING}\n")]
    assert process.returncode == 0
    assert (tmp_path / "state").is_file()


def test_the_panel_is_served_beside_the_instrument_and_ends_with_it():
    command = [sys.executable, "-c", "from cli.main import main; main()", "serve", "--panel"]
    command += ["--panel-port", "0", "--port", "0", "--rows", "2", "--columns", "3"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        instrument, panel = process.stdout.readline(), process.stdout.readline()
        assert instrument.startswith("emulated Oxram, 2 x 3, at tcp://"), process.stderr.read()
        assert panel.startswith("panel at http://127.0.0.1:")
        with urllib.request.urlopen(f"{panel.split()[-1]}api/state", timeout=20) as answer:
            assert json.load(answer)["board"]["bits"] == 3
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60) in [("", ""), ("", f"{COMPILING}\n")]
    assert process.returncode == 0


def test_a_port_of_the_panel_in_use_serves_nothing():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = f"cannot serve 127.0.0.1:{port}: it is in use; nothing was served"
        assert run("--port", "0", "--panel", "--panel-port", str(port)) == (
            2, "", f"Error: {message}\n",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--host", "0.0.0.0"],
         "--host 0.0.0.0 is reached from other machines and needs --token; nothing was served"),
        (["--host", "0.0.0.0", "--token", "short"],
         "a token has 8 to 200 printable characters; nothing was served"),
        (["--port", "70000"], "--port = 70000 is outside [0, 65535]; nothing was served"),
        (["--panel", "--panel-port", "x"],
         "--panel-port must be a whole number in [0, 65535], not 'x'; nothing was served"),
        (["--rows", "0"], "--rows = 0 is outside [1, 4096] word lines; nothing was served"),
        (["--seed", "x"], "--seed must be a whole number in [0, 9223372036854775807], not 'x'; "
                          "nothing was served"),
        (["--folder", "no/such"], "there is no folder no/such; nothing was served"),
        (["--state", "no/such/file"],
         "--state no/such/file: no/such is no folder that can be written; nothing was served"),
        (["--device", "oxrma"], "no device file and no preset 'oxrma'; did you mean 'oxram.yaml'?; "
                                "nothing was served"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_nothing_is_served(args, message):
    assert run("--port", "0", *args) == (2, "", f"Error: {message}\n")


def test_a_port_in_use_is_one_line_and_keeps_the_state(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, out, err = run("--port", str(port), "--state", str(tmp_path / "state"))
    assert (code, out) == (2, "")
    assert err == f"Error: cannot serve 127.0.0.1:{port}: it is in use; nothing was served\n"


def test_where_kernels_are_to_be_compiled_the_port_is_looked_at_first_and_a_line_says_so(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("device_models.jit.is_compiled", lambda stem: False)
    (tmp_path / "other").mkdir()
    assert run("--port", "0", "--state", str(tmp_path / "other"))[2].startswith("Error: ")
    code, out, err = run("--port", "0", "--folder", str(tmp_path / "no"))
    assert (code, out) == (2, "")
    assert err.splitlines()[0] == COMPILING
    service(state=tmp_path / "state").close()
    assert run("--port", "0", "--state", str(tmp_path / "state"))[2] == (
        f"Error: {tmp_path / 'state'} is the state of another board (device file, shape or seed); "
        "nothing was served\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, out, err = run("--port", str(other.getsockname()[1]))
    assert (code, err.count("\n")) == (2, 1)


def test_all_commands_are_printed_with_their_parameters():
    code, out, err = run("--commands")
    assert (code, err) == (0, "")
    assert "\nREAD:ONE? word line, bit line, [read voltage]\n    Siemens of one cell.\n" in out
    assert [c.header for c in COMMANDS if c.header.removesuffix("?") not in out] == []


def test_a_damaged_state_is_one_line(tmp_path):
    state = tmp_path / "state"
    state.write_bytes(b"PK")
    message = f"Error: {state} is no state of a board, or damaged; nothing was served\n"
    assert run("--port", "0", "--state", str(state)) == (2, "", message)
    assert state.read_bytes() == b"PK"


def test_wrong_limits_name_their_line(tmp_path):
    limits = tmp_path / "limits.yaml"
    limits.write_text(LIMITS.replace("1.25", "30").replace("joules", "joule"))
    code, out, err = run("--port", "0", "--limits", str(limits))
    assert (code, out) == (2, "")
    assert "limits.yaml:2:10: limits.volts = 30" in err
    assert "unknown key 'limits.joule'; did you mean 'joules'?" in err
    assert err.endswith("; nothing was sent\n")
