"""The whole state of a trainer at the end of an epoch, as one file without pickled code."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, NotRequired, TypedDict

import numpy as np
import torch

from device_models import npz
from device_models.errors import RunError
from device_models.npz import UNREADABLE, reason
from device_models.typed_json import checked, parse

from ..array.counters import Counters
from .row_schema import check_epoch, checked_rows
from .trainer import Trainer


class _About(TypedDict):
    """What a checkpoint says beside its arrays."""

    epoch: int
    rows: Any
    settings: NotRequired[dict[str, str]]
    counters: tuple[Counters, ...]


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
    arrays = _arrays(trainer, before)
    about = {
        "epoch": trainer.epoch,
        "rows": trainer.rows,
        "settings": dict(settings or {}),
        "counters": [emulator.counters.as_dict() for emulator in trainer.emulators],
    }
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    file = io.BytesIO()
    np.savez(file, **arrays, sha256=digest(arrays))  # type: ignore[arg-type]  # numpy's stub wants the flag first
    return file.getvalue()


def _arrays(trainer: Trainer, before: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """All arrays of a trainer by name; `before` as in `save`."""
    arrays: dict[str, np.ndarray] = {}
    for index, emulator in enumerate(trainer.emulators):
        arrays |= _named(f"{index}.", emulator.state_dict())
    for index, policy in enumerate(trainer.policies):
        arrays[f"{index}.before"] = before[index]
        arrays |= _named(f"{index}.policy.", policy.state())
        arrays |= _named(f"{index}.optimizer.", trainer.optimizers[index].state())
        if (bias := trainer.biases[index]) is not None:
            arrays |= _named(f"{index}.bias.", bias.state())
        trained, optimizer = trainer.layers[index].trained, trainer.setup.neuron_optimizers[index]
        if trained is not None and optimizer is not None:
            arrays[f"{index}.neurons"] = trained
            arrays |= _named(f"{index}.neurons.optimizer.", optimizer.state())
    return arrays


def digest(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """SHA-256 of some arrays with their names, types and shapes, as 32 bytes."""
    sha = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        sha.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        sha.update(array.tobytes())
    return np.frombuffer(sha.digest(), np.uint8)


def restore(trainer: Trainer, content: bytes) -> list[np.ndarray]:
    """Put a trainer built from the same configuration where the checkpoint was taken.

    Returns:
        The conductances before training, as given to `save`.

    Raises:
        RunError: The content is no checkpoint of such a trainer.
    """
    try:
        arrays, about = _read(content)
        before = [arrays[f"{index}.before"] for index in range(len(trainer.layers))]
        if len(about["counters"]) != len(trainer.emulators):
            raise ValueError(
                f"it holds {len(about['counters'])} emulated arrays, not {len(trainer.emulators)}"
            )
        present = trainer.conductances() if trainer.emulators else before
        check_alike(arrays, _arrays(trainer, present), [p.shape for p in trainer.policies])
        for index, emulator in enumerate(trainer.emulators):
            emulator.load_state_dict(_parts(arrays, f"{index}."))
            emulator.counters = about["counters"][index]
        for index, policy in enumerate(trainer.policies):
            policy.restore(_parts(arrays, f"{index}.policy."))
            trainer.optimizers[index].restore(_parts(arrays, f"{index}.optimizer."))
            if (bias := trainer.biases[index]) is not None:
                bias.restore(_parts(arrays, f"{index}.bias."))
            optimizer = trainer.setup.neuron_optimizers[index]
            if optimizer is not None:
                trainer.layers[index].trained = arrays[f"{index}.neurons"]
                optimizer.restore(_parts(arrays, f"{index}.neurons.optimizer."))
        trainer.resume(about["epoch"], about["rows"])
    except UNREADABLE as e:
        raise RunError(f"the checkpoint cannot be read ({reason(e)}); nothing was changed") from e
    return before


def check_alike(
    saved: Mapping[str, np.ndarray],
    present: Mapping[str, np.ndarray],
    layers: Sequence[tuple[int, int]],
) -> None:
    """Refuse arrays that are not those of the trainer that is there: kernels believe their shapes.

    Args:
        saved: By name.
        present: Those of a trainer that has learned nothing. One that is empty waits for the first
            update, and then has a number for each weight.
        layers: (rows, outputs) of the weights of each layer.

    Raises:
        ValueError: One is missing, has another type or shape, or holds what is no number.
    """
    for name, array in present.items():
        if name not in saved:
            raise ValueError(f"it lacks {name}")
        there, shapes = saved[name], [array.shape]
        if not array.size:
            shapes.append(layers[int(name.split(".")[0])])
        if there.dtype != array.dtype or there.shape not in shapes:
            raise ValueError(
                f"it holds other devices than the configuration describes: {name} is "
                f"{there.dtype} {there.shape}, not {array.dtype} {array.shape}"
            )
        if array.dtype.kind == "f" and np.isnan(there).any():
            raise ValueError(f"{name} holds what is no number")


def _read(content: bytes) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays of a checkpoint, and what it says about itself.

    Raises:
        UNREADABLE: It is none, or damaged.
    """
    arrays = npz.read(content)
    sha256 = arrays.pop("sha256", None)  # those of before had none
    if sha256 is not None and not np.array_equal(sha256, digest(arrays)):
        raise ValueError("its checksum is that of another content")
    about: dict[str, Any] = checked(_About, parse(arrays.pop("about").tobytes()), "about")
    about["rows"] = checked_rows(about["rows"])
    check_epoch(about["epoch"], about["rows"])
    return arrays, about


def settings(content: bytes) -> dict[str, str]:
    """What the run was set to when it was saved; nothing where that was not kept.

    Raises:
        RunError: The content is no checkpoint.
    """
    try:
        return dict(_read(content)[1].get("settings", {}))
    except UNREADABLE as e:
        raise RunError(f"the checkpoint cannot be read ({reason(e)}); nothing was changed") from e


def conductances(content: bytes) -> list[np.ndarray]:
    """Of the array of each layer, siemens, (rows, columns); nothing where no array is emulated.

    Raises:
        RunError: The content is no checkpoint.
    """
    try:
        arrays, _ = _read(content)
        layers = sum(name.endswith(".before") for name in arrays)
        names = [f"{index}.g" for index in range(layers)]
        return [arrays[name] for name in names if arrays[name].ndim == 2]
    except UNREADABLE as e:
        raise RunError(f"the checkpoint cannot be read ({reason(e)})") from e


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
