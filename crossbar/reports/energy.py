"""The report of an estimate: a page, the same as Markdown, all numbers, and the pictures."""

import csv
import io
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from device_models.printable import encoded

from ..energy.activity import RunMetadata
from ..energy.interval import Interval
from ..energy.results import ChipEstimate, EnergyItem
from ..energy.study import DesignPoint, RunEstimate, Study
from .energy_limits import LEFT_OUT, MARGIN_POINTS, MARGIN_SOURCE
from .energy_sections import sections
from .folder import as_json, check, plain, write
from .page import html, markdown

KIND = "xbar estimate"
FORMAT = f"{KIND} 1"
NUMBERS = "estimate.json"
PICTURES = ("energy", "area", "tornado", "certainty", "runs", "front")
ENDS = ("low", "typical", "high")
PERCENTILES = ("percentile_5", "median", "percentile_95")
COLUMNS = (
    "run", "of", "layer", "component", "event", "count", "count_dense", "cost",
    *(f"unit_joules_{end}" for end in ENDS), *(f"joules_{end}" for end in ENDS),
    *(f"joules_dense_{end}" for end in ENDS),
)  # fmt: skip


def check_folder(folder: Path) -> None:
    """Refuse a folder that no report may be written to; nothing is made.

    Raises:
        RunError: It is a file, or holds something other than a report.
    """
    check(folder, NUMBERS, KIND)


def write_report(study: Study, folder: Path, *, figures: bool = True) -> list[Path]:
    """Write `report.html`, `report.md`, `items.csv`, `estimate.json` and the pictures.

    Args:
        study: What is reported.
        folder: Made if it does not exist; an earlier report in it is replaced.
        figures: Draw the pictures, each as PNG and as SVG.

    Returns:
        The files written.

    Raises:
        RunError: The folder holds something else, or cannot be written.
    """
    files = _draw(study) if figures else {}
    pictures = {n.removesuffix(".png"): data for n, data in files.items() if n.endswith(".png")}
    title = f"Energy, time and area: {study.runs[0].name} on {study.first.chip.name}"
    parts = sections(study)
    files["items.csv"] = encoded(items_csv(study))
    files["report.md"] = markdown(title, parts, pictures).encode()
    files["report.html"] = html(title, parts, pictures).encode()
    # Last: it marks the folder as a report, and a whole one.
    files[NUMBERS] = as_json(content(study))
    every = [f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")]
    return write(folder, files, every, KIND)


def _draw(study: Study) -> dict[str, bytes]:
    """The pictures as files."""
    from ..figures import style  # here: without pictures nobody waits for matplotlib
    from ..figures.energy import draw

    files = {}
    for name, figure in draw(study).items():
        files[f"{name}.png"], files[f"{name}.svg"] = style.png_and_svg(figure)
    return files


def content(study: Study) -> dict[str, Any]:
    """What `estimate.json` holds: SI units, and all that the sums can be redone from."""
    numbers = {
        "format": FORMAT,
        "draws": study.draws,
        "seed": study.seed,
        "cost_tables": list(study.costs),
        "runs": [
            _run(run) | {"neurobench": metrics}
            for run, metrics in zip(study.runs, study.metrics, strict=True)
        ],
        "tornado_joules": [
            {
                "name": bar.name,
                "from": bar.low,
                "to": bar.high,
                "low": bar.low_joules,
                "high": bar.high_joules,
            }
            for bar in study.bars
        ],
        "explored": [_explored(each) for each in study.explored],
        "simulation_margin_points": MARGIN_POINTS,
        "simulation_margin_source": MARGIN_SOURCE,
        "left_out": list(LEFT_OUT),
    }
    return {name: plain(value) for name, value in numbers.items()}


def _run(run: RunEstimate) -> dict[str, Any]:
    """One run on its chip."""
    e = run.estimate
    return {
        "name": run.name,
        "run": _source(e),
        "chip": asdict(e.chip),
        "results": _results(e),
        "monte_carlo": {
            name: dict(zip(PERCENTILES, vars(span).values(), strict=True))
            for name, span in run.percentiles.items()
        },
        "counts": [asdict(layer) for layer in e.counts],
        "items": [asdict(item) for item in e.items],
        "area": [asdict(item) for item in e.area],
        "training": [asdict(item) for item in e.training],
        "constants": {name: asdict(used) for name, used in e.used.items()},
    }  # fmt: skip


def _source(e: ChipEstimate) -> dict[str, Any]:
    """Whose counts these are; the spikes themselves are in the run."""
    run, activity = e.run, e.run.activity
    names = [field.name for field in fields(RunMetadata) if field.name != "endurance_pulses"]
    return {
        "folder": run.folder,
        "training": [asdict(each) for each in run.training],
        **{name: getattr(run, name) for name in names},
        "inferences": activity.inferences,
        "steps": activity.steps,
        "dt_seconds": activity.dt_seconds,
        "assumed": activity.assumed,
    }


def _results(e: ChipEstimate) -> dict[str, Any]:
    """The headline; low, typical and high where constants enter."""
    results = e.headline() | {"seconds_per_inference_dense": e.seconds_dense}
    return {
        name: asdict(value) if isinstance(value, Interval) else value
        for name, value in results.items()
    }


def _explored(each: DesignPoint) -> dict[str, Any]:
    """One chip of an exploration."""
    e = each.estimate
    return {
        "settings": dict(each.settings),
        "accuracy": each.accuracy,
        "joules": asdict(e.joules),
        "joules_dense": asdict(e.joules_dense),
        "seconds": asdict(e.seconds_per_inference),
        "m2": asdict(e.m2),
        "pareto_front": each.pareto_optimal,
    }


def items_csv(study: Study) -> str:
    """Every item: count x unit = joules, low, typical and high.

    Leakage alone is no such product at its low and high: its count, a time, has a low and a high.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for run in study.runs:
        for of in ("inference", "training"):
            items = run.estimate.items if of == "inference" else run.estimate.training
            rows.writerows([run.name, of, *_item(item)] for item in items)
    return text.getvalue()


def _item(item: EnergyItem) -> list[object]:
    spans = (item.unit_joules, item.joules, item.joules_dense)
    numbers = [value for span in spans for value in vars(span).values()]
    return [
        item.layer,
        item.component,
        item.what,
        item.count,
        item.count_dense,
        item.cost,
        *numbers,
    ]
