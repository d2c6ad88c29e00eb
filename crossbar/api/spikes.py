"""Statistics of the spikes of trained networks: of one run, or of several that are compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from device_models.errors import ConfigError, consequence
from device_models.record import Record, choice, quantity
from device_models.streams import stream

from ..datasets.encode import Data
from ..experiment.run import Run
from ..experiment.spike_record import record_run
from ..experiment.spike_replay import HALVES
from ..experiment.train import Notice
from ..experiment.trials import DONE, TRIALS, finished
from ..metrics.run_tests import between_groups, between_pairs, within_run
from ..metrics.spike_distances import FORMS
from ..metrics.study import SEED
from ..reports.spikes import ANIMATIONS, SpikeStudy, check_folder, write_report
from .folders import Folder, path
from .threads import one_thread

AXIS, PUBLISHED_CONTROL = "ei", "100:0"  # what runs are compared over, where they differ in it
FOLDER = "spikes"
Watch = Callable[[str, int, int], object]


@dataclass(frozen=True, kw_only=True)
class SpikeAnalysis(Record):
    """Settings of an analysis of spikes.

    Attributes:
        layer: Hidden layer that is looked at, from 0.
        half: Samples that are replayed: those of the test, or those that were learned.
        images: So many of them, the first; None: all.
        tau_seconds: Of the Van Rossum distances.
        success: A run whose last accuracy is above counts as successful.
        compare: Setting whose values are compared; None: `ei`, or that with most values.
        control: Value that the others are tested against; None: 100:0, or the first.
        animation: Of the classes over epochs: `gif`, `mp4` or `none`.
        seed: Of the draws: bootstraps, and neurons of a layer with too many.
    """

    layer: int = quantity("", 0, 1_000_000, default=0)
    half: str = choice(HALVES, default="test")
    images: int | None = quantity("images", 1, 10_000_000, default=None)
    tau_seconds: float = quantity("s", 1e-6, 10.0, default=1e-3)
    success: float = quantity("", 0.0, 1.0, default=0.5)
    compare: str | None = None
    control: str | None = None
    animation: str = choice(ANIMATIONS, default="gif")
    seed: int = quantity("", 0, 2**31 - 1, default=0)


def analyze_spikes(
    runs: Sequence[Folder],
    *,
    settings: SpikeAnalysis | None = None,
    out: Folder | None = None,
    data_dir: Folder | None = None,
    threads: int | None = None,
    figures: bool = True,
    notice: Notice = print,
    progress: Watch = lambda name, done, total: None,
) -> dict[str, Any]:
    """Replay runs, count their spikes, test what differs, and write a report.

        crossbar.analyze_spikes(["runs/oxram_80-20_seed0"])

    Args:
        runs: Folders of runs, or of studies (`crossbar.sweep`), whose finished trials are meant.
            Groups of several are compared, too.
        settings: See `SpikeAnalysis`.
        out: Folder of the report; by default `spikes` in that of the run or study, or here.
        data_dir: Folder of the data set; by default it is looked for, then fetched.
        threads: Of the replay; by default one per processor.
        figures: Draw the pictures and the animation.
        notice: Told what goes on, line by line.
        progress: Told after every part: name of the run, samples done, of how many.

    Returns:
        What `spikes.json` says, and `folder`.

    Raises:
        XbarError: Something is wrong; nothing was written.
    """
    settings = settings or SpikeAnalysis()
    with consequence("nothing was written"), one_thread():
        if not runs:
            raise ConfigError("--spikes needs a RUN, several, or the folder of a study")
        folders = [folder for each in runs for folder in runs_in(path(each))]
        target = path(out) or (path(runs[0]) if len(runs) == 1 else Path()) / FOLDER
        check_folder(target, settings.animation)
        opened = [Run.open(folder) for folder in folders]
        labels = labels_of(opened)
        study = SpikeStudy(said(settings))
        if len(opened) > 1:
            study.compare, study.control, study.others = comparison(labels, settings)
        elif settings.compare is not None or settings.control is not None:
            raise ConfigError("--compare and --control need several runs, or a study")
        fill(study, opened, labels, settings, path(data_dir), threads, notice, progress)
        study.tests = tests_of(study, settings.seed)
        content = write_report(study, target, settings.animation, figures=figures)
    return content | {"folder": str(target)}


def said(settings: SpikeAnalysis) -> dict[str, Any]:
    """What of the settings a report says."""
    return {
        "half": settings.half, "images": settings.images or "all",
        "layer": settings.layer, "tau_seconds": settings.tau_seconds,
        "success_above": settings.success, "seed": settings.seed,
    }  # fmt: skip


def runs_in(folder: Path) -> list[Path]:
    """The folder of a run, or those of the finished trials of a study.

    Raises:
        ConfigError: No trial of it is finished.
    """
    trials = folder / TRIALS
    if not trials.is_dir():
        return [folder]
    done = sorted(each for each in trials.iterdir() if (each / DONE).is_file())
    if not done:
        raise ConfigError(f"{folder} is a study without a finished trial")
    return done


def labels_of(runs: Sequence[Run]) -> list[dict[str, str]]:
    """What tells runs apart: setting -> text; those of a trial as its study file names them."""
    rows = [
        run.settings | {AXIS: run.config.network.ei, SEED: str(run.config.seed)} for run in runs
    ]
    names = list(dict.fromkeys(name for row in rows for name in row))
    differ = [n for n in names if len({row.get(n) for row in rows}) > 1]
    differ = [n for n in differ if not n.endswith(".ei") and n != "device.yaml"]
    labels = []
    for run, row in zip(runs, rows, strict=True):
        trial = finished(run.folder)
        own = {AXIS: row[AXIS], SEED: row[SEED]}
        named = {} if trial is None else {n: str(v) for n, v in trial["labels"].items()}
        labels.append(named | own if named else own | {n: row.get(n, "") for n in differ})
    every = list(dict.fromkeys(name for each in labels for name in each))
    return [{name: each.get(name, "") for name in every} for each in labels]


def comparison(
    labels: Sequence[Mapping[str, str]], settings: SpikeAnalysis
) -> tuple[str, str, list[str]]:
    """What is compared, with which value, within which other labels.

    Raises:
        ConfigError: Runs do not differ in it, or none has that value.
    """
    counts = {name: len({each[name] for each in labels}) for name in labels[0]}
    varied = [name for name, count in counts.items() if count > 1 and name != SEED]
    compare = settings.compare or (
        AXIS if AXIS in varied or not varied else max(varied, key=lambda name: counts[name])
    )
    if settings.compare is not None and compare not in varied:
        known = f"they differ in {', '.join(varied)}" if varied else "they differ in nothing"
        raise ConfigError(f"--compare {compare}: the runs do not differ in it; {known}")
    values = list(dict.fromkeys(each[compare] for each in labels))
    control = settings.control or (PUBLISHED_CONTROL if PUBLISHED_CONTROL in values else values[0])
    if control not in values:
        raise ConfigError(
            f"--control {control}: no run has {compare} = it, but {', '.join(values)}"
        )
    return compare, control, [name for name in varied if name != compare]


def names_of(runs: Sequence[Run]) -> list[str]:
    """Names of the folders; their paths where two share a name."""
    names = [run.folder.absolute().name for run in runs]
    return names if len(set(names)) == len(names) else [str(run.folder) for run in runs]


def fill(
    study: SpikeStudy,
    runs: Sequence[Run],
    labels: Sequence[Mapping[str, str]],
    settings: SpikeAnalysis,
    data_dir: Path | None,
    threads: int | None,
    notice: Notice,
    progress: Watch,
) -> None:
    """Replay every run into the study; runs on the same data after each other share it."""
    data: Data | None = None
    of_data = ""
    for run, name, own in zip(runs, names_of(runs), labels, strict=True):
        key = repr((run.config.data, run.config.seed))
        if data is None or key != of_data:
            data, of_data = run.load_data(data_dir, notice=notice), key
        spikes = record_run(
            run, name, own, data, layer=settings.layer, half=settings.half, images=settings.images,
            tau_seconds=settings.tau_seconds, seed=settings.seed, threads=threads,
            progress=partial(progress, name),
        )  # fmt: skip
        study.add(spikes, settings.success, is_single=len(runs) == 1)


def tests_of(study: SpikeStudy, seed: int) -> list[dict[str, Any]]:
    """The rows of `statistics.csv`."""
    generator = stream("spike statistics", seed)
    if study.compare is not None and study.control is not None:
        rows = between_groups(study.runs, study.compare, study.control, study.others, generator)
        return rows + between_pairs(study.runs, [study.compare, *study.others], generator)
    if study.single is None:
        return []
    sums, dt = study.single.sums, study.single.dt_seconds
    mean = sums.mean_rates_hz(dt)
    return within_run(
        {form: sums.distances.per_sample(form) for form in FORMS},
        {name: mean[inside] for name, inside in sums.groups.items()},
        generator,
    )
