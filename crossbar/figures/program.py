"""The result of writing a network into a chip: conductances, pulses, and accuracy as it ages."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from device_models.units import MICROSIEMENS

from ..metrics.statistics import student_interval
from . import style

Floats = NDArray[np.float64]

_CELLS = 80
_BINS = 40


def programmed(
    wanted: Floats,
    written: Floats,
    pulses: Floats,
    times: Sequence[float],
    accuracy: Floats,
    source: float,
) -> Figure:
    """Wanted against written conductance, pulses per device, accuracy over device time.

    Args:
        wanted: Of the devices of one chip, siemens, (devices,).
        written: What they became, siemens, (devices,).
        pulses: What each took, (devices,).
        times: Device times after the writing, seconds, the first of them 0, right after.
        accuracy: (times, chips), 0 to 1.
        source: Of the weights themselves, 0 to 1.
    """
    figure = style.sheet(13.0, 4.2)
    left, middle, right = figure.subplots(1, 3)
    _conductances(left, wanted * 1e6, written * 1e6)
    _pulses(middle, pulses)
    _aging(right, times, accuracy, source)
    return figure


def _conductances(axes: Axes, wanted: Floats, written: Floats) -> None:
    """A map of how many devices were wanted at one conductance and became another."""
    top = float(max(wanted.max(), written.max()))
    edges = np.linspace(0.0, top, _CELLS + 1)
    many, _, _ = np.histogram2d(wanted, written, bins=(edges, edges))
    shown = np.ma.masked_equal(many.T, 0)
    axes.pcolormesh(edges, edges, shown, norm=LogNorm(1, max(2.0, many.max())), cmap="Blues")
    axes.plot([0.0, top], [0.0, top], color=style.HIGHLIGHT, lw=style.HAIR_POINTS)
    unit = MICROSIEMENS
    style.dress(
        axes, x=f"wanted conductance ({unit})", y=f"written ({unit})", title="Devices of one chip"
    )


def _pulses(axes: Axes, pulses: Floats) -> None:
    """How many devices took how many pulses."""
    top = max(1.0, float(pulses.max()))
    edges = np.unique(np.round(np.linspace(0.0, top + 1.0, min(_BINS, int(top) + 1) + 1)))
    axes.hist(pulses, (edges - 0.5).tolist(), color=style.INHIBITORY)
    axes.set_yscale("log")
    style.dress(
        axes, x="pulses", y="devices", title=f"Pulses of a device: {pulses.mean():.2f} on average"
    )


def _aging(axes: Axes, times: Sequence[float], accuracy: Floats, source: float) -> None:
    """Mean accuracy and its 95 % interval against device time; the first point is right after."""
    middle, half = student_interval(accuracy)
    points = range(len(times))
    axes.axhline(100.0 * source, color=style.FAINT, lw=1.2)
    axes.errorbar(
        points, 100.0 * middle, 100.0 * half, color=style.INHIBITORY, lw=style.LINE_POINTS,
        marker="o", ms=4, capsize=3,
    )  # fmt: skip
    axes.set_xticks(list(points), ["written", *(age(t) for t in times[1:])])
    style.dress(
        axes, x="device time", y="test accuracy (%)", title="Accuracy as the chip ages (95 %)"
    )
    ends = [
        style.EndLabel(100.0 * source, "source", style.QUIET),
        style.EndLabel(float(100.0 * middle[-1]), "chip", style.INHIBITORY),
    ]
    style.name_lines(axes, ends)


def age(seconds: float) -> str:
    """`1 s`, `1 h`, `1 d`, `10 y`."""
    for name, length in (("y", 31_557_600.0), ("d", 86_400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length:
            return f"{seconds / length:.3g} {name}"
    return f"{seconds:.3g} s"
