"""The look of every figure: colours, sizes, axes, labels beside the lines, and how one is saved.

The colours are told apart by colour-blind readers (M. Okabe and K. Ito, "Color Universal Design",
2008; P. Tol, "Colour Schemes", SRON, 2021). A colour means one thing in all figures.
"""

import io
import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.axis import Axis, Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullFormatter

from device_models import atomic
from device_models.errors import ConfigError
from device_models.printable import printable

EXCITATORY = "#D55E00"
INHIBITORY = "#0072B2"
SET = "#882255"
RESET = "#2A9D8F"
HIGHLIGHT = "#E69F00"
INK = "#24292F"
QUIET = "#8C959F"
FAINT = "#C9CFD6"
GRID = "#E8EBEE"
SERIES = ("#332288", "#CC6677", "#117733", "#AA4499", "#999933", "#44AA99")  # without a meaning

MAP = "cividis"  # of values from 0 on: even in lightness, and the same to colour-blind readers
SIGNED_MAP = LinearSegmentedColormap.from_list(  # below 0, 0, above
    "signed", ["#08306B", INHIBITORY, "#FFFFFF", EXCITATORY, "#662200"]
).with_extremes(bad=FAINT)

TEXT_POINTS = 10.5
SMALL_POINTS = 9.5
TINY_POINTS = 8.0
TITLE_POINTS = 11.0
LINE_POINTS = 1.8
HAIR_POINTS = 0.6
DOTS_PER_INCH = 150
MOST_MARKERS = 40  # points of a line beyond which they are no longer marked


class EndLabel(NamedTuple):
    """A name to write at the right end of a line that ends at height `y` (data units)."""

    y: float
    text: str
    colour: str


def sheet(width_inches: float, height_inches: float, about: str = "") -> Figure:
    """An empty figure that arranges its axes so that no text is cut off; `about` stands on top."""
    size = (width_inches, height_inches)
    figure = Figure(figsize=size, dpi=DOTS_PER_INCH, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    if about:
        figure.suptitle(about, x=0.01, ha="left", fontsize=TITLE_POINTS, color=QUIET)
    return figure


def dress(axes: Axes, *, x: str = "", y: str = "", title: str = "") -> None:
    """Give axes their labels, a light grid and no box.

    Args:
        axes: What to dress. Set the scale of its axes before: a new scale brings its own ticks.
        x: Quantity and unit, for example `time (ms)`.
        y: As `x`.
        title: One line, left-aligned.
    """
    axes.set_xlabel(x, fontsize=TEXT_POINTS, color=INK)
    axes.set_ylabel(y, fontsize=TEXT_POINTS, color=INK)
    if title:
        axes.set_title(title, loc="left", fontsize=TITLE_POINTS, color=INK, fontweight="bold")
    axes.tick_params(which="both", labelsize=SMALL_POINTS, color=FAINT, labelcolor=INK)
    axes.tick_params(which="minor", length=2)
    axes.grid(visible=True, which="major", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)


def bare(axes: Axes, *, x: str = "", title: str = "") -> None:
    """Dress axes of a picture: no ticks and no grid, what it shows below it."""
    dress(axes, x=x, title=title)
    axes.grid(visible=False)
    axes.set(xticks=[], yticks=[])
    axes.spines[["left", "bottom"]].set_visible(False)


def colour_bar(figure: Figure, image: ScalarMappable, axes: Axes, label: str) -> None:
    """What the colours of a picture mean, right of it.

    Args:
        figure: Of the axes.
        image: The picture.
        axes: Its axes.
        label: Quantity and unit.
    """
    # Inside the axes' own coordinates, so that it is as high as the picture, whatever its shape.
    bar = figure.colorbar(image, cax=axes.inset_axes((1.03, 0.0, 0.035, 1.0)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL_POINTS, color=FAINT, labelcolor=INK)
    bar.set_label(label, fontsize=TEXT_POINTS, color=INK)
    if isinstance(image.norm, LogNorm):
        plain_ticks(bar.ax.yaxis)


def mosaic(pictures: np.ndarray, columns: int) -> np.ndarray:
    """Pictures of one size side by side, row by row, with gaps of nan.

    Args:
        pictures: (pictures, rows, columns, ...).
        columns: Pictures of a row.

    Returns:
        (rows, columns, ...) float64.
    """
    count, height, width, *more = pictures.shape
    gap = max(1, height // 10)
    rows = -(-count // columns)
    whole = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, *more), np.nan)
    for number, picture in enumerate(pictures):
        y, x = number // columns * (height + gap), number % columns * (width + gap)
        whole[y : y + height, x : x + width] = picture
    return whole


def evenly(count: int, most: int) -> np.ndarray:
    """Numbers of at most so many of `count` things, evenly spaced, the first and last included."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name rows 0, 1, 2, ... at the y axis, without ticks and grid lines; call `dress` before."""
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def plain_ticks(axis: Axis) -> None:
    """Write the ticks of a logarithmic axis as 1, 10, 100 instead of powers."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def whole_numbers(axes: Axes, numbers: Sequence[int]) -> None:
    """Ticks of the x axis at whole numbers only, with a little margin around `numbers`."""
    low, high = min(numbers), max(numbers)
    margin = 0.03 * (high - low) or 0.5
    axes.set_xlim(low - margin, high + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=11, integer=True, min_n_ticks=1))


def write(axes: Axes, x: float, y: float, text: str, colour: str = QUIET, *, to: str = "") -> None:
    """A note inside the axes at a fraction (x, y) of them.

    Args:
        axes: Where.
        x: Fraction of the width, from the left.
        y: Fraction of the height, from below.
        text: What.
        colour: Of the text.
        to: `vertical horizontal` alignment of the text; `top left` if empty.
    """
    vertical, horizontal = (to or "top left").split()
    axes.text(
        x, y, text, color=colour, fontsize=SMALL_POINTS, transform=axes.transAxes,
        va=vertical, ha=horizontal,
    )  # fmt: skip


def name_lines(axes: Axes, labels: Sequence[EndLabel], *, least_gap: float = 0.075) -> None:
    """Write the names of lines right of the axes, moved apart where they would overlap.

    Args:
        axes: Its limits and scales must be final.
        labels: One per line.
        least_gap: Smallest distance of two names, fraction of the height.
    """
    scale, limits = axes.yaxis.get_transform(), axes.get_ylim()
    low, high = (float(scale.transform(limit)) for limit in limits)
    heights = [(float(scale.transform(label.y)) - low) / (high - low) for label in labels]
    order = sorted(range(len(labels)), key=heights.__getitem__)
    positions = spread([heights[i] for i in order], least_gap)
    for i, y in zip(order, positions, strict=True):
        write(axes, 1.015, y, labels[i].text, labels[i].colour, to="center left")


def spread(wanted: Sequence[float], least_gap: float) -> list[float]:
    """Positions nearest to the ascending `wanted` that are `least_gap` apart.

    Groups that touch are merged and centred on the mean of what their members wanted; the lowest
    stays above 0 and the highest below 1, where there is room for all.
    """
    groups: list[list[float]] = []
    for position in wanted:
        groups.append([position])
        while len(groups) > 1 and _lowest(groups[-1], least_gap) < least_gap + _lowest(
            groups[-2], least_gap
        ) + least_gap * (len(groups[-2]) - 1):
            last = groups.pop()
            groups[-1] += last
    return [
        _lowest(group, least_gap) + i * least_gap for group in groups for i in range(len(group))
    ]


def _lowest(group: Sequence[float], gap: float) -> float:
    """Position of the first name of a group."""
    length = (len(group) - 1) * gap
    return max(min(sum(group) / len(group) - length / 2, 1.0 - length), 0.0)


def literal(text: str) -> str:
    """A text that matplotlib writes as it is: a `$` of a name begins no formula."""
    return re.sub(r"(?<!\\)\$", r"\\$", printable(text))


def make_literal(figure: Figure) -> None:
    """Make all text of a figure `literal`, but for the numbers at its ticks."""
    parts = figure.findobj()  # once: a walk makes all ticks
    for axis in (part for part in parts if isinstance(part, Axis)):
        if isinstance(axis.get_major_locator(), FixedLocator):
            names = [label.get_text() for label in axis.get_ticklabels()]
            if names != (plain := [literal(name) for name in names]):
                axis.set_ticklabels(plain)
    ticks = {id(part) for tick in parts if isinstance(tick, Tick) for part in tick.get_children()}
    for artist in (part for part in parts if isinstance(part, Text)):
        text = artist.get_text()
        if id(artist) not in ticks and text != literal(text):
            artist.set_text(literal(text))


def png(figure: Figure, *, dots: int = DOTS_PER_INCH) -> bytes:
    """A figure as PNG; the same numbers give the same bytes.

    Args:
        figure: What is drawn.
        dots: Per inch.
    """
    figure.set_dpi(dots)
    return _arranged_png(figure)


def _arranged_png(figure: Figure) -> bytes:
    """A figure as PNG, arranged and drawn once; `savefig` draws twice.

    Without the name of the program in it, the same numbers give the same bytes.
    """
    make_literal(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
        figure.set_layout_engine("none")
    content = io.BytesIO()
    FigureCanvasAgg(figure).print_png(content, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return content.getvalue()


def png_and_svg(figure: Figure) -> tuple[bytes, bytes]:
    """A figure as PNG and as SVG, arranged once; the same numbers, the same bytes."""
    raster, vector = _arranged_png(figure), io.BytesIO()
    with rc_context({"svg.hashsalt": "xbar"}):  # else the names inside are drawn by chance
        FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
            vector, metadata={"Date": None, "Creator": None}
        )
    return raster, vector.getvalue()


def check_target(path: str | PathLike[str]) -> Path:
    """The path, if a figure may be written there as far as can be told without writing.

    Raises:
        ConfigError: It does not end in `.png`, is a folder, or lies in none that can be written.
    """
    target = Path(path)
    try:
        is_folder, has_folder = target.is_dir(), target.parent.is_dir()
    except OSError as e:  # no right to look, or a name that is too long
        raise ConfigError(f"{target}: {e.strerror or e}; no figure was written") from e
    if is_folder:
        raise ConfigError(f"{target} is a folder; name a .png file; no figure was written")
    if target.suffix.lower() != ".png":
        raise ConfigError(f"{target} must end in .png; no figure was written")
    if not has_folder:
        raise ConfigError(f"there is no folder {target.parent}; no figure was written")
    if not atomic.can_be_written(target.parent):
        raise ConfigError(f"{target}: permission denied; no figure was written")
    return target


def save(figure: Figure, path: str | PathLike[str], *, dots: int = DOTS_PER_INCH) -> None:
    """Write a figure as PNG; nobody ever sees half a file, and a failure leaves none.

    Args:
        figure: What is written.
        path: Where to.
        dots: Per inch.

    Raises:
        ConfigError: As for `check_target`, or the file cannot be written.
    """
    target = check_target(path)
    try:
        atomic.write(target, png(figure, dots=dots))
    except OSError as e:
        raise ConfigError(f"{target}: {e.strerror or e}; no figure was written") from e
