"""Builds what a training runs on: boards, layers, policies, optimizers, and the engine.

The only place that knows which boards there are, and that reads the whole `Training`: all others
take what is built here, and the records of their own rooms.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from device_models.errors import ConfigError
from device_models.model import DeviceModel
from device_models.record import Record, Tagged

from ..array.periphery import FrontEnd, Periphery
from ..array.tile import Tiling
from ..array.tiles import Tiles
from ..boards.protocol import Board, Emulator
from ..boards.routed import RoutedBoard, RoutedEmulator
from ..boards.simulated import SimulatedBoard
from ..datasets import LoadedDataset
from ..datasets.encode import Data
from ..mappings import MAPPINGS, Mapping
from ..snn.encodings import encoding_of
from ..snn.encodings.constant import Constant
from ..snn.engines import BoardEngine, Engine, EventEngine
from ..snn.engines.protocol import Resources
from ..snn.parameters import Parameters, check_parameters, initial
from ..snn.plan import Plan, plan, signs
from ..snn.plan_checks import check_held
from ..synapses.biases import DigitalBias
from ..synapses.optimizers import OPTIMIZERS, Optimizer
from ..synapses.policies import POLICIES
from ..synapses.policies.compatibility import check_serving, default_policy
from ..synapses.policies.policy import Policy
from ..synapses.reads import Reads
from ..synapses.synapses import Synapses
from .array_parts import (
    check_periphery,
    check_reads_across,
    front_end,
    w_max_of,
    wired,
    with_update_noise,
)
from .boards import BoardFactory, check_amplitudes, checked, refuse_emulation
from .config import Training
from .fault_aware import fault_map, placed, row_activity
from .trainer import Trainer


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What a training runs on; of what layers have, one each, that of the readout last.

    Attributes:
        device: Name of the kind of device.
        sheet: That kind: the data sheet.
        network: Its sizes and constants.
        first: The numbers that training begins with; weights are programmed.
        reads: How and when conductances are read.
        tiles: The arrays.
        periphery: Drivers, converters and neurons.
        mapping: Name of the mapping.
        seed: Of everything random.
        layers: The layers, manufactured and not yet programmed.
        policies: What turns a wanted change into pulses.
        optimizers: What turns a gradient into a wanted change.
        biases: Those in digital memory; None for a layer without.
        neuron_optimizers: The same for what neurons have of their own (`Synapses.trained`).
        engine: Computes the passes.
        emulators: The truths of the arrays, those of the layers first and then those that policies
            own; empty where the boards answer reads and pulses alone.
    """

    device: str
    sheet: DeviceModel
    network: Plan
    first: Parameters
    reads: Reads
    tiles: Tiles
    periphery: Periphery
    mapping: str
    seed: int
    layers: list[Synapses]
    policies: list[Policy]
    optimizers: list[Optimizer]
    biases: list[DigitalBias | None]
    neuron_optimizers: list[Optimizer | None]
    engine: Engine
    emulators: list[Emulator]

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
    first: Parameters | None = None,
    boards: BoardFactory | None = None,
    notice: Callable[[str], object] = warnings.warn,
) -> Trainer:
    """A trainer with all that it runs on; `start` or a checkpoint comes next.

    Args:
        config: Settings.
        model: Kind of device.
        data: The encoded samples.
        threads: How many samples run at a time; by default one per processor.
        first: The numbers that it begins with; by default the initial ones of the seed.
        boards: Finds the boards to train on; None for emulated ones.
        notice: Told once where a fixed range of converters is too small.

    Raises:
        ConfigError: See `build`.
    """
    setup = build(config, model, data, threads=threads, first=first, boards=boards)
    return Trainer(setup, data, epochs=config.epochs, batch_size=config.batch_size, notice=notice)


def build(
    config: Training,
    model: DeviceModel,
    data: Data,
    *,
    first: Parameters | None = None,
    threads: int | None = None,
    boards: BoardFactory | None = None,
) -> Setup:
    """Everything, manufactured and not yet programmed.

    Args:
        config: Settings.
        model: Kind of device: of the emulated ones, and the data sheet of all.
        data: The encoded samples; layers are placed for how busy their lines are.
        first: The numbers that training begins with; by default the initial ones of the seed.
        threads: How many samples run at a time; by default one per processor.
        boards: Finds the boards, of which nothing but reads and pulses is asked; None: emulated.

    Raises:
        ConfigError: `update_noise` is given for a device that has none, the mapping cannot hold
            such a network, the faults do not fit the arrays, the device has not the pulses that
            policy and mapping send, or something is to be emulated on given boards.
        BoardError: What `boards` finds is no board.
        ShapeError: `first`, or the samples, are not of such a network.
    """
    if boards is not None:
        refuse_emulation(config)
        boards = checked(boards, model)
    network = plan_of(config, data)
    data.check(network.steps)
    first = first or initial(network, config.seed)
    check_parameters(first, network)
    layers, emulators = _layers(config, model, network, data, first, boards)
    if isinstance(config.data.encoding, Constant.Options):
        check_amplitudes(layers[0].board.info, config.data.encoding.top)
    policies = _policies(config, model, network, layers, boards, emulators)
    rule = OPTIMIZERS[Tagged(OPTIMIZERS).name_of(config.optimizer)]
    return Setup(
        device=config.device,
        sheet=model,
        network=network,
        first=first,
        reads=config.reads,
        tiles=config.tiles,
        periphery=config.periphery,
        mapping=Tagged(MAPPINGS).name_of(config.mapping),
        seed=config.seed,
        layers=layers,
        policies=policies,
        optimizers=[rule(layer.mapping.shape, config.optimizer) for layer in layers],
        biases=_biases(first, rule, config),
        neuron_optimizers=[
            None if layer.trained is None else rule(layer.trained.shape, config.optimizer)
            for layer in layers
        ],
        engine=engine(config, network, layers, threads, emulated=boards is None),
        emulators=emulators,
    )


def _layers(
    config: Training,
    model: DeviceModel,
    network: Plan,
    data: Data,
    first: Parameters,
    boards: BoardFactory | None,
) -> tuple[list[Synapses], list[Emulator]]:
    """The crossbars of a network, and what emulates them; see `build`."""
    important = row_activity(data.train_events, network)
    layers, emulators = [], list[Emulator]()
    for index, mapping in enumerate(mappings_of(config, model, network)):
        sigma_init = network.hidden_sigma * mapping.g_unit_siemens
        sheet = with_update_noise(model, config, sigma_init)
        layer, emulator = _layer(
            config, sheet, mapping, index, first.weights[index], important[index], boards
        )
        numbers = first.trained[index]
        layer.trained = None if numbers is None else numbers.copy()
        layers.append(layer)
        emulators += [] if emulator is None else [emulator]
    return layers, emulators


def _biases(first: Parameters, rule: type[Optimizer], config: Training) -> list[DigitalBias | None]:
    """The digital bias of each layer that has one, with an optimizer of its own."""
    return [
        None if values is None else DigitalBias(values, rule((1, len(values)), config.optimizer))
        for values in first.biases
    ]


def plan_of(config: Training, data: Data | LoadedDataset) -> Plan:
    """The network of the settings for the samples of a data set: its sizes, its clock.

    Raises:
        ConfigError: A layer does not fit the one before, or the last one the classes.
    """
    network = plan(
        config.network,
        inputs=data.sample_shape,
        classes=len(data.class_names),
        steps=config.data.steps,
        dt_seconds=config.data.dt_seconds,
    )
    if encoding_of(config.data.encoding).is_held:
        check_held(network)
    return network


def mappings_of(config: Training, model: DeviceModel, network: Plan) -> list[Mapping]:
    """How each crossbar stands for its weights.

    Raises:
        ConfigError: A mapping cannot hold such a layer; named by its number.
    """
    mappings = []
    for layer, sign, w_max in zip(
        network.synaptic, signs(network), w_max_of(network, config.tiles, model), strict=True
    ):
        options = options_of(MAPPINGS, layer.settings.mapping, config.mapping)
        kind = MAPPINGS[Tagged(MAPPINGS).name_of(options)]
        try:
            mapping = kind(
                torch.from_numpy(sign), layer.columns, model.window_siemens / w_max,
                model.g_min_siemens, model.g_max_siemens, config.tiles.tile_columns, options,
            )  # fmt: skip
        except ConfigError as e:
            raise ConfigError(f"{network.network.title(layer.index)}: {e}") from e
        mappings.append(mapping)
    return mappings


def options_of(table: dict[str, Any], name: str | None, of_run: Record) -> Record:
    """The options that hold for a layer: those of the run, unless the layer names another kind."""
    if name is None or Tagged(table).name_of(of_run) == name:
        return of_run
    options: Record = table[name].Options()
    return options


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
    rows, tiles, reads = len(mapping.signs), config.tiles, config.reads
    tiling = Tiling(rows, tiles.copies * mapping.columns, tiles.tile_rows, tiles.tile_columns)
    faults = fault_map(config.faults, config.wires, sheet, tiling, seed=config.seed, index=index)
    placement = placed(tiles, mapping, faults, tiling, weights, importance)
    selected = mapping.selected()
    if boards is not None:
        board: Board = boards(index, (tiling.rows, tiling.columns))
        emulator: Emulator | None = None
    else:
        board = emulator = SimulatedBoard(
            sheet,
            tiling,
            selected if placement is None else placement.sent(selected),
            v_read_volts=reads.v_read_volts,
            t_read_seconds=reads.t_read_seconds,
            seed=config.seed,
            index=index,
            wired=wired(config.wires, tiling, faults),
            faults=faults,
            half=config.half_select if tiles.array_kind == "1R" else None,
            front_end=front_end(
                config.periphery, mapping, tiles, reads, seed=config.seed, index=index
            ),
        )
    if placement is None:
        return Synapses(mapping, board, sheet), emulator
    routed = RoutedBoard(board, placement)
    layer = Synapses(mapping, routed, sheet, write=routed.write)
    return layer, None if emulator is None else RoutedEmulator(emulator, placement)


def _policies(
    config: Training,
    model: DeviceModel,
    network: Plan,
    layers: Sequence[Synapses],
    boards: BoardFactory | None,
    emulators: list[Emulator],
) -> list[Policy]:
    """The policy of each layer; the truths of arrays of its own are added to the emulators.

    Raises:
        ConfigError: The device has not the pulses that policy and mapping send.
    """
    of_run = config.policy or POLICIES[default_policy(model)].Options()
    policies: list[Policy] = []
    for index, (layer, planned) in enumerate(zip(layers, network.synaptic, strict=True)):
        options = options_of(POLICIES, planned.settings.policy, of_run)
        name = Tagged(POLICIES).name_of(options)
        mapping_name = Tagged(MAPPINGS).name_of(layer.mapping.options)
        check_serving(config.device, model, name, mapping_name, layer.mapping)
        make = _maker(config, layer, len(layers) + index, boards, emulators)
        policies.append(POLICIES[name].build(layer, options, make))
    return policies


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
            Tiling(rows, outputs, config.tiles.tile_rows, config.tiles.tile_columns),
            torch.ones((rows, outputs), dtype=torch.bool),
            v_read_volts=config.reads.v_read_volts,
            t_read_seconds=config.reads.t_read_seconds,
            seed=config.seed,
            index=number,
        )
        emulators.append(array)
        return array

    return make


def engine(
    config: Training,
    network: Plan,
    layers: Sequence[Synapses],
    threads: int | None,
    *,
    emulated: bool = True,
) -> Engine:
    """What computes the passes; for boards that are not emulated these themselves.

    Raises:
        ConfigError: Torch has no such device, or the engine does not emulate the periphery.
    """
    options: Any = config.engine if emulated else BoardEngine.Options()
    is_held = encoding_of(config.data.encoding).is_held
    check_periphery(network, config.periphery, options, is_held=is_held)
    check_reads_across(network, config.wires, config.periphery)
    built: Engine = options.build(network, Resources(layers, config.tiles.tile_rows, threads))
    return built


def uses_kernels(trainer: Trainer) -> bool:
    """Whether kernels have to be compiled for a trainer, once on a machine."""
    return isinstance(trainer.setup.engine, EventEngine)
