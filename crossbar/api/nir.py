"""Networks as graphs of NIR: from other frameworks, and back to them."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from device_models.errors import ConfigError, RunError, consequence
from device_models.record import Tagged
from device_models.registry import name_of
from device_models.schema import dump

from ..experiment.config import Training
from ..experiment.fault_study import parameters_in
from ..experiment.network_settings import with_network
from ..experiment.reevaluate import rebuilt
from ..experiment.run import DISTRIBUTION, Run
from ..experiment.train import Notice
from ..experiment.trainer import Trainer
from ..mappings import MAPPINGS
from ..nir.files import library, write_graph
from ..nir.writing import graph_of
from .folders import Folder, path
from .threads import one_thread


def from_nir(
    graph: Folder, config: Training | None = None, *, dt_seconds: float | None = None
) -> Training:
    """Settings of a training that begins with the network and the weights of a graph.

        run = crossbar.train(crossbar.from_nir("graph.nir", crossbar.Training(epochs=1)))

    Args:
        graph: File of a graph of NIR; `crossbar.nir` has its nodes, and the steps they take.
        config: All other settings; by default all defaults.
        dt_seconds: Of a step; None: `config.data.dt_seconds` if it is not the default, else what
            the graph says in its metadata, else 1e-4 s.

    Returns:
        The settings. Each layer has a window, `w_max`, of twice its largest weight.

    Raises:
        ConfigError: nir is not installed, there is no such graph, or it holds what there is not
            here: named by its node.
    """
    with consequence("nothing was trained"):
        return with_network(config or Training(), str(path(graph)), dt_seconds)


def export_nir(
    run: Folder | Run,
    out: Folder,
    *,
    data_dir: Folder | None = None,
    notice: Notice = print,
) -> Path:
    """Write a trained network as a graph of NIR, from which `from_nir` makes the same one.

    Weights are those that a reader without noise sees. Metadata of a `weights` node are the
    `conductances_siemens` of its devices (rows, columns), its `mapping` and `g_unit_siemens`; those
    of the graph the `device` and the `settings` of the run as YAML, and the step, `dt_seconds`.

    Args:
        run: The run, or its folder.
        out: The file; what was there is replaced.
        data_dir: Folder of the data set of the run; by default it is looked for, then fetched.
        notice: Told what goes on, line by line.

    Returns:
        The file.

    Raises:
        ConfigError: nir is not installed, or NIR has no such layer or neurons.
        RunError: There is no such run, it was trained on a board, or the file cannot be written.
    """
    with consequence("nothing was written"), one_thread():
        file = path(out)
        nir = library(str(file))
        opened = run if isinstance(run, Run) else Run.open(path(run))
        if file.is_dir() or not file.parent.is_dir():
            raise ConfigError(f"{file} is no place for a file: it is a folder, or in none")
        trainer = rebuilt(opened, opened.load_data(path(data_dir), notice=notice), threads=1)
        network = trainer.setup.network
        graph = graph_of(nir, network, parameters_in(trainer), _of_layers(trainer), _of_run(opened))
        try:
            write_graph(file, graph)
        except OSError as e:
            raise RunError(f"{file} cannot be written: {e.strerror or e}") from e
    return file


def _of_layers(trainer: Trainer) -> list[dict[str, Any]]:
    """What the weights of each layer lie on."""
    return [
        {
            "conductances_siemens": siemens,
            "mapping": Tagged(MAPPINGS).name_of(layer.mapping.options),
            "g_unit_siemens": layer.mapping.g_unit_siemens,
        }
        for layer, siemens in zip(trainer.layers, trainer.conductances(), strict=True)
    ]


def _of_run(run: Run) -> dict[str, Any]:
    """What a graph says of the run that it is of."""
    return {
        "made_by": f"xbar {version(DISTRIBUTION)}",
        "device": dump(run.model, ("model", name_of(run.model))),
        "settings": dump(run.config),
    }
