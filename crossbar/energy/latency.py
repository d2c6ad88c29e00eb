"""How long an inference takes: active steps are read and converted, idle ones cost a clock."""

import numpy as np

from .chip import ChipSpec
from .counts import LayerCounts
from .inference_cost import Floats, Price, Reading


def step_seconds(layer: LayerCounts, chip: ChipSpec, read_seconds: float, price: Price) -> Floats:
    """Duration of one active step of a layer, seconds, (k,).

        t_read + ceil(columns of a tile / converters of a tile) (bits + 1) t_cycle

    The tiles of a layer work at the same time; the fullest one counts. Without converters a step
    is a read and a clock period.
    """
    if chip.adc_kind == "none":
        return np.full_like(price("device_factor"), read_seconds + 1.0 / chip.clock_hz)
    columns = min(layer.columns, chip.tile_columns)
    turns = -(-columns // chip.adcs_per_tile)
    return read_seconds + turns * (chip.adc_bits + 1) * price("adc_cycle")


def inference_seconds(
    counts: tuple[LayerCounts, ...],
    active: tuple[int, ...],
    chip: ChipSpec,
    reading: Reading,
    price: Price,
) -> Floats:
    """Duration of one inference at the speed of the circuits, seconds, (k,).

    A layer needs its active reads x `step_seconds`, and a clock period for each idle one; copies of
    the array of a convolution share its reads. Layers
    one after another add up; pipelined, the slowest counts, and each further layer adds one step of
    its own, for the pipeline to fill.

    Args:
        counts: Events of the layers.
        active: Of each layer, reads with a driven line.
        chip: The chip.
        reading: Duration of a read; inferences and steps that `active` is of.
        price: Prices at the chip.
    """
    step = [step_seconds(layer, chip, reading.seconds, price) for layer in counts]
    idle = 1.0 / chip.clock_hz
    layers = [
        (n * t + (layer.reads - n) * idle) / (reading.inferences * chip.copies_of(layer.positions))
        for layer, n, t in zip(counts, active, step, strict=True)
    ]
    if not chip.pipelined:
        return np.asarray(np.sum(layers, axis=0))
    slowest = np.max(layers, axis=0)
    return np.asarray(slowest + np.sum(step[1:], axis=0))
