"""`xbar characterize`: its cost, its files, the next command, going on after a kill."""

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from xbar_served import served

import crossbar as xb
from cli.main import main
from crossbar.boards.recorded import RecordingBoard
from crossbar.boards.scpi.serving import ServedBoard, emulated_board
from device_models.presets import load_device
from device_models.schema import load

ROOT = Path(__file__).parents[2]
PLAN = """cells: 4
cycles: 2
cycle_reads: 2
pulses: 6
own_ramps: 3
amplitudes: [0.9]
widths: [1.0, 10.0]
sweep_steps: 2
sweep_pulses: 2
reads: 70
levels: 2
retention_seconds: [1.0, 10.0]
"""
TABLES = ("pulses.csv", "cycles.csv", "reads.csv", "writes.csv", "retention.csv", "arc_one.csv")


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text(PLAN)
    return path


def run(*args):
    result = CliRunner().invoke(main, ["characterize", *map(str, args)])
    return result.exit_code, result.stdout, result.stderr


def simulated(plan, *more):
    return ["--board", "simulated", "--rows", "3", "--columns", "4", "--plan", str(plan), *more]


def test_a_dry_run_prints_the_plan_and_its_cost_and_sends_nothing(plan, tmp_path):
    code, out, err = run(*simulated(plan, "--dry-run"))
    assert (code, err) == (0, "")
    assert out.startswith("cells: 4\n")
    assert "SET pulses        " in out
    assert "largest amplitude 1.56 V" in out
    assert out.endswith("nothing was sent\n")
    assert "\ntimes are of the emulated cells: the emulator skips them, nobody waits\n" in out
    assert "energy is unknown" not in out
    assert list(tmp_path.iterdir()) == [plan]


def test_the_next_command_fits_the_device(plan, tmp_path):
    folder = tmp_path / "measured"
    code, out, err = run(*simulated(plan, "-o", folder, "--seed", "4"))
    assert code == 0, err
    assert err.startswith("SET pulses        ")
    for name in TABLES:
        assert (folder / name).is_file()
    line, _, command = out.strip().partition("; next: ")
    assert line.endswith(f"rows in {folder}")
    result = CliRunner().invoke(main, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output
    assert "set_scale_volts" in result.stdout
    assert (folder / "device.yaml").is_file()


def test_a_kill_costs_one_stage_and_the_rest_is_the_same(plan, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert run(*simulated(plan, "-o", whole))[0] == 0
    command = [sys.executable, "-c", "from cli.main import main; main()", "characterize"]
    command += simulated(plan, "-o", str(cut))
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=ROOT) as process:
        while not list(cut.glob("stages/ramp_0[2-9].csv")):
            assert process.poll() is None
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    code, out, err = run("--resume", cut)
    assert code == 0, err
    assert "stages are there" in err
    assert "; next: xbar fit " in out
    for name in TABLES[:-1]:
        assert (cut / name).read_bytes() == (whole / name).read_bytes(), name
    text = (cut / "arc_one.csv").read_text().splitlines()
    assert text[1:] == (whole / "arc_one.csv").read_text().splitlines()[1:]


def test_a_board_over_tcp_gives_the_tables_too(plan, tmp_path):
    folder = tmp_path / "measured"
    with served("oxram", 3, 4, seed=1) as address:
        code, out, err = run("--board", address, "--plan", plan, "-o", folder)
    assert code == 0, err
    assert "; next: xbar fit " in out
    assert all((folder / name).is_file() for name in TABLES)


def refused(*args):
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "nothing was sent" in err
    return err


def test_a_recording_that_ends_early_is_one_line(plan, tmp_path):
    """Wherever it was cut: between calls, and inside one."""
    board = emulated_board(load_device("oxram"), ServedBoard(rows=3, columns=4, seed=1))
    recorder = RecordingBoard(board, tmp_path / "whole.jsonl")
    xb.characterize(recorder, load(plan, xb.Plan), out=tmp_path / "first")
    recorder.close()
    lines = (tmp_path / "whole.jsonl").read_bytes().splitlines(keepends=True)
    assert len(lines) > 100
    for count, text in (
        (1, "session ends here"),
        (71, "session ends here"),
        (72, "cut off during"),
    ):
        cut = tmp_path / f"{count}.jsonl"
        cut.write_bytes(b"".join(lines[:count]))
        code, out, err = run(
            "--board", f"recorded:{cut}", "--plan", plan, "-o", tmp_path / f"x{count}"
        )
        assert (code, out) == (2, "")
        (error,) = [line for line in err.splitlines() if line.startswith("Error: ")]
        assert err.endswith(f"{error}\n")
        assert error.startswith(f"Error: {cut}:{count}: ")
        assert text in error


def test_what_does_not_go_together_is_refused_in_one_line(plan, tmp_path):
    out = ["-o", str(tmp_path / "x")]
    assert "--board says what is measured" in refused(*out)
    assert "-o FOLDER says where" in refused("--board", "simulated")
    assert "--rows is of a simulated board" in refused("--board", "tcp://h", "--rows", "3", *out)
    assert "--resume keeps what was begun; --plan cannot" in refused(
        "--resume", tmp_path, "--plan", plan
    )
    assert "is no characterisation" in refused("--resume", tmp_path)
    assert "--set takes NAME=VALUE" in refused("--board", "simulated", "--set", "cells", *out)
    assert "--set cells" in refused("--board", "simulated", "--set", "cells=0", *out)
    assert "is no board" in refused("--board", "usb://1", *out)
    assert not (tmp_path / "x").exists()


def test_a_plan_beyond_the_limits_of_a_file_is_refused_in_one_line(plan, tmp_path):
    limits = tmp_path / "limits.yaml"
    limits.write_text(
        "limits:\n  volts: 1.3\n  seconds: 1.0e-6\n  compliance_amperes: null\n"
        "  pulses_per_cell: null\n  joules: null\n"
    )
    text = refused(*simulated(plan, "-o", tmp_path / "x", "--limits", limits))
    assert "limits.volts = 1.3 V; nothing was sent" in text
    assert not (tmp_path / "x").exists()
    assert "limits" in refused(*simulated(plan, "--dry-run", "--limits", plan))


def test_nobody_at_an_address_is_exit_code_3(tmp_path):
    code, out, err = run("--board", "tcp://127.0.0.1:1", "-o", tmp_path / "x")
    assert (code, out) == (3, "")
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())
