"""A trained network on other wires, tiles or converters: the same conductances, tested again.

Its weights on other devices, with other faults: `fault_study`.
"""

from dataclasses import replace

from device_models.errors import RunError
from device_models.streams import stream_key

from ..datasets.encode import Data
from . import builder, checkpoint
from .array_parts import engine_behind
from .config import SIMULATED
from .run import Run
from .trainer import Trainer


def same_devices(run: Run, data: Data, *, repeat: int) -> float:
    """Test accuracy of the trained conductances on another chip.

    Args:
        run: A run with a checkpoint, `Run.on_chip` another chip. Nothing of it is written.
        data: Encoded images.
        repeat: Number of the test; each draws its own read noise.
    """
    return accuracy_of(rebuilt(run, data), repeat)


def rebuilt(run: Run, data: Data, threads: int | None = None) -> Trainer:
    """The trained conductances on the chip of the settings of a run.

    Where kernels do not emulate its periphery, dense torch runs it, slower and with other noise.

    Raises:
        RunError: Such a chip has other devices, the checkpoint cannot be read, or the conductances
            are those of a board, and not in the run.
    """
    check_simulated(run)
    is_held, network = data.train_events.held is not None, builder.plan_of(run.config, data)
    engine = engine_behind(network, run.config.periphery, run.config.engine, is_held=is_held)
    config = replace(run.config, engine=engine)
    trainer = builder.trainer(config, run.model, data, threads=threads, first=run.first)
    checkpoint.restore(trainer, run.checkpoint())
    return trainer


def check_simulated(run: Run) -> None:
    """Refuse a run without conductances of its own.

    Raises:
        RunError: It was trained on a board, which keeps them.
    """
    if run.config.board != SIMULATED:
        raise RunError(
            f"{run.folder} was trained on {run.config.board}, which keeps the conductances; "
            "what is asked needs those of simulated arrays"
        )


def accuracy_of(trainer: Trainer, repeat: int) -> float:
    """Test accuracy now, with read noise of its own for each repeat."""
    for emulator in trainer.emulators:
        emulator.begin_epoch(trainer.epoch)
    key = stream_key("read noise", trainer.setup.seed, trainer.epoch, 2 + repeat)
    done = trainer.evaluate(noise_key=key)
    return float((done.predictions == trainer.data.test_labels).mean())
