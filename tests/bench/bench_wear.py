"""Coverage of the wear that cycles tell: `python tests/bench/bench_wear.py [TRUTHS]`.

New devices of random wear, endurance and spreads are cycled 6000 times by the simulator, every 50th
cycle is fitted, and the 95 % intervals are asked whether they hold the truth.
"""

import dataclasses
import sys

import numpy as np
import torch

from device_models.fitting.estimators import wear
from device_models.fitting.measurements import Cycles, Measurements
from device_models.fitting.simulate import simulate
from device_models.presets import load_device

NAMES = "wear_low_decades", "wear_high_decades"


def truth_of(rng):
    """A device that wears."""
    return dataclasses.replace(
        load_device("oxram_literature"),
        endurance_pulses=float(10.0 ** rng.uniform(4.0, 5.0)),
        endurance_sigma=float(rng.uniform(0.0, 0.5)),
        wear_exponent=float(rng.uniform(0.4, 1.2)),
        wear_low_decades=float(rng.uniform(-0.2, 1.5)),
        wear_high_decades=float(rng.uniform(-0.1, 0.5)),
        full_set_siemens=1e-4,
        full_set_sigma=float(rng.uniform(0.03, 0.2)),
        full_set_d2d_share=float(rng.uniform(0.1, 0.7)),
        full_reset_siemens=5e-6,
        full_reset_sigma=float(rng.uniform(0.2, 1.0)),
        full_reset_d2d_share=float(rng.uniform(0.1, 0.7)),
    )


def main(truths):
    """Print how often each interval held its truth, and how wide it was in the mean."""
    held, widths = dict.fromkeys(NAMES, 0), {name: [] for name in NAMES}
    for number in range(truths):
        rng = np.random.default_rng([number, 18])
        truth = truth_of(rng)
        device, cycle = np.repeat(np.arange(30), 120), np.tile(50 * np.arange(120), 30)
        nothing = np.zeros(device.size)
        table = Cycles(
            source="x", device=device, cycle=cycle, lrs_siemens=nothing, hrs_siemens=nothing
        )
        generator = torch.Generator().manual_seed(number)
        drawn = simulate(truth, Measurements(cycles=(table,)), generator=generator).cycles[0]
        start = dataclasses.replace(truth, wear_low_decades=0.0, wear_high_decades=0.0)
        result = wear.estimate(drawn, start, generator=rng, resamples=200)
        for name, (low, high) in result.intervals.items():
            held[name] += low <= getattr(truth, name) <= high
            widths[name].append(high - low)
    for name in NAMES:
        seen = widths[name]
        sys.stdout.write(f"{name:<20}{held[name]} of {len(seen)}, width {np.mean(seen):.3g}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
