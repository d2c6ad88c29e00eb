# ruff: noqa: T201  # it talks on the terminal
"""Intervals of a step law in ln G, of additive spread and of the asymmetry, over random truths.

    .venv/bin/python tests/bench/bench_step_coverage.py [TRUTHS] [FIRST] [LAW]

LAW is log_step or signed_step, whose truths change their sign and spread as sums of events, too.

Not a test: it prints, for every parameter, in how many of the truths its 95 % interval holds the
truth, and in how many it was reported at all. 24 devices with 4 ramps of 80 pulses each.
"""

import dataclasses
import sys
import time
from pathlib import Path

import numpy as np

HELPERS = Path(__file__).parents[1] / "helpers"
DEVICES, PULSES, RAMPS = 24, 80, 4


def random_truth(blank, rng):
    """A device: humps or not, weak or strong spread beside the step."""
    from device_models.registry import name_of

    fractions = {
        f"{way}_fraction_{k}": rng.uniform(0.003, 0.04) for way in ("set", "reset")
        for k in range(4)
    }  # fmt: skip
    if name_of(blank) == "signed_step":
        for field in ("set_fraction_3", "reset_fraction_0"):  # where their way ends
            fractions[field] = rng.uniform(-0.02, -0.002)
        fractions["c2c_quantum_siemens"] = rng.uniform(1e-7, 1e-6)
    return dataclasses.replace(
        blank,
        **fractions,
        read_fraction=0.0,
        read_floor=rng.uniform(0.002, 0.02),
        c2c_sigma=rng.uniform(0.1, 0.6),
        c2c_additive_siemens=rng.uniform(2e-7, 1e-6),
        d2d_step_sigma=rng.uniform(0.1, 0.4),
        d2d_step_correlation=rng.uniform(-0.3, 0.95),
    )


def one(seed, law):
    """Parameter -> (truth, value, low, high) of one random device; and the wrong-way share."""
    import torch
    import xbar_synthetic as synthetic

    from device_models.fitting.estimators import steps
    from device_models.fitting.estimators.laws import as_model

    blank = as_model(synthetic.truth(), law)
    truth = random_truth(blank, np.random.default_rng([11, seed]))
    generator = torch.Generator().manual_seed(seed)
    table = synthetic.trains(truth, generator, devices=DEVICES, pulses=PULSES, ramps=RAMPS)
    wrong = (table.g_after_siemens - table.g_before_siemens) * table.polarity < 0.0
    rng = np.random.default_rng(seed)
    fitted = steps.estimate(table, blank, generator=rng, resamples=20)
    rows = {
        name: (getattr(truth, name), value, *fitted.intervals[name])
        for name, value in fitted.values.items()
    }
    return rows, float(wrong.mean())


def main():
    """Measure so many truths and print the table after each ten."""
    sys.path.insert(0, str(HELPERS))
    truths = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    law = sys.argv[3] if len(sys.argv) > 3 else "log_step"
    rounds, began = [], time.perf_counter()
    for seed in range(first, first + truths):
        rows, wrong = one(seed, law)
        missed = [name for name, (truth, _, low, high) in rows.items() if not low <= truth <= high]
        rounds.append(rows)
        print(f"{seed}: {wrong:.0%} of the steps lead the wrong way; missed: {missed}", flush=True)
        if len(rounds) % 10 == 0 or seed == first + truths - 1:
            for name in dict.fromkeys(name for each in rounds for name in each):
                t, _, low, high = np.array([each[name] for each in rounds if name in each]).T
                print(f"  {name:<24}{int(((low <= t) & (t <= high)).sum())} of {len(t)}")
            print(f"  {time.perf_counter() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
