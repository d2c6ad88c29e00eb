"""What a series of reads is reduced to."""

import numpy as np

from .measurements import Floats, Ints, Measurements

LONG = 64  # reads of a series that is summed up by itself


def series_of(measurements: Measurements) -> list[tuple[Floats, float]]:
    """Readings and interval of each series."""
    series = []
    for table in measurements.reads:
        start = np.flatnonzero(np.diff(table.series, prepend=-1) != 0)
        parts = np.split(table.g_siemens, start[1:])
        series += (
            list(zip(parts, table.dt_seconds[start].tolist(), strict=True)) if len(start) else []
        )
    return series


def autocorrelation(series: tuple[Floats, ...], lags: Ints) -> Floats:
    """Correlation of reads some lags apart, pooled over series, each about its own mean.

    Args:
        series: Reads, equally spaced.
        lags: Whole numbers, shape (n,).

    Returns:
        Shape (n,); nan where no series is longer than the lag.
    """
    parts = [s - s.mean() for s in series]
    power = sum(float(s @ s) for s in parts) / max(sum(map(len, parts)), 1)
    correlation = np.full(len(lags), np.nan)
    for i, lag in enumerate(lags.tolist()):
        pairs = sum(max(len(s) - lag, 0) for s in parts)
        if pairs and power > 0.0:
            correlation[i] = sum(float(s[lag:] @ s[: len(s) - lag]) for s in parts if len(s) > lag)
            correlation[i] /= pairs * power
    return correlation


def series_statistics(m: Measurements) -> dict[str, Floats]:
    """Name -> number of each long series, relative to its median.

    Spread, largest excursion, kurtosis of the change between neighbours (3 of normal noise, much
    more of jumps), and the root mean square of the change over 1 s, 10 s, ..., nan where a series
    does not last ten times as long.
    """
    series = [(g / np.median(g) - 1.0, dt) for g, dt in series_of(m) if len(g) >= LONG]
    changes = [np.asarray(np.diff(x), np.float64) for x, _ in series]
    numbers = {
        "spread of a series": [float(x.std()) for x, _ in series],
        "largest excursion of a series": [float(np.abs(x).max()) for x, _ in series],
        "kurtosis of the changes of a series": [
            float(np.mean(d**4)) / max(float(np.mean(d**2)), 1e-30) ** 2 for d in changes
        ],
    }
    for seconds in (1.0, 10.0, 100.0, 1000.0):
        over = [_change_over(x, dt, seconds) for x, dt in series]
        if np.isfinite(over).any():
            numbers[f"change of a series over {seconds:g} s"] = over
    return {name: np.array(values) for name, values in numbers.items()}


def _change_over(x: Floats, dt_seconds: float, seconds: float) -> float:
    """Root mean square of the change of a series over some time; nan if it is too short."""
    if not 0.0 < dt_seconds <= seconds:  # false for nan
        return float("nan")
    lag = round(seconds / dt_seconds)
    return (
        float(np.sqrt(np.mean((x[lag:] - x[:-lag]) ** 2))) if 10 * lag <= len(x) else float("nan")
    )
