"""`xbar sweep`: many trainings, on this machine or on a Dask cluster."""

import json as json_text
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from device_models.errors import consequence

from .text import echo

if TYPE_CHECKING:
    from crossbar.api.sweep import Progress

SHOWN = 60  # lines of the table on the terminal


@click.command()
@click.argument("study", metavar="STUDY.yaml")
@click.option("--out", metavar="DIR", help="Folder of the study.  [default: studies/STUDY]")
@click.option("--resume", is_flag=True, help="Go on: train only what is missing or failed.")
@click.option("--workers", type=click.IntRange(1),
              help="Processes of this machine.  [default: one per processor]")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS",
              help="A Dask scheduler, tcp://HOST:PORT, that sees the same folders.")  # fmt: skip
@click.option("--jobs", metavar="FILE", help="Workers as jobs of SLURM and others, dask-jobqueue.")
@click.option("--data-dir", metavar="DIR", help="Folder of the data set.")
@click.option("--list", "only_list", is_flag=True, help="List the trials; train nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def sweep(
    study: str,
    out: str | None,
    resume: bool,
    workers: int | None,
    scheduler: str | None,
    jobs: str | None,
    data_dir: str | None,
    only_list: bool,
    as_json: bool,
) -> None:
    """Train every trial of a study file, several at a time, each in a run of its own.

    A study file varies settings of `xbar train`, by the names of its options or of --set:

    \b
      network: kilgore                       # a preset or a file of layers
      settings: {device: gaussian_update.yaml, epochs: 30}
      grid: {ei: ["50:50", "80:20"], update_noise: [0.2, 0.6], seed: [0, 1, 2]}
      trials: [{policy: accumulate}, {policy: closed_loop}]   # each at every point of the grid
      keep: results                          # of a finished trial; not its arrays (megabytes)

    The folder holds a run for each trial (trials/NAME, a hash of its settings), results.csv with a
    row for each, epochs.csv with one for each of their epochs, and study.html, a page of it all. A
    trial that fails does not stop the others. Ctrl-C or a crash lose the epochs under way; --resume
    goes on.

    \b
    Examples:
      xbar sweep study.yaml --workers 2
      xbar sweep study.yaml --list
      xbar sweep study.yaml --resume
      xbar sweep study.yaml --scheduler tcp://cluster:8786 --out /shared/studies/ratios
    """
    from crossbar.experiment.trials import label_names, load_study

    with consequence("nothing was started"):
        described, trials = load_study(Path(study))
    if only_list:
        echo("\n".join(f"{t.name}  {words(t.labels)}" for t in trials))
        return
    from crossbar.api.sweep import sweep as run_study

    folder = out or f"studies/{Path(study).stem}"
    rows = run_study(
        trials, out=folder, resume=resume, workers=workers, scheduler=scheduler, jobs=jobs,
        float_baseline=described.float_baseline, keep=described.keep, data_dir=data_dir,
        notice=say,
        progress=show,
    )  # fmt: skip
    from crossbar.reports.study import write_page

    names = label_names(trials)
    write_page(Path(folder), rows, names, described.shared)
    echo(json_text.dumps(rows, indent=2) if as_json else page(rows, names, folder))
    if any(row["status"] != "done" for row in rows):
        raise click.exceptions.Exit(1)


def words(labels: Mapping[str, str]) -> str:
    """`ei = 80:20, seed = 1`."""
    return ", ".join(f"{name} = {text}" for name, text in labels.items())


def say(line: str) -> None:
    """A line of its own, over that of the progress."""
    if sys.stderr.isatty():
        click.echo("\r\033[K", err=True, nl=False)
    echo(line, err=True)


def show(progress: "Progress") -> None:
    """One line on the terminal, written over; in a log one line a trial."""
    failed = f", {progress.failed} failed" if progress.failed else ""
    left = "" if math.isnan(progress.seconds_left) else f", about {age(progress.seconds_left)} left"
    line = f"{progress.done} of {progress.total} trials done{failed}{left}"
    is_last = progress.done + progress.failed == progress.total
    terminal = sys.stderr.isatty()
    click.echo(f"\r\033[K{line}" if terminal else line, err=True, nl=is_last or not terminal)


def age(seconds: float) -> str:
    """`50 s`, `12 min` or `3.4 h`."""
    if seconds < 90.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} h"


def page(rows: Sequence[Mapping[str, Any]], names: Sequence[str], folder: str) -> str:
    """The table for people: means over seeds with their intervals, and what is not finished."""
    from crossbar.metrics.study import gathered
    from crossbar.reports.study import RESULTS, means

    table = means(gathered(rows, names, RESULTS))
    lines = aligned(table.head, [[str(cell) for cell in row] for row in table.rows])
    if len(lines) > SHOWN:
        lines[SHOWN // 2 : -SHOWN // 2] = [f"... {len(lines) - SHOWN} more lines in study.html"]
    lines += [
        f"{row['status']}: {words({n: row[n] for n in names if n in row})}"
        for row in rows if row["status"] != "done"
    ][:SHOWN]  # fmt: skip
    done = sum(row["status"] == "done" for row in rows)
    cpu = sum(row.get("cpu_seconds", 0.0) for row in rows)
    where = f"{folder}: study.html, results.csv"
    lines.append(f"{done} of {len(rows)} done, {age(cpu)} of processor time; {where}")
    return "\n".join(lines)


def aligned(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    """A table as lines; columns whose name begins with > are set to the right."""
    names = [name.removeprefix(">") for name in head]
    widths = [max(map(len, column)) for column in zip(names, *body, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if name.startswith(">") else cell.ljust(width)
            for cell, width, name in zip(cells, widths, head, strict=True)
        ).rstrip()
        for cells in (names, *body)
    ]
    return lines if body else []
