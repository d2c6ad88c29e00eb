"""What is broken in the arrays of a run, and where its layers lie on them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from device_models.model import DeviceModel
from device_models.streams import stream

from ..array.faults import FaultMap, check_bridges, draw, healthy, load
from ..array.placement import Placement, place
from ..array.tile import Tiling
from ..mappings import Mapping
from ..snn.encodings.latency import Events
from ..snn.plan import Plan, initial_weights
from ..synapses.synapses import Synapses
from .config import Training


def fault_map(config: Training, model: DeviceModel, tiling: Tiling, number: int) -> FaultMap | None:
    """The faults of layer `number`; None for a perfect array.

    Raises:
        ConfigError: The map cannot be read or does not fit, or lines are bridged that have no
            resistance.
    """
    if config.faults.none:
        return None
    if config.faults.map is not None:
        found = load(Path(config.faults.map), number, tiling)
    else:
        numbers = stream("faults", config.seed, number)
        found = draw(config.faults, tiling, model, generator=numbers)
    check_bridges(found, config.wires)
    return found


def placed(
    config: Training,
    mapping: Mapping,
    faults: FaultMap | None,
    tiling: Tiling,
    weights: np.ndarray,
    importance: np.ndarray | None,
) -> Placement | None:
    """Where a layer lies; None where it fills its array row by row.

    Args:
        config: Copies, and whether rows may change places.
        mapping: Of the layer.
        faults: Of its array; None for a perfect one.
        tiling: The array, with all copies.
        weights: To be stored, (rows, outputs).
        importance: (rows,); None: all rows count the same.
    """
    if config.copies == 1 and (config.placement == "none" or faults is None):
        return None
    averaged = config.averaged or config.copies
    wanted = torch.from_numpy(weights)
    targets = mapping.targets(mapping.clip(wanted))
    return place(
        healthy(tiling) if faults is None else faults,
        targets.clamp_(mapping.g_min_siemens, mapping.g_max_siemens),
        mapping.weights,
        copies=config.copies,
        averaged=averaged,
        remap=config.placement == "remap",
        importance=importance,
    )


def first_weights(config: Training) -> tuple[np.ndarray, ...]:
    """The initial weights of a run."""
    return initial_weights(config.plan, generator=stream("initial weights", config.seed))


def row_activity(events: Events, network: Plan) -> list[np.ndarray | None]:
    """How busy the rows of each crossbar are, (rows,); None where nothing is known before training.

    Input lines by their mean spikes per sample; the own neurons of a recurrent layer count as the
    mean line.
    """
    others = [None] * (len(network.crossbars) - 1)
    if network.sources[0] >= 0:  # a layer without synapses stands before the first crossbar
        return [None, *others]
    lines = np.bincount(events.rows, minlength=network.inputs) / len(events)
    own = network.crossbars[0][0] - network.inputs
    first = np.concatenate([lines, np.full(own, lines.mean())])
    return [first, *others]


def faulty(layers: Sequence[Synapses], lost_pulses: int) -> dict[str, Any]:
    """What a row of metrics says of faults; nothing without them."""
    broken = [layer.board.broken for layer in layers]
    found = [one.faults.as_dict() for one in broken if one is not None]
    return {"faults": {"layers": found, "lost_pulses": lost_pulses}} if found else {}
