# ruff: noqa: T201  # it talks on the terminal
"""The circle: characterise an emulator, fit, and compare with the device it was made of.

    .venv/bin/python tests/bench/bench_circle.py [SEEDS] [FIRST] [JSON]

Not a test: it prints, for every parameter that the fit calls measured, in how many of the seeds
the 95 % interval holds the truth, the mean distance of the estimate from it, and the mean width of
the interval, both relative. The preset of the fit is wrong in every parameter that it informs.
"""

import dataclasses
import json
import sys
import tempfile
from pathlib import Path

import numpy as np

from crossbar.api.characterization import Bench, characterize
from crossbar.boards.characterize_plan import Plan
from crossbar.boards.scpi.serving import ServedBoard
from device_models.fitting.fit import fit
from device_models.fitting.options import Options
from device_models.fitting.readers import read
from device_models.presets import load_device

WRONG = {
    "c2c_sigma": 0.6, "d2d_step_sigma": 0.1, "set_fraction": 0.03, "reset_fraction": 0.004,
    "set_beta": 0.5, "reset_beta": 3.0, "set_scale_volts": 0.5, "reset_scale_volts": 0.05,
    "set_width_exponent": 1.5, "reset_width_exponent": 1.0, "read_fraction": 0.02,
    "g_min_siemens": 1e-5, "g_max_siemens": 1e-4, "d2d_bound_sigma": 0.05,
}  # fmt: skip

# What the emulator does not have as such, so that there is no truth: levels of an open loop come
# out of its pulses here, and the spread that a write leaves out of the loop.
NO_TRUTH = ("full_", "verified_")
NORMAL = 1.96  # standard errors of half a 95 % interval


def silent(line):
    """A notice that nobody reads."""


def circle(seed, device="oxram", plan=None):
    """Parameter -> (truth, value, low, high) of one emulated board."""
    truth = load_device(device)
    wrong = dataclasses.replace(
        truth, **WRONG, full_set_siemens=None, full_reset_siemens=None, full_levels=(),
        full_set_quantiles_siemens=(), full_reset_quantiles_siemens=(),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(device=device, simulated=ServedBoard(rows=8, columns=8, seed=seed))
        done = characterize(
            "simulated", plan or Plan(levels=0), out=Path(folder) / "x", bench=bench, notice=silent
        )
        options = Options(same_devices=True, drop_negative=done.negative > 0)
        measurements = read(list(done.files), options=options)
    fitted = fit(measurements, wrong, generator=np.random.default_rng(seed))
    return {
        e.name: (getattr(truth, e.name), e.value, e.low, e.high)
        for e in fitted.estimates
        if e.status == "measured"
        and isinstance(getattr(truth, e.name), float)
        and not e.name.startswith(NO_TRUTH)
    }


def table(rounds):
    """One line for each parameter.

    The last two columns are of (value - truth) over the standard error that the interval stands
    for: a mean away from 0 is a bias, a spread above 1 an interval that is too narrow.
    """
    head = f"{'parameter':<24}{'held':>9}{'truth':>12}{'mean error':>12}{'half width':>12}"
    lines = [f"{head}{'z mean':>9}{'z spread':>9}"]
    for name in dict.fromkeys(name for each in rounds for name in each):
        truth, value, low, high = np.array([each[name] for each in rounds if name in each]).T
        held = int(((low <= truth) & (truth <= high)).sum())
        scale = abs(truth[0]) or 1.0
        error, width = np.mean(value - truth) / scale, np.mean(high - low) / scale / 2.0
        line = f"{name:<24}{f'{held}/{len(truth)}':>9}{truth[0]:>12.4g}"
        z = 2.0 * NORMAL * (value - truth) / np.maximum(high - low, 1e-300)
        spread = float(z.std(ddof=1)) if len(z) > 1 else np.nan
        lines.append(f"{line}{error:>12.2%}{width:>12.2%}{z.mean():>9.2f}{spread:>9.2f}")
    return "\n".join(lines)


def main():
    """Measure so many seeds and print the table after each."""
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    json_file = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    rounds = []
    for seed in range(first, first + seeds):
        rounds.append(circle(seed))
        if json_file is not None:
            json_file.write_text(json.dumps(rounds))
        print(f"after {len(rounds)} boards\n{table(rounds)}\n", flush=True)


if __name__ == "__main__":
    main()
