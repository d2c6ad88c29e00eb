import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.main import COMMANDS, CommandGroup, main

HELPERS = Path(__file__).parents[1] / "helpers"
HEAVY = {"torch", "numba", "matplotlib", "numpy", "scipy"}
LAZY = {
    "dummy": ("xbar_dummy:dummy", "End as told."),
    "broken": ("xbar_no_such_module:broken", "A command whose module does not exist."),
}


@pytest.fixture
def group():
    return CommandGroup("xbar", lazy=LAZY)


def run(group, *args):
    result = CliRunner().invoke(group, args)
    return result.exit_code, result.stdout, result.stderr


# --- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [["--help"], ["-h"], ["--version"]])
def test_help_imports_no_command_and_nothing_heavy(args):
    code = (
        "import sys\n"
        "from cli.main import main\n"
        f"main({args!r}, standalone_mode=False)\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    modules = set(result.stderr.split())
    assert "cli.main" in modules
    assert not modules & (HEAVY | {"yaml"})
    assert {m for m in modules if m.startswith(("cli.", "crossbar"))} == {
        "cli.main",
        "cli.interrupts",
        "cli.text",
    }


def test_help_names_every_command_with_one_line_and_shows_examples():
    code, stdout, stderr = run(main, "--help")
    assert (code, stderr) == (0, "")
    for name, (_, text) in COMMANDS.items():
        assert any(line.split(maxsplit=1) == [name, text] for line in stdout.splitlines())
        assert f"  xbar {name}" in stdout


def test_help_of_a_group_lists_lazy_and_plain_commands_importing_none(group):
    group.add_command(click.Command("plain", help="Plain."))
    code, stdout, stderr = run(group, "--help")
    assert (code, stderr) == (0, "")
    assert [line.split()[0] for line in stdout.split("Commands:\n")[1].splitlines()] == [
        "dummy",
        "broken",
        "plain",
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_own_help(name):
    code, stdout, stderr = run(main, name, "--help")
    assert (code, stderr) == (0, "")
    assert stdout.startswith(f"Usage: main {name} ")


def test_version_is_the_one_of_the_distribution():
    assert run(main, "--version") == (0, "xbar 0.1.0\n", "")


# --- mistyped ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("trian", "Error: no command 'trian'; did you mean 'train'?"),
        ("zzz", f"Error: no command 'zzz'; known: {', '.join(COMMANDS)}"),
    ],
)
def test_a_mistyped_command_is_told_the_nearest(typed, message):
    end = "; main --help says more; nothing was done\n"
    assert run(main, typed) == (2, "", message + end)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        (["train", "--device", ""], "--device"),
        (["train", "--ei", " ", "--seed", "1"], "--ei"),
        (["train", "--out="], "--out"),
        (["fit", "-o", "", "a.csv"], "-o"),
        (["devices", ""], "an argument"),
    ],
)
def test_a_value_that_is_empty_is_one_line(typed, name):
    assert run(main, *typed) == (2, "", f"Error: {name} has no value; nothing was done\n")


def test_a_mistyped_option_is_told_the_nearest():
    line = "Error: no option '--hepl'; did you mean '--help'?; main --help says more; "
    assert run(main, "--hepl") == (2, "", line + "nothing was done\n")


# --- the boundary --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ending", "code", "stderr"),
    [
        ("well", 0, ""),
        ("config", 2, "Error: tile.yaml:3:3: rows = 0 is outside [1, 1024]; nothing was run\n"),
        ("hardware", 3, "Error: no board at 127.0.0.1:5025; nothing was sent\n"),
        ("two", 2, "Error: a.yaml:1:1: one\na.yaml:2:1: two\n"),
        ("interrupt", 130, "Interrupted.\n"),
        (
            "full",
            2,
            "Error: no space left on device (runs/a/checkpoint.npz); "
            "nothing was lost before the last checkpoint\n",
        ),
        (
            "quota",
            2,
            "Error: no space left on device; nothing was lost before the last checkpoint\n",
        ),
        (
            "denied",
            2,
            "Error: permission denied (x); nothing was lost before the last checkpoint\n",
        ),
        ("pipe", 1, ""),
    ],
)
def test_an_ending_is_one_message_and_an_exit_code(group, ending, code, stderr):
    assert run(group, "dummy", ending) == (code, "before\n", stderr)


def test_a_bug_keeps_its_traceback(group):
    assert isinstance(CliRunner().invoke(group, ["dummy", "bug"]).exception, ZeroDivisionError)


def test_a_missing_command_module_keeps_its_traceback(group):
    assert isinstance(CliRunner().invoke(group, ["broken"]).exception, ModuleNotFoundError)


def shell(code):
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(HELPERS), *filter(None, sys.path)])}
    prelude = (
        "from cli.main import CommandGroup; import signal, xbar_dummy\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's `&` had it ignored
        "group = CommandGroup('xbar')\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_reader_that_goes_away_ends_it_quietly():
    with shell("group.add_command(xbar_dummy.talk); group(['talk'])") as process:
        assert process.stdout.readline() == "line 0\n"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 1


def test_control_c_ends_it_with_one_line_and_130():
    code = (
        "import click, time\n"
        "group.add_command(click.Command('wait', callback=lambda: (click.echo('on'), "
        "time.sleep(60))))\n"
        "group(['wait'])"
    )
    with shell(code) as process:
        assert process.stdout.readline() == "on\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30) == ("", "Interrupted.\n")
    assert process.returncode == 130


# --- interrupted ---------------------------------------------------------------------------------

STUCK = """
import ctypes, threading
from cli import interrupts
interrupts.watch(0.2)
library, lock = ctypes.CDLL(None), (ctypes.c_char * 64)()
threading.Timer(0.5, print, ("ready",), {"flush": True}).start()  # once it is stuck
library.pthread_mutex_lock(lock), library.pthread_mutex_lock(lock)  # as a compiler: not Python
"""
BUSY = """
import time
from cli.main import CommandGroup
from cli import interrupts
import click
@click.command()
def wait():
    print("ready", flush=True)
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        pass  # as a library does
interrupts.watch(5.0)
group = CommandGroup("xbar")
group.add_command(wait)
group(["wait"])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("code", [STUCK, BUSY], ids=["in native code", "swallowed"])
def test_a_signal_ends_it_whatever_it_does(code, number):
    with shell(code) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.strip() == "Interrupted."


@pytest.mark.parametrize(
    ("ending", "size"),
    [
        ("memory", " (unable to allocate 2.98 GiB)"),
        ("allocator", " (allocate 125440000 bytes)"),
        ("bare memory", ""),
    ],
)
def test_too_little_memory_is_one_line(group, ending, size):
    message = (
        f"Error: not enough memory{size}: make the network, the batch or the tiles smaller, or "
        "raise the limit (ulimit -v); nothing was lost before the last checkpoint\n"
    )
    assert run(group, "dummy", ending) == (2, "before\n", message)


def test_control_c_before_the_command_is_read_is_one_line_too():
    def interrupt(*_):
        raise KeyboardInterrupt

    early = CommandGroup("xbar", params=[click.Option(["--early"], callback=interrupt)])
    result = CliRunner().invoke(early, ["--early", "1", "fit"])
    assert (result.exit_code, result.stderr) == (130, "Interrupted.\n")
