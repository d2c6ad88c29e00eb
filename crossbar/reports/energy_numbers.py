"""The numbers that a person reads first, for the terminal and the page alike."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from device_models.units import MM2

from ..energy.interval import Interval, total
from ..energy.results import ChipEstimate, EnergyItem


class HeadlineQuantity(NamedTuple):
    """A named value with its doubt.

    Attributes:
        name: For people.
        value: Low, typical, high, of the counts of the run; None where nothing happened.
        dense: The same with every line, column and neuron active in every step; None where that
            means nothing.
        unit: SI, or `MM2`, `TOPS/W`, `days`.
    """

    name: str
    value: Interval | None
    dense: Interval | None
    unit: str


def quantities(e: ChipEstimate) -> list[HeadlineQuantity]:
    """What has a low, a typical and a high value."""
    headline = e.headline()

    def with_dense(name: str, key: str, unit: str) -> HeadlineQuantity:
        return HeadlineQuantity(name, headline[key], headline[f"{key}_dense"], unit)

    values = [
        with_dense("energy of an inference", "joules_per_inference", "J"),
        HeadlineQuantity("time of an inference", e.seconds_per_inference, e.seconds_dense, "s"),
        with_dense("energy of a SOP", "joules_per_synaptic_operation", "J"),
        with_dense("operations per joule", "tops_per_watt", "TOPS/W"),
        HeadlineQuantity("area", 1e6 * e.m2, None, MM2),
        HeadlineQuantity("leakage", e.leakage_watts, None, "W"),
    ]
    if not e.run.activity.assumed:
        values.append(HeadlineQuantity("energy of the training", e.training_joules, None, "J"))
        values.append(HeadlineQuantity("time of the training", e.training_seconds, None, "s"))
    if e.lifetime_days is not None:
        values.append(HeadlineQuantity("lifetime", e.lifetime_days, None, "days"))
    if e.undisturbed_days is not None:
        values.append(HeadlineQuantity("reads disturb after", e.undisturbed_days, None, "days"))
    return values


def untested(e: ChipEstimate) -> str:
    """Where the chip reads columns otherwise than the run whose accuracy is quoted; else empty."""
    run, chip = e.run, e.chip
    analog = chip.adc_kind == "none"
    same = run.is_analog if analog else run.adc_bits == chip.adc_bits
    if run.activity.assumed or same:
        return ""
    was = "exact columns" if run.adc_bits is None else f"{run.adc_bits}-bit converters"
    was = "analog neurons" if run.is_analog else was
    if analog:
        return (
            f"Accuracy and spikes are those of {was}; xbar train --set periphery.kind=analog has "
            "the neurons of the chip"
        )
    return (
        f"Accuracy and spikes are those of {was}; --sweep adc_bits={chip.adc_bits} tests the "
        f"{chip.adc_bits} bits of the chip"
    )


def by_component(
    items: Iterable[EnergyItem], names: Iterable[str]
) -> list[tuple[str, Interval, Interval]]:
    """(component, spike-gated, dense) sums in joules of all components that cost anything."""
    sums = []
    items = list(items)
    for name in names:
        parts = [item for item in items if item.component == name]
        gated, dense = total([i.joules for i in parts]), total([i.joules_dense for i in parts])
        if gated.high > 0.0 or dense.high > 0.0:
            sums.append((name, gated, dense))
    return sums


def state(e: ChipEstimate) -> str:
    """Precision and utilisation that operations per joule belong to."""
    headline = e.headline()
    used = f"{headline['utilisation']:.0%} of {headline['tiles']} tiles used"
    return f"{headline['precision']}; {used}"


Shown = Callable[[float, str], str]


def cells(span: Interval | None, unit: str, show: Shown) -> list[str]:
    """Low, typical and high as text; square millimetres, TOPS/W and days know no prefix."""
    if span is None:
        return ["-"] * 3
    values = (span.low, span.typical, span.high)
    if unit in (MM2, "TOPS/W", "days"):
        return [f"{value:.3g} {unit}" for value in values]
    return [show(value, unit) for value in values]
