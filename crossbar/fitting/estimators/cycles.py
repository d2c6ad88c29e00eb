"""Open loop: levels, spreads and window from full SET and RESET cycles."""

from dataclasses import replace

import numpy as np
from scipy import stats

from device_models.pulsed import Pulsed

from ..measurements import Cycles, Floats, Ints
from . import bootstrap
from .part import Part

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
EXTREMES = (0.005, 0.995)  # of all cycles: the window
GAP = 1.05  # least ratio of the two ends of a window


def estimate(
    cycles: Cycles, model: Pulsed, *, generator: np.random.Generator, resamples: int
) -> Part:
    """Levels and spreads of `Pulsed.full_level`, and the window that holds them.

    A level is the median, its spread the slope of ln g against the normal quantiles (5 to 95 %),
    so outliers do not widen it. `full_level` draws a new level at every switching, whatever the
    device: the spread is the total one, and the words say how it divides (one-way analysis of
    variance) between cycles of one device and devices.
    """
    unit, devices_of = bootstrap.units(cycles.device)
    drawn = bootstrap.weights(len(devices_of), resamples, generator)
    devices = len(np.unique(cycles.device))
    part = Part(
        devices=devices,
        rows=len(cycles),
        files=(cycles.source,),
        warnings=bootstrap.few(devices, "cycles"),
    )
    for name, g, tail, edge in (
        ("full_set", cycles.lrs_siemens, EXTREMES[1], "g_max_siemens"),
        ("full_reset", cycles.hrs_siemens, EXTREMES[0], "g_min_siemens"),
    ):
        logs = np.log(np.maximum(g, 1e-15))
        q = _quantiles(logs, unit, drawn, np.append(LEVELS, tail))
        scores = stats.norm.ppf(LEVELS)
        sigma = (q[:, :-1] @ scores) / (scores @ scores)
        within, between = variances(logs, cycles.device)
        shares = f"cycle to cycle {within:.3g}, device to device {between:.3g}"
        draws = {
            f"{name}_siemens": (np.exp(q[:, 2]), "median"),
            f"{name}_sigma": (sigma, shares),
            edge: (np.exp(q[:, -1]), f"{tail:.1%} quantile"),
        }
        part = replace(
            part,
            values=part.values | {n: float(d[0]) for n, (d, _) in draws.items()},
            intervals=part.intervals
            | {n: bootstrap.interval(d, len(devices_of)) for n, (d, _) in draws.items()},
            words=part.words | {n: w for n, (_, w) in draws.items()},
        )
    if part.values["g_max_siemens"] < GAP * part.values["g_min_siemens"]:
        for name in ("g_min_siemens", "g_max_siemens"):
            part.values.pop(name), part.intervals.pop(name)
        words = "the cycles open no window: the preset's is kept"
        return replace(part, warnings=(*part.warnings, words))
    return part


def _quantiles(x: Floats, unit: Ints, drawn: Floats, levels: Floats) -> Floats:
    """Quantiles of every resample, shape (resamples, levels)."""
    order = np.argsort(x)
    ordered, whose = x[order], unit[order]
    found = np.empty((len(drawn), len(levels)))
    for i, weight in enumerate(drawn):
        total = np.cumsum(weight[whose])
        at = np.searchsorted(total, levels * total[-1])
        found[i] = ordered[np.minimum(at, len(ordered) - 1)]
    return found


def variances(x: Floats, device: Ints) -> tuple[float, float]:
    """Standard deviations within and between devices: one-way random effects, by moments.

    Within is nan where every device has one value; between is then the total.
    """
    _, which, count = np.unique(device, return_inverse=True, return_counts=True)
    mean = np.bincount(which, x) / count
    n, k = len(x), len(count)
    if n == k:
        return float("nan"), float(x.std(ddof=1)) if n > 1 else float("nan")
    inside = float(((x - mean[which]) ** 2).sum() / (n - k))
    if k < 2:
        return inside**0.5, float("nan")
    size = (n - (count**2).sum() / n) / (k - 1)
    across = float((count * (mean - x.mean()) ** 2).sum() / (k - 1))
    return inside**0.5, max(0.0, (across - inside) / size) ** 0.5
