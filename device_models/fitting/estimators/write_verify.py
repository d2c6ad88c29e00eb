"""Spread that a write with verification leaves, and stuck devices."""

from dataclasses import replace

import numpy as np
from scipy import stats

from ...pulsed import Pulsed
from ..measurements import Floats, Written
from . import bootstrap, noise_law
from .parameters import Part

FAR = 8.0  # robust standard deviations from its target beyond which a device is stuck
GROUP = 8  # devices at one target that tell its spread
FACTOR = 1.5  # ratio of the targets that tells an exponent


def estimate(
    table: Written, model: Pulsed, *, generator: np.random.Generator, resamples: int
) -> Part:
    """Fit `verified_fraction`, `verified_exponent` and the stuck shares.

    A device is stuck if the file says so, or if it lies far from its target and outside the range
    of all targets. The spread is that around the median of the devices of one target.
    """
    stuck = np.where(table.stuck != 0, table.stuck, _outliers(table))
    devices = len(np.unique(table.device))
    part = Part(
        devices=devices,
        rows=len(table),
        files=(table.source,),
        warnings=bootstrap.few(devices, "written devices"),
    )
    part = _add_stuck(part, table, stuck)
    rows = (stuck == 0) & np.isfinite(table.target_siemens) & (table.target_siemens > 0.0)
    target, g = table.target_siemens[rows], table.g_siemens[rows]
    levels, place, count = np.unique(target, return_inverse=True, return_counts=True)
    enough = (count >= GROUP)[place]
    if not enough.any():
        return part
    middle = np.array([np.median(g[place == k]) for k in range(len(levels))])
    y = ((g - middle[place]) / target)[enough] ** 2 * (count / (count - 1.0))[place][enough]
    ohms = 1.0 / target[enough]
    free = bool(ohms.max() / ohms.min() >= FACTOR)
    unit = np.unique(table.device[rows][enough], return_inverse=True)[1]
    drawn = bootstrap.weights(int(unit.max()) + 1, min(resamples, 200), generator)
    law = noise_law.fit(
        drawn[:, unit],
        y,
        ohms,
        np.ones(len(y)),
        knee=model.read_knee_ohms,
        exponents=noise_law.EXPONENTS if free else np.array([model.verified_exponent]),
        with_floor=False,
    )
    draws = {"verified_fraction": law.fraction}
    draws |= {"verified_exponent": law.exponent} if free else {}
    shift = np.abs(middle / levels - 1.0).max()
    words = f"spread around the median of {len(levels)} targets (medians within {shift:.1%})"
    return replace(
        part,
        values=part.values | {n: float(d[0]) for n, d in draws.items()},
        intervals=part.intervals | {n: bootstrap.interval(d, len(unit)) for n, d in draws.items()},
        words=part.words | dict.fromkeys(draws, words),
    )


def _outliers(table: Written) -> Floats:
    """+1 or -1 for devices far from their target and outside all targets, else 0."""
    found = np.zeros(len(table))
    known = np.isfinite(table.target_siemens)
    if not known.any():
        return found
    low, high = np.nanmin(table.target_siemens), np.nanmax(table.target_siemens)
    for target in np.unique(table.target_siemens[known]):
        mine = table.target_siemens == target
        if mine.sum() < GROUP:
            continue
        g = table.g_siemens[mine]
        spread = 1.4826 * np.median(np.abs(g - np.median(g)))
        far = np.abs(g - np.median(g)) > FAR * max(spread, 1e-3 * target)
        found[mine] = np.where(far & (g > high), 1.0, np.where(far & (g < low), -1.0, 0.0))
    return found


def _add_stuck(part: Part, table: Written, stuck: Floats) -> Part:
    """Shares with their Clopper-Pearson intervals, and the median of the stuck devices."""
    n = len(table)
    for sign, name in ((1, "stuck_high"), (-1, "stuck_low")):
        k = int((stuck == sign).sum())
        low = float(stats.beta.ppf(0.025, k, n - k + 1)) if k else 0.0
        high = float(stats.beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
        part.values[f"{name}_share"] = k / n
        part.intervals[f"{name}_share"] = (low, high)
        part.words[f"{name}_share"] = f"{k} of {n} devices"
        if k:
            g = np.sort(table.g_siemens[stuck == sign])
            level = f"{name}_siemens"
            part.values[level] = float(np.median(g))
            part.intervals[level] = (float(g[0]), float(g[-1]))
            part.words[level] = f"median and range of {k} stuck devices"
    return part
