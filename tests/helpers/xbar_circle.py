"""The circle: an emulator characterised, fitted, and compared with the device it was made of."""

import dataclasses
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
    "slow_fraction": 0.003, "slow_exponent": 1.0, "slow_cap": 0.4, "slow_shortest_seconds": 1.0,
    "slow_longest_seconds": 100.0, "relax_sigma_siemens": 1e-6, "relax_drift_siemens": 1e-7,
    "relax_peak_siemens": 1e-4, "relax_sharpness": 1.0, "relax_tail_sigma": 0.5,
    "relax_onset_seconds": 0.1,
}  # fmt: skip

# What the emulator does not have as such, so that there is no truth: levels of an open loop come
# out of its pulses here, and the spread that a write leaves out of the loop.
# The relaxation of the emulator is a hump, and what is fitted are rates by level.
NO_TRUTH = ("full_", "verified_", "relax_")


def silent(line):
    """A notice that nobody reads."""


def circle(seed, device="oxram", plan=None, bootstrap=200):
    """Parameter -> (truth, value, low, high) of one emulated board."""
    truth = load_device(device)
    wrong = dataclasses.replace(
        truth, **WRONG, full_set_siemens=None, full_reset_siemens=None, full_levels=(),
        full_set_quantiles_siemens=(), full_reset_quantiles_siemens=(),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(device=device, simulated=ServedBoard(rows=32, columns=32, seed=seed))
        done = characterize(
            "simulated", plan or Plan(levels=0), out=Path(folder) / "x", bench=bench, notice=silent
        )
        options = Options(same_devices=True, drop_negative=done.negative > 0)
        measurements = read(list(done.files), options=options)
    fitted = fit(measurements, wrong, generator=np.random.default_rng(seed), bootstrap=bootstrap)
    return {
        e.name: (getattr(truth, e.name), e.value, e.low, e.high)
        for e in fitted.estimates
        if e.status == "measured"
        and isinstance(getattr(truth, e.name), float)
        and not e.name.startswith(NO_TRUTH)
    }
