# ruff: noqa: T201  # it talks on the terminal
"""`crossbar.nn.Linear` beside `AnalogLinear` of aihwkit: forward, backward and update on the CPU.

    python tests/bench/bench_aihwkit.py [--rounds N] [--rate LR] [--only TILE ...] [--json FILE]

512 x 512, batch 64. Inputs and errors are Normal(0, 1), another pair for every step, so that no
side learns itself out of work. Ours is the default: `oxram` with read noise and relaxation, Adam,
`closed_loop`, a read-back every fourth step. Theirs are pulsed devices of the same window, mean
step and spreads, stochastic trains of up to 31 pulses that their own management shortens, and a
rate at which a weight gets as many pulses a step as with us (counted here, there by how far weights
move in a step). Their read noise is constant and of the mean size of ours, DAC and ADC have no
limits, and the backward pass is exact as ours is: what costs it least, unless a row says otherwise.

All stand in one process and have their turns in every round, with one thread and with two; memory
is that of a process each, its growth after the imports. aihwkit comes as source alone and
is no dependency: build it beside the torch of xbar (cmake, -DUSE_CUDA=OFF), and run this with that
Python. Nothing is asserted.
"""

import argparse
import functools
import importlib.util
import itertools
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from processes import peak_megabytes
from rounds import Entry, Pace, Timed, ratios, round_robin
from threadpoolctl import threadpool_limits
from torch import Tensor

from crossbar import nn
from device_models.presets import load_device

SIZE, BATCH = 512, 64
PAIRS = 16  # the steps of a unit; whole read-backs
TURN_SECONDS = 0.5
OURS = "xbar"
RATE = 1e-3  # of Adam, torch's default
MOST_TRAIN = 31  # pulses of a stochastic train
W_MAX = 0.155  # of our layer
STEP = W_MAX / 100  # of a pulse in the mean: `oxram` has a hundred across its window
READ_NOISE = 5.5e-4  # of the largest weight: a read of a fresh layer on `oxram`, in the mean
MATCHED, TRIES, DAMPED = 0.1, 6, 0.7  # of the pulses of both sides
MISSING = "aihwkit is not here: build its source beside this torch; nothing was measured"


class Side(NamedTuple):
    """One layer that learns: a step on a pair, and the pulses that a weight gets in one."""

    step: Callable[[Tensor, Tensor], None]
    pulses: Callable[[], float]


class Tile(NamedTuple):
    """A tile of aihwkit: the class of its device, and what is not as the module says."""

    device: str = "SoftBoundsDevice"
    forward: Mapping[str, Any] = MappingProxyType({})
    update: Mapping[str, Any] = MappingProxyType({})
    compound: str = ""


TILES = {
    "ConstantStep": Tile("ConstantStepDevice"),
    "SoftBounds": Tile(),
    "ExpStep": Tile("ExpStepDevice"),
    "SoftBounds, all trains of 31": Tile(update={"update_bl_management": False}),
    "SoftBounds, noise by weight": Tile(forward={"w_noise_type": "PCM_READ"}),
    "SoftBounds, default DAC and ADC": Tile(forward={"inp_res": 1 / 126, "out_res": 1 / 510}),
    "SoftBounds, mixed precision": Tile(compound="MixedPrecisionCompound"),
}


@functools.cache
def pairs() -> list[tuple[Tensor, Tensor]]:
    """Inputs and errors of some steps."""
    drawn = torch.randn((PAIRS, 2, BATCH, SIZE), generator=torch.Generator().manual_seed(0))
    return [(x.clone().requires_grad_(), error.clone()) for x, error in drawn]


def both_ways(layer: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Callable[..., None]:
    """A step: forward, backward down to the input, update."""

    def step(x: Tensor, error: Tensor) -> None:
        optimizer.zero_grad()
        x.grad = None
        layer(x).backward(error)
        optimizer.step()

    return step


def ours(rate: float) -> Side:
    """Our layer."""
    layer = nn.Linear(SIZE, SIZE, bias=False, device="oxram.yaml", seed=1)
    step = both_ways(layer, nn.PulseOptimizer(layer, lr=rate))

    def pulses() -> float:
        before = layer.counters
        run(step)
        sent = layer.counters - before
        return (sent.set_pulses + sent.reset_pulses) / SIZE**2 / PAIRS

    return Side(step, pulses)


def theirs(tile: Tile, rate: float) -> Side:
    """A layer of aihwkit."""
    from aihwkit.nn import AnalogLinear
    from aihwkit.optim import AnalogSGD

    layer = AnalogLinear(SIZE, SIZE, bias=False, rpu_config=config_of(tile))
    step = both_ways(layer, AnalogSGD(layer.parameters(), lr=rate))

    def pulses() -> float:
        moved = 0.0
        for pair in pairs():
            before, _ = layer.get_weights()
            step(*pair)
            after, _ = layer.get_weights()
            moved += float((after - before).abs().mean())
        return moved / PAIRS / STEP

    return Side(step, pulses)


def config_of(tile: Tile) -> Any:
    """The settings of a tile."""
    from aihwkit.simulator import configs
    from aihwkit.simulator.parameters.enums import BoundManagementType, WeightNoiseType

    sheet = load_device("oxram.yaml")
    bounds = {"w_max": W_MAX, "w_min": -W_MAX, "w_max_dtod": sheet.d2d_bound_sigma}
    device = getattr(configs, tile.device)(
        **bounds,
        w_min_dtod=sheet.d2d_bound_sigma,
        dw_min=STEP,
        dw_min_std=sheet.c2c_sigma,
        dw_min_dtod=sheet.d2d_step_sigma,
    )
    forward = {"inp_res": -1.0, "out_res": -1.0, "w_noise_type": "ADDITIVE_CONSTANT"}
    forward |= tile.forward
    forward["w_noise_type"] = WeightNoiseType[forward["w_noise_type"]]
    if forward["out_res"] < 0:
        forward["bound_management"] = BoundManagementType.NONE
    kind = configs.SingleRPUConfig
    if tile.compound:
        device = getattr(configs, tile.compound)(device=device)
        kind = configs.DigitalRankUpdateRPUConfig
    return kind(
        device=device,
        forward=configs.IOParameters(out_noise=0.0, w_noise=READ_NOISE * W_MAX, **forward),
        backward=configs.IOParameters(is_perfect=True),
        update=configs.UpdateParameters(desired_bl=MOST_TRAIN, **tile.update),
    )


def run(step: Callable[[Tensor, Tensor], None]) -> int:
    """A unit; the number of its samples."""
    for pair in pairs():
        step(*pair)
    return BATCH * PAIRS


class Matched(NamedTuple):
    """A side that is warm, its rate, and the pulses that a weight gets in a step."""

    side: Side
    rate: float
    pulses: float


def matched(tile: Tile, wanted: float) -> Matched:
    """A layer of aihwkit whose rate gives so many pulses; warm."""
    rate = wanted * STEP / (BATCH * 2.0 / torch.pi)  # E|x| E|error| = 2 / pi
    for _ in range(TRIES):
        side = theirs(tile, rate)
        run(side.step)
        got = side.pulses()
        if abs(got - wanted) <= MATCHED * wanted:
            break
        rate *= (wanted / max(got, 1e-6)) ** DAMPED
    return Matched(side, rate, got)


def sides(names: list[str], rate: float) -> dict[str, Matched]:
    """All that take part, ours first."""
    first = ours(rate)
    run(first.step)
    run(first.step)
    matched_sides = {OURS: Matched(first, rate, first.pulses())}
    return matched_sides | {
        name: matched(TILES[name], matched_sides[OURS].pulses) for name in names
    }


def race(contestants: dict[str, Matched], pace: Pace, threads: int) -> dict[str, Timed]:
    """All sides in turns."""
    entries = {
        name: Entry(lambda step=each.side.step: lambda: run(step), torch_threads=(threads,))
        for name, each in contestants.items()
    }
    with threadpool_limits(threads):
        return round_robin(entries, pace)


def growth(name: str, rate: float) -> list[float]:
    """Megabytes by which a process of its own grows with a first layer, and with another."""
    done = subprocess.run(
        [sys.executable, __file__, "--rate", str(rate), "--memory", name],
        check=True,
        capture_output=True,
        text=True,
    )
    numbers: list[float] = json.loads(done.stdout.splitlines()[-1])
    return numbers


def print_growth(name: str, rate: float) -> None:
    """What the process of `growth` does; its last line are the numbers.

    The first layer loads libraries, and with us compiled kernels; the other is what layers cost.
    """
    if name != OURS:
        import aihwkit.nn
        import aihwkit.optim  # noqa: F401  # its import is no growth
    pairs()
    peaks, kept = [peak_megabytes()], []
    for _ in range(2):
        kept.append(ours(rate) if name == OURS else theirs(TILES[name], rate))
        run(kept[-1].step)
        peaks.append(peak_megabytes())
    print([after - before for before, after in itertools.pairwise(peaks)])


def table(contestants: dict[str, Matched], times: dict[str, Timed]) -> None:
    """A line for each side: wall and processor time, how many times faster xbar is by either."""
    print(f"  {'':34} ms a step, CPU    xbar is faster     rate  pulses", flush=True)
    wall, cpu = (ratios(times, OURS, clock) for clock in ("wall", "cpu"))
    for name, each in contestants.items():
        ms = [BATCH * statistics.median(clock) for clock in times[name][:2]]
        faster = [1.0 / each[name]["median"] for each in (wall, cpu)]
        print(
            f"  {name:34} {ms[0]:6.1f} {ms[1]:6.1f}    {faster[0]:6.2f} {faster[1]:6.2f}"
            f" {each.rate:10.2g} {each.pulses:7.3f}",
            flush=True,
        )


def options() -> argparse.Namespace:
    """What was typed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rate", type=float, default=RATE, help="of Adam; pulses follow from it")
    parser.add_argument("--only", nargs="*", choices=TILES, default=[*TILES], metavar="TILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="everything, also each round")
    parser.add_argument("--memory", choices=[OURS, *TILES], help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Measure, print, write."""
    typed = options()
    if importlib.util.find_spec("aihwkit") is None:
        print(MISSING)
        return
    if typed.memory:
        print_growth(typed.memory, typed.rate)
        return
    from bench import machine

    out: dict[str, Any] = {"machine": machine(2), "rate": typed.rate, "threads": {}}
    print(", ".join(f"{key} {value}" for key, value in out["machine"].items()), flush=True)
    with threadpool_limits(1):
        contestants = sides(typed.only, typed.rate)
    for threads in (1, 2):
        times = race(contestants, Pace(typed.rounds, TURN_SECONDS), threads)
        print(f"\n{threads} thread{'s' * (threads > 1)}")
        table(contestants, times)
        out["threads"][threads] = {name: each.figures() for name, each in times.items()}
    out["rates"] = {name: each.rate for name, each in contestants.items()}
    out["pulses"] = {name: each.pulses for name, each in contestants.items()}
    print("\nmegabytes of a first layer, and of another")
    out["memory_megabytes"] = {name: growth(name, each.rate) for name, each in contestants.items()}
    for name, grown in out["memory_megabytes"].items():
        print(f"  {name:34} {grown[0]:6.0f} {grown[1]:6.0f}")
    if typed.json:
        typed.json.write_text(json.dumps(out, indent=2) + "\n")


if __name__ == "__main__":
    main()
