"""The sections of the report of a fit."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from device_models import relaxation
from device_models.fitting.measurements import FileNotes
from device_models.fitting.predictive_checks import MOST_BINS, MOST_ROWS, VAGUE, Check
from device_models.fitting.result import Fit, ParameterEstimate
from device_models.fitting.simulate import LONGEST_RUN
from device_models.registry import name_of
from device_models.relaxation import Relaxing
from device_models.units import format_si

from .page import Block, Bullets, Callout, Cell, Picture, ReportTable, Section, Text
from .sweep_section import sweep_section

CAPTIONS = {
    "steps": "Steps against the conductance before them. Grey: every measured step (some of many). "
    "Ink: 5, 50 and 95 % of them in bins. Amber: where those lines lie, with 95 % probability, in "
    "simulations of the same ramps. Dashed: the fitted mean. A bin without amber was not reached "
    "by the simulated ramps.",
    "residuals": "Steps relative to the fitted mean. A median that leaves the amber band is a "
    "shape that the law does not have.",
    "traces": "The same ramps, from the same starting conductances, and the same series of reads: "
    "measured on the left, one simulation on the right. A ramp of more than "
    f"{LONGEST_RUN} pulses starts anew at its measured conductance after that many.",
    "cycles": "Open-loop levels over all devices and cycles, cumulative.",
    "quantiles": "Percentiles of the measurement against those of the simulations. On the diagonal "
    "the distributions agree.",
    "read_noise": "Repeated reads, by level. Above: power of the relative deviation (Welch). "
    "Below: autocorrelation.",
    "relaxation": "Change since the first reading after a write, by conductance.",
}


def sections(
    fit: Fit,
    checks: Sequence[Check],
    silent: Sequence[str],
    pictures: Iterable[str],
    simulations: int,
) -> list[Section]:
    """All sections, in the order of the page.

    Args:
        fit: What is reported.
        checks: The predictive checks.
        silent: Spreads that are switched off in them.
        pictures: Names of those that were drawn.
        simulations: Repetitions behind the checks.
    """
    drawn = [Picture(name, CAPTIONS[name]) for name in pictures]
    return [
        Section("read", "What was read", [_read(fit.measurements.notes)]),
        *sweep_section(fit.measurements),
        Section("parameters", "Parameters", [_parameters(fit.estimates), *_rates(fit)]),
        Section("choice", "Choice of the step model", _choice(fit)),
        Section("pictures", "Pictures", drawn),
        Section("checks", "Predictive checks", _checks(checks, simulations)),
        Section("fails", "Where the model fails", [_failures(checks)]),
        Section("limits", "Limits", [_limits(fit, silent)]),
    ]


def summary(fit: Fit, checks: Sequence[Check]) -> list[Block]:
    """The first two sentences and the warnings."""
    informed = sum(e.status == "measured" for e in fit.estimates)
    outside, total = _outside(checks), sum(len(c.labels) for c in checks)
    rows = sum(note.used for note in fit.measurements.notes)
    text = (
        f"{rows:,} readings of {len(fit.measurements.devices):,} devices in "
        f"{len(fit.measurements.notes)} files inform {informed} of {len(fit.estimates)} "
        f"parameters. {outside} of {total} checked numbers lie outside what the "
        "fitted device predicts"
    )
    if vague := sum(int(check.vague.sum()) for check in checks):
        text += f" ({vague} have a band too wide to fail)"
    text += f"; about {0.05 * total:.0f} would by chance alone:"
    lead = Text(text, link=("fails", "see where"))
    return [lead, Callout([Bullets(fit.warnings)])] if fit.warnings else [lead]


def _read(notes: Sequence[FileNotes]) -> Block:
    """Rows used and dropped, and why, per file."""
    if not notes:
        return Text("No file is noted.")
    rows: list[list[str | Cell]] = []
    for note in notes:
        reasons = "; ".join(f"{count:,} {reason}" for reason, count in note.dropped.items())
        ignored = [f"columns not used: {', '.join(note.ignored)}"] if note.ignored else []
        rows.append([
            Cell(note.path, "code"), note.format, note.units, f"{note.used:,}",
            f"{sum(note.dropped.values()):,}", reasons or "none dropped",
            ". ".join([*ignored, *note.remarks]),
        ])  # fmt: skip
    head = ["file", "format", "units", ">rows used", ">dropped", "why dropped", "remarks"]
    return ReportTable(head, rows)


def _parameters(estimates: Sequence[ParameterEstimate]) -> Block:
    """Every number of the device with its interval, status and source."""
    rows: list[list[str | Cell]] = []
    for e in estimates:
        interval = f"{format_si(e.low, e.unit)} to {format_si(e.high, e.unit)}"
        has_interval = e.status == "measured" and e.low < e.high
        rows.append([
            Cell(e.name, "code"), format_si(e.value, e.unit), interval if has_interval else "none",
            Cell(e.status, e.status), f"{e.devices:,}" if e.devices else "",
            f"{e.rows:,}" if e.rows else "", e.source,
        ])  # fmt: skip
    head = ["parameter", ">value", ">95 % interval", "status", ">devices", ">rows", "source"]
    return ReportTable(head, rows)


def _rates(fit: Fit) -> list[Block]:
    """Relaxation per decade of time at each level, with 95 % intervals."""
    draws = {name: numbers for one in fit.draws for name, numbers in one.items()}
    if not isinstance(fit.model, Relaxing) or relaxation.TABLES[0] not in draws:
        return []
    rows = []
    for i, level in enumerate(fit.model.relax_levels_siemens):
        row = [format_si(level, "S")]
        for name in relaxation.TABLES:
            low, high = np.quantile(draws[name][:, i], (0.025, 0.975))
            value = format_si(getattr(fit.model, name)[i], "S")
            row.append(f"{value} ({format_si(low, 'S')} to {format_si(high, 'S')})")
        rows.append(row)
    text = "Relaxation by conductance, per decade of time: its median, and its spread to each side."
    return [Text(text), ReportTable([">conductance", ">drift", ">spread up", ">spread down"], rows)]


def _choice(fit: Fit) -> list[Block]:
    """The candidates by held-out likelihood."""
    if not fit.candidates:
        model = name_of(fit.model)
        return [Text(f"No pulse data: the step model of the preset, {model}, is kept.")]
    rows = [
        [c.name, *(f"{x:.4f}" for x in (c.log_likelihood, c.difference, c.standard_error))]
        for c in fit.candidates
    ]
    head = ["model", ">log-likelihood per pulse", ">difference", ">standard error"]
    text = "Log-likelihood per pulse of held-out data, and the distance to the best model."
    return [Text(text), ReportTable(head, rows)]


def _checks(checks: Sequence[Check], simulations: int) -> list[Block]:
    """Every check: measured, and the band of the prediction below it."""
    if not checks:
        return [Text("Too few data of any kind for a check.")]
    text = (
        "Each number as measured, and below it the 95 % band of the same number over "
        f"{simulations} simulations of the whole experiment, each with parameters drawn from their "
        "uncertainty. Marked: outside. Wide: the band is wider than the measured spread from "
        f"5 to 95 %, or {VAGUE:g} of a share or correlation; such a number could hardly fail."
    )
    blocks: list[Block] = [Text(text)]
    for labels in dict.fromkeys(check.labels for check in checks):
        rows: list[list[str | Cell]] = [
            [c.name, f"{c.rows:,}", *(_number(c, i) for i in range(len(labels)))]
            for c in checks
            if c.labels == labels
        ]
        blocks.append(ReportTable(["quantity", ">rows", *(f">{label}" for label in labels)], rows))
    return blocks


def _number(check: Check, i: int) -> Cell:
    """One measured number over its band."""
    low, high = (format_si(float(end[i]), check.unit) for end in (check.low, check.high))
    measured = format_si(float(check.measured[i]), check.unit)
    band = f"{low} \N{HORIZONTAL ELLIPSIS} {high}"
    return Cell(measured, "" if check.inside[i] else "out", band, wide=bool(check.vague[i]))


def _outside(checks: Sequence[Check]) -> int:
    """How many checked numbers lie outside their bands."""
    return sum(int((~check.inside).sum()) for check in checks)


def _failures(checks: Sequence[Check]) -> Block:
    """What lies outside, largest first."""
    total, outside = sum(len(c.labels) for c in checks), _outside(checks)
    if not total:
        return Text("Nothing could be checked.")
    if not outside:
        return Text(f"All {total} checked numbers lie inside their 95 % bands.")
    text = (
        f"{outside} of {total} checked numbers lie outside their 95 % bands, where chance alone "
        f"puts about {0.05 * total:.0f}. The last column tells how far the measurement is from the "
        "prediction, as a share of the spread from 5 to 95 %; of single numbers, the difference. "
        "Many rows make narrow bands: a small share may be harmless."
    )
    failures = [(c, i) for c in checks for i in range(len(c.labels)) if not c.inside[i]]
    failures.sort(key=lambda failure: -_size(*failure))
    rows = [
        [c.name, c.labels[i], format_si(float(c.measured[i]), c.unit),
         format_si(float(c.predicted[i]), c.unit), _distance(c, i)]
        for c, i in failures
    ]  # fmt: skip
    head = ["quantity", "number", ">measured", ">predicted", ">off by"]
    return Callout([Text(text), ReportTable(head, rows)])


def _size(check: Check, i: int) -> float:
    """Size of a failure; one without a prediction comes first."""
    effect = float(check.effect[i])
    return abs(effect) if math.isfinite(effect) else math.inf


def _distance(check: Check, i: int) -> str:
    """How far off, in words."""
    effect = float(check.effect[i])
    if not math.isfinite(check.predicted[i]):
        return "never simulated"
    if len(check.labels) == 1 or not math.isfinite(effect):
        return f"{check.measured[i] - check.predicted[i]:+.3g}"
    return f"{100 * effect:+.0f} % of the spread"


def _limits(fit: Fit, silent: Sequence[str]) -> Block:
    """What this report does not say."""
    assumed = [e.name for e in fit.estimates if e.status == "assumed"]
    texts = [
        "The bands hold the uncertainty of the parameters: those of cycles, repeated reads and "
        "relaxation are drawn together, the others each alone, which makes bands rather too wide. "
        "Values kept from the preset are taken as exact.",
        "The checks use the data of the fit. They show where the form of the model fails, not how "
        "it does on devices that were not measured.",
        "Simulated ramps start at measured conductances, which carry the noise of that reading.",
        "No device time passes between a pulse and its readings; reads without a time are taken "
        "to be one second apart.",
        f"Of a table of more than {MOST_ROWS:,} rows, pictures and checks take a part: whole "
        "devices or ramps, and the first reads of every series. Of a table of step quantiles they "
        f"take {MOST_BINS} conductances.",
        "About 5 % of the checked numbers lie outside their bands although the model is right, and "
        "numbers of one quantity fail together.",
    ]
    if silent:
        texts.append(
            f"No file tells how devices differ in {', '.join(silent)}: simulated devices are all "
            "alike in that, so that an assumed spread does not widen the bands."
        )
    if assumed:
        texts.append(f"Assumed, not measured: {', '.join(assumed)}.")
    return Bullets(texts)
