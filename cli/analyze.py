"""`xbar analyze`: what a chip does to a tile or a trained network, and the spikes of runs."""

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
SHARED = ("layer", "seed")
OF_SPIKES = ("half", "images", "tau_seconds", "compare", "control", "success", "animation")
SHOWN = 30  # runs or tests on the terminal


@click.command()
@click.argument("runs", nargs=-1, metavar="[RUN...]")
@click.option("--out", metavar="DIR",
              help="Folder of the result.  [default: RUN/analysis or RUN/spikes]")  # fmt: skip
@click.option("--rows", metavar="N", help="Of a tile of random conductances.  [default: 128]")
@click.option("--columns", metavar="N", help="As --rows.")
@click.option("--wires", "wires_ohms", metavar="OHMS", help="One wire segment.  [default: 2]")
@click.option("--driver-ohms", metavar="OHMS", help="Output resistance of a driver.")
@click.option("--sense-ohms", metavar="OHMS", help="Input resistance of a sense amplifier.")
@click.option("--g-low", "g_low_siemens", metavar="S", help="Lowest conductance.  [default: 1e-6]")
@click.option("--g-high", "g_high_siemens", metavar="S", help="Highest one.  [default: 1e-4]")
@click.option("--layer", metavar="N", help="Layer of RUN that is looked at.  [default: 0]")
@click.option("--tile", metavar="N", help="Number of that tile, row by row.  [default: 0]")
@click.option("--sweep", "sweeps", metavar="NAME=VALUES", multiple=True,
              help=f"Test RUN on other chips: {', '.join(AXES)}.")  # fmt: skip
@click.option("--repeats", metavar="N", help="Tests per value of a sweep.  [default: 3]")
@click.option("--spikes", is_flag=True, help="Statistics of the spikes of RUN, or of several.")
@click.option(
    "--half", metavar="NAME", help="Images with --spikes: test or train.  [default: test]"
)
@click.option("--images", metavar="N", help="So many of them, the first.  [default: all]")
@click.option("--tau", "tau_seconds", metavar="SECONDS",
              help="Of Van Rossum distances.  [default: 0.001]")  # fmt: skip
@click.option("--compare", metavar="SETTING",
              help="Whose values are compared.  [default: ei, or what varies most]")  # fmt: skip
@click.option("--control", metavar="VALUE", help="Tested against.  [default: 100:0, or the first]")
@click.option("--success", metavar="SHARE",
              help="Runs above are successful, as published.  [default: 0.5]")  # fmt: skip
@click.option("--animation", metavar="KIND", help="gif, mp4 or none.  [default: gif]")
@click.option(
    "--threads", type=click.IntRange(1), help="Of --spikes.  [default: one per processor]"
)
@click.option("--no-figures", is_flag=True, help="With --spikes: tables, tests and page alone.")
@click.option("--seed", metavar="N", help="Seed of everything random.  [default: 0]")
@click.option("--data-dir", metavar="DIR", help="Folder of the Fashion-MNIST files.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
def analyze(
    runs: tuple[str, ...],
    out: str | None,
    sweeps: tuple[str, ...],
    data_dir: str | None,
    spikes: bool,
    threads: int | None,
    no_figures: bool,
    as_json: bool,
    **typed: str | None,
) -> None:
    """Show what wires do to a tile, test a trained network on other chips, or study its spikes.

    Without RUN a tile of random conductances is solved; with RUN a tile of that network. Pictures:
    conductances, node voltages, what is left across each device, the currents of the columns; the
    loss against size and wires; the accuracy for each sweep.

    --spikes replays the test of RUN and writes tables (spikes by class and kind of neuron, rates,
    PSTH, intervals, Van Rossum distances, weights, principal components, tests), pictures, an
    animation, spikes.json and spikes.html, a page of it all. Of several RUNs, or of the folder of a
    study, groups are compared: t tests and Kruskal-Wallis with effects and corrected p values.

    \b
    Examples:
      xbar analyze --rows 128 --columns 128 --wires 2
      xbar analyze runs/oxram_80-20_seed0 --layer 0 --wires 2
      xbar analyze runs/oxram_80-20_seed0 --sweep wires=0,0.5,1,2,5 --sweep adc_bits=3:10
      xbar analyze runs/oxram_80-20_seed0 --sweep stuck_low=0:0.2:0.05 --repeats 5
      xbar analyze runs/oxram_80-20_seed0 --spikes
      xbar analyze studies/ratios --spikes --compare ei --control 100:0
    """
    given = {n: (text, option(n)) for n, text in typed.items() if text is not None}
    check_use(runs, given, sweeps, spikes=spikes, other=no_figures or threads is not None)
    if spikes:
        content = replay_spikes(
            runs, given, out=out, data_dir=data_dir, threads=threads, figures=not no_figures
        )
        echo(json_text.dumps(content, indent=2) if as_json else spikes_page(content))
        return
    from crossbar.api.analysis import Analysis
    from crossbar.api.analysis import analyze as run_analysis

    with consequence("nothing was drawn"):
        check_tile(runs[0] if runs else None, given, sweeps)
        content = run_analysis(
            runs[0] if runs else None,
            settings=override(Analysis(), given),
            sweeps=parse_axes(sweeps),
            out=out,
            data_dir=data_dir,
            notice=lambda text: echo(text, err=True),
            progress=progress_bar,
        )
    echo(json_text.dumps(content, indent=2) if as_json else page(content))


def check_tile(run: str | None, given: Collection[str], sweeps: Sequence[str]) -> None:
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


def check_use(
    runs: Sequence[str],
    given: Mapping[str, tuple[str, str]],
    sweeps: Sequence[str],
    *,
    spikes: bool,
    other: bool,
) -> None:
    """Refuse options that do not go together.

    Raises:
        ConfigError: They do not.
    """
    if spikes:
        wrong = [label for name, (_, label) in given.items() if name not in (*OF_SPIKES, *SHARED)]
        wrong += ["--sweep"] * bool(sweeps)
        if wrong:
            raise ConfigError(f"{wrong[0]} does not go with --spikes; nothing was written")
        return
    wrong = [label for name, (_, label) in given.items() if name in OF_SPIKES]
    wrong += ["--threads or --no-figures"] * other
    if wrong:
        raise ConfigError(f"{wrong[0]} needs --spikes; nothing was drawn")
    if len(runs) > 1:
        raise ConfigError("several RUNs need --spikes; nothing was drawn")


def replay_spikes(
    runs: Sequence[str], given: Mapping[str, tuple[str, str]], **how: Any
) -> dict[str, Any]:
    """What `--spikes` writes; `how` as `analyze_spikes` takes it."""
    from crossbar.api.spikes import SpikeAnalysis, analyze_spikes

    with consequence("nothing was written"):
        return analyze_spikes(
            runs, settings=override(SpikeAnalysis(), given), progress=show_progress,
            notice=lambda text: echo(text, err=True), **how,
        )  # fmt: skip


def show_progress(run: str, done: int, total: int) -> None:
    """One line on a terminal, written over."""
    if sys.stderr.isatty():
        click.echo(f"\r{run}: {done:,} of {total:,} images", err=True, nl=done == total)


def progress_bar(tests: Sequence[tuple[float, int]], label: str) -> Iterator[tuple[float, int]]:
    """The tests of a sweep, with a bar on the terminal."""
    with click.progressbar(tests, label=label, file=sys.stderr) as bar:
        yield from bar


def option(name: str) -> str:
    """A field as the user typed it."""
    names = {
        "wires_ohms": "wires", "g_low_siemens": "g-low", "g_high_siemens": "g-high",
        "tau_seconds": "tau",
    }  # fmt: skip
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


def spikes_page(content: Mapping[str, Any]) -> str:
    """What a person reads of the spikes of runs."""
    lines = list[str]()
    for run in content["runs"][:SHOWN]:
        percent = run["excitatory_percent"]
        split = "" if percent is None else f", {percent:.1f} % excitatory"
        lines.append(
            f"{run['run']}: {run['replayed_accuracy']:.2%}, "
            f"{run['hidden_spikes_per_image']:.1f} hidden spikes per image{split}, "
            f"{run['rate_hz']:.2f} Hz, converged in epoch {run['epochs_to_converge']}"
        )
        pairs = [(p, run[f"distance_published_{p}"]) for p in ("E-E", "E-I", "I-I")]
        said = ", ".join(f"{pair} {value:.3f}" for pair, value in pairs if value is not None)
        lines.append(f"  Van Rossum distances as published: {said}")
    lines += [f"and {len(content['runs']) - SHOWN} more"] * (len(content["runs"]) > SHOWN)
    tests = [t for t in content["statistics"] if t["test"] == "welch_t" and t["p"] is not None]
    for test in tests[:SHOWN]:
        lines.append(
            f"{test['result']} ({test['where']}), {test['groups']}: difference "
            f"{test['difference']:.4g} ({test['difference_low']:.3g} to "
            f"{test['difference_high']:.3g}), p {test['p']:.2g}, Holm {test['p_holm']:.2g}"
        )
    lines += [f"note: {note}" for note in content["notes"]]
    return "\n".join([*lines, f"{'report':<24}{content['folder']}/spikes.html"])
