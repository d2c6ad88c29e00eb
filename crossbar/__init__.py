"""Arrays of memristive devices, and everything that runs on them.

    import crossbar as xb

    run = xb.train(xb.Training(device="oxram.yaml", epochs=2))
    run.summary["test_accuracy"]

Every name is imported on its first use: `import crossbar` alone costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossbar import nn as nn
    from device_models.presets import load_device as load_device

    from .api.characterization import characterize as characterize
    from .api.nir import export_nir as export_nir
    from .api.nir import from_nir as from_nir
    from .api.spikes import analyze_spikes as analyze_spikes
    from .api.sweep import sweep as sweep
    from .api.training import load_run as load_run
    from .api.training import train as train
    from .array.tile import CrossbarTile as CrossbarTile
    from .boards.characterize_plan import Plan as Plan
    from .experiment.config import Training as Training
    from .experiment.run import Run as Run
    from .nn.estimate import estimate as estimate
    from .snn.network import Network as Network
    from .wires.wires import Wires as Wires

_HOMES = {
    "CrossbarTile": "crossbar.array.tile",
    "Network": "crossbar.snn.network",
    "Plan": "crossbar.boards.characterize_plan",
    "Run": "crossbar.experiment.run",
    "Training": "crossbar.experiment.config",
    "Wires": "crossbar.wires.wires",
    "analyze_spikes": "crossbar.api.spikes",
    "characterize": "crossbar.api.characterization",
    "estimate": "crossbar.nn.estimate",
    "export_nir": "crossbar.api.nir",
    "from_nir": "crossbar.api.nir",
    "load_device": "device_models.presets",
    "load_run": "crossbar.api.training",
    "sweep": "crossbar.api.sweep",
    "train": "crossbar.api.training",
}
__all__ = [*_HOMES]  # noqa: PLE0604  # names, every one of them


def __getattr__(name: str) -> Any:
    """The public name, imported from its home."""
    from importlib import import_module

    if name == "nn":  # a package: `xb.nn.Linear`
        return import_module("crossbar.nn")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(_HOMES)
