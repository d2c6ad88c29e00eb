# ruff: noqa: T201  # it talks on the terminal
"""Relaxation, for `bench_held_out`: numbers inside the 95 % bands, and how wide the bands are.

A width is that of a band over the spread from 5 to 95 % that was measured.
"""

import dataclasses
import time

import numpy as np


def compared(fitted, other):
    """Numbers inside their bands, all numbers, and the widths of the bands over the spread."""
    from device_models.fitting.parameter_draws import drawn_models
    from device_models.fitting.predictive_checks import checks, excerpt, predictions

    other = excerpt(other)
    result = checks(other, predictions(drawn_models(fitted, seed=0), other, seed=0))
    inside = np.concatenate([check.inside for check in result])
    widths = [(check.high - check.low) / np.ptp(check.measured) for check in result]
    return int(inside.sum()), inside.size, np.concatenate(widths)


def line(name, fit_on, predict):
    """Fit one part of a set, compare the other, and print a line."""
    from device_models.fitting.fit import fit
    from device_models.presets import load_device

    begin = time.perf_counter()
    fitted = fit(fit_on, load_device("oxram_literature"), generator=np.random.default_rng(0))
    inside, count, widths = compared(fitted, predict)
    seconds = time.perf_counter() - begin
    ev = next(e for e in fitted.estimates if e.name == "relax_activation_ev")
    energy = f"{ev.value:.2f} ({ev.low:.2f} to {ev.high:.2f}) eV, {ev.status}"
    print(f"{name:<44}{inside:>4} of {count:<4} width {np.median(widths):6.3f}  "
          f"{energy}  {seconds:.0f} s", flush=True)  # fmt: skip
    return inside, count, widths


def relaxation():
    """Half of the devices against the other half: times after a write, and bakes."""
    import xbar_measured

    total = []
    for kind, technology in (
        ("bake", "A"), ("bake", "B"), ("relaxation", "B"), ("relaxation", "C")
    ):  # fmt: skip
        whole = getattr(xbar_measured, kind)(technology)
        parts = split(whole, whole.retention[0].device % 2 == 1)
        total.append(line(f"{kind} {technology}, half of the devices", *parts))
    print_total("half of the devices", total)


def bakes():
    """The bakes at four temperatures against that at the fifth."""
    import xbar_measured

    total = []
    for technology in ("A", "B"):
        whole = xbar_measured.bake(technology)
        kelvin = whole.retention[0].temperature_kelvin
        for one in np.unique(kelvin):
            name = f"bake {technology}, {one:.0f} K left out"
            total.append(line(name, *split(whole, kelvin != one)))
    print_total("one temperature left out", total)


def split(whole, rows):
    """Measurements of some rows of a retention table, and of the others."""
    table = whole.retention[0]
    parts = (dataclasses.replace(whole, retention=(table.take(r),)) for r in (rows, ~rows))
    return tuple(parts)


def print_total(title, total):
    """The numbers of all lines together."""
    inside, count = (sum(each[i] for each in total) for i in range(2))
    width = np.median(np.concatenate([each[2] for each in total]))
    print(f"{title}: {inside} of {count} inside, median width {width:.3f}\n", flush=True)
