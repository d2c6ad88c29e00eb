"""`xbar characterize`: measure a board for `xbar fit`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from device_models.errors import ConfigError, consequence
from device_models.overrides import override
from device_models.record import nearest

from .text import echo

if TYPE_CHECKING:
    from crossbar.api.characterization import Bench
    from crossbar.boards.characterize_plan import Plan
    from crossbar.boards.limits import Limits
    from crossbar.experiment.characterization import CharacterizationInterrupted

INTERRUPTED = 130
SIMULATED = "simulated"
SIZES = ("rows", "columns", "seed")


@click.command()
@click.option("--board", metavar="ADDRESS", help="simulated, tcp://HOST:PORT or its VISA name, "
              "or python:MODULE.FUNCTION.")  # fmt: skip
@click.option("-o", "--output", metavar="FOLDER", help="New folder for the measurements.")
@click.option("--device", metavar="FILE", help="Of a simulated board.  [default: oxram.yaml]")
@click.option("--rows", metavar="N", help="Word lines of a simulated board.  [default: 32]")
@click.option("--columns", metavar="N", help="Bit lines of it.  [default: 32]")
@click.option("--seed", metavar="N", help="Of everything random in it.  [default: 0]")
@click.option("--plan", metavar="FILE", help="What is measured; the default informs all of a fit.")
@click.option("--set", "sets", metavar="NAME=VALUE", multiple=True,
              help="Any setting of the plan, cells=8.")  # fmt: skip
@click.option("--limits", metavar="FILE", help="Limits of pulses; a real board needs them.")
@click.option("--token", metavar="T", envvar="XBAR_TOKEN", show_envvar=True,
              help="What the server of the board asks for.")  # fmt: skip
@click.option("--resume", metavar="FOLDER", help="Go on with one that was interrupted.")
@click.option("--dry-run", is_flag=True, help="Print the plan and what it costs; send nothing.")
def characterize(
    board: str | None,
    output: str | None,
    device: str | None,
    plan: str | None,
    sets: tuple[str, ...],
    limits: str | None,
    token: str | None,
    resume: str | None,
    dry_run: bool,
    **sizes: str | None,
) -> None:
    """Measure a board for `xbar fit`: (forming,) cycles, ramps, sweeps, reads, writes, retention.

    Pulses and reads of some cells, at several amplitudes and widths around the board's own pulse.
    What it costs is printed first, and nothing beyond the limits is sent. Every finished stage is a
    file: Ctrl-C, a crash or a lost connection leave a folder that --resume goes on with.

    \b
    Examples:
      xbar characterize --board simulated --device oxram.yaml -o measured
      xbar characterize --board tcp://127.0.0.1:5025 --dry-run
      xbar characterize --board tcp://bench:5025 --limits limits.yaml --set cells=64 -o measured
      xbar characterize --resume measured
    """
    typed = {name: text for name, text in sizes.items() if text is not None}
    with consequence("nothing was sent"):
        check_use(board, output, device, plan, sets, typed, resume, dry_run=dry_run)
        from crossbar.boards.limits import load_limits

        held = load_limits(limits) if limits else None
        if resume is None:
            bench, wanted = bench_of(board or "", device, typed), plan_of(plan, sets)
    if resume is not None:
        go_on(resume, held, token)
    elif dry_run:
        show_cost(bench, wanted, held, token)
    else:
        measure(bench, wanted, output or "", held, token)


def check_use(
    board: str | None,
    output: str | None,
    device: str | None,
    plan: str | None,
    sets: tuple[str, ...],
    typed: dict[str, str],
    resume: str | None,
    *,
    dry_run: bool,
) -> None:
    """Refuse options that do not go together.

    Raises:
        ConfigError: They do not.
    """
    begun: dict[str, object] = {
        "--board": board, "-o": output, "--device": device, "--plan": plan, "--set": sets,
        "--dry-run": dry_run, **{f"--{name}": text for name, text in typed.items()},
    }  # fmt: skip
    if resume is not None:
        fixed = [name for name, value in begun.items() if value]
        if fixed:
            raise ConfigError(f"--resume keeps what was begun; {', '.join(fixed)} cannot change")
        return
    if board is None:
        raise ConfigError("--board says what is measured: simulated, or tcp://HOST:PORT")
    if board != SIMULATED and nearest(board, [SIMULATED]):
        raise ConfigError(f"--board {board!r} is no board; did you mean {SIMULATED!r}?")
    if output is None and not dry_run:
        raise ConfigError("-o FOLDER says where the measurements go; --dry-run needs none")
    if board != SIMULATED and typed:
        raise ConfigError(f"--{next(iter(typed))} is of a simulated board, not of {board}")
    if wrong := [text for text in sets if "=" not in text]:
        raise ConfigError(f"--set takes NAME=VALUE, not {wrong[0]!r}")


def bench_of(address: str, device: str | None, typed: dict[str, str]) -> "Bench":
    """Which board."""
    from crossbar.api.characterization import Bench
    from crossbar.boards.scpi.serving import ServedBoard

    size = override(ServedBoard(), {n: (text, f"--{n}") for n, text in typed.items()})
    return Bench(address=address, device=device, simulated=size)


def plan_of(file: str | None, sets: tuple[str, ...]) -> "Plan":
    """What is measured: the file, or the default, with the typed settings over it."""
    from crossbar.boards.characterize_plan import Plan
    from device_models.schema import load

    given = dict(text.split("=", 1) for text in sets)
    texts = {name.strip(): (text.strip(), f"--set {name.strip()}") for name, text in given.items()}
    return override(load(Path(file), Plan) if file else Plan(), texts)


def show_cost(bench: "Bench", plan: "Plan", limits: "Limits | None", token: str | None) -> None:
    """Print a plan and what it comes to."""
    from crossbar.api.characterization import cost_table, estimate_cost, open_bench
    from device_models.schema import dump

    with consequence("nothing was sent"):
        board, sheet = open_bench(bench, token)
        try:
            text = cost_table(estimate_cost(board, plan, sheet, limits), board.info)
        finally:
            board.close()
    echo(f"{dump(plan)}\n{text}\nnothing was sent")


def measure(
    bench: "Bench", plan: "Plan", folder: str, limits: "Limits | None", token: str | None
) -> None:
    """Characterise into a new folder."""
    from crossbar.api.characterization import characterize as run
    from crossbar.experiment.characterization import CharacterizationInterrupted

    try:
        done = run(
            bench.address, plan, out=folder, bench=bench, limits=limits, token=token,
            progress=progress_bar, notice=notice,
        )  # fmt: skip
    except CharacterizationInterrupted as e:
        raise interrupted(e) from None
    echo(f"{done.rows:,} rows in {done.folder}; next: {done.fit_command}")


def go_on(folder: str, limits: "Limits | None", token: str | None) -> None:
    """Go on in a folder."""
    from crossbar.api.characterization import resume
    from crossbar.experiment.characterization import CharacterizationInterrupted

    try:
        done = resume(folder, limits=limits, token=token, progress=progress_bar, notice=notice)
    except CharacterizationInterrupted as e:
        raise interrupted(e) from None
    echo(f"{done.rows:,} rows in {done.folder}; next: {done.fit_command}")


def interrupted(error: "CharacterizationInterrupted") -> click.exceptions.Exit:
    """Say how to go on; what to raise."""
    text = f"\nInterrupted; {error}. Continue with: xbar characterize --resume {error.folder}"
    echo(text, err=True)
    return click.exceptions.Exit(INTERRUPTED)


def notice(line: str) -> None:
    """A line for the person who waits."""
    echo(line, err=True)


def progress_bar(steps: Iterator[None], total: int, label: str) -> Iterator[None]:
    """The steps of a stage, with a bar on the terminal."""
    with click.progressbar(steps, length=total, label=f"{label:<10}", file=sys.stderr) as bar:
        yield from bar
