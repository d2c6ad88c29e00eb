"""Rows of `epochs.csv` of a study as numbers of its trials, and the colours of E:I ratios."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Rows = Sequence[Mapping[str, Any]]
COLOURS = {
    "50:50": "#332288", "70:30": "#999933", "75:25": "#CC6677", "80:20": "#117733",
    "90:10": "#AA4499", "95:5": "#44AA99", "100:0": "#24292F",
}  # fmt: skip
REFERENCE = "100:0"  # what the other ratios are compared with
LAST = 10  # epochs whose mean is the score of figure 2


def by_trial(rows: Rows) -> dict[str, list[Mapping[str, Any]]]:
    """Name of a trial -> its epochs, from the untrained network on."""
    trials = dict[str, list[Mapping[str, Any]]]()
    for row in rows:
        trials.setdefault(str(row["trial"]), []).append(row)
    return {name: sorted(t, key=lambda row: int(row["epoch"])) for name, t in trials.items()}


def last_percent(epochs: Rows) -> float:
    """Mean test accuracy of the last ten epochs."""
    return percent(epochs[-LAST:], lambda values: sum(values) / len(values))


def best_percent(epochs: Rows) -> float:
    """Best test accuracy of all epochs."""
    return percent(epochs, max)


def percent(epochs: Rows, of: Callable[[list[float]], float]) -> float:
    """A statistic of the test accuracies of some epochs."""
    return 100.0 * of([float(row["test_accuracy"]) for row in epochs])
