"""The accounts of a report of energy: items, area, tiles, spikes, training, constants."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

from device_models.units import MM2, UM2, format_count, format_si

from ..energy.interval import Interval
from ..energy.results import (
    COMPONENT_NAMES,
    COMPONENTS,
    TRAINING_COMPONENTS,
    ChipEstimate,
    UsedCost,
)
from .energy_numbers import by_component, cells
from .page import Block, Picture, ReportTable, Text

LOW_TO_HIGH = (">low", ">typical", ">high")
MARKS = (
    "Mark: S seen in the source, S2 quoted by another, D derived from sources, M from memory, "
    "P our own choice. Scaled: carried over from another node by a rule, not measured there."
)
AREA = "Area by component with typical constants, its share, and the reach from low to high."
short = partial(format_si, digits=3)


def breakdown(e: ChipEstimate) -> list[Block]:
    """By component, then every item."""
    whole, dense_whole = e.joules.typical, e.joules_dense.typical
    rows = [
        [COMPONENT_NAMES[name], *cells(gated, "J", short), _percent(gated.typical, whole),
         short(dense.typical, "J"), _percent(dense.typical, dense_whole)]
        for name, gated, dense in by_component(e.items, COMPONENTS)
    ]  # fmt: skip
    rows.append(["all", *cells(e.joules, "J", short), "100 %", short(dense_whole, "J"), "100 %"])
    items = [
        [item.layer, COMPONENT_NAMES[item.component], item.what,
         format_count(item.count), format_count(item.count_dense),
         short(item.unit_joules.typical, "J"), short(item.joules.typical, "J"),
         short(item.joules_dense.typical, "J")]
        for item in e.items
        if item.joules_dense.high > 0.0
    ]  # fmt: skip
    head = ["layer", "component", "event", ">count", ">dense", ">each", ">energy", ">dense"]
    return [
        ReportTable(["component", *LOW_TO_HIGH, ">share", ">dense, typical", ">share"], rows),
        Text("Every event of an inference, and what it costs with typical constants:"),
        ReportTable(head, items),
    ]


def area(e: ChipEstimate) -> list[Block]:
    """By component."""
    rows = [
        [COMPONENT_NAMES[item.component], format_count(item.count),
         *cells(1e12 * item.unit_m2, UM2, _plain), *cells(1e6 * item.m2, MM2, short)]
        for item in e.area
    ]  # fmt: skip
    rows.append(["all", "", "", "", "", *cells(1e6 * e.m2, MM2, short)])
    head = ["component", ">count", ">each, low", ">typical", ">high", ">all, low", ">typical",
            ">high"]  # fmt: skip
    return [ReportTable(head, rows), Picture("area", AREA)]


def mapping(e: ChipEstimate) -> list[Block]:
    """How the crossbars lie on tiles."""
    n = e.run.activity.inferences
    rows = [
        [layer.name, f"{layer.rows} x {layer.columns}", str(layer.outputs),
         f"{layer.columns / layer.outputs:.3g}", f"{layer.tiles_down} x {layer.tiles_across}",
         f"{layer.tile_rows} x {layer.tile_columns}", f"{layer.utilisation:.0%}".replace("%", " %"),
         format_count(layer.row_activations / n), format_count(layer.conversions / n),
         format_count(layer.conversions_dense / n)]
        for layer in e.counts
    ]  # fmt: skip
    head = ["layer", "devices", ">neurons", ">devices a synapse", ">tiles", ">tile", ">used",
            ">lines driven", ">conversions", ">dense"]  # fmt: skip
    tiles = sum(layer.tiles_down * layer.tiles_across for layer in e.counts)
    there = "as many as needed" if e.chip.tiles is None else f"of {e.chip.tiles} on the chip"
    text = (
        f"{tiles} tiles, {there}. Mapping {e.run.mapping}: how the signs of the weights lie on "
        f"devices; E:I {e.run.ei}. Lines and conversions are those of an inference."
    )
    return [Text(text), ReportTable(head, rows)]


def spikes(e: ChipEstimate, metrics: Mapping[str, object]) -> list[Block]:
    """Spikes by layer, and NeuroBench's metrics."""
    n, last = e.run.activity.inferences, e.counts[-1]
    rows = [
        [c.name, f"{c.row_activations / n:.4g}",
         f"{c.spikes / n:.4g}" if c.spikes or c is not last else "",
         f"{c.spikes / n / c.neurons:.3g}" if c.spikes or c is not last else "",
         f"{c.synaptic_operations / n:,.0f}", f"{c.synaptic_operations_dense / n:,.0f}"]
        for c in e.counts
    ]  # fmt: skip
    head = ["layer", ">spikes in", ">spikes sent", ">per neuron", ">SOP", ">SOP, dense"]
    named = [[name, _metric(value)] for name, value in flat(metrics).items()]
    return [
        Text("Of an inference:"),
        ReportTable(head, rows),
        Text("The same run in the terms of NeuroBench:"),
        ReportTable(["metric", ">value"], named),
    ]


def _metric(value: object) -> str:
    """A metric with enough digits to compare it."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.6g}" if math.isfinite(value) else format_count(value)
    return f"{int(value):,}" if isinstance(value, int | float) else str(value)


def flat(tree: object, start: str = "") -> dict[str, object]:
    """`{"a": {"b": 1}}` as `{"a, b": 1}`."""
    if not isinstance(tree, dict):
        return {start: tree}
    parts = [flat(each, f"{start}, {name}" if start else str(name)) for name, each in tree.items()]
    return {name: value for part in parts for name, value in part.items()}


def training(e: ChipEstimate) -> list[Block]:
    """What training took."""
    if not e.training:
        return [Text("No training was counted.")]
    whole = e.training_joules.typical
    rows = [
        [COMPONENT_NAMES[name], *cells(joules, "J", short), _percent(joules.typical, whole)]
        for name, joules, _ in by_component(e.training, TRAINING_COMPONENTS)
    ]
    rows.append(["all", *cells(e.training_joules, "J", short), "100 %"])
    writes = [
        [w.name, f"{w.set_pulses:,}", f"{w.reset_pulses:,}", f"{w.device_reads:,}",
         f"{w.row_activations:,}", f"{w.column_conversions:,}", short(w.write_joules, "J"),
         f"{w.pulses_per_device_mean:.4g}", f"{w.pulses_per_device_max:,.4g}"]
        for w in e.run.training
    ]  # fmt: skip
    head = ["layer", ">SET", ">RESET", ">single reads", ">lines driven", ">conversions",
            ">devices took", ">pulses a device", ">most"]  # fmt: skip
    low, typical, high = cells(e.training_seconds, "s", short)
    text = (
        f"{e.run.epochs} epochs, {e.run.training_images:,} images, tests included: {typical} "
        f"({low} to {high}) of reading and writing on the chip; the arithmetic of the host is not "
        "in it."
    )
    return [
        Text(text),
        ReportTable(["component", *LOW_TO_HIGH, ">share"], rows),
        Text("What the arrays saw:"),
        ReportTable(head, writes),
        Text(f"Lifetime: {lifetime(e)}."),
        Text(f"Reads: {undisturbed(e)}."),
    ]


def lifetime(e: ChipEstimate) -> str:
    """Until the most-pulsed device is worn out, or why that never happens."""
    if e.lifetime_days is None:
        return "unlimited: nothing was pulsed, or the chip is never trained again"
    whose = "the literature" if "endurance_pulses" in e.used else "the device file"
    return (
        f"{_days(e.lifetime_days)} at {e.chip.trainings_per_day:g} trainings a day, until the "
        f"most-pulsed device has had the pulses that {whose} gives it"
    )


def undisturbed(e: ChipEstimate) -> str:
    """Until reads may have moved a device, or why that never happens."""
    if e.undisturbed_days is None:
        return "no word line is driven, so nothing is disturbed"
    return (
        f"{_days(e.undisturbed_days)} at {e.chip.inferences_per_day:,.0f} inferences a day, until "
        "the devices of the busiest word line may have to be written again"
    )


def _days(span: Interval) -> str:
    """Typical, low and high."""
    low, typical, high = (f"{value:.3g}" for value in vars(span).values())
    return f"{typical} days ({low} to {high})"


def constants(e: ChipEstimate, tables: Sequence[str]) -> list[Block]:
    """Every constant that entered."""
    rows = [_constant(name, used) for name, used in sorted(e.used.items())]
    head = ["constant", ">typical", ">low to high", "as published", "mark", "source"]
    text = f"Cost tables: {', '.join(tables)}. Values are those at the node of the chip. {MARKS}"
    return [Text(text), ReportTable(head, rows)]


def _constant(name: str, used: UsedCost) -> list[str]:
    """One row: value at the chip's node, where it comes from."""
    node = f"{used.node_nm:g} nm" if used.node_nm is not None else ""
    volts = f"{used.volts:g} V" if used.volts is not None else ""
    come = ", ".join(filter(None, [node, volts]))
    if used.law:
        come = f"law {used.law}, {come}"
    elif used.scaled:
        come = f"{value_cells(used.original, used.unit)[1]} at {come}"
    low, typical, high = value_cells(used.value, used.unit)
    mark = f"{used.mark}, scaled" if used.scaled else used.mark
    return [name, typical, f"{low} to {high}", come, mark, used.source]


def value_cells(span: Interval, unit: str) -> list[str]:
    """Low, typical and high of a constant."""
    if unit in ("J", "F", "s"):
        return cells(span, unit, short)
    if unit == "m2":
        return cells(1e12 * span, UM2, _plain)
    names = {"1": "", "F2": "F\N{SUPERSCRIPT TWO}", "W/m2": "W/m\N{SUPERSCRIPT TWO}"}
    return cells(span, names.get(unit, unit), _plain)


def _percent(part: float, whole: float) -> str:
    return f"{part / whole:.1%}".replace("%", " %") if whole else ""


def _plain(value: float, unit: str) -> str:
    """A number with a unit that takes no prefix."""
    return f"{format_count(value)} {unit}".strip()
