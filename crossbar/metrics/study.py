"""Rows of a study, gathered over their seeds."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .statistics import student_interval

SEED = "seed"


class Point(NamedTuple):
    """Trials that differ in their seed alone.

    Attributes:
        labels: What tells them from the others.
        trials: Names of those that are finished.
        mean: Result -> mean over them.
        half: Result -> half of its 95 % interval (Student); 0 of one trial.
    """

    labels: Mapping[str, str]
    trials: tuple[str, ...]
    mean: Mapping[str, float]
    half: Mapping[str, float]


def gathered(
    rows: Sequence[Mapping[str, Any]], names: Sequence[str], results: Sequence[str]
) -> list[Point]:
    """One point for each combination of labels but the seed, in the order of the rows.

    Args:
        rows: Of trials; those that are not done are left out.
        names: Of the labels; a trial that lacks one has an empty text there.
        results: Columns to take the means of.
    """
    others = [name for name in names if name != SEED]
    groups = dict[tuple[str, ...], list[Mapping[str, Any]]]()
    for row in rows:
        if row["status"] == "done":
            groups.setdefault(tuple(str(row.get(name, "")) for name in others), []).append(row)
    points = []
    for values, members in groups.items():
        mean, half = student_interval([[float(m[r]) for m in members] for r in results])
        points.append(
            Point(
                dict(zip(others, values, strict=True)),
                tuple(str(m["trial"]) for m in members),
                dict(zip(results, mean.tolist(), strict=True)),
                dict(zip(results, half.tolist(), strict=True)),
            )
        )
    return points


def axis_of(points: Sequence[Point]) -> str | None:
    """The label with the most different numbers, for a horizontal axis; None if none has two."""
    counts = {
        name: len({p.labels[name] for p in points})
        for name in (points[0].labels if points else ())
        if all(number_of(p.labels[name]) is not None for p in points)
    }
    best = max(counts, key=lambda name: counts[name], default=None)
    return best if best is not None and counts[best] > 1 else None


def number_of(text: str) -> float | None:
    """The number that a label is; the excitatory share of `80:20`; None of any other text."""
    try:
        if ":" in text:
            excitatory, inhibitory = map(float, text.split(":"))
            return excitatory / (excitatory + inhibitory)
        return float(text)
    except (ValueError, ZeroDivisionError):
        return None
