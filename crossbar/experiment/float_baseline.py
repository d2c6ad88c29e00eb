"""The float baseline of a run: the same network and optimizer on weights that lose nothing."""

import dataclasses

from device_models.presets import load_device

from .config import BASELINE_DEVICE
from .run import Run

FOLDER = "float_baseline"


def has_baseline(run: Run) -> bool:
    """Whether a baseline of the run was begun."""
    return (run.folder / FOLDER / "checkpoint.npz").is_file()


def baseline_of(run: Run) -> Run:
    """The baseline, in a folder of the run: begun, or new; trained as long as the run.

    Raises:
        ConfigError: See `Training.float_baseline`.
        RunError: The folder holds something else.
    """
    if not has_baseline(run):
        settings = run.config.float_baseline()
        return Run.new(run.folder / FOLDER, settings, load_device(BASELINE_DEVICE), run.first)
    baseline = Run.open(run.folder / FOLDER)
    baseline.config = dataclasses.replace(baseline.config, epochs=run.config.epochs)
    return baseline
