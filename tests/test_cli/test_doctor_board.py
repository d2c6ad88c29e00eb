"""`xbar doctor --board`: the conformance suite as a table, over a socket."""

import json
import runpy
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from xbar_panel import running
from xbar_scpi import service

from cli.main import main
from crossbar.boards.conformance import CHECKS
from crossbar.boards.limits import Limits
from crossbar.boards.scpi.bench import Bench
from crossbar.boards.scpi.instrument import Instrument
from crossbar.boards.scpi.server import Server

BOARD = Path(__file__).parents[2] / "examples" / "extend" / "board.py"
LIMITS = "limits: {volts: 1.5, seconds: 1e-6, compliance_amperes: null, pulses_per_cell: %s,\n"
LIMITS += "  joules: null}\n"


def run(*args):
    result = CliRunner().invoke(main, ["doctor", *args])
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def emulator():
    made = service(token="a long secret")
    with running((made.server, "127.0.0.1", 0)):
        yield "tcp://{}:{}".format(*made.server.address)


@pytest.fixture
def potentiometers():
    """A board that is no emulator, behind an instrument."""
    board = runpy.run_path(str(BOARD))["Potentiometers"]((4, 5))
    limits = Limits(
        volts=2.0, seconds=1e-3, compliance_amperes=None, pulses_per_cell=None, joules=None
    )
    server = Server(Instrument(Bench(board, limits)))
    with running((server, "127.0.0.1", 0)):
        yield board, "tcp://{}:{}".format(*server.address)


def test_an_emulator_is_checked_with_pulses(emulator):
    code, out, _ = run("--board", emulator, "--token", "a long secret")
    head, *rows, total = out.splitlines()
    assert head == f"emulated Oxram, 4 x 5, an emulator, at {emulator}"
    assert rows == [f"pass     {check.name}" for check in CHECKS]
    assert (total, code) == (f"{len(CHECKS)} passed, 0 failed, 0 skipped", 0)


def test_another_board_gets_no_pulse_unless_it_may(potentiometers):
    board, address = potentiometers
    code, out, err = run("--board", address, "--json")
    assert (code, err) == (0, "")
    rows = json.loads(out)["checks"]
    skipped = {row["check"] for row in rows if row["outcome"] == "skipped"}
    assert skipped == {check.name for check in CHECKS if check.is_destructive}
    assert {row["outcome"] for row in rows} == {"pass", "skipped"}
    assert board.counters.set_pulses == board.counters.reset_pulses == 0
    assert (
        "skipped  pulses are counted\n         it sends pulses; --allow-p"
        in run("--board", address)[1]
    )


def test_pulses_to_another_board_need_limits_and_stay_on_the_cells(potentiometers, tmp_path):
    board, address = potentiometers
    assert run("--board", address, "--allow-pulses") == (
        2, "", "Error: potentiometers is no emulator: --allow-pulses needs --limits FILE; nothing "
        "was sent\n",
    )  # fmt: skip
    assert board.counters.set_pulses == 0
    limits = tmp_path / "limits.yaml"
    limits.write_text(LIMITS % "null")
    given = ["--board", address, "--allow-pulses", "--limits", str(limits)]
    code, out, _ = run(*given, "--cells", "3,10-12")
    assert code == 0, out
    assert board.counters.set_pulses > 0
    assert set(board.level.reshape(-1).nonzero()[0]) <= {3, 10, 11, 12}
    limits.write_text(LIMITS % "1")
    code, out, _ = run(*given)
    assert code == 1
    assert "FAIL     SET raises and RESET lowers\n         LimitError: " in out
    assert "limits.pulses_per_cell = 1 pulses; nothing was sent" in out


def test_a_check_that_fails_is_told_with_the_exit_code_1(potentiometers):
    board, address = potentiometers
    read = board.read
    board.read = lambda device=None: read(device) * 1e6  # in microsiemens
    code, out, _ = run("--board", address)
    assert code == 1
    name = CHECKS[0].name
    assert f"FAIL     {name}\n         read() gives 1 S or more: is it in ohms or micro" in out


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--board", "tcp://x:y"], "is no address"),
        (["--board", "gpib"], "'gpib' is no board"),
        (["--cells", "3"], "--cells needs --board ADDRESS; nothing was checked"),
        (["--allow-pulses"], "--allow-pulses needs --board ADDRESS; nothing was checked"),
    ],
)
def test_what_cannot_be_opened_is_one_line(args, text):
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert text in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("cells", "text"),
    [
        ("20", "there is no device 20, the last is 19"),
        ("3-1", "'3-1' is no span as 0-63"),
        ("a", "'a' is no span as 0-63"),
    ],
)
def test_cells_that_are_none_are_refused(potentiometers, cells, text):
    board, address = potentiometers
    code, out, err = run("--board", address, "--cells", cells)
    assert (code, out) == (2, "")
    assert f"{text}; nothing was sent\n" in err
    assert board.counters.device_reads == 0


# Boards of one's own

MINE = """
import runpy
board = runpy.run_path({board!r})["Potentiometers"]

class Careless(board):
    def read(self, device=None):  # what is not there is an IndexError
        return self.siemens() if device is None else self.siemens().flatten()[device]
    def vmm(self, volts):  # and here torch's RuntimeError
        return volts @ self.siemens().to(volts.dtype)

class Unplugged(board):
    def pulse(self, pulses, shape=None):
        raise OSError("USB gone")

class Numpy(board):
    def read(self, device=None):
        print("[read]", flush=True)
        return board.read(self, device).numpy()

class Short(board):
    wait = None

class Dead(board):
    @property
    def counters(self):
        raise OSError("no\\nanswer")
    counters = counters.setter(lambda self, value: None)

def small(kind):
    return lambda: kind((6, 5))

good, careless, unplugged, array, short, dead = map(
    small, (board, Careless, Unplugged, Numpy, Short, Dead)
)
nothing = lambda: None
number = 3
def fails():
    raise RuntimeError("no licence\\nof the SDK")
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The present folder has a module of boards."""
    (tmp_path / "my_boards.py").write_text(MINE.format(board=str(BOARD)))
    (tmp_path / "torn.py").write_text("raise ValueError('no\\ncable')")
    (tmp_path / "limits.yaml").write_text(LIMITS % "null")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_boards", raising=False)
    return tmp_path


def checked(name, *more):
    """Exit code, and the reason of each check that failed."""
    code, out, err = run("--board", f"python:my_boards.{name}", "--json", *more)
    assert err == ""
    rows = json.loads(out)["checks"]
    assert len(rows) == len(CHECKS)
    return code, {row["check"]: row["why"] for row in rows if row["outcome"] == "FAIL"}


def test_the_example_of_a_board_passes_with_pulses_too(mine):
    given = "--allow-pulses", "--limits", "limits.yaml"
    assert checked("good", *given) == (0, {})
    assert runpy.run_path(str(BOARD))["open_board"]().info.shape == (884, 200)


def test_what_a_driver_raises_is_a_check_that_failed_and_the_others_go_on(mine):
    code, why = checked("careless")
    assert code == 1
    missing = why["what the array has not is refused"]
    assert missing.startswith("device 30 is read: IndexError: index 30 is out of bounds")
    assert missing.endswith("; a LimitError or ShapeError is expected")
    code, why = checked("unplugged", "--allow-pulses", "--limits", "limits.yaml")
    assert code == 1
    assert why["SET raises and RESET lowers"] == "OSError: USB gone"
    assert len(why) == 3  # not the one of pulses that the limits refuse


def test_a_read_that_is_no_tensor_is_told_and_results_come_one_by_one(mine):
    code, out, err = run("--board", "python:my_boards.array")
    assert (code, err) == (1, "")
    assert "read() gives ndarray, not a tensor of floating-point numbers\n" in out
    assert "AttributeError: 'numpy.ndarray' object has no attribute 'double'\n" in out
    first = out.index("FAIL     answers have their shapes")
    assert "[read]" in out[:first]
    assert "[read]" in out[first:]


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        (
            "my_boards.nothing",
            2,
            "my_boards.nothing gave None, which is no board: it has no info, ",
        ),
        ("my_boards.short", 2, "which is no board: it has no wait; nothing was sent"),
        ("my_boards.dead", 3, "my_boards.dead: counters: OSError: no answer; nothing was sent"),
        ("my_boards.fails", 3, "python:my_boards.fails: RuntimeError: no licence of the SDK"),
        ("my_boards.board", 3, "python:my_boards.board: TypeError: "),
        ("my_boards.number", 2, "my_boards.number is int '3', no function; nothing was sent"),
        ("torn.open_board", 2, "importing torn failed: ValueError: no cable; nothing was sent"),
    ],
)
def test_what_opens_no_board_is_one_line(mine, name, code, text):
    result = run("--board", f"python:{name}")
    assert (result[0], result[1], result[2].count("\n")) == (code, "", 1), result
    assert text in result[2]


def test_a_recording_cannot_be_tested(mine):
    assert run("--board", "recorded:session.jsonl") == (
        2, "", "Error: --board recorded:session.jsonl: a recording cannot be tested, it only "
        "answers what was recorded; nothing was checked\n",
    )  # fmt: skip


def test_a_board_that_fails_ends_a_characterisation_in_one_line(mine):
    given = ["characterize", "--board", "python:my_boards.unplugged", "--limits", "limits.yaml"]
    result = CliRunner().invoke(main, [*given, "-o", "measured"])
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.endswith("Error: potentiometers: pulse: OSError: USB gone\n"), (
        result.stderr
    )


def test_a_wrong_token_is_a_board_that_does_not_answer(emulator):
    code, out, err = run("--board", emulator, "--token", "another one")
    assert (code, out) == (3, "")
    assert "token 1 of 3 is wrong" in err
