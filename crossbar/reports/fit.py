"""The report of a fit: one page that opens anywhere, its pictures, and its numbers as JSON."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from device_models.errors import DataError
from device_models.fitting.measurements import FileNotes
from device_models.fitting.misfits import Prediction, predict
from device_models.fitting.predictive_checks import SIMULATIONS, Check
from device_models.fitting.result import Fit
from device_models.printable import encoded
from device_models.registry import name_of

from ..figures.fit_pictures import draw
from .fit_sections import sections, summary
from .folder import as_json, check, plain, write
from .page import html

COLUMNS = ("quantity", "unit", "label", "rows", "measured", "predicted", "low", "high")
KIND = "xbar fit report"
NUMBERS = "report.json"
FORMAT = f"{KIND} 1"
PICTURES = ("steps", "residuals", "traces", "cycles", "quantiles", "read_noise", "relaxation")


def check_folder(folder: Path) -> None:
    """Refuse a folder that no report may be written to; nothing is made.

    Raises:
        RunError: It is a file, holds other things, or cannot be written.
    """
    check(folder, NUMBERS, KIND)


def write_report(
    fit: Fit,
    folder: Path,
    *,
    seed: int,
    simulations: int = SIMULATIONS,
    prediction: Prediction | None = None,
) -> list[Path]:
    """Write `report.html`, `report.json`, `quantiles.csv` and one PNG per picture into a folder.

    Args:
        fit: What is reported.
        folder: Made if it does not exist; an earlier report in it is replaced.
        seed: Of the predictive check.
        simulations: Repetitions of the experiments, at least 2.
        prediction: Of `predict` with this seed and as many repetitions, if it is there already.

    Returns:
        The files written: page, numbers, pictures.

    Raises:
        RunError: The folder holds something else, or cannot be written; nothing was changed in the
            first case.
    """
    check_folder(folder)
    result = prediction or predict(fit, seed=seed, simulations=simulations)
    measured, simulated, predicted, silent = result
    pictures = draw(fit, measured, simulated)
    numbers = content(fit, predicted, silent, seed=seed, simulations=simulations)
    files = {f"{name}.png": data for name, data in pictures.items()}
    files["quantiles.csv"] = encoded(quantiles_csv(predicted))
    title = f"Fit of a device: {name_of(fit.model)}"
    parts = sections(fit, predicted, silent, pictures, simulations)
    files["report.html"] = html(title, parts, pictures, lead=summary(fit, predicted)).encode()
    # Last: it marks the folder as a report, and a whole one.
    files[NUMBERS] = as_json(numbers)
    written = write(folder, files, [f"{name}.png" for name in PICTURES], KIND)
    first = [folder / name for name in ("report.html", NUMBERS, "quantiles.csv")]
    return [*first, *(path for path in written if path.suffix == ".png")]


def content(
    fit: Fit, checks: Sequence[Check], silent: Sequence[str], *, seed: int, simulations: int
) -> dict[str, Any]:
    """What `report.json` holds; SI units, null for a number that there is not."""
    return {
        "format": FORMAT,
        "model": name_of(fit.model),
        "seed": seed,
        "simulations": simulations,
        "estimates": [plain(asdict(estimate)) for estimate in fit.estimates],
        "candidates": [plain(asdict(candidate)) for candidate in fit.candidates],
        "files": [_note(note) for note in fit.measurements.notes],
        "warnings": list(fit.warnings),
        "switched_off_in_checks": list(silent),
        "checks": [_check(check) for check in checks],
    }


def quantiles_csv(checks: Sequence[Check]) -> str:
    """Every number of the predictive check as a row, SI units: measured, and the 95 % band."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for each in checks:
        columns = (each.measured, each.predicted, each.low, each.high)
        for label, *numbers in zip(each.labels, *(c.tolist() for c in columns), strict=True):
            shown = [f"{number:.6g}" for number in numbers]
            rows.writerow((each.name, each.unit, label, each.rows, *shown))
    return text.getvalue()


def read_quantiles(text: str) -> list[Check]:
    """The checks that `quantiles_csv` wrote, to six digits; their `kind` is empty.

    Raises:
        DataError: It is something else.
    """
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or tuple(rows[0]) != COLUMNS or any(len(row) != len(COLUMNS) for row in rows):
        raise DataError(f"a table of quantiles has the columns {', '.join(COLUMNS)}")
    groups = groupby(rows[1:], key=lambda row: (row[0], row[1], row[3]))
    return [_read_check(*key, list(group)) for key, group in groups]


def _read_check(name: str, unit: str, count: str, rows: list[list[str]]) -> Check:
    """One quantity of a table of quantiles."""
    try:
        measured, predicted, low, high = np.array([row[4:] for row in rows], np.float64).T
        total = int(count)
    except ValueError as error:
        raise DataError(f"quantiles of {name!r}: {error}") from None
    return Check(
        name=name, kind="", unit=unit, labels=tuple(row[2] for row in rows), rows=total,
        measured=measured, predicted=predicted, low=low, high=high,
    )  # fmt: skip


def _note(note: FileNotes) -> Any:
    """What was read of one file."""
    return plain({
        "path": note.path, "format": note.format, "units": note.units, "used": note.used,
        "dropped": dict(note.dropped), "ignored": list(note.ignored),
        "v_read_volts": note.v_read_volts, "remarks": list(note.remarks),
    })  # fmt: skip


def _check(check: Check) -> Any:
    """One predictive check."""
    return plain({
        "name": check.name, "kind": check.kind, "unit": check.unit, "labels": list(check.labels),
        "rows": check.rows, "measured": check.measured.tolist(),
        "predicted": check.predicted.tolist(), "low": check.low.tolist(),
        "high": check.high.tolist(), "inside": check.inside.tolist(),
        "vague": check.vague.tolist(), "effect": check.effect.tolist(),
    })  # fmt: skip
