# ruff: noqa: T201  # it talks on the terminal
"""Coverage of the 95 % intervals of the memory of cycles over synthetic truths.

    .venv/bin/python tests/bench/bench_cycles.py [TRUTHS] [DEVICES] [CYCLES]

Not a test: it prints in how many truths each interval holds, as `bench_circle.py` does for a whole
board. Every truth is another device, so errors are in units of its own interval.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch

HELPERS = Path(__file__).parents[1] / "helpers"
sys.path.insert(0, str(HELPERS))
NAMES = ("memory", "t_d2d_")
NORMAL = 1.96  # standard errors of half a 95 % interval


def truth(seed):
    """A random device that remembers."""
    from xbar_synthetic import truth as device

    u = np.random.default_rng([23, seed]).uniform
    fields = {"full_set_siemens": 6e-5, "full_set_sigma": 0.08, "full_reset_siemens": 1e-5,
              "full_reset_sigma": 0.4, "full_levels_correlation": u(-0.7, 0.7)}  # fmt: skip
    for side in ("set", "reset"):
        fields |= {
            f"full_{side}_d2d_share": u(0.15, 0.8),
            f"full_{side}_memory_share": u(0.2, 0.9),
            f"full_{side}_memory_cycles": float(np.exp(u(np.log(10.0), np.log(200.0)))),
            f"full_{side}_d2d_noise_sigma": u(0.1, 0.5),
        }
    return device(**fields)


def main() -> None:
    """Fit the cycles of every truth and print the table after each."""
    from xbar_synthetic import cycles

    from device_models.fitting.estimators.cycles import estimate

    truths, devices, each = (int(x) for x in ([*sys.argv[1:], "40", "60", "60"])[:3])
    rounds: dict[str, list[tuple[float, ...]]] = {}
    for seed in range(truths):
        model, began = truth(seed), time.process_time()
        table = cycles(model, torch.Generator().manual_seed(seed), devices=devices, each=each)
        preset = truth(1000)
        generator = np.random.default_rng(seed)
        fitted = estimate(table, preset, generator=generator, resamples=200)
        for name, (low, high) in fitted.intervals.items():
            if name == "full_levels_correlation" or any(what in name for what in NAMES):
                ends = getattr(model, name), fitted.values[name], low, high
                rounds.setdefault(name, []).append(ends)
        if seed % 5 < 4:
            continue
        print(f"\nafter {seed + 1} truths; {time.process_time() - began:.1f} s of processor")
        for name, ends in rounds.items():
            true, value, low, high = np.array(ends).T
            held = int(((low <= true) & (true <= high)).sum())
            z = 2.0 * NORMAL * (value - true) / np.maximum(high - low, 1e-300)
            held_of = f"{held}/{len(true)}"
            print(
                f"{name:<28}{held_of:>8}  z mean {z.mean():+.2f}, spread {z.std():.2f}", flush=True
            )


if __name__ == "__main__":
    main()
