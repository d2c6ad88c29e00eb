"""`xbar estimate`: energy, time, area and spikes of a run on a chip that does not exist yet."""

import contextlib
import json as json_text
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossbar.experiment.sweep_axes import EXPLORED, parse_axes
from device_models.errors import ConfigError, consequence
from device_models.overrides import override

from .text import ascii_units, echo, si

if TYPE_CHECKING:
    from crossbar.energy.results import ChipEstimate
    from crossbar.energy.study import DesignPoint, Study

CHIP = "proposal_28nm"


@click.command()
@click.argument("runs", nargs=-1, metavar="RUN...")
@click.option("--chip", "chips", multiple=True, default=(CHIP,), show_default=True, metavar="FILE",
              help="Chip or preset; several are compared.")  # fmt: skip
@click.option("--costs", multiple=True, metavar="FILE",
              help="Cost table over the default one; later ones win.")  # fmt: skip
@click.option("--network", metavar="FILE", help="Instead of RUN: a network that was never run.")
@click.option(
    "--rates", metavar="HZ,...", help="Its assumed rates: input lines, each hidden layer."
)
@click.option("--sweep", "sweeps", multiple=True, metavar="NAME=VALUES",
              help="Test RUN on other chips: adc_bits=3:8 tile=64,128,256.")  # fmt: skip
@click.option("--pareto", is_flag=True, help="With --sweep: print the Pareto front alone.")
@click.option("--draws", metavar="N", help="Of the constants, for intervals.  [default: 2000]")
@click.option("--seed", metavar="N", help="Of these draws.  [default: 0]")
@click.option("--out", metavar="DIR", help="Folder of the report.  [default: RUN/estimate]")
@click.option("--data-dir", metavar="DIR", help="Folder of the Fashion-MNIST files, for --sweep.")
@click.option("--no-figures", is_flag=True, help="Draw nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
def estimate(
    runs: tuple[str, ...],
    chips: tuple[str, ...],
    costs: tuple[str, ...],
    network: str | None,
    rates: str | None,
    sweeps: tuple[str, ...],
    pareto: bool,
    out: str | None,
    data_dir: str | None,
    no_figures: bool,
    as_json: bool,
    **typed: str | None,
) -> None:
    """Estimate the energy, time and area of a RUN on a chip, with the doubt of every constant.

    Counts what happened in the last test of the run and in its training, and multiplies by unit
    costs with sources: low, typical, high. Writes a report that opens without a network. Several
    runs are compared. --sweep tests the first one anew on other chips.

    \b
    Examples:
      xbar estimate runs/oxram_80-20_seed0
      xbar estimate runs/oxram_80-20_seed0 --chip research_130nm --costs my_costs.yaml
      xbar estimate runs/oxram_80-20_seed0 runs/oxram_50-50_seed0 --out compared
      xbar estimate runs/oxram_80-20_seed0 --sweep adc_bits=3:8 tile=64,128,256 --pareto
      xbar estimate --network net.yaml --rates 4,5 --out assumed
    """
    given = {n: (text, "--" + n) for n, text in typed.items() if text is not None}
    from crossbar.api.estimation import Estimating
    from crossbar.api.estimation import estimate as run_study

    with consequence("nothing was written"), ProgressBar() as progress:
        settings = override(Estimating(), given)
        folders, axes = split(runs, sweeps)
        check_use(folders, network, rates, axes, out, pareto=pareto)
        target = folder_of(folders, out)
        study = run_study(
            folders, chips=chips, costs=costs, network=network, rates=hertz(rates), sweeps=axes,
            settings=settings, data_dir=data_dir,
            notice=lambda line: echo(line, err=True), progress=progress,
        )  # fmt: skip
        pages = write_pages(study, target, figures=not no_figures)
    echo(json_of(study) if as_json else summary(study, pages, pareto=pareto))


def split(runs: Sequence[str], sweeps: Sequence[str]) -> tuple[list[Path], dict[str, list[float]]]:
    """Run folders and axes; after `--sweep` further axes may follow without the option."""
    more = [text for text in runs if sweeps and "=" in text and not Path(text).exists()]
    axes = parse_axes([*sweeps, *more], EXPLORED)
    return [Path(text) for text in runs if text not in more], axes


def check_use(
    folders: Sequence[Path],
    network: str | None,
    rates: str | None,
    axes: Mapping[str, object],
    out: str | None,
    *,
    pareto: bool,
) -> None:
    """Refuse options that do not go together.

    Raises:
        ConfigError: They do not.
    """
    twice = next((str(run) for run in folders if folders.count(run) > 1), "")
    problems = {
        f"{twice} is given twice; leave one out": twice,
        "--rates needs --network": rates and not network,
        "--network needs --rates, in Hz": network and not rates,
        "--network is a network without a RUN; give one of them": network and folders,
        "name a RUN, or --network and --rates": not network and not folders,
        "--network needs --out, the folder of the report": network and not out,
        "--sweep needs a RUN that can be tested": axes and network,
        "--pareto needs --sweep": pareto and not axes,
    }
    for text, wrong in problems.items():
        if wrong:
            raise ConfigError(text)


def folder_of(folders: Sequence[Path], out: str | None) -> Path:
    """Where the report goes, if one may be written there."""
    from crossbar.reports.energy import check_folder

    if not out and folders[0].is_file():
        raise ConfigError(f"{folders[0]} is a file; a run is a folder")
    target = Path(out) if out else folders[0] / "estimate"
    check_folder(target)
    return target


def hertz(text: str | None) -> list[float]:
    """`4,5` as numbers; none where nothing was typed.

    Raises:
        ConfigError: They are none.
    """
    try:
        return [float(part) for part in text.split(",")] if text else []
    except ValueError:
        raise ConfigError(f"--rates takes numbers in Hz such as 4,5, not {text!r}") from None


class ProgressBar:
    """A bar on the terminal that appears with the first chip that is tested."""

    def __init__(self) -> None:
        """Nothing is shown yet."""
        self.end = contextlib.ExitStack()
        self.bar: Any = None

    def __enter__(self) -> "ProgressBar":
        """Nothing is shown yet."""
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the line of the bar."""
        self.end.close()

    def __call__(self, done: int, total: int) -> None:
        """Show how many chips are tested."""
        if self.bar is None:
            bar = click.progressbar(length=total, label="chips tested", file=sys.stderr)
            self.bar = self.end.enter_context(bar)
        self.bar.update(done - self.bar.pos)


def write_pages(study: "Study", folder: Path, *, figures: bool) -> list[Path]:
    """The report, drawn by the figures."""
    from crossbar.reports.energy import write_report

    return write_report(study, folder, figures=figures)


def json_of(study: "Study") -> str:
    """Everything as JSON: what `estimate.json` holds."""
    from crossbar.reports.energy import content

    return json_text.dumps(content(study), indent=2, allow_nan=False)


def summary(study: "Study", pages: Sequence[Path], *, pareto: bool) -> str:
    """What a person reads: the first run in full, then the others and the sweep."""
    lines = [*headline(study.first), "", *components(study.first)]
    if len(study.runs) > 1:
        lines += ["", *compared(study)]
    if study.explored:
        lines += ["", *chips(study.explored, pareto=pareto)]
    report = next(path for path in pages if path.name == "report.html")
    return "\n".join([*(line.rstrip() for line in lines), "", f"{'report':<26}{report}"])


def headline(e: "ChipEstimate") -> list[str]:
    """The numbers that a proposal quotes."""
    from crossbar.reports.energy_limits import MARGIN_POINTS
    from crossbar.reports.energy_numbers import cells, quantities, untested

    lines = [f"{'':<26}{'low':>14}{'typical':>14}{'high':>14}{'dense, typical':>18}"]
    for q in quantities(e):
        ends = "".join(f"{ascii_units(text):>14}" for text in cells(q.value, q.unit, si))
        dense = ascii_units(cells(q.dense, q.unit, si)[1]) if q.dense else ""
        lines.append(f"{q.name:<26}{ends}{dense:>18}")
    numbers = e.headline()
    sop, dense_sop = (numbers[f"synaptic_operations_per_inference{of}"] for of in ("", "_dense"))
    output = numbers["output_spikes_per_inference"]
    lines += [
        f"{'SOP of an inference':<26}{sop:,.0f} of {dense_sop:,.0f} dense",
        f"{'spikes of an inference':<26}{numbers['spikes_per_inference']:.1f} sent "
        f"({numbers['spikes_per_neuron']:.3f} a neuron), "
        + (f"{output:.1f} by the output, " if output else "")
        + f"{numbers['input_spikes_per_inference']:.1f} come in",
        f"{'TOPS/W at':<26}{numbers['precision']}; "
        f"{numbers['utilisation']:.0%} of {numbers['tiles']} tiles",
        f"{'network time':<26}{si(e.seconds_real, 's')} an inference",
    ]
    if e.lifetime_days is None:
        lines.append(f"{'lifetime':<26}unlimited: nothing was pulsed, or never again")
    if numbers["assumed"]:
        return [*lines, f"{'assumed':<26}spikes at the given rates; this network was never run"]
    low, high = numbers["accuracy_interval"]
    lines.append(
        f"{'simulated accuracy':<26}{numbers['accuracy']:.2%} ({low:.2%} to {high:.2%}); "
        f"a chip may score {MARGIN_POINTS} points less"
    )
    return [*lines, *([f"{'note':<26}{untested(e)}"] if untested(e) else [])]


def components(e: "ChipEstimate") -> list[str]:
    """Where the energy of an inference goes."""
    from crossbar.energy.results import COMPONENT_NAMES, COMPONENTS
    from crossbar.reports.energy_numbers import by_component

    whole, dense_whole = e.joules.typical, e.joules_dense.typical
    lines = [f"{'':<26}{'typical':>14}{'share':>8}{'dense, typical':>18}{'share':>8}"]
    for name, gated, dense in by_component(e.items, COMPONENTS):
        lines.append(
            f"{COMPONENT_NAMES[name]:<26}{si(gated.typical, 'J'):>14}{gated.typical / whole:>8.1%}"
            f"{si(dense.typical, 'J'):>18}{dense.typical / dense_whole:>8.1%}"
        )
    return lines


def compared(study: "Study") -> list[str]:
    """One line per run."""
    lines = [f"{'run':<34}{'accuracy':>10}{'low':>12}{'typical':>12}{'high':>12}{'dense':>12}"]
    for run in study.runs:
        e = run.estimate
        ends = "".join(f"{si(value, 'J'):>12}" for value in vars(e.joules).values())
        dense = si(e.joules_dense.typical, "J")
        lines.append(f"{run.name[-33:]:<34}{e.run.accuracy:>10.2%}{ends}{dense:>12}")
    return lines


def chips(explored: "Sequence[DesignPoint]", *, pareto: bool) -> list[str]:
    """One line per chip of a sweep."""
    from crossbar.energy.study import settings_name

    lines = [f"{'chip':<34}{'accuracy':>10}{'energy':>12}{'area':>14}  front"]
    for each in explored:
        if each.pareto_optimal or not pareto:
            e = each.estimate
            lines.append(
                f"{settings_name(each.settings):<34}{each.accuracy:>10.2%}"
                f"{si(e.joules.typical, 'J'):>12}{1e6 * e.m2.typical:>10.3g} mm2"
                f"{'  *' if each.pareto_optimal else ''}"
            )
    return lines
