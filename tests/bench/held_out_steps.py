# ruff: noqa: T201  # it talks on the terminal
"""Pulse trains and step tables, for `bench_held_out`: by some step laws, and what misses."""

import dataclasses
import sys
import time

import numpy as np

SEED = 0
DEFAULT = "oxram"
STEP_LAWS = ("oxram", "log_step", "signed_step")


def inside(fitted, held_out, kind="pulses"):
    """(numbers inside, numbers checked, names of quantities with their misses) of one fit."""
    from device_models.fitting.parameter_draws import drawn_models
    from device_models.fitting.predictive_checks import checks, excerpt, predictions

    held_out = excerpt(held_out)
    simulated = predictions(drawn_models(fitted, seed=SEED), held_out, seed=SEED)
    done = [check for check in checks(held_out, simulated) if check.kind == kind]
    missed = [f"{c.name}: {int((~c.inside).sum())}" for c in done if not c.inside.all()]
    return sum(int(c.inside.sum()) for c in done), sum(len(c.inside) for c in done), missed


def compare(name, fit_half, held_out):
    """Fit each step law to one half, predict the other, and print a line."""
    from device_models.fitting.estimators import model_selection
    from device_models.fitting.fit import fit
    from device_models.presets import load_device

    model_selection.FOLDS = sys.maxsize  # no ranking, which takes longest: all laws are tried here
    totals = []
    for law in STEP_LAWS:
        began = time.perf_counter()
        rng = np.random.default_rng(SEED)
        fitted = fit(fit_half, load_device(DEFAULT), generator=rng, model=law)
        count, total, missed = inside(fitted, held_out)
        totals.append((count, total))
        seconds = time.perf_counter() - began
        print(f"{name:<20}{law:<10}{count:>4} of {total:<4}{seconds:4.0f} s  {'; '.join(missed)}",
              flush=True)  # fmt: skip
    return totals


def chosen(measurements, keep):
    """The pulse tables with the rows of which `keep(table)` is true."""
    pulses = tuple(table.take(keep(table)) for table in measurements.pulses)
    return dataclasses.replace(measurements, pulses=pulses)


def steps():
    """Pulse trains: halves of the ramps or devices of every set; one amplitude left out."""
    import xbar_measured as sets

    rounds = []
    gong = sets.gong_pulses()
    for half in (0, 1):
        parts = [chosen(gong, lambda t, k=k: t.index // 100 % 2 == k) for k in (half, 1 - half)]
        rounds.append(compare(f"gong hundreds {half}", *parts))
    ramps = sets.crosssim_ramps()
    for half in (0, 1):
        parts = [chosen(ramps, lambda t, k=k: t.ramp % 2 == k) for k in (half, 1 - half)]
        rounds.append(compare(f"crosssim ramps {half}", *parts))
    taox = sets.taox_steps()
    for half in (0, 1):
        parts = [of_tables(taox, lambda t, k=k: t.device % 2 == k) for k in (half, 1 - half)]
        rounds.append(compare(f"taox devices {half}", *parts))
    return rounds


def voltages():
    """Step tables of four amplitudes: three fitted, the fourth predicted."""
    import xbar_measured as sets

    rounds = []
    for left_out in sets.VOLTAGES:
        known = tuple(v for v in sets.VOLTAGES if v != left_out)
        parts = sets.voltage_steps(known), sets.voltage_steps((left_out,))
        rounds.append(compare(f"{left_out:g} V left out", *parts))
    return rounds


def of_tables(measurements, keep):
    """The step tables for which `keep(table)` is true."""
    return dataclasses.replace(measurements, steps=tuple(t for t in measurements.steps if keep(t)))


def measure(part):
    """Print the rounds of a part, and how many numbers each step law holds."""
    rounds = part()
    for k, law in enumerate(STEP_LAWS):
        totals = [tried[k] for tried in rounds]
        print(f"{part.__name__}, {law}: {sum(t[0] for t in totals)} of {sum(t[1] for t in totals)}")
