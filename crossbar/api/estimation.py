"""Energy, time, area and spikes of runs on chips that do not exist yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from device_models.errors import ConfigError
from device_models.record import Record, quantity, shown
from device_models.streams import stream

from ..energy.chip import ChipSpec, load_chip
from ..energy.costs import Costs, load_costs
from ..energy.counts import RunCounts, counts_of_run
from ..energy.estimate import estimate as estimate_chip
from ..energy.metrics import metrics
from ..energy.study import DesignPoint, RunEstimate, Study
from ..energy.uncertainty import monte_carlo, tornado
from .folders import Folder, path

if TYPE_CHECKING:  # torch comes with it
    from ..experiment.train import Notice

Progress = Callable[[int, int], object]
CHIP = "proposal_28nm"


@dataclass(frozen=True, kw_only=True)
class Estimating(Record):
    """Settings of an estimate.

    Attributes:
        seed: Of the draws.
        draws: Of the constants, for intervals.
    """

    seed: int = quantity("", 0, 2**31 - 1, default=0)
    draws: int = quantity("draws", 0, 1_000_000, default=2000)


def estimate(
    runs: Sequence[Folder] = (),
    *,
    chips: Sequence[str] = (CHIP,),
    costs: Sequence[str] = (),
    network: Folder | None = None,
    rates: Sequence[float] = (),
    sweeps: Mapping[str, Sequence[float]] | None = None,
    settings: Estimating | None = None,
    data_dir: Folder | None = None,
    notice: "Notice" = print,
    progress: Progress = lambda done, total: None,
) -> Study:
    """Count what happened in runs, price it on chips, and test the first run on other chips.

    Args:
        runs: Run folders.
        chips: Files or presets; each run is estimated on each.
        costs: Cost tables over the default one; later ones win.
        network: In place of runs: the file of a network that was never run.
        rates: Its assumed rates, Hz: of the input lines and of each hidden layer.
        sweeps: Axis of `crossbar.energy.design_space.AXES` -> values that the first run is tested
            with.
        settings: Seed and number of draws.
        data_dir: Folder of the data set, for `sweeps`.
        notice: Told what goes on, line by line.
        progress: Called after each chip that was tested: how many are done, of how many.

    Returns:
        All that `crossbar.reports.energy.write_report` makes a report of.

    Raises:
        XbarError: Something is wrong.
    """
    settings, sweeps = settings or Estimating(), sweeps or {}
    specs, table = [load_chip(name) for name in chips], load_costs(("default", *costs))
    if network is not None:
        from ..energy.assumed import assumed_run  # torch comes with it

        generator = stream("assumed", settings.seed)
        counts = [assumed_run(Path(network), list(rates), generator=generator)]
    else:
        counts = [counts_of_run(Path(folder)) for folder in runs]
    names = zip(short_names(counts), counts, strict=True)
    points: tuple[DesignPoint, ...] = ()
    if sweeps:
        check_converters(specs[0], sweeps)
        points = explored(Path(runs[0]), sweeps, specs[0], table, path(data_dir), notice, progress)
    return Study(
        runs=tuple(
            estimate_run(name, run, chip, table, settings, alone=len(specs) == 1)
            for name, run in names
            for chip in specs
        ),
        costs=("default", *costs),
        draws=settings.draws,
        seed=settings.seed,
        bars=tuple(tornado(counts[0], specs[0], table)),
        metrics=tuple(metrics(run) for run in counts for _ in specs),
        explored=points,
    )


def estimate_run(
    name: str, run: RunCounts, chip: ChipSpec, costs: Costs, settings: Estimating, *, alone: bool
) -> RunEstimate:
    """One run on one chip; each draws the same constants."""
    generator, draws = stream("costs", settings.seed), settings.draws
    percentiles = monte_carlo(run, chip, costs, draws=draws, generator=generator) if draws else {}
    full_name = name if alone else f"{name} on {chip.name}"
    return RunEstimate(full_name, estimate_chip(run, chip, costs), percentiles)


def short_names(runs: Sequence[RunCounts]) -> list[str]:
    """Names of the folders; their paths where two share a name."""
    names = [Path(run.folder).name or run.folder for run in runs]
    return names if len(set(names)) == len(names) else [run.folder for run in runs]


def check_converters(chip: ChipSpec, sweeps: Mapping[str, object]) -> None:
    """Refuse to sweep converters that a chip has not.

    Raises:
        ConfigError: It has none.
    """
    if "adc_bits" in sweeps and chip.adc_kind == "none":
        raise ConfigError(
            f"the chip {shown(chip.name)} has no converters: adc_bits cannot be swept"
        )


def explored(
    folder: Path,
    sweeps: Mapping[str, Sequence[float]],
    chip: ChipSpec,
    costs: Costs,
    data_dir: Path | None,
    notice: "Notice",
    progress: Progress,
) -> tuple[DesignPoint, ...]:
    """The run on every chip of a sweep, with the Pareto front of accuracy, energy and area."""
    from ..energy.design_space import explore, pareto_front  # torch comes with them
    from ..experiment.run import Run
    from .threads import one_thread

    run = Run.open(folder)
    with one_thread():
        points = explore(
            folder, sweeps, data=lambda: run.load_data(data_dir, notice=notice), progress=progress
        )
    estimates = [estimate_chip(p.counts, with_settings(chip, p.settings), costs) for p in points]
    measures = [
        [-p.accuracy, e.joules.typical, e.m2.typical]
        for p, e in zip(points, estimates, strict=True)
    ]
    optimal = set(pareto_front(np.array(measures)))
    return tuple(
        DesignPoint(p.settings, p.accuracy, e, i in optimal)
        for i, (p, e) in enumerate(zip(points, estimates, strict=True))
    )


def with_settings(chip: ChipSpec, settings: Mapping[str, float]) -> ChipSpec:
    """The chip with the settings of one point of a sweep; what is no part of it is left out."""
    values = dict(settings)
    if "tile" in values:
        values["tile_rows"] = values["tile_columns"] = values.pop("tile")
    names = {field.name for field in fields(chip)}
    changes: dict[str, Any] = {name: value for name, value in values.items() if name in names}
    return replace(chip, **changes)
