"""`xbar fit`: from files of measurements to a device file, with the certainty of every number."""

import dataclasses
import json as json_text
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from device_models.atomic import can_be_written
from device_models.errors import ConfigError, DataError, XbarError, says_consequence

from .program import kelvin_of
from .text import echo

if TYPE_CHECKING:
    from device_models.fitting.measurements import Measurements
    from device_models.fitting.misfits import Prediction
    from device_models.fitting.options import Options
    from device_models.fitting.result import Fit

NOTHING = "nothing was written"
TYPED = ("v_read_volts", "temperature_kelvin", "polarity", "ramp_pulses")  # as text
FLAGS = ("set_is_negative", "drop_negative", "invert_current", "clock", "ohmic", "same_devices")


def formats(context: click.Context, _: click.Parameter, asked: bool) -> None:
    """Print what files may look like, and stop."""
    if asked and not context.resilient_parsing:
        from device_models.fitting.readers import described

        echo(described())
        context.exit()


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILES...")
@click.option("-o", "--output", required=True, metavar="FILE", help="Device file to write.")
@click.option("--format", "format_name", metavar="NAME",
              help="Of all files; else recognised. FILE:NAME is for one file.")  # fmt: skip
@click.option("--formats", is_flag=True, is_eager=True, expose_value=False, callback=formats,
              help="List every format: columns, units, an example.")  # fmt: skip
@click.option("--columns", metavar="NAMES",
              help="Of files without a header, in order: t_seconds,g_siemens. Or which is which: "
                   "\"t=t_seconds,R=r_ohms:kohm\" (name or number = ours : unit); "
                   "set.columns.yaml beside set.csv says it for that file.")  # fmt: skip
@click.option("--preset", default="oxram.yaml", show_default=True, metavar="FILE",
              help="Keeps what no file informs.")  # fmt: skip
@click.option("--model", metavar="NAME", help="Step law to fit.  [default: the preset's]")
@click.option("--keep", metavar="NAMES", help="Keep the preset's: g_min_siemens,g_max_siemens.")
@click.option("--read-volts", "v_read_volts", metavar="X",
              help="Read voltage of current files; -0.2: the currents are negative.")  # fmt: skip
@click.option("--temperature", "temperature_kelvin", metavar="T",
              help="Of retention tables without temperature_kelvin: kelvin, or 85C.  "
                   "[default: the device's]")  # fmt: skip
@click.option("--window", metavar="LOW:HIGH", help="Siemens of normalised conductances.")
@click.option("--polarity", metavar="NAME",
              help="set or reset: of pulses whose file does not say it. FILE:set is for one "
                   "file.")  # fmt: skip
@click.option("--ramp-pulses", metavar="N", help="Rows of each ramp in a file of one column.")
@click.option("--set-is-negative", is_flag=True, help="A negative voltage is a SET.")
@click.option("--drop-negative", is_flag=True, help="Drop negative readings, and count them.")
@click.option("--invert-current", is_flag=True,
              help="Currents are counted the other way: turn the sign of all.")  # fmt: skip
@click.option("--clock", is_flag=True,
              help="Times of retention tables are a clock's: count from each device's first "
                   "reading.")  # fmt: skip
@click.option("--backwards", metavar="NAMES",
              help="Columns of trains that are listed last pulse first: down_siemens.")  # fmt: skip
@click.option("--ohmic", is_flag=True, help="Use curve tracer rows: read under bias, as if ohmic.")
@click.option("--same-devices", is_flag=True, help="Equal names in several files: one device.")
@click.option("--report", metavar="DIR", help="Write an HTML report into this folder.")
@click.option(
    "--bootstrap",
    default="200",
    show_default=True,
    metavar="N",
    help="Resamples of cycles and writes; 0: no intervals, no check.",
)
@click.option("--seed", default="0", show_default=True, metavar="N", help="Seed of the resamples.")
@click.option("--force", is_flag=True, help="Overwrite the device file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def fit(
    files: tuple[str, ...],
    output: str,
    format_name: str | None,
    preset: str,
    model: str | None,
    keep: str | None,
    report: str | None,
    bootstrap: str,
    seed: str,
    force: bool,
    as_json: bool,
    **reading: Any,
) -> None:
    """Fit a device to files of measurements; `xbar train --device` takes the outcome.

    Pulses, cycles, sweeps, repeated reads, retention and verified writes, in one call: each informs
    its own parameters. What no file informs keeps the preset's value and is marked so. A file may
    say its format and its polarity: FILE:reads, FILE:ramps:reset.

    \b
    Examples:
      xbar fit pulses.csv reads.csv -o my_oxram.yaml
      xbar fit set.csv reset.csv -o my.yaml --read-volts 0.1 --same-devices --report my_report
      xbar fit bake_85C.csv -o my.yaml --temperature 85C
      xbar fit up_down.csv -o my.yaml --window 1e-6:1e-4 --model soft_bounds --json
      xbar fit iv_loops.csv -o my.yaml --read-volts 0.2
      xbar fit lab.csv:retention -o my.yaml --columns "t=t_seconds,R=r_ohms:kohm"
    """
    try:
        count, number = whole("--bootstrap", bootstrap, 100_000), whole("--seed", seed, 2**32)
        target = free(Path(output), force=force)
        check_report(report)
        kept_fields = tuple(name.strip() for name in keep.split(",")) if keep else ()
        result, prediction = fitted(
            files, format_name, preset, model, options(reading), count, number, kept_fields,
            whole_tables=report is not None,
        )  # fmt: skip
        write(result, target)
    except XbarError as e:
        text = str(e).replace("nothing was read", NOTHING)
        raise type(e)(text if says_consequence(text) else f"{text}; {NOTHING}") from e
    pages = reported(result, report, number, prediction) if report else []
    echo(as_text(result, target, pages) if as_json else table(result, target))


def whole(label: str, text: str, most: int) -> int:
    """A whole number from 0 to `most`, or one message."""
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise ConfigError(f"{label} must be a whole number in [0, {most}], not {text!r}")
    return int(text)


def free(path: Path, *, force: bool) -> Path:
    """The path, if a file may be written there."""
    if path.is_dir() or not path.parent.is_dir():
        why = "is a folder" if path.is_dir() else f"needs the folder {path.parent}"
        raise ConfigError(f"--output {path} {why}")
    if path.exists() and not path.is_file():
        raise ConfigError(f"--output {path} is no regular file; {NOTHING}")
    if path.exists() and not force:
        raise ConfigError(f"{path} exists; --force overwrites it")
    if not can_be_written(path.resolve().parent):
        raise ConfigError(f"--output {path}: {path.resolve().parent} cannot be written")
    return path


def check_report(folder: str | None) -> None:
    """Refuse, before the fit, a folder that the report may not be written to."""
    if folder is not None:
        from crossbar.reports.fit import check_folder

        check_folder(Path(folder))


def options(reading: Mapping[str, Any]) -> "Options":
    """What the user states about the files."""
    from device_models.fitting.options import LABELS, Options
    from device_models.overrides import override

    texts = {n: (reading[n], LABELS[n]) for n in TYPED if reading[n] is not None}
    kelvin, label = texts.get("temperature_kelvin", ("", ""))
    if kelvin.strip().endswith(("C", "K")):
        texts["temperature_kelvin"] = (repr(kelvin_of(kelvin)), label)
    if reading["window"] is not None:
        low, colon, high = reading["window"].partition(":")
        if not colon:
            raise ConfigError(f"--window must be LOW:HIGH in siemens, not {reading['window']!r}")
        texts |= {"g_min_siemens": (low, "--window"), "g_max_siemens": (high, "--window")}
    settings = {n: reading[n] for n in FLAGS}
    for name in ("columns", "backwards"):
        if reading[name] is not None:
            settings[name] = tuple(each.strip() for each in reading[name].split(","))
    return override(Options(**settings), texts)


def fitted(
    files: tuple[str, ...],
    format_name: str | None,
    preset: str,
    model: str | None,
    settings: "Options",
    resamples: int,
    seed: int,
    keep: tuple[str, ...],
    *,
    whole_tables: bool,
) -> "tuple[Fit, Prediction | None]":
    """Read every file, say what was used of it, fit, and check what the fit predicts."""
    from device_models.fitting.estimators.laws import as_model, check_keep
    from device_models.fitting.fit import fit as fit_device
    from device_models.fitting.misfits import FEW_ROWS, judged
    from device_models.fitting.predictive_checks import MOST_ROWS
    from device_models.fitting.readers import read, source
    from device_models.presets import load_device
    from device_models.registry import name_of
    from device_models.streams import stream

    start = load_device(preset)
    # What cannot be fitted is refused before anything is read.
    check_keep(as_model(start, model or name_of(start)), keep)
    measurements = read([source(f) for f in files], format_name=format_name, options=settings)
    for note in measurements.notes:
        notice(f"  {note}")
    notice(f"fitting {sizes(measurements)} ...")

    def refit(tables: "Measurements", name: str | None) -> "Fit":
        generator = stream("fit", seed)
        return fit_device(
            tables, start, generator=generator, bootstrap=resamples, model=name, keep=keep
        )

    result = refit(measurements, model)
    if not resamples:  # without the uncertainty of the parameters the bands would be too narrow
        return result, None
    notice("checking what it predicts ...")
    return judged(result, refit, seed=seed, most_rows=MOST_ROWS if whole_tables else FEW_ROWS)


def sizes(measurements: "Measurements") -> str:
    """`24 devices: 7,680 pulses, 600 reads`."""
    names = {
        "pulses": "pulses", "cycles": "cycles", "reads": "reads", "retention": "retention readings",
        "written": "verified writes", "sweeps": "switching events of sweeps",
    }  # fmt: skip
    counts = {word: sum(map(len, getattr(measurements, n))) for n, word in names.items()}
    counts["tables of steps"] = len(measurements.steps)
    parts = ", ".join(f"{n:,} {word}" for word, n in counts.items() if n)
    return f"{len(measurements.devices)} devices: {parts}"


def write(result: "Fit", path: Path) -> None:
    """Write the device file, whole or not at all."""
    from device_models.atomic import write as write_atomic
    from device_models.printable import encoded
    from device_models.registry import name_of
    from device_models.schema import dump

    text = "# Fitted by `xbar fit`; every number carries its status and source.\n"
    text += dump(result.model, ("model", name_of(result.model)))
    try:
        write_atomic(path, encoded(text))
    except OSError as e:
        raise DataError(f"{path}: {e.strerror or e}; {NOTHING}") from e


def reported(result: "Fit", folder: str, seed: int, prediction: "Prediction | None") -> list[Path]:
    """The report, drawn by the figures."""
    from crossbar.reports.fit import write_report

    notice(f"drawing the report in {folder} ...")
    pages: list[Path] = write_report(result, Path(folder), seed=seed, prediction=prediction)
    return pages


def notice(text: str) -> None:
    """A line for the person who waits."""
    echo(text, err=True)


def as_text(result: "Fit", path: Path, pages: list[Path]) -> str:
    """Everything as JSON."""
    tree = {
        "device": str(path),
        "status": result.model.status,
        "estimates": [dataclasses.asdict(e) for e in result.estimates],
        "candidates": [dataclasses.asdict(c) for c in result.candidates],
        "files": [
            {"path": n.path, "format": n.format, "used": n.used, "dropped": dict(n.dropped)}
            for n in result.measurements.notes
        ],
        "warnings": list(result.warnings),
        "report": [str(page) for page in pages],
    }
    return json_text.dumps(tree, indent=2, allow_nan=False)


def table(result: "Fit", path: Path) -> str:
    """Parameters with value, interval, status and source; then models and warnings.

    What nobody measured and the device leaves at its default, switched off, is not shown.
    """
    rows = [("parameter", "value", "95 % interval", "unit", "status", "source")]
    defaults = {f.name: f.default for f in dataclasses.fields(result.model)}
    shown = [e for e in result.estimates if e.status == "measured" or e.value != defaults[e.name]]
    for e in shown:
        measured = e.status == "measured"
        span = f"{e.low:.4g} .. {e.high:.4g}" if measured else ""
        source = e.source.partition(":")[2].strip()
        rows.append((e.name, f"{e.value:.4g}", span, e.unit, e.status, short(source)))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        "  ".join([*(cell.ljust(w) for cell, w in zip(row[:5], widths, strict=True)), row[5]])
        for row in rows
    ]
    lines += [
        f"model {c.name}: {c.log_likelihood:.4f} per held-out pulse"
        + (f", {c.difference:.4f} +/- {c.standard_error:.4f}" if c.difference else ", best")
        for c in result.candidates
        if math.isfinite(c.log_likelihood)
    ]
    if hidden := len(result.estimates) - len(shown):
        lines.append(f"{hidden} more parameters keep their default: --json lists them")
    model: Any = result.model
    if levels := getattr(model, "relax_levels_siemens", ()):
        drifts = zip(levels, model.relax_drifts_siemens, strict=True)
        words = ", ".join(f"{1e6 * d:+.2g} at {1e6 * g:.3g} uS" for g, d in drifts)
        lines.append(f"relaxation, median in uS per decade: {words}")
    lines += [f"warning: {text}" for text in result.warnings]
    return "\n".join([*(line.rstrip() for line in lines), f"device {path}"])


def short(text: str, most: int = 60) -> str:
    """The beginning of a text."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
