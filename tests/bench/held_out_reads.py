# ruff: noqa: T201  # it talks on the terminal
"""Series of reads, for `bench_held_out`: half of the devices predicts the other half, both ways."""

import dataclasses

import numpy as np
import xbar_measured as measured

from device_models.fitting.events import reads_table
from device_models.fitting.fit import fit
from device_models.fitting.measurements import Measurements
from device_models.fitting.parameter_draws import drawn_models
from device_models.fitting.predictive_checks import band, predictions
from device_models.presets import load_device

READS = 20_000  # of each series of technology A, 50 s
CHANGES_SECONDS = 0.01, 0.1, 1.0


def halves(measurements):
    """Reads of every second device, and of the others."""
    table = measurements.reads[0]
    order = np.unique(table.device, return_inverse=True)[1]
    return [dataclasses.replace(measurements, reads=(table.take(order % 2 == k),)) for k in (0, 1)]


def series_numbers(measurements):
    """Of each series its spread, largest excursion, and change over some times; nan without."""
    numbers = []
    for table in measurements.reads:
        start = np.flatnonzero(np.diff(table.series, prepend=-1) != 0)
        for g, dt in zip(np.split(table.g_siemens, start[1:]), table.dt_seconds[start],
                         strict=True):  # fmt: skip
            x = g / np.median(g) - 1.0
            row = [x.std(), np.abs(x).max()]
            for seconds in CHANGES_SECONDS:
                lag = round(seconds / dt) if dt > 0.0 else 0
                there = 0 < lag <= len(x) // 10
                row.append(np.sqrt(np.mean((x[lag:] - x[:-lag]) ** 2)) if there else np.nan)
            numbers.append(row)
    return np.array(numbers)


def read_sets():
    """Name -> reads of several devices."""
    table = measured.relaxation_reads().reads[0]
    index = np.arange(len(table)) - np.searchsorted(table.series, table.series)
    long = Measurements(reads=(table.take(index < READS),), devices=tuple("01234"))
    path = measured.measured_file("stanford_1t1r_nirram/nirram.npz")
    g = 1.0 / np.stack([np.load(path)[f"read_iter{k}"][:, 1] for k in (1, 2, 3)], 1)
    g = g[np.isfinite(g).all(1) & (g > 0.0).all(1)].astype(np.float64)
    device = np.repeat(np.arange(len(g)), 3)
    short = reads_table(device, device, np.full(g.size, np.nan), g.ravel(), str(path))
    names = tuple(map(str, range(len(g))))
    return {"technology A": long, "1T1R, three reads": Measurements(reads=(short,), devices=names)}


def held_out_reads():
    """Print the share of the statistics of series that lie inside, per set."""
    for name, measurements in read_sets().items():
        inside = []
        for known, other in (halves(measurements), halves(measurements)[::-1]):
            rng = np.random.default_rng(0)
            fitted = fit(known, load_device("oxram_literature"), generator=rng)
            simulated = predictions(drawn_models(fitted, seed=0), other, seed=0)
            low, _, high = band(np.stack([series_numbers(one) for one in simulated]))
            numbers = series_numbers(other)
            there = np.isfinite(numbers)
            inside.append(((low <= numbers) & (numbers <= high))[there])
        inside = np.concatenate(inside)
        print(f"reads, {name}: {inside.sum()} of {inside.size} ({inside.mean():.0%})", flush=True)
