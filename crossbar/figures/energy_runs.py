"""Accuracy against energy and area: runs beside each other, and the chips of an exploration."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator

from device_models.units import MM2, si_prefix

from ..energy.interval import Interval
from . import style

_WIDE = 8  # ratio of values beyond which an axis becomes logarithmic
_MOST_NAMES = 14


@dataclass(frozen=True)
class AccuracyPoint:
    """A run, or a run on another chip, as a point of the pictures.

    Attributes:
        name: Short.
        accuracy: 0 to 1.
        interval: 95 % of the test images alone.
        joules: Of one inference, spike-gated; the ends are drawn as a line.
        m2: Of the chip.
        pareto_optimal: On the Pareto front.
    """

    name: str
    accuracy: float
    interval: tuple[float, float]
    joules: Interval
    m2: Interval
    pareto_optimal: bool = False


def runs(points: Sequence[AccuracyPoint]) -> Figure:
    """Accuracy of each run and its 95 % interval against the energy of an inference."""
    figure = style.sheet(10.0, 4.2)
    axes = figure.subplots()
    factor, letter = si_prefix(max(point.joules.high for point in points))
    _scale_x(axes, [v * factor for p in points for v in (p.joules.low, p.joules.high)])
    for point in points:
        x, y = factor * point.joules.typical, 100.0 * point.accuracy
        spans = [[x - factor * point.joules.low], [factor * point.joules.high - x]]
        low, high = (100.0 * end for end in point.interval)
        axes.errorbar(
            x, y, yerr=[[y - low], [high - y]], xerr=spans, fmt="o", ms=6, color=style.INHIBITORY,
            ecolor=style.FAINT, elinewidth=1.2, zorder=3,
        )  # fmt: skip
        _name(axes, x, y, point.name)
    style.dress(axes, x=f"energy of an inference ({letter}J)", y="simulated accuracy (%)")
    return figure


def pareto_front(points: Sequence[AccuracyPoint]) -> Figure:
    """Accuracy against energy and against area, with the Pareto front of all three."""
    figure = style.sheet(12.0, 4.6)
    left, right = figure.subplots(1, 2, sharey=True)
    factor, letter = si_prefix(max(point.joules.typical for point in points))
    _draw_front(left, points, [factor * point.joules.typical for point in points])
    _draw_front(right, points, [1e6 * point.m2.typical for point in points])
    style.dress(left, x=f"energy of an inference ({letter}J)", y="simulated accuracy (%)")
    style.dress(right, x=f"area ({MM2})")
    return figure


def _draw_front(axes: Axes, points: Sequence[AccuracyPoint], x: Sequence[float]) -> None:
    """All points; those of the front dark, the best of this axis joined by steps."""
    _scale_x(axes, x)
    axes.margins(y=0.09)
    pairs = sorted(zip(x, points, strict=True), key=lambda pair: (pair[0], -pair[1].accuracy))
    steps: list[tuple[float, float]] = []
    for value, point in pairs:
        colour = style.INHIBITORY if point.pareto_optimal else style.FAINT
        axes.plot(value, 100.0 * point.accuracy, "o", ms=6, color=colour, zorder=3)
        if not steps or 100.0 * point.accuracy > steps[-1][1]:
            steps.append((value, 100.0 * point.accuracy))
            if len(steps) <= _MOST_NAMES:
                _name(axes, value, 100.0 * point.accuracy, point.name, below=True)
    axes.step(*zip(*steps, strict=True), where="post", color=style.HIGHLIGHT, lw=style.LINE_POINTS)


def _scale_x(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic x axis where the values lie far apart; room right of them for names."""
    low, high = min(values), max(values)
    if low > 0.0 and high / low > _WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        style.plain_ticks(axes.xaxis)
        axes.set_xlim(low / 1.2, high * (high / low) ** 0.25)
    else:
        width = (high - low) or high or 1.0
        axes.set_xlim(max(0.0, low - 0.1 * width), high + 0.3 * width)


def _name(axes: Axes, x: float, y: float, text: str, *, below: bool = False) -> None:
    """A name right above its point, or below; readable over lines."""
    axes.annotate(
        text, (x, y), xytext=(6, -14 if below else 5), textcoords="offset points",
        fontsize=style.SMALL_POINTS, color=style.INK,
        path_effects=[withStroke(linewidth=3.0, foreground="white")], zorder=4,
    )  # fmt: skip
