"""What neurons of the first layer look for: their weights, drawn where the lines of images are."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from . import style

MOST = 40  # fields of a panel
SHARE = 99.5  # percent of the weights that lie within the colours
ASPECT = 1.6  # columns to rows of a panel


def before_and_after(before: np.ndarray, after: np.ndarray, *, kind: str = "neurons") -> Figure:
    """The receptive fields of a layer before and after training, side by side.

    Each panel has colours of its own, the same on both sides of 0. Of more than `MOST` fields some
    are drawn, evenly spaced over the layer.

    Args:
        before: Weights of every neuron or kernel, (fields, rows, columns) of a grey image or
            (fields, 3, rows, columns): red, green, blue; any unit.
        after: As `before`.
        kind: What has the fields, as a plural.
    """
    rows, columns = _grid(len(style.evenly(len(before), MOST)))
    figure = style.sheet(10.0, 1.2 + 4.2 * rows / columns * before.shape[-2] / before.shape[-1])
    panels = figure.subplots(1, 2, gridspec_kw={"wspace": 0.08})
    for axes, fields, title in zip(
        panels, (before, after), ("Before training", "After training"), strict=True
    ):
        draw(figure, axes, fields, kind=kind, title=title)
    return figure


def draw(
    figure: Figure, axes: Axes, fields: np.ndarray, *, kind: str, title: str, most: int = MOST
) -> None:
    """The fields of one moment in one panel, at most so many; others as `before_and_after`."""
    chosen = style.evenly(len(fields), most)
    limit = float(np.percentile(np.abs(fields[chosen]), SHARE)) or 1.0
    columns = _grid(len(chosen))[1]
    if fields.ndim == 4:
        _draw_colours(axes, fields[chosen], limit, columns)
    else:
        image = axes.imshow(
            style.mosaic(fields[chosen], columns), cmap=style.SIGNED_MAP, vmin=-limit, vmax=limit,
            interpolation="nearest",
        )  # fmt: skip
        style.colour_bar(figure, image, axes, "weight (a.u.)")
    size = " x ".join(map(str, fields.shape[-2:]))
    count = f"{len(chosen)} of {len(fields)}" if len(chosen) < len(fields) else f"{len(fields)}"
    label = f"{count} {kind}, {size} pixels each"
    if fields.ndim == 4:
        label += f"\ngrey: weight 0, full colour: \N{PLUS-MINUS SIGN}{limit:.2g} (a.u.)"
    style.bare(axes, x=label, title=title)


def _grid(fields: int) -> tuple[int, int]:
    """Rows and columns of a panel of so many fields."""
    columns = min(int(np.ceil(np.sqrt(ASPECT * fields))), fields)
    return -(-fields // columns), columns


def _draw_colours(axes: Axes, fields: np.ndarray, limit: float, columns: int) -> None:
    """Weights of red, green and blue as these: 0 is grey, `limit` the full colour."""
    shares = np.clip(0.5 + 0.5 * fields.transpose(0, 2, 3, 1) / limit, 0.0, 1.0)
    axes.imshow(np.nan_to_num(style.mosaic(shares, columns), nan=1.0), interpolation="nearest")


def of_weights(weights: np.ndarray, shape: Sequence[int]) -> np.ndarray | None:
    """Weights of a layer as `before_and_after` takes them; None where its lines are no image.

    Args:
        weights: (rows, outputs), the rows of the lines first; others are left out.
        shape: Of the lines: (rows, columns) or (channels, rows, columns).
    """
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[0] not in (1, 3)):
        return None
    lines = weights[: int(np.prod(shape))].T
    channels, *size = (1, *shape)[-3:]
    return lines.reshape(-1, *size) if channels == 1 else lines.reshape(-1, channels, *size)
