"""Beyond the paper: accuracy against the E:I ratio on measured devices, a line for every policy."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from series import REFERENCE, Rows, by_trial, percent

from crossbar.figures import style
from crossbar.metrics.comparisons import WELCH, compare_means, holm
from crossbar.metrics.statistics import student_interval

Scores = Mapping[str, Mapping[str, list[float]]]  # rule -> ratio -> percent of every seed


def draw(rows: Rows, published: Mapping[str, Any]) -> tuple[Figure, list[str]]:
    """The figure, and what each ratio gains over 100:0 under each rule.

    Args:
        rows: Of every epoch of every trial.
        published: Nothing: the paper has no such devices.
    """
    scores = scores_of(rows)
    figure = style.sheet(8.0, 4.2)
    axes = figure.subplots()
    ends = list[style.EndLabel]()
    for colour, (rule, ratios) in zip(style.SERIES, scores.items(), strict=False):
        shares = [float(ratio.split(":")[0]) for ratio in ratios]
        means, halves = np.array([student_interval(values) for values in ratios.values()]).T
        axes.errorbar(shares, means, halves, color=colour, marker="o", markersize=4, capsize=2)
        ends.append(style.EndLabel(float(means[-1]), rule, colour))
    style.dress(axes, x="excitatory neurons (%)", y="test accuracy, last epoch (%)")
    style.name_lines(axes, ends)
    return figure, gains(scores)


def scores_of(rows: Rows) -> dict[str, dict[str, list[float]]]:
    """Accuracy of the last epoch of every seed, by rule and ratio."""
    scores = dict[str, dict[str, list[float]]]()
    for epochs in by_trial(rows).values():
        last = epochs[-1]
        of_rule = scores.setdefault(rule_of(last), {})
        of_rule.setdefault(str(last["ei"]), []).append(percent(epochs[-1:], max))
    return scores


def rule_of(row: Mapping[str, Any]) -> str:
    """`exact weights`, `closed_loop` or `accumulate, as published`."""
    if str(row["device"]).startswith("ideal"):
        return "exact weights"
    return f"{row['policy']}, as published" if row.get("network") else str(row["policy"])


def gains(scores: Scores) -> list[str]:
    """Lines for people: points above 100:0, with p values corrected for all of them (Holm)."""
    compared = [
        (rule, ratio, compare_means(ratios[REFERENCE], values, WELCH))
        for rule, ratios in scores.items()
        for ratio, values in ratios.items()
        if ratio != REFERENCE
    ]
    corrected = holm([test.p for *_, test in compared])
    return [
        f"{rule:25} {ratio:6} {test.means[1]:5.2f} %, {test.difference:+5.2f} points above "
        f"{REFERENCE} ({test.low:+.2f} to {test.high:+.2f}), p {test.p:.2g}, corrected {p:.2g}"
        for (rule, ratio, test), p in zip(compared, corrected, strict=True)
    ]
