"""`xbar analyze`: what a chip does to a tile, and to a network that was trained on another."""

import json as json_text
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import click

from crossbar.experiment.sweep_axes import AXES, parse_axes
from device_models.errors import ConfigError, consequence
from device_models.overrides import override

from .text import echo, si

OF_A_RUN = ("layer", "tile", "repeats")
OF_NO_RUN = ("rows", "columns", "g_low_siemens", "g_high_siemens")


@click.command()
@click.argument("run", required=False)
@click.option("--out", metavar="DIR", help="Folder of the pictures.  [default: analysis, or RUN's]")
@click.option("--rows", metavar="N", help="Of a tile of random conductances.  [default: 128]")
@click.option("--columns", metavar="N", help="As --rows.")
@click.option("--wires", "wires_ohms", metavar="OHMS", help="One wire segment.  [default: 2]")
@click.option("--driver-ohms", metavar="OHMS", help="Output resistance of a driver.")
@click.option("--sense-ohms", metavar="OHMS", help="Input resistance of a sense amplifier.")
@click.option("--g-low", "g_low_siemens", metavar="S", help="Lowest conductance.  [default: 1e-6]")
@click.option("--g-high", "g_high_siemens", metavar="S", help="Highest one.  [default: 1e-4]")
@click.option("--layer", metavar="N", help="Layer of RUN whose tile is drawn.  [default: 0]")
@click.option("--tile", metavar="N", help="Number of that tile, row by row.  [default: 0]")
@click.option("--sweep", "sweeps", metavar="NAME=VALUES", multiple=True,
              help=f"Test RUN on other chips: {', '.join(AXES)}.")  # fmt: skip
@click.option("--repeats", metavar="N", help="Tests per value of a sweep.  [default: 3]")
@click.option("--seed", metavar="N", help="Seed of everything random.  [default: 0]")
@click.option("--data-dir", metavar="DIR", help="Folder of the Fashion-MNIST files.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
def analyze(
    run: str | None,
    out: str | None,
    sweeps: tuple[str, ...],
    data_dir: str | None,
    as_json: bool,
    **typed: str | None,
) -> None:
    """Show what the wires of a tile do, exactly; test a trained network on other chips.

    Without RUN a tile of random conductances is solved; with RUN a tile of that network. Pictures:
    conductances, node voltages, what is left across each device, the currents of the columns; the
    loss against size and wires; the accuracy for each sweep.

    \b
    Examples:
      xbar analyze --rows 128 --columns 128 --wires 2
      xbar analyze runs/oxram_80-20_seed0 --layer 0 --wires 2
      xbar analyze runs/oxram_80-20_seed0 --sweep wires=0,0.5,1,2,5 --sweep adc_bits=3:10
      xbar analyze runs/oxram_80-20_seed0 --sweep stuck_low=0:0.2:0.05 --repeats 5
    """
    given = {n: (text, option(n)) for n, text in typed.items() if text is not None}
    from crossbar.api.analysis import Analysis
    from crossbar.api.analysis import analyze as run_analysis

    with consequence("nothing was drawn"):
        check_use(run, given, sweeps)
        content = run_analysis(
            run,
            settings=override(Analysis(), given),
            sweeps=parse_axes(sweeps),
            out=out,
            data_dir=data_dir,
            notice=lambda text: echo(text, err=True),
            progress=progress_bar,
        )
    echo(json_text.dumps(content, indent=2) if as_json else page(content))


def check_use(run: str | None, given: Collection[str], sweeps: Sequence[str]) -> None:
    """Refuse options that would be ignored.

    Raises:
        ConfigError: One is of a RUN, and there is none, or the other way round.
    """
    for name in given:
        if name in OF_A_RUN and run is None:
            raise ConfigError(f"{option(name)} needs a RUN")
        if name in OF_NO_RUN and run is not None:
            raise ConfigError(f"{option(name)} is of random conductances; leave out it or the RUN")
        if name == "repeats" and not sweeps:
            raise ConfigError("--repeats needs --sweep")


def progress_bar(tests: Sequence[tuple[float, int]], label: str) -> Iterator[tuple[float, int]]:
    """The tests of a sweep, with a bar on the terminal."""
    with click.progressbar(tests, label=label, file=sys.stderr) as bar:
        yield from bar


def option(name: str) -> str:
    """A field as the user typed it."""
    names = {"wires_ohms": "wires", "g_low_siemens": "g-low", "g_high_siemens": "g-high"}
    return "--" + names.get(name, name.replace("_", "-"))


def page(content: Mapping[str, Any]) -> str:
    """What a person reads."""
    tile = content["tile"]
    lines = [
        tile["about"],
        f"{'all rows driven':<24}{si(tile['ideal_amperes'], 'A')} without wires, "
        f"{si(tile['sensed_amperes'], 'A')} sensed: {tile['lost_share']:.1%} lost, "
        f"worst column {tile['worst_column_lost_share']:.1%}",
    ]
    for name, swept in content.get("sweeps", {}).items():
        lines += [f"{name}: {swept['as_trained']:.2%} as trained"]
        columns = swept["values"], swept["mean"], swept["half_of_95_percent_interval"]
        lines += [f"  {v:<10g}{m:.2%} +/- {half:.2%}" for v, m, half in zip(*columns, strict=True)]
    return "\n".join([*lines, f"{'pictures':<24}{content['folder']}"])
