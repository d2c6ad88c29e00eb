"""What is broken in the arrays of a run, and where its layers lie on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from device_models.model import DeviceModel
from device_models.streams import stream

from ..array.faults import FaultMap, Faults, check_bridges, draw, healthy, load
from ..array.placement import Placement, best_placement
from ..array.tile import Tiling
from ..array.tiles import Tiles
from ..boards.protocol import Emulator
from ..mappings import Mapping
from ..snn.encodings.events import Events
from ..snn.plan import Plan
from ..wires.wires import Wires


def fault_map(
    faults: Faults, wires: Wires, model: DeviceModel, tiling: Tiling, *, seed: int, index: int
) -> FaultMap | None:
    """The faults of one layer; None for a perfect array.

    Args:
        faults: Their rates or map.
        wires: Of the array.
        model: Kind of device.
        tiling: The array, with all copies.
        seed: Of the run.
        index: Of the layer.

    Raises:
        ConfigError: The map cannot be read or does not fit, or lines are bridged that have no
            resistance.
    """
    if faults.none:
        return None
    if faults.map is not None:
        broken = load(Path(faults.map), index, tiling)
    else:
        broken = draw(faults, tiling, model, generator=stream("faults", seed, index))
    check_bridges(broken, wires)
    return broken


def placed(
    tiles: Tiles,
    mapping: Mapping,
    faults: FaultMap | None,
    tiling: Tiling,
    weights: np.ndarray,
    importance: np.ndarray | None,
) -> Placement | None:
    """Where a layer lies; None where it fills its array row by row.

    Args:
        tiles: Copies, and whether rows may change places.
        mapping: Of the layer.
        faults: Of its array; None for a perfect one.
        tiling: The array, with all copies.
        weights: To be stored, (rows, outputs).
        importance: (rows,); None: all rows count the same.
    """
    if tiles.copies == 1 and (tiles.placement == "none" or faults is None):
        return None
    wanted = torch.from_numpy(weights)
    targets = mapping.targets(mapping.clip(wanted))
    return best_placement(
        healthy(tiling) if faults is None else faults,
        targets.clamp_(mapping.g_min_siemens, mapping.g_max_siemens),
        mapping.weights,
        copies=tiles.copies,
        averaged=tiles.averaged_copies,
        remap=tiles.placement == "remap",
        importance=importance,
    )


def row_activity(events: Events, network: Plan) -> list[np.ndarray | None]:
    """How busy the rows of each crossbar are, (rows,); None where nothing is known before training.

    Input lines by their mean spikes per sample; the own neurons of a recurrent layer count as the
    mean line.
    """
    others = [None] * (len(network.crossbars) - 1)
    first_layer = network.synaptic[0]
    if network.sources[0] >= 0:  # a layer without synapses stands before the first crossbar
        return [None, *others]
    if events.held is not None or first_layer.array.rows != network.inputs:
        return [None, *others]  # amplitudes, a bias, or rows that many lines drive
    lines = np.bincount(events.rows, minlength=network.inputs) / len(events)
    recurrent_rows = network.crossbars[0][0] - network.inputs
    first = np.concatenate([lines, np.full(recurrent_rows, lines.mean())])
    return [first, *others]


def faulty(arrays: Sequence[Emulator], lost_pulses: int) -> dict[str, Any]:
    """What a row of metrics says of faults; nothing without them."""
    maps = [array.faults.as_dict() for array in arrays if array.faults is not None]
    return {"faults": {"layers": maps, "lost_pulses": lost_pulses}} if maps else {}
