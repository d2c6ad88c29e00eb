"""Interleaved timing: every contestant has its turn in every round."""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch

MOST_UNITS = 400


class Entry(NamedTuple):
    """Who runs: `build` makes what runs one unit and returns its number of samples."""

    build: Callable[[], Callable[[], int]]
    torch_threads: tuple[int, ...] = (1,)  # to choose from, by the warm-up
    least: int = 1  # units of a turn


class Pace(NamedTuple):
    """How long a race takes."""

    rounds: int
    turn_seconds: float  # aim of one turn; where a unit takes longer, a turn is one unit


class Timed(NamedTuple):
    """All turns of one contestant: seconds per 1,000 samples, one number per round."""

    wall: list[float]
    cpu: list[float]
    samples: int  # of all turns together
    torch_threads: int

    def figures(self) -> dict[str, object]:
        """As JSON."""
        return {
            "wall_seconds_per_1000": spread(self.wall),
            "cpu_seconds_per_1000": spread(self.cpu),
            "samples": self.samples,
            "torch_threads": self.torch_threads,
        }


def spread(values: list[float]) -> dict[str, object]:
    """Median, least, greatest and all values."""
    middle = statistics.median(values)
    return {"median": middle, "min": min(values), "max": max(values), "all": values}


def round_robin(entries: Mapping[str, Entry], pace: Pace) -> dict[str, Timed]:
    """Build and warm up everyone, then give each its turn, round by round.

    Torch runs with the number of threads that was fastest in the warm-up: small tensors, and any on
    a machine that others use, are slower with more.
    """
    units, counts, found = {}, {}, {}
    for name, entry in entries.items():
        units[name] = entry.build()
        units[name]()  # compiles, allocates
        best, threads = min(_warm(units[name], n) for n in entry.torch_threads)
        counts[name] = max(
            entry.least, min(MOST_UNITS, math.ceil(pace.turn_seconds / max(best, 1e-6)))
        )
        found[name] = Timed([], [], 0, threads)
    for _ in range(pace.rounds):
        for name, known in found.items():
            torch.set_num_threads(known.torch_threads)
            wall, cpu, samples = _turn(units[name], counts[name])
            known.wall.append(1e3 * wall / samples)
            known.cpu.append(1e3 * cpu / samples)
            found[name] = known._replace(samples=known.samples + samples)
    return found


def _warm(unit: Callable[[], int], threads: int) -> tuple[float, int]:
    """Seconds of one unit with some threads of torch, and their number."""
    torch.set_num_threads(threads)
    return _turn(unit, 1)[0], threads


def _turn(unit: Callable[[], int], count: int) -> tuple[float, float, int]:
    """Wall seconds, CPU seconds of all threads, and samples of some units."""
    wall, cpu = time.perf_counter(), time.process_time()
    samples = sum(unit() for _ in range(count))
    return time.perf_counter() - wall, time.process_time() - cpu, samples


def ratios(found: Mapping[str, Timed], base: str, clock: str) -> dict[str, dict[str, object]]:
    """How many times faster than `base` each is, by "wall" or "cpu", round by round."""
    against = getattr(found[base], clock)
    return {
        name: spread([b / own for b, own in zip(against, getattr(timed, clock), strict=True)])
        for name, timed in found.items()
    }
