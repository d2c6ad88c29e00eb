"""One sample on its way through a network: what drives the lines, hidden spikes, the output."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style

_PANELS: list[Any] = [["image", "inputs"], ["about_hidden", "hidden"], ["about_output", "output"]]
_MOST_NAMED = 12  # classes


class Input(NamedTuple):
    """What drives the input lines in one sample.

    Attributes:
        times: (events,) step of each spike.
        rows: (events,) line of each spike.
        amplitudes: Shares of the read voltage that lines carry in all steps, of the shape of the
            image, in the place of spikes; None: spikes.
        lines: How many there are; None: one for each value of the image.
    """

    times: np.ndarray
    rows: np.ndarray
    amplitudes: np.ndarray | None = None
    lines: int | None = None


def raster(
    image: np.ndarray,
    driven: Input,
    hidden_spikes: np.ndarray,
    output: np.ndarray,
    excitatory: int | None,
    label: int,
    class_names: Sequence[str],
    dt_seconds: float,
    hidden_title: str = "Hidden layer",
) -> Figure:
    """One image on its way through the network, over time: input, hidden spikes, output.

    Args:
        image: (rows, columns) uint8, or (3, rows, columns): red, green, blue.
        driven: What drives the input lines.
        hidden_spikes: (steps, hidden) bool.
        output: Of output neurons that spike (steps, classes) bool; most spikes win. Of others the
            membranes, (steps + 1, classes); the highest maximum wins.
        excitatory: The first so many hidden neurons are excitatory; None without Dale's law.
        label: The true class.
        class_names: Names of the classes.
        dt_seconds: Length of a step.
        hidden_title: Which layer `hidden_spikes` are of.
    """
    figure = style.sheet(9.0, 6.2)
    panels = figure.subplot_mosaic(_PANELS, width_ratios=(1, 3.4), height_ratios=(1.1, 1.25, 1))
    step_ms = dt_seconds * 1e3
    for name in ("hidden", "output"):
        panels[name].set_xlim(-0.5 * step_ms, len(hidden_spikes) * step_ms)
    show_image(panels["image"], image, class_names[label])
    for name in ("about_hidden", "about_output"):
        panels[name].axis("off")
    if driven.amplitudes is None:
        lines = image.size if driven.lines is None else driven.lines
        _input_spikes(panels["inputs"], driven, lines, len(hidden_spikes), step_ms)
    else:
        _input_amplitudes(figure, panels["inputs"], driven.amplitudes, len(hidden_spikes))
    _hidden_rows(panels["hidden"], panels["about_hidden"], hidden_spikes, excitatory, step_ms)
    style.dress(panels["hidden"], y="neuron", title=hidden_title)
    panels["hidden"].tick_params(labelbottom=False)
    draw = _output_rows if output.dtype == bool else _membranes
    draw(panels["output"], panels["about_output"], output, label, class_names, step_ms)
    return figure


def show_image(axes: Axes, image: np.ndarray, title: str) -> None:
    """An image, (rows, columns) or (3, rows, columns) uint8, below the name of its class."""
    picture = image if image.ndim == 2 else image.transpose(1, 2, 0)
    axes.imshow(picture, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
    axes.set_title(title, fontsize=style.TITLE_POINTS, color=style.INK, fontweight="bold")
    axes.axis("off")


def spike_times(
    axes: Axes, times: np.ndarray, rows: np.ndarray, colour: str, size_points: float
) -> None:
    """One upright tick per spike."""
    axes.scatter(times, rows, marker="|", s=size_points**2, linewidths=1.0, color=colour)


def tick_points(neurons: int) -> float:
    """Height of the tick of a spike in a panel of so many neurons."""
    return min(max(130.0 / neurons, 1.0), 6.0) + 1.0


def _input_spikes(axes: Axes, driven: Input, lines: int, steps: int, step_ms: float) -> None:
    """Raster of the input lines."""
    axes.set_xlim(-0.5 * step_ms, steps * step_ms)
    spike_times(axes, driven.times * step_ms, driven.rows, style.INK, 2.2)
    axes.set_ylim(lines, -1)
    title = f"Input: {len(driven.times)} spikes on {lines} lines"
    style.dress(axes, y="input line", title=title)
    axes.tick_params(labelbottom=False)


def _input_amplitudes(figure: Figure, axes: Axes, amplitudes: np.ndarray, steps: int) -> None:
    """What each line carries in all steps, where its pixel is; channels side by side."""
    channels = amplitudes.reshape(-1, *amplitudes.shape[-2:])
    limit = float(np.abs(amplitudes).max()) or 1.0
    is_signed = bool((amplitudes < 0.0).any())
    colours = style.SIGNED_MAP if is_signed else "gray_r"
    image = axes.imshow(
        style.mosaic(channels, len(channels)), cmap=colours, vmin=-limit if is_signed else 0.0,
        vmax=limit, interpolation="nearest",
    )  # fmt: skip
    style.colour_bar(figure, image, axes, "of the read voltage")
    title = f"Input held for {steps} steps" + ": red, green, blue" * (len(channels) == 3)
    style.bare(axes, title=title)
    axes.set_anchor("W")  # below its neighbours' titles


def _hidden_rows(
    axes: Axes, beside: Axes, spikes: np.ndarray, excitatory: int | None, step_ms: float
) -> None:
    """Raster of the hidden layer, excitatory neurons above, a gap, inhibitory ones below."""
    hidden = spikes.shape[1]
    groups = [("hidden", style.INK, 0, hidden)]
    if excitatory is not None:
        groups = [
            ("excitatory", style.EXCITATORY, 0, excitatory),
            ("inhibitory", style.INHIBITORY, excitatory, hidden),
        ]
    gap = 0.04 * hidden if excitatory not in (None, 0, hidden) else 0.0
    for i, (name, colour, first, last) in enumerate(groups):
        if first == last:
            continue
        times, rows = np.nonzero(spikes[:, first:last])
        spike_times(axes, times * step_ms, rows + first + i * gap, colour, tick_points(hidden))
        text = f"{last - first} {name}\n{len(times)} spikes"
        middle = 1.0 - ((first + last) / 2 + i * gap) / (hidden + gap)
        style.write(beside, 1.0, middle, text, colour, to="center right")
    axes.set_ylim(hidden + gap - 0.5, -1.0)
    ticks = [0] if excitatory is None else sorted({0, excitatory})
    ticks = [tick for tick in ticks if tick < hidden]
    axes.set_yticks([tick + (gap if tick else 0.0) for tick in ticks], [str(t) for t in ticks])


def _output_rows(
    axes: Axes,
    beside: Axes,
    spikes: np.ndarray,
    label: int,
    class_names: Sequence[str],
    step_ms: float,
) -> None:
    """Raster of the classes, and the spikes of each."""
    counts = spikes.sum(0)
    winner, classes = int(counts.argmax()), len(class_names)
    colours = class_colours(classes, winner, label)
    for k, colour in colours.items():
        times = np.flatnonzero(spikes[:, k]) * step_ms
        spike_times(axes, times, np.full(len(times), k), colour, tick_points(2 * classes))
    named = range(classes) if classes <= _MOST_NAMED else sorted({winner, label})
    style.dress(axes, x="time (ms)", title="Output")
    axes.set_ylim(classes - 0.5, -0.5)
    axes.set_yticks(list(named), [class_names[k] for k in named])
    axes.tick_params(axis="y", labelsize=style.SMALL_POINTS if classes < 8 else style.TINY_POINTS)
    for k in named:
        colour = colours[k] if k in (winner, label) else style.QUIET
        y = 1.0 - (k + 0.5) / classes
        style.write(axes, 1.015, y, str(counts[k]), colour, to="center left")
    _write_verdict(beside, "most spikes win:", winner, label, class_names)


def _membranes(
    axes: Axes,
    beside: Axes,
    readout: np.ndarray,
    label: int,
    class_names: Sequence[str],
    step_ms: float,
) -> None:
    """Membrane of every class; the winner and, where it is another, the true class are named."""
    times = np.arange(len(readout)) * step_ms
    winner = int(readout.max(0).argmax())
    colours = class_colours(readout.shape[1], winner, label)
    for k in sorted(colours, key=lambda k: (k == winner, k == label)):
        named = k in (winner, label)
        axes.plot(
            times, readout[:, k], color=colours[k], lw=2.2 if named else 1.0, label=class_names[k]
        )
    ends = []
    for k in dict.fromkeys((label, winner)):
        peak = int(readout[:, k].argmax())
        height = float(readout[peak, k])
        axes.hlines(height, times[peak], times[-1], color=colours[k], lw=0.9, ls=":")
        axes.plot(times[peak], height, "o", color=colours[k], markersize=5, label="peak")
        ends.append(style.EndLabel(height, class_names[k], colours[k]))
    axes.set_ylim(*axes.get_ylim())
    style.name_lines(axes, ends, least_gap=0.15)
    _write_verdict(beside, "highest peak wins:", winner, label, class_names)
    style.dress(axes, x="time (ms)", y="membrane (a.u.)", title="Readout")


def class_colours(classes: int, winner: int, label: int) -> dict[int, str]:
    """Colour of every class: of the winner, of the true one, of the others."""
    return dict.fromkeys(range(classes), style.FAINT) | {label: style.HIGHLIGHT, winner: style.INK}


def _write_verdict(
    axes: Axes, rule: str, winner: int, label: int, class_names: Sequence[str]
) -> None:
    """Which class won, by which rule, and whether that is right."""
    verdict = "correct" if winner == label else f"wrong: it is {class_names[label]}"
    text = f"{rule}\n{class_names[winner]}\n({verdict})"
    style.write(axes, 1.0, 0.5, text, style.INK, to="center right")
