"""The boards that a training is given: opened by their address, looked at, held to their limits.

The half of `builder` that opens boards; nobody else does.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from device_models import atomic, npz
from device_models.errors import ConfigError, RunError
from device_models.model import DeviceModel
from device_models.npz import UNREADABLE, reason

from ..array.periphery import Periphery
from ..array.tile import Tiling
from ..boards.address import open_board
from ..boards.checked import CheckedBoard
from ..boards.limited import LimitedBoard
from ..boards.protocol import Board, BoardInfo
from ..boards.region import Stack
from ..boards.simulated import SimulatedBoard
from ..snn.engines import DenseEngine
from .config import SIMULATED, Training

SENT = "sent.npz"  # of a run: what counts against limits

# Finds the board of an array: its number, those of the layers first and then those that policies
# own, and (word lines, bit lines) -> the board.
BoardFactory = Callable[[int, tuple[int, int]], Board]


class OpenedBoard(NamedTuple):
    """A board, and how the arrays of a training lie on it.

    Attributes:
        stack: The arrays; its `place` finds the board of each.
        limited: What holds the board to its limits; None without any.
    """

    stack: Stack
    limited: LimitedBoard | None

    def save_sent(self, folder: Path) -> None:
        """Write down what was sent, where limits add it up."""
        if self.limited is None:
            return
        file = io.BytesIO()
        np.savez(file, **self.limited.meter.state())  # type: ignore[arg-type]  # numpy's stub
        atomic.write(folder / SENT, file.getvalue())

    def restore_sent(self, folder: Path) -> None:
        """Count from what was written down on.

        Raises:
            RunError: It cannot be read.
        """
        if self.limited is None:
            return
        try:
            self.limited.meter.restore(npz.read(folder / SENT, ("pulses", "joules")))
        except UNREADABLE as e:
            raise RunError(f"{folder / SENT} cannot be read ({reason(e)}); nothing was sent") from e


def open_training_board(
    config: Training, model: DeviceModel, *, token: str | None = None
) -> OpenedBoard | None:
    """The board of the settings, behind its limits; None for simulated arrays.

    Args:
        config: Settings: `board` and `limits`.
        model: Kind of device: its largest conductance.
        token: What a server asks for.

    Raises:
        ConfigError: That is no address, limits are missing or the board cannot hold them, or
            something is to be emulated.
        BoardError: What is there is no board.
        HardwareError: Nobody answers.
    """
    if config.board == SIMULATED:
        if config.limits is not None:
            raise ConfigError(
                "limits: the simulated arrays of a training have none; name a board, or make a dry "
                "run; nothing was sent"
            )
        return None
    refuse_emulation(config)
    opened = open_board(config.board, token=token)
    try:
        board = CheckedBoard(opened, most_siemens=model.g_max_siemens, source=config.board)
        if config.limits is None:
            refuse_unlimited(board)
            return OpenedBoard(Stack(board), None)
        limited = LimitedBoard(board, config.limits, most_siemens=model.g_max_siemens)
        return OpenedBoard(Stack(limited), limited)
    except BaseException:
        if close := getattr(opened, "close", None):
            close()
        raise


def refuse_unlimited(board: Board) -> None:
    """Refuse a board that is no emulator, of which limits have to be given.

    Raises:
        ConfigError: It is one.
    """
    if not board.info.is_emulator:
        raise ConfigError(
            f"{board.info.name} is no emulator: it needs limits (volts, seconds, "
            "compliance_amperes, pulses_per_cell, joules) from --limits FILE; nothing was sent"
        )


def checked(boards: BoardFactory, model: DeviceModel) -> BoardFactory:
    """Boards whose answers are looked at; see `CheckedBoard`."""

    def find(number: int, shape: tuple[int, int]) -> Board:
        return CheckedBoard(
            boards(number, shape),
            most_siemens=model.g_max_siemens,
            source=f"boards({number}, {shape})",
        )

    return find


def check_amplitudes(info: BoardInfo, top: int) -> None:
    """Refuse a board whose drivers cannot set the amplitudes of a constant code.

    Args:
        info: Of the board of the first layer.
        top: Largest code, which is the read voltage.

    Raises:
        ConfigError: Its word lines have fewer steps than codes, or none at all.
    """
    step = None if info.grid is None else info.grid.dac_volts
    if step is not None and info.read_volts < top * step * (1.0 - 1e-9):
        raise ConfigError(
            f"data.encoding = constant drives lines by {top} amplitudes up to {info.read_volts:g} "
            f"V, and {info.name} sets a line in steps of {step:g} V; give fewer bits, or choose "
            "another encoding; nothing was sent"
        )


def emulated(config: Training, model: DeviceModel, shape: tuple[int, int]) -> SimulatedBoard:
    """An emulated board of the kind of device, every device of it programmable."""
    return SimulatedBoard(
        model,
        Tiling(*shape, config.tiles.tile_rows, config.tiles.tile_columns),
        torch.ones(shape, dtype=torch.bool),
        v_read_volts=config.reads.v_read_volts,
        t_read_seconds=config.reads.t_read_seconds,
        seed=config.seed,
        index=0,
    )


def refuse_emulation(config: Training) -> None:
    """Refuse what only an emulator can do, for boards that are given.

    Raises:
        ConfigError: It names the setting.
    """
    wanted = {
        "wires": not config.wires.ideal,
        "faults": not config.faults.none,
        "tiles.array_kind = 1R": config.tiles.array_kind == "1R",
        "periphery": config.periphery != Periphery(),
        "update_noise": config.update_noise > 0.0,
        "reads.backward = true": config.reads.backward == "true",
        "engine = dense": isinstance(config.engine, DenseEngine.Options),
    }
    if names := [name for name, is_wanted in wanted.items() if is_wanted]:
        raise ConfigError(
            f"{', '.join(names)}: of the boards that are given nothing is emulated; leave it out, "
            "or give no boards; nothing was built"
        )
