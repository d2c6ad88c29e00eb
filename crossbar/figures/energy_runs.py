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
class Place:
    """A run, or a run on another chip, as a point of the pictures.

    Attributes:
        name: Short.
        accuracy: 0 to 1.
        interval: 95 % of the test images alone.
        joules: Of one inference, spike-gated; the ends are drawn as a line.
        m2: Of the chip.
        best: On the Pareto front.
    """

    name: str
    accuracy: float
    interval: tuple[float, float]
    joules: Interval
    m2: Interval
    best: bool = False


def runs(places: Sequence[Place]) -> Figure:
    """Accuracy of each run and its 95 % interval against the energy of an inference."""
    figure = style.sheet(10.0, 4.2)
    axes = figure.subplots()
    factor, letter = si_prefix(max(place.joules.high for place in places))
    _spread(axes, [v * factor for p in places for v in (p.joules.low, p.joules.high)])
    for place in places:
        x, y = factor * place.joules.typical, 100.0 * place.accuracy
        reach = [[x - factor * place.joules.low], [factor * place.joules.high - x]]
        low, high = (100.0 * end for end in place.interval)
        axes.errorbar(
            x, y, yerr=[[y - low], [high - y]], xerr=reach, fmt="o", ms=6, color=style.INHIBITORY,
            ecolor=style.FAINT, elinewidth=1.2, zorder=3,
        )  # fmt: skip
        _name(axes, x, y, place.name)
    style.dress(axes, x=f"energy of an inference ({letter}J)", y="simulated accuracy (%)")
    return figure


def front(places: Sequence[Place]) -> Figure:
    """Accuracy against energy and against area, with the Pareto front of all three."""
    figure = style.sheet(12.0, 4.6)
    left, right = figure.subplots(1, 2, sharey=True)
    factor, letter = si_prefix(max(place.joules.typical for place in places))
    _front(left, places, [factor * place.joules.typical for place in places])
    _front(right, places, [1e6 * place.m2.typical for place in places])
    style.dress(left, x=f"energy of an inference ({letter}J)", y="simulated accuracy (%)")
    style.dress(right, x=f"area ({MM2})")
    return figure


def _front(axes: Axes, places: Sequence[Place], x: Sequence[float]) -> None:
    """All points; those of the front dark, the best of this axis joined by steps."""
    _spread(axes, x)
    axes.margins(y=0.09)
    pairs = sorted(zip(x, places, strict=True), key=lambda pair: (pair[0], -pair[1].accuracy))
    own: list[tuple[float, float]] = []
    for value, place in pairs:
        colour = style.INHIBITORY if place.best else style.FAINT
        axes.plot(value, 100.0 * place.accuracy, "o", ms=6, color=colour, zorder=3)
        if not own or 100.0 * place.accuracy > own[-1][1]:
            own.append((value, 100.0 * place.accuracy))
            if len(own) <= _MOST_NAMES:
                _name(axes, value, 100.0 * place.accuracy, place.name, below=True)
    axes.step(*zip(*own, strict=True), where="post", color=style.HIGHLIGHT, lw=style.LINE_POINTS)


def _spread(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic x axis where the values lie far apart; room right of them for names."""
    low, high = min(values), max(values)
    if low > 0.0 and high / low > _WIDE:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        style.plain_ticks(axes.xaxis)
        axes.set_xlim(low / 1.2, high * (high / low) ** 0.25)
    else:
        room = (high - low) or high or 1.0
        axes.set_xlim(max(0.0, low - 0.1 * room), high + 0.3 * room)


def _name(axes: Axes, x: float, y: float, text: str, *, below: bool = False) -> None:
    """A name right above its point, or below; readable over lines."""
    axes.annotate(
        text, (x, y), xytext=(6, -14 if below else 5), textcoords="offset points",
        fontsize=style.SMALL_POINTS, color=style.INK,
        path_effects=[withStroke(linewidth=3.0, foreground="white")], zorder=4,
    )  # fmt: skip
