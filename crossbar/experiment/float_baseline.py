"""The float baseline of a run: the same network and optimizer on weights that lose nothing."""

import dataclasses

from device_models.presets import load_device

from .config import BASELINE_DEVICE
from .run import Run

FOLDER = "float_baseline"


def has_baseline(run: Run) -> bool:
    """Whether a baseline of the run was asked for, see `plan_baseline`."""
    return (run.folder / FOLDER).is_dir()


def plan_baseline(run: Run) -> None:
    """Make the folder of a baseline, so that a run that is killed before goes on with one.

    Raises:
        OSError: It cannot be made.
    """
    (run.folder / FOLDER).mkdir(parents=True, exist_ok=True)


def baseline_of(run: Run) -> tuple[Run, bool]:
    """The baseline, in a folder of the run, and whether it was begun; trained as long as the run.

    Raises:
        ConfigError: See `Training.float_baseline`.
    """
    if not (run.folder / FOLDER / "checkpoint.npz").is_file():
        settings = run.config.float_baseline()
        new = Run.new(run.folder / FOLDER, settings, load_device(BASELINE_DEVICE), run.first)
        return new, False
    baseline = Run.open(run.folder / FOLDER)
    baseline.config = dataclasses.replace(baseline.config, epochs=run.config.epochs)
    return baseline, True
