# ruff: noqa: T201  # it talks to its parent
"""Measurements that need a process of their own: peak memory, first compile, whole commands.

python processes.py RACE CONTESTANT [--quick]     peak of one contestant, as JSON; RACE is a number
                                                  or a preset
python processes.py xbar ARGUMENTS...             peak of one command, as JSON
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLD = "train --epochs 0, empty cache"
WARM = "train --epochs 0, warm"
UNITS = 3  # batches that a contestant runs before its peak is read


def peak_megabytes() -> float:
    """Peak resident memory of this process alone.

    From /proc where there is one: what `getrusage` says starts at the size of the parent.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        (line,) = (x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    scale = 2**20 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def child(*arguments: str, **environment: str) -> dict[str, float]:
    """Run this file with some arguments: its peak, its seconds from start to end, its CPU seconds.

    Raises:
        RuntimeError: It failed; the message is what it wrote.
    """
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, __file__, *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = json.loads(done.stdout.splitlines()[-1])
    return {"peak_megabytes": peak, "seconds": seconds, "cpu_seconds": cpu}


def peaks(names: list[tuple[int, str]], *, quick: bool) -> dict[str, float]:
    """Peak memory of the contestants (number of the race, name), and of the imports alone."""
    flags = ["--quick"] * quick
    found = {"imports alone": child("-1", "", *flags)["peak_megabytes"]}
    for race, name in names:
        found[f"{race} {name}"] = child(str(race), name, *flags)["peak_megabytes"]
    return found


def commands(*, quick: bool, threads: int) -> dict[str, dict[str, float]]:
    """`xbar train` warm; unless `quick` also with an empty kernel cache, and whole epochs."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)

        def train(name: str, *more: str, **environment: str) -> None:
            out = str(place / f"run {len(found)}")
            arguments = ["train", "--no-figures", "--threads", str(threads), "--out", out, *more]
            found[name] = child("xbar", *arguments, **environment)

        if not quick:
            train(COLD, "--epochs", "0", NUMBA_CACHE_DIR=str(place / "empty"))
        for number in range(1 if quick else 3):
            train(f"{WARM} ({number + 1})", "--epochs", "0")
        for device in () if quick else ("ideal", "oxram"):
            train(f"train --device {device} --epochs 1", "--epochs", "1", "--device", device)
    return found


def run_contestant(race: str, name: str, *, quick: bool) -> None:
    """Build one contestant and run some batches."""
    import contestants
    import torch

    if race == "-1":
        return
    if race in contestants.presets.NAMES:
        chosen = contestants.preset(race, settle=False)
    else:
        chosen = contestants.races(quick=quick)[int(race)]
    threads = len(os.sched_getaffinity(0))
    entry = chosen.entries(chosen.work(), threads)[name]
    torch.set_num_threads(max(entry.torch_threads))
    unit = entry.build()
    for _ in range(UNITS):
        unit()


def run_command(arguments: list[str]) -> None:
    """One `xbar` command, in this process, its words on stderr."""
    from cli.main import main

    sys.stdout = sys.stderr
    main(arguments, standalone_mode=False)
    sys.stdout = sys.__stdout__


if __name__ == "__main__":
    if sys.argv[1] == "xbar":
        run_command(sys.argv[2:])
    else:
        run_contestant(sys.argv[1], sys.argv[2], quick="--quick" in sys.argv)
    print(json.dumps(peak_megabytes()))
