"""The page of a report: text, tables and pictures in one file that asks nothing of a network."""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from crossbar.fitting.measurements import FileNotes
from crossbar.fitting.predict import LONGEST_RUN
from crossbar.fitting.predictive import MOST_BINS, MOST_ROWS, VAGUE, Check
from crossbar.fitting.result import Estimate, Fit
from device_models.registry import name_of

from .style import prefix

STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #24292f; background: #fff; margin: 0 auto;
  max-width: 68rem; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem; }
p { max-width: 46rem; margin: .5rem 0; } nav a { margin-right: 1rem; } a { color: #0b57a4; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .7rem .25rem 0; border-bottom: 1px solid #e8ebee;
  vertical-align: top; }
th { color: #57606a; font-weight: 600; } td.n, th.n { text-align: right; white-space: nowrap; }
.measured, .literature, .assumed { border-radius: .3rem; padding: .05rem .45rem; }
.measured { background: #d3efe3; color: #0b4a33; } .literature { background: #dbe7f6; color: #123f75; }
.assumed { background: #fbe3c5; color: #6a3d00; }
.out { background: #fbd9d3; color: #7a1300; font-weight: 600; } .in { color: #57606a; }
.box { border-left: 4px solid #b42318; padding: .1rem 0 .1rem .9rem; }
figure { margin: 1rem 0 1.8rem; } img { max-width: 100%; height: auto; }
figcaption { max-width: 46rem; font-size: .9rem; color: #57606a; } code { font-size: .92em; }
@media print { body { max-width: none; font-size: 10pt; } nav { display: none; }
  figure, tr { break-inside: avoid; } h2 { break-after: avoid; } .scroll { overflow: visible; }
  span, td.out { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""

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
        "pictures": "".join(_picture(name, data) for name, data in pictures.items()),
        "checks": _checks(found, simulations),
        "fails": _fails(fit, found),
        "limits": _limits(fit, silent),
    }
    title = f"Fit of a device: {name_of(fit.model)}"
    links = "".join(f'<a href="#{key}">{name}</a>' for key, name in SECTIONS.items())
    body = "".join(
        f'<section id="{key}"><h2>{SECTIONS[key]}</h2>{part}</section>\n'
        for key, part in parts.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>"
        f"<h1>{escape(title)}</h1>{_summary(fit, found)}<nav>{links}</nav>\n{body}</body></html>\n"
    )


def shown(value: float, unit: str) -> str:
    """A number with its unit, with an SI prefix: `12.3 kohm`, `1 mS per decade`."""
    if not math.isfinite(value):
        return "\N{EM DASH}"
    if unit in ("", "pulses") or value == 0.0:
        return f"{value:.4g} {unit}".strip()
    factor, letter = prefix(abs(value))
    return f"{value * factor:.4g} {letter}{unit}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are HTML already; a head that begins with > is of numbers."""
    head = list(head)
    names = "".join(f"<th{_kind(name)}>{escape(name.lstrip('>'))}</th>" for name in head)
    lines = (
        "".join(
            cell if cell.startswith("<td") else f"<td{_kind(name)}>{cell}</td>"
            for name, cell in zip(head, row, strict=True)
        )
        for row in rows
    )
    body = "".join(f"<tr>{line}</tr>\n" for line in lines)
    return f'<div class="scroll"><table><tr>{names}</tr>\n{body}</table></div>'


def _kind(name: str) -> str:
    return ' class="n"' if name.startswith(">") else ""


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
    return _table(head, rows)


def _parameters(estimates: Sequence[Estimate]) -> str:
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
    return _table(head, rows)


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
    return text + _table(head, rows)


def _picture(name: str, data: bytes) -> str:
    """One picture, inline."""
    source = base64.b64encode(data).decode()
    caption = escape(CAPTIONS[name])
    return (
        f'<figure><img alt="{caption}" src="data:image/png;base64,{source}">'
        f"<figcaption>{caption} (<code>{name}.png</code>)</figcaption></figure>\n"
    )


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
        parts.append(_table(["quantity", ">rows", *(f">{label}" for label in labels)], rows))
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
    return f'<div class="box">{text}{_table(head, rows)}</div>'


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
