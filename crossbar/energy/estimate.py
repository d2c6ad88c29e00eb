"""The estimate of a run on a chip: counted events times the constants of a cost table."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .activity import Activity
from .area import PricedBlock, area_blocks, check_fits, leakage_watts
from .chip import ChipSpec
from .costs import Costs
from .counts import LayerCounts, RunCounts, active_steps, count
from .inference_cost import Floats, Price, PricedItem, Reading, inference_items
from .interval import Interval
from .latency import inference_seconds
from .lifetime import lifetime_days, undisturbed_days
from .results import COMPONENTS, AreaItem, ChipEstimate, EnergyItem, UsedCost
from .scaling import at_chip
from .training_cost import training_items, training_seconds

__all__ = [
    "COMPONENTS",
    "AreaItem",
    "ChipEstimate",
    "EnergyItem",
    "Interval",
    "UsedCost",
    "estimate",
]


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
    chip: ChipSpec
    counts: tuple[LayerCounts, ...]
    active: tuple[int, ...]
    reading: Reading

    @property
    def seconds_real(self) -> float:
        """Duration of an inference in the network's own time, seconds."""
        return self.run.activity.steps * self.run.activity.dt_seconds


@dataclass(frozen=True, eq=False)
class PricedCase:
    """A case at some prices; every array is (k,), one value for each set of prices.

    Attributes:
        items: Energy of one inference, save leakage.
        area: Blocks of the chip.
        watts: Leakage.
        seconds: One inference at the speed of the circuits.
        seconds_dense: The same if every step were active.
        training: Energy of the whole training, save leakage.
        training_seconds: The whole training.
        leaking_seconds, leaking_seconds_dense: What leakage is charged for in an inference: those
            above, or at the pace of the network its own time.
    """

    items: list[PricedItem]
    area: list[PricedBlock]
    watts: Floats
    seconds: Floats
    seconds_dense: Floats
    training: list[PricedItem]
    training_seconds: Floats
    leaking_seconds: Floats
    leaking_seconds_dense: Floats


def estimate(run: RunCounts, chip: ChipSpec, costs: Costs) -> ChipEstimate:
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
    lookup = CostLookup(costs, chip)
    priced = price_case(case, lookup)
    items = [_item(item) for item in priced.items]
    items.append(_leakage(priced.watts, priced.leaking_seconds, priced.leaking_seconds_dense))
    training = [_item(item) for item in priced.training]
    training.append(_leakage(priced.watts, priced.training_seconds, priced.training_seconds))
    return ChipEstimate(
        chip=chip,
        run=run,
        counts=case.counts,
        items=tuple(items),
        area=tuple(
            AreaItem(b.component, b.count, b.cost, _span(b.unit_m2), _span(b.m2))
            for b in priced.area
        ),
        seconds_per_inference=_span(priced.seconds),
        seconds_dense=_span(priced.seconds_dense),
        seconds_real=case.seconds_real,
        leakage_watts=_span(priced.watts),
        training=tuple(training),
        training_seconds=_span(priced.training_seconds),
        lifetime_days=lifetime_days(run, chip, lookup),
        undisturbed_days=undisturbed_days(case.counts, run, chip, case.reading.volts, lookup),
        used=dict(lookup.used),
    )


class CostLookup:
    """Looks up constants at a chip and remembers which ones were asked for."""

    def __init__(self, costs: Costs, chip: ChipSpec) -> None:
        """Nothing is looked up before it is asked for."""
        self.costs, self.chip = costs, chip
        self.used: dict[str, UsedCost] = {}

    def __call__(self, name: str) -> Floats:
        """Low, typical and high of one constant, (3,)."""
        if name not in self.used:
            self.used[name] = at_chip(self.costs, name, self.chip)
        value = self.used[name].value
        return np.array([value.low, value.typical, value.high])


def case_of(run: RunCounts, chip: ChipSpec) -> Case:
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
        sliced=run.is_sliced,
    )
    return Case(run, chip, counts, active, reading)


@lru_cache(maxsize=4)  # an estimate, its Monte-Carlo and its tornado count the same run
def _counted(
    activity: Activity, tile_rows: int, tile_columns: int
) -> tuple[tuple[LayerCounts, ...], tuple[int, ...]]:
    """Events of each layer, and its active reads."""
    # A row of tiles as high as the layer is active whenever any of its lines is.
    active = tuple(
        active_steps(layer, layer.rows, layer.steps or activity.steps)[0]
        for layer in activity.layers
    )
    return count(activity, tile_rows, tile_columns), active


def price_case(case: Case, price: Price) -> PricedCase:
    """Every item, block and duration of a case at some prices."""
    run, chip, counts, reading = case.run, case.chip, case.counts, case.reading
    items = inference_items(counts, chip, reading, price)
    area = area_blocks(counts, chip, price, sliced=reading.sliced)
    always = tuple(layer.reads for layer in counts)
    seconds = inference_seconds(counts, case.active, chip, reading, price)
    dense = inference_seconds(counts, always, chip, reading, price)
    real = np.full_like(seconds, case.seconds_real)
    return PricedCase(
        items=items,
        area=area,
        watts=leakage_watts(area, price),
        seconds=seconds,
        seconds_dense=dense,
        training=training_items(run, items, chip, reading, price),
        training_seconds=training_seconds(run, counts, chip, reading, price, seconds),
        leaking_seconds=real if chip.timing == "real" else seconds,
        leaking_seconds_dense=real if chip.timing == "real" else dense,
    )


def _span(values: Floats) -> Interval:
    """Low, typical and high of an array of three."""
    return Interval(*(float(value) for value in values))


def _item(item: PricedItem) -> EnergyItem:
    """An item at low, typical and high prices."""
    unit = _span(item.unit_joules)
    return EnergyItem(
        layer=item.layer,
        component=item.component,
        what=item.what,
        count=item.count,
        count_dense=item.count_dense,
        cost=item.cost,
        unit_joules=unit,
        joules=unit * item.count,
        joules_dense=unit * item.count_dense,
    )


def _leakage(watts: Floats, seconds: Floats, seconds_dense: Floats) -> EnergyItem:
    """Power x time; the time is as uncertain as the power, `count` is the typical one."""
    return EnergyItem(
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
