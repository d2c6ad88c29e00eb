"""A fit against its data where time matters: read noise and relaxation. See `fit`."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.signal import welch

from device_models.fitting.measurements import Floats, Measurements
from device_models.fitting.predictive_checks import band
from device_models.fitting.quantities import FEWEST, Level, drifts, read_levels
from device_models.fitting.read_series import autocorrelation
from device_models.units import MICROSIEMENS

from . import style
from .fit import MEASURED, SIMULATED, WRITTEN, Repetitions, key

SHORTEST = 64  # reads of a series that has a spectrum
SEGMENT = 4096  # reads of one Welch segment


def read_noise(measured: Measurements, simulated: Repetitions) -> Figure | None:
    """Power spectrum (Welch) and autocorrelation of repeated reads, one column per level."""
    every = [read_levels(m, measured) for m in (measured, *simulated)]
    lengths = [max(map(len, level.series)) for level in every[0]]
    chosen = [i for i, longest in enumerate(lengths) if longest >= SHORTEST]
    if not chosen:
        return None
    worlds = [[levels[i] for i in chosen] for levels in every]
    count = len(chosen)
    figure = style.sheet(max(3.0 * count, 5.0), 6.2)
    panels = figure.subplots(2, count, squeeze=False, sharey="row")
    for column, levels in enumerate(zip(*worlds, strict=True)):
        _draw_spectrum(panels[0, column], levels, first=column == 0)
        _draw_correlation(panels[1, column], levels, first=column == 0)
    panels[0, 0].set_ylim(top=10.0 * panels[0, 0].get_ylim()[1])
    key(panels[0, 0], ["measured", "simulated"], [MEASURED, WRITTEN])
    return figure


def _draw_spectrum(axes: Axes, levels: tuple[Level, ...], *, first: bool) -> None:
    """Power of the relative deviation against frequency."""
    spectra = [_spectrum(level) for level in levels]
    f, power = spectra[0]
    low, middle, high = band(np.log10(np.stack([s for _, s in spectra[1:]])))
    axes.set(xscale="log", yscale="log")
    axes.fill_between(f, 10.0**low, 10.0**high, color=SIMULATED, alpha=0.5, lw=0)
    axes.plot(f, 10.0**middle, color=SIMULATED, lw=1.0)
    axes.plot(f, power, color=MEASURED, lw=1.2)
    is_timed = np.isfinite(levels[0].dt_seconds[0])
    y = f"power (1/{'Hz' if is_timed else '(1/read)'})" if first else ""
    x = "frequency (Hz)" if is_timed else "frequency (1/read)"
    style.dress(axes, x=x, y=y, title=levels[0].name)


def _spectrum(level: Level) -> tuple[Floats, Floats]:
    """Frequencies above 0 in about 40 even steps of their logarithm, and mean power there."""
    longest = max(level.series, key=len)
    dt = level.dt_seconds[0] if np.isfinite(level.dt_seconds[0]) else 1.0
    length = min(SEGMENT, len(longest))
    powers = [
        welch(s, fs=1.0 / dt, nperseg=length, detrend="constant")
        for s in level.series
        if len(s) >= length
    ]
    f = powers[0][0][1:]
    power = np.mean([p[1] for p in powers], axis=0)[1:]
    slot = np.unique(np.round(np.log(f / f[0]) * 40 / np.log(len(f) + 1)), return_inverse=True)[1]
    n = np.bincount(slot)
    floor = 1e-30  # a quantised reading may have no power at all
    return np.bincount(slot, f) / n, np.maximum(np.bincount(slot, power) / n, floor)


def _draw_correlation(axes: Axes, levels: tuple[Level, ...], *, first: bool) -> None:
    """Autocorrelation against the lag in reads."""
    longest = max(map(len, levels[0].series))
    lags = np.unique(np.geomspace(1, max(2, min(1000, longest // 8)), 24).astype(np.int64))
    measured, *simulated = (autocorrelation(level.series, lags) for level in levels)
    low, middle, high = band(np.stack(simulated))
    axes.set(xscale="log", ylim=(-0.65, 1.05))
    axes.axhline(0.0, color=style.QUIET, lw=0.8)
    axes.fill_between(lags, low, high, color=SIMULATED, alpha=0.5, lw=0)
    axes.plot(lags, middle, color=SIMULATED, lw=1.0)
    axes.plot(lags, measured, color=MEASURED, lw=1.2, marker=".", ms=4)
    style.write(
        axes,
        0.97,
        0.03,
        f"lag 1: measured {measured[0]:.2f}\nsimulated {middle[0]:.2f}",
        to="bottom right",
    )
    style.dress(axes, x="lag (reads)", y="autocorrelation" if first else "")


def relaxation(measured: Measurements, simulated: Repetitions) -> Figure | None:
    """Mean and spread of the change since the first reading against time, per conductance."""
    groups = drifts(measured, measured)
    names = list(dict.fromkeys(name for name, *_, change in groups if len(change) >= FEWEST))[:6]
    if not names:
        return None
    worlds = [_moments(m, measured) for m in (measured, *simulated)]
    figure = style.sheet(max(3.3 * len(names), 5.0), 5.8)
    panels = figure.subplots(2, len(names), squeeze=False, sharey="row")
    for column, name in enumerate(names):
        at = [i for i, (key, *_) in enumerate(groups) if key == name]
        seconds = np.array([groups[i][1] for i in at])
        for row, what in enumerate(("standard deviation", "mean")):
            axes = panels[row, column]
            low, middle, high = band(np.stack([w[row, at] for w in worlds[1:]]))
            axes.set_xscale("log")
            axes.fill_between(seconds, low, high, color=SIMULATED, alpha=0.5, lw=0)
            axes.plot(seconds, middle, color=SIMULATED, lw=1.0)
            axes.plot(seconds, worlds[0][row, at], "o-", color=MEASURED, lw=1.2, ms=4)
            y = f"{what} of the\nchange ({MICROSIEMENS})" if column == 0 else ""
            x = "time since the write (s)" if row else ""
            style.dress(axes, x=x, y=y, title="" if row else name)
    panels[0, 0].set_ylim(0.0, 1.25 * panels[0, 0].get_ylim()[1])
    key(panels[0, 0], ["measured", "simulated, 95 % band"], [MEASURED, WRITTEN])
    return figure


def _moments(measurements: Measurements, like: Measurements) -> Floats:
    """Standard deviation and mean of the change in each group of `drifts`, uS, (2, groups)."""
    groups = [change * 1e6 for *_, change in drifts(measurements, like)]
    return np.array([[g.std() for g in groups], [g.mean() for g in groups]])
