"""Builds what a training runs on: boards, layers, policies, optimizers, and the engine.

The only module that knows which boards there are.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch

from device_models.errors import ConfigError
from device_models.linear import GaussianUpdate
from device_models.model import DeviceModel
from device_models.record import Record
from device_models.streams import stream

from ..array.faults import FaultMap
from ..array.periphery import FrontEnd, Periphery, make_converters, make_neurons
from ..array.tile import Tiling
from ..boards.protocol import Board, Emulator
from ..boards.routed import RoutedBoard, RoutedEmulator
from ..boards.simulated import SimulatedBoard
from ..mappings import MAPPINGS, Mapping
from ..snn.engines.adc import combination
from ..snn.engines.board import BoardEngine
from ..snn.engines.dense import DenseEngine
from ..snn.engines.events import Engine
from ..snn.network import signs
from ..synapses.optimizers import OPTIMIZERS, Optimizer, Rates
from ..synapses.policies import POLICIES
from ..synapses.policies.compatibility import check_serving, default_policy
from ..synapses.policies.policy import Policy
from ..synapses.policies.sign import Sign
from ..synapses.synapses import Synapses
from ..wires.array import WiredArray
from .config import Training
from .fault_aware import fault_map, first_weights, placed

STEP_NOISE = 0.035  # of a neuron's threshold; ours

# Finds the board of an array: its number, those of the layers first and then those that policies
# own, and (word lines, bit lines) -> the board.
BoardFactory = Callable[[int, tuple[int, int]], Board]

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a training runs on; one of each per layer, that of the readout last.

    Attributes:
        layers: The layers, manufactured and not yet programmed.
        policies: What turns a wanted change into pulses.
        optimizers: What turns a gradient into a wanted change.
        engine: Computes the passes.
        emulators: The truths of the arrays, those of the layers first and then those that policies
            own; empty where the boards answer reads and pulses alone.
    """

    layers: list[Synapses]
    policies: list[Policy]
    optimizers: list[Optimizer]
    engine: Engine | DenseEngine | BoardEngine
    emulators: list[Emulator]


def build(
    config: Training,
    model: DeviceModel,
    *,
    weights: Sequence[np.ndarray] | None = None,
    importance: Sequence[np.ndarray | None] | None = None,
    threads: int | None = None,
    accelerator: str | None = None,
    boards: BoardFactory | None = None,
) -> Setup:
    """Everything, manufactured and not yet programmed.

    Args:
        config: Settings.
        model: Kind of device: of the emulated ones, and the data sheet of all.
        weights: What the layers are placed for; by default their initial weights.
        importance: Of the rows of each layer, for their placement; by default all count alike.
        threads: How many samples run at a time; by default one per processor.
        accelerator: Device of torch that runs the passes densely; None for the kernels.
        boards: Finds the boards, of which nothing but reads and pulses is asked; None: emulated.

    Raises:
        ConfigError: `update_noise` is given for a device that has none, the mapping cannot hold
            such a network, the faults do not fit the arrays, the device has not the pulses that
            policy and mapping send, or something is to be emulated on given boards.
    """
    if boards is not None:
        refuse_emulation(config, accelerator)
    weights = weights or first_weights(config)
    important = importance or [None] * len(weights)
    layers, emulators = [], list[Emulator]()
    for index, mapping in enumerate(mappings_of(config, model)):
        sheet = with_update_noise(model, config, mapping.g_unit_siemens)
        layer, emulator = _layer(
            config, sheet, mapping, index, weights[index], important[index], boards
        )
        layers.append(layer)
        emulators += [] if emulator is None else [emulator]
    name = config.policy or default_policy(model)
    check_serving(config.device, model, name, config.mapping, layers[-1].mapping)
    policies = []
    for index, layer in enumerate(layers):
        make = _maker(config, layer, len(layers) + index, boards, emulators)
        policies.append(POLICIES[name].build(layer, policy_options(config, name), make))
    rule = OPTIMIZERS[config.optimizer]
    return Setup(
        layers=layers,
        policies=policies,
        optimizers=[rule(layer.mapping.shape, optimizer_options(config)) for layer in layers],
        engine=engine(config, threads, accelerator)
        if boards is None
        else BoardEngine(config.network, layers),
        emulators=emulators,
    )


def refuse_emulation(config: Training, accelerator: str | None) -> None:
    """Refuse what only an emulator can do, for boards that are given.

    Raises:
        ConfigError: It names the setting.
    """
    wanted = {
        "wires": not config.wires.ideal,
        "faults": not config.faults.none,
        "array_kind = 1R": config.array_kind == "1R",
        "periphery": config.periphery != Periphery(),
        "update_noise": config.update_noise > 0.0,
        "backward = true": config.backward == "true",
        f"--accelerator {accelerator}": accelerator is not None,
    }
    if names := [name for name, is_wanted in wanted.items() if is_wanted]:
        raise ConfigError(
            f"{', '.join(names)}: of the boards that are given nothing is emulated; leave it out, "
            "or give no boards; nothing was built"
        )


def mappings_of(config: Training, model: DeviceModel) -> list[Mapping]:
    """How each crossbar stands for its weights."""
    kind, network = MAPPINGS[config.mapping], config.network
    options = _options(kind.Options, config.mapping_options)
    parts = zip(network.crossbars, signs(network), w_max_of(config, model), strict=True)
    return [
        kind(
            torch.from_numpy(sign), outputs, model.window_siemens / w_max, model.g_min_siemens,
            model.g_max_siemens, config.tile_columns, options,
        )
        for (_, outputs), sign, w_max in parts
    ]  # fmt: skip


def policy_options(config: Training, name: str) -> Record:
    """The options of a policy, from where the settings keep them."""
    if name == "sign":
        return Sign.Options(threshold=config.sign_threshold)
    return _options(
        POLICIES[name].Options, config.tiki_taka if name == "tiki_taka" else config.accumulate
    )


def optimizer_options(config: Training) -> Rates:
    """The options of the optimizer, from where the settings keep them."""
    return _options(OPTIMIZERS[config.optimizer].Options, config)


def _options(kind: type[R], source: Record) -> R:
    """The options of one kind out of a record that has the fields of all."""
    fields = dataclasses.fields(kind)  # type: ignore[arg-type]  # every subclass is a dataclass
    return kind(**{field.name: getattr(source, field.name) for field in fields})


def _layer(
    config: Training,
    sheet: DeviceModel,
    mapping: Mapping,
    index: int,
    weights: np.ndarray,
    importance: np.ndarray | None,
    boards: BoardFactory | None,
) -> tuple[Synapses, Emulator | None]:
    """A layer on its board, and the truths of its array where it is emulated."""
    rows = len(mapping.signs)
    tiling = Tiling(rows, config.copies * mapping.columns, config.tile_rows, config.tile_columns)
    faults = fault_map(config, sheet, tiling, index)
    placement = placed(config, mapping, faults, tiling, weights, importance)
    selected = mapping.selected()
    if boards is not None:
        board: Board = boards(index, (tiling.rows, tiling.columns))
        emulator: Emulator | None = None
    else:
        board = emulator = SimulatedBoard(
            sheet,
            tiling,
            selected if placement is None else placement.sent(selected),
            v_read_volts=config.v_read_volts,
            t_read_seconds=config.t_read_seconds,
            seed=config.seed,
            index=index,
            wired=wired(config, tiling, faults),
            faults=faults,
            half=config.half_select if config.array_kind == "1R" else None,
            front_end=front_end(config, config.periphery, mapping, index),
        )
    if placement is None:
        return Synapses(mapping, board, sheet), emulator
    routed = RoutedBoard(board, placement)
    layer = Synapses(mapping, routed, sheet, write=routed.write)
    return layer, None if emulator is None else RoutedEmulator(emulator, placement)


def _maker(
    config: Training,
    layer: Synapses,
    number: int,
    boards: BoardFactory | None,
    emulators: list[Emulator],
) -> Callable[[], Board]:
    """Makes a perfect array of the layer's kind of device for its policy."""
    rows, outputs = layer.mapping.shape

    def make() -> Board:
        if boards is not None:
            return boards(number, (rows, outputs))
        array = SimulatedBoard(
            layer.sheet,
            Tiling(rows, outputs, config.tile_rows, config.tile_columns),
            torch.ones((rows, outputs), dtype=torch.bool),
            v_read_volts=config.v_read_volts,
            t_read_seconds=config.t_read_seconds,
            seed=config.seed,
            index=number,
        )
        emulators.append(array)
        return array

    return make


def engine(config: Training, threads: int | None, accelerator: str | None) -> Engine | DenseEngine:
    """What computes the passes: the kernels, or dense torch on the device that is named.

    Raises:
        ConfigError: Torch has no such device, or a periphery is to be emulated there.
    """
    if accelerator is None:
        return Engine(config.network, tile_rows=config.tile_rows, threads=threads)
    if config.periphery.kind != "ideal":
        raise ConfigError(
            f"--accelerator {accelerator}: periphery.kind = {config.periphery.kind} is emulated by "
            "the kernels alone; leave one of the two out; nothing was written"
        )
    return DenseEngine(config.network, tile_rows=config.tile_rows, device=accelerator)


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


def front_end(config: Training, p: Periphery, mapping: Mapping, index: int) -> FrontEnd | None:
    """The periphery of one layer; None if it changes nothing.

    Args:
        config: Tiles, read and seed.
        p: Which periphery: that of the configuration, or another to compare it with.
        mapping: Of the layer.
        index: Number of the layer.

    Raises:
        ConfigError: The mapping cannot be read behind this periphery.
    """
    if p == Periphery():
        return None
    if p.kind != "ideal":
        combination(mapping)  # refuse before anything is programmed
    rows, outputs = mapping.shape
    tiling = Tiling(rows, mapping.columns, config.tile_rows, config.tile_columns)
    draws = stream("converters", config.seed, index)
    converters = make_converters(
        p, tiling.down, tiling.columns, tiling.tile_columns, generator=draws
    )
    neurons = make_neurons(p, outputs, generator=stream("neurons", config.seed, index))
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
    spreads = [max(both) for both in config.network.sigmas]
    lines = [rows for rows, _ in config.network.crossbars]
    *hidden, readout = (
        min(max(STEP_NOISE / math.sqrt(n) * model.pulses_across, 4.0 * spread), 2000.0 * spread)
        for n, spread in zip(lines, spreads, strict=True)
    )
    fixed = (config.hidden_w_max or w_max for w_max in hidden)
    return (*fixed, config.readout_w_max or readout)


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
    return dataclasses.replace(model, update_sigma_siemens=sigma)
