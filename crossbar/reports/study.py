"""The page of a study: curves with intervals, means over seeds, the run behind every point."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from device_models import atomic
from device_models.printable import encoded
from device_models.units import format_si

from ..figures import style
from ..figures.study import curves
from ..metrics.study import SEED, Point, gathered
from .page import Cell, Picture, ReportTable, Section, Text, html

PAGE = "study.html"
RESULTS = (
    "test_accuracy", "hidden_spikes_per_inference", "excitatory_spikes_per_inference",
    "inhibitory_spikes_per_inference", "write_joules", "read_joules", "cpu_seconds",
    "pulses_per_device", "digital_bytes_per_synapse",
)  # fmt: skip
MOST_ROWS = 2000  # of trials on a page; the table holds all


def write_page(
    folder: Path, rows: Sequence[Mapping[str, Any]], names: Sequence[str], shared: Mapping[str, str]
) -> Path:
    """Write `study.html` into the folder of a study; it asks nothing of a network.

    Args:
        folder: Of the study.
        rows: Of its trials.
        names: Of the labels that tell them apart.
        shared: Settings of all of them that were given.
    """
    points = gathered(rows, names, RESULTS)
    done = sum(row["status"] == "done" for row in rows)
    hours = sum(float(row.get("cpu_seconds") or 0.0) for row in rows) / 3600.0
    lead = [Text(f"{done} of {len(rows)} trials finished, {hours:.2f} hours of processor time.")]
    if shared:
        lead.append(Text("All: " + ", ".join(f"{n} = {v}" for n, v in shared.items()) + "."))
    pictures = dict[str, bytes]()
    if (figure := curves(points)) is not None:
        pictures["curves"] = style.png(figure)
    failed = [row for row in rows if row["status"] == "failed"]
    sections = [
        Section("results", "Results", [
            Picture("curves", "Means over seeds; bars: 95 % intervals by Student's t over them."),
            means(points),
        ]),
        *([Section("failed", "Failed", [failures(failed, names)])] if failed else []),
        Section("trials", "Trials", trials(rows, names)),
    ]  # fmt: skip
    path = folder / PAGE
    text = html(f"Study {folder.name}", sections, pictures, lead=lead)
    atomic.write(path, encoded(text))
    return path


def means(points: Sequence[Point]) -> ReportTable:
    """A row for each point."""
    names = list(points[0].labels) if points else []
    head = [
        *names, ">seeds", ">test accuracy", ">hidden spikes", ">E", ">I", ">pulses / device",
        ">write", ">read", ">bytes / synapse",
    ]  # fmt: skip
    body = []
    for p in points:
        mean, half = p.mean, p.half
        accuracy = f"{mean['test_accuracy']:.2%}"
        if len(p.trials) > 1:
            accuracy += f" +- {100.0 * half['test_accuracy']:.2f}"
        spikes = [f"{mean[name]:.1f}" for name in RESULTS[1:4]]
        costs = [
            f"{mean['pulses_per_device']:.4g}",
            *(format_si(mean[name], "J") for name in ("write_joules", "read_joules")),
            f"{mean['digital_bytes_per_synapse']:.3g}",
        ]
        body.append([*p.labels.values(), str(len(p.trials)), accuracy, *spikes, *costs])
    return ReportTable(head, body)


def failures(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> ReportTable:
    """What went wrong, and where."""
    body = list[list[str | Cell]]()
    for row in rows:
        labels = [str(row.get(n, "")) for n in names]
        body.append([*labels, Cell(str(row["error"]), "out")])
    return ReportTable([*names, "error"], body)


def trials(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[ReportTable | Text]:
    """The run behind every point."""
    ordered = [name for name in names if name != SEED] + [n for n in names if n == SEED]
    body = list[list[str | Cell]]()
    for row in rows[:MOST_ROWS]:
        is_done = row["status"] == "done"
        accuracy = f"{float(row['test_accuracy']):.2%}" if is_done else row["status"]
        seconds = f"{float(row['cpu_seconds']):.0f} s" if is_done else ""
        cells = [str(row.get(name, "")) for name in ordered]
        name = Cell(f"trials/{row['trial']}", "code")
        body.append([name, *cells, accuracy, seconds])
    table = ReportTable(["run", *ordered, ">test accuracy", ">processor time"], body)
    if len(rows) <= MOST_ROWS:
        return [table]
    return [table, Text(f"{len(rows) - MOST_ROWS} more are in results.csv.")]
