"""What the trainer does with the periphery of its layers: ranges, views for the kernels, report."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.counters import Counters
from ..array.periphery import FrontEnd, Periphery
from ..boards.protocol import EffectiveArray
from ..snn.encodings.events import Events
from ..snn.engines.adc import (
    CALIBRATION_IMAGES,
    column_records,
    lines_of_crossbars,
    measured_range,
)
from ..snn.engines.protocol import Batch, Engine, LayerView
from ..snn.plan import Plan
from ..synapses.effective import effective_weights
from ..synapses.synapses import Synapses

Fronts = Sequence[FrontEnd | None]

CLIPPED_IS_MUCH = 0.01  # of the conversions, by a range that the user fixed


def view(
    layers: Sequence[Synapses], arrays: Sequence[EffectiveArray], fronts: Fronts
) -> list[LayerView]:
    """The layers as they are now, behind some front ends, as an engine takes them.

    Empty where no array is emulated.

    Raises:
        ConfigError: A converter has no range.
    """
    return [
        driven._replace(front=column_records(layer.mapping, array, front))
        if front and front.periphery.kind != "ideal"
        else driven
        for driven, layer, array, front in zip(
            behind_drivers(layers, arrays, fronts), layers, arrays, fronts, strict=False
        )
    ]


def behind_drivers(
    layers: Sequence[Synapses], arrays: Sequence[EffectiveArray], fronts: Fronts
) -> list[LayerView]:
    """The layers as they are now, driven as some front ends do it, with exact currents."""
    return [
        LayerView(
            *effective_weights(layer.mapping, array, front.factor if front else 1.0),
            trained=layer.trained,
        )
        for layer, array, front in zip(layers, arrays, fronts, strict=False)
    ]


def calibrated(
    engine: Engine,
    layers: Sequence[Synapses],
    arrays: Sequence[EffectiveArray],
    fronts: Fronts,
    biases: Sequence[np.ndarray | None],
    events: Events,
    chosen: np.ndarray,
    network: Plan,
    tile_rows: int,
) -> list[FrontEnd | None]:
    """Front ends with a range for what the layers are now; a fixed range stays.

    The currents are those of the first `CALIBRATION_IMAGES` chosen samples on the ideal path. A
    chip does the same with its converters set to a wide range.
    """
    first = fronts[0] if fronts else None
    if first is None or first.periphery.kind != "adc" or first.periphery.adc_range_amperes:
        return list(fronts)
    chosen = chosen[:CALIBRATION_IMAGES]
    none = np.zeros((0, 0), np.float32)
    ideal = [
        driven._replace(variance=none).with_bias(bias)
        for driven, bias in zip(behind_drivers(layers, arrays, fronts), biases, strict=True)
    ]
    unknown = np.zeros(len(events), np.int64)  # labels, which spikes do not depend on
    recorded = engine.run(Batch(events, unknown, chosen), ideal, record=True).recorded
    lines = lines_of_crossbars(network, events, chosen, recorded)
    return [
        front
        and dataclasses.replace(
            front, range_amperes=measured_range(array.siemens, front, driven, tile_rows)
        )
        for array, front, driven in zip(arrays, fronts, lines, strict=True)
    ]


def report(fronts: Fronts, counters: Counters, t_read_seconds: float) -> dict[str, Any]:
    """What an epoch's row says of the periphery; nothing where it is ideal."""
    first = fronts[0] if fronts else None
    if first is None:
        return {}
    entry: dict[str, Any] = {
        "kind": first.periphery.kind,
        "tile_seconds": first.periphery.tile_seconds(t_read_seconds),
    }
    if first.periphery.kind == "adc":
        conversions = counters.column_conversions
        entry |= {
            "bits": first.periphery.adc_bits,
            "range_amperes": [front.range_amperes for front in fronts if front],
            "clipped_conversions": counters.clipped_conversions,
            "clipped_share": counters.clipped_conversions / max(1, conversions),
        }
    return {"periphery": entry}


def complaint(entry: dict[str, Any], periphery: Periphery) -> str:
    """What a person must know of a fixed range that is too small; empty if it is not.

    Args:
        entry: What `report` says of the epoch.
        periphery: Of the chip.
    """
    fixed, share = periphery.adc_range_amperes, entry.get("clipped_share", 0.0)
    if fixed is None or share <= CLIPPED_IS_MUCH:
        return ""
    return (
        f"{share:.1%} of the conversions of this epoch were above the range of "
        f"{fixed:g} A and clipped; raise periphery.adc_range_amperes, or leave it out to have "
        "the range measured"
    )
