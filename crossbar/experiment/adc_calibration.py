"""What the trainer does with the periphery of its layers: ranges, views for the kernels, report."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.counters import Counters
from ..array.periphery import FrontEnd
from ..snn.encodings.latency import Events
from ..snn.engines.adc import (
    CALIBRATION_IMAGES,
    column_records,
    lines_of_crossbars,
    measured_range,
)
from ..snn.engines.protocol import Batch, Engine, LayerView
from ..synapses.synapses import Synapses
from .config import Training

Fronts = Sequence[FrontEnd | None]

CLIPPED_IS_MUCH = 0.01  # of the conversions, by a range that the user fixed


def view(layers: Sequence[Synapses], fronts: Fronts) -> list[LayerView]:
    """The layers as they are now, seen through some front ends, as an engine takes them.

    Raises:
        ConfigError: A converter has no range.
    """
    views = []
    for layer, front in zip(layers, fronts, strict=True):
        behind = None
        if front and front.periphery.kind != "ideal":
            behind = column_records(layer, front)
        views.append(LayerView(*layer.effective(front.factor if front else 1.0), behind))
    return views


def calibrated(
    engine: Engine,
    layers: Sequence[Synapses],
    fronts: Fronts,
    events: Events,
    chosen: np.ndarray,
    config: Training,
) -> list[FrontEnd | None]:
    """Front ends with a range for what the layers are now; a fixed range stays.

    The currents are those of the first `CALIBRATION_IMAGES` chosen samples on the ideal path. A
    chip does the same with its converters set to a wide range.
    """
    first = fronts[0]
    if first is None or first.periphery.kind != "adc" or first.periphery.adc_range_amperes:
        return list(fronts)
    chosen = chosen[:CALIBRATION_IMAGES]
    none = np.zeros((0, 0), np.float32)
    ideal = [
        LayerView(*layer.effective(front.factor if front else 1.0))._replace(variance=none)
        for layer, front in zip(layers, fronts, strict=True)
    ]
    unknown = np.zeros(len(events), np.int64)  # labels, which spikes do not depend on
    recorded = engine.run(Batch(events, unknown, chosen), ideal, record=True).recorded
    lines = lines_of_crossbars(config.plan, events, chosen, recorded)
    return [
        front
        and dataclasses.replace(
            front, range_amperes=measured_range(layer, front, driven, config.tile_rows)
        )
        for layer, front, driven in zip(layers, fronts, lines, strict=True)
    ]


def report(fronts: Fronts, counters: Counters, config: Training) -> dict[str, Any]:
    """What an epoch's row says of the periphery; nothing where it is ideal."""
    first = fronts[0]
    if first is None:
        return {}
    told: dict[str, Any] = {
        "kind": first.periphery.kind,
        "tile_seconds": first.periphery.tile_seconds(config.t_read_seconds),
    }
    if first.periphery.kind == "adc":
        conversions = counters.column_conversions
        told |= {
            "bits": first.periphery.adc_bits,
            "range_amperes": [front.range_amperes for front in fronts if front],
            "clipped_conversions": counters.clipped_conversions,
            "clipped_share": counters.clipped_conversions / max(1, conversions),
        }
    return {"periphery": told}


def complaint(told: dict[str, Any], config: Training) -> str:
    """What a person must know of a fixed range that is too small; empty if it is not."""
    fixed, share = config.periphery.adc_range_amperes, told.get("clipped_share", 0.0)
    if fixed is None or share <= CLIPPED_IS_MUCH:
        return ""
    return (
        f"{share:.1%} of the conversions of this epoch were above the range of "
        f"{fixed:g} A and clipped; raise periphery.adc_range_amperes, or leave it out to have "
        "the range measured"
    )
