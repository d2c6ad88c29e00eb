"""The whole state of a trainer at the end of an epoch, as one file without pickled code."""

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from device_models.errors import RunError
from device_models.npz import UNREADABLE, reason

from ..array.counters import Counters
from .trainer import Trainer


def save(
    trainer: Trainer, before: list[np.ndarray], settings: Mapping[str, str] | None = None
) -> bytes:
    """The content of a checkpoint file.

    Boards that are not emulated keep their conductances themselves: of them, the digital side
    alone is here, and whoever goes on reads the conductances back.

    Args:
        trainer: At the end of an epoch.
        before: Conductances of each layer before training, for the figures.
        settings: What the run was set to, by name; whoever goes on compares.
    """
    arrays: dict[str, np.ndarray] = {}
    for index, emulator in enumerate(trainer.emulators):
        arrays |= _named(f"{index}.", emulator.state_dict())
    for index, policy in enumerate(trainer.policies):
        arrays[f"{index}.before"] = before[index]
        arrays |= _named(f"{index}.policy.", policy.state())
        arrays |= _named(f"{index}.optimizer.", trainer.optimizers[index].state())
        if (bias := trainer.biases[index]) is not None:
            arrays |= _named(f"{index}.bias.", bias.state())
        own, optimizer = trainer.layers[index].trained, trainer.setup.neuron_optimizers[index]
        if own is not None and optimizer is not None:
            arrays[f"{index}.neurons"] = own
            arrays |= _named(f"{index}.neurons.optimizer.", optimizer.state())
    about = {
        "epoch": trainer.epoch,
        "rows": trainer.rows,
        "settings": dict(settings or {}),
        "counters": [emulator.counters.as_dict() for emulator in trainer.emulators],
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
        if len(about["counters"]) != len(trainer.emulators):
            raise ValueError(
                f"it holds {len(about['counters'])} emulated arrays, not {len(trainer.emulators)}"
            )
        for index, emulator in enumerate(trainer.emulators):
            emulator.load_state_dict(_parts(arrays, f"{index}."))
            emulator.counters = Counters(**about["counters"][index])
        for index, policy in enumerate(trainer.policies):
            policy.restore(_parts(arrays, f"{index}.policy."))
            trainer.optimizers[index].restore(_parts(arrays, f"{index}.optimizer."))
            if (bias := trainer.biases[index]) is not None:
                bias.restore(_parts(arrays, f"{index}.bias."))
            optimizer = trainer.setup.neuron_optimizers[index]
            if optimizer is not None:
                trainer.layers[index].trained = arrays[f"{index}.neurons"]
                optimizer.restore(_parts(arrays, f"{index}.neurons.optimizer."))
        before = [arrays[f"{index}.before"] for index in range(len(trainer.layers))]
    except UNREADABLE as e:
        raise RunError(f"the checkpoint cannot be read ({reason(e)}); nothing was changed") from e
    trainer.resume(about["epoch"], about["rows"])
    return before


def settings(content: bytes) -> dict[str, str]:
    """What the run was set to when it was saved; nothing where that was not kept.

    Raises:
        RunError: The content is no checkpoint.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            return dict(json.loads(file["about"].tobytes()).get("settings", {}))
    except UNREADABLE as e:
        raise RunError(f"the checkpoint cannot be read ({reason(e)}); nothing was changed") from e


def _named(start: str, state: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Arrays of a state under names that start so."""
    return {start + name: array.numpy() for name, array in state.items()}


def _parts(arrays: Mapping[str, np.ndarray], start: str) -> dict[str, torch.Tensor]:
    """The arrays whose names start so, by the rest of their name."""
    return {
        name.removeprefix(start): torch.from_numpy(array)
        for name, array in arrays.items()
        if name.startswith(start)
    }
