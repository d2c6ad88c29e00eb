"""The whole state of a trainer at the end of an epoch, as one file without pickled code."""

import io
import json
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from device_models.errors import RunError
from device_models.model import DeviceState

from ..counters import Counters
from .trainer import Trainer, total_counters


def save(trainer: Trainer, before: list[np.ndarray]) -> bytes:
    """The content of a checkpoint file.

    Args:
        trainer: At the end of an epoch.
        before: Conductances of each layer before training, for the figures.
    """
    arrays: dict[str, np.ndarray] = {}
    for place, (layer, policy) in enumerate(zip(trainer.layers, trainer.policies, strict=True)):
        arrays[f"{place}.before"] = before[place]
        arrays[f"{place}.g"] = layer.board.state.g.numpy()
        for name, trait in layer.board.state.traits.items():
            arrays[f"{place}.trait.{name}"] = trait.numpy()
        for name, dynamic in layer.board.state.dynamics.items():
            arrays[f"{place}.dynamic.{name}"] = dynamic.numpy()
        for name, kept in policy.state().items():
            arrays[f"{place}.policy.{name}"] = kept.numpy()
    about = {
        "epoch": trainer.epoch,
        "rows": trainer.rows,
        "counters": [layer.board.counters.as_dict() for layer in trainer.layers],
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
        before = []
        for place in range(len(trainer.layers)):
            _restore_layer(trainer, place, arrays, Counters(**about["counters"][place]))
            before.append(arrays[f"{place}.before"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as e:
        raise RunError(f"the checkpoint cannot be read ({e}); nothing was changed") from e
    trainer.resume(about["epoch"], about["rows"], total_counters(trainer.layers))
    return before


def _restore_layer(
    trainer: Trainer, place: int, arrays: dict[str, np.ndarray], counters: Counters
) -> None:
    """Put back one layer's devices, counters and policy."""

    def named(prefix: str) -> dict[str, torch.Tensor]:
        start = f"{place}.{prefix}."
        return {
            n.removeprefix(start): torch.from_numpy(a)
            for n, a in arrays.items()
            if n.startswith(start)
        }

    board = trainer.layers[place].board
    g = torch.from_numpy(arrays[f"{place}.g"])
    if g.shape != board.state.g.shape or named("trait").keys() != board.state.traits.keys():
        raise ValueError("it holds other devices than the configuration describes")
    board.restore(DeviceState(g, named("trait"), named("dynamic")))
    board.counters = counters
    trainer.policies[place].restore(named("policy"))
