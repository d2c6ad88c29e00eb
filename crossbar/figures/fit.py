"""A fit against its data: steps, residuals, quantiles, cycles and traces.

`measured` is what was fitted; `simulated` are its repetitions on devices of the fitted model
(`device_models.fitting.predictive_checks.predictions`). Ink is measured, amber is simulated in all
figures; a band holds a further repetition with 95 % probability. A function returns None where
nothing of its kind was measured.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from device_models.fitting.measurements import Cycles, Floats, Measurements, Pulses
from device_models.fitting.predictive_checks import band
from device_models.fitting.quantities import FEWEST, read_levels, steps_of
from device_models.model import DeviceModel
from device_models.units import MICROSIEMENS

from . import style

Repetitions = Sequence[Measurements]

MEASURED = style.INK
SIMULATED = style.HIGHLIGHT
WRITTEN = "#8A5A00"  # SIMULATED as text, dark enough to be read on white
POLARITIES = ((1, "SET", style.SET), (-1, "RESET", style.RESET))
BINS = 16  # of conductance
PROBABILITIES = np.arange(1, 100) / 100  # of quantile-quantile plots
MOST_DOTS = 4000
MOST_TRACES = 12


def steps(model: DeviceModel, measured: Measurements, simulated: Repetitions) -> Figure | None:
    """Every step against the conductance before it, with 5, 50 and 95 % of both worlds."""
    polarities = _measured_polarities(measured)
    if not polarities:
        return None
    figure = style.sheet(5.2 * len(polarities), 4.2)
    for axes, (sign, name, colour) in zip(_row(figure, len(polarities)), polarities, strict=True):
        g, dg = (part * 1e6 for part in steps_of(measured, sign))
        dots = _evenly_chosen(len(g), MOST_DOTS)
        axes.plot(g[dots], dg[dots], ".", ms=2.0, color=style.FAINT, zorder=1, rasterized=True)
        edges = _edges(g)
        middle = (edges[:-1] + edges[1:]) / 2
        low, _, high = band(np.stack([_binned(m, sign, edges) for m in simulated]))
        for row, width in ((0, 0.9), (1, 1.6), (2, 0.9)):
            axes.fill_between(middle, low[row], high[row], color=SIMULATED, alpha=0.45, lw=0)
            line = _binned(measured, sign, edges)[row]
            axes.plot(middle, line, color=MEASURED, lw=width, marker=".", ms=4)
        grid = torch.linspace(float(edges[0]) * 1e-6, float(edges[-1]) * 1e-6, 200)
        mean = sign * model.mean_siemens(grid, torch.full_like(grid, sign)).numpy() * 1e6
        axes.plot(grid.numpy() * 1e6, mean, color=colour, lw=1.6, ls=(0, (5, 2)))
        _limit(axes, dg, low, high)
        key(axes, ["measured 5, 50, 95 %", "simulated, 95 % band of each", "mean step of the law"],
             [MEASURED, WRITTEN, colour])  # fmt: skip
        unit = MICROSIEMENS
        title = f"{name}: {len(g):,} steps"
        style.dress(axes, x=f"conductance ({unit})", y=f"step ({unit} per pulse)", title=title)
    return figure


def _binned(measurements: Measurements, sign: int, edges: Floats) -> Floats:
    """5, 50 and 95 % of the steps in bins of conductance, uS; nan where there are fewer than 8."""
    g, dg = (part * 1e6 for part in steps_of(measurements, sign))
    order = np.argsort(g)
    parts = np.split(dg[order], np.searchsorted(g[order], edges[1:-1]))
    nothing = np.full(3, np.nan)
    return np.stack(
        [np.quantile(p, (0.05, 0.5, 0.95)) if len(p) > 7 else nothing for p in parts], 1
    )


def residuals(model: DeviceModel, measured: Measurements, simulated: Repetitions) -> Figure | None:
    """Step minus the mean of the law, over that mean: median in bins, and spread of both worlds."""
    polarities = _measured_polarities(measured)
    if not polarities:
        return None
    figure = style.sheet(5.2 * len(polarities), 3.8)
    for axes, (sign, name, _) in zip(_row(figure, len(polarities)), polarities, strict=True):
        g, residual = _residual(model, measured, sign)
        edges = _edges(g)
        middle = (edges[:-1] + edges[1:]) / 2
        dots = _evenly_chosen(len(g), MOST_DOTS)
        axes.plot(g[dots], residual[dots], ".", ms=2.0, color=style.FAINT, zorder=1)
        worlds = []
        for world in (measured, *simulated):
            g, values = _residual(model, world, sign)
            where = np.digitize(g, edges[1:-1])
            parts = [values[where == i] for i in range(len(middle))]
            worlds.append([np.median(p) if len(p) > 7 else np.nan for p in parts])
        low, _, high = band(np.array(worlds[1:]))
        axes.axhline(0.0, color=style.QUIET, lw=0.8)
        axes.fill_between(middle, low, high, color=SIMULATED, alpha=0.55, lw=0)
        axes.plot(middle, worlds[0], color=MEASURED, lw=1.6, marker=".", ms=5)
        _limit(axes, residual, low, high)
        key(axes, ["measured median", "simulated, 95 % band of it"], [MEASURED, WRITTEN])
        x = f"conductance ({MICROSIEMENS})"
        style.dress(axes, x=x, y="(step - mean) / mean", title=f"{name}: residuals of the law")
    return figure


def _residual(model: DeviceModel, measurements: Measurements, sign: int) -> tuple[Floats, Floats]:
    """Conductances, uS, and relative distances of the steps from the mean law."""
    g, dg = steps_of(measurements, sign)
    at = torch.from_numpy(g).clamp(model.g_min_siemens, model.g_max_siemens)
    law = model.mean_siemens, model.step_siemens  # the second is never 0
    mean, size = (of(at, torch.full_like(at, sign)).double().numpy() for of in law)
    return g * 1e6, (sign * dg - mean) / size


def quantiles(measured: Measurements, simulated: Repetitions) -> Figure | None:
    """Measured against simulated percentiles of whatever there is: on the diagonal if equal."""
    panels = [panel for panel in _qq_panels() if len(panel[2](measured)) >= FEWEST]
    if not panels:
        return None
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = style.sheet(3.7 * columns, 3.7 * rows)
    panel_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (title, unit, pick) in zip(panel_axes, panels, strict=False):
        percentiles = np.quantile(pick(measured), PROBABILITIES)
        worlds = [np.quantile(v, PROBABILITIES) for m in simulated if len(v := pick(m))]
        low, middle, high = band(np.stack(worlds))
        ends = min(percentiles[0], middle[0]), max(percentiles[-1], middle[-1])
        if 0.0 < 10.0 * ends[0] < ends[1]:
            axes.set(xscale="log", yscale="log")
            low = np.maximum(low, 0.5 * middle.min())
        axes.plot(ends, ends, color=style.QUIET, lw=0.8)
        axes.fill_betweenx(percentiles, low, high, color=SIMULATED, alpha=0.5, lw=0)
        axes.plot(middle, percentiles, ".", color=MEASURED, ms=3.5)
        y = f"measured{unit}"
        style.dress(axes, x=f"simulated{unit}", y=y, title=title)
    for axes in panel_axes[len(panels) :]:
        axes.set_axis_off()
    figure.suptitle("1 to 99 %; amber: 95 % band of the simulated quantile", x=0.01, ha="left",
                    fontsize=style.SMALL_POINTS, color=style.QUIET)  # fmt: skip
    return figure


def _qq_panels() -> list[tuple[str, str, Callable[[Measurements], Floats]]]:
    """(title, unit, values) of each quantile-quantile plot."""
    unit = f" ({MICROSIEMENS})"
    return [
        ("SET step", unit, lambda m: steps_of(m, 1)[1] * 1e6),
        ("RESET step", unit, lambda m: steps_of(m, -1)[1] * 1e6),
        ("LRS", unit, lambda m: _levels(m, "lrs") * 1e6),
        ("HRS", unit, lambda m: _levels(m, "hrs") * 1e6),
        ("read, deviation", " (%)", lambda m: 100.0 * _deviations(m)),
    ]


def _levels(measurements: Measurements, state: str) -> Floats:
    """Levels of one state after full switching, siemens, where they were measured."""
    g: Floats = getattr(Cycles.join(measurements.cycles), f"{state}_siemens")
    return g[np.isfinite(g)]


def _deviations(measurements: Measurements) -> Floats:
    """Relative deviations of all reads from the median of their series."""
    levels = read_levels(measurements, measurements)
    return np.concatenate([np.empty(0), *(s for level in levels for s in level.series)])


def cycles(measured: Measurements, simulated: Repetitions) -> Figure | None:
    """Cumulative distributions of LRS and HRS on a probability scale that shows the tails."""
    table = Cycles.join(measured.cycles)
    if len(table) < FEWEST:
        return None
    figure = style.sheet(7.2, 4.2)
    axes = figure.subplots()
    probabilities = np.linspace(0.005, 0.995, 199)
    for state in [state for state in ("lrs", "hrs") if len(_levels(measured, state))]:
        levels, *repetitions = (
            np.quantile(_levels(m, state), probabilities) * 1e6 for m in (measured, *simulated)
        )
        low, middle, high = band(np.stack(repetitions))
        low = np.maximum(low, 0.2 * middle)
        axes.fill_betweenx(100 * probabilities, low, high, color=SIMULATED, alpha=0.5, lw=0)
        axes.plot(middle, 100 * probabilities, color=SIMULATED, lw=1.0)
        axes.plot(levels, 100 * probabilities, color=MEASURED, lw=1.6)
        axes.annotate(state.upper(), (float(levels[99]), 50.0), (-8, 4), textcoords="offset points",
                      ha="right", fontsize=style.TEXT_POINTS, color=MEASURED)  # fmt: skip
    axes.set(xscale="log", ylim=(0, 100))
    style.plain_ticks(axes.xaxis)
    key(axes, ["measured", "simulated, 95 % band"], [MEASURED, WRITTEN])
    title = f"{len(table):,} cycles of {len(np.unique(table.device)):,} devices"
    x = f"conductance ({MICROSIEMENS})"
    style.dress(axes, x=x, y="devices and cycles below (%)", title=title)
    return figure


def traces(measured: Measurements, simulated: Repetitions) -> Figure | None:
    """The same runs of pulses, or series of reads, measured and simulated once: side by side."""
    kinds = [k for k in ("pulses", "reads") if getattr(measured, k)]
    if not kinds:
        return None
    figure = style.sheet(10.0, 3.4 * len(kinds))
    panels = figure.subplots(len(kinds), 2, squeeze=False, sharey="row")
    for row, kind in zip(panels, kinds, strict=True):
        worlds = ((row[0], "measured", measured), (row[1], "simulated", simulated[0]))
        for axes, name, world in worlds:
            (_draw_runs if kind == "pulses" else _draw_reads)(axes, world)
            x = "pulse of the ramp" if kind == "pulses" else "read"
            y = f"conductance ({MICROSIEMENS})" if name == "measured" else ""
            style.dress(axes, x=x, y=y, title=f"{name} {kind}")
    return figure


def _draw_runs(axes: Axes, measurements: Measurements) -> None:
    """Some ramps, evenly chosen, in the colours of their polarity."""
    table = Pulses.join(measurements.pulses)
    table = table.take(np.lexsort((table.index, table.ramp, table.polarity, table.device)))
    key = np.stack([table.device, table.polarity, table.ramp])
    start = np.flatnonzero(np.append(True, (np.diff(key) != 0).any(0)))
    for sign, name, colour in POLARITIES:
        ramps = [i for i in range(len(start)) if table.polarity[start[i]] == sign]
        for i in np.array(ramps, int)[_evenly_chosen(len(ramps), MOST_TRACES)]:
            rows = slice(start[i], start[i + 1] if i + 1 < len(start) else len(table))
            g = np.append(table.g_before_siemens[rows][:1], table.g_after_siemens[rows]) * 1e6
            number = np.append(table.index[rows][0], table.index[rows] + 1)
            axes.plot(number, g, color=colour, lw=0.8, alpha=0.7, label=name)


def _draw_reads(axes: Axes, measurements: Measurements) -> None:
    """The first thousand reads of a few series."""
    for table in measurements.reads:
        start = np.flatnonzero(np.diff(table.series, prepend=-1) != 0)
        for part in [
            np.split(table.g_siemens, start[1:])[i] for i in _evenly_chosen(len(start), 6)
        ]:
            axes.plot(part[:1000] * 1e6, color=MEASURED, lw=0.6)


def _measured_polarities(measured: Measurements) -> list[tuple[int, str, str]]:
    """Those of `POLARITIES` with enough steps to draw."""
    return [p for p in POLARITIES if len(steps_of(measured, p[0])[0]) >= FEWEST]


def _row(figure: Figure, count: int) -> Sequence[Axes]:
    """Panels beside each other."""
    return list(figure.subplots(1, count, squeeze=False)[0])


def _evenly_chosen(count: int, most: int) -> Floats:
    """At most so many indices, evenly chosen."""
    return (
        np.unique(np.linspace(0, count - 1, min(count, most)).astype(int)) if count else np.r_[0:0]
    )


def _edges(g: Floats) -> Floats:
    """Bins between the 0.5 and 99.5 % quantiles."""
    low, high = np.quantile(g, (0.005, 0.995))
    return np.linspace(low, max(high, low * 1.001 + 1e-12), BINS + 1)


def _limit(axes: Axes, values: Floats, low: Floats, high: Floats) -> None:
    """Show most values, the whole band and the key above them; a few far values stretch nothing."""
    bottom, top = np.quantile(values, (0.01, 0.99))
    bottom, top = np.nanmin([bottom, *low.ravel()]), np.nanmax([top, *high.ravel()])
    height = float(top - bottom) or 1.0
    axes.set_ylim(float(bottom) - 0.08 * height, float(top) + 0.3 * height)


def key(axes: Axes, names: Sequence[str], colours: Sequence[str]) -> None:
    """What the colours mean, in words of those colours, above the data."""
    for i, (name, colour) in enumerate(zip(names, colours, strict=True)):
        style.write(axes, 0.02, 0.985 - 0.06 * i, name, colour)
