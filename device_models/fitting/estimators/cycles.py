"""Open loop: levels, spreads and window from full SET and RESET cycles."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from ...pulsed import Pulsed
from ..measurements import Cycles, Floats, Ints
from . import bootstrap, copula, cycle_memory, device_bounds, levels_correlation
from .laws import relative_noise
from .parameters import ParameterSet

LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
MEDIAN_ERROR = 1.2533  # sqrt(pi / 2): error of a median over that of a mean, of normal numbers
HALF_NORMAL = 0.6745  # median of a half-normal number of spread 1
EXTREMES = (0.005, 0.995)  # of all cycles: the window
GAP = 1.05  # least ratio of the two ends of a window
FEWEST = 60  # cycles of which a table of quantiles is taken
TAIL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
TABLE = np.array([*TAIL, 0.5, *(1.0 - np.array(TAIL[::-1]))])  # probabilities of the full table


def estimate(
    cycles: Cycles,
    model: Pulsed,
    *,
    generator: np.random.Generator,
    resamples: int,
    read_measured: bool = False,
) -> ParameterSet:
    """Levels, spreads and d2d shares of `open_loop.levels`, and the window around them.

    A level is the median, its spread the slope of ln g against the normal quantiles (5 to 95 %),
    so outliers do not widen it. From `FEWEST` cycles on a table holds the measured distribution
    as it is. The d2d share needs devices with several cycles; without them it is the preset's.
    Devices with many cycles tell their memory, too (`cycle_memory`), and devices of which both
    states are known how these are correlated.
    The read noise of the model counts where it was measured (`read_measured`): a spread of cycles
    within it is one of the reads, see `device_bounds`.
    """
    sides = [s for s in SIDES if np.isfinite(getattr(cycles, s.column)).any()]
    tables, rows = dict[str, tuple[float, ...]](), len(cycles)
    at = TABLE[(np.minimum(TABLE, 1.0 - TABLE) * rows >= 1.0 - 1e-9) & (rows >= FEWEST)]
    if len(sides) == len(SIDES):
        tables["full_levels"] = tuple(at.tolist())
    else:  # the preset's table of the other state has the preset's probabilities
        at = np.array(model.full_levels if rows >= FEWEST else ())
    unit, devices_of = bootstrap.units(cycles.device)
    drawn = bootstrap.weights(len(devices_of), resamples, generator)
    estimates, side_tables, draws = _of_sides(cycles, sides, at, unit, drawn, generator)
    tables |= side_tables
    devices = len(np.unique(cycles.device))
    parameters = ParameterSet(
        devices=devices,
        rows=rows,
        files=(cycles.source,),
        values={n: f[0] for n, f in estimates.items()},
        intervals={n: f[1:3] for n, f in estimates.items()},
        remarks={n: f[3] for n, f in estimates.items()},
        tables=tables,
        draws=draws if resamples else {},
        warnings=bootstrap.few_devices_warnings(devices, "cycles")
        + _undivided_warnings(cycles.device),
    )
    if len(sides) == 1:
        words = f"cycles of {sides[0].state} alone: the other state keeps the preset's levels"
        parameters = replace(parameters, warnings=(*parameters.warnings, words))
    noisy = model if read_measured else None
    parameters = _with_own_bounds(parameters, cycles, sides, noisy, resamples, generator)
    return _with_window(parameters, model)


Numbers = dict[str, tuple[float, float, float, str]]  # estimate, its interval and how it was made


class _Side(NamedTuple):
    """One state: its fields, its column, the quantile that is the end of the window."""

    name: str
    state: str
    column: str
    sign: int
    tail: float
    end: str


SIDES = (
    _Side("full_set", "LRS", "lrs_siemens", 1, EXTREMES[1], "g_max_siemens"),
    _Side("full_reset", "HRS", "hrs_siemens", -1, EXTREMES[0], "g_min_siemens"),
)


def _of_sides(
    cycles: Cycles,
    sides: list[_Side],
    at: Floats,
    unit: Ints,
    drawn: Floats,
    generator: np.random.Generator,
) -> tuple[Numbers, dict[str, tuple[float, ...]], dict[str, Floats]]:
    """Estimates with intervals and remarks, tables and draws of the states that were measured."""
    estimates, tables = Numbers(), dict[str, tuple[float, ...]]()
    draws, parts = dict[str, Floats](), list[levels_correlation.DeviceParts]()
    for side in sides:
        measured = np.isfinite(getattr(cycles, side.column))
        rows = cycles.take(measured)
        numbers, table, repeats = _of_side(rows, side, at, unit[measured], drawn)
        divided = _division(rows, side, unit[measured], drawn, generator)
        estimates |= numbers | divided[0]
        tables[f"{side.name}_quantiles_siemens"] = table
        draws |= repeats | divided[1]
        parts += divided[2]
    if len(parts) == len(SIDES):
        resamples = len(drawn) - 1
        both = levels_correlation.estimate(parts[0], parts[1], resamples, generator.spawn(1)[0])
        estimates |= both[0]
        draws |= both[1]
    return estimates, tables, draws


def _of_side(
    cycles: Cycles, side: _Side, at: Floats, unit: Ints, drawn: Floats
) -> tuple[Numbers, tuple[float, ...], dict[str, Floats]]:
    """Estimates with intervals and remarks, the table at some probabilities, and the draws."""
    units = drawn.shape[1]
    logs = np.log(np.maximum(getattr(cycles, side.column), 1e-15))
    q = np.exp(bootstrap.quantiles(logs, unit, drawn, np.array([0.5, side.tail, *at])))
    repeats = _repeats(q, units)
    numbers = {
        f"{side.name}_siemens": (*_around(q[:, 0], units), "median"),
        side.end: (*_around(q[:, 1], units), f"{side.tail:.1%} quantile"),
        f"{side.name}_sigma": _level_sigma(logs, cycles.device, unit, drawn),
    }
    draws = {
        f"{side.name}_siemens": repeats[:, 0],
        side.end: repeats[:, 1],
        f"{side.name}_quantiles_siemens": repeats[:, 2:],
    }
    return numbers, tuple(q[0, 2:].tolist()), draws


def _division(
    cycles: Cycles, side: _Side, unit: Ints, drawn: Floats, generator: np.random.Generator
) -> tuple[
    Numbers,
    dict[str, Floats],
    list[levels_correlation.DeviceParts],
]:
    """How levels divide between devices, memory and single cycles, and the devices' parts.

    Long records tell `cycle_memory`. From few cycles a memory cannot be told: the share of the
    device contains it, and few rows tell nothing else.
    """
    logs, device = np.log(np.maximum(getattr(cycles, side.column), 1e-15)), cycles.device
    devices, tells = len(np.unique(device)), cycle_memory.varies(logs, device)
    remembers = tells and cycle_memory.can_be_told(device)
    tells = tells and len(cycles) >= FEWEST and devices >= cycle_memory.FEWEST_NOISY
    if not remembers and not 1 < devices < len(cycles):
        return {}, {}, []
    if not remembers and not tells:
        between = _between_fraction(logs, device, unit, drawn)
        words = "correlation of the scores of two cycles"
        part = levels_correlation.from_means(logs, device, between[0])
        return {f"{side.name}_d2d_share": (*between, words)}, {}, [part]
    law = cycle_memory.fit(
        logs, device, cycles.cycle, len(drawn) - 1, generator.spawn(1)[0], remembers=remembers
    )
    words = f"law of the scores of cycles, {law.rows} of them"
    numbers = {
        f"{side.name}_{name}": (value, *law.intervals[name], words)
        for name, value in law.values.items()
    }
    return numbers, {f"{side.name}_{n}": draws for n, draws in law.draws.items()}, law.parts


def _with_own_bounds(
    parameters: ParameterSet,
    cycles: Cycles,
    sides: list[_Side],
    model: Pulsed | None,
    resamples: int,
    generator: np.random.Generator,
) -> ParameterSet:
    """The set with the ends of the window that devices with bounds of their own tell.

    Where slow noise hides these bounds, the extremes of the levels are its own, and the end of the
    window follows from the median level: bounds are half-normal inside it.
    """
    ends, hidden = [], dict[str, tuple[float, float]]()
    for side in sides:
        finite = cycles.take(np.isfinite(getattr(cycles, side.column)))
        g = getattr(finite, side.column)
        read, slow = relative_noise(model, float(np.median(g))) if model else (0.0, 0.0)
        logs = np.log(np.maximum(g, 1e-15))
        if device_bounds.are_hidden(logs, read, slow):
            error = MEDIAN_ERROR * slow / len(np.unique(finite.device)) ** 0.5
            hidden[side.end] = float(np.median(logs)) * side.sign, error
        elif end := device_bounds.end_of(side.sign, logs, finite.device, read, slow):
            ends.append(end)
    if ends:
        bounds = device_bounds.bounds(ends, resamples, generator.spawn(1)[0])
        names = {side.sign: side.end for side in sides}
        by_name = {names[sign]: bound for sign, bound in bounds.ends_siemens.items()}
        by_name["d2d_bound_sigma"] = bounds.sigma
        parameters = parameters.extended(
            {name: bound.value for name, bound in by_name.items()},
            {name: bound.interval for name, bound in by_name.items()},
            "each device stops at one level; these are bounds",
        )
        draws = {name: bound.draws for name, bound in by_name.items()} if resamples else {}
        parameters = replace(parameters, draws=parameters.draws | draws)
    sigma = parameters.values.get("d2d_bound_sigma", model.d2d_bound_sigma if model else 0.0)
    for side in sides:
        if side.end in hidden:
            parameters = _with_median(parameters, side, *hidden[side.end], sigma, generator)
    return parameters


def _with_median(
    parameters: ParameterSet,
    side: _Side,
    median: float,
    error: float,
    sigma: float,
    generator: np.random.Generator,
) -> ParameterSet:
    """The set with an end of the window from the median level, ln siemens times the sign."""
    middle = median + HALF_NORMAL * sigma

    def siemens(z: Floats) -> Floats:
        return np.exp(side.sign * (middle + error * z))

    low, value, high = np.sort(siemens(copula.Z * np.array([-1.0, 0.0, 1.0]))).tolist()
    words = "median level; noise hides the bounds of devices"
    wider = parameters.extended({side.end: value}, {side.end: (low, high)}, words)
    if side.end not in parameters.draws:
        return wider
    z = generator.spawn(1)[0].standard_normal(len(parameters.draws[side.end]))
    return replace(wider, draws=parameters.draws | {side.end: siemens(z)})


def _with_window(parameters: ParameterSet, model: Pulsed) -> ParameterSet:
    """The parameters without a window whose ends are too close; one may be the model's."""
    ends = ("g_min_siemens", "g_max_siemens")
    low, high = (parameters.values.get(name, getattr(model, name)) for name in ends)
    if high >= GAP * low:
        return parameters
    return replace(
        parameters,
        values={n: v for n, v in parameters.values.items() if n not in ends},
        intervals={n: v for n, v in parameters.intervals.items() if n not in ends},
        warnings=(*parameters.warnings, "the cycles open no window: the preset's is kept"),
    )


def _undivided_warnings(device: Ints) -> tuple[str, ...]:
    """The warnings where levels cannot be divided between devices, memory and cycles."""
    devices, long = len(np.unique(device)), cycle_memory.can_be_told(device)
    what, why = "how levels divide between devices and cycles keeps the preset's shares", ""
    if devices == 1:
        why, what = "one device only", what if not long else (
            "the share of devices in the levels is unknown and keeps the preset's; the memory of "
            "its cycles is that of its own part"
        )  # fmt: skip
    elif devices == len(device):
        why = "one cycle per device"
    elif not long:
        why = f"fewer than {cycle_memory.SHORTEST} cycles of most devices"
        what = "the memory of cycles is the preset's, and the share of a device contains it"
    return (f"{why}: {what}",) if why else ()


def _level_sigma(
    logs: Floats, device: Ints, unit: Ints, drawn: Floats
) -> tuple[float, float, float, str]:
    """Slope of ln g against the normal quantiles, its interval, and how it divides."""
    scores = ndtri(LEVELS)
    sigma = bootstrap.quantiles(logs, unit, drawn, LEVELS) @ scores / (scores @ scores)
    low, high = np.exp(_symmetric(np.log(np.maximum(sigma, 1e-12)), len(drawn[0])))
    within, between = variances(logs, device)
    split = f"cycle to cycle {within:.3g}, device to device {between:.3g}"
    return float(sigma[0]), float(low), float(high), split


def _around(draws: Floats, units: int) -> tuple[float, float, float]:
    """The estimate and the ends of its interval."""
    return float(draws[0]), *bootstrap.interval(draws, units)


def _repeats(q: Floats, units: int) -> Floats:
    """Quantiles of the resamples, spread as those of few units are; the table still rises.

    Args:
        q: Of the sample, then of its resamples, shape (1 + resamples, 2 + levels): the median, the
            end of the window and the table.
        units: What was resampled.
    """
    repeats: Floats = q[0] * (q[1:] / q[0]) ** bootstrap.stretch(units)
    repeats[:, 2:].sort(axis=1)
    return repeats


def _between_fraction(
    x: Floats, device: Ints, unit: Ints, drawn: Floats
) -> tuple[float, float, float]:
    """Fraction of the variance of the normal scores between devices, with its interval.

    The normal score of a value is the normal quantile of its (middle) rank among all values. The
    interval is made of ln F, the ratio of mean squares, whose spread hardly depends on its value.
    """
    _, tie = np.unique(x, return_inverse=True)
    ratio, size = np.empty(len(drawn)), np.empty(len(drawn))
    for i, weight in enumerate(drawn):
        count = np.bincount(tie, weight[unit])
        total = np.cumsum(count)
        rank = np.clip(total - count / 2.0, 0.5, total[-1] - 0.5)
        scores = ndtri(rank / total[-1])[tie]
        inside, across, size[i] = _anova(scores, device, weight[unit])
        ratio[i] = max(across, 1e-9) / max(inside, 1e-9)
    low, high = np.exp(_symmetric(np.log(ratio), len(drawn[0])))
    more = np.maximum([ratio[0] - 1.0, low - 1.0, high - 1.0], 0.0)
    value, low, high = (more / (more + size[0])).tolist()
    return value, low, high


def _symmetric(draws: Floats, units: int) -> tuple[float, float]:
    """`bootstrap.interval` of the repeats and of their mirror image about the estimate.

    Repeats are biased as the estimate is, so their own percentiles would miss the truth twice.
    """
    mirrored = np.concatenate([draws, 2.0 * draws[0] - draws[1:]])
    return bootstrap.interval(mirrored, units)


def variances(x: Floats, device: Ints) -> tuple[float, float]:
    """Standard deviations within and between devices: one-way random effects, by moments.

    Within is nan where every device has one value; between is then the total.
    """
    inside, across, size = _anova(x, device, np.ones(len(x)))
    between = across if np.isnan(inside) else max(0.0, (across - inside) / size)
    return inside**0.5, between**0.5


def _anova(x: Floats, device: Ints, weight: Floats) -> tuple[float, float, float]:
    """Mean squares within and between devices, and the values per device.

    Args:
        x: Values, shape (rows,).
        device: Number of the device of each.
        weight: How often each device is taken, as another one every time; the same in all its rows.

    Returns:
        Both have the same mean where devices are equal; the second exceeds it by the last times the
        variance between devices. nan where it cannot be estimated.
    """
    _, first, which, count = np.unique(
        device, return_index=True, return_inverse=True, return_counts=True
    )
    times, mean = weight[first], np.bincount(which, x) / count
    n, k = float(times @ count), float(times.sum())
    middle = float(times @ (count * mean)) / n
    inside = float(weight @ (x - mean[which]) ** 2) / (n - k) if n > k else float("nan")
    if k < 2:
        return inside, float("nan"), float("nan")
    across = float(times @ (count * (mean - middle) ** 2)) / (k - 1.0)
    return inside, across, (n - float(times @ count**2) / n) / (k - 1.0)
