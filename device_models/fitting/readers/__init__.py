"""Readers of measurement files: one file per format, one line in `FORMATS`.

measurements = read([Path("set.csv"), Path("reads.csv.gz")], options=Options(v_read_volts=0.1))
"""

from collections.abc import Sequence
from pathlib import Path

from ...errors import ConfigError, DataError
from ...record import did_you_mean, shown
from ..lines import chunks, head
from ..measurements import Measurements, merge
from ..options import Options
from ..table import split_header
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
    up_down,
    write_verify,
)
from .reader import Reader, first_row

FORMATS: dict[str, Reader] = {
    "generic": generic.READER,
    "arc-one": arc_one.READER,
    "arc-two": arc_two.READER,
    "arc-two-csv": arc_two_csv.READER,
    "ramps": ramps.READER,
    "up-down": up_down.READER,
    "step-quantiles": step_quantiles.READER,
    "reads": reads.READER,
    "retention": retention.READER,
    "cycles": cycles.READER,
    "written": write_verify.READER,
}
FORMER_NAMES = {"neutral": "generic"}  # still taken by `--format`


def read(
    paths: Sequence[Path], *, format_name: str | None = None, options: Options | None = None
) -> Measurements:
    """Read measurement files, of different formats if need be.

    Args:
        paths: The files; plain or gzipped, whatever their names.
        format_name: A key of `FORMATS` that all of them have; None: each is recognised by
            its header.
        options: What the files do not say.

    Returns:
        Everything in them. Every file brings its own devices, unless `Options.same_devices`.

    Raises:
        ConfigError: No such format.
        DataError: A file is damaged, in other units, or of no known format.
        CalibrationError: A file does not state enough, for example no read voltage.
    """
    format_name = FORMER_NAMES.get(format_name or "", format_name)
    if format_name is not None and format_name not in FORMATS:
        hint = did_you_mean(format_name, FORMATS) or f"; known: {', '.join(FORMATS)}"
        raise ConfigError(f"--format {shown(format_name)} is unknown{hint}; nothing was read")
    given = options or Options()
    parts = [FORMATS[format_name or sniffed(path)].read(path, given) for path in paths]
    return merge(parts, same_devices=given.same_devices)


def sniffed(path: Path) -> str:
    """The format of a file by its first rows.

    Raises:
        DataError: It cannot be read, is empty, or is of no known format.
    """
    start = head(path)
    row = first_row(start)
    if not row:
        comments = " but for comments" if start.raw.strip() else ""
        raise DataError(f"{path}: the file is empty{comments}; nothing was read")
    for name, reader in FORMATS.items():
        if reader.sniff(start):
            return name
    next(chunks(path), None)  # refuses a header that is not UTF-8, with row and column
    names = ", ".join(split_header(row)[1])
    raise DataError(
        f"{path}: row {start.lines.index(row) + 1}: {shown(names)} are the columns of no known "
        f"format; --format names one of {', '.join(FORMATS)}; nothing was read"
    )
