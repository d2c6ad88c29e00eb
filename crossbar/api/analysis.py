"""What wires and chips do to a tile, or to a network that was trained on another chip."""

import csv
import io
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from device_models import atomic
from device_models.claim import Claim
from device_models.errors import ConfigError, LimitError, consequence
from device_models.printable import encoded
from device_models.record import Record, quantity
from device_models.streams import stream
from device_models.units import format_si

from ..array.tile import CrossbarTile
from ..datasets.encode import Data
from ..experiment import checkpoint
from ..experiment.fault_study import evaluate_with_faults, trained_parameters
from ..experiment.reevaluate import same_devices
from ..experiment.run import Run
from ..experiment.sweep_axes import AXES, changes
from ..experiment.train import Notice
from ..figures import style, tile
from ..metrics.statistics import student_interval
from ..wires.transfer import free_bytes
from ..wires.wires import Wires
from .folders import Folder, path
from .threads import one_thread

SIZES = (16, 32, 64, 128)
SEGMENTS_OHMS = (0.5, 1.0, 2.0, 5.0)
PICTURES = "analysis"  # what its folder is claimed for
Tests = Sequence[tuple[float, int]]
# Of the exact solution, by tiles of 512 to 1024 lines with segments of 2 ohm.
SECONDS_PER_DEVICE, BYTES_PER_DEVICE = 2.5e-6, 150
SILENT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Analysis(Record):
    """Settings of an analysis: a tile of random conductances, or one tile of a run."""

    rows: int = quantity("lines", 1, 4096, default=128)
    columns: int = quantity("lines", 1, 4096, default=128)
    wires_ohms: float | None = quantity("ohm", 0.0, 1e9, default=None)
    driver_ohms: float = quantity("ohm", 0.0, 1e9, default=0.0)
    sense_ohms: float = quantity("ohm", 0.0, 1e9, default=0.0)
    g_low_siemens: float = quantity("S", 1e-12, 1.0, default=1e-6)
    g_high_siemens: float = quantity("S", 1e-12, 1.0, default=1e-4)
    v_read_volts: float = quantity("V", 1e-3, 0.5, default=0.2)
    layer: int = quantity("", 0, 1_000_000, default=0)
    tile: int = quantity("", 0, 1_000_000, default=0)
    repeats: int = quantity("", 1, 1000, default=3)
    seed: int = quantity("", 0, 2**31 - 1, default=0)

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            ConfigError: A field is outside its range, or the window is empty.
        """
        super().__post_init__()
        if self.g_low_siemens > self.g_high_siemens:
            low, high = self.g_low_siemens, self.g_high_siemens
            raise ConfigError(
                f"the lowest conductance, {low:g} S, is above the highest, {high:g} S"
            )

    @property
    def segment_ohms(self) -> float:
        """Of a tile that no run gives wires to."""
        return 2.0 if self.wires_ohms is None else self.wires_ohms


def no_sweep_bar(tests: Tests, label: str) -> Iterable[tuple[float, int]]:
    """Shows nothing."""
    return tests


def analyze(
    run: Folder | None = None,
    *,
    settings: Analysis | None = None,
    sweeps: Mapping[str, Sequence[float]] | None = None,
    out: Folder | None = None,
    data_dir: Folder | None = None,
    notice: Notice = print,
    progress: Callable[[Tests, str], Iterable[tuple[float, int]]] = no_sweep_bar,
) -> dict[str, Any]:
    """Solve a tile with all rows driven, draw it, and test a run on other chips.

    Args:
        run: Folder of a run, whose tile is solved; None for random conductances.
        settings: Of the tile; see `Analysis`. Wires that are given replace those of the run.
        sweeps: Axis, one of `AXES`, -> values that the run is tested with.
        out: Folder of the pictures; by default `analysis`, in that of the run.
        data_dir: Folder of the data set; by default it is looked for, then fetched.
        notice: Told what goes on, line by line.
        progress: Shows a sweep: it takes its tests and a label, and yields the tests.

    Returns:
        What the wires of the tile do, and of each sweep the accuracies.

    Raises:
        XbarError: Something is wrong; nothing was drawn.
    """
    settings, sweeps = settings or Analysis(), sweeps or {}
    with consequence("nothing was drawn"), one_thread():
        if run is None and sweeps:
            raise ConfigError("--sweep needs a RUN to test")
        opened = None if run is None else Run.open(path(run))
        chips = {} if opened is None else chips_of(opened, settings, sweeps)
        folder = path(out) or (opened.folder if opened else Path()) / "analysis"
        with Claim(folder, PICTURES):
            content: dict[str, Any] = {"tile": tile_report(settings, opened, folder, notice)}
            if opened is None:
                content["losses"] = loss_report(settings, folder)
            elif sweeps:
                data = opened.load_data(path(data_dir), notice=notice)
                content["sweeps"] = {
                    name: sweep_report(opened, name, each, settings, data, folder, progress)
                    for name, each in chips.items()
                }
    return content | {"folder": str(folder)}


def wires_of(settings: Analysis) -> Wires:
    """The lines that the settings describe."""
    ohms = settings.segment_ohms
    return Wires(ohms, ohms, settings.driver_ohms, settings.sense_ohms)


def random_conductances(settings: Analysis, rows: int, columns: int) -> np.ndarray:
    """Log-uniform in the window, siemens."""
    u = stream("analysis", settings.seed).random((rows, columns))
    low, high = np.log(settings.g_low_siemens), np.log(settings.g_high_siemens)
    return np.asarray(np.exp(low + (high - low) * u))


def tile_report(
    settings: Analysis, run: Run | None, folder: Path, notice: Notice
) -> dict[str, Any]:
    """Solve one tile with all rows driven, draw it, and say what it loses."""
    wires = wires_of(settings)
    if run is None:
        g = random_conductances(settings, settings.rows, settings.columns)
        about = f"{settings.rows} x {settings.columns} random conductances"
    else:
        if settings.wires_ohms is None and not run.config.wires.ideal:
            wires = run.config.wires
        g, about = trained_tile(run, settings)
    about += f", {wires.word_ohms:g} ohm a word-line segment, {wires.bit_ohms:g} ohm a bit-line one"
    solved = CrossbarTile(g, wires=wires)
    v = np.full(len(g), settings.v_read_volts)
    watch = solving(len(g), len(g.T), notice)
    voltages = solved.voltages(v, watch=watch)
    style.save(tile.maps(solved, v, voltages, about=about), folder / "tile.png")
    ideal, real = v @ g, voltages.amperes[0]
    return {
        "about": about,
        "rows": g.shape[0],
        "columns": g.shape[1],
        "ideal_amperes": float(ideal.sum()),
        "sensed_amperes": float(real.sum()),
        "lost_share": 1.0 - float(real.sum() / ideal.sum()),
        "worst_column_lost_share": float((1.0 - real / ideal).max()),
    }


def solving(rows: int, columns: int, notice: Notice) -> Callable[[float], object]:
    """Say what a large tile costs, before it is solved; what is returned says how far that is.

    Raises:
        LimitError: It needs more memory than is free.
    """
    seconds, needed = SECONDS_PER_DEVICE * rows * columns, BYTES_PER_DEVICE * rows * columns
    name, free = f"a tile of {rows:,} x {columns:,}", free_bytes()
    if free is not None and needed > free:
        raise LimitError(
            f"{name} takes {needed / 2**30:.1f} GiB of memory, {free / 2**30:.1f} GiB are free"
        )
    if seconds < SILENT_SECONDS:
        return lambda done: None
    notice(
        f"solving {name}: about {seconds:.0f} s or a few times that with lossy wires, "
        f"{needed / 2**30:.1f} GiB of memory"
    )
    noticed = time.monotonic()

    def watch(done: float) -> None:
        nonlocal noticed
        if time.monotonic() - noticed > SILENT_SECONDS:
            noticed = time.monotonic()
            notice(f"solving {name}: {done:.0%}")

    return watch


def trained_tile(run: Run, settings: Analysis) -> tuple[np.ndarray, str]:
    """Conductances of one tile of a trained layer, and whose they are."""
    conductances = run.from_checkpoint(checkpoint.conductances)
    if settings.layer >= len(conductances):
        raise ConfigError(
            f"--layer = {settings.layer}: {run.folder} has 0 to {len(conductances) - 1}"
        )
    g = conductances[settings.layer].astype(np.float64)
    rows, columns = run.config.tiles.tile_rows, run.config.tiles.tile_columns
    across = -(-g.shape[1] // columns)
    count = across * -(-g.shape[0] // rows)
    if settings.tile >= count:
        raise ConfigError(f"--tile = {settings.tile}: layer {settings.layer} has 0 to {count - 1}")
    down, right = divmod(settings.tile, across)
    part = g[down * rows : (down + 1) * rows, right * columns : (right + 1) * columns]
    return part, f"{run.folder.name}, layer {settings.layer}, tile {settings.tile}"


def loss_report(settings: Analysis, folder: Path) -> dict[str, Any]:
    """Loss of square tiles against their size and wires, drawn."""
    lost = np.empty((len(SEGMENTS_OHMS), len(SIZES)))
    for i, ohms in enumerate(SEGMENTS_OHMS):
        wires = wires_of(replace(settings, wires_ohms=ohms))
        for j, size in enumerate(SIZES):
            g = random_conductances(settings, size, size)
            lost[i, j] = 1.0 - CrossbarTile(g, wires=wires).transfer_siemens.sum() / g.sum()
    low, high = (
        format_si(g, "S", digits=3) for g in (settings.g_low_siemens, settings.g_high_siemens)
    )
    about = f"random conductances, log-uniform from {low} to {high}"
    style.save(tile.losses(SIZES, SEGMENTS_OHMS, lost, about=about), folder / "losses.png")
    return {"sizes": SIZES, "segment_ohms": SEGMENTS_OHMS, "lost_share": lost.tolist()}


def chips_of(
    run: Run, settings: Analysis, sweeps: Mapping[str, Sequence[float]]
) -> dict[str, dict[float, Run]]:
    """Axis -> value -> the run on that chip; wires that are given replace those of the run.

    Raises:
        ConfigError: A value is outside its range.
    """
    base = run
    if settings.wires_ohms is not None:
        base = Run(run.folder, replace(run.config, wires=wires_of(settings)), run.model, run.first)
    return {
        name: {value: base.on_chip(changes(name, value)) for value in values}
        for name, values in sweeps.items()
    }


def sweep_report(
    run: Run,
    name: str,
    chips: Mapping[float, Run],
    settings: Analysis,
    data: Data,
    folder: Path,
    progress: Callable[[Tests, str], Iterable[tuple[float, int]]],
) -> dict[str, Any]:
    """Test a run on every chip of an axis; draw it and keep the numbers."""
    axis, values = AXES[name], list(chips)
    test = rewritten(run, data) if axis.rewrites else unchanged(data)
    tests = [(value, repeat) for value in values for repeat in range(settings.repeats)]
    accuracies = [
        test(chips[value], settings.seed + repeat)
        for value, repeat in progress(tests, f"sweep of {name}")
    ]
    accuracy = np.array(accuracies).reshape(len(values), settings.repeats)
    baseline = same_devices(run, data, repeat=0)
    picture = tile.sweep(axis.title, axis.unit, values, {run.folder.name: accuracy}, baseline)
    style.save(picture, folder / f"sweep_{name}.png")
    write_csv(folder / f"sweep_{name}.csv", name, values, accuracy)
    mean, half = student_interval(accuracy)
    return {
        "values": values,
        "accuracy": accuracy.tolist(),
        "mean": mean.tolist(),
        "half_of_95_percent_interval": half.tolist(),
        "as_trained": baseline,
    }


def unchanged(data: Data) -> Callable[[Run, int], float]:
    """A test of the trained conductances on another chip: (run there, number) -> accuracy."""
    return lambda chip, repeat: same_devices(chip, data, repeat=repeat)


def rewritten(run: Run, data: Data) -> Callable[[Run, int], float]:
    """A test of the trained weights, written to a new chip: (run there, number) -> accuracy."""
    parameters = trained_parameters(run, data)
    return lambda chip, seed: (
        evaluate_with_faults(run, data, parameters, chip.config.faults, seed=seed).accuracy
    )


def write_csv(file: Path, name: str, values: list[float], accuracy: np.ndarray) -> None:
    """One row per test."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow([name, "repeat", "test_accuracy"])
    for value, tests in zip(values, accuracy.tolist(), strict=True):
        rows.writerows([value, repeat, test] for repeat, test in enumerate(tests))
    atomic.write(file, encoded(text.getvalue()))
