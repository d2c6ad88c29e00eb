"""What wires do to a tile: its conductances, its node voltages, and what each column loses."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from device_models.units import MICROSIEMENS, OHMS, si_prefix

from ..array.tile import CrossbarTile
from ..metrics.statistics import student_interval
from ..wires.nodal import Voltages
from ..wires.wires import Floats
from . import style


def maps(tile: CrossbarTile, v_volts: Floats, solved: Voltages, *, about: str) -> Figure:
    """One read of a tile.

    Above: the conductances, the voltage along the word lines, and the fraction of the drive that
    is left across each device. Below: the currents of the columns, with and without wires.

    Args:
        tile: The tile.
        v_volts: Voltages of the rows, shape (rows,), not all 0 V.
        solved: What they drive.
        about: One line on the top: whose tile it is.
    """
    word, bit = solved.word_volts[0] * 1e3, solved.bit_volts[0] * 1e3
    drive = 1e3 * float(np.abs(v_volts).max())
    figure = style.sheet(11.0, 6.6, about)
    top = figure.subplot_mosaic([["g", "word", "left"], ["columns"] * 3], height_ratios=(1.3, 1))
    g = tile.g_siemens * 1e6
    least = max(float(g[g > 0.0].min(initial=np.inf)), 1e-6 * float(g.max(initial=0.0)), 1e-9)
    norm = LogNorm(min(least, 0.99 * max(float(g.max()), 1e-8)), max(float(g.max()), 1e-8))
    _map(figure, top["g"], g, norm, f"Conductance ({MICROSIEMENS})")
    _map(figure, top["word"], word, Normalize(0.0, drive), "Voltage on the word lines (mV)")
    driven = np.where(np.abs(v_volts) > 0.0, v_volts * 1e3, np.nan)[:, None]
    percent = 100.0 * (word - bit) / driven
    _map(figure, top["left"], percent, Normalize(0.0, 100.0), "Left across each device (%)")
    _columns(top["columns"], v_volts @ tile.g_siemens, solved.amperes[0])
    return figure


def _map(figure: Figure, axes: Axes, values: Floats, norm: Normalize, title: str) -> None:
    """One value per crossing, drivers on the left, sense amplifiers below; rows at 0 V are grey."""
    axes.set_facecolor(style.FAINT)
    image = axes.imshow(
        values, norm=norm, cmap=style.MAP, aspect="auto", interpolation="nearest", origin="upper"
    )
    style.dress(axes, x="bit line", y="word line", title=title)
    axes.grid(visible=False)
    style.colour_bar(figure, image, axes, "")


def _columns(axes: Axes, ideal: Floats, real: Floats) -> None:
    """Currents of the columns, and the fraction that is lost."""
    factor, letter = si_prefix(float(np.abs(ideal).max()))
    number = np.arange(len(ideal))
    axes.plot(number, ideal * factor, color=style.QUIET, lw=style.LINE_POINTS)
    axes.plot(number, real * factor, color=style.HIGHLIGHT, lw=style.LINE_POINTS)
    axes.set(xlim=(0, max(len(ideal) - 1, 1)), ylim=(0.0, 1.15 * float((ideal * factor).max())))
    lost = 1.0 - float(real.sum() / ideal.sum())
    style.dress(
        axes, x="bit line", y=f"current ({letter}A)", title=f"Column currents: {lost:.1%} lost"
    )
    labels = [style.EndLabel(float(ideal[-1] * factor), "without wires", style.QUIET)]
    labels.append(style.EndLabel(float(real[-1] * factor), "sensed", style.HIGHLIGHT))
    style.name_lines(axes, labels, least_gap=0.12)


def losses(sizes: Sequence[int], ohms: Sequence[float], lost: Floats, *, about: str) -> Figure:
    """How much of its current a square tile loses, against its size and its wires.

    Args:
        sizes: Rows and columns.
        ohms: Of one segment of either line.
        lost: Fraction of the current of all columns that is lost, shape (ohms, sizes), 0 to 1.
        about: One line on the top.
    """
    figure = style.sheet(7.6, 4.6, about)
    axes = figure.subplots()
    axes.set_xscale("log", base=2)
    shades = np.linspace(0.25, 1.0, len(ohms))
    labels = []
    for each, row, shade in zip(ohms, lost * 100.0, shades, strict=True):
        axes.plot(
            sizes, row, "o-", color=style.INHIBITORY, alpha=float(shade), lw=style.LINE_POINTS, ms=4
        )
        labels.append(style.EndLabel(float(row[-1]), f"{each:g} {OHMS}", style.INHIBITORY))
    axes.set(ylim=(0.0, 100.0), xticks=list(sizes))
    style.plain_ticks(axes.xaxis)
    axes.minorticks_off()
    style.dress(
        axes, x="rows and columns of the tile", y="current lost (%)",
        title="All rows driven; resistance of one segment of either line",
    )  # fmt: skip
    style.name_lines(axes, labels)
    return figure


def sweep(
    name: str, unit: str, values: Sequence[float], curves: dict[str, Floats], baseline: float
) -> Figure:
    """Test accuracy of a trained network against one property of its chip.

    Args:
        name: Of the property.
        unit: Of its values; may be empty.
        values: What was tried, rising.
        curves: Name -> accuracies, shape (values, repeats).
        baseline: Accuracy of the network as trained.
    """
    figure = style.sheet(7.6, 4.6)
    axes = figure.subplots()
    axes.axhline(100.0 * baseline, color=style.FAINT, lw=1.2)
    labels = [style.EndLabel(100.0 * baseline, "as trained", style.QUIET)]
    colours = (style.INHIBITORY, style.EXCITATORY, style.SET, style.RESET)
    lowest = baseline
    for (curve, runs), colour in zip(curves.items(), colours, strict=False):
        middle, half = student_interval(runs)
        percent, error = 100.0 * middle, 100.0 * half
        axes.errorbar(
            values, percent, error, color=colour, lw=style.LINE_POINTS, marker="o", ms=4, capsize=3
        )
        labels.append(style.EndLabel(float(percent[-1]), curve, colour))
        lowest = min(lowest, float((middle - half).min()))
    axes.set_ylim(100.0 * max(0.0, lowest - 0.05), 100.0 * min(1.0, baseline + 0.05))
    x = f"{name} ({unit})" if unit else name
    style.dress(
        axes, x=x, y="test accuracy (%)", title="Accuracy as trained, and on another chip (95 %)"
    )
    style.name_lines(axes, labels)
    return figure
