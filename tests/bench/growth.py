# ruff: noqa: T201  # it talks on the terminal
"""How training grows: with neurons, spikes, steps, layers, tiles, devices, batches and samples.

    python tests/bench/growth.py [--rounds 3] [--only CURVE ...] [--json FILE] [--png FILE]

Processor time of training by pulses on `oxram`, one thread, and the memory that it takes beside the
imports and the data. Each point is a process of its own, all have their turns in every round; lines
through the logarithms have the exponent of growth as their slope, that of the last two points says
where it goes. A curve varies one thing, and time constants go along with steps; what else moves
(spikes of hidden neurons) is printed beside it.
"""

import argparse
import contextlib
import itertools
import json
import math
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

BATCHES, WARM, TEST = 12, 3, 256  # batches that are timed, those before, samples that are tested
BASE: Mapping[str, Any] = {
    "hidden": (100,), "share": 1.0, "steps": 100, "side": 28, "tile": 128, "batch": 256,
    "samples": (BATCHES + WARM) * 256,
}  # fmt: skip
CURVES: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "hidden neurons": [{"hidden": (n,)} for n in (50, 100, 200, 400, 800, 1600)],
    "input spikes": [{"share": n} for n in (0.125, 0.25, 0.5, 1.0)],
    "steps": [{"steps": n} for n in (50, 100, 200, 400, 800)],
    "layers": [{"hidden": (100,) * n} for n in (1, 2, 4, 8)],
    "tiles": [{"tile": n} for n in (256, 128, 64, 32, 16)],
    "devices": [{"side": n} for n in (28, 56, 112, 224)],  # of lines that stay silent
    "batch": [{"batch": n, "samples": (BATCHES + WARM) * n} for n in (16, 64, 256, 1024)],
    "samples": [{"samples": n} for n in (3_000, 6_000, 12_000, 24_000, 48_000)],
}
OF_BATCH = {"devices", "tiles"}  # curves whose time is that of a batch
OF_EPOCH = {"samples"}


class Cost(NamedTuple):
    """Of one point."""

    size: float  # what grows
    milliseconds: float  # of the processor, for a sample, a batch or an epoch
    megabytes: float | None  # None where the system does not say
    hidden_spikes: float  # of a sample


def measure(curve: str, number: int) -> Cost:
    """One point, in this process."""
    import torch

    torch.set_num_threads(1)
    given = {**BASE, **CURVES[curve][number]}
    build, spikes = workload(given)
    taken = megabytes() if rest_peak() else None
    trainer = build()
    trainer.start()
    times = [time.process_time(), *(time.process_time() for _ in trainer.run_epoch())]
    seconds = statistics.median(np.diff(times[WARM:]))
    samples = 1 if curve in OF_BATCH else trainer.batch_size
    if curve in OF_EPOCH:
        seconds, samples = times[-1] - times[0], 1
    hidden = sum(float(each.mean()) for each in trainer.evaluate().spikes)
    network = trainer.setup.network
    cells = math.prod(network.crossbars[0])
    size = {
        "hidden neurons": sum(given["hidden"]), "input spikes": spikes, "steps": given["steps"],
        "layers": len(given["hidden"]), "tiles": tiles(network, given["tile"]),
        "devices": 2 * cells, "batch": given["batch"], "samples": given["samples"],
    }[curve]  # fmt: skip
    grown = None if taken is None else megabytes("VmHWM") - taken
    return Cost(size, 1e3 * seconds / samples, grown, hidden)


def workload(given: Mapping[str, Any]) -> tuple[Callable[[], Any], float]:
    """What makes a trainer of the settings of a point, and the spikes of a sample."""
    from data import fashion, network_of, shortened
    from scaling import thinned

    from crossbar.array.tiles import Tiles
    from crossbar.datasets.settings import DataSettings
    from crossbar.experiment import builder
    from crossbar.experiment.config import Training
    from crossbar.snn.encodings.events import Events, time_type
    from crossbar.snn.parameters import initial
    from device_models.presets import load_device

    steps, factor = given["steps"], given["steps"] / BASE["steps"]
    network = network_of(
        hidden=given["hidden"], inputs=given["side"] ** 2, steps=steps,
        tau_mem_seconds=10e-3 * factor, tau_syn_seconds=5e-3 * factor,
    )  # fmt: skip

    def moved(events: Events) -> Events:
        few = thinned(events, given["share"])
        times = (few.times * factor).astype(time_type(steps))
        return Events(few.rows, times, few.offsets)

    data = shortened(fashion().data, test=TEST, train=given["samples"])
    data = data._replace(
        train_events=moved(data.train_events), test_events=moved(data.test_events),
        sample_shape=(given["side"], given["side"]),
    )  # fmt: skip
    config = Training(
        network=network.network, data=DataSettings(steps=steps), batch_size=given["batch"],
        tiles=Tiles(tile_rows=given["tile"], tile_columns=given["tile"]),
    )  # fmt: skip
    # Fewer spikes count more, and membranes that add up for longer need less.
    first = initial(network, config.seed)
    w0, *others = first.weights
    first = first._replace(weights=(w0 / np.float32(given["share"] * factor), *others))
    build = partial(
        builder.trainer, config, load_device("oxram"), data, threads=1, first=first,
        notice=lambda text: None,
    )  # fmt: skip
    return build, len(data.train_events.rows) / given["samples"]


def tiles(network: Any, side: int) -> int:
    """Of all arrays."""
    return sum(math.prod(-(-n // side) for n in shape) for shape in network.crossbars)


def rest_peak() -> bool:
    """Let the system begin anew with the peak of this process; whether it can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
        return True
    return False


def megabytes(name: str = "VmRSS") -> float:
    """Memory of this process now, or its peak (`VmHWM`)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(x.split()[1]) for x in lines if x.startswith(name)) / 1024


def points(only: Sequence[str], rounds: int) -> dict[str, list[Cost]]:
    """Every point in a process of its own: of all rounds the medians."""
    turns: dict[tuple[str, int], list[Cost]] = {}
    for _, (curve, number) in itertools.product(range(rounds), places(only)):
        command = [sys.executable, __file__, "--point", curve, str(number)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        cost = Cost(*json.loads(done.stdout.splitlines()[-1]))
        turns.setdefault((curve, number), []).append(cost)
        print(f"{curve:16s} {cost.size:12,.0f} {cost.milliseconds:12.4g} ms", file=sys.stderr)
    medians: dict[str, list[Cost]] = {}
    for (curve, _), costs in turns.items():
        middle = (
            None if None in each else statistics.median(each) for each in zip(*costs, strict=True)
        )
        medians.setdefault(curve, []).append(Cost(*middle))
    return medians


def places(only: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Curve and number of every point."""
    for curve in only:
        for number in range(len(CURVES[curve])):
            yield curve, number


def exponents(costs: Sequence[Cost]) -> dict[str, float]:
    """Slopes of lines through the logarithms of sizes and costs."""
    x = np.log([cost.size for cost in costs])
    y = np.log([cost.milliseconds for cost in costs])
    slopes = {
        "time": float(np.polyfit(x, y, 1)[0]),
        "time_at_end": float(np.diff(y)[-1] / np.diff(x)[-1]),
    }
    memory = [cost.megabytes for cost in costs]
    if None not in memory:
        y = np.log(np.maximum(memory, 0.1))
        slopes["memory"] = float(np.polyfit(x, y, 1)[0])
        slopes["memory_at_end"] = float(np.diff(y)[-1] / np.diff(x)[-1])
    return slopes


def time_unit(curve: str) -> str:
    """What the time of a curve is of."""
    return "a batch" if curve in OF_BATCH else "an epoch" if curve in OF_EPOCH else "a sample"


def picture(curves: Mapping[str, Sequence[Cost]], file: Path) -> None:
    """Time and memory of every curve, on logarithmic axes."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    rows = -(-len(curves) // 4)
    figure, axes = plt.subplots(
        rows, 4, figsize=(14, 3.4 * rows), squeeze=False, layout="constrained"
    )
    for axis in axes.flat[len(curves) :]:
        axis.axis("off")
    plain = ticker.NullFormatter()
    for axis, (curve, costs) in zip(axes.flat, curves.items(), strict=False):
        sizes = [cost.size for cost in costs]
        axis.loglog(sizes, [c.milliseconds for c in costs], "o-", color="#0072b2")
        axis.set(xlabel=curve, ylabel=f"ms of a processor {time_unit(curve)}")
        axis.set_title(f"exponent {exponents(costs)['time']:.2f}", fontsize=9)
        if all(cost.megabytes is not None for cost in costs):
            memory = axis.twinx()
            memory.loglog(sizes, [max(c.megabytes, 0.1) for c in costs], "s--", color="#d55e00")
            memory.set(ylim=(1, 2000))
            memory.set_ylabel("MB", color="#d55e00")
            memory.yaxis.set_minor_formatter(plain)
        low, high = axis.get_ylim()
        axis.set_ylim(min(low, high / 20), high)
        axis.xaxis.set_minor_formatter(plain)
        axis.yaxis.set_minor_formatter(plain)
    figure.savefig(file, dpi=120)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=CURVES, default=list(CURVES), metavar="CURVE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--png", type=Path, metavar="FILE")
    parser.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    typed = parser.parse_args()
    if typed.point:
        print(json.dumps(measure(typed.point[0], int(typed.point[1]))))
        return
    curves = points(typed.only, typed.rounds)
    for curve, costs in curves.items():
        slopes = ", ".join(f"{key} {value:.2f}" for key, value in exponents(costs).items())
        print(f"\n{curve}: exponents {slopes}")
        for cost in costs:
            memory = "" if cost.megabytes is None else f"{cost.megabytes:9.1f} MB"
            print(
                f"{cost.size:12,.0f} {cost.milliseconds:12.4g} ms {time_unit(curve)} {memory}"
                f"{cost.hidden_spikes:9.1f} hidden spikes a sample"
            )
    if typed.json:
        table = {c: [cost._asdict() for cost in costs] for c, costs in curves.items()}
        slopes = {curve: exponents(costs) for curve, costs in curves.items()}
        typed.json.write_text(json.dumps({"points": table, "exponents": slopes}, indent=1) + "\n")
    if typed.png:
        picture(curves, typed.png)


if __name__ == "__main__":
    main()
