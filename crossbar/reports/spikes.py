"""The report of an analysis of spikes: a page, tables, pictures, an animation and all numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from device_models.errors import ConfigError

from ..experiment.spike_record import RunSpikes
from ..experiment.trials import table_text
from ..figures import style
from ..figures.class_animation import animate, can_write, last_frame
from ..figures.spike_groups import effects, groups
from ..figures.spikes import figures_of
from .folder import as_json, check, plain, write
from .page import Callout, Picture, ReportTable, Section, Text, html
from .spike_tables import results_of, tables_of

KIND = "xbar spikes"
FORMAT = f"{KIND} 1"
NUMBERS, PAGE, STATISTICS, RUNS = "spikes.json", "spikes.html", "statistics.csv", "runs.csv"
ANIMATIONS = ("gif", "mp4", "none")
CAPTIONS = {
    "groups": "Each point is a run; bars: mean and 95 % interval (Student) over runs. Distances "
    "are of all runs of a group.",
    "effects": "Groups against the control, Welch's test, p corrected by Holm for all tests of "
    "one result.",
    "classes": "Each point is a class: its spikes and their excitatory share, coloured by "
    "accuracy, epoch by epoch (the published animation S4).",
    "spikes_by_class": "Hidden spikes per image by class and kind of neuron; the percentage is "
    "E / (E + I). White: silent.",
    "rates": "Mean rates of neurons: how they spread, and by class.",
    "psth": "Peri-stimulus time histogram; the image begins at 0.",
    "intervals": "Left: intervals between spikes of one neuron within an image. Right: as "
    "published, gaps between the spikes of the whole population, which say little of a neuron.",
    "distances": "Van Rossum distances. Left: mean over images. Others: the mean over the pairs "
    "of an image; bar: quartiles, line: 5 to 95 % of the images, number: median.",
    "histograms": "Weights and conductances of each layer; a colour: rows of neurons of a kind.",
    "pca": "Principal components of the spikes per image of neurons; names stand at the medians.",
}
PICTURES = tuple(CAPTIONS)
LARGE = ("distance_matrix.csv",)  # tables of single runs alone


@dataclass
class SpikeStudy:
    """What is reported.

    Attributes:
        settings: Of the analysis, by name.
        compare: Label whose values are compared; None of one run.
        control: Value that the others are tested against.
        others: Labels within whose values groups are compared.
        runs: Rows of `runs.csv`.
        tables: File -> rows of all runs.
        tests: Rows of `statistics.csv`.
        epochs: Run -> rows of its epochs, for the animation.
        class_names: Of the data set.
        single: The run, where it is one.
        notes: What is to be known.
    """

    settings: Mapping[str, Any]
    compare: str | None = None
    control: str | None = None
    others: Sequence[str] = ()
    runs: list[dict[str, Any]] = field(default_factory=list)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    tests: Sequence[Mapping[str, Any]] = ()
    epochs: dict[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    class_names: Sequence[str] = ()
    single: RunSpikes | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, run: RunSpikes, success: float, *, is_single: bool) -> None:
        """Take the numbers of a run; its sums stay only where it is the single one."""
        self.runs.append(results_of(run, success))
        for name, rows in tables_of(run).items():
            if is_single or name not in LARGE:
                self.tables.setdefault(name, []).extend(rows)
        self.epochs[run.name] = [
            {k: row[k] for k in ("epoch", "test_by_class") if k in row} for row in run.epochs
        ]
        self.class_names = run.class_names
        if is_single:
            self.single = run
        if any("test_by_class" not in row for row in run.epochs):
            self.notes.append(
                f"{run.name}: its epochs do not say their spikes by class (trained by an earlier "
                "version, or with a test too large to record); by class there is the last epoch"
            )


def check_folder(folder: Path, animation: str) -> None:
    """Refuse what cannot be written; nothing is made.

    Raises:
        RunError: The folder is a file, or holds something other than such a report.
        ConfigError: No animation of this kind can be written here.
    """
    check(folder, NUMBERS, KIND)
    if animation != "none" and not can_write(animation):
        raise ConfigError(
            f"--animation {animation}: there is no ffmpeg on the PATH; gif needs none"
        )


def write_report(
    study: SpikeStudy, folder: Path, animation: str, *, figures: bool = True
) -> dict[str, Any]:
    """Write the page, tables, pictures and `spikes.json`; returns what that says.

    Args:
        study: What is reported.
        folder: Made if it does not exist; an earlier report in it is replaced.
        animation: One of `ANIMATIONS`.
        figures: Draw the pictures and the animation.

    Raises:
        RunError: The folder holds something else, or cannot be written.
    """
    pictures, movies = pictures_of(study) if figures else {}, dict[str, bytes]()
    if figures and animation != "none":
        moving = animate(study.epochs, study.class_names, animation)
        if moving is not None:
            movies[f"classes.{animation}"] = moving
    tables: dict[str, list[Any]] = {RUNS: study.runs, **study.tables, STATISTICS: list(study.tests)}
    files = {name: table_text(map(readable, rows)).encode() for name, rows in tables.items()}
    files |= {f"{name}.png": data for name, data in pictures.items()} | movies
    shown = pictures | ({"classes": movies["classes.gif"]} if animation == "gif" and movies else {})
    title = f"Spikes of {study.runs[0]['run'] if study.single else f'{len(study.runs)} runs'}"
    files[PAGE] = html(title, sections(study, shown), shown, lead=lead(study)).encode(
        "utf-8", "replace"
    )
    content: dict[str, Any] = plain({
        "format": FORMAT, "settings": dict(study.settings), "compare": study.compare,
        "control": study.control, "runs": study.runs, "statistics": list(study.tests),
        "notes": study.notes, "files": [*files, NUMBERS],
    })  # fmt: skip
    files[NUMBERS] = as_json(content)
    every = [f"{name}.png" for name in PICTURES] + ["classes.gif", "classes.mp4"]
    write(folder, files, every, KIND)
    return content


def readable(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with nothing in the place of nan."""
    return {k: "" if isinstance(v, float) and np.isnan(v) else v for k, v in row.items()}


def pictures_of(study: SpikeStudy) -> dict[str, bytes]:
    """Name -> PNG."""
    figures = {} if study.single is None else figures_of(study.single)
    if study.compare is not None:
        figures["groups"] = groups(study.runs, study.compare, study.others)
        if (drawn := effects(study.tests)) is not None:
            figures["effects"] = drawn
    if (end := last_frame(study.epochs, study.class_names)) is not None:
        figures["classes"] = end
    return {name: style.png(figure) for name, figure in figures.items()}


def lead(study: SpikeStudy) -> list[Text | Callout]:
    """What stands on top."""
    said = ", ".join(f"{name} {value}" for name, value in study.settings.items())
    runs = "One run" if study.single else f"{len(study.runs)} runs"
    blocks: list[Text | Callout] = [
        Text(f"{runs}, replayed through the trained network as its last test ran. {said}."),
    ]
    if study.single is not None:
        row = study.runs[0]
        blocks.append(Text(
            f"Accuracy {row['replayed_accuracy']:.2%} over {row['images']:,} images, "
            f"{row['hidden_spikes_per_image']:.1f} hidden spikes per image, "
            f"{row['rate_hz']:.2f} Hz a neuron of {row['layer']}; converged in epoch "
            f"{row['epochs_to_converge']} (first above {row['converged_above']:.2%}, the mean less "
            "the deviation of the last ten)."
        ))  # fmt: skip
    if study.notes:
        blocks.append(Callout([Text(note) for note in study.notes]))
    return blocks


def sections(study: SpikeStudy, drawn: Mapping[str, bytes]) -> list[Section]:
    """The sections of the page, in order."""
    parts = []
    if study.compare is not None:
        parts.append(Section("groups", f"Runs by {study.compare}", [
            Picture("groups", CAPTIONS["groups"]), Picture("effects", CAPTIONS["effects"]),
            runs_table(study),
        ]))  # fmt: skip
    for key, title in (
        ("spikes_by_class", "Spikes by class"), ("rates", "Rates"), ("psth", "PSTH"),
        ("intervals", "Intervals"), ("distances", "Distances"), ("pca", "Components"),
        ("histograms", "Weights"), ("classes", "Classes over epochs"),
    ):  # fmt: skip
        if key in drawn:
            parts.append(Section(key, title, [Picture(key, CAPTIONS[key])]))
    if study.tests:
        parts.append(Section("statistics", "Statistics", [
            Text("Two-sided tests. p is uncorrected, as the paper gives it; Holm corrects it for "
                 "all tests of one kind and result. Effects of t tests are in standard "
                 "deviations (Hedges), those of ranks the share of their variance between "
                 "groups (epsilon squared); intervals are 95 %."),
            tests_table(study.tests),
        ]))  # fmt: skip
    return parts


def runs_table(study: SpikeStudy) -> ReportTable:
    """A row for each run."""
    labels = [study.compare or "", *study.others, "seed"]
    names = [name for name in labels if any(name in run for run in study.runs)]
    head = ["run", *names, ">accuracy", ">spikes per image", ">excitatory", ">converged",
            ">E-E", ">E-I", ">I-I"]  # fmt: skip
    body = [
        [
            str(run["run"]), *(str(run.get(name, "")) for name in names),
            f"{run['test_accuracy']:.2%}", f"{run['hidden_spikes_per_image']:.1f}",
            number(run["excitatory_percent"], ".1f", " %"), f"epoch {run['epochs_to_converge']}",
            *(number(run[f"distance_published_{p}"], ".3f") for p in ("E-E", "E-I", "I-I")),
        ]
        for run in study.runs
    ]  # fmt: skip
    return ReportTable(head, body)


def tests_table(tests: Sequence[Mapping[str, Any]]) -> ReportTable:
    """A row for each test."""
    head = ["result", "where", "test", "groups", "n", "means", ">difference", ">p", ">p (Holm)",
            ">effect", "samples"]  # fmt: skip
    body = []
    for row in tests:
        difference = number(row["difference"], ".4g")
        if np.isfinite(row["difference_low"]):
            difference += f" ({row['difference_low']:.3g} to {row['difference_high']:.3g})"
        effect = number(row["effect"], ".3g")
        if np.isfinite(row["effect_low"]):
            effect += f" ({row['effect_low']:.2g} to {row['effect_high']:.2g})"
        body.append([
            row["result"], row["where"], row["test"], row["groups"], row["n"], row["means"],
            difference, number(row["p"], ".2g"), number(row["p_holm"], ".2g"), effect,
            row["samples_are"],
        ])  # fmt: skip
    return ReportTable(head, body)


def number(value: float, spelling: str, unit: str = "") -> str:
    """A number; nothing of nan."""
    return f"{value:{spelling}}{unit}" if np.isfinite(value) else ""
