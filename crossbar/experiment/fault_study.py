"""A trained network on chips that are more and more broken."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from device_models.errors import RunError

from ..array.faults import Faults
from ..datasets.encode import Data
from . import builder
from .reevaluate import rebuilt
from .run import Run


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


def trained_weights(run: Run, data: Data) -> tuple[np.ndarray, ...]:
    """The weights that a run's chip holds for a reader without noise, one array a layer.

    Raises:
        RunError: They are not all that its neurons need.
    """
    trainer = rebuilt(run, data, threads=1)
    has_own = any(layer.trained is not None for layer in trainer.layers)
    if has_own or any(bias is not None for bias in trainer.biases):
        raise RunError(
            f"{run.folder}: its neurons have trained numbers of their own, thresholds or digital "
            "biases, which weights alone do not carry to another chip; nothing was written"
        )
    for emulator in trainer.emulators:
        emulator.refresh()
    return tuple(trainer.weights())


def evaluate_with_faults(
    run: Run,
    data: Data,
    weights: Sequence[np.ndarray],
    faults: Faults,
    *,
    placement: Literal["none", "remap"] = "none",
    copies: int = 1,
    averaged: int | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> Tested:
    """Write trained weights to a new, faulty chip by pulses and verifying reads, and test it.

    Args:
        run: Settings and device of the chip.
        data: Encoded images; the training images only tell how busy the input lines are.
        weights: Of both layers, as `trained_weights` gives them.
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
    trainer = builder.trainer(config, run.model, data, threads=threads, weights=weights)
    trainer.start()
    off = [
        float(np.abs(stored - wanted).mean() / max(float(np.abs(wanted).mean()), 1e-300))
        for stored, wanted in zip(trainer.weights(), weights, strict=True)
    ]
    row = trainer.rows[0]
    return Tested(row["test_accuracy"], tuple(off), row)
