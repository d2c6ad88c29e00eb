"""What a training would send to a board: it is sent to an emulated one, within the limits."""

from pathlib import Path

from device_models.errors import ConfigError
from device_models.model import DeviceModel
from device_models.presets import load_device

from ..boards.budget import Budget
from ..boards.limited import LimitedBoard
from ..boards.protocol import Board
from ..boards.region import Stack
from ..datasets import load_dataset
from ..datasets.encode import Data, encode
from . import builder
from .boards import emulated
from .config import Training
from .train import Notice, ProgressBar, no_progress_bar
from .transfer import weights_of


def dry_run(
    config: Training,
    model: DeviceModel | None = None,
    data_dir: Path | None = None,
    *,
    notice: Notice = print,
    progress: ProgressBar = no_progress_bar,
) -> Budget:
    """Train on an emulated board with the limits of the settings; nothing is opened or written.

    The board has the lines that the network needs, and the pulses of the device file.

    Args:
        config: Settings.
        model: Kind of device, in place of the file that `config.device` names.
        data_dir: Folder of the data set; by default it is looked for, then fetched.
        notice: Told what goes on, line by line.
        progress: Shows an epoch; see `crossbar.train`.

    Raises:
        ConfigError: The settings have no limits.
        LimitError: The limits would end the training.
    """
    if config.limits is None:
        raise ConfigError("a dry run needs limits, from --limits FILE")
    model = model or load_device(config.device)
    dataset = load_dataset(config.data.set, data_dir, notice=notice)
    data, weights = encode(dataset, config.data, seed=config.seed), None
    if config.init_from:
        weights = weights_of(Path(config.init_from), builder.plan_of(config, dataset), dataset)
    board = emulated(config, model, needed_lines(config, model, data))
    limited = LimitedBoard(board, config.limits, most_siemens=model.g_max_siemens)
    trainer = builder.trainer(config, model, data, weights=weights, boards=Stack(limited).place)
    trainer.start()
    trainer.conductances()  # read, as a run reads and keeps them
    notice(f"dry run: untrained {trainer.rows[0]['test_accuracy']:.1%}")
    while trainer.epoch < config.epochs:
        label = f"epoch {trainer.epoch + 1}/{config.epochs}"
        for _ in progress(trainer.run_epoch(), trainer.batches, label):
            pass
    return limited.budget()


def needed_lines(config: Training, model: DeviceModel, data: Data) -> tuple[int, int]:
    """(word lines, bit lines) of the board that a training needs; nothing is sent."""
    shapes: dict[int, tuple[int, int]] = {}

    def note(number: int, shape: tuple[int, int]) -> Board:
        shapes[number] = shape
        return emulated(config, model, shape)

    builder.build(config, model, data, boards=note)
    words, bits = zip(*shapes.values(), strict=True)
    return sum(words), max(bits)
