"""Builds the layers of a network on emulated boards, and what runs them."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch

from device_models.errors import ConfigError
from device_models.linear import GaussianUpdate
from device_models.model import DeviceModel
from device_models.streams import stream

from ..array.faults import FaultMap
from ..array.periphery import FrontEnd, Periphery, make_converters, make_neurons
from ..array.tile import Tiling
from ..boards.routed import RoutedBoard
from ..boards.simulated import SimulatedBoard
from ..mappings import MAPPINGS, Mapping
from ..snn.engines import DenseEngine, Engine, EventEngine
from ..snn.engines.adc import combination
from ..snn.plan import signs
from ..synapses.synapses import Synapses
from ..wires.array import WiredArray
from .config import Training
from .fault_aware import fault_map, first_weights, placed

STEP_NOISE = 0.035  # of a neuron's threshold; ours


def build(
    config: Training,
    model: DeviceModel,
    *,
    weights: Sequence[np.ndarray] | None = None,
    importance: Sequence[np.ndarray | None] | None = None,
) -> list[Synapses]:
    """The layers, manufactured and not yet programmed.

    Args:
        config: Settings.
        model: Kind of device.
        weights: What the layers are placed for; by default their initial weights.
        importance: Of the rows of each layer, for their placement; by default all count alike.

    Raises:
        ConfigError: `update_noise` is given for a device that has none, the mapping cannot hold
            such a network, or the faults do not fit the arrays.
    """
    network = config.plan
    important = importance or [None] * len(network.crossbars)
    layers = []
    for place, ((rows, outputs), sign, w_max) in enumerate(
        zip(network.crossbars, signs(network), w_max_of(config, model), strict=True)
    ):
        unit = model.window_siemens / w_max
        kind = MAPPINGS[network.synaptic[place].settings.mapping or config.mapping]
        mapping = kind(
            torch.from_numpy(sign), outputs, unit, model.g_min_siemens, model.g_max_siemens,
            config.tile_columns, config.mapping_options,
        )  # fmt: skip
        tiling = Tiling(
            rows, config.copies * mapping.columns, config.tile_rows, config.tile_columns
        )
        faults = fault_map(config, model, tiling, place)
        wanted = (weights or first_weights(config))[place]
        placement = placed(config, mapping, faults, tiling, wanted, important[place])
        chosen = mapping.selected()
        board = SimulatedBoard(
            with_update_noise(model, config, unit),
            tiling,
            chosen if placement is None else placement.sent(chosen),
            v_read_volts=config.v_read_volts,
            t_read_seconds=config.t_read_seconds,
            seed=config.seed,
            place=place,
            wired=wired(config, tiling, faults),
            faults=faults,
            half=config.half_select if config.array_kind == "1R" else None,
            front_end=front_end(config, config.periphery, mapping, place),
        )
        layers.append(
            Synapses(mapping, board if placement is None else RoutedBoard(board, placement))
        )
    return layers


def engine(config: Training, threads: int | None, accelerator: str | None) -> Engine:
    """What computes the passes: the kernels, or dense torch on the device that is named.

    Raises:
        ConfigError: Torch has no such device, or a periphery is to be emulated there.
    """
    if accelerator is None:
        return EventEngine(config.plan, tile_rows=config.tile_rows, threads=threads)
    if config.periphery.kind != "ideal":
        raise ConfigError(
            f"--accelerator {accelerator}: periphery.kind = {config.periphery.kind} is emulated by "
            "the kernels alone; leave one of the two out; nothing was written"
        )
    return DenseEngine(config.plan, tile_rows=config.tile_rows, device=accelerator)


def wired(config: Training, tiling: Tiling, faults: FaultMap | None) -> WiredArray | None:
    """The wires of one array with its broken lines; None if they have no resistance."""
    if config.wires.ideal:
        return None
    return WiredArray(
        (tiling.rows, tiling.columns),
        (tiling.tile_rows, tiling.tile_columns),
        config.wires if faults is None else faults.tile_wires(config.wires),
        refresh=config.wires_refresh,
        bound=config.wires_bound,
    )


def front_end(config: Training, p: Periphery, mapping: Mapping, place: int) -> FrontEnd | None:
    """The periphery of one layer; None if it changes nothing.

    Args:
        config: Tiles, read and seed.
        p: Which periphery: that of the configuration, or another to compare it with.
        mapping: Of the layer.
        place: Number of the layer.

    Raises:
        ConfigError: The mapping cannot be read behind this periphery.
    """
    if p == Periphery():
        return None
    if p.kind != "ideal":
        combination(mapping)  # refuse before anything is programmed
    rows, outputs = mapping.shape
    tiling = Tiling(rows, mapping.columns, config.tile_rows, config.tile_columns)
    made = stream("converters", config.seed, place)
    converters = make_converters(
        p, tiling.down, tiling.columns, tiling.tile_columns, generator=made
    )
    neurons = make_neurons(p, outputs, generator=stream("neurons", config.seed, place))
    factor = p.factor(config.v_read_volts, config.t_read_seconds)
    return FrontEnd(p, converters, neurons, factor, config.v_read_volts, p.adc_range_amperes)


def w_max_of(config: Training, model: DeviceModel) -> tuple[float, ...]:
    """The weight that the full window stands for, of every crossbar; the readout's is the last.

    Where the configuration leaves it open, errors of one mean step, independent on all lines, add
    up to `STEP_NOISE` thresholds: step = STEP_NOISE / sqrt(lines). So the window follows what
    trained weights need, not their first spread; but it holds at least 4 spreads, for the first
    weights, and at most 2000, which no weight of a fine-grained device reaches. The numbers are
    ours; DECISIONS.md has the measurement.
    """
    spreads = [max(both) for both in config.plan.sigmas]
    lines = [rows for rows, _ in config.plan.crossbars]
    fixed = [config.hidden_w_max] * (len(lines) - 1) + [config.readout_w_max]
    return tuple(
        layer.settings.w_max
        or of_run
        or min(max(STEP_NOISE / math.sqrt(n) * model.pulses_across, 4 * spread), 2000 * spread)
        for layer, of_run, n, spread in zip(
            config.plan.synaptic, fixed, lines, spreads, strict=True
        )
    )


def with_update_noise(model: DeviceModel, config: Training, g_unit_siemens: float) -> DeviceModel:
    """The device with the noise that `update_noise` asks for, in siemens of one layer."""
    if config.update_noise == 0.0:
        return model
    if not isinstance(model, GaussianUpdate):
        raise ConfigError(
            f"update_noise = {config.update_noise:g} needs a gaussian_update device; "
            f"{config.device} has its own spread"
        )
    sigma = config.update_noise * config.plan.hidden_sigma * g_unit_siemens
    return dataclasses.replace(model, update_sigma_siemens=sigma)
