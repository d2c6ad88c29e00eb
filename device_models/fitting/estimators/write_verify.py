"""Spread that a write with verification leaves, and stuck devices."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ...pulsed import Pulsed
from ..measurements import Floats, Written
from . import bootstrap, noise_law
from .parameters import ParameterSet

FAR = 8.0  # robust standard deviations from its target beyond which a device is stuck
GROUP = 8  # devices at one target from which its spread is taken
FACTOR = 1.5  # ratio of the targets from which an exponent is fitted


def estimate(
    table: Written, model: Pulsed, *, generator: np.random.Generator, resamples: int
) -> ParameterSet:
    """Fit `verified_fraction`, `verified_exponent` and the stuck shares.

    A device is stuck if it is in the file, or if it lies far from its target and outside the range
    of all targets. The spread is that around the median of the devices of one target, without the
    writes that gave up.
    """
    stuck = np.where(table.stuck != 0, table.stuck, _outliers(table))
    devices = len(np.unique(table.device))
    parameters = ParameterSet(
        devices=devices,
        rows=len(table),
        files=(table.source,),
        warnings=bootstrap.few_devices_warnings(devices, "written devices"),
    )
    parameters = _add_stuck(parameters, table, stuck)
    resamples = min(resamples, 200)
    healthy = (stuck == 0) & (table.reached != 0)
    return _add_spread(parameters, table, healthy, model, resamples, generator)


def _add_spread(
    parameters: ParameterSet,
    table: Written,
    healthy: NDArray[np.bool_],
    model: Pulsed,
    resamples: int,
    generator: np.random.Generator,
) -> ParameterSet:
    """Fraction and exponent of the spread around the medians of the targets."""
    rows = healthy & np.isfinite(table.target_siemens) & (table.target_siemens > 0.0)
    target, g = table.target_siemens[rows], table.g_siemens[rows]
    levels, level_index, count = np.unique(target, return_inverse=True, return_counts=True)
    enough = (count >= GROUP)[level_index]
    if not enough.any():
        return parameters
    middle = np.array([np.median(g[level_index == k]) for k in range(len(levels))])
    y = ((g - middle[level_index]) / target)[enough] ** 2 * (count / (count - 1.0))[level_index][
        enough
    ]
    ohms = 1.0 / target[enough]
    free = bool(ohms.max() / ohms.min() >= FACTOR)
    unit = np.unique(table.device[rows][enough], return_inverse=True)[1]
    drawn = bootstrap.weights(int(unit.max()) + 1, resamples, generator)
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
    return parameters.extended(
        {n: float(d[0]) for n, d in draws.items()},
        {n: bootstrap.interval(d, len(unit)) for n, d in draws.items()},
        words,
    )


def _outliers(table: Written) -> Floats:
    """+1 or -1 for devices far from their target and outside all targets, else 0."""
    sides = np.zeros(len(table))
    has_target = np.isfinite(table.target_siemens)
    if not has_target.any():
        return sides
    low, high = np.nanmin(table.target_siemens), np.nanmax(table.target_siemens)
    for target in np.unique(table.target_siemens[has_target]):
        rows = table.target_siemens == target
        if rows.sum() < GROUP:
            continue
        g = table.g_siemens[rows]
        spread = 1.4826 * np.median(np.abs(g - np.median(g)))
        far = np.abs(g - np.median(g)) > FAR * max(spread, 1e-3 * target)
        sides[rows] = np.where(far & (g > high), 1.0, np.where(far & (g < low), -1.0, 0.0))
    return sides


def _add_stuck(parameters: ParameterSet, table: Written, stuck: Floats) -> ParameterSet:
    """Shares with their Clopper-Pearson intervals, and the median of the stuck devices."""
    n = len(table)
    for sign, name in ((1, "stuck_high"), (-1, "stuck_low")):
        k = int((stuck == sign).sum())
        low = float(stats.beta.ppf(0.025, k, n - k + 1)) if k else 0.0
        high = float(stats.beta.ppf(0.975, k + 1, n - k)) if k < n else 1.0
        parameters.values[f"{name}_share"] = k / n
        parameters.intervals[f"{name}_share"] = (low, high)
        parameters.remarks[f"{name}_share"] = f"{k} of {n} devices"
        if k:
            g = np.sort(table.g_siemens[stuck == sign])
            level = f"{name}_siemens"
            parameters.values[level] = float(np.median(g))
            parameters.intervals[level] = (float(g[0]), float(g[-1]))
            parameters.remarks[level] = f"median and range of {k} stuck devices"
    return parameters
