# ruff: noqa: T201  # it talks on the terminal
"""`make bench`: our kernels against dense programs, in one run and interleaved.

    .venv/bin/python tests/bench/bench.py [--quick] [--json FILE] [--threads N] [--only PART ...]

Not a test: it prints, and fails nothing. Every contestant has its turn in every round; medians of
the rounds are printed with the least and the greatest, ratios are taken within a round. Dense
programs run few batches, and are told per 1,000 samples like the others. The data are the same for
all; what is synthetic says so. In dense programs torch gets one thread or all, whichever is faster;
in ours it gets one. On a machine that others use, look at the ratio by CPU time.
"""

import argparse
import contextlib
import json
import os
import platform
import sys
import time
from pathlib import Path

import contestants
import devices
import numba
import numpy as np
import ours
import presets
import processes
import programs
import scaling
import settings
import torch
from contestants import SNNTORCH, Race
from data import BATCH, Workload, audio, settled
from rounds import Pace, ratios, round_robin

from crossbar.snn.engines import EventEngine

PARTS = (
    "agree",
    "races",
    "scaling",
    "threads",
    "memory",
    "commands",
    *presets.NAMES,
    "digits",
    "settings",
    "devices",
)
APART = {"digits", "devices", "settings", *presets.NAMES}  # parts that need no race before them
LINES = 140, 700  # of the digits
EPOCH = 60_000  # images


def machine(threads: int) -> dict[str, object]:
    """Where this was measured."""
    model = platform.processor() or platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(x.split(":")[1].strip() for x in lines if x.startswith("model name"))
    return {
        "processor": model,
        "processors": len(os.sched_getaffinity(0)),
        "threads": threads,
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": numba.__version__,
        "numpy": np.__version__,
    }


def agree(work: Workload) -> dict[str, float]:
    """Largest differences of loss and gradients (of the largest) from the dense program."""
    weights, chosen = settled(work), np.arange(BATCH)
    loss, gradients = programs.loss_and_gradients(programs.mended, work, weights, chosen)
    makes = {"dense, slow": programs.sliced, "our torch reference": programs.torch_reference}
    if SNNTORCH:
        makes["snnTorch"] = programs.snntorch
    others = {
        name: programs.loss_and_gradients(make, work, weights, chosen)
        for name, make in makes.items()
    }
    done = ours.learn(EventEngine(work.network, tile_rows=128), work, ours.exact(weights), chosen)
    others["xbar"] = float(done.losses.mean()), done.gradients
    found = {"loss": loss}
    for name, (own, own_gradients) in others.items():
        found[f"loss, {name}"] = abs(own - loss)
        for layer, (a, b) in enumerate(zip(gradients, own_gradients, strict=True)):
            found[f"gradient {layer}, {name}"] = float(abs(a - b).max() / abs(a).max())
    return found


def print_agreement(work: Workload, found: dict[str, float]) -> None:
    """The differences."""
    print(f"\nSame batch, same weights, {work.name}: loss {found['loss']:.6f}; differences")
    for name, value in found.items():
        if name != "loss":
            print(f"  {name:36s} {value:9.1e}")


def raced(race: Race, threads: int, pace: Pace) -> dict[str, object]:
    """One table, printed and as JSON."""
    work = race.work()
    timed = round_robin(race.entries(work, threads), pace)
    wall_ratio, cpu_ratio = (ratios(timed, race.base, clock) for clock in ("wall", "cpu"))
    print(f"\n{work.name}, {race.title}, {work.origin}; {pace.rounds} rounds, {threads} threads")
    print(f"{'':32s} {'s per 1,000 samples':>27s} {'CPU s':>8s}", end="")
    print(f" {'faster than ' + race.base:>25s} {'by CPU':>7s} {'batches':>7s}")
    rows = {}
    for name, own in timed.items():
        row = own.figures() | {"times_faster": wall_ratio[name], "by_cpu": cpu_ratio[name]}
        print(f"{name:32s} {table_row(row, work.batch)}")
        rows[name] = row
    if not SNNTORCH:
        print("snnTorch is not installed and was left out: pip install -e '.[bench]'")
    return {"network": work.name, "task": race.title, "data": work.origin, "rows": rows}


def table_row(row: dict, batch: int) -> str:
    """The figures of one contestant."""
    wall, cpu = row["wall_seconds_per_1000"], row["cpu_seconds_per_1000"]
    faster, by_cpu = row["times_faster"], row["by_cpu"]
    times = f"{wall['median']:9.4f} ({wall['min']:.4f}-{wall['max']:.4f})"
    ratio = f"{faster['median']:7.1f} ({faster['min']:.1f}-{faster['max']:.1f})"
    count = row["samples"] // batch
    return f"{times:>27s} {cpu['median']:8.4f} {ratio:>25s} {by_cpu['median']:7.1f} {count:7d}"


def epochs_of(tables: list[dict]) -> None:
    """The seconds of one epoch of 60,000 images that the first table comes to."""
    rows = tables[0]["rows"]
    print(f"\nOne epoch of {EPOCH:,} images, scaled from the median:")
    for name, row in rows.items():
        print(f"  {name:30s} {EPOCH / 1e3 * row['wall_seconds_per_1000']['median']:9.2f} s")


def print_curve(name: str, c: dict) -> None:
    """One curve."""
    line = c["line"]
    print(f"\nus a sample by {name}: slope {line['slope']:.4g}, r2 {line['r2']:.4f}")
    for x, y, low, high, s in zip(
        c["x"], c["us_per_sample"], c["min"], c["max"], c["hidden_spikes"], strict=True
    ):
        print(f"  {x:8.1f} {y:9.1f} ({low:.1f}-{high:.1f})  {s:.1f} hidden spikes a sample")


def print_threads(found: dict) -> None:
    """One thread against two."""
    print("\nTwo threads against one, wall time:")
    for name in ("speed_up_of_kernels", "speed_up_of_training"):
        s = found[name]
        print(f"  {name:28s} {s['median']:.2f} ({s['min']:.2f}-{s['max']:.2f})")
    print(f"  results bit-identical: {found['bit_identical']}")


def memory(races: list[Race], quick: bool) -> dict[str, float]:
    """Peak of every contestant of the training races, each in a process of its own."""
    names = []
    for number, race in enumerate(races):
        if race.title == "training":
            entries = race.entries(race.work(), 1)
            dense = [race.base] if quick else [n for n in entries if not n.startswith("xbar")]
            kernels = [n for n in ("xbar ideal", "xbar oxram") if n in entries]
            names += [(number, n) for n in [*dense, *kernels]]
    if quick:
        names = [name for name in names if name[0] == 0]
    found = processes.peaks(names, quick=quick)
    print("\nPeak memory, MB (imports, data and three batches):")
    for name, value in found.items():
        number, _, rest = name.partition(" ")
        title = f"{races[int(number)].work().name}: {rest}" if number.isdigit() else name
        print(f"  {title:50s} {value:8.0f}")
    return found


def preset(name: str, threads: int, pace: Pace) -> dict[str, object]:
    """One preset: losses of the same batch with the same weights, the race, peak memory."""
    race = contestants.preset(name)
    work, settle = race.work(), presets.SETTLE[name]
    few = np.arange(work.batch)
    figures = {"loss": presets.losses(work, presets.settled(work, settle), few)}
    print(f"\n{name}, {settle} batches on; loss of a batch of {len(few)} with the same weights:")
    print("  " + ", ".join(f"{who} {loss:.6f}" for who, loss in figures["loss"].items()))
    figures["race"] = raced(race, threads, pace)
    figures["memory_megabytes"] = {
        who: processes.child(name, who)["peak_megabytes"] for who in (race.base, "xbar oxram")
    }
    peaks = (f"{who} {peak:.0f} MB" for who, peak in figures["memory_megabytes"].items())
    print(f"  peak memory (imports, data, {processes.UNITS} batches): {', '.join(peaks)}")
    return figures


def commands(quick: bool, threads: int) -> dict[str, dict[str, float]]:
    """Whole commands."""
    found = processes.commands(quick=quick, threads=threads)
    print("\nWhole commands, start to end:")
    for name, row in found.items():
        cpu, peak = row["cpu_seconds"], row["peak_megabytes"]
        print(f"  {name:36s} {row['seconds']:7.1f} s {cpu:7.1f} s CPU {peak:6.0f} MB")
    if quick:
        return found
    cold = found[processes.COLD]
    for clock in ("seconds", "cpu_seconds"):
        warm = min(row[clock] for name, row in found.items() if name.startswith(processes.WARM))
        print(f"  first compile (cold less warm), {clock:12s} {cold[clock] - warm:7.1f}")
    return found


def options() -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two rounds, fewer contestants")
    parser.add_argument("--rounds", type=int, help="turns of each contestant; 5, quick 2")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS[:-1], metavar="PART")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything, also each round")
    return parser.parse_args()


def main() -> None:
    """Measure, print, write."""
    typed, began = options(), time.perf_counter()
    pace = Pace(2, 0.15) if typed.quick else Pace(5, 0.4)
    pace = pace._replace(rounds=typed.rounds or pace.rounds)
    found: dict[str, object] = {"machine": machine(typed.threads)}
    print(", ".join(f"{key} {value}" for key, value in found["machine"].items()))
    found["presets"] = {
        name: preset(name, typed.threads, pace) for name in presets.NAMES if name in typed.only
    }
    if "devices" in typed.only:
        found["devices"] = devices.table(seeds=1 if typed.quick else 3)
    if "settings" in typed.only:
        found["settings"] = settings.table(typed.threads, pace.rounds)
    if "digits" in typed.only:
        found["digits"] = [raced(contestants.digits(n), typed.threads, pace) for n in LINES]
    if set(typed.only) <= APART:
        return finish(found, began, typed.json)
    races = contestants.races(quick=typed.quick)
    main_work = races[0].work()
    if "agree" in typed.only:
        works = [main_work]
        if not typed.quick:
            works += [audio(), audio(hidden=256, recurrent=True)]
        found["agreement"] = {work.name: agree(work) for work in works}
        for work in works:
            print_agreement(work, found["agreement"][work.name])
    if "races" in typed.only:
        found["races"] = [raced(race, typed.threads, pace) for race in races]
        epochs_of(found["races"])
    if "scaling" in typed.only:
        found["scaling"] = scaling.curves(main_work, typed.threads, pace)
        for name, curve in found["scaling"].items():
            print_curve(name, curve)
    if "threads" in typed.only:
        found["threads"] = scaling.one_against_two(main_work, pace)
        print_threads(found["threads"])
    if "memory" in typed.only:
        found["memory_megabytes"] = memory(races, typed.quick)
    if "commands" in typed.only:
        found["commands"] = commands(typed.quick, typed.threads)
    return finish(found, began, typed.json)


def finish(found: dict[str, object], began: float, path: Path | None) -> None:
    """The last line, and the file."""
    found["seconds"] = time.perf_counter() - began
    print(f"\n{found['seconds']:.0f} s in all; load now {os.getloadavg()[0]:.1f}")
    if path:
        path.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
