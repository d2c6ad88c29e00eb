"""Measured numbers over the bands in which a model predicts them: where it fails, in one picture.

One panel per kind of quantity and one row per quantity; its 5, 25, 50, 75 and 95 % quantiles stand
one below the other, each over its own band.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import FixedLocator, MaxNLocator

from device_models.fitting.measurements import Floats
from device_models.fitting.predictive_checks import Check
from device_models.units import MICROSIEMENS

from . import style
from .fit import MEASURED, SIMULATED, WRITTEN

OUTSIDE = "#B42318"  # as in the report
RANGE = re.compile(rf"(.*?) (?:at|to) ([\d.]+(?: to [\d.]+)? {MICROSIEMENS})(.*)")
APART = re.compile(r"(.*, correlation of cycles) (\d+ apart)")
TIME = re.compile(r"change (\S+ s) after a write")
COLUMN_INCHES = 5.0
ROW_INCHES = 0.42
PANEL_INCHES = 0.75  # of title, ticks and unit
HEAD_INCHES = 0.6
LANE = 0.16  # of a row: from one quantile to the next
MANY = 10.0  # a larger range of sizes than that is drawn on a logarithmic axis

Panel = list[tuple[str, Check]]


def bands(checks: Sequence[Check], *, title: str) -> Figure:
    """Every checked number over its band.

    Args:
        checks: At least one quantity.
        title: What was checked; how many numbers lie inside follows.
    """
    columns = _columns(_panels(checks))
    tall = max(sum(map(_inches, column.values())) for column in columns)
    figure = style.sheet(2 * COLUMN_INCHES, tall + HEAD_INCHES)
    head, body = figure.subfigures(2, 1, squeeze=False, height_ratios=(HEAD_INCHES, tall))[:, 0]
    _head(head, checks, title)
    for part, column in zip(np.ravel(body.subfigures(1, len(columns))), columns, strict=True):
        heights = [*map(_inches, column.values())]
        heights += [tall - sum(heights)] if sum(heights) < tall else []
        panel_axes = part.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0]
        for axes, (name, panel) in zip(panel_axes, column.items(), strict=False):
            _draw(axes, name, panel)
        for axes in panel_axes[len(column) :]:
            axes.set_axis_off()
    return figure


def counted(checks: Sequence[Check]) -> str:
    """`84 of 120 measured quantiles inside the predicted 95 % band`."""
    total = sum(len(check.labels) for check in checks)
    inside = sum(int(check.inside.sum()) for check in checks)
    what = "quantiles" if all(len(check.labels) > 1 for check in checks) else "numbers"
    return f"{inside} of {total} measured {what} inside the predicted 95 % band"


def _panels(checks: Sequence[Check]) -> dict[str, Panel]:
    """Kind of quantity -> its quantities, each with what tells it from the others."""
    kinds: dict[str, Panel] = {}
    for check in checks:
        kind, row = check.name, ""
        if interval := RANGE.fullmatch(check.name):
            kind, row = interval[1] + interval[3], interval[2]
        if apart := APART.fullmatch(check.name):
            kind, row = apart[1], apart[2]
        if time := TIME.fullmatch(kind):
            kind, row = "change after a write", f"{time[1]}, {row}"
        kinds.setdefault(kind, []).append((row, check))
    return kinds


def _columns(kinds: Mapping[str, Panel]) -> list[dict[str, Panel]]:
    """The panels, in order, in two columns as even as can be; in one if there is one panel."""
    names = list(kinds)

    def tallest(split: int) -> float:
        return max(sum(_inches(kinds[n]) for n in part) for part in (names[:split], names[split:]))

    split = min(range(len(names)), key=tallest)
    parts = (names[:split], names[split:])
    return [{name: kinds[name] for name in part} for part in parts if part]


def _inches(panel: Panel) -> float:
    """Height of a panel."""
    return PANEL_INCHES + ROW_INCHES * len(panel)


def _head(head: SubFigure, checks: Sequence[Check], title: str) -> None:
    """The count, and what marks and colours mean."""
    vague = sum(int(check.vague.sum()) for check in checks)
    head.text(0.01, 0.95, f"{title}: {counted(checks)}", va="top", fontweight="bold",
              fontsize=style.TITLE_POINTS, color=style.INK)  # fmt: skip
    words = [
        ("measured 5, 25, 50, 75, 95 %, from above", MEASURED),
        ("measured, outside", OUTSIDE),
        ("predicted, 95 % band", WRITTEN),
    ]
    words += [(f"pale: wider than the measured spread ({vague})", style.QUIET)] if vague else []
    positions = (0.01, 0.31, 0.46, 0.63)
    for x, (text, colour) in zip(positions, words, strict=False):
        head.text(x, 0.1, text, va="bottom", fontsize=style.SMALL_POINTS, color=colour)


def _draw(axes: Axes, name: str, panel: Panel) -> None:
    """One kind of quantity."""
    factor, unit = _unit(panel)
    _scale(axes, panel, factor)
    for row, (_, check) in enumerate(panel):
        lanes = row + LANE * (np.arange(len(check.labels)) - (len(check.labels) - 1) / 2)
        for lane, low, high, vague in zip(lanes, check.low, check.high, check.vague, strict=True):
            # The line around a band shows even one of no width.
            axes.fill_betweenx(
                [lane - 0.4 * LANE, lane + 0.4 * LANE], factor * low, factor * high,
                color=SIMULATED, alpha=0.3 if vague else 0.9, lw=1.0,
            )  # fmt: skip
        if row:
            axes.axhline(row - 0.5, color=style.GRID, lw=0.8)
        for chosen, mark, colour in ((check.inside, "o", MEASURED), (~check.inside, "D", OUTSIDE)):
            x = factor * check.measured[chosen]
            axes.plot(x, lanes[chosen], mark, color=colour, ms=3.4, mew=0, zorder=3)
    axes.set_ylim(len(panel) - 0.45, -0.55)
    style.dress(axes, x=unit, title=name)
    style.name_rows(axes, [row for row, _ in panel])
    axes.spines["left"].set_visible(False)


def _unit(panel: Panel) -> tuple[float, str]:
    """Factor and label of the axis."""
    name, check = panel[0][1].name, panel[0][1]
    if check.unit == "S":
        return 1e6, MICROSIEMENS
    if name.endswith(("less 1", "change to the next")):
        return 100.0, "%"
    return 1.0, "ratio" if " over " in name else check.unit


def _scale(axes: Axes, panel: Panel, factor: float) -> None:
    """A linear axis, or a logarithmic one, on both sides of zero if need be."""
    rows = [factor * np.concatenate([c.measured, c.low, c.high]) for _, c in panel]
    values = np.concatenate(rows)
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    if 0.0 < MANY * low < high:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.15, high * 1.15)
        style.plain_ticks(axes.xaxis)
        return
    sizes = [float(np.nanmax(np.abs(row))) for row in rows]
    if low < 0.0 < high and max(sizes) > MANY * min(sizes):
        _both_sides(axes, values)
        return
    margin = 0.04 * (high - low)
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))


def _both_sides(axes: Axes, values: Floats) -> None:
    """Logarithmic to both sides, linear within the smallest decade."""
    sizes = np.abs(values)
    least = 10.0 ** np.floor(np.log10(np.quantile(sizes[sizes > 1e-9 * sizes.max()], 0.2)))
    most = 1.25 * sizes.max()
    axes.set_xscale("symlog", linthresh=least)
    axes.set_xlim(-most, most)
    decades = least * 10.0 ** np.arange(0, 1 + int(np.log10(most / least)))
    axes.xaxis.set_major_locator(FixedLocator([*-decades[::-1], 0.0, *decades]))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    style.plain_ticks(axes.xaxis)
