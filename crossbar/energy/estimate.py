"""The estimate of a run on a chip: counted events times the constants of a cost table."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .activity import Activity
from .area import Block, blocks, check_fits, leakage_watts
from .chip import Chip
from .costs import Costs
from .counts import LayerCounts, RunCounts, active_steps, count
from .inference_cost import Floats, Line, Price, Reading, inference_lines
from .interval import Interval
from .latency import inference_seconds
from .results import COMPONENTS, AreaItem, Estimate, Item, UsedCost
from .scaling import at_chip
from .training_cost import training_lines, training_seconds

__all__ = ["COMPONENTS", "AreaItem", "Estimate", "Interval", "Item", "UsedCost", "estimate"]


@dataclass(frozen=True, eq=False)
class Case:
    """Everything that an estimate depends on, save the constants.

    Attributes:
        run: The run.
        chip: The chip.
        counts: Events of each layer on the tiles of the chip.
        active: Of each layer, (inference, step) pairs with a spike on a line.
        reading: Read voltage and time, and what the counts are of.
    """

    run: RunCounts
    chip: Chip
    counts: tuple[LayerCounts, ...]
    active: tuple[int, ...]
    reading: Reading

    @property
    def seconds_real(self) -> float:
        """Duration of an inference in the network's own time, seconds."""
        return self.run.activity.steps * self.run.activity.dt_seconds


@dataclass(frozen=True, eq=False)
class Account:
    """A case at some prices; every array is (k,), one value for each set of prices.

    Attributes:
        lines: Energy of one inference, save leakage.
        area: Blocks of the chip.
        watts: Leakage.
        seconds: One inference at the speed of the circuits.
        seconds_dense: The same if every step were active.
        training: Energy of the whole training, save leakage.
        training_seconds: The whole training.
        leaking_seconds, leaking_seconds_dense: What leakage is charged for in an inference: those
            above, or at the pace of the network its own time.
    """

    lines: list[Line]
    area: list[Block]
    watts: Floats
    seconds: Floats
    seconds_dense: Floats
    training: list[Line]
    training_seconds: Floats
    leaking_seconds: Floats
    leaking_seconds_dense: Floats


def estimate(run: RunCounts, chip: Chip, costs: Costs) -> Estimate:
    """Energy, time and area of a run on a chip, with every constant that entered.

    Args:
        run: What a run did.
        chip: The chip.
        costs: Constants, see `load_costs`.

    Raises:
        ConfigError: The chip has too few tiles, or its node, bits or blocks want a constant that
            the table cannot give.
    """
    case = case_of(run, chip)
    used = Used(costs, chip)
    done = account(case, used)
    leak = _span(done.watts)
    items = [_item(line) for line in done.lines]
    items.append(_leakage(done.watts, done.leaking_seconds, done.leaking_seconds_dense))
    training = [_item(line) for line in done.training]
    training.append(_leakage(done.watts, done.training_seconds, done.training_seconds))
    return Estimate(
        chip=chip,
        run=run,
        counts=case.counts,
        items=tuple(items),
        area=tuple(
            AreaItem(b.component, b.count, b.cost, _span(b.unit_m2), _span(b.m2)) for b in done.area
        ),
        seconds_per_inference=_span(done.seconds),
        seconds_dense=_span(done.seconds_dense),
        seconds_real=case.seconds_real,
        leakage_watts=leak,
        training=tuple(training),
        training_seconds=_span(done.training_seconds),
        lifetime_days=lifetime_days(run, chip),
        used=dict(used.found),
    )


class Used:
    """Looks up constants at a chip and remembers which ones were asked for."""

    def __init__(self, costs: Costs, chip: Chip) -> None:
        """Nothing is looked up before it is asked for."""
        self.costs, self.chip = costs, chip
        self.found: dict[str, UsedCost] = {}

    def __call__(self, name: str) -> Floats:
        """Low, typical and high of one constant, (3,)."""
        if name not in self.found:
            self.found[name] = at_chip(self.costs, name, self.chip)
        value = self.found[name].value
        return np.array([value.low, value.typical, value.high])


def case_of(run: RunCounts, chip: Chip) -> Case:
    """A run cut into the tiles of a chip.

    Raises:
        ConfigError: The chip has too few tiles.
    """
    counts, active = _counted(run.activity, chip.tile_rows, chip.tile_columns)
    check_fits(counts, chip)
    reading = Reading(
        volts=run.v_read_volts if chip.v_read_volts is None else chip.v_read_volts,
        seconds=run.t_read_seconds if chip.t_read_seconds is None else chip.t_read_seconds,
        inferences=run.activity.inferences,
        steps=run.activity.steps,
        sliced=run.mapping == "bit_sliced",
    )
    return Case(run, chip, counts, active, reading)


@lru_cache(maxsize=4)  # an estimate, its Monte-Carlo and its tornado count the same run
def _counted(
    activity: Activity, tile_rows: int, tile_columns: int
) -> tuple[tuple[LayerCounts, ...], tuple[int, ...]]:
    """Events of each layer, and its active steps."""
    # A row of tiles as high as the layer is active whenever any of its lines is.
    active = tuple(active_steps(layer, layer.rows)[0] for layer in activity.layers)
    return count(activity, tile_rows, tile_columns), active


def account(case: Case, price: Price) -> Account:
    """Every line, block and duration of a case at some prices."""
    run, chip, counts, reading = case.run, case.chip, case.counts, case.reading
    lines = inference_lines(counts, chip, reading, price)
    area = blocks(counts, chip, price, sliced=reading.sliced)
    always = (reading.steps * reading.inferences,) * len(counts)
    seconds = inference_seconds(counts, case.active, chip, reading, price)
    dense = inference_seconds(counts, always, chip, reading, price)
    real = np.full_like(seconds, case.seconds_real)
    return Account(
        lines=lines,
        area=area,
        watts=leakage_watts(area, price),
        seconds=seconds,
        seconds_dense=dense,
        training=training_lines(run, lines, chip, reading, price),
        training_seconds=training_seconds(run, counts, chip, reading, price, seconds),
        leaking_seconds=real if chip.timing == "real" else seconds,
        leaking_seconds_dense=real if chip.timing == "real" else dense,
    )


def lifetime_days(run: RunCounts, chip: Chip) -> Interval | None:
    """Days until devices reach their endurance by training alone; the first array counts.

    Typical and high are those of the mean device, low that of the one that got most pulses.

    Returns:
        None where the device file states no endurance, or nothing is ever trained.
    """
    worn = [
        (done.endurance_pulses, done.pulses_per_device_max, done.pulses_per_device_mean)
        for done in run.training
        if done.endurance_pulses and done.pulses_per_device_mean
    ]
    if not worn or not chip.trainings_per_day:
        return None
    first = min(endurance / most for endurance, most, _ in worn) / chip.trainings_per_day
    mean = min(endurance / usual for endurance, _, usual in worn) / chip.trainings_per_day
    return Interval(first, mean, mean)


def _span(values: Floats) -> Interval:
    """Low, typical and high of an array of three."""
    return Interval(*(float(value) for value in values))


def _item(line: Line) -> Item:
    """A line at low, typical and high prices."""
    unit = _span(line.unit_joules)
    return Item(
        layer=line.layer,
        component=line.component,
        what=line.what,
        count=line.count,
        count_dense=line.count_dense,
        cost=line.cost,
        unit_joules=unit,
        joules=unit * line.count,
        joules_dense=unit * line.count_dense,
    )


def _leakage(watts: Floats, seconds: Floats, seconds_dense: Floats) -> Item:
    """Power x time; the time is as uncertain as the power, `count` is the typical one."""
    return Item(
        layer="chip",
        component="leakage",
        what="seconds at rest power",
        count=float(seconds[1]),
        count_dense=float(seconds_dense[1]),
        cost="leakage_density",
        unit_joules=_span(watts),
        joules=_span(watts * seconds),
        joules_dense=_span(watts * seconds_dense),
    )
