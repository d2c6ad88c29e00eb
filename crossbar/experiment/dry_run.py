"""What a training would send to a board: it is sent to an emulated one, within the limits.

The board itself is asked what it is, and nothing else.
"""

from pathlib import Path

from device_models.describe import describe
from device_models.model import DeviceModel
from device_models.presets import load_device

from ..boards.budget import Budget
from ..boards.characterize_plan import DryBoard
from ..boards.limited import LimitedBoard
from ..boards.limits import Limits, limits_of
from ..boards.protocol import Board, BoardInfo
from ..boards.region import Stack
from ..datasets import load_dataset
from ..datasets.encode import Data, encode
from . import builder
from .boards import emulated, open_training_board
from .config import SIMULATED, Training
from .train import Notice, ProgressBar, no_progress_bar
from .transfer import parameters_of


def dry_run(
    config: Training,
    model: DeviceModel | None = None,
    data_dir: Path | None = None,
    *,
    notice: Notice = print,
    progress: ProgressBar = no_progress_bar,
    token: str | None = None,
) -> Budget:
    """Train on an emulated board within the limits; nothing is sent or written.

    The emulated board has the lines that the network needs, and the pulses of the device file. The
    board of the settings is opened, asked for its size and limits, and closed before.

    Args:
        config: Settings.
        model: Kind of device, in place of the file that `config.device` names.
        data_dir: Folder of the data set; by default it is looked for, then fetched.
        notice: Told what goes on, line by line.
        progress: Shows an epoch; see `crossbar.train`.
        token: What the server of the board asks for.

    Raises:
        ConfigError: The board is no emulator and there are no limits, or it cannot hold them.
        ShapeError: The board is too small for the network.
        LimitError: The limits would end the training.
    """
    model = model or load_device(config.device)
    info = None if config.board == SIMULATED else info_of_board(config, model, token)
    dataset = load_dataset(config.data.set, data_dir, notice=notice)
    data, first = encode(dataset, config.data, seed=config.seed), None
    if config.init_from:
        first = parameters_of(Path(config.init_from), builder.plan_of(config, dataset), dataset)
    board, limits = emulated(config, model, needed_lines(config, model, data, info)), config.limits
    if limits is None:
        limits = limits_of(model)
        notice(f"dry run: limits of an emulated board of {config.device}: {words_of(limits)}")
    notice(
        f"dry run: {config.epochs} epochs are trained on an emulated board first, about as long as "
        "such a training; --epochs 1 is the shortest; nothing is sent"
    )
    limited = LimitedBoard(board, limits, most_siemens=model.g_max_siemens)
    trainer = builder.trainer(config, model, data, first=first, boards=Stack(limited).place)
    trainer.start()
    trainer.conductances()  # read, as a run reads and keeps them
    notice(f"dry run: untrained {trainer.rows[0]['test_accuracy']:.1%}")
    while trainer.epoch < config.epochs:
        label = f"epoch {trainer.epoch + 1}/{config.epochs}"
        for _ in progress(trainer.run_epoch(), trainer.batches, label):
            pass
    return limited.budget()


def info_of_board(config: Training, model: DeviceModel, token: str | None) -> BoardInfo:
    """What the board of the settings is, which can hold their limits; nothing is sent.

    Raises:
        ConfigError, BoardError, HardwareError: See `open_training_board`.
    """
    opened = open_training_board(config, model, token=token)
    if opened is None:
        raise TypeError(f"{config.board} is no board")
    try:
        return opened.stack.board.info
    finally:
        opened.stack.board.close()


def words_of(limits: Limits) -> str:
    """Limits in one line, those that hold nothing left out."""
    rows = describe(limits)
    return ", ".join(f"{text} {unit}" for _, text, unit, _ in rows if text != "null")


def needed_lines(
    config: Training, model: DeviceModel, data: Data, info: BoardInfo | None = None
) -> tuple[int, int]:
    """(word lines, bit lines) of the board that a training needs; nothing is sent.

    Args:
        config: Settings.
        model: Kind of device.
        data: The encoded samples.
        info: Of a board that has to have them; None: whatever they are.

    Raises:
        ShapeError: It has not; see `Stack.check`.
    """
    shapes: dict[int, tuple[int, int]] = {}

    def note(number: int, shape: tuple[int, int]) -> Board:
        shapes[number] = shape
        return emulated(config, model, shape)

    builder.build(config, model, data, boards=note)
    if info is not None:
        stack = Stack(DryBoard(info))
        for number, shape in shapes.items():
            stack.place(number, shape)
        stack.check()
    words, bits = zip(*shapes.values(), strict=True)
    return sum(words), max(bits)
