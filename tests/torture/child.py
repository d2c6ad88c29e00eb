"""One `xbar` command in a process of its own, which a fault meets on the way.

A fault meets it at an event on its files (it is about to open, rename, remove or make one below its
folder; Python audits these), or from outside at a moment of its processor time. On a disk that is
full no file grows any more (RLIMIT_FSIZE).

python child.py JSON      one that starts cold; `torture.py` forks the others, with all imported
"""

import fcntl
import json
import os
import resource
import signal
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HELPERS = Path(__file__).resolve().parents[1] / "helpers"
EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir"}
KILL, TERM, CTRL_C, FULL = "kill -9", "SIGTERM", "Ctrl-C", "disk full"
SIGNALS = {KILL: signal.SIGKILL, TERM: signal.SIGTERM, CTRL_C: signal.SIGINT}
STARTED = b"started\n"  # of one that starts cold, when it minds signals
PIPE_BYTES = 1 << 20  # what a command may print


@dataclass(frozen=True, kw_only=True)
class Task:
    """A command, and the fault that meets it.

    Attributes:
        args: Of `xbar`.
        folder: Where it is called.
        images: Folder of the data set.
        fault: Key of `SIGNALS`, or `FULL`; None: nothing happens.
        event: Before which of its events on files; 0: somebody else sees to it.
        counts: File to which the number of events is written at the end.
    """

    args: list[str]
    folder: str
    images: str
    fault: str | None = None
    event: int = 0
    counts: str | None = None


def prepare(images: Path) -> None:
    """Put the small data set in the place of Fashion-MNIST, its publisher a folder."""
    sys.path.insert(0, str(HELPERS))
    import xbar_images

    from crossbar.datasets import fetch

    xbar_images.install()
    fetch.open_url = lambda url, progress=None: (images / Path(url).stem).read_bytes()


def surroundings(task: Task) -> dict[str, str]:
    """Variables that say where the data lies, or is to come."""
    if "get" in task.args:
        return {"XDG_CACHE_HOME": f"{task.folder}/cache", "XBAR_DATA": ""}
    return {"XBAR_DATA": task.images}


def strike(fault: str, process: int) -> None:
    """Let the fault meet a process."""
    if fault == FULL:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    else:
        os.kill(process, SIGNALS[fault])


class Watch:
    """Counts events on files, and lets the fault come before one of them."""

    def __init__(self, task: Task) -> None:
        """See the module."""
        self.task, self.count, self.below = task, 0, os.path.realpath(task.folder) + os.sep

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit hook."""
        if event not in EVENTS or not isinstance(args[0], str | bytes | os.PathLike):
            return
        if not os.path.abspath(os.fsdecode(args[0])).startswith(self.below):  # noqa: PTH100
            return
        self.count += 1
        if self.count == self.task.event and self.task.fault:
            strike(self.task.fault, os.getpid())


def carry_out(task: Task, out: int) -> None:
    """Be the command; does not return.

    Args:
        task: See `Task`.
        out: What it prints goes there.
    """
    os.dup2(out, 1)
    os.dup2(out, 2)
    os.chdir(task.folder)
    os.environ |= {"TMPDIR": f"{task.folder}/tmp", **surroundings(task)}
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    sys.argv = ["xbar", *task.args]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `&` had it ignored
    watch, code = Watch(task), 1
    try:
        from cli.main import main

        sys.addaudithook(watch)
        main()
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 0 if e.code is None else 1
    except BaseException:  # noqa: BLE001  # as Python itself does it
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    if task.counts:
        Path(task.counts).write_text(str(watch.count))
    os._exit(code)


def start(task: Task, *, cold: bool) -> tuple[int, int]:
    """Start a process; its number, and where what it prints can be read."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.set_blocking(read, False)
    process = os.fork()
    if process == 0:
        try:
            if cold:
                os.dup2(write, 1)
                os.dup2(write, 2)
                command = [sys.executable, __file__, json.dumps(asdict(task))]
                os.execv(sys.executable, command)
            carry_out(task, write)
        finally:
            os._exit(99)
    os.close(write)
    return process, read


if __name__ == "__main__":
    given = Task(**json.loads(sys.argv[1]))
    from cli import interrupts

    interrupts.watch()  # as the command does it first
    os.write(1, STARTED)
    try:
        prepare(Path(given.images))
    except KeyboardInterrupt:
        os._exit(interrupts.ENDED)
    carry_out(given, 1)
