"""The page of the report of a fit."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from device_models.fitting.measurements import FileNotes
from device_models.fitting.predictive_checks import MOST_BINS, MOST_ROWS, VAGUE, Check
from device_models.fitting.result import Fit, ParameterEstimate
from device_models.fitting.simulate import LONGEST_RUN
from device_models.registry import name_of
from device_models.units import shown

from .page import document, picture, table

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
SECTIONS = {
    "read": "What was read",
    "parameters": "Parameters",
    "choice": "Choice of the step model",
    "pictures": "Pictures",
    "checks": "Predictive checks",
    "fails": "Where the model fails",
    "limits": "Limits",
}


def page(
    fit: Fit,
    found: Sequence[Check],
    silent: Sequence[str],
    pictures: Mapping[str, bytes],
    simulations: int,
) -> str:
    """The whole page.

    Args:
        fit: What is reported.
        found: The predictive checks.
        silent: Spreads that are switched off in them.
        pictures: Name -> PNG.
        simulations: Repetitions behind the checks.
    """
    parts = {
        "read": _read(fit.measurements.notes),
        "parameters": _parameters(fit.estimates),
        "choice": _choice(fit),
        "pictures": "".join(picture(name, data, CAPTIONS[name]) for name, data in pictures.items()),
        "checks": _checks(found, simulations),
        "fails": _fails(fit, found),
        "limits": _limits(fit, silent),
    }
    title = f"Fit of a device: {name_of(fit.model)}"
    sections = {key: (SECTIONS[key], part) for key, part in parts.items()}
    return document(title, _summary(fit, found), sections)


def _summary(fit: Fit, found: Sequence[Check]) -> str:
    """The first two sentences and the warnings."""
    informed = sum(e.status == "measured" for e in fit.estimates)
    out, total = _outside(found), sum(len(c.labels) for c in found)
    rows = sum(note.used for note in fit.measurements.notes)
    text = (
        f"{rows:,} readings of {len(fit.measurements.devices):,} devices in "
        f"{len(fit.measurements.notes)} files inform {informed} of {len(fit.estimates)} parameters."
    )
    verdict = f"{out} of {total} checked numbers lie outside what the fitted device predicts"
    if vague := sum(int(check.vague.sum()) for check in found):
        verdict += f" ({vague} have a band too wide to fail)"
    expected = f"about {0.05 * total:.0f} would by chance alone"
    warnings = "".join(f"<li>{escape(text)}</li>" for text in fit.warnings)
    return f'<p>{text} {verdict}; {expected}: <a href="#fails">see where</a>.</p>' + (
        f'<div class="box"><ul>{warnings}</ul></div>' if warnings else ""
    )


def _read(notes: Sequence[FileNotes]) -> str:
    """Rows used and dropped, and why, per file."""
    rows = []
    for note in notes:
        why = "; ".join(f"{count:,} {reason}" for reason, count in note.dropped.items())
        remarks = [f"columns not used: {', '.join(note.ignored)}"] if note.ignored else []
        rows.append([
            f"<code>{escape(note.path)}</code>", escape(note.format), escape(note.units),
            f"{note.used:,}", f"{sum(note.dropped.values()):,}", escape(why) or "none dropped",
            escape(". ".join([*remarks, *note.remarks])),
        ])  # fmt: skip
    if not rows:
        return "<p>No file is noted.</p>"
    head = ["file", "format", "units", ">rows used", ">dropped", "why dropped", "remarks"]
    return table(head, rows)


def _parameters(estimates: Sequence[ParameterEstimate]) -> str:
    """Every number of the device with its interval, status and source."""
    rows = []
    for e in estimates:
        interval = f"{shown(e.low, e.unit)} to {shown(e.high, e.unit)}"
        known = e.status == "measured" and e.low < e.high
        rows.append([
            f"<code>{escape(e.name)}</code>", escape(shown(e.value, e.unit)),
            escape(interval) if known else "none",
            f'<span class="{e.status}">{e.status}</span>',
            f"{e.devices:,}" if e.devices else "", f"{e.rows:,}" if e.rows else "",
            escape(e.source),
        ])  # fmt: skip
    head = ["parameter", ">value", ">95 % interval", "status", ">devices", ">rows", "source"]
    return table(head, rows)


def _choice(fit: Fit) -> str:
    """The candidates by held-out likelihood."""
    if not fit.candidates:
        return f"<p>No pulse data: the step model of the preset, {name_of(fit.model)}, is kept.</p>"
    rows = [
        [
            escape(c.name),
            f"{c.log_likelihood:.4f}",
            f"{c.difference:.4f}",
            f"{c.standard_error:.4f}",
        ]
        for c in fit.candidates
    ]
    text = "<p>Log-likelihood per pulse of held-out data, and the distance to the best model.</p>"
    head = ["model", ">log-likelihood per pulse", ">difference", ">standard error"]
    return text + table(head, rows)


def _checks(found: Sequence[Check], simulations: int) -> str:
    """Every check: measured, and the band of the prediction below it."""
    if not found:
        return "<p>Too few data of any kind for a check.</p>"
    text = (
        "<p>Each number as measured, and below it the 95 % band of the same number over "
        f"{simulations} simulations of the whole experiment, each with parameters drawn from their "
        "uncertainty. Marked: outside. <i>Wide</i>: the band is wider than the measured spread from "
        f"5 to 95 %, or {VAGUE:g} of a share or correlation; such a number could hardly fail.</p>"
    )
    parts = []
    for labels in dict.fromkeys(check.labels for check in found):
        rows = (
            [escape(c.name), f"{c.rows:,}", *(_cell(c, i) for i in range(len(labels)))]
            for c in found
            if c.labels == labels
        )
        parts.append(table(["quantity", ">rows", *(f">{label}" for label in labels)], rows))
    return text + "".join(parts)


def _cell(check: Check, i: int) -> str:
    """One measured number over its band."""
    inside = bool(check.inside[i])
    own = escape(shown(float(check.measured[i]), check.unit))
    low, high = (shown(float(end[i]), check.unit) for end in (check.low, check.high))
    kind = "n" if inside else "n out"
    wide = " <i>wide</i>" if check.vague[i] else ""
    between = escape(f"{low} … {high}")
    return f'<td class="{kind}">{own}<br><span class="in">{between}{wide}</span></td>'


def _outside(found: Sequence[Check]) -> int:
    """How many checked numbers lie outside their bands."""
    return sum(int((~check.inside).sum()) for check in found)


def _fails(fit: Fit, found: Sequence[Check]) -> str:
    """What lies outside, largest first."""
    total, out = sum(len(c.labels) for c in found), _outside(found)
    if not total:
        return "<p>Nothing could be checked.</p>"
    if not out:
        return f"<p>All {total} checked numbers lie inside their 95 % bands.</p>"
    text = (
        f"<p>{out} of {total} checked numbers lie outside their 95 % bands, where chance alone puts "
        f"about {0.05 * total:.0f}. The last column tells how far the measurement is from the "
        "prediction, as a share of the spread from 5 to 95 %; of single numbers, the difference. "
        "Many rows make narrow bands: a small share may be harmless.</p>"
    )
    places = [(c, i) for c in found for i in range(len(c.labels)) if not c.inside[i]]
    places.sort(key=lambda place: -_size(place[0], place[1]))
    rows = (
        [
            escape(c.name), escape(c.labels[i]), escape(shown(float(c.measured[i]), c.unit)),
            escape(shown(float(c.predicted[i]), c.unit)), escape(_distance(c, i)),
        ]
        for c, i in places
    )  # fmt: skip
    head = ["quantity", "number", ">measured", ">predicted", ">off by"]
    return f'<div class="box">{text}{table(head, rows)}</div>'


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


def _limits(fit: Fit, silent: Sequence[str]) -> str:
    """What this report does not say."""
    kept = [e.name for e in fit.estimates if e.status == "assumed"]
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
    if kept:
        texts.append(f"Assumed, not measured: {', '.join(kept)}.")
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>"
