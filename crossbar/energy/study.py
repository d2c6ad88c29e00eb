"""Everything in one report of energy: estimates, how certain they are, what was explored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .interval import Interval
from .results import ChipEstimate
from .uncertainty import Bar


@dataclass(frozen=True, eq=False)
class RunEstimate:
    """One run on one chip.

    Attributes:
        name: Short, for tables and pictures.
        estimate: Its energy, time and area.
        percentiles: 5 %, median and 95 % over the draws of the constants, as `monte_carlo` names
            them.
    """

    name: str
    estimate: ChipEstimate
    percentiles: Mapping[str, Interval]


@dataclass(frozen=True, eq=False)
class DesignPoint:
    """The first run on another chip.

    Attributes:
        settings: What is different, by axis.
        accuracy: Tested anew with these settings, 0 to 1.
        estimate: Its energy, time and area.
        pareto_optimal: On the Pareto front of accuracy, energy and area.
    """

    settings: Mapping[str, float]
    accuracy: float
    estimate: ChipEstimate
    pareto_optimal: bool


@dataclass(frozen=True, eq=False)
class Study:
    """What a report is of.

    Attributes:
        runs: The first is reported in full, the others in a comparison.
        costs: Names of the cost tables, later ones before earlier ones.
        draws: Of the constants.
        seed: Of these draws.
        bars: What the energy of the first run depends on, widest first.
        metrics: NeuroBench's metrics of each run, under its names.
        explored: Chips of an exploration.
    """

    runs: tuple[RunEstimate, ...]
    costs: tuple[str, ...]
    draws: int
    seed: int
    bars: tuple[Bar, ...]
    metrics: tuple[Mapping[str, Any], ...]
    explored: tuple[DesignPoint, ...] = field(default=())

    @property
    def first(self) -> ChipEstimate:
        """The estimate that is reported in full."""
        return self.runs[0].estimate


def settings_name(settings: Mapping[str, float]) -> str:
    """`5 bits, tile 64`."""
    words = {"adc_bits": "{} bits", "tile": "tile {}"}
    return ", ".join(
        words.get(name, name + " {}").format(f"{value:g}") for name, value in settings.items()
    )
