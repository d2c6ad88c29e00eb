"""What a training did: accuracy, spikes, pulses and conductances over its epochs.

An epoch is a mapping with the keys of the training log: `epoch` (0 is before training),
`test_accuracy` and `train_accuracy` (fractions; the latter None at epoch 0), `spikes_per_inference`
(`excitatory`, `inhibitory`, `total`; the first two None without Dale's law; perhaps `layers` and
`output`), perhaps `train_spikes_per_inference` (the same), `rate_hz`, `pulses` (`set`, `reset`) and
`energy_joules` (`read`, `write`).
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
_ROW = 3  # panels
_WIDE = 30  # ratio of values beyond which an axis becomes logarithmic
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
    _fit_percent(axes, np.concatenate([train, test]))
    style.name_lines(axes, [label for label in labels if label])
    style.dress(axes, x=_EPOCH, y="accuracy (%)")
    return figure


def spikes(epochs: Sequence[Epoch]) -> Figure:
    """Spikes of the hidden layers per image and epoch, by kind of neuron where they have one.

    The mean rate in Hz stands beside the total of the test. Where there are several hidden layers,
    or the output spikes too, each of them has a line in a panel of its own.
    """
    _require(epochs)
    each = {
        f"hidden {i + 1}": _column(epochs, _of_layer(i))
        for i in range(len(epochs[-1]["spikes_per_inference"].get("layers", ())))
    }
    each["output"] = _column(epochs, lambda row: row["spikes_per_inference"].get("output"))
    each = {name: column for name, column in each.items() if not np.isnan(column).all()}
    if len(each) > 1:
        figure = style.sheet(10.0, 3.6)
        left, right = figure.subplots(1, 2)
        _spikes_of_layers(right, epochs, each)
    else:
        figure, left = _one_panel(epochs)
    _hidden_spikes(left, epochs)
    return figure


def compare(runs: Mapping[str, Sequence[Epoch]]) -> Figure:
    """Accuracy and hidden spikes of several runs per epoch, tested, and paler while learning.

    Args:
        runs: Name -> its epochs.
    """
    figure = style.sheet(10.0, 3.6)
    left, right = figure.subplots(1, 2)
    draw_compared(left, right, runs)
    return figure


def draw_compared(left: Axes, right: Axes, runs: Mapping[str, Sequence[Epoch]]) -> None:
    """`compare` in two panels: accuracy on the left, spikes on the right."""
    for epochs in runs.values():
        _require(epochs)
    percent = [(_trained_alone(epochs, _test_percent), _column(epochs, _train_percent))
               for epochs in runs.values()]  # fmt: skip
    total = _entry("spikes_per_inference", "total")
    spikes = [(_column(epochs, total), _column(epochs, train_spikes)) for epochs in runs.values()]
    every = [row["epoch"] for epochs in runs.values() for row in epochs]
    for axes, columns, spelling in ((left, percent, "{:.1f} %"), (right, spikes, "{:,.0f}")):
        labels = _pairs_of_curves(axes, runs, columns, spelling)
        values = np.concatenate([column for pair in columns for column in pair])
        if axes is left:
            _fit_percent(axes, values)
        else:
            _fit_scale(axes, values)
            _from_zero(axes)
        style.name_lines(axes, labels, least_gap=0.09)
        style.whole_numbers(axes, every)
    style.write(left, 0.97, 0.04, "pale: while training", to="bottom right")
    style.dress(left, x=_EPOCH, y="accuracy (%)")
    style.dress(right, x=_EPOCH, y="hidden spikes per image")


def _pairs_of_curves(
    axes: Axes,
    runs: Mapping[str, Sequence[Epoch]],
    columns: Sequence[tuple[np.ndarray, np.ndarray]],
    spelling: str,
) -> list[style.EndLabel]:
    """Draw what tests gave and, paler, what trainings did; returns labels of the tests."""
    labels = []
    for i, ((name, epochs), (tested, learned)) in enumerate(
        zip(runs.items(), columns, strict=True)
    ):
        colour = style.SERIES[i % len(style.SERIES)]
        numbers = [row["epoch"] for row in epochs]
        axes.plot(numbers, learned, color=colour, lw=1.0, alpha=0.45, label=f"{name}, train")
        labels.append(_curve(axes, epochs, tested, name, colour, spelling))
    return [label for label in labels if label]


def _trained_alone(epochs: Sequence[Epoch], value: Callable[[Epoch], float | None]) -> np.ndarray:
    """`_column` without the untrained network, which would take most of the height."""
    column = _column(epochs, value)
    if len(column) > 1:
        column[0] = _NOTHING
    return column


def _test_percent(row: Epoch) -> float:
    """Accuracy of the test."""
    return 100.0 * float(row["test_accuracy"])


def _train_percent(row: Epoch) -> float | None:
    """Accuracy while an epoch learned."""
    share = row["train_accuracy"]
    return None if share is None else 100.0 * share


def _hidden_spikes(axes: Axes, epochs: Sequence[Epoch]) -> None:
    """Spikes of all hidden layers, tested and while learning."""
    kinds = {"excitatory": style.EXCITATORY, "inhibitory": style.INHIBITORY, "total": style.INK}
    learning = _column(epochs, train_spikes)
    labels = [_curve(axes, epochs, learning, "total, train", style.QUIET, "{:,.0f}")]
    for kind, colour in kinds.items():
        values = _column(epochs, _entry("spikes_per_inference", kind))
        labels.append(_curve(axes, epochs, values, kind, colour, "{:,.0f}"))
    _from_zero(axes)
    drawn = [label for label in labels if label]
    if drawn:
        rate = f"\n= {epochs[-1]['rate_hz']:.3g} Hz per neuron"
        drawn[-1] = drawn[-1]._replace(text=drawn[-1].text + rate)
    style.name_lines(axes, drawn, least_gap=0.12)
    style.dress(axes, x=_EPOCH, y="hidden spikes per image")


def _spikes_of_layers(axes: Axes, epochs: Sequence[Epoch], each: Mapping[str, np.ndarray]) -> None:
    """Spikes of each layer in the test."""
    labels = [
        _curve(axes, epochs, column, name, style.SERIES[i % len(style.SERIES)], "{:,.0f}")
        for i, (name, column) in enumerate(each.items())
    ]
    _fit_scale(axes, np.concatenate(list(each.values())))
    _from_zero(axes)
    style.name_lines(axes, [label for label in labels if label])
    style.dress(axes, x=_EPOCH, y="spikes per image, each layer")


def train_spikes(row: Epoch) -> float | None:
    """Hidden spikes per image while an epoch learned; None before training, or not recorded."""
    spikes = row.get("train_spikes_per_inference")
    return None if spikes is None else float(spikes["total"])


def _of_layer(index: int) -> Callable[[Epoch], float | None]:
    """Reads the spikes of a hidden layer; rows of before may tell of more or fewer layers."""

    def entry(row: Epoch) -> float | None:
        layers: Sequence[float] = row["spikes_per_inference"].get("layers", ())
        return layers[index] if index < len(layers) else None

    return entry


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
    columns = min(len(before), _ROW)
    rows = -(-len(before) // columns)
    figure = style.sheet(5.0 * columns, 3.8 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(before) :]:
        axes.remove()
    for i, axes in enumerate(panels[: len(before)]):
        _histograms(axes, before[i], after[i], edges)
        title = f"{_layer_name(i, len(before))} ({np.size(after[i]):,} devices)"
        x, y = f"conductance ({MICROSIEMENS})", "" if i % columns else "devices"
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
    _fit_scale(axes, np.concatenate(list(columns.values())))
    _from_zero(axes)
    style.name_lines(axes, [label for label in labels if label])
    return letter


def _fit_percent(axes: Axes, values: np.ndarray) -> None:
    """Let the y axis hold values within 0 to 100 %, with a margin."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = max(2.0, 0.05 * (high - low))
    axes.set_ylim(max(low - margin, 0.0), min(high + margin, 100.0))


def _fit_scale(axes: Axes, values: np.ndarray) -> None:
    """Make the y axis logarithmic, 0 included, where positive values span decades."""
    positive = values[values > 0]
    if len(positive) and positive.max() > _WIDE * positive.min():
        decade = 10.0 ** np.floor(np.log10(positive.min()))
        axes.set_yscale("symlog", linthresh=decade, linscale=0.4)
        style.plain_ticks(axes.yaxis)
        axes.set_ylim(top=1.5 * positive.max())


def _from_zero(axes: Axes) -> None:
    """Let the y axis start at 0, and reach 1 where everything is 0."""
    highest = axes.dataLim.ymax
    axes.set_ylim(0.0, max(axes.get_ylim()[1], 1.05 * highest) if highest > 0.0 else 1.0)
