"""Draws test accuracy against hidden spikes and joules of an inference, with the Pareto front.

    xbar sweep examples/accuracy_against_cost.yaml
    python examples/accuracy_against_cost.py studies/accuracy_against_cost

A point is the mean over the seeds of a setting, its bars are 95 % intervals (Student). Joules are
those of `xbar estimate`, with typical constants.
"""

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator

from crossbar.api.estimation import CHIP, Estimating, estimate
from crossbar.energy.design_space import pareto_front
from crossbar.experiment.trials import TABLE
from crossbar.figures import style
from crossbar.metrics.statistics import student_interval
from crossbar.metrics.study import SEED
from device_models.errors import XbarError

SPIKES, JOULES = 1, 2  # rows of the results of a point
FRONT_COLOUR = style.HIGHLIGHT  # a colour means one thing in all figures
TICKS = (1.0, 2.0, 3.0, 4.0, 5.0, 7.0)  # of each decade


class Point(NamedTuple):
    """A setting; accuracy (%), hidden spikes and nanojoules as means and half intervals, (3,)."""

    name: str
    mean: np.ndarray
    half: np.ndarray


def main() -> None:
    """Estimate every run of a study, print a line for each setting and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("--chip", default=CHIP)
    parser.add_argument("--out", type=style.check_target, default="accuracy_against_cost.png")
    typed = parser.parse_args()
    with (typed.study / TABLE).open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["status"] == "done"]
    points = points_of(rows, joules_of(rows, typed.chip))
    figure = style.sheet(11.0, 4.4)
    left, right = figure.subplots(1, 2, sharey=True)
    draw(left, points, SPIKES, "hidden spikes per image")
    draw(right, points, JOULES, f"energy of an inference (nJ), {typed.chip}")
    left.set_ylabel("test accuracy (%)")
    style.save(figure, typed.out)
    front = {points[k].name for k in front_of(points, JOULES)}
    print(f"{'':32}{'accuracy (%)':>16}{'spikes':>8}{'nJ':>8}")
    for name, mean, half in points:
        star = " *" if name in front else ""
        accuracy = f"{mean[0]:.2f} +- {half[0]:.2f}"
        print(f"{name:32}{accuracy:>16}{mean[SPIKES]:8.4g}{mean[JOULES]:8.4g}{star}")
    print(f"* on the Pareto front of accuracy and energy; {typed.out}")


def joules_of(rows: Sequence[Mapping[str, Any]], chip: str) -> list[float]:
    """Joules of an inference of every run."""
    study = estimate([row["folder"] for row in rows], chips=(chip,), settings=Estimating(draws=0))
    return [run.estimate.joules.typical for run in study.runs]


def points_of(rows: Sequence[Mapping[str, Any]], joules: Sequence[float]) -> list[Point]:
    """One for each setting, over its seeds."""
    columns = [*rows[0]]  # trial, labels, status, results
    settings = [name for name in columns[1 : columns.index("status")] if name != SEED]
    groups = dict[str, list[tuple[float, float, float]]]()
    for row, energy in zip(rows, joules, strict=True):
        name = ", ".join(f"{n.removeprefix('network.')} {row[n]}" for n in settings if row[n])
        groups.setdefault(name, []).append(
            (100 * float(row["test_accuracy"]), float(row["hidden_spikes_per_inference"]),
             1e9 * energy)
        )  # fmt: skip
    return [Point(name, *student_interval(np.array(runs).T)) for name, runs in groups.items()]


def front_of(points: Sequence[Point], cost: int) -> np.ndarray:
    """The settings that no other one beats in accuracy and cost."""
    return pareto_front(np.array([(p.mean[cost], -p.mean[0]) for p in points]))


def draw(axes: Axes, points: Sequence[Point], cost: int, label: str) -> None:
    """Accuracy against one cost; the front is a line through its settings."""
    is_log = min(point.mean[cost] for point in points) > 0.0  # a silent network has no spike
    axes.set_xscale("log" if is_log else "linear")
    front = front_of(points, cost)
    axes.plot(
        [points[k].mean[cost] for k in front], [points[k].mean[0] for k in front],
        color=FRONT_COLOUR, linewidth=style.LINE_POINTS,
    )  # fmt: skip
    for k, (name, mean, half) in enumerate(points):
        colour = FRONT_COLOUR if k in front else style.INK
        axes.errorbar(
            mean[cost], mean[0], half[0], half[cost], fmt="o", color=colour, markersize=4, capsize=2
        )
        axes.annotate(
            name, (mean[cost], mean[0]), (5, -9), textcoords="offset points", color=colour,
            fontsize=style.TINY_POINTS,
        )  # fmt: skip
    style.dress(axes, x=label)
    if is_log:
        axes.xaxis.set_major_locator(LogLocator(subs=TICKS))
        style.plain_ticks(axes.xaxis)


if __name__ == "__main__":
    try:
        main()
    except XbarError as e:
        sys.exit(f"Error: {e}")
