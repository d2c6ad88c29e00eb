"""A dry run before training: whether the devices last as long as the training needs them."""

from collections.abc import Callable
from itertools import islice

import torch
from torch import Tensor

from device_models.model import DeviceModel
from device_models.pulsed import Pulsed

from .endurance import spread
from .trainer import Trainer

UPDATES = 16  # of the dry run; ours


def worn_out(epochs: int, model: DeviceModel, new_trainer: Callable[[], Trainer]) -> str:
    """Why emulated devices will not last a training, as one line; empty where they will.

    Those that never wear will. The first updates are made on a chip of their own, and their pulses
    are taken as the rate of all updates. Later ones are rarely larger.

    Args:
        epochs: Of the training.
        model: Kind of device.
        new_trainer: Makes a trainer of the run.
    """
    endurance = model.endurance_pulses if isinstance(model, Pulsed) else 0.0
    if not endurance or not epochs:
        return ""
    trainer = new_trainer()
    if not trainer.emulators:
        return ""  # a dry run would wear the boards themselves
    expected = spread([expected_pulses(trainer, epochs)])
    if expected["max"] <= endurance:
        return ""
    return (
        f"warning: {epochs} epochs will send a device about {expected['mean']:,.0f} pulses "
        f"in the mean and {expected['max']:,.0f} at most, and it lasts {endurance:,.0f} "
        f"(a dry run of {UPDATES} updates; --epochs or another --policy sends fewer)"
    )


def expected_pulses(trainer: Trainer, epochs: int) -> Tensor:
    """Pulses of each device in a training, float64 (devices,), from the first updates of it.

    Args:
        trainer: Neither started nor restored; it is used up.
        epochs: Of the training.
    """
    trainer.start()
    first = torch.cat([array.pulses_per_device() for array in trainer.emulators]).double()
    updates = len(list(islice(trainer.run_epoch(), UPDATES)))
    after = torch.cat([array.pulses_per_device() for array in trainer.emulators]).double()
    return first + (after - first) * (trainer.batches * epochs / max(1, updates))
