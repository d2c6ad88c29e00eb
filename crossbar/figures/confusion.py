"""Which classes a network takes for which."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from device_models.errors import RunError

from . import style

_MOST_NUMBERS = 24  # classes beyond which the cells are too small for numbers
_DARK = 0.55  # share above which numbers are written in black: the map is light there
_INCHES = 0.42  # of a cell


def confusion(counts: np.ndarray, class_names: Sequence[str]) -> Figure:
    """Percent of the samples of each class (a row) that were taken for each class.

    Args:
        counts: (classes, classes), rows what samples are, columns what they were taken for.
        class_names: Of both.

    Raises:
        RunError: The counts are not those of the classes.
    """
    counts, classes = np.asarray(counts, np.float64), len(class_names)
    if counts.shape != (classes, classes):
        raise RunError(f"counts are {counts.shape} of {classes} classes; nothing was drawn")
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1.0)
    side = 1.9 + _INCHES * min(max(classes, 6), 2 * _MOST_NUMBERS)
    figure = style.sheet(side + 1.0, side)
    axes = figure.subplots()
    image = axes.imshow(100.0 * share, cmap=style.MAP, vmin=0.0, vmax=100.0)
    right = np.trace(counts) / max(counts.sum(), 1.0)
    style.dress(
        axes, x="taken for", y="class", title=f"{right:.1%} of {int(counts.sum()):,} samples right"
    )
    axes.grid(visible=False)
    places, names = np.arange(classes), [style.literal(name) for name in class_names]
    axes.set_xticks(places, names, rotation=90, fontsize=style.SMALL_POINTS)
    axes.set_yticks(places, names, fontsize=style.SMALL_POINTS)
    if classes <= _MOST_NUMBERS:
        for (row, column), part in np.ndenumerate(share):
            if part >= 0.005:
                colour = style.INK if part > _DARK else "white"
                axes.text(
                    column, row, f"{100.0 * part:.0f}", color=colour, ha="center", va="center",
                    fontsize=style.TINY_POINTS,
                )  # fmt: skip
    style.colour_bar(figure, image, axes, "samples of the class (%)")
    return figure
