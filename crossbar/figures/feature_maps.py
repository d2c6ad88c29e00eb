"""One image on its way through convolutions: the spikes of every map, then those of all classes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style
from .raster import class_colours, show_image, spike_times, tick_points

MOST = 64  # channels of a panel
ROW = 4  # panels, and 3 where there are more


class LayerSpikes(NamedTuple):
    """What a layer sent while it was shown the image.

    Attributes:
        name: Of the layer.
        spikes: (steps, neurons) bool, or (steps, channels, rows, columns) of maps.
    """

    name: str
    spikes: np.ndarray


def feature_maps(
    image: np.ndarray,
    layers: Sequence[LayerSpikes],
    label: int,
    class_names: Sequence[str],
    dt_seconds: float,
) -> Figure:
    """An image, the spikes of every map over all steps, rasters of the layers behind.

    Of more than `MOST` channels some are drawn, evenly spaced. The spikes of the output, if it
    sends any, are counted by class.

    Args:
        image: (rows, columns) uint8, or (3, rows, columns): red, green, blue.
        layers: From the first convolution on; an output that spikes is called `output`.
        label: The true class.
        class_names: Names of the classes.
        dt_seconds: Length of a step.
    """
    draws: list[Callable[[Axes], None]] = [
        partial(show_image, image=image, title=class_names[label])
    ]
    columns = min(len(layers) + 1, ROW) if len(layers) < ROW else ROW - 1
    rows = -(-(len(layers) + 1) // columns)
    figure = style.sheet(3.6 * columns, 3.3 * rows)
    for layer in layers:
        if layer.name == "output":
            counts = layer.spikes.sum(0)
            draws.append(partial(_counts, counts=counts, label=label, class_names=class_names,
                                 steps=len(layer.spikes)))  # fmt: skip
        elif layer.spikes.ndim == 4:
            draws.append(partial(_maps, figure=figure, layer=layer))
        else:
            draws.append(partial(_raster, layer=layer, step_ms=dt_seconds * 1e3))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(draws) :]:
        axes.remove()
    for axes, draw in zip(panels, draws, strict=False):
        draw(axes)
    return figure


def _maps(axes: Axes, *, figure: Figure, layer: LayerSpikes) -> None:
    """Spikes of each position of every channel."""
    counts = layer.spikes.sum(0)
    chosen = style.evenly(len(counts), MOST)
    columns = int(np.ceil(np.sqrt(len(chosen))))
    image = axes.imshow(
        style.mosaic(counts[chosen], columns), cmap=style.MAP, vmin=0, vmax=max(counts.max(), 1),
        interpolation="nearest",
    )  # fmt: skip
    style.colour_bar(figure, image, axes, f"spikes in {len(layer.spikes)} steps")
    count = f"{len(chosen)} of {len(counts)}" if len(chosen) < len(counts) else f"{len(counts)}"
    rows, across = counts.shape[1:]
    style.bare(
        axes, x=f"{count} channels, {rows} x {across} neurons each",
        title=f"{layer.name.capitalize()}: {counts.sum():,} spikes",
    )  # fmt: skip


def _raster(axes: Axes, *, layer: LayerSpikes, step_ms: float) -> None:
    """When each neuron of a layer spikes."""
    steps, neurons = layer.spikes.shape
    times, rows = np.nonzero(layer.spikes)
    spike_times(axes, times * step_ms, rows, style.INK, tick_points(neurons))
    axes.set(xlim=(-0.5 * step_ms, steps * step_ms), ylim=(neurons - 0.5, -1.0))
    style.dress(
        axes, x="time (ms)", y="neuron", title=f"{layer.name.capitalize()}: {len(times):,} spikes"
    )


def _counts(
    axes: Axes, *, counts: np.ndarray, label: int, class_names: Sequence[str], steps: int
) -> None:
    """Spikes of the output neuron of every class."""
    colours = class_colours(len(counts), int(counts.argmax()), label)
    axes.barh(range(len(counts)), counts, color=[colours[k] for k in range(len(counts))])
    axes.set(xlim=(0, steps), ylim=(len(counts) - 0.5, -0.5))
    style.dress(axes, x=f"spikes in {steps} steps", title=f"Output: {counts.sum():,} spikes")
    style.name_rows(axes, class_names)
