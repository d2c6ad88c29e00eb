"""Words and numbers as every command prints them."""

import importlib
from typing import Any

import click

from device_models.units import MICRO, format_si


class TableOption(click.Option):
    """An option that takes a name out of a table; its help lists them.

    The table is imported when the help is asked for, and not before.
    """

    def __init__(self, *args: Any, table: str, default_name: str, **kwargs: Any) -> None:
        """Of `table`, "module:NAME"; `default_name` is what stands for an option not given."""
        super().__init__(*args, metavar="NAME", **kwargs)
        self.table, self.default_name = table, default_name

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The names, and which is the default."""
        module, _, name = self.table.partition(":")
        names = list(getattr(importlib.import_module(module), name))
        self.help = f"{', '.join(names[:-1])} or {names[-1]}.  [default: {self.default_name}]"
        return super().get_help_record(ctx)


def ascii_units(text: str) -> str:
    """Units as a terminal without other letters shows them: `um2`."""
    return text.replace(MICRO, "u").replace("\N{SUPERSCRIPT TWO}", "2")


def si(value: float, unit: str) -> str:
    """Three digits and a metric prefix: `1.5 kohm`."""
    return ascii_units(format_si(value, unit, digits=3))
