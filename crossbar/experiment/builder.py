"""Builds what a run works with: layers on emulated boards, policies, optimizers, the engine.

The one place that reads the whole `Training`; everybody else takes what is built here, and the
records of their own rooms.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from device_models.errors import ConfigError
from device_models.linear import GaussianUpdate
from device_models.model import DeviceModel
from device_models.record import Record, Tagged
from device_models.streams import stream

from ..array.faults import FaultMap
from ..array.periphery import FrontEnd, Periphery, make_converters, make_neurons
from ..array.tile import Tiling
from ..array.tiles import Tiles
from ..boards.routed import RoutedBoard
from ..boards.simulated import SimulatedBoard
from ..datasets.encode import Data
from ..mappings import MAPPINGS, Mapping
from ..snn.engines.adc import combination
from ..snn.engines.dense import DenseEngine
from ..snn.engines.events import Engine
from ..snn.network import Network, signs
from ..synapses.optimizers import OPTIMIZERS, Optimizer, OptimizerOptions
from ..synapses.policies import POLICIES
from ..synapses.policies.compatibility import check_serving, policy_name, policy_of
from ..synapses.policies.policy import Policy
from ..synapses.reads import Reads
from ..synapses.synapses import Synapses
from ..wires.array import WiredArray
from ..wires.wires import Wires
from .config import Training
from .fault_aware import fault_map, first_weights, placed, row_activity
from .trainer import Trainer

STEP_NOISE = 0.035  # of a neuron's threshold; ours


@dataclass(frozen=True)
class Setup:
    """What the trainer works with, manufactured and not yet programmed.

    Attributes:
        device: Name of the kind of device.
        model: That kind: the data sheet.
        network: Of the run.
        layers: The layers of synapses, that of the readout last.
        policies: What turns a wanted change into pulses, one per layer.
        optimizers: What turns a gradient into a wanted change, one per layer.
        rate: Settings of the optimizers.
        engine: What computes the passes.
        weights: What the layers are programmed with first.
        reads: How and when conductances are read.
        tiles: The arrays.
        periphery: Drivers, converters and neurons.
        mapping: Name of the mapping.
        seed: Of everything random.
    """

    device: str
    model: DeviceModel
    network: Network
    layers: list[Synapses]
    policies: list[Policy]
    optimizers: list[Optimizer]
    rate: OptimizerOptions
    engine: Engine | DenseEngine
    weights: Sequence[np.ndarray]
    reads: Reads
    tiles: Tiles
    periphery: Periphery
    mapping: str
    seed: int

    def front_ends(self, periphery: Periphery) -> list[FrontEnd | None]:
        """What another periphery would be for every layer; see `front_end`."""
        return [
            front_end(periphery, layer.mapping, self.tiles, self.reads, seed=self.seed, index=index)
            for index, layer in enumerate(self.layers)
        ]


def trainer(
    config: Training,
    model: DeviceModel,
    data: Data,
    *,
    threads: int | None = None,
    weights: Sequence[np.ndarray] | None = None,
    notice: Callable[[str], object] = warnings.warn,
) -> Trainer:
    """A trainer with all that it works with; its `start` or a checkpoint comes next.

    Args:
        config: Settings.
        model: Kind of device.
        data: The encoded samples.
        threads: How many samples run at a time; by default one per processor.
        weights: What the layers are programmed with first; by default the initial weights.
        notice: Told once where a fixed range of converters is too small.

    Raises:
        ConfigError: The device cannot serve the settings; see `setup`.
    """
    return Trainer(
        setup(config, model, data, threads=threads, weights=weights),
        data,
        epochs=config.epochs,
        batch_size=config.batch_size,
        notice=notice,
    )


def setup(
    config: Training,
    model: DeviceModel,
    data: Data,
    *,
    threads: int | None = None,
    weights: Sequence[np.ndarray] | None = None,
) -> Setup:
    """Build everything; arguments as `trainer`.

    Raises:
        ConfigError: Torch has no such device, or the device cannot serve mapping or policy; see
            also `build`.
    """
    network = config.network
    runs_passes = engine(config, threads)
    first = weights or first_weights(network, config.seed)
    busy = row_activity(data.train_events, network)
    layers = build(config, model, weights=first, importance=busy)
    options = policy_of(config.policy, model)
    check_serving(config.device, model, options, layers[-1].mapping)
    rule = OPTIMIZERS[Tagged(OPTIMIZERS).name_of(config.optimizer)]
    return Setup(
        config.device,
        model,
        network,
        layers,
        [policy(config, options, layer, index) for index, layer in enumerate(layers)],
        [rule(layer.mapping.shape) for layer in layers],
        config.optimizer,
        runs_passes,
        first,
        config.reads,
        config.tiles,
        config.periphery,
        Tagged(MAPPINGS).name_of(config.mapping),
        config.seed,
    )


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
    network, tiles, reads = config.network, config.tiles, config.reads
    kind = MAPPINGS[Tagged(MAPPINGS).name_of(config.mapping)]
    important = importance or [None] * len(network.crossbars)
    layers = []
    for index, ((rows, outputs), sign, w_max) in enumerate(
        zip(network.crossbars, signs(network), w_max_of(config, model), strict=True)
    ):
        unit = model.window_siemens / w_max
        mapping = kind(
            torch.from_numpy(sign), outputs, unit, model.g_min_siemens, model.g_max_siemens,
            tiles.tile_columns, config.mapping,
        )  # fmt: skip
        tiling = Tiling(rows, tiles.copies * mapping.columns, tiles.tile_rows, tiles.tile_columns)
        faults = fault_map(
            config.faults, config.wires, model, tiling, seed=config.seed, index=index
        )
        stored = (weights or first_weights(network, config.seed))[index]
        placement = placed(tiles, mapping, faults, tiling, stored, important[index])
        chosen = mapping.selected()
        board = SimulatedBoard(
            with_update_noise(model, config, unit),
            tiling,
            chosen if placement is None else placement.sent(chosen),
            v_read_volts=reads.v_read_volts,
            t_read_seconds=reads.t_read_seconds,
            seed=config.seed,
            place=index,
            wired=wired(config.wires, tiling, faults),
            faults=faults,
            half=config.half_select if tiles.array_kind == "1R" else None,
            front_end=front_end(
                config.periphery, mapping, tiles, reads, seed=config.seed, index=index
            ),
        )
        layers.append(
            Synapses(mapping, board if placement is None else RoutedBoard(board, placement))
        )
    return layers


def policy(config: Training, options: Record, layer: Synapses, index: int) -> Policy:
    """The policy of one layer, with a perfect array of its own where it needs one."""

    def fast_array() -> SimulatedBoard:
        rows, outputs = layer.mapping.shape
        return SimulatedBoard(
            layer.board.model,
            Tiling(rows, outputs, config.tiles.tile_rows, config.tiles.tile_columns),
            torch.ones((rows, outputs), dtype=torch.bool),
            v_read_volts=config.reads.v_read_volts,
            t_read_seconds=config.reads.t_read_seconds,
            seed=config.seed,
            place=len(config.network.crossbars) + index,
        )

    return POLICIES[policy_name(options)].build(layer, options, fast_array)


def engine(config: Training, threads: int | None) -> Engine | DenseEngine:
    """What computes the passes.

    Raises:
        ConfigError: Torch has no such device, or a periphery is to be emulated there.
    """
    network, tile_rows, options = config.network, config.tiles.tile_rows, config.engine
    if not isinstance(options, DenseEngine.Options):
        return Engine(network, tile_rows=tile_rows, threads=threads)
    if config.periphery.kind != "ideal":
        raise ConfigError(
            f"engine = dense: periphery.kind = {config.periphery.kind} is emulated by the engine "
            "events alone; leave one of the two out; nothing was written"
        )
    return DenseEngine(network, tile_rows=tile_rows, device=options.device)


def uses_kernels(trainer: Trainer) -> bool:
    """Whether kernels have to be compiled for a trainer, once on a machine."""
    return isinstance(trainer.setup.engine, Engine)


def wired(wires: Wires, tiling: Tiling, faults: FaultMap | None) -> WiredArray | None:
    """The wires of one array with its broken lines; None if they have no resistance."""
    if wires.ideal:
        return None
    return WiredArray(
        (tiling.rows, tiling.columns),
        (tiling.tile_rows, tiling.tile_columns),
        wires if faults is None else faults.tile_wires(wires),
        refresh=wires.refresh,
        bound=wires.bound,
    )


def front_end(
    p: Periphery, mapping: Mapping, tiles: Tiles, reads: Reads, *, seed: int, index: int
) -> FrontEnd | None:
    """The periphery of one layer; None if it changes nothing.

    Args:
        p: Which periphery.
        mapping: Of the layer.
        tiles: The arrays.
        reads: Voltage and time of a read.
        seed: Of the run.
        index: Of the layer.

    Raises:
        ConfigError: The mapping cannot be read through this periphery.
    """
    if p == Periphery():
        return None
    if p.kind != "ideal":
        combination(mapping)  # refuse before anything is programmed
    rows, outputs = mapping.shape
    tiling = Tiling(rows, mapping.columns, tiles.tile_rows, tiles.tile_columns)
    converters = make_converters(
        p,
        tiling.down,
        tiling.columns,
        tiling.tile_columns,
        generator=stream("converters", seed, index),
    )
    neurons = make_neurons(p, outputs, generator=stream("neurons", seed, index))
    factor = p.factor(reads.v_read_volts, reads.t_read_seconds)
    return FrontEnd(p, converters, neurons, factor, reads.v_read_volts, p.adc_range_amperes)


def w_max_of(config: Training, model: DeviceModel) -> tuple[float, ...]:
    """The weight that the full window stands for, of every crossbar; the readout's is the last.

    Where the configuration leaves it open, errors of one mean step, independent on all lines, add
    up to `STEP_NOISE` thresholds: step = STEP_NOISE / sqrt(lines). So the window follows what
    trained weights need, not their first spread; but it holds at least 4 spreads, for the first
    weights, and at most 2000, which no weight of a fine-grained device reaches. The numbers are
    ours; DECISIONS.md has the measurement.
    """
    spreads = [max(both) for both in config.network.sigmas]
    lines = [rows for rows, _ in config.network.crossbars]
    *hidden, readout = (
        min(max(STEP_NOISE / math.sqrt(n) * model.pulses_across, 4.0 * spread), 2000.0 * spread)
        for n, spread in zip(lines, spreads, strict=True)
    )
    fixed = (config.tiles.hidden_w_max or w_max for w_max in hidden)
    return (*fixed, config.tiles.readout_w_max or readout)


def filling_window(config: Training, model: DeviceModel, weights: Sequence[np.ndarray]) -> Training:
    """The settings of a chip for some weights.

    The most that the mapping reaches in the window stands for the largest weight of the hidden
    crossbars and for that of the readout, unless the settings fix it: nothing is clipped, and no
    conductance is left unused.
    """
    tiles = config.tiles
    unit_tiles = replace(tiles, hidden_w_max=1.0, readout_w_max=1.0)
    unit = build(replace(config, tiles=unit_tiles), model, weights=weights)
    *hidden, readout = (
        min(max(float(np.abs(w).max()) / layer.mapping.w_max, 1e-6), 1e3)
        for w, layer in zip(weights, unit, strict=True)
    )
    filled = replace(
        tiles,
        hidden_w_max=tiles.hidden_w_max or max(hidden),
        readout_w_max=tiles.readout_w_max or readout,
    )
    return replace(config, tiles=filled)


def with_update_noise(model: DeviceModel, config: Training, g_unit_siemens: float) -> DeviceModel:
    """The device with the noise that `update_noise` asks for, in siemens of one layer."""
    if config.update_noise == 0.0:
        return model
    if not isinstance(model, GaussianUpdate):
        raise ConfigError(
            f"update_noise = {config.update_noise:g} needs a gaussian_update device; "
            f"{config.device} has its own spread"
        )
    sigma = config.update_noise * config.network.hidden_sigma * g_unit_siemens
    return replace(model, update_sigma_siemens=sigma)
