"""Ctrl-C and SIGTERM while a command holds a board, which it lets go of; and in a callback."""

import os
import signal
import subprocess
import sys
import time

import pytest
from xbar_served import served

PATIENCE_SECONDS = 0.1
HELD = f"""
import ctypes, signal, sys, threading, time
import click
from cli import interrupts
from cli.main import CommandGroup
library, lock = ctypes.CDLL(None), (ctypes.c_char * 64)()

def let_go():
    sys.stdin.readline()
    library.pthread_mutex_unlock(lock)

@click.command()
@click.argument("address")
def hold(address):
    board = None
    if address != "none":
        from crossbar.boards.address import open_board
        board = open_board(address)
    threading.Thread(target=let_go, daemon=True).start()
    try:
        print("ready", flush=True)
        library.pthread_mutex_lock(lock), library.pthread_mutex_lock(lock)  # no Python meanwhile
        time.sleep(60)
    finally:
        if board is not None:
            reads = len(board.read().flatten())  # it still answers: its session is whole
            board.close()
            print(f"closed after {{reads}} reads", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` has Ctrl-C ignored
interrupts.watch({PATIENCE_SECONDS})
group = CommandGroup("xbar")
group.add_command(hold)
group(["hold", sys.argv[1]])
"""


def interrupted(address, number):
    """Exit code, stdout and stderr of the command, interrupted in the middle of a foreign call."""
    with subprocess.Popen(
        [sys.executable, "-c", HELD, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=os.environ,
    ) as process:  # fmt: skip
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        time.sleep(10 * PATIENCE_SECONDS)  # one without a board has ended by now
        out, err = process.communicate("go on\n", timeout=60)
    return process.returncode, out, err.strip()


def test_a_command_that_holds_a_board_is_waited_for_and_closes_it():
    with served("ideal", 3, 4) as address:
        code, out, err = interrupted(address, signal.SIGINT)
    assert (code, out, err) == (130, "closed after 12 reads\n", "Interrupted.")


def test_one_without_a_board_is_not_waited_for():
    assert interrupted("none", signal.SIGTERM) == (130, "", "Interrupted.")


LOST = """
import os, signal, sys, time, weakref
from cli import interrupts

class Held:
    pass

def kill():
    os.kill(os.getpid(), signal.SIGTERM)
    for _ in range(1000):  # the signal is seen in here
        pass

STRIKE

interrupts.watch()
held = Held()
reference = weakref.ref(held, strike)
try:
    del held
    for _ in range(6000):  # between a look for signals and a long sleep Python loses one
        time.sleep(0.01)
except KeyboardInterrupt:
    print("seen", flush=True)
"""


IN_A_CALLBACK = """
def strike(_):
    kill()
"""
IN_THE_HOOK = """
def strike(_):
    class Stream:
        struck = False

        def write(self, text):
            if not Stream.struck:
                Stream.struck = True
                kill()

        def flush(self):
            pass

    sys.stderr = Stream()
    raise ValueError
"""


@pytest.mark.parametrize("strike", [IN_A_CALLBACK, IN_THE_HOOK], ids=["callback", "hook"])
def test_one_that_python_swallows_comes_again_without_a_traceback(strike):
    done = subprocess.run(
        [sys.executable, "-c", LOST.replace("STRIKE", strike)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "seen\n", "")
