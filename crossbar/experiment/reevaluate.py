"""A trained network behind other wires, tiles or converters: the same conductances, tested again.

Its weights on other devices, with other faults: `faulty`.
"""

from device_models.streams import stream_key

from ..datasets.encode import Data
from . import checkpoint
from .config import Training
from .run import Run
from .trainer import Trainer


def same_devices(run: Run, data: Data, config: Training, *, repeat: int) -> float:
    """Test accuracy of the trained conductances behind other wires, tiles or periphery.

    Args:
        run: A run with a checkpoint. Nothing of it is written.
        data: Encoded images.
        config: Its settings with another chip; network, mapping and device as they were.
        repeat: Number of the test; each draws its own read noise.
    """
    return tested(rebuilt(run, data, config), config, repeat)


def rebuilt(run: Run, data: Data, config: Training, threads: int | None = None) -> Trainer:
    """The trained conductances on another chip; arguments as `same_devices`.

    Raises:
        RunError: Such a chip has other devices, or the checkpoint cannot be read.
    """
    trainer = Trainer(config, run.model, data, threads=threads, weights=run.weights)
    checkpoint.restore(trainer, run.checkpoint())
    return trainer


def tested(trainer: Trainer, config: Training, repeat: int) -> float:
    """Test accuracy now, with read noise of its own for each repeat."""
    for emulator in trainer.emulators:
        emulator.begin_epoch(trainer.epoch)
    key = stream_key("read noise", config.seed, trainer.epoch, 2 + repeat)
    done = trainer.evaluate(noise_key=key)
    return float((done.predictions == trainer.data.test_labels).mean())
