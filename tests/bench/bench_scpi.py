"""Time of a board over TCP on this machine; `python tests/bench/bench_scpi.py [--state]`.

Wall time, medians, after a warm-up; the server is `xbar serve` in a process of its own, 128 x 128
`oxram` devices. Not collected by pytest: a machine decides the numbers. The budgets are 500 scalar
reads a second, 20 ms for `READ:ALL?` and 50 ms for pulses to all 16,384 devices. `--state` keeps
the state in a file, so that every pulse waits for the disk.
"""

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch

from crossbar.boards.protocol import PulseBatch
from crossbar.boards.scpi.client import ScpiBoard

SERVE = [sys.executable, "-c", "from cli.main import main; main()", "serve", "--port", "0"]
SIZE = ["--rows", "128", "--columns", "128"]


def milliseconds(work: Callable[[], object], *, runs: int) -> float:
    """Median wall time of some work."""
    times = []
    for _ in range(runs + 3):
        started = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - started))
    return statistics.median(times[3:])


def by_hand(host: str, port: int) -> Callable[[str], bytes]:
    """What a script without this package does: a line out, a line in."""
    connection = socket.create_connection((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    file = connection.makefile("rwb")

    def ask(text: str) -> bytes:
        file.write(text.encode() + b"\n")
        file.flush()
        return file.readline()

    return ask


def rows(host: str, port: int) -> list[tuple[str, float]]:
    """What is measured, and its milliseconds."""
    ask, board = by_hand(host, port), ScpiBoard(host, port)
    everywhere = np.arange(128 * 128, dtype=np.int32)
    all_cells = PulseBatch(everywhere, np.where(everywhere % 2, 1, -1).astype(np.int32))
    one_cell, volts = PulseBatch(everywhere[:1], np.ones(1, np.int32)), torch.full((100, 128), 0.1)
    return [
        ("READ:ONE? as text", milliseconds(lambda: ask("READ:ONE? 3,17"), runs=1000)),
        ("READ:ALL? as text", milliseconds(lambda: ask("READ:ALL?"), runs=50)),
        ("read of one device", milliseconds(lambda: board.read(everywhere[:1]), runs=1000)),
        ("read of 16,384 devices", milliseconds(board.read, runs=100)),
        ("vmm of 100 vectors", milliseconds(lambda: board.vmm(volts), runs=100)),
        ("pulse of one device", milliseconds(lambda: board.pulse(one_cell), runs=200)),
        ("pulses of 16,384 devices", milliseconds(lambda: board.pulse(all_cells), runs=100)),
    ]


def main() -> None:
    """Start a server, measure, stop it."""
    with tempfile.TemporaryDirectory() as folder:
        state = ["--state", f"{folder}/state"] if "--state" in sys.argv else []
        with subprocess.Popen([*SERVE, *SIZE, *state], stdout=subprocess.PIPE, text=True) as server:
            host, port = server.stdout.readline().rpartition("//")[2].split(":")
            for name, time_ms in rows(host, int(port)):
                print(f"{name:26}{time_ms:8.2f} ms{1e3 / time_ms:10.0f} a second")  # noqa: T201
            server.terminate()


if __name__ == "__main__":
    main()
