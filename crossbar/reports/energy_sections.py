"""The sections of a report of energy: words and tables, from the numbers of a study."""

import math
from collections.abc import Sequence

from device_models.units import MM2, UM2, format_count

from ..energy.results import COMPONENT_NAMES, COMPONENTS, ChipEstimate
from ..energy.study import DesignPoint, Study, settings_name
from . import energy_account as account
from .energy_account import LOW_TO_HIGH, short
from .energy_limits import CHIPS, FLATTERS, LEFT_OUT, MARGIN_POINTS
from .energy_numbers import cells, quantities, state, untested
from .page import Block, Bullets, Callout, Picture, ReportTable, Section, Text

CAPTIONS = {
    "energy": "Energy of an inference by component, all and each layer. Left: what the spikes of "
    "the run cost. Right: the same chip if every line were driven and every column converted in "
    "every step. The two have their own scales.",
    "tornado": "Energy of an inference if one quantity alone goes to its low end (blue) or to its "
    "high end (orange). The line: everything typical.",
    "certainty": "Energy by component over the draws of the constants: median, and 5 to 95 %.",
    "runs": "Simulated accuracy with the 95 % interval of the test images, against energy: "
    "5 to 95 % of the draws of the constants.",
    "front": "Every point is the run on another chip, tested anew. Blue: on the Pareto front of "
    "accuracy, energy and area. The line: the best accuracy for that much energy, or area.",
}
LEAST = 0.001  # of the energy: what moves it less is not listed
ASSUMED = (
    "Assumed, not counted: this network was never run. Its spikes were drawn at the rates that "
    "were given, and it has no accuracy."
)
TERMS = (
    "Dense: every line driven and every column converted in every step. SOP: one spike through one "
    "synapse that is not stuck, two operations; the devices of one weight count once. Not counted: "
    "input and output of the chip, clock generation, supplies, the host, and more (what is left "
    "out)."
)


def sections(study: Study) -> list[Section]:
    """All sections that have something to say, in the order of the page."""
    e = study.first
    parts: list[tuple[str, str, Sequence[Block]]] = [
        ("summary", "Summary", _summary(e)),
        ("breakdown", "Where the energy goes", account.breakdown(e)),
        ("area", "Area", account.area(e)),
        ("mapping", "Mapping onto tiles", account.mapping(e)),
        ("spikes", "Spikes and operations", account.spikes(e, study.metrics[0])),
        ("tornado", "What it hangs on", _tornado(study)),
        ("certainty", "How certain", _certainty(study)),
        ("training", "Training and lifetime", account.training(e)),
        ("runs", "Runs beside each other", _runs(study)),
        ("front", "Other chips", _explored(study)),
        ("constants", "Constants", account.constants(e, study.costs)),
        ("left_out", "What is left out", [Bullets(LEFT_OUT)]),
        ("flatters", "How far simulation flatters", _flatters(e)),
    ]
    return [Section(*part) for part in parts if part[2]]


def accuracy(e: ChipEstimate) -> str:
    """The simulated accuracy with its interval and the margin to a chip."""
    if not math.isfinite(e.run.accuracy):
        return "none: this network was never run"
    low, high = e.run.accuracy_interval
    return (
        f"{e.run.accuracy:.2%} simulated (95 %: {low:.2%} to {high:.2%}); a chip may score "
        f"{MARGIN_POINTS} points less"
    )


def _summary(e: ChipEstimate) -> list[Block]:
    """What a proposal quotes."""
    rows = [
        [
            q.name,
            *cells(q.value, q.unit, short),
            cells(q.dense, q.unit, short)[1] if q.dense else "",
        ]
        for q in quantities(e)
    ]
    headline = e.headline()
    sop, dense = (headline[f"synaptic_operations_per_inference{of}"] for of in ("", "_dense"))
    output = headline["output_spikes_per_inference"]
    plain = [
        ["accuracy", accuracy(e)],
        ["spikes of an inference", f"{headline['spikes_per_inference']:.4g} sent by hidden "
         f"neurons, {headline['spikes_per_neuron']:.3g} each; "
         + (f"{output:.4g} by output neurons; " if output else "") +
         f"{headline['input_spikes_per_inference']:.4g} come in"],
        ["SOP of an inference", f"{sop:,.0f}, of {dense:,.0f} if every line spiked in every step"],
        ["network time of an inference", short(e.seconds_real, "s")],
        ["TOPS/W are at", state(e)],
        ["lifetime", account.lifetime(e)],
        ["reads disturb after", account.undisturbed(e)],
        ["energy of a day", f"{cells(headline['joules_per_day'], 'J', short)[1]} for "
         f"{e.chip.inferences_per_day:,.0f} inferences"],
    ]  # fmt: skip
    return [
        Text(_about(e)),
        *([Callout([Text(ASSUMED)])] if e.run.activity.assumed else []),
        *([Callout([Text(f"{untested(e)}.")])] if untested(e) else []),
        ReportTable(["quantity", *LOW_TO_HIGH, ">dense, typical"], rows),
        ReportTable(["quantity", "value"], plain),
        Text(TERMS),
        Picture("energy", CAPTIONS["energy"]),
    ]


def _about(e: ChipEstimate) -> str:
    """Which run on which chip."""
    run, chip = e.run, e.chip
    return (
        f"Run {run.folder} (device {run.device}, E:I {run.ei}, mapping {run.mapping}, seed "
        f"{run.seed}) on the chip {chip.name!r}: {chip.node_nm:g} nm, {chip.supply_volts:g} V, "
        f"tiles of {chip.tile_rows} x {chip.tile_columns}, {_converters(e)}. Counted over "
        f"{run.activity.inferences:,} inferences of {run.activity.steps} steps."
    )


def _converters(e: ChipEstimate) -> str:
    """How columns are read."""
    if e.chip.adc_kind == "none":
        return "analog neurons without converters"
    return f"{e.chip.adc_bits}-bit converters, one for {e.chip.adc_share} columns"


def _tornado(study: Study) -> list[Block]:
    """What one quantity alone does."""
    if not study.bars:
        return []
    rows = [
        [bar.name, _end(bar.low), _end(bar.high), short(bar.low_joules, "J"),
         short(bar.high_joules, "J")]
        for bar in study.bars
        if bar.reach > LEAST * study.first.joules.typical
    ]  # fmt: skip
    text = (
        "One quantity at a time goes to its low and to its high end; the others stay typical. "
        f"{len(study.bars) - len(rows)} more move the energy by less than {LEAST:.1%}."
    )
    table = ReportTable(["quantity", ">low", ">high", ">energy at low", ">at high"], rows)
    return [Text(text), Picture("tornado", CAPTIONS["tornado"]), table]


def _end(text: str) -> str:
    """`9.92e-14 J` as `99.2 fJ`, `7e-12 m2` in square micrometres."""
    value, _, unit = text.partition(" ")
    if unit == "m2":
        return f"{format_count(1e12 * float(value))} {UM2}"
    return short(float(value), unit) if unit in ("J", "s", "V") else text


def _certainty(study: Study) -> list[Block]:
    """Intervals over the draws."""
    if not study.runs[0].percentiles:
        return []
    percentiles = study.runs[0].percentiles
    rows = [
        [title, *cells(factor * percentiles[name], unit, short)]
        for name, (title, unit, factor) in DRAWN.items()
    ]
    rows += [
        [
            f"energy of an inference: {COMPONENT_NAMES[name]}",
            *cells(percentiles[f"joules.{name}"], "J", short),
        ]
        for name in COMPONENTS
        if percentiles[f"joules.{name}"].high > 0.0
    ]
    text = (
        f"{study.draws:,} draws (seed {study.seed}). Each constant is drawn once for the whole "
        "chip from a log-normal whose 5 and 95 % are its low and high. That all are low or all "
        "high at once, as in the summary, is far less likely."
    )
    table = ReportTable(["quantity", ">5 %", ">median", ">95 %"], rows)
    return [Text(text), Picture("certainty", CAPTIONS["certainty"]), table]


DRAWN = {  # as `monte_carlo` names it -> for people, its unit, and how many of them are one of ours
    "joules": ("energy of an inference", "J", 1.0),
    "joules_dense": ("energy of an inference, dense", "J", 1.0),
    "seconds": ("time of an inference", "s", 1.0),
    "m2": ("area", MM2, 1e6),
    "leakage_watts": ("leakage", "W", 1.0),
    "training_joules": ("energy of the training", "J", 1.0),
    "training_seconds": ("time of the training", "s", 1.0),
}


def _runs(study: Study) -> list[Block]:
    """All runs in one table."""
    if len(study.runs) < 2:
        return []
    rows = []
    for run in study.runs:
        e = run.estimate
        headline = e.headline()
        low, typical, high = cells(e.joules, "J", short)
        rows.append([
            run.name, e.chip.name, e.run.device, e.run.ei, e.run.mapping, f"{e.run.accuracy:.2%}",
            "{:.2%} to {:.2%}".format(*e.run.accuracy_interval), typical, f"{low} to {high}",
            short(e.joules_dense.typical, "J"), f"{headline['spikes_per_inference']:.4g}",
            cells(headline["joules_per_synaptic_operation"], "J", short)[1],
            cells(1e6 * e.m2, MM2, short)[1],
        ])  # fmt: skip
    head = ["run", "chip", "device", "E:I", "mapping", ">accuracy", ">95 %", ">energy",
            ">low to high", ">dense", ">spikes", ">per SOP", ">area"]  # fmt: skip
    text = (
        "The same constants for all. Only runs of the same task compare, and their "
        f"accuracies are simulated: a chip may score {MARGIN_POINTS} points less."
    )
    return [Text(text), Picture("runs", CAPTIONS["runs"]), ReportTable(head, rows)]


def _explored(study: Study) -> list[Block]:
    """All chips that were tried."""
    if not study.explored:
        return []
    optimal = [each for each in study.explored if each.pareto_optimal]
    text = (
        f"{len(study.explored)} chips; {len(optimal)} on the Pareto front: none other is at least "
        "as good in accuracy, energy and area at once. Accuracy is simulated with that "
        f"converter and that tile; a chip may score {MARGIN_POINTS} points less."
    )
    rows = [_explored_row(each) for each in study.explored]
    head = ["chip", ">accuracy", ">95 %", ">energy", ">dense", ">time", ">area", "front"]
    return [Text(text), Picture("front", CAPTIONS["front"]), ReportTable(head, rows)]


def _explored_row(each: DesignPoint) -> list[str]:
    e = each.estimate
    return [
        settings_name(each.settings), f"{each.accuracy:.2%}",
        "{:.2%} to {:.2%}".format(*e.run.accuracy_interval), short(e.joules.typical, "J"),
        short(e.joules_dense.typical, "J"), short(e.seconds_per_inference.typical, "s"),
        cells(1e6 * e.m2, MM2, short)[1], "yes" if each.pareto_optimal else "",
    ]  # fmt: skip


def _flatters(e: ChipEstimate) -> list[Block]:
    """How to read the accuracy and how to compare."""
    joules = cells(e.headline()["joules_per_synaptic_operation"], "J", short)[1]
    about = "simulated; without what is left out"
    rows = [["this estimate", f"{e.chip.node_nm:g}", f"{joules}/SOP", about], *map(list, CHIPS)]
    return [
        Callout([Text(f"Accuracy: {accuracy(e)}.")]),
        Bullets(FLATTERS),
        ReportTable(["chip", ">node (nm)", ">energy", "what it is"], rows),
    ]
