"""What a training did: accuracy, spikes, pulses and conductances over its epochs, and one sample.

An epoch is a mapping with the keys of the training log: `epoch` (0 is before training),
`test_accuracy` and `train_accuracy` (fractions; the latter None at epoch 0), `spikes_per_inference`
(`excitatory`, `inhibitory`, `total`; the first two None without Dale's law), `rate_hz`, `pulses`
(`set`, `reset`) and `energy_joules` (`read`, `write`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from device_models.errors import RunError
from device_models.units import KILOHMS, MICROSIEMENS, si_prefix

from . import style

Epoch = Mapping[str, Any]

_BINS = 60
_WIDE = 30  # ratio of values beyond which an axis becomes logarithmic
_PANELS: list[Any] = [["image", "inputs"], ["about_hidden", "hidden"], ["about_readout", "readout"]]
_EPOCH = "epoch (0: before training)"
_NOTHING = float("nan")  # matplotlib draws no line to it
_MANY = {"": "", "k": " (thousands)", "M": " (millions)", "G": " (billions)"}


def accuracy(epochs: Sequence[Epoch]) -> Figure:
    """Fraction of correct answers on the test and the training images, percent, per epoch."""
    figure, axes = _one_panel(epochs)
    test = _column(epochs, lambda row: row["test_accuracy"], factor=100.0)
    train = _column(epochs, lambda row: row["train_accuracy"], factor=100.0)
    labels = [
        _curve(axes, epochs, train, "train", style.QUIET, "{:.1f} %"),
        _curve(axes, epochs, test, "test", style.INK, "{:.1f} %"),
    ]
    drawn = np.concatenate([train, test])
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    margin = max(2.0, 0.05 * (high - low))
    axes.set_ylim(max(low - margin, 0.0), min(high + margin, 100.0))
    style.name_lines(axes, [label for label in labels if label])
    style.dress(axes, x=_EPOCH, y="accuracy (%)")
    return figure


def spikes(epochs: Sequence[Epoch]) -> Figure:
    """Spikes of the hidden layer per image and epoch, by kind of neuron where they have one.

    The mean rate in Hz stands beside the total.
    """
    figure, axes = _one_panel(epochs)
    kinds = {"excitatory": style.EXCITATORY, "inhibitory": style.INHIBITORY, "total": style.INK}
    labels = []
    for kind, colour in kinds.items():
        values = _column(epochs, _entry("spikes_per_inference", kind))
        labels.append(_curve(axes, epochs, values, kind, colour, "{:.0f}"))
    _from_zero(axes)
    drawn = [label for label in labels if label]
    if drawn:
        rate = f"\n= {epochs[-1]['rate_hz']:.3g} Hz per neuron"
        drawn[-1] = drawn[-1]._replace(text=drawn[-1].text + rate)
    style.name_lines(axes, drawn, least_gap=0.12)
    style.dress(axes, x=_EPOCH, y="hidden spikes per image")
    return figure


def pulses(epochs: Sequence[Epoch]) -> Figure:
    """Programming pulses sent, and joules spent reading and writing, per epoch."""
    _require(epochs)
    figure = style.sheet(10.0, 3.6)
    left, right = figure.subplots(1, 2)
    letter = _pair(left, epochs, "pulses", {"set": style.SET, "reset": style.RESET})
    style.dress(left, x=_EPOCH, y=f"pulses per epoch{_MANY[letter]}")
    colours = {"read": style.HIGHLIGHT, "write": style.INK}
    letter = _pair(right, epochs, "energy_joules", colours)
    style.dress(right, x=_EPOCH, y=f"energy per epoch ({letter}J)")
    return figure


def conductances(
    before: Sequence[np.ndarray],
    after: Sequence[np.ndarray],
    g_min_siemens: float,
    g_max_siemens: float,
) -> Figure:
    """Histogram of the conductances of each layer before and after training.

    Args:
        before: Conductances of each layer, siemens, any shape.
        after: As `before`, in the same order.
        g_min_siemens: Lower end of the window; where it is 0, three decades are drawn.
        g_max_siemens: Upper end of the window.
    """
    low = g_min_siemens if g_min_siemens > 0.0 else g_max_siemens / 1e3
    edges = np.geomspace(low, g_max_siemens, _BINS + 1) * 1e6
    figure = style.sheet(5.0 * len(before), 3.8)
    panels = figure.subplots(1, len(before), squeeze=False)[0]
    for i, axes in enumerate(panels):
        _histograms(axes, before[i], after[i], edges)
        title = f"{_layer_name(i, len(before))} ({np.size(after[i]):,} devices)"
        x, y = f"conductance ({MICROSIEMENS})", "" if i else "devices"
        style.dress(axes, x=x, y=y, title=title)
        _ohms_on_top(axes)
    return figure


def _histograms(axes: Axes, before: np.ndarray, after: np.ndarray, edges: np.ndarray) -> None:
    """Devices per bin, with room for the names above; what is outside counts at the edge."""
    counts = []
    for g in (before, after):
        inside = np.clip(np.asarray(g, float).ravel() * 1e6, edges[0], edges[-1])
        counts.append(np.histogram(inside, edges)[0])
    axes.stairs(counts[0], edges, label="before", color=style.FAINT, fill=True)
    axes.stairs(counts[1], edges, label="after", color=style.INK, lw=1.4)
    axes.set(xscale="log", yscale="log")
    style.plain_ticks(axes.xaxis)
    axes.set_xlim(edges[0] / 1.1, edges[-1] * 1.1)
    axes.set_ylim(0.7, 6.0 * np.max(counts))
    style.write(axes, 0.03, 0.97, "before training", style.QUIET)
    style.write(axes, 0.97, 0.97, "after training", style.INK, to="top right")


def _ohms_on_top(axes: Axes) -> None:
    """A second x axis with the resistance of each conductance."""
    low, high = axes.get_xlim()
    top = axes.twiny()
    top.set(xscale="log", xlim=(1e3 / low, 1e3 / high))
    style.plain_ticks(top.xaxis)
    style.dress(top, x=f"resistance ({KILOHMS})")
    top.grid(visible=False, which="both")
    top.spines[["left", "bottom", "right"]].set_visible(False)


def _layer_name(layer: int, layers: int) -> str:
    if layers == 2:
        return ("input to hidden", "hidden to readout")[layer]
    first = "input" if layer == 0 else f"hidden {layer}"
    return f"{first} to {'readout' if layer == layers - 1 else f'hidden {layer + 1}'}"


def _require(epochs: Sequence[Epoch]) -> None:
    """Raise RunError if there is nothing to draw."""
    if not epochs:
        raise RunError("the training has no epoch yet; no figure was drawn")


def _one_panel(epochs: Sequence[Epoch]) -> tuple[Figure, Axes]:
    _require(epochs)
    figure = style.sheet(6.0, 3.6)
    return figure, figure.subplots()


def _entry(key: str, kind: str) -> Callable[[Epoch], float | None]:
    """Reads one number of a nested mapping of an epoch."""

    def entry(row: Epoch) -> float | None:
        value: float | None = row[key][kind]
        return value

    return entry


def _column(
    epochs: Sequence[Epoch], value: Callable[[Epoch], float | None], factor: float = 1.0
) -> np.ndarray:
    """One number per epoch, times `factor`; nan where the log has None."""
    values = (value(row) for row in epochs)
    return np.array([_NOTHING if x is None else x * factor for x in values])


def _curve(
    axes: Axes,
    epochs: Sequence[Epoch],
    values: np.ndarray,
    name: str,
    colour: str,
    spelling: str = "{:.3g}",
) -> style.EndLabel | None:
    """Draw one line over the epochs; returns its label, or None if no epoch has a value."""
    if np.isnan(values).all():
        return None
    numbers = [row["epoch"] for row in epochs]
    marker = "o" if len(numbers) <= style.MOST_MARKERS else ""
    axes.plot(
        numbers, values, marker=marker, markersize=4, color=colour, lw=style.LINE_POINTS, label=name
    )
    style.whole_numbers(axes, numbers)
    last = float(values[~np.isnan(values)][-1])
    return style.EndLabel(last, f"{name} {spelling.format(last)}", colour)


def _pair(axes: Axes, epochs: Sequence[Epoch], key: str, colours: Mapping[str, str]) -> str:
    """Two numbers per epoch; on a logarithmic axis that still shows 0 where they span decades.

    Returns:
        The SI prefix of the y axis.
    """
    largest = max(max(row[key].values()) for row in epochs)
    factor, letter = si_prefix(largest) if key == "energy_joules" or largest >= 1 else (1.0, "")
    columns = {kind: _column(epochs, _entry(key, kind), factor) for kind in colours}
    labels = [
        _curve(axes, epochs, columns[kind], kind.upper() if key == "pulses" else kind, colour)
        for kind, colour in colours.items()
    ]
    everything = np.concatenate(list(columns.values()))
    positive = everything[everything > 0]
    if len(positive) and positive.max() > _WIDE * positive.min():
        decade = 10.0 ** np.floor(np.log10(positive.min()))
        axes.set_yscale("symlog", linthresh=decade, linscale=0.4)
        style.plain_ticks(axes.yaxis)
        axes.set_ylim(top=1.5 * positive.max())
    _from_zero(axes)
    style.name_lines(axes, [label for label in labels if label])
    return letter


def _from_zero(axes: Axes) -> None:
    """Let the y axis start at 0, and reach 1 where everything is 0."""
    top = axes.get_ylim()[1]
    axes.set_ylim(0.0, top if axes.dataLim.ymax > 0.0 else 1.0)


def raster(
    image: np.ndarray,
    input_times: np.ndarray,
    input_rows: np.ndarray,
    hidden_spikes: np.ndarray,
    readout: np.ndarray,
    excitatory: int | None,
    label: int,
    class_names: Sequence[str],
    dt_seconds: float,
) -> Figure:
    """One image on its way through the network, over time: spikes in, hidden spikes, readout.

    Args:
        image: (rows, columns) uint8, or (3, rows, columns): red, green, blue.
        input_times: (events,) step of each input spike.
        input_rows: (events,) input line of each input spike, below `image.size`.
        hidden_spikes: (steps, hidden) bool.
        readout: (steps + 1, classes), membrane of each class; the highest maximum wins.
        excitatory: The first so many hidden neurons are excitatory; None without Dale's law.
        label: The true class.
        class_names: Names of the classes.
        dt_seconds: Length of a step.
    """
    figure = style.sheet(9.0, 6.2)
    panels = figure.subplot_mosaic(_PANELS, width_ratios=(1, 3.4), height_ratios=(1.1, 1.25, 1))
    step_ms = dt_seconds * 1e3
    for name in ("inputs", "hidden", "readout"):
        panels[name].set_xlim(0.0, len(hidden_spikes) * step_ms)
    picture = image if image.ndim == 2 else image.transpose(1, 2, 0)
    panels["image"].imshow(picture, cmap="gray_r", vmin=0, vmax=255, interpolation="nearest")
    panels["image"].set_title(
        class_names[label], fontsize=style.TITLE_POINTS, color=style.INK, fontweight="bold"
    )
    for name in ("image", "about_hidden", "about_readout"):
        panels[name].axis("off")
    _spike_times(panels["inputs"], input_times * step_ms, input_rows, style.INK, 2.2)
    panels["inputs"].set_ylim(image.size, -1)
    title = f"Input: {len(input_times)} spikes on {image.size} lines"
    style.dress(panels["inputs"], y="input line", title=title)
    _hidden_rows(panels["hidden"], panels["about_hidden"], hidden_spikes, excitatory, step_ms)
    _readout_lines(panels["readout"], panels["about_readout"], readout, label, class_names, step_ms)
    for name in ("inputs", "hidden"):
        panels[name].tick_params(labelbottom=False)
    return figure


def _spike_times(
    axes: Axes, times: np.ndarray, rows: np.ndarray, colour: str, size_points: float
) -> None:
    """One upright tick per spike."""
    axes.scatter(times, rows, marker="|", s=size_points**2, linewidths=1.0, color=colour)


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
    size = min(max(130.0 / hidden, 1.0), 6.0) + 1.0
    for i, (name, colour, first, last) in enumerate(groups):
        if first == last:
            continue
        times, rows = np.nonzero(spikes[:, first:last])
        _spike_times(axes, times * step_ms, rows + first + i * gap, colour, size)
        text = f"{last - first} {name}\n{len(times)} spikes"
        middle = 1.0 - ((first + last) / 2 + i * gap) / (hidden + gap)
        style.write(beside, 1.0, middle, text, colour, to="center right")
    axes.set_ylim(hidden + gap - 0.5, -1.0)
    ticks = [0] if excitatory is None else sorted({0, excitatory})
    ticks = [tick for tick in ticks if tick < hidden]
    axes.set_yticks([tick + (gap if tick else 0.0) for tick in ticks], [str(t) for t in ticks])
    style.dress(axes, y="neuron", title="Hidden layer")


def _readout_lines(
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
    colours = dict.fromkeys(range(readout.shape[1]), style.FAINT)
    colours |= {label: style.HIGHLIGHT, winner: style.INK}
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
    verdict = "correct" if winner == label else f"wrong: it is {class_names[label]}"
    text = f"highest peak wins:\n{class_names[winner]}\n({verdict})"
    style.write(beside, 1.0, 0.5, text, style.INK, to="center right")
    style.dress(axes, x="time (ms)", y="membrane (a.u.)", title="Readout")
