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
