"""A study: trainings that differ in some settings, and the table of what they came to.

Every trial is a run of its own in `trials/NAME` of the folder of the study, named by a hash of its
settings and of its device. What is finished holds `trial.json`; the table is made from the folders
alone, so that nothing is lost with whoever watched over them.
"""

import csv
import functools
import hashlib
import io
import itertools
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from device_models.describe import describe
from device_models.errors import ConfigError, RunError
from device_models.npz import UNREADABLE, reason
from device_models.presets import load_device
from device_models.record import Record
from device_models.registry import name_of
from device_models.schema import dump, load

from .config import Training
from .imports import load_training, with_imports
from .typed_settings import settings_of

TRIALS, DONE, TABLE, EPOCHS = "trials", "trial.json", "results.csv", "epochs.csv"
MOST_TRIALS = 1_000_000
NAME_DIGITS = 12
NAMELESS = "versions", "device"  # of settings: the device itself is in the hash of a trial
COSTS = ("wall_seconds", "cpu_seconds", "worker_peak_bytes", "worker")


class Trial(NamedTuple):
    """One training of a study.

    Attributes:
        name: Of its folder, see `name_of_trial`.
        labels: What tells it from the others: setting, as it was typed -> text.
        settings: All settings.
    """

    name: str
    labels: Mapping[str, str]
    settings: Training


@dataclass(frozen=True, kw_only=True)
class Study(Record):
    """A study file.

    Attributes:
        network: A preset or a file of layers, for all trials.
        settings: Of all trials, by the names of the options of `xbar train` or of `--set`.
        grid: Setting -> values: every combination of them is tried.
        trials: Settings of single trials; with a grid, each is tried at every point of it.
        float_baseline: Train every trial on exact weights, too.
        keep: What stays of a finished trial: `all` of its run, or `results`, its settings and
            numbers: then nothing can be trained on or analysed, and it takes kilobytes, not
            megabytes.
        imports: Python files with kinds of one's own.
    """

    network: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    grid: dict[str, tuple[str, ...]] = field(default_factory=dict)
    trials: tuple[dict[str, str], ...] = ()
    float_baseline: bool = False
    keep: Literal["all", "results"] = "all"
    imports: tuple[str, ...] = ()

    @property
    def shared(self) -> dict[str, str]:
        """What all trials have in common, as it was given."""
        return self.settings | ({"network": self.network} if self.network is not None else {})


def load_study(path: Path) -> tuple[Study, list[Trial]]:
    """A study file and its trials, in the order of the file, the last setting varying fastest.

    Raises:
        ConfigError: A key is unknown, a list is empty, a setting is given twice or is wrong, or two
            trials are the same.
    """
    study = load(path, Study)
    if empty := [name for name, values in study.grid.items() if not values]:
        raise ConfigError(f"{path}: grid.{empty[0]} has no values, so there is no trial")
    if not study.grid and not study.trials:
        raise ConfigError(f"{path}: neither a grid nor trials; a study varies some settings")
    count = max(1, len(study.trials))
    for values in study.grid.values():
        count *= len(values)
    if count > MOST_TRIALS:
        raise ConfigError(f"{path}: {count:,} trials; at most {MOST_TRIALS:,} make a study")
    base = with_imports(Training(), study.imports)
    points = [
        dict(zip(study.grid, p, strict=True)) for p in itertools.product(*study.grid.values())
    ]
    devices = functools.cache(text_of_device)  # for as long as this file is read
    trials = [
        _typed(path, study, base, single, point, devices)
        for single in study.trials or ({},)
        for point in points
    ]
    check_names(trials)
    return study, trials


def _typed(
    path: Path,
    study: Study,
    base: Training,
    single: Mapping[str, str],
    point: Mapping[str, str],
    text_of_device: Callable[[str], str],
) -> Trial:
    """One trial of a study file."""
    twice = [n for n in point if n in single] + [
        n for n in {**single, **point} if n in study.settings
    ]
    if twice:
        raise ConfigError(f"{path}: {twice[0]} is given twice; leave one out")
    labels = {**single, **point}
    typed = {**study.settings, **labels}
    network = typed.pop("network", study.network)
    try:
        settings = settings_of(typed, base, network)
        device = text_of_device(settings.device)
        name = name_of_trial(settings, device, float_baseline=study.float_baseline)
        return Trial(name, labels, settings)
    except ConfigError as e:
        where = ", ".join(f"{n} = {text}" for n, text in labels.items())
        raise ConfigError(f"{path}: {e} (in the trial of {where})") from e


def text_of_device(name_or_path: str) -> str:
    """A device as YAML, with all of its numbers."""
    device = load_device(name_or_path)
    return dump(device, ("model", name_of(device)))


def name_of_trial(
    settings: Training, device: str | None = None, *, float_baseline: bool = False
) -> str:
    """A hash of the settings, of the device and of whether exact weights are trained, too.

    Args:
        settings: Of the trial.
        device: Its `text_of_device`, where that is known.
        float_baseline: See `Study`.
    """
    rows = {name: text for name, text, *_ in describe(settings) if name not in NAMELESS}
    rows |= {"float_baseline": "true"} if float_baseline else {}
    text = json.dumps(rows, sort_keys=True) + (device or text_of_device(settings.device))
    return hashlib.sha256(text.encode()).hexdigest()[:NAME_DIGITS]


def text_of(settings: Training) -> str:
    """Settings as YAML for another process, which may work in another folder: files are absolute.

    Records of imported kinds cannot be pickled to a process that has not imported them.
    """
    places = {"device": settings.device, "init_from": settings.init_from}
    absolute: dict[str, Any] = {
        name: str(Path(text).absolute()) for name, text in places.items()
        if text is not None and Path(text).exists()
    }  # fmt: skip
    return dump(replace(settings, **absolute))


def settings_from(text: str) -> Training:
    """Settings of `text_of`, the files that they import first.

    Raises:
        ConfigError: Such a file is not there.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.yaml"
        path.write_text(text, "utf-8")
        return load_training(path)


def trials_of(settings: Sequence[Training], *, float_baseline: bool = False) -> list[Trial]:
    """Trials of settings from Python: their labels are the settings in which they differ.

    Raises:
        ConfigError: There are none, or two are the same.
    """
    if not settings:
        raise ConfigError("a study has at least one trial")
    rows = [{name: text for name, text, *_ in describe(one)} for one in settings]
    names = list(dict.fromkeys(itertools.chain(*rows)))
    differ = [name for name in names if len({row.get(name) for row in rows}) > 1]
    trials = [
        Trial(
            name_of_trial(one, float_baseline=float_baseline),
            {name: row.get(name, "") for name in differ},
            one,
        )
        for one, row in zip(settings, rows, strict=True)
    ]
    check_names(trials)
    return trials


def label_names(trials: Iterable[Trial]) -> list[str]:
    """The settings that tell trials apart, in the order of their coming."""
    return list(dict.fromkeys(itertools.chain(*(t.labels for t in trials))))


def check_names(trials: Sequence[Trial]) -> None:
    """Refuse two trials that are the same.

    Raises:
        ConfigError: There are such.
    """
    first = dict[str, int]()
    for number, trial in enumerate(trials, 1):
        if (before := first.setdefault(trial.name, number)) != number:
            words = ", ".join(f"{n} = {text}" for n, text in trial.labels.items())
            raise ConfigError(f"trials {before} and {number} are the same ({words}); leave one out")


def drop_arrays(folder: Path) -> None:
    """Remove what a run needs to go on, or to be analysed, and nothing else."""
    for path in (*folder.glob("*.npz"), *folder.glob("*/*.npz")):
        path.unlink()


# --- what they came to ---------------------------------------------------------------------------


def finished(folder: Path) -> dict[str, Any] | None:
    """What `trial.json` says of a finished trial; None of any other."""
    try:
        return dict(json.loads((folder / DONE).read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UNREADABLE as e:
        raise RunError(f"{folder / DONE} cannot be read ({reason(e)})") from e


def row_of(trial: Trial, folder: Path, error: str | None) -> dict[str, Any]:
    """The row of a trial: labels, results with their units in the name, costs, status.

    Args:
        trial: Which.
        folder: Of its run.
        error: Of a trial that failed.
    """
    row: dict[str, Any] = {"trial": trial.name, **trial.labels, "status": "missing"}
    if error is not None:
        row["status"] = "failed"
    elif (done := finished(folder)) is not None:
        row |= {"status": "done", **done["results"], **{name: done[name] for name in COSTS}}
    return row | {"folder": str(folder), "error": error or ""}


def results_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a `summary.json` that a table holds."""
    low, high = summary["test_accuracy_interval"]
    spikes = summary["spikes_per_inference"]
    results = {
        "epochs": summary["epochs"][-1]["epoch"],
        "test_accuracy": summary["test_accuracy"], "test_accuracy_low": low,
        "test_accuracy_high": high,
        "hidden_spikes_per_inference": spikes["total"],
        "excitatory_spikes_per_inference": spikes["excitatory"],
        "inhibitory_spikes_per_inference": spikes["inhibitory"],
        "set_pulses": summary["pulses"]["set"], "reset_pulses": summary["pulses"]["reset"],
        "pulses_per_device": sum(summary["pulses"].values()) / summary["mapping"]["devices"],
        "digital_bytes_per_synapse": summary["digital_bytes_per_synapse"]["total"],
        "write_joules": summary["energy_joules"]["write"],
        "read_joules": summary["energy_joules"]["read"],
    }  # fmt: skip
    baseline = summary.get("float_baseline")
    return results if baseline is None else {**results, "float_accuracy": baseline["test_accuracy"]}


def table_text(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as CSV, one column for every name that any row has, in the order of their coming."""
    listed = list(rows)
    names = list(dict.fromkeys(itertools.chain(*listed)))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    return stream.getvalue()


def epoch_rows(trial: Trial, folder: Path) -> list[dict[str, Any]]:
    """Accuracy and spikes of every epoch of a trial, from its `metrics.jsonl`.

    Raises:
        RunError: The file cannot be read.
    """
    path = folder / "metrics.jsonl"
    try:
        epochs = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    except UNREADABLE as e:
        raise RunError(f"{path} cannot be read ({reason(e)})") from e
    return [
        {
            "trial": trial.name, **trial.labels, "epoch": row["epoch"],
            "test_accuracy": row["test_accuracy"],
            "hidden_spikes_per_inference": row["spikes_per_inference"]["total"],
        }
        for row in epochs
    ]  # fmt: skip
