"""The float twin of a run: the same network and optimiser on weights that lose nothing."""

import dataclasses

from device_models.errors import ConfigError
from device_models.presets import load_device

from .config import Training
from .run import Run

DEVICE = "ideal.yaml"
FOLDER = "twin"


def twin_settings(config: Training) -> Training:
    """The settings of the twin of a run.

    Seed, data order, initial weights, network, batches, epochs and optimiser are those of the run.
    Its weights are ideal devices, pulsed in steps of 2^-24 of a window that no weight leaves
    (`w_max_of`) and read exactly: gradient descent on 32-bit numbers, under Dale's law where the
    run is. It has no wires, periphery, faults or copies.

    Raises:
        ConfigError: The rate of the run counts pulses, which the twin has none of.
    """
    if config.rate_unit == "pulses":
        raise ConfigError(
            "a float twin has no pulses to count: give the rate with rate_unit=weight"
        )
    return Training(
        device=DEVICE,
        seed=config.seed,
        epochs=config.epochs,
        batch_size=config.batch_size,
        optimizer=config.optimizer,
        learning_rate=config.learning_rate,
        schedule=config.schedule,
        policy="accumulate",
        data=config.data,
        network=config.network,
        init_from=config.init_from,
    )


def has_twin(run: Run) -> bool:
    """Whether a twin of the run was begun."""
    return (run.folder / FOLDER / "checkpoint.npz").is_file()


def twin_of(run: Run) -> Run:
    """The twin, in the folder `twin` of the run: begun, or new; trained as long as the run.

    Raises:
        RunError: The folder holds something else.
    """
    if not has_twin(run):
        new = Run.new(run.folder / FOLDER, twin_settings(run.config), load_device(DEVICE))
        new.weights = run.weights
        return new
    twin = Run.open(run.folder / FOLDER)
    twin.config = dataclasses.replace(twin.config, epochs=run.config.epochs)
    return twin
