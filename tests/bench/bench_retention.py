# ruff: noqa: T201  # it talks on the terminal
"""Coverage of the intervals of the relaxation: known devices, measured and fitted again.

    .venv/bin/python tests/bench/bench_retention.py [SEEDS] [FIRST] [times|bakes]

Not a test: it prints, for every parameter, in how many of the seeds its 95 % interval holds the
truth; rates by level are counted level by level. `times`: 480 devices read at five times of one
run. `bakes`: 912 devices, a sixth of them at each of six temperatures, every one a run.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import torch

HELPERS = Path(__file__).parents[1] / "helpers"
LEVELS = np.linspace(5e-6, 9e-5, 8)
KNOTS = (6e-6, 2.8e-5, 4.8e-5, 6.8e-5, 8.9e-5)  # near where a fit puts its own
TABLES = "relax_drifts_siemens", "relax_ups_siemens", "relax_downs_siemens"
QUIET = {"read_floor": 0.005, "read_fraction": 0.0}
WINDOW = {"g_min_siemens": 1e-6, "g_max_siemens": 1e-4}


def truth_of(seed, kind):
    """A random device."""
    import xbar_synthetic as synthetic

    u = np.random.default_rng([18, seed]).uniform
    changes = {
        "relax_levels_siemens": KNOTS,
        "relax_drifts_siemens": tuple(u(-3e-7, 3e-7, len(KNOTS))),
        "relax_ups_siemens": tuple(10.0 ** u(-7.0, -6.0, len(KNOTS))),
        "relax_downs_siemens": tuple(10.0 ** u(-7.0, -6.0, len(KNOTS))),
        "relax_tail_dof": u(2.5, 8.0),
    }
    if kind == "times":
        changes |= {
            "relax_onset_seconds": 10.0 ** u(-2.7, -0.5), "relax_onset_decades": u(0.3, 2.0)
        }  # fmt: skip
    else:
        changes |= {
            "relax_onset_seconds": 1e-3, "relax_activation_ev": u(0.4, 1.6),
            "relax_run_sigma": u(0.05, 0.3), "relax_run_shift": u(0.05, 0.3),
        }  # fmt: skip
    return synthetic.truth(**QUIET, **changes)


def held(seed, kind):
    """Parameter -> whether its interval holds the truth, an array for rates."""
    import xbar_synthetic as synthetic

    from device_models.fitting.estimators import retention
    from device_models.presets import load_device

    truth, generator = truth_of(seed, kind), torch.Generator().manual_seed(seed)
    known = {}
    if kind == "times":
        table = synthetic.retention(
            truth, generator, levels=LEVELS, each=60, seconds=(1e-3, 1e-1, 1.0, 1e2, 1e4)
        )
    else:
        table = synthetic.bakes(
            truth, generator, levels=LEVELS, kelvins=(300, 330, 360, 390, 420, 450), each=19
        )
        known = QUIET | {"relax_onset_seconds": 1e-3}
    preset = dataclasses.replace(load_device("oxram_literature"), **WINDOW | known)
    fitted = retention.estimate(table, preset, generator=np.random.default_rng(seed), resamples=400)
    inside = {}
    for name, (low, high) in fitted.intervals.items():
        if name.startswith("relax_") and low < high and getattr(truth, name) != 0.0:
            inside[name] = np.array([low <= getattr(truth, name) <= high])
    levels = np.array(fitted.tables["relax_levels_siemens"])
    for name in TABLES:
        true = np.interp(levels, (0.0, *KNOTS), (0.0, *getattr(truth, name)))
        low, high = np.quantile(fitted.draws[name], (0.025, 0.975), axis=0)
        inside[name] = (low <= true) & (true <= high)
    return inside


def main():
    """Fit so many devices and print how many intervals held."""
    sys.path.insert(0, str(HELPERS))
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    for kind in sys.argv[3:4] or ("times", "bakes"):
        rounds = [held(seed, kind) for seed in range(first, first + seeds)]
        for name in dict.fromkeys(n for each in rounds for n in each):
            numbers = np.concatenate([each[name] for each in rounds if name in each])
            print(f"{kind:<8}{name:<28}{numbers.sum():>4} of {numbers.size:<5}"
                  f"{numbers.mean():.1%}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
