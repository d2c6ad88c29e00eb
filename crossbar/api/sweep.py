"""Many trainings: a study, on this machine or on a Dask cluster."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from device_models import atomic
from device_models.claim import Claim, contents
from device_models.errors import ConfigError, RunError, XbarError, consequence
from device_models.printable import encoded

from ..datasets import LoadedDataset, load_dataset
from ..experiment.cluster import cluster, end_with_parent
from ..experiment.config import Training
from ..experiment.run import Run
from ..experiment.train import Notice
from ..experiment.trials import (
    DONE,
    EPOCHS,
    TABLE,
    TRIALS,
    Trial,
    drop_arrays,
    epoch_rows,
    finished,
    results_of,
    row_of,
    settings_from,
    table_text,
    text_of,
    trials_of,
)
from .folders import Folder, path
from .training import train

if TYPE_CHECKING:
    from distributed import Client, Future

STUDY = "study"  # what the folder is claimed for
AHEAD = 20  # trials in the hands of the scheduler, per worker
REFRESH_SECONDS = 30.0  # between two tables while trials run, at least
REFRESH_SHARE = 0.02  # of the time, at most


class Progress(NamedTuple):
    """Where a study is.

    Attributes:
        done: Finished trials, those of before included.
        failed: Of this time.
        total: All.
        seconds_left: At the speed so far; nan before the first one.
    """

    done: int
    failed: int
    total: int
    seconds_left: float


def sweep(
    trials: Sequence[Training] | Sequence[Trial],
    *,
    out: Folder = "studies/study",
    resume: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    jobs: Folder | None = None,
    float_baseline: bool = False,
    keep: Literal["all", "results"] = "all",
    data_dir: Folder | None = None,
    notice: Notice = print,
    progress: Callable[[Progress], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Train every trial in a run of its own, several at a time; what fails does not stop the rest.

        rows = crossbar.sweep([crossbar.Training(seed=s) for s in range(8)], out="studies/seeds")

    The folder holds `trials/NAME`, `results.csv`, a row for each trial, and `epochs.csv`, a row for
    each epoch of each. It is whole at any moment: what is killed is gone on with by `resume`.

    Args:
        trials: Settings; the columns of the table are those that differ. Or trials of a study file,
            `load_study`.
        out: Folder of the study.
        resume: Go on with it: only what is missing is trained.
        workers: Processes of this machine; by default one per processor.
        scheduler: Address of a Dask scheduler, in place of them. Its workers see the same folders.
        jobs: A file for dask-jobqueue, in place of them; see `experiment.cluster`.
        float_baseline: Train each on exact weights, too.
        keep: What stays of a finished trial, see `Study`.
        data_dir: Folder of the data set; by default it is looked for, then fetched.
        notice: Told what goes on, line by line.
        progress: Told after every trial.

    Returns:
        The rows of the table, in the order of the trials; `status` is done, failed or missing.

    Raises:
        XbarError: Something is wrong; nothing was started.
    """
    folder = Path(path(out)).absolute()
    with consequence("nothing was started"):
        listed = _listed(trials, float_baseline=float_baseline)
        _check_folder(folder, resume=resume)
    errors = dict[str, str]()
    with Claim(folder, STUDY):
        missing = [t for t in listed if finished(folder / TRIALS / t.name) is None]
        if not missing:
            return _write(folder, listed, errors)
        for name in dict.fromkeys(t.settings.data.set for t in missing):  # before workers want it
            load_once(name, path(data_dir), notice)
        given = folder / TRIALS, path(data_dir), float_baseline, keep == "all"
        with cluster(workers=workers, scheduler=scheduler, jobs=path(jobs)) as client:
            state = _State(len(listed), len(listed) - len(missing), progress)
            try:
                for trial, error in _run_all(client, missing, given):
                    state.ended(failed=error is not None)
                    if error is not None:
                        errors[trial.name] = error
                        notice(f"failed: {_words(trial)}: {error}")
                    state.refresh(lambda: _write(folder, listed, errors))
            finally:
                rows = _write(folder, listed, errors)
    return rows


def _listed(trials: Sequence[Training] | Sequence[Trial], *, float_baseline: bool) -> list[Trial]:
    """The trials of a study; those of settings from Python get their names here.

    Raises:
        ConfigError: They are neither all settings nor all trials, or two are the same.
    """
    settings = [one for one in trials if isinstance(one, Training)]
    ready = [one for one in trials if isinstance(one, Trial)]
    if len(trials) not in (len(settings), len(ready)):
        raise ConfigError("trials are all Training, or all of a study file")
    return ready or trials_of(settings, float_baseline=float_baseline)


class _State:
    """Counts and the clock of a study."""

    def __init__(self, total: int, done: int, progress: Callable[[Progress], None]) -> None:
        self.total, self.done, self.failed = total, done, 0
        self._began, self._first = time.monotonic(), done
        self._next = self._began + REFRESH_SECONDS  # when the table is written again
        self._progress = progress
        progress(Progress(done, 0, total, float("nan")))

    def ended(self, *, failed: bool) -> None:
        """Count one trial."""
        self.failed, self.done = self.failed + failed, self.done + (not failed)
        ended = self.done - self._first + self.failed
        left = self.total - self.done - self.failed
        seconds = (time.monotonic() - self._began) / ended * left
        self._progress(Progress(self.done, self.failed, self.total, seconds))

    def refresh(self, write: Callable[[], object]) -> None:
        """Write the table, if that was long ago for what it takes."""
        began = time.monotonic()
        if began > self._next:
            write()
            took = time.monotonic() - began
            self._next = began + max(REFRESH_SECONDS, took / REFRESH_SHARE)


def _words(trial: Trial) -> str:
    """`ei = 80:20, seed = 1`."""
    return ", ".join(f"{name} = {text}" for name, text in trial.labels.items()) or trial.name


def _check_folder(folder: Path, *, resume: bool) -> None:
    """Refuse a folder that is no new one, or none to resume."""
    try:
        there = {item.name for item in contents(folder)}
    except OSError as e:
        raise RunError(f"{folder}: {e.strerror or e}") from e
    if resume and TRIALS not in there:
        raise RunError(f"{folder} is no study that can be resumed: it has no {TRIALS}")
    if there and not resume:
        what = "a study already; go on with --resume" if TRIALS in there else "no study"
        raise RunError(f"{folder} is {what}, or choose another --out")


def _write(
    folder: Path, trials: Sequence[Trial], errors: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Both tables, from the folders of the trials; returns the rows of the first."""
    runs = [(t, folder / TRIALS / t.name) for t in trials]
    rows = [row_of(t, run, errors.get(t.name)) for t, run in runs]
    done = {row["trial"] for row in rows if row["status"] == "done"}
    epochs = [row for t, run in runs if t.name in done for row in epoch_rows(t, run)]
    (folder / TRIALS).mkdir(exist_ok=True)
    atomic.write(folder / TABLE, encoded(table_text(rows)))
    atomic.write(folder / EPOCHS, encoded(table_text(epochs)))
    return rows


def _run_all(
    client: "Client", trials: Sequence[Trial], given: tuple[Path, Path | None, bool, bool]
) -> Iterator[tuple[Trial, str | None]]:
    """Hand out the trials, a few ahead of the workers; each comes back with its error, if any."""
    from distributed import as_completed

    rest, asked = iter(trials), dict[Any, Trial]()
    running: Any = as_completed([], loop=client.loop)  # type: ignore[no-untyped-call]

    def hand_out(count: int) -> None:
        for _, trial in zip(range(count), rest, strict=False):
            future = client.submit(
                run_trial,
                trial.name,
                dict(trial.labels),
                text_of(trial.settings),
                *given,
                key=f"trial-{trial.name}",
                pure=False,
            )
            asked[future.key] = trial
            running.add(future)

    hand_out(AHEAD * max(1, len(client.scheduler_info()["workers"])))
    for future in running:
        trial = asked.pop(future.key)
        yield trial, _error_of(future)
        future.release()
        hand_out(1)


def _error_of(future: "Future[Any]") -> str | None:
    """What a trial ended with, in one line; None if it was finished."""
    error: BaseException | None = future.exception()  # type: ignore[no-untyped-call]
    if error is None:
        return future.result() or None
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


# --- in a worker ---------------------------------------------------------------------------------


@cache
def _watched() -> None:
    """Once in a process."""
    end_with_parent()


@lru_cache(maxsize=2)
def load_once(name: str, data_dir: Path | None, notice: Notice) -> LoadedDataset:
    """A data set, loaded once in a process."""
    return load_dataset(name, data_dir, notice=notice)


def run_trial(
    name: str,
    labels: Mapping[str, str],
    text: str,
    folder: Path,
    data_dir: Path | None,
    float_baseline: bool,
    keep_arrays: bool,
) -> str:
    """Train a trial, or go on with it; in a worker.

    Args:
        name: Of the trial.
        labels: What tells it from the others.
        text: Its settings, see `text_of`.
        folder: Of the trials.
        data_dir: Of the data set.
        float_baseline: Train on exact weights, too.
        keep_arrays: Leave what a run needs to go on.

    Returns:
        What is wrong with it, in one line; nothing if it is finished.
    """
    _watched()
    run, began = folder / name, time.monotonic()
    if finished(run) is not None:
        return ""
    cpu = time.process_time()
    try:
        settings = settings_from(text)
        dataset = load_once(settings.data.set, data_dir, _silent)
        is_begun = (run / "checkpoint.npz").exists()
        what: dict[str, Any] = {"resume": run} if is_begun else {"config": settings, "out": run}
        if not is_begun:
            what["float_baseline"] = float_baseline
        ended: Run = train(**what, dataset=dataset, threads=1, notice=_silent)
    except XbarError as e:
        return "; ".join(str(e).splitlines())
    content = {
        "labels": dict(labels),
        "results": results_of(ended.summary),
        "wall_seconds": round(time.monotonic() - began, 3),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "worker_peak_bytes": _peak_bytes(),
        "worker": _worker(),
    }
    atomic.write(run / DONE, (json.dumps(content) + "\n").encode())
    if not keep_arrays:
        drop_arrays(run)
    return ""


def _silent(line: str) -> None:
    """Notices of a trial are in its folder."""


def _peak_bytes() -> int:
    """Largest memory of this process so far."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _worker() -> str:
    """Address of this worker; nothing outside of one."""
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return ""
