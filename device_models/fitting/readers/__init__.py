"""Readers of measurement files: one file per format, one line in `FORMATS`.

measurements = read([Path("set.csv"), Path("reads.csv.gz")], options=Options(v_read_volts=0.1))
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from ...errors import ConfigError, DataError
from ...record import did_you_mean, shown
from ..columns import KNOWN, fault, meaning
from ..lines import ENCODINGS, chunks, head
from ..measurements import Measurements, merge
from ..options import LABELS, Options
from ..plausible import checked, refuse_twice
from ..table import header_in, without_header
from . import (
    arc_one,
    arc_two,
    arc_two_csv,
    cycles,
    generic,
    ramps,
    reads,
    retention,
    step_quantiles,
    sweeps,
    trains,
    up_down,
    write_verify,
)
from .reader import Reader, first_row
from .settings import FileSettings, beside

FORMATS: dict[str, Reader] = {
    "sweeps": sweeps.READER,
    "generic": generic.READER,
    "arc-one": arc_one.READER,
    "arc-two": arc_two.READER,
    "arc-two-csv": arc_two_csv.READER,
    "ramps": ramps.READER,
    "up-down": up_down.READER,
    "step-quantiles": step_quantiles.READER,
    "trains": trains.READER,
    "reads": reads.READER,
    "retention": retention.READER,
    "cycles": cycles.READER,
    "written": write_verify.READER,
}
POLARITIES: dict[str, Literal["set", "reset"]] = {"set": "set", "reset": "reset"}
ANY_TABLE = """Any other table: say which column is which, by name or number, with the file's unit.
  xbar fit lab.csv:retention -o my.yaml --columns "t=t_seconds,R=r_ohms:kohm"
  xbar fit bare.csv -o my.yaml --columns cycle,lrs_ohms:kohm,,hrs_ohms:kohm
Or beside set.csv (set.csv.gz, set.txt) a file set.columns.yaml, which may hold any option, too:
  columns: [t=t_seconds, "R=r_ohms:kohm"]
  format: retention
  v_read_volts: 0.2
Names may have units (Conductance [uS], Time / ms, R (kohm)), a row of units may be below them, and
lines above them. Cells are separated by tabs, semicolons, commas or blanks; decimals by points or
commas; text is UTF-8, UTF-16, Windows-1252 or Shift-JIS, plain or gzipped.
"""
BINARY = {  # first bytes -> what such a file is, and what would be read
    b"\x93NUMPY": "a binary array of numpy; write it as text: numpy.savetxt(FILE, array, "
    "header='t_seconds g_siemens')",
    b"PK\x03\x04": "a spreadsheet or an archive; save the sheet as CSV",
    b"\xd0\xcf\x11\xe0": "a spreadsheet; save the sheet as CSV",
    b"{": "JSON; write it as a table, a column for each quantity",
    b"<": "a web page or XML; fetch the table itself",
}
FORMER_NAMES = {"neutral": "generic"}  # still taken by `--format`


class Source(NamedTuple):
    """A file, and what the user says about it alone; None leaves that to the file.

    Attributes:
        path: The file.
        format_name: A key of `FORMATS`.
        polarity: "set" or "reset".
    """

    path: Path
    format_name: str | None = None
    polarity: Literal["set", "reset"] | None = None


def source(text: str) -> Source:
    """A file as the command line has it: `FILE`, `FILE:reads`, `FILE:ramps:reset`.

    A text that is a file as it stands, colons and all, is that file. What follows a colon and a
    separator of folders is no suffix, so `C:\\data.csv` is a path.

    Raises:
        ConfigError: A suffix is neither a format nor a polarity.
    """
    result = Source(Path(text))
    while not result.path.exists():
        stem, colon, suffix = str(result.path).rpartition(":")
        if not colon or "/" in suffix or "\\" in suffix or len(stem) < 2:
            break
        if suffix in POLARITIES:
            result = Source(Path(stem), result.format_name, POLARITIES[suffix])
        elif (name := FORMER_NAMES.get(suffix, suffix)) in FORMATS:
            result = Source(Path(stem), name, result.polarity)
        elif Path(stem).exists():
            suffixes = (*FORMATS, *POLARITIES)
            hint = did_you_mean(suffix, suffixes) or f"; known: {', '.join(suffixes)}"
            raise ConfigError(
                f"{text}: {shown(suffix)} behind the colon is neither a format nor a polarity"
                f"{hint}; nothing was read"
            )
        else:
            break
    return result


def read(
    paths: Sequence[Path | Source],
    *,
    format_name: str | None = None,
    options: Options | None = None,
) -> Measurements:
    """Read measurement files, of different formats if need be.

    Args:
        paths: The files; plain or gzipped, whatever their names.
        format_name: A key of `FORMATS` that all of them have, but those that say another; None:
            each is recognised by its header.
        options: What the files do not say.

    Returns:
        Everything in them. Every file brings its own devices, unless `Options.same_devices`.

    Raises:
        ConfigError: No such format, or a polarity of a file whose rows say it.
        DataError: A file is damaged, in other units, or of no known format.
        CalibrationError: A file does not state enough, for example no read voltage.
    """
    format_name = FORMER_NAMES.get(format_name or "", format_name)
    if format_name is not None and format_name not in FORMATS:
        hint = did_you_mean(format_name, FORMATS) or f"; known: {', '.join(FORMATS)}"
        raise ConfigError(f"--format {shown(format_name)} is unknown{hint}; nothing was read")
    given = options or Options()
    sources = [path if isinstance(path, Source) else Source(path) for path in paths]
    _refuse_twice(sources)
    asked = [beside(one.path, given) for one in sources]
    names = [
        one.format_name or format_name or each.format or sniffed(one.path, each.options.columns)
        for one, each in zip(sources, asked, strict=True)
    ]
    parts = [_read_one(*each) for each in zip(sources, names, asked, strict=True)]
    merged = merge(parts, same_devices=given.same_devices)
    doubts = [*refuse_twice(parts), *_not_taken(names, given)]
    return replace(merged, warnings=(*merged.warnings, *doubts))


def _refuse_twice(sources: Sequence[Source]) -> None:
    """Raise ConfigError if a file is given twice, under one name or two."""
    paths = [os.path.realpath(one.path) for one in sources]
    for i, path in enumerate(paths):
        if path in paths[:i]:
            first = sources[paths.index(path)].path
            same = "" if str(first) == str(sources[i].path) else f" ({first} is the same file)"
            raise ConfigError(
                f"{sources[i].path} is given twice{same}: it would count as new data; nothing was "
                "read"
            )


def _not_taken(names: Sequence[str], options: Options) -> list[str]:
    """Warnings of options that the format of no file takes."""
    taken = {option for name in names for option in FORMATS[name].options}
    default, texts = Options(), []
    for option, label in LABELS.items():
        if getattr(options, option) == getattr(default, option) or option in taken:
            continue
        formats = [name for name, reader in FORMATS.items() if option in reader.options]
        texts.append(f"{label} changes nothing: no file is of a format that takes it "
                     f"({', '.join(formats)})")  # fmt: skip
    return list(dict.fromkeys(texts))


def _read_one(one: Source, name: str, asked: FileSettings) -> Measurements:
    """The measurements of one file."""
    options = asked.options
    if one.polarity is not None:
        if "polarity" not in FORMATS[name].options:
            raise ConfigError(
                f"{one.path}: a file of format {name} says SET and RESET itself, or has neither: "
                f"{one.polarity!r} behind the colon is for {', '.join(_with_polarity())}; "
                "nothing was read"
            )
        options = replace(options, polarity=one.polarity)
    measurements = checked(FORMATS[name].read(one.path, options))
    remarks = [f"with {asked.source}"] if asked.source else []
    if name != "arc-two" and (encoding := head(one.path).encoding) in ENCODINGS:
        remarks.append(f"read as {ENCODINGS[encoding]}")
    notes = [replace(n, remarks=(*n.remarks, *remarks)) for n in measurements.notes]
    return replace(measurements, notes=tuple(notes))


def _with_polarity() -> list[str]:
    """Formats whose polarity the user may state."""
    return [name for name, reader in FORMATS.items() if "polarity" in reader.options]


def sniffed(path: Path, columns: tuple[str, ...] = ()) -> str:
    """The format of a file by its first rows.

    Args:
        path: The file.
        columns: Names of its columns, if it has no header.

    Raises:
        DataError: It cannot be read, is empty, or is of no known format.
    """
    start = head(path, columns)
    for mark, text in BINARY.items():
        if start.raw.startswith(mark):
            raise DataError(f"{path}: {text}; nothing was read")
    row = first_row(start)
    header = header_in(path, start.lines, columns)
    if not row or header is None:
        comments = " but for comments" if start.raw.strip() else ""
        raise DataError(f"{path}: the file is empty{comments}; nothing was read")
    for name, reader in FORMATS.items():
        if reader.sniff(start):
            return name
    next(chunks(path), None)  # refuses a header that is not UTF-8, with row and column
    at = header.line + 1
    if not header.labels:
        raise without_header(path, at, header.cells)
    unknown = [label for label in header.labels if not meaning(label)]
    whys = ((label, fault(label, KNOWN, header.names)) for label in unknown)
    hint = next((f" ({shown(label)} {why})" for label, why in whys if why), "")
    raise DataError(
        f"{path}: row {at}: {shown(', '.join(header.labels))} are the columns of no known "
        f"format{hint}; known formats want {wants()} (--columns says which column is which, "
        "--formats says more); nothing was read"
    )


def wants() -> str:
    """The columns by which each format is recognised, on one line."""
    return "; ".join(f"{name}: {reader.wants}" for name, reader in FORMATS.items() if reader.wants)


def described() -> str:
    """Every format: its columns with their units, and an example, as its reader declares them."""
    parts = [_described(name, reader) for name, reader in FORMATS.items()]
    return "\n".join([*parts, ANY_TABLE])


def _described(name: str, reader: Reader) -> str:
    """One format."""
    needs = f" (with {reader.needs})" if reader.needs else ""
    wide = max(len(column.name) for column in reader.columns)
    taken = ", ".join(dict.fromkeys(LABELS[option] for option in reader.options))
    lines = [f"{name}: {reader.describes}{needs}"]
    for column in reader.columns:
        holds = column.holds + ("" if column.optional else "; needed")
        lines.append(f"  {column.name:<{wide}}  {column.unit or '1':<4}  {holds}")
    example = [f"    {line}" for line in reader.example.splitlines()]
    return "\n".join([*lines, f"  options: {taken}", *example, ""])
