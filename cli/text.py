"""Words and numbers as every command prints them."""

import importlib
import math
from typing import Any

import click

PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G"}


def said(message: str, nothing: str) -> str:
    """The message, ending in what did not happen unless it says so already."""
    return message if "nothing was" in message else f"{message}; {nothing}"


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


def si(value: float, unit: str) -> str:
    """Three digits and a metric prefix: `1.5 kohm`."""
    if value == 0.0:
        return f"0 {unit}"
    # In two steps: 999.9 is printed as 1e+03 and belongs to the next prefix.
    rounded = float(f"{value:.3g}")
    exponent = min(max(3 * math.floor(math.log10(rounded) / 3 + 1e-12), -15), 9)
    return f"{rounded / 10.0**exponent:.3g} {PREFIXES[exponent]}{unit}"
