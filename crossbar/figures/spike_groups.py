"""Pictures of several runs: what they came to by group, and how far groups are from the control."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..metrics.comparisons import WELCH
from ..metrics.spike_distances import PAIRS
from ..metrics.statistics import student_interval
from . import style
from .spikes import PAIR_COLOURS

Row = Mapping[str, Any]
PANELS = (  # result, factor, label
    ("test_accuracy", 100.0, "test accuracy (%)"),
    ("hidden_spikes_per_image", 1.0, "hidden spikes per image"),
    ("excitatory_percent", 1.0, "excitatory spikes (%)"),
    ("rate_hz", 1.0, "rate of a hidden neuron (Hz)"),
)
NAMES = {name: label.split(" (")[0] for name, _, label in PANELS} | {
    "epochs_to_converge": "epochs to converge",
    **{f"distance_{form}_{pair}": f"{pair} distance, {form}"
       for form in ("published", "textbook") for pair in PAIRS},
}  # fmt: skip
MOST_GROUPS = 14
MOST_EFFECTS = 60


def groups(runs: Sequence[Row], compare: str, others: Sequence[str]) -> Figure:
    """Every run, and the mean of its group with the 95 % interval (Student) over its runs.

    Args:
        runs: Rows of `runs.csv`.
        compare: Label whose values are the groups.
        others: Labels whose values have a colour each.
    """
    figure = style.sheet(12.0, 6.4)
    panels = figure.subplots(2, 3).ravel()
    values = list(dict.fromkeys(str(run[compare]) for run in runs))
    strata = list(dict.fromkeys(tuple(str(run[n]) for n in others) for run in runs))
    for axes, (result, factor, label) in zip(panels, PANELS, strict=False):
        for k, stratum in enumerate(strata):
            inside = [r for r in runs if tuple(str(r[n]) for n in others) == stratum]
            colour = style.SERIES[k % len(style.SERIES)]
            offset = 0.5 * (k - (len(strata) - 1) / 2) / max(1, len(strata))
            points = [
                (x + offset, [factor * r[result] for r in inside if str(r[compare]) == value])
                for x, value in enumerate(values)
            ]
            _points(axes, points, colour)
        _name(axes, values, compare, label)
    for axes, form in zip(panels[len(PANELS) :], ("published", "textbook"), strict=True):
        for k, pair in enumerate(PAIRS):
            offset = 0.22 * (k - 1)
            points = [
                (x + offset, [r[f"distance_{form}_{pair}"] for r in runs if str(r[compare]) == v])
                for x, v in enumerate(values)
            ]
            _points(axes, points, PAIR_COLOURS[pair])
            style.write(axes, 0.02 + 0.13 * k, 1.0, pair, PAIR_COLOURS[pair], to="bottom left")
        squared = ", squared" if form == "textbook" else ""
        _name(axes, values, compare, f"Van Rossum distance, {form}{squared}")
    if strata != [()]:
        names = [", ".join(f"{n} {v}" for n, v in zip(others, s, strict=True)) for s in strata]
        colours = [style.SERIES[k % len(style.SERIES)] for k in range(len(strata))]
        figure.legend(
            handles=[Patch(color=c, label=n) for c, n in zip(colours, names, strict=True)],
            loc="outside upper left", ncols=4, frameon=False, fontsize=style.SMALL_POINTS,
        )  # fmt: skip
    return figure


def _points(axes: Axes, points: Sequence[tuple[float, Sequence[float]]], colour: str) -> None:
    """Runs as pale points, their mean and its interval."""
    for x, values in points:
        finite = [value for value in values if np.isfinite(value)]
        if not finite:
            continue
        mean, half = student_interval(finite)
        axes.plot(np.full(len(finite), x), finite, "o", color=colour, alpha=0.35, markersize=4)
        axes.errorbar(x, mean, half, color=colour, marker="_", markersize=11, capsize=3, lw=1.4)


def _name(axes: Axes, values: Sequence[str], compare: str, label: str) -> None:
    """Labels of a panel of groups."""
    shown = values if len(values) <= MOST_GROUPS else []
    axes.set_xticks(range(len(shown)), shown)
    axes.set_xlim(-0.6, len(values) - 0.4)
    style.dress(axes, x=compare, y=label)


def effects(tests: Sequence[Row]) -> Figure | None:
    """Effect sizes of the groups against the control, with 95 % intervals and corrected p values.

    Args:
        tests: Rows of `statistics.csv`; Welch's are drawn.
    """
    drawn = [
        row for row in tests
        if row["test"] == WELCH and row["samples_are"] == "runs" and np.isfinite(row["effect"])
    ][:MOST_EFFECTS]  # fmt: skip
    if not drawn:
        return None
    figure = style.sheet(9.5, 0.24 * len(drawn) + 1.3)
    axes = figure.subplots()
    for y, row in enumerate(drawn):
        is_clear = row["p_holm"] < 0.05
        colour = style.INK if is_clear else style.QUIET
        axes.plot([row["effect_low"], row["effect_high"]], [y, y], color=colour, lw=1.5)
        axes.plot(row["effect"], y, "o", color=colour, markersize=5,
                  markerfacecolor=colour if is_clear else "white")  # fmt: skip
        axes.text(
            1.01, y, f"p {row['p']:.2g}, Holm {row['p_holm']:.2g}", color=colour, va="center",
            transform=axes.get_yaxis_transform(), fontsize=style.TINY_POINTS,
        )  # fmt: skip
    axes.axvline(0.0, color=style.QUIET, lw=1.0)
    axes.set_ylim(len(drawn) - 0.5, -0.5)
    control = drawn[0]["groups"].split(" | ")[0]
    style.dress(axes, x=f"effect against {control}: Hedges' g (standard deviations), 95 % interval",
                title="Filled: p < 0.05 after Holm's correction")  # fmt: skip
    names = []
    for row in drawn:
        where = "" if row["where"] == "all" else f" ({row['where']})"
        other = row["groups"].split(" | ")[1]
        names.append(f"{other}: {NAMES.get(row['result'], row['result'])}{where}")
    style.name_rows(axes, names)
    axes.tick_params(axis="y", labelsize=style.TINY_POINTS)
    return figure
