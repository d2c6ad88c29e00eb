"""Words and numbers as every command prints them."""

import ast
import importlib.util
from pathlib import Path
from typing import Any

import click

from device_models.printable import printable
from device_models.units import MICRO, format_si


def echo(text: str, *, err: bool = False) -> None:
    """Print a text, whatever files and their names brought into it; `err`: on stderr."""
    click.echo(printable(text), err=err)


class TableOption(click.Option):
    """An option that takes a name out of a table; its help lists them."""

    def __init__(self, *args: Any, table: str, default_name: str, **kwargs: Any) -> None:
        """Of `table`, "module:NAME"; `default_name` is what stands for an option not given."""
        super().__init__(*args, metavar="NAME", **kwargs)
        self.table, self.default_name = table, default_name

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The names, and which is the default."""
        names = names_of(self.table)
        self.help = f"{', '.join(names[:-1])} or {names[-1]}.  [default: {self.default_name}]"
        return super().get_help_record(ctx)


def names_of(table: str) -> list[str]:
    """The names of a table "module:NAME", read from its source.

    Importing it would take seconds: entries of tables use torch, and `--help` waits for them.
    """
    module, _, name = table.partition(":")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(module)
    for node in ast.parse(Path(spec.origin).read_text("utf-8")).body:
        match node:
            case ast.AnnAssign(target=ast.Name(id=declared), value=ast.Dict(keys=keys)):
                if declared == name:
                    return [ast.literal_eval(key) for key in keys if key is not None]
    raise LookupError(f"{module} declares no table {name}")


def ascii_units(text: str) -> str:
    """Units as a terminal without other letters shows them: `um2`."""
    return text.replace(MICRO, "u").replace("\N{SUPERSCRIPT TWO}", "2")


def si(value: float, unit: str) -> str:
    """Three digits and a metric prefix: `1.5 kohm`."""
    return ascii_units(format_si(value, unit, digits=3))
