"""All commands of the instrument: the only list of them.

A new command is a row in the file of its group, or a new file and one line here.
"""

from . import (
    common,
    data_format,
    diagnostic,
    programming,
    pulses,
    reads,
    remembered,
    routes,
    source_measure,
)
from .bench import Context
from .command import Answer, Command
from .parser import block


def headers(c: Context) -> Answer:
    """The headers of all commands, a block of one a line."""
    return block("".join(f"{command.header}\n" for command in COMMANDS).encode())


COMMANDS: tuple[Command, ...] = (
    *common.COMMANDS,
    *routes.COMMANDS,
    *source_measure.COMMANDS,
    *remembered.COMMANDS,
    *reads.COMMANDS,
    *pulses.COMMANDS,
    *programming.COMMANDS,
    *data_format.COMMANDS,
    *diagnostic.COMMANDS,
    Command("SYSTem:HELP:HEADers?", headers),
)


def listing() -> str:
    """Every command with its parameters and what it does, for people; cells first."""
    of_cells = (*reads.COMMANDS, *pulses.COMMANDS, *programming.COMMANDS)
    rows = [*of_cells, *(c for c in COMMANDS if c not in (*of_cells, *remembered.COMMANDS))]
    remembered_ones = ", ".join(c.header for c in remembered.COMMANDS if c.parameters)
    return "\n".join([
        "Capital letters of a word are its short form; what is in brackets may be left out.",
        "(?) after a command: the same with a question mark answers what was set.",
        *[line for command in rows for line in _entry(command, {c.header for c in rows})],
        "",
        f"Taken, answered (?) and of no consequence, for drivers of a 2400: {remembered_ones}",
    ])  # fmt: skip


def _entry(command: Command, headers: set[str]) -> list[str]:
    """The lines of one command; none of a query that its command speaks for."""
    header, about = command.header, (command.run.__doc__ or "").partition("\n")[0]
    names = [f"[{p.name}]" if p.is_optional else p.name for p in command.parameters]
    names += [f"[{command.rest.name} ...]"] if command.rest else []
    is_asked = f"{header}?" in headers
    if not about and header.removesuffix("?") in headers - {header}:
        return []
    line = f"{header}{' (?)' * is_asked} {', '.join(names)}".rstrip()
    return ["", line, *([f"    {about}"] if about else [])]


def spellings() -> dict[tuple[str, bool], Command]:
    """(header in upper case, whether it asks) -> the command, for every way to write it.

    Raises:
        ValueError: Two commands are written alike.
    """
    table: dict[tuple[str, bool], Command] = {}
    for command in COMMANDS:
        for spelling in command.spellings():
            key = spelling, command.header.endswith("?")
            if key in table:
                raise ValueError(f"{command.header} and {table[key].header} are both {spelling}")
            table[key] = command
    return table
