"""A trained network on another chip: the same conductances or the same weights, tested again."""

import dataclasses

import torch

from ..streams import stream_key
from . import checkpoint
from .config import Training
from .run import Run
from .trainer import Data, Trainer


def same_devices(run: Run, data: Data, config: Training, *, repeat: int) -> float:
    """Test accuracy of the trained conductances behind other wires, tiles or periphery.

    Args:
        run: A run with a checkpoint. Nothing of it is written.
        data: Encoded images.
        config: Its settings with another chip; network, mapping and device as they were.
        repeat: Number of the test; each draws its own read noise.
    """
    trainer = Trainer(config, run.model, data)
    checkpoint.restore(trainer, run.checkpoint())
    return tested(trainer, config, repeat)


def same_weights(run: Run, data: Data, config: Training, *, repeat: int) -> float:
    """Test accuracy of the trained weights, written by pulses and verifying reads to a new chip.

    The weights are those that the trained chip holds for a reader without noise. The chip, its
    faults and its devices are made anew for each repeat. Arguments as in `same_devices`.
    """
    old = Trainer(run.config, run.model, data)
    checkpoint.restore(old, run.checkpoint())
    made = dataclasses.replace(config, seed=stream_key("again", config.seed, repeat) % 2**31)
    trainer = Trainer(made, run.model, data)
    for layer, trained in zip(trainer.layers, old.layers, strict=True):
        trained.board.settle()
        layer.program(torch.from_numpy(trained.effective().weights))
    return tested(trainer, made, repeat)


def tested(trainer: Trainer, config: Training, repeat: int) -> float:
    """Test accuracy now, with read noise of its own for each repeat."""
    for layer in trainer.layers:
        layer.board.reseed(trainer.epoch)
    key = stream_key("read noise", config.seed, trainer.epoch, 2 + repeat)
    done = trainer.evaluate(noise_key=key)
    return float((done.predictions == trainer.data.test_labels).mean())
