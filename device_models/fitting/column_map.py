"""What the user calls the columns of a file: names in order, or a map from its own names.

    --columns t_seconds,g_siemens              a file without a header, in order; blank: not used
    --columns "t=t_seconds,R=r_ohms:kohm"      a file with one: its name = our name [: unit]
    --columns "1=cycle,5=lrs_ohms:kohm"        by number, with or without a header

The unit is that of the file; without one it is that of our name. Our name may also be one with a
unit, `R=R (kohm)`. A file may have its own map beside it, see `readers.settings`.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ConfigError
from ..record import did_you_mean, shown
from .columns import KNOWN, SUFFIX, Meaning, meaning, plain, scale

if TYPE_CHECKING:
    from .header import Header

FREE = re.compile(r"(rmp|ramp|cycle|run|set|reset)[ _-]?\d+|up|down|", re.IGNORECASE)


class NamedColumns(NamedTuple):
    """A parsed list of columns.

    Attributes:
        names: Of a file without a header, in order; () of a map.
        labels: Name, or number, in the file -> what it holds.
    """

    names: tuple[str, ...]
    labels: dict[str, Meaning]


def named_columns(columns: Sequence[str]) -> NamedColumns:
    """Parse what the user calls the columns.

    Raises:
        ConfigError: Names and maps are mixed, or a name or unit is unknown.
    """
    maps = [entry for entry in columns if "=" in entry]
    if not maps:
        return NamedColumns(tuple(map(_label, columns)), {})
    if len(maps) < len(columns):
        other = next(entry for entry in columns if "=" not in entry)
        raise ConfigError(
            f"--columns {shown(other)} is no map, but {shown(maps[0])} is one; it must be names in "
            "order, or NAME_IN_FILE=NAME[:UNIT] each; nothing was read"
        )
    labels = {}
    for entry in maps:
        label, _, name = entry.rpartition("=")
        labels[label.strip()] = _meaning(name.strip(), entry)
    return NamedColumns((), labels)


def _label(name: str) -> str:
    """A name in order as a label of the file: `r_ohms:kohm` is `r (kohm)`."""
    base, colon, unit = name.rpartition(":")
    if not colon:
        return name
    _meaning(name, name)  # refuses a wrong one
    return f"{base.rpartition('_')[0]} ({unit})"


def _meaning(name: str, entry: str) -> Meaning:
    """What `NAME[:UNIT]` means."""
    base, colon, unit = name.rpartition(":") if ":" in name else (name, "", "")
    column = meaning(base) or (Meaning(base) if FREE.fullmatch(base) else None)
    if column is None:
        hint = did_you_mean(base, KNOWN) or f"; known: {', '.join(KNOWN)}"
        raise ConfigError(f"--columns {shown(entry)}: {shown(base)} is unknown{hint}; nothing was "
                          "read")  # fmt: skip
    if not colon:
        return column
    dimension = next((d for d, end in SUFFIX.items() if column.name.endswith(f"_{end}")), "")
    scaled = scale(unit.strip(), dimension) if dimension else None
    if scaled is None:
        of = SUFFIX.get(dimension, "a plain number, which has none")
        raise ConfigError(
            f"--columns {shown(entry)}: {shown(unit)} is no unit of {of}; nothing was read"
        )
    return Meaning(column.name, *scaled)


def renamed(header: "Header", columns: Sequence[str], mapped: Mapping[str, Meaning]) -> "Header":
    """A header with the map of a reader and then that of the user.

    Raises:
        ConfigError: The file lacks a column that the user maps.
    """
    wanted = named_columns(columns).labels
    labels = header.labels
    if wanted and not labels:  # by number
        labels = tuple(str(i) for i in range(1, header.cells + 1))
    result = {label: m for label, m in mapped.items() if label in labels}
    for name, m in wanted.items():
        result = {label: other for label, other in result.items() if other.name != m.name}
        result[_in_file(name, labels, header.line + 1)] = m
    return header._replace(labels=labels, mapped=result)


def _in_file(name: str, labels: Sequence[str], row: int) -> str:
    """The label of the file that a name or number of the user is."""
    if name in labels:
        return name
    alike = [label for label in labels if plain(label) == plain(name)]
    if len(alike) == 1:
        return alike[0]
    if name.isdigit() and 0 < int(name) <= len(labels) and labels.count(labels[int(name) - 1]) == 1:
        return labels[int(name) - 1]
    hint = did_you_mean(name, labels)
    listed = ", ".join(labels[:12]) + (", ..." if len(labels) > 12 else "")
    raise ConfigError(
        f"row {row}: --columns maps {shown(name)}, which the file does not have{hint} "
        f"(its columns are {listed}); nothing was read"
    )
