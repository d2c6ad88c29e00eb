# ruff: noqa: T201  # it talks on the terminal
"""Coverage of the intervals of the population of read noise: factors of devices, and traps.

    .venv/bin/python tests/bench/bench_reads.py [factors|traps] [TRUTHS] [FIRST] [DEVICES]

Not a test: it prints, for every parameter, in how many random truths the 95 % interval holds it,
and how often traps were chosen. 32 devices at 8 levels (or 8, 16, ...), 200 reads each, 10 ms
apart. Coverage is that of all truths: for traps the choice between them and slow noise is counted,
not obeyed.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import xbar_synthetic as synthetic

from device_models.fitting.estimators import read_population, reads, telegraph
from device_models.presets import load_device

LEVELS = np.geomspace(2e-6, 9e-5, 8)
NAMES = {
    "factors": ("read_floor", "read_fraction", "read_exponent", "read_d2d_sigma", "slow_fraction",
                "slow_exponent", "slow_d2d_sigma"),
    "traps": ("read_floor", "read_fraction", "read_d2d_sigma", "telegraph_traps",
              "telegraph_fraction", "telegraph_exponent", "telegraph_sigma",
              "telegraph_duty_sigma", "telegraph_shortest_seconds", "telegraph_longest_seconds"),
}  # fmt: skip


def truth(kind, rng):
    """A random device."""
    u = rng.uniform
    drawn = {"read_floor": u(0.002, 0.01), "read_fraction": u(0.002, 0.01),
             "read_exponent": u(0.3, 0.7)}  # fmt: skip
    if kind == "factors":
        drawn |= {
            "read_d2d_sigma": u(0.2, 1.0), "slow_d2d_sigma": u(0.3, 1.2),
            "slow_fraction": u(0.01, 0.03), "slow_exponent": u(0.2, 0.6),
            "slow_shortest_seconds": 0.05, "slow_longest_seconds": 1.0,
        }  # fmt: skip
    else:
        drawn |= {
            "read_d2d_sigma": u(0.1, 0.8), "telegraph_traps": np.exp(u(np.log(0.4), np.log(4.0))),
            "telegraph_fraction": np.exp(u(np.log(0.01), np.log(0.05))),
            "telegraph_exponent": u(0.2, 0.8), "telegraph_sigma": u(0.2, 1.2),
            "telegraph_duty_sigma": u(0.3, 2.0),
            "telegraph_shortest_seconds": np.exp(u(np.log(0.005), np.log(0.05))),
            "telegraph_longest_seconds": np.exp(u(np.log(0.3), np.log(3.0))),
        }  # fmt: skip
    return synthetic.truth(**drawn)


def one(kind, seed, devices):
    """The truth, and the fitted set."""
    model = truth(kind, np.random.default_rng([17, seed]))
    generator = torch.Generator().manual_seed(seed)
    table = synthetic.repeated_reads(model, generator, levels=LEVELS, each=devices // 8, reads=200)
    preset = load_device("oxram_literature")
    return model, reads.estimate(table, preset, generator=np.random.default_rng(seed), resamples=20)


def main():
    """Measure and print after every truth."""
    kind = sys.argv[1] if len(sys.argv) > 1 else "factors"
    given = (int(text) for text in sys.argv[2:])
    truths, first, devices = (next(given, default) for default in (40, 0, 32))
    chosen, wins = [], telegraph.Choice.wins.fget
    if kind == "traps":  # fitted always; what would have been chosen is counted
        read_population._jumping = lambda table: (0, 0, True)
        telegraph.Choice.wins = property(lambda c: chosen.append(wins(c)) or True)
    held = {name: [] for name in NAMES[kind]}
    began = time.process_time()
    for seed in range(first, first + truths):
        model, parameters = one(kind, seed, devices)
        for name, inside in held.items():
            if name in parameters.values:
                low, high = parameters.intervals[name]
                inside.append(low <= getattr(model, name) <= high)
        line = ", ".join(f"{n} {sum(i)}/{len(i)}" for n, i in held.items())
        spent = (time.process_time() - began) / (seed - first + 1)
        print(f"{seed}: {line}; traps chosen {sum(chosen)}; {spent:.1f} s each", flush=True)


if __name__ == "__main__":
    main()
