# ruff: noqa: T201  # a program that prints its table
"""Kills every long command of `xbar` at random moments, fills its disk, and runs it twice at once.

After each fault the same command is given again. It must end well, with the same result to the
last bit as one that nothing happened to, and leave nothing else behind.

python torture.py [--faults 200] [--seed 0] [--only train,program] [--cold 0.1]

Moments: half of them at an event on the files of the command, half at a random share of its
processor time. A share `--cold` of the commands starts as a user starts it, the others are forked
from a process that has imported and compiled everything: they take a second, not ten.
"""

import argparse
import contextlib
import os
import random
import select
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from child import CTRL_C, FULL, KILL, SIGNALS, TERM, Task, prepare, start, strike, surroundings
from commands import COMMANDS, FIRST, PLAN, Command
from compare import contents, difference

TWO = "two at once"
KINDS = (KILL, TERM, CTRL_C, FULL, TWO)
HANGS_SECONDS = 300.0
ENDED, REFUSED, INTERRUPTED = 0, 2, 130
TICK = os.sysconf("SC_CLK_TCK")


@dataclass
class Ending:
    """How a process ended.

    Attributes:
        code: Its exit code, below 0 for a signal; None: it hung, and was killed.
        text: What it printed.
        cpu_seconds: What it took.
    """

    code: int | None
    text: str
    cpu_seconds: float


@dataclass
class Reference:
    """What a command does when nothing happens to it.

    Attributes:
        results: What its folder holds then, for each seed.
        events: How many events on files it has.
        cpu_seconds: By whether it starts cold.
    """

    results: list[dict[str, object]]
    events: int
    cpu_seconds: dict[bool, float]


@dataclass
class Row:
    """A line of the table: of one command."""

    tries: Counter[str] = field(default_factory=Counter)
    struck: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0  # from a signal to the end


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Let nobody see what is printed meanwhile."""
    with (
        Path(os.devnull).open("w") as nowhere,
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
    ):
        yield


def used(process: int) -> float:
    """Processor time of a process, seconds."""
    try:
        parts = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return (int(parts[11]) + int(parts[12])) / TICK


class Running:
    """A process that goes on beside this one."""

    def __init__(self, task: Task, *, cold: bool = False) -> None:
        """Start it."""
        self.process, self.out = start(task, cold=cold)
        self.chunks, self.is_cold = list[bytes](), cold

    def is_alive(self) -> bool:
        """Whether it has not ended; it is not waited for."""
        ended = os.waitid(os.P_PID, self.process, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return ended is None

    def wait_for(self, cpu_seconds: float) -> None:
        """Until it minds signals and has used so much processor time, or has ended."""
        while self.is_alive() and (
            used(self.process) < cpu_seconds or (self.is_cold and not self.chunks)
        ):
            self.read(0.005)

    def read(self, seconds: float) -> None:
        """Take what it printed."""
        ready, _, _ = select.select([self.out], [], [], seconds)
        if ready and (chunk := os.read(self.out, 1 << 20)):
            self.chunks.append(chunk)
        elif ready:
            time.sleep(seconds)  # it has closed its end

    def end(self) -> Ending:
        """Wait for its end; one that hangs is killed."""
        began, hung = time.monotonic(), False
        while self.is_alive():
            self.read(0.01)
            if time.monotonic() - began > HANGS_SECONDS:
                os.kill(self.process, signal.SIGKILL)
                hung = True
        cpu = used(self.process)
        _, status = os.waitpid(self.process, 0)
        self.read(0.0)
        os.close(self.out)
        text = b"".join(self.chunks).decode(errors="replace")
        return Ending(None if hung else os.waitstatus_to_exitcode(status), text, cpu)


class Torture:
    """All commands, their references, and what came of every fault."""

    def __init__(self, work: Path, seed: int, cold: float) -> None:
        """Make what the commands need, in a folder."""
        self.random, self.cold, self.work = random.Random(seed), cold, work
        self.images, self.first = work / "images", work / "first"
        self.images.mkdir()
        os.environ["MPLCONFIGDIR"] = str(work / "matplotlib")  # so that fonts are looked up once
        prepare(self.images)
        import xbar_images

        xbar_images.write(self.images)
        self.folder(self.first)
        (self.first / "plan.yaml").write_text(PLAN)
        for line in FIRST.values():
            self.here(line, self.first)
        self.references: dict[str, Reference] = {}
        self.rows: dict[str, Row] = {}

    def folder(self, path: Path) -> Path:
        """An empty folder with one for temporary files in it."""
        shutil.rmtree(path, ignore_errors=True)
        (path / "tmp").mkdir(parents=True)
        return path

    def task(self, line: str, folder: Path) -> Task:
        """A command in a folder."""
        return Task(args=line.split(), folder=str(folder), images=str(self.images))

    def here(self, line: str, folder: Path) -> None:
        """Carry out a command in this process: later ones find all imported and compiled."""
        from cli.main import main

        variables = dict(os.environ)
        os.environ |= surroundings(self.task(line, folder))
        try:
            with contextlib.chdir(folder), silence():
                main(line.split(), standalone_mode=False)
        finally:
            os.environ.clear()
            os.environ |= variables

    def fresh(self, command: Command) -> Path:
        """A new folder with what a command needs."""
        folder = self.folder(self.work / "round")
        for name in command.needs:
            source = self.first / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
        return folder

    def refer(self, name: str) -> Reference:
        """Carry a command out with nothing in its way, cold and warm, with every seed."""
        command = COMMANDS[name]
        self.here(command.line, self.fresh(command))
        results, seconds, counts = [], {}, self.work / "counts"
        for seed in ["", *filter(None, [command.seed])]:
            folder = self.fresh(command)
            task = replace(self.task(f"{command.line} {seed}", folder), counts=str(counts))
            ending = Running(task).end()
            if ending.code != ENDED:
                raise SystemExit(f"xbar {command.line} fails by itself:\n{ending.text}")
            results.append(contents(folder))
            seconds[False] = ending.cpu_seconds
        folder = self.fresh(command)
        ending = Running(self.task(command.line, folder), cold=True).end()
        seconds[True] = ending.cpu_seconds
        if apart := difference(contents(folder), results[0]):
            raise SystemExit(f"xbar {command.line} gives another result the second time: {apart}")
        return Reference(results, int(counts.read_text()), seconds)

    def one(self, name: str, kind: str) -> None:
        """One fault: what came of it goes into the table."""
        if name not in self.references:
            self.references[name], self.rows[name] = self.refer(name), Row()
        row, command, reference = self.rows[name], COMMANDS[name], self.references[name]
        row.tries[kind] += 1
        folder, cold = self.fresh(command), self.random.random() < self.cold
        if kind == TWO:
            story, faults = self.two(command, reference, folder, cold)
        else:
            story, faults = self.struck(name, kind, folder, cold)
        if faults:
            row.faults.append(f"{name}, {story}: {'; '.join(faults)}")
            print(f"FAULT {row.faults[-1]}", flush=True)

    def struck(self, name: str, kind: str, folder: Path, cold: bool) -> tuple[str, list[str]]:
        """A fault meets one command, which is then given again."""
        row, command, reference = self.rows[name], COMMANDS[name], self.references[name]
        task, struck_at = self.task(command.line, folder), 0.0
        if self.random.random() < 0.5:
            at = self.random.randint(1, reference.events)
            running = Running(replace(task, fault=kind, event=at), cold=cold)
            story = f"{kind} at event {at} of {reference.events}"
        else:
            share = self.random.random()
            running = Running(task, cold=cold)
            running.wait_for(share * reference.cpu_seconds[cold])
            if running.is_alive():
                time.sleep(self.random.uniform(0.0, 0.02))
                strike(kind, running.process)
                struck_at = time.monotonic() if kind in SIGNALS else 0.0
            story = f"{kind} after {share:.1%}"
        ending = running.end()
        if struck_at:
            row.slowest_seconds = max(row.slowest_seconds, time.monotonic() - struck_at)
        row.struck[kind] += ending.code != ENDED
        story += ", cold" * cold
        faults = judged(ending, kind)
        is_whole = not difference(contents(folder), reference.results[0])
        last = Running(self.task(command.line, folder)).end()
        if last.code == REFUSED and command.again:
            last = Running(self.task(command.again, folder)).end()
        # What came too late finds a whole result, which some commands do not write anew.
        if last.code not in (ENDED, REFUSED if is_whole else ENDED):
            faults.append(f"again: exit code {last.code}: {last.text.strip()[-300:]}")
        elif apart := difference(contents(folder), reference.results[0]):
            faults.append(apart)
        return story, faults

    def two(
        self, command: Command, reference: Reference, folder: Path, cold: bool
    ) -> tuple[str, list[str]]:
        """Two of the same kind, the second a little later, in one folder."""
        share = self.random.random()
        one = Running(self.task(command.line, folder), cold=cold)
        one.wait_for(share * reference.cpu_seconds[cold])
        other = Running(self.task(f"{command.line} {command.seed}", folder))
        endings = [other.end(), one.end()]
        faults = [fault for ending in endings for fault in judged(ending, TWO)]
        codes = [ending.code for ending in endings]
        if ENDED not in codes:
            faults.append(f"exit codes {codes}: {[ending.text[-200:] for ending in endings]}")
        there = contents(folder)
        apart = [difference(there, wanted) for wanted in reference.results]
        if all(apart):
            faults.append(f"exit codes {codes}, neither result is whole: {' | '.join(apart)}")
        return f"{TWO}, the second after {share:.1%}", faults


def judged(ending: Ending, kind: str) -> list[str]:
    """What is wrong with how a command ended that was met by a fault."""
    allowed = {
        KILL: {ENDED, -signal.SIGKILL}, TERM: {ENDED, INTERRUPTED}, CTRL_C: {ENDED, INTERRUPTED},
        FULL: {ENDED, REFUSED}, TWO: {ENDED, REFUSED},
    }[kind]  # fmt: skip
    faults = []
    if ending.code is None:
        faults.append(f"no end within {HANGS_SECONDS:g} s")
    elif ending.code not in allowed:
        faults.append(f"exit code {ending.code}: {ending.text.strip()[-300:]}")
    if "Traceback" in ending.text:
        at = max(0, ending.text.index("Traceback") - 200)
        faults.append(f"a traceback: {ending.text[at : at + 1500]}")
    return faults


def table(rows: dict[str, Row], references: dict[str, Reference]) -> str:
    """The figures: of each kind the tries, and how many of them met the command at work."""
    widths = [24, *(16 for _ in KINDS), 10, 10, 8]
    titles = ["command", *KINDS, "events", "slowest", "faults"]
    lines = [titles]
    for name, row in rows.items():
        cells = [
            f"{row.tries[k]}" if k == TWO else f"{row.struck[k]} of {row.tries[k]}" for k in KINDS
        ]
        slowest = f"{row.slowest_seconds:.1f} s"
        lines.append([name, *cells, str(references[name].events), slowest, str(len(row.faults))])
    return "\n".join(
        "".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def main() -> int:
    """Torture; 1 if there was any fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--faults", type=int, default=200, help="How many; default 200.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", default=",".join(COMMANDS), help="Names of commands, with commas."
    )
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--cold", type=float, default=0.1, help="Share of cold starts.")
    given = parser.parse_args()
    began = time.monotonic()
    # Its table is printed too. A shell's `&` has Ctrl-C ignored: SIGTERM is not to be like it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="xbar-torture-") as name:
        torture = Torture(Path(name), given.seed, given.cold)
        pairs = [(c, k) for k in given.kinds.split(",") for c in given.only.split(",")]
        order = [pairs[i % len(pairs)] for i in range(given.faults)]
        torture.random.shuffle(order)
        order.sort(key=lambda pair: pair[0])  # all of one command, so that the first say it early
        rows = torture.rows
        try:
            for command, kind in order:
                torture.one(command, kind)
        except KeyboardInterrupt:
            print("Interrupted; so far:")
        print(table(rows, torture.references), flush=True)
    faults = sum(len(row.faults) for row in rows.values())
    took = time.monotonic() - began
    tries = sum(row.tries.total() for row in rows.values())
    print(f"{tries} interruptions in {took:.0f} s, seed {given.seed}: {faults} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
