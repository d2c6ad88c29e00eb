"""A trained network on chips that are more and more broken."""

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from ..array.faults import Faults
from ..datasets.encode import Data
from ..snn.parameters import Parameters
from . import builder
from .reevaluate import rebuilt
from .run import Run
from .trainer import Trainer


class Tested(NamedTuple):
    """A trained network, written to a faulty chip and tested.

    Attributes:
        accuracy: Of the test images.
        weight_error: Mean distance between the weights that the chip holds and those wanted, over
            their mean size, of each layer.
        row: What `metrics.jsonl` says of an untrained network: faults, pulses, energy.
    """

    accuracy: float
    weight_error: tuple[float, ...]
    row: dict[str, object]


def trained_parameters(run: Run, data: Data) -> Parameters:
    """What a run's chip holds: weights as a reader without noise sees them, and digital numbers."""
    return parameters_in(rebuilt(run, data, threads=1))


def parameters_in(trainer: Trainer) -> Parameters:
    """The same of a trainer."""
    for emulator in trainer.emulators:
        emulator.refresh()
    return Parameters(
        tuple(trainer.weights()),
        tuple(None if bias is None else bias.values for bias in trainer.biases),
        tuple(layer.trained for layer in trainer.layers),
    )


def evaluate_with_faults(
    run: Run,
    data: Data,
    parameters: Parameters,
    faults: Faults,
    *,
    placement: Literal["none", "remap"] = "none",
    copies: int = 1,
    averaged: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Tested:
    """Write a trained network to a new, faulty chip by pulses and verifying reads, and test it.

    Digital numbers are copied as they are.

    Args:
        run: Settings and device of the chip.
        data: Encoded images; the training images only tell how busy the input lines are.
        parameters: As `trained_parameters` gives them.
        faults: Their rates or map.
        placement: As in `Tiles`.
        copies: As in `Tiles`.
        averaged: As in `Tiles`.
        seed: Of the chip: devices, faults and noise. Equal seeds and growing rates add faults to
            those of the lower rate.
        threads: How many samples run at a time; by default one per processor.
    """
    tiles = replace(run.config.tiles, placement=placement, copies=copies, averaged=averaged)
    config = replace(run.config, faults=faults, tiles=tiles, seed=seed)
    trainer = builder.trainer(config, run.model, data, threads=threads, first=parameters)
    trainer.start()
    off = [
        float(np.abs(stored - wanted).mean() / max(float(np.abs(wanted).mean()), 1e-300))
        for stored, wanted in zip(trainer.weights(), parameters.weights, strict=True)
    ]
    row = trainer.rows[0]
    return Tested(row["test_accuracy"], tuple(off), row)
