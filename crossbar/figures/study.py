"""Pictures of a study: what its trials came to, with intervals over seeds."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from ..metrics.study import Point, axis_of, number_of
from . import style

PANELS = (  # result, factor, label
    ("test_accuracy", 100.0, "test accuracy (%)"),
    ("hidden_spikes_per_inference", 1.0, "hidden spikes per image"),
)
MOST_LINES = 12


def curves(points: Sequence[Point]) -> Figure | None:
    """Accuracy and spikes against the label with the most numbers, a line for each of the others.

    Bars are 95 % intervals (Student) over seeds. None where no label is a number or lines are many.
    """
    across = axis_of(points)
    if across is None:
        return None
    lines = dict[str, list[tuple[float, Point]]]()
    for point in points:
        at = number_of(point.labels[across])
        name = ", ".join(f"{n} {v}" for n, v in point.labels.items() if n != across)
        if at is not None:
            lines.setdefault(name, []).append((at, point))
    if len(lines) > MOST_LINES:
        return None
    figure = style.sheet(9.0, 3.6)
    for axes, (result, factor, label) in zip(figure.subplots(1, 2), PANELS, strict=True):
        ends = list[style.EndLabel]()
        for k, (name, members) in enumerate(lines.items()):
            colour = style.SERIES[k % len(style.SERIES)]
            dashes = "-" if k < len(style.SERIES) else "--"
            ordered = sorted(members, key=lambda pair: pair[0])
            heights = [factor * point.mean[result] for _, point in ordered]
            bars = [factor * point.half[result] for _, point in ordered]
            axes.errorbar(
                [x for x, _ in ordered], heights, bars, color=colour, linestyle=dashes, marker="o",
                markersize=4, capsize=2, linewidth=style.LINE_POINTS,
            )  # fmt: skip
            ends.append(style.EndLabel(heights[-1], name, colour))
        style.dress(axes, x=label_of(across, points), y=label)
        if result == PANELS[-1][0] and len(lines) > 1:
            style.name_lines(axes, ends)
    return figure


def label_of(name: str, points: Sequence[Point]) -> str:
    """The name of an axis; a ratio is drawn as its excitatory share."""
    is_ratio = any(":" in point.labels[name] for point in points)
    return f"{name}: share of excitatory neurons" if is_ratio else name
