"""Figure 2b to 2e: accuracy against the noise of programming, and what a ratio gains over 100:0."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from series import COLOURS, REFERENCE, Rows, by_trial, last_percent

from crossbar.figures import style
from crossbar.metrics.comparisons import STUDENT, Comparison, compare_means, holm
from crossbar.metrics.statistics import student_interval

Scores = Mapping[tuple[str, float], list[float]]  # ratio, noise -> percent of every seed


def draw(rows: Rows, published: Mapping[str, Any]) -> tuple[Figure, list[str]]:
    """The figure, and its lines beside the published ones.

    Args:
        rows: Of every epoch of every trial.
        published: `figure_2` of `published.yaml`.
    """
    scores = scores_of(rows)
    figure = style.sheet(11.0, 4.2)
    left, right = figure.subplots(1, 2, width_ratios=[3, 2])
    curves(left, scores, published["curves"])
    gains(right, scores, published["above_100_0"])
    return figure, [*table(scores, curves_of(published)), *gain_lines(scores, published)]


def scores_of(rows: Rows) -> dict[tuple[str, float], list[float]]:
    """Mean of the last ten epochs of every seed."""
    scores = dict[tuple[str, float], list[float]]()
    for epochs in by_trial(rows).values():
        key = str(epochs[0]["ei"]), float(epochs[0]["update_noise"])
        scores.setdefault(key, []).append(last_percent(epochs))
    return scores


def curves_of(published: Mapping[str, Any]) -> dict[tuple[str, float], float]:
    """Ratio and noise -> percent: the curves, and those of 2c to 2e relative to that of 80:20."""
    curves = {
        (ratio, noise): float(value)
        for ratio, points in published["curves"].items()
        for noise, value in points.items()
    }
    for noise, gained in published["above_100_0"].items():
        reference = curves["80:20", noise] - gained["80:20"]
        curves |= {(REFERENCE, noise): reference}
        curves |= {(ratio, noise): reference + gain for ratio, gain in gained.items()}
    return curves


def curves(axes: Axes, scores: Scores, published: Mapping[str, Mapping[float, float]]) -> None:
    """2b: a line for every ratio with its interval, published values as crosses."""
    ends = list[style.EndLabel]()
    for ratio in dict.fromkeys(ratio for ratio, _ in scores):
        noises = sorted(noise for r, noise in scores if r == ratio)
        means, halves = np.array([student_interval(scores[ratio, n]) for n in noises]).T
        colour = COLOURS[ratio]
        axes.errorbar(noises, means, halves, color=colour, marker="o", markersize=4, capsize=2)
        ends.append(style.EndLabel(float(means[-1]), ratio, colour))
        points = published.get(ratio, {})
        axes.plot([*points], [*points.values()], "x", color=colour, markersize=8)
    axes.set_ylim(0.0, 90.0)
    style.write(axes, 0.02, 0.06, "x: published, read off the plot; bars: 95 % over seeds")
    style.dress(
        axes, x="noise of an update / spread of the first weights",
        y="test accuracy, mean of the last 10 epochs (%)",
    )  # fmt: skip
    style.name_lines(axes, ends)


def gains(axes: Axes, scores: Scores, published: Mapping[float, Mapping[str, float]]) -> None:
    """2c to 2e: points above 100:0, with published values as crosses."""
    ticks = dict[str, float]()
    at = 0
    for noise, gained in published.items():
        there = [ratio for ratio in gained if (ratio, noise) in scores]
        for ratio in there:
            test, colour = gain_of(scores, ratio, noise), COLOURS[ratio]
            half = (test.high - test.low) / 2.0
            axes.bar(at, test.difference, 0.8, yerr=half, color=colour, capsize=2, ecolor=style.INK)
            axes.plot(at, gained[ratio], "x", color=style.INK, markersize=8)
            at += 1
        ticks[f"{noise:g}"] = at - (len(there) + 1) / 2.0
        at += 1
    axes.axhline(0.0, color=style.QUIET, linewidth=style.HAIR_POINTS)
    style.dress(axes, x="noise, colours as left", y=f"accuracy above {REFERENCE} (points)")
    axes.set_xticks([*ticks.values()], [*ticks])
    axes.grid(visible=False, axis="x")


def table(scores: Scores, published: Mapping[tuple[str, float], float]) -> list[str]:
    """Lines for people: accuracy with its interval, and what was published."""
    lines = ["E:I     noise   xbar              published"]
    misses = list[float]()
    for (ratio, noise), values in sorted(scores.items()):
        mean, half = student_interval(values)
        line = f"{ratio:7} {noise:5g}   {mean:5.1f} +- {half:4.1f} %"
        if (ratio, noise) in published:
            misses.append(float(mean) - published[ratio, noise])
            line += f"   {published[ratio, noise]:5.1f} %"
        lines.append(line)
    lines.append(f"mean of the distances: {np.mean(np.abs(misses)):.1f} points of {len(misses)}")
    return lines


def gain_of(scores: Scores, ratio: str, noise: float) -> Comparison:
    """Of a ratio over 100:0, the test of the paper."""
    return compare_means(scores[REFERENCE, noise], scores[ratio, noise], STUDENT)


def gain_lines(scores: Scores, published: Mapping[str, Any]) -> list[str]:
    """Lines for people: points above 100:0, p as published (equal variances) and corrected."""
    compared = [
        (ratio, noise, value, gain_of(scores, ratio, noise))
        for noise, gained in published["above_100_0"].items()
        for ratio, value in gained.items()
        if (ratio, noise) in scores
    ]
    corrected = holm([test.p for *_, test in compared])
    return [
        f"{ratio} at {noise:g}: {test.difference:+.1f} points above {REFERENCE} "
        f"({test.low:+.1f} to {test.high:+.1f}), published {value:+.1f}; "
        f"p {test.p:.2g}, corrected {p:.2g}"
        for (ratio, noise, value, test), p in zip(compared, corrected, strict=True)
    ]
