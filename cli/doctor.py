"""`xbar doctor`: what this machine has, how fast it is, what is broken; or what a board does."""

import json as json_text
import os
import platform
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import click

from device_models.errors import ConfigError, DataError

from . import speed
from .text import echo

NEEDED = ("torch", "numpy", "scipy", "threadpoolctl", "numba", "matplotlib", "click", "pyyaml")
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
LEAST_FREE = 500_000_000  # bytes: the kernels, the images and some runs
BROKEN = 2  # exit code


class CheckResult(NamedTuple):
    """Facts, one line that states them, and what is broken with the way to mend it."""

    facts: Mapping[str, Any]
    line: str
    broken: tuple[str, ...] = ()


@click.command()
@click.option("--data-dir", metavar="DIR", help="Folder of the Fashion-MNIST files.")
@click.option("--no-speed", is_flag=True, help="Measure nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in SI units.")
@click.option("--board", metavar="ADDRESS",
              help="Check this board instead: tcp://HOST:PORT, its VISA name, or "
              "python:MODULE.FUNCTION, which opens one of your own.")  # fmt: skip
@click.option("--allow-pulses", is_flag=True, help="Pulse it, though it is no emulator.")
@click.option("--limits", metavar="FILE", help="Limits of these pulses; needed for them.")
@click.option("--cells", metavar="LIST", help="Devices that may be used: 0-63,100.  [default: any]")
@click.option("--token", metavar="T", envvar="XBAR_TOKEN", show_envvar=True,
              help="What its server asks for.")  # fmt: skip
def doctor(
    data_dir: str | None,
    no_speed: bool,
    as_json: bool,
    board: str | None,
    allow_pulses: bool,
    limits: str | None,
    cells: str | None,
    token: str | None,
) -> None:
    """Show versions, threads, caches and data, and measure how fast this machine is.

    Takes a few seconds; the first time on a machine the kernels are compiled too. Nothing is
    fetched. The exit code is 0 unless something is broken; then a line on stderr says what, and how
    to mend it.

    With --board it runs the conformance suite on a board: what xbar expects of one. The checks that
    send pulses run on an emulator, whose cells they wear, and on another board only with
    --allow-pulses and --limits. The exit code is 0 where none fails, 1 where one does, 2 where
    there is no board, 3 where nobody answers.

    \b
    Examples:
      xbar doctor
      xbar doctor --data-dir ~/fashion-mnist --no-speed
      xbar doctor --json
      xbar doctor --board tcp://127.0.0.1:5025
      xbar doctor --board python:my_lab.open_board
      xbar doctor --board tcp://lab:5025 --allow-pulses --limits limits.yaml --cells 0-63
    """
    if board is not None:
        from .conformance import check_board

        check_board(
            board, token=token, allow_pulses=allow_pulses, limits=limits, cells=cells,
            as_json=as_json,
        )  # fmt: skip
        return
    for_boards = {"--allow-pulses": allow_pulses, "--limits": limits, "--cells": cells}
    for name, given in for_boards.items():
        if given:
            raise ConfigError(f"{name} needs --board ADDRESS; nothing was checked")
    examine(data_dir, no_speed=no_speed, as_json=as_json)


def examine(data_dir: str | None, *, no_speed: bool, as_json: bool) -> None:
    """Look at this machine, and print what was seen."""
    checks: dict[str, Callable[[], CheckResult]] = {
        "versions": versions,
        "package": package,
        "threads": threads,
        "kernels": kernels,
        "data": lambda: images(data_dir),
        "disk": disk,
    }
    if not no_speed:
        checks["speed"] = how_fast
    results: dict[str, CheckResult] = {}
    for name, check in checks.items():
        results[name] = check()
        if not as_json:
            echo(f"{name:<10}" + results[name].line.replace("\n", "\n" + " " * 10))
    broken = [text for each in results.values() for text in each.broken]
    if as_json:
        facts = {name: dict(each.facts) for name, each in results.items()}
        echo(json_text.dumps(facts | {"broken": broken}, indent=2, allow_nan=False))
    for text in broken:
        echo(f"broken: {text}", err=True)
    if broken:
        raise click.exceptions.Exit(BROKEN)


def versions() -> CheckResult:
    """Of Python, of this program and of what it needs."""
    facts: dict[str, str | None] = {"python": platform.python_version()}
    missing = []
    for name in ("xbar-hil", *NEEDED):
        try:
            facts[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            facts[name] = None
            missing.append(f"{name} is not installed; {sys.executable} -m pip install {name}")
    line = ", ".join(f"{name} {version or 'missing'}" for name, version in facts.items())
    return CheckResult(facts, line, tuple(missing))


def package() -> CheckResult:
    """Whether the import packages are those of xbar: others exist under the same names."""
    import crossbar

    owners = metadata.packages_distributions()
    others = set()
    for name in ("crossbar", "cli", "device_models"):
        others |= set(owners.get(name, [])) - {"xbar-hil"}
    folder = str(Path(crossbar.__file__).parent)
    broken = tuple(
        f"{other} installs packages of the same names as xbar-hil; pip uninstall {other}, then "
        "install xbar-hil again"
        for other in sorted(others)
    )
    return CheckResult({"folder": folder, "others": sorted(others)}, f"in {folder}", broken)


def threads() -> CheckResult:
    """Processors, and the thread settings of the environment."""
    from crossbar.snn.engines.events import CHUNKS

    usable = speed.processors()
    facts: dict[str, Any] = {"processors": os.cpu_count(), "usable": usable}
    facts["kernels"] = min(CHUNKS, usable)
    facts |= {name: os.environ.get(name) for name in VARIABLES}
    settings = ", ".join(f"{name}={facts[name]}" for name in VARIABLES if facts[name] is not None)
    line = f"kernels run on {facts['kernels']} of {facts['processors']} processors"
    return CheckResult(facts, line + (f"; {settings}" if settings else ""))


def kernels() -> CheckResult:
    """The folder of compiled kernels: whether it can be written, its size, what is in it."""
    from device_models.jit import base_folder, cache_folder, is_compiled, wanted_folder

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is said below
        folder, compiled, wanted = cache_folder(), is_compiled("kernels"), wanted_folder()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    facts = {"folder": str(folder), "bytes": size, "compiled": compiled}
    state = "compiled" if compiled else "not compiled yet (takes about 20 s, once)"
    line = f"{state}, {size / 1e6:.1f} MB in {folder}"
    if base_folder() == wanted:
        return CheckResult(facts, line)
    what = "this user has no home" if wanted is None else f"{wanted} cannot be written"
    mend = "set NUMBA_CACHE_DIR or XDG_CACHE_HOME to a folder that can be"
    return CheckResult(facts, line, (f"{what}; {mend}",))


def images(data_dir: str | None) -> CheckResult:
    """Whether Fashion-MNIST is on this machine, whole; nothing is fetched."""
    from crossbar.datasets.fashion_mnist import FASHION_MNIST
    from crossbar.datasets.locate import locate_here

    files = FASHION_MNIST.files
    try:
        located = locate_here(files, Path(data_dir) if data_dir else None)
    except DataError as e:
        return CheckResult({"folder": None}, f"{files.title} cannot be used", (str(e),))
    if located is None:
        size = f"{files.download_bytes / 1e6:.0f} MB"
        line = f"{files.title} is not here; xbar train fetches it once ({size})"
        return CheckResult({"folder": None}, line)
    return CheckResult({"folder": located.origin}, f"{files.title} in {located.origin}")


def disk() -> CheckResult:
    """Free space where compiled kernels and runs go."""
    from device_models.jit import cache_folder

    folders = {"cache": existing(cache_folder()), "runs": existing(Path("runs").absolute())}
    free = {name: shutil.disk_usage(folder).free for name, folder in folders.items()}
    line = ", ".join(f"{free[name] / 1e9:.1f} GB free for {name}" for name in folders)
    broken = tuple(
        f"only {free[name] / 1e6:.0f} MB are free in {folders[name]}; make room for "
        f"{LEAST_FREE / 1e6:.0f} MB"
        for name in folders
        if free[name] < LEAST_FREE
    )
    return CheckResult({f"{name}_free_bytes": free[name] for name in folders}, line, broken)


def how_fast() -> CheckResult:
    """Forward and backward passes on one thread and on all, beside the table of the README."""
    counts = sorted({1, threads().facts["kernels"]})
    times = speed.microseconds(counts)
    rows, lines = [], ["us a sample, 784-100-10 x 100 steps, ideal devices"]
    for (what, count), time in times.items():
        table = speed.REFERENCE.get((what, count))
        row = {"what": what, "threads": count, "microseconds": time, "reference": table}
        rows.append(row)
        words = f"{what}, {count} thread{'s' * (count > 1)}"
        lines.append(f"{words:<34}{time:7.1f}" + (f"   README {table:.1f}" if table else ""))
    lines.append(f"README: {speed.REFERENCE_MACHINE}")
    return CheckResult({"rows": rows, "reference": speed.REFERENCE_MACHINE}, "\n".join(lines))


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if folder.exists())
