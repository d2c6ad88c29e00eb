"""What stands beside a file about it alone: `set.columns.yaml` beside `set.csv`.

    columns: [t=t_seconds, "R=r_ohms:kohm"]    # as --columns
    format: retention                          # as --format
    v_read_volts: 0.2                          # any field of `Options`

What the user types comes before it.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ...record import Record
from ...schema import load
from ..options import Options

SUFFIX = ".columns.yaml"


@dataclass(frozen=True, kw_only=True)
class SettingsFile(Options, Record):
    """The fields of such a file."""

    format: str | None = None


class FileSettings(NamedTuple):
    """What is known of a file before it is opened.

    Attributes:
        options: Of the user and of the file beside it.
        format: Of the file beside it; None: not said.
        source: Name of that file; "" if there is none.
    """

    options: Options
    format: str | None = None
    source: str = ""


def beside(path: Path, options: Options) -> FileSettings:
    """The settings of a file.

    Args:
        path: The file; `set.csv`, `set.csv.gz` and `set.txt` all look for `set.columns.yaml`.
        options: What the user typed.

    Raises:
        ConfigError: The file beside it is wrong.
    """
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    file = plain.with_suffix(SUFFIX)
    if not file.is_file():
        return FileSettings(options)
    stated, default = load(file, SettingsFile), Options()
    names = [field.name for field in dataclasses.fields(Options)]
    typed = {n for n in names if getattr(options, n) != getattr(default, n)}
    values = {n: getattr(options if n in typed else stated, n) for n in names}
    return FileSettings(Options(**values), stated.format, file.name)
