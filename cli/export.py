"""`xbar export`: a trained network as a graph that other frameworks read."""

from pathlib import Path

import click

from device_models.errors import consequence

from .fit import free
from .text import echo


@click.command()
@click.argument("run", metavar="RUN")
@click.option("-o", "--output", required=True, metavar="FILE", help="Graph to write: graph.nir.")
@click.option("--data-dir", metavar="DIR", help="Folder of the data set of the run.")
@click.option("--force", is_flag=True, help="Overwrite the graph.")
def export(run: str, output: str, data_dir: str | None, force: bool) -> None:
    """Write a trained network as a graph of NIR, the format between neuromorphic frameworks.

    Nodes hold the weights that the devices stand for. Metadata hold the conductances, mapping and
    device, and the step that makes their time constants exact. xbar train --network reads it.

    \b
    Examples:
      xbar export runs/oxram_80-20_seed0 -o graph.nir
      xbar train --network graph.nir --device oxram.yaml --epochs 1
      xbar program graph.nir --device oxram.yaml
    """
    with consequence("nothing was written"):
        target = free(Path(output), force=force)
    from crossbar.api.nir import export_nir

    file = export_nir(run, target, data_dir=data_dir, notice=lambda line: echo(line, err=True))
    echo(f"{file}: read it with nir.read, or xbar train --network {file}")
