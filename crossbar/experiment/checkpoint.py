"""The whole state of a trainer at the end of an epoch, as one file without pickled code."""

import io
import json
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from device_models.errors import RunError
from device_models.model import DeviceState

from ..array.counters import Counters
from ..boards.routed import RoutedBoard
from ..boards.simulated import SimulatedBoard
from .trainer import Trainer


def save(trainer: Trainer, before: list[np.ndarray]) -> bytes:
    """The content of a checkpoint file.

    Args:
        trainer: At the end of an epoch.
        before: Conductances of each layer before training, for the figures.
    """
    arrays: dict[str, np.ndarray] = {}
    for place, board in enumerate(trainer.boards):
        arrays[f"{place}.g"] = board.state.g.numpy()
        arrays[f"{place}.pulsed"] = board.pulsed.numpy()
        for name, trait in board.state.traits.items():
            arrays[f"{place}.trait.{name}"] = trait.numpy()
        for name, dynamic in board.state.dynamics.items():
            arrays[f"{place}.dynamic.{name}"] = dynamic.numpy()
    for place, policy in enumerate(trainer.policies):
        arrays[f"{place}.before"] = before[place]
        for name, kept in policy.state().items():
            arrays[f"{place}.policy.{name}"] = kept.numpy()
        for name, moment in trainer.optimizers[place].state().items():
            arrays[f"{place}.optimizer.{name}"] = moment.numpy()
    about = {
        "epoch": trainer.epoch,
        "rows": trainer.rows,
        "counters": [board.counters.as_dict() for board in trainer.boards],
    }
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub wants the flag first
    return file.getvalue()


def restore(trainer: Trainer, content: bytes) -> list[np.ndarray]:
    """Put a trainer built from the same configuration where the checkpoint was taken.

    Returns:
        The conductances before training, as given to `save`.

    Raises:
        RunError: The content is no checkpoint of such a trainer.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about: dict[str, Any] = json.loads(arrays.pop("about").tobytes())
        for place, board in enumerate(trainer.boards):
            _restore_board(board, place, arrays, Counters(**about["counters"][place]))
        for place, policy in enumerate(trainer.policies):
            policy.restore(_named(arrays, f"{place}.policy."))
            trainer.optimizers[place].restore(_named(arrays, f"{place}.optimizer."))
        before = [arrays[f"{place}.before"] for place in range(len(trainer.layers))]
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as e:
        raise RunError(f"the checkpoint cannot be read ({e}); nothing was changed") from e
    trainer.resume(about["epoch"], about["rows"])
    return before


def _restore_board(
    board: SimulatedBoard | RoutedBoard,
    place: int,
    arrays: dict[str, np.ndarray],
    counters: Counters,
) -> None:
    """Put back one array's devices, their pulses and its counters."""
    g, pulsed = (torch.from_numpy(arrays[f"{place}.{name}"]) for name in ("g", "pulsed"))
    traits = _named(arrays, f"{place}.trait.")
    if g.shape != board.state.g.shape or traits.keys() != board.state.traits.keys():
        raise ValueError("it holds other devices than the configuration describes")
    board.restore(DeviceState(g, traits, _named(arrays, f"{place}.dynamic.")), pulsed)
    board.counters = counters


def _named(arrays: dict[str, np.ndarray], start: str) -> dict[str, torch.Tensor]:
    """The arrays whose names start so, by the rest of their name."""
    return {
        name.removeprefix(start): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(start)
    }
