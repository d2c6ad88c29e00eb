"""A trained network on other chips: its conductances stay, tiles, converters and reads change.

Every point is tested anew, with the read noise of the run's last test, and stored in the
folder `explore` of the run: a point that was tested before is read.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

from device_models import atomic
from device_models.errors import ConfigError, RunError
from device_models.npz import UNREADABLE
from device_models.record import did_you_mean
from device_models.schema import dump

from ..datasets.encode import Data
from ..experiment import sweep_axes
from ..experiment.reevaluate import rebuilt
from ..experiment.run import Run
from .activity_file import FILE, read_arrays, save, unpack
from .counts import RunCounts, counts_of_run, run_counts
from .record_activity import recorded

FOLDER = "explore"
AXES = sweep_axes.EXPLORED
MOST = 10_000  # points
SHARED = ("0.rows", "0.times", "0.offsets")  # input events: those of the run, not stored again


@dataclass(frozen=True, eq=False)
class TestedChip:
    """One chip.

    Attributes:
        settings: Value of every axis.
        accuracy: Test accuracy there.
        counts: The run as if it had been tested there; its training is that of the run.
    """

    settings: Mapping[str, float]
    accuracy: float
    counts: RunCounts


def explore(
    folder: Path,
    axes: Mapping[str, Sequence[float]],
    *,
    data: Callable[[], Data],
    threads: int | None = None,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> list[TestedChip]:
    """Test a run on all combinations of some values.

    Args:
        folder: Of a run with `activity.npz`.
        axes: Name, one of `AXES`, and values.
        data: Loads the encoded images; called once, and only if a point was never tested.
        threads: How many samples run at a time; by default one per processor.
        progress: Called after each point: how many are done, of how many.

    Returns:
        The points, the last axis changing fastest.

    Raises:
        ConfigError: There is no such axis, or a value is out of range; nothing was tested.
        RunError: There is no such run, it has no activity, or its devices do not fit such tiles.
    """
    run = Run.open(folder)
    settings = grid(axes)
    chips = [on_chip(run, each) for each in settings]
    base = counts_of_run(folder)
    shared = read_arrays(folder / FILE, "", SHARED)
    state = hashlib.sha256(run.checkpoint() + dump(run.model).encode()).hexdigest()
    points: list[TestedChip] = []
    images: list[Data] = []
    for each, chip in zip(settings, chips, strict=True):
        path = folder / FOLDER / key_of(chip, state)
        point = load_point(path, each, base, shared)
        if point is None:
            images = images or [data()]
            test_point(chip, images[0], each, path, threads)
            point = load_point(path, each, base, shared)
        if point is None:
            raise RunError(f"{path}.json was written and cannot be read back")
        points.append(point)
        progress(len(points), len(settings))
    return points


def grid(axes: Mapping[str, Sequence[float]]) -> list[dict[str, float]]:
    """All combinations of the values.

    Raises:
        ConfigError: An axis is unknown or has no value, two set the same lines, or there are too
            many points.
    """
    for name, values in axes.items():
        if name not in AXES:
            hint = did_you_mean(name, AXES) or f"; known: {', '.join(AXES)}"
            raise ConfigError(f"there is no axis {name!r} to explore{hint}; nothing was tested")
        if not len(values):
            raise ConfigError(f"the axis {name} has no value; nothing was tested")
    if "tile" in axes and {"tile_rows", "tile_columns"} & set(axes):
        raise ConfigError("tile sets the rows and columns of a tile; nothing was tested")
    total = int(np.prod([len(values) for values in axes.values()], dtype=object))
    if total > MOST:
        raise ConfigError(f"{total} points; at most {MOST} are possible; nothing was tested")
    return [dict(zip(axes, point, strict=True)) for point in itertools.product(*axes.values())]


def on_chip(run: Run, settings: Mapping[str, float]) -> Run:
    """The run on the chip of a point.

    Raises:
        ConfigError: A value is out of range.
    """
    for name, value in settings.items():
        try:
            run = run.on_chip(sweep_axes.changes(name, value))
        except ConfigError as e:
            raise ConfigError(f"{e}; nothing was tested") from e
    return run


def key_of(chip: Run, state: str) -> str:
    """Sixteen digits that name a point: its settings, the devices and the version of the code."""
    text = f"{version('xbar-hil')}\n{state}\n{dump(chip.config)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def test_point(
    chip: Run,
    data: Data,
    settings: Mapping[str, float],
    path: Path,
    threads: int | None,
) -> None:
    """Test one point and store it at `path`: its spikes as npz and then its accuracy as JSON.

    Raises:
        ConfigError: The mapping of the run cannot be read so.
        RunError: Such a chip has other devices, or the point cannot be written.
    """
    try:
        trainer = rebuilt(chip, data, threads)
    except (ConfigError, RunError) as e:
        point = ", ".join(f"{name} = {value:g}" for name, value in settings.items())
        raise type(e)(f"{point}: the run cannot be tested there: {e}") from e
    accuracy = float((trainer.evaluate().predictions == data.test_labels).mean())
    arrays = recorded(trainer, accuracy)
    try:
        path.parent.mkdir(exist_ok=True)
        save(path.with_suffix(".npz"), {n: a for n, a in arrays.items() if n not in SHARED})
        result = {"settings": dict(settings), "accuracy": accuracy}
        atomic.write(path.with_suffix(".json"), (json.dumps(result, indent=2) + "\n").encode())
    except OSError as e:
        raise RunError(f"{path}.json cannot be written: {e.strerror or e}") from e


def load_point(
    path: Path,
    settings: Mapping[str, float],
    base: RunCounts,
    shared: Mapping[str, np.ndarray],
) -> TestedChip | None:
    """A point that was tested before; None if it was not, or its files are damaged."""
    try:
        result = json.loads(path.with_suffix(".json").read_text())
        arrays = read_arrays(path.with_suffix(".npz"), "")
        activity, about = unpack({**arrays, **shared})
        accuracy = float(result["accuracy"])
    except (*UNREADABLE, RunError, ConfigError):
        return None
    return TestedChip(
        settings, accuracy, run_counts(Path(base.folder), activity, about, base.training)
    )


def pareto_front(points: np.ndarray) -> np.ndarray:
    """The Pareto front: points that no other one equals or beats in everything and beats in one.

    Args:
        points: (points, measures), less is better in each; a point with nan is never on the front.

    Returns:
        Their numbers, by the first measure.
    """
    values = np.asarray(points, np.float64)
    whole = np.flatnonzero(~np.isnan(values).any(1))
    # A point can only be beaten by one before it in this order.
    order = whole[np.lexsort(values[whole].T[::-1])]
    chosen: list[int] = []
    for point in order:
        better = values[chosen]
        beaten = (better <= values[point]).all(1) & (better < values[point]).any(1)
        if not beaten.any():
            chosen.append(int(point))
    return np.array(chosen, np.int64)
