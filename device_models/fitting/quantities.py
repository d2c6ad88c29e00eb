"""What a measurement is reduced to before it is compared with a prediction.

Ranges of conductance and of time come from the measurement alone, so that a simulation is summed up
in exactly the same way.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..units import MICROSIEMENS
from . import pulse_numbers
from .measurements import Cycles, Floats, Ints, Measurements, Retention, Written
from .read_series import autocorrelation, series_of, series_statistics

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
QUANTILES = tuple(f"{100 * level:g} %" for level in LEVELS)
FEWEST = 20  # observations of which quantiles are taken
MOST_LEVELS = 5  # groups of conductance of reads
LAGS = (1, 3, 10, 30, 100)  # cycles between which correlations are looked at
LONG = 8  # cycles of a device of which its spread is taken
MANY_SERIES = 8  # of which quantiles over series are taken
RANGES = 3  # of conductance, of steps and of retention
PROBABILITIES = np.arange(1, 20) / 20  # equally probable steps that stand for a table of quantiles


@dataclass(frozen=True, kw_only=True, eq=False)
class SummaryStatistics:
    """A few numbers that describe one aspect of a measurement.

    Attributes:
        name: What it is.
        kind: Field of `Measurements` it is taken from.
        unit: Of the numbers.
        labels: Name of each number, mostly `QUANTILES`.
        rows: Observations behind it.
        numbers: Shape (labels,); nan where there are none.
    """

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    rows: int
    numbers: Floats


def summarise(measurements: Measurements, like: Measurements) -> list[SummaryStatistics]:
    """Every quantity that `like` holds, of other measurements of the same experiments.

    Args:
        measurements: What is reduced.
        like: Sets the ranges, and which quantities there are: the measured ones.

    Returns:
        The same names in the same order for all measurements of one `like`.
    """
    statistics = [q for sign in (1, -1) for q in _of_steps(measurements, like, sign)]
    statistics += _of_cycles(Cycles.join(measurements.cycles))
    statistics += _of_reads(measurements, like) + _of_series(measurements, like)
    statistics += _of_retention(measurements, like)
    return statistics + _of_written(Written.join(measurements.written))


def span(low: float, high: float) -> str:
    """A range of conductance in microsiemens."""
    a, b = (f"{v:.0f}" if v >= 100.0 else f"{v:.3g}" for v in (low * 1e6, high * 1e6))
    return f"{a} {MICROSIEMENS}" if a == b else f"{a} to {b} {MICROSIEMENS}"


def ranges(g: Floats, count: int) -> list[tuple[float, float]]:
    """Ranges of conductance with equally many values; fewer where there are not enough."""
    if len(g) < FEWEST:
        return []
    edges = np.unique(np.quantile(g, np.linspace(0.0, 1.0, min(count, len(g) // FEWEST) + 1)))
    if len(edges) == 1:
        return [(float(edges[0]), float(edges[0]))]
    return [(float(a), float(b)) for a, b in pairwise(edges)]


def _quantiles_of(name: str, kind: str, unit: str, values: Floats) -> SummaryStatistics:
    """The quantiles of some values."""
    nothing = np.full(len(LEVELS), np.nan)
    numbers = np.quantile(values, LEVELS) if len(values) else nothing
    return SummaryStatistics(
        name=name, kind=kind, unit=unit, labels=QUANTILES, rows=len(values), numbers=numbers
    )


def _number(name: str, kind: str, label: str, rows: int, value: float) -> SummaryStatistics:
    """A single number."""
    return SummaryStatistics(
        name=name, kind=kind, unit="", labels=(label,), rows=rows, numbers=np.array([value])
    )


# --- steps ---------------------------------------------------------------------------------------


def steps_of(measurements: Measurements, sign: int) -> tuple[Floats, Floats]:
    """Conductances before SET (sign +1) or RESET (-1) pulses, and the steps, siemens.

    A table of step quantiles gives the steps of `PROBABILITIES` at each of its conductances.
    """
    pulses = [t.take(t.polarity == sign) for t in measurements.pulses]
    g = [t.g_before_siemens for t in pulses]
    steps = [t.g_after_siemens - t.g_before_siemens for t in pulses]
    for table in measurements.steps:
        if table.polarity == sign:
            drawn = [np.interp(PROBABILITIES, table.levels, dg) for dg in table.dg_siemens.T]
            g.append(np.repeat(table.g_siemens, len(PROBABILITIES)))
            steps.append(np.concatenate(drawn))
    return np.concatenate([*g, np.empty(0)]), np.concatenate([*steps, np.empty(0)])


def _of_steps(m: Measurements, like: Measurements, sign: int) -> list[SummaryStatistics]:
    """Steps and how many go the wrong way, in ranges of conductance; where ramps lead and end."""
    name = "SET" if sign > 0 else "RESET"
    g, steps = steps_of(m, sign)
    statistics = list[SummaryStatistics]()
    for a, b in ranges(steps_of(like, sign)[0], RANGES):
        there = steps[(g >= a) & (g <= b)]
        wrong = pulse_numbers.wrong_way(there, sign)
        statistics += [
            _quantiles_of(f"{name} step at {span(a, b)}", "pulses", "S", there),
            _number(f"{name} steps the wrong way at {span(a, b)}", "pulses", "share", len(there),
                    wrong),
        ]  # fmt: skip
    for number in pulse_numbers.numbers(like, sign):
        readings = pulse_numbers.after(m, sign, number)
        title = f"conductance after {name} pulse {number}"
        statistics.append(_quantiles_of(title, "pulses", "S", readings))
    ends = ramp_ends(m, sign)
    if len(ends) >= FEWEST:
        statistics.append(_quantiles_of(f"conductance after a {name} ramp", "pulses", "S", ends))
    return statistics


def ramp_ends(measurements: Measurements, sign: int) -> Floats:
    """Reading after the last pulse of each ramp of one polarity, siemens."""
    ends = [np.empty(0)]
    for table in measurements.pulses:
        rows = table.take(np.lexsort((table.index, table.ramp, table.device)))
        last = np.ones(len(rows), bool)
        last[:-1] = (np.diff(rows.ramp) != 0) | (np.diff(rows.device) != 0)
        ends.append(rows.g_after_siemens[last & (rows.polarity == sign)])
    return np.concatenate(ends)


# --- cycles and writes ---------------------------------------------------------------------------


def _of_cycles(table: Cycles) -> list[SummaryStatistics]:
    """Levels, how they change from cycle to cycle, what they remember, and how devices differ."""
    if len(table) < FEWEST:
        return []
    order = np.lexsort((table.cycle, table.device))
    device = table.device[order]
    statistics, means = [], dict[str, tuple[Ints, Floats]]()
    for name, g in (("LRS", table.lrs_siemens[order]), ("HRS", table.hrs_siemens[order])):
        there = np.isfinite(g)
        pairs = (np.diff(device) == 0) & there[1:] & there[:-1]
        if there.sum() >= FEWEST:
            statistics.append(_quantiles_of(name, "cycles", "S", g[there]))
        if pairs.sum() >= FEWEST:
            change = (g[1:] / g[:-1])[pairs]
            statistics.append(
                _quantiles_of(f"{name} over that of the cycle before", "cycles", "", change)
            )
            remembered, means[name] = _of_devices(name, np.log(g[there]), device[there])
            statistics += remembered
    if len(means) == 2:
        (one, lrs), (two, hrs) = means.values()
        both, i, j = np.intersect1d(one, two, return_indices=True)
        if len(both) >= FEWEST:
            correlation = _correlation(lrs[i], hrs[j])
            what = "correlation of LRS and HRS of a device"
            statistics.append(_number(what, "cycles", "ranks", len(both), correlation))
    return statistics


def _of_devices(
    name: str, logs: Floats, device: Ints
) -> tuple[list[SummaryStatistics], tuple[Ints, Floats]]:
    """Correlation of cycles some apart, spread of the cycles of a device, and means of devices.

    Args:
        name: Of the state.
        logs: ln g, sorted by device and cycle.
        device: Of each.
    """
    names, which, count = np.unique(device, return_inverse=True, return_counts=True)
    mean = np.bincount(which, logs) / count
    off = logs - mean[which]
    power, statistics = float(off @ off) / len(off), list[SummaryStatistics]()
    long = count[which] >= LONG
    for lag in LAGS:
        pairs = long[lag:] & (device[lag:] == device[:-lag])
        if pairs.sum() >= 2 * FEWEST and power > 0.0:
            value = float((off[lag:] * off[:-lag])[pairs].mean()) / power
            title = f"{name}, correlation of cycles {lag} apart"
            statistics.append(_number(title, "cycles", f"lag {lag}", int(pairs.sum()), value))
    spread = np.sqrt(np.bincount(which, off**2) / np.maximum(count - 1, 1))[count >= LONG]
    if len(spread) >= FEWEST:
        what = f"{name}, relative spread of the cycles of a device"
        statistics.append(_quantiles_of(what, "cycles", "", spread))
    return statistics, (names, mean)


def _correlation(x: Floats, y: Floats) -> float:
    """Of the ranks of two columns (Spearman): whatever the distributions."""
    ranks = (np.argsort(np.argsort(z)) - (len(z) - 1) / 2.0 for z in (x, y))
    a, b = ranks
    return float(a @ b) / float(a @ a)


def _of_written(table: Written) -> list[SummaryStatistics]:
    """What verification left, and the fraction of stuck devices."""
    statistics = []
    aimed = np.isfinite(table.target_siemens)
    for target in np.unique(table.target_siemens[aimed])[:8]:
        rows = (table.target_siemens == target) & aimed
        if rows.sum() >= FEWEST:
            healthy = table.g_siemens[rows & (table.stuck == 0) & (table.reached != 0)]
            name = f"written to {span(float(target), float(target))}"
            statistics.append(_quantiles_of(name, "written", "S", healthy))
    if len(table) >= FEWEST:
        for name, sign in (("high", 1), ("low", -1)):
            fraction = float(np.mean(table.stuck == sign))
            statistics.append(
                _number(f"devices stuck {name}", "written", "share", len(table), fraction)
            )
    return statistics


# --- reads ---------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Level:
    """Repeated reads at one range of conductance.

    Attributes:
        name: The range.
        series: Deviations of each series from its median, relative to it, in order of the reads.
        dt_seconds: Interval of the reads of each series; nan if unknown.
    """

    name: str
    series: tuple[Floats, ...]
    dt_seconds: tuple[float, ...]


def read_levels(measurements: Measurements, like: Measurements) -> list[Level]:
    """The reads in at most `MOST_LEVELS` groups of conductance by the medians of `like`."""
    medians = np.array([np.median(g) for g, _ in series_of(like)])
    if not len(medians):
        return []
    groups = np.array_split(np.argsort(medians, kind="stable"), min(MOST_LEVELS, len(medians)))
    series = series_of(measurements)
    return [
        Level(
            span(float(medians[group].min()), float(medians[group].max())),
            tuple(series[i][0] / np.median(series[i][0]) - 1.0 for i in group),
            tuple(series[i][1] for i in group),
        )
        for group in groups
    ]


def _of_series(m: Measurements, like: Measurements) -> list[SummaryStatistics]:
    """Quantiles over the series of `series_statistics`, where `like` has enough of them."""
    numbers = series_statistics(m)
    return [
        _quantiles_of(name, "reads", "", numbers[name][np.isfinite(numbers[name])])
        for name, values in series_statistics(like).items()
        if np.isfinite(values).sum() >= MANY_SERIES
    ]


def _of_reads(m: Measurements, like: Measurements) -> list[SummaryStatistics]:
    """Deviation from the median, difference of neighbours and their correlation, by level."""
    statistics = []
    for level in read_levels(m, like):
        values = np.concatenate(level.series)
        if len(values) < FEWEST:
            continue
        change = np.concatenate([np.diff(s) for s in level.series])
        lag = float(autocorrelation(level.series, np.array([1]))[0])
        at = f"read at {level.name}"
        statistics += [
            _quantiles_of(f"{at} over its median, less 1", "reads", "", values),
            _quantiles_of(f"{at}, relative change to the next", "reads", "", change),
            _number(f"{at}, autocorrelation", "reads", "lag 1", len(values), lag),
        ]
    return statistics


# --- retention -----------------------------------------------------------------------------------


def tenths(seconds: Floats) -> Floats:
    """Times in tenths of a decade, whole numbers: what is alike in them is one time."""
    return np.asarray(np.round(10.0 * np.log10(np.maximum(seconds, 1e-12))))


def drifts(
    measurements: Measurements, like: Measurements
) -> list[tuple[str, float, tuple[float, float], Floats]]:
    """Changes since the first reading, by range of conductance, temperature and time.

    Args:
        measurements: Of which the changes are taken; rows as in `like`.
        like: By whose first readings the rows are grouped.

    Returns:
        (name of range and temperature, seconds, limits of the range, changes in siemens), by time
        inside each range. Times of one tenth of a decade are one.
    """
    table, by = Retention.join(measurements.retention), Retention.join(like.retention)
    groups = []
    kelvin = np.where(np.isfinite(by.temperature_kelvin), by.temperature_kelvin, 0.0)
    tenth = tenths(by.time_seconds)
    change = table.g_siemens - table.initial_siemens
    for degree in np.unique(kelvin):
        at = f", {degree:.0f} K" if degree else ""
        same = kelvin == degree
        at_once = int(np.unique(tenth[same], return_counts=True)[1].max())
        for a, b in ranges(by.initial_siemens[same], min(RANGES, max(1, at_once // FEWEST))):
            within = same & (by.initial_siemens >= a) & (by.initial_siemens <= b)
            for slot in np.unique(tenth[within & (by.time_seconds > 0.0)]):
                rows = within & (tenth == slot)
                seconds = float(np.median(by.time_seconds[rows]))
                groups.append((span(a, b) + at, seconds, (a, b), change[rows]))
    return groups


def _of_retention(m: Measurements, like: Measurements) -> list[SummaryStatistics]:
    """The change after the shortest, a middle and the longest time, by range."""
    groups: dict[str, list[tuple[float, Floats]]] = {}
    for name, seconds, _, change in drifts(m, like):
        if len(change) >= FEWEST:
            groups.setdefault(name, []).append((seconds, change))
    statistics = []
    for name, times in groups.items():
        for k in sorted({0, len(times) // 2, len(times) - 1}):
            title = f"change {times[k][0]:.3g} s after a write to {name}"
            statistics.append(_quantiles_of(title, "retention", "S", times[k][1]))
    return statistics
