"""What an array of a run has besides devices: wires, a periphery, and a window for its weights."""

import math
from dataclasses import replace

from device_models import pulse_law
from device_models.errors import ConfigError
from device_models.linear import GaussianUpdate
from device_models.model import DeviceModel
from device_models.pulsed import Pulsed
from device_models.record import Record
from device_models.streams import stream

from ..array.faults import FaultMap
from ..array.periphery import FrontEnd, Periphery, make_converters, make_neurons
from ..array.tile import Tiling
from ..array.tiles import Tiles
from ..mappings import Mapping
from ..snn.engines.adc import combination
from ..snn.engines.dense import DenseEngine
from ..snn.plan import LayerPlan, Plan
from ..synapses.reads import Reads
from ..wires.array import WiredArray
from ..wires.wires import Wires
from .config import Training

STEP_NOISE = 0.035  # of a neuron's threshold; ours


def wired(wires: Wires, tiling: Tiling, faults: FaultMap | None) -> WiredArray | None:
    """The wires of one array with its broken lines; None if they have no resistance.

    Raises:
        ShapeError: A broken line is named that a tile does not have.
    """
    if wires.ideal:
        return None
    for rows in {min(tiling.tile_rows, tiling.rows), tiling.rows % tiling.tile_rows} - {0}:
        across = {min(tiling.tile_columns, tiling.columns), tiling.columns % tiling.tile_columns}
        for columns in across - {0}:
            wires.check_lines(rows, columns)
    return WiredArray(
        (tiling.rows, tiling.columns),
        (tiling.tile_rows, tiling.tile_columns),
        wires if faults is None else faults.tile_wires(wires),
        refresh=wires.refresh,
        bound=wires.bound,
    )


def lossless_note(model: DeviceModel, wires: Wires, device: str) -> str:
    """Why pulses of a device lose nothing on wires that take from pulses; empty where they do.

    Args:
        model: Kind of device.
        wires: Of the run.
        device: Its name, for people.
    """
    if wires.ideal or not wires.pulse_loss:
        return ""
    lossless = [
        way.upper()
        for sign, way in pulse_law.WAYS.items()
        if not (isinstance(model, Pulsed) and pulse_law.has_law(model, sign, "volts"))
    ]
    if not lossless:
        return ""
    return (
        f"note: wires.pulse_loss: {device} does not say what a smaller pulse does "
        f"(set_scale_volts, reset_scale_volts); its {' and '.join(lossless)} pulses lose nothing "
        "on the wires"
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


def check_periphery(network: Plan, periphery: Periphery, engine: object, *, is_held: bool) -> None:
    """Refuse what is not emulated of some layers behind a periphery.

    Args:
        network: The layers.
        periphery: Of all of them.
        engine: It or its settings; dense torch converts whatever is read.
        is_held: Whether amplitudes drive the first layer.

    Raises:
        ConfigError: No engine emulates it, or this one does not.
    """
    held, kind = "amplitudes of a constant code", f"periphery.kind = {periphery.kind}"
    if periphery.iv_volts is not None and is_held:
        _refuse(network, 0, "periphery.iv_volts", f"{held}, each of which is another read voltage")
    if periphery.kind == "ideal":
        return
    for layer in network.synaptic:
        reads = ""  # what makes more of its reads than spikes do
        if layer.array.positions > 1:
            reads = "a convolution, read position by position"
        elif layer.bias != "none":
            reads = f"bias = {layer.bias}"
        elif is_held and layer.index == 0:
            reads = held
        if periphery.kind == "analog" and layer.array.positions > 1:
            _refuse(network, layer.index, kind, reads)
        if periphery.kind == "analog" and layer.bias == "digital":
            _refuse(network, layer.index, kind, f"{reads}, which is no current", "make it row")
        if reads and not isinstance(engine, DenseEngine | DenseEngine.Options):
            _refuse(network, layer.index, kind, f"{reads} by this engine", "choose engine = dense")


def engine_behind(network: Plan, periphery: Periphery, engine: Record, *, is_held: bool) -> Record:
    """The settings of an engine, or of dense torch where it alone emulates the periphery.

    Raises:
        ConfigError: No engine does.
    """
    try:
        check_periphery(network, periphery, engine, is_held=is_held)
    except ConfigError:
        engine = DenseEngine.Options()
        check_periphery(network, periphery, engine, is_held=is_held)
    return engine


def _refuse(network: Plan, index: int, what: str, of: str, instead: str = "") -> None:
    """Raise the ConfigError that says of a layer what is not emulated of it."""
    raise ConfigError(
        f"{network.network.title(index)}: {what} is not emulated of {of}; "
        f"{instead + ', or ' * bool(instead)}leave the periphery out; nothing was written"
    )


def check_reads_across(network: Plan, wires: Wires, periphery: Periphery) -> None:
    """Refuse to read an array from its bit lines where that is not emulated.

    Raises:
        ConfigError: An inhibitory neuron is to be read through wires or a periphery.
    """
    if wires.ideal and periphery == Periphery():
        return
    for layer in network.synaptic:
        if getattr(layer.settings, "reads_across", False):
            raise ConfigError(
                f"{network.network.title(layer.index)}: an inhibitory neuron is read across the "
                "array, which is emulated without wires and periphery; leave them out, or choose "
                "inhibition: reset_line; nothing was written"
            )


def w_max_of(network: Plan, tiles: Tiles, model: DeviceModel) -> tuple[float, ...]:
    """The weight that the full window stands for, of every crossbar; the readout's is the last.

    Where the settings leave it open, errors of one mean step (of one pulse or read, where these
    scatter by more: `errors_across`), independent on all lines, add up to `STEP_NOISE` thresholds:
    step = STEP_NOISE / sqrt(lines). So the window follows what
    trained weights need, not their first spread; but it holds at least 4 spreads, for the first
    weights, and at most 2000, which no weight of a fine-grained device reaches. The numbers are
    ours; DECISIONS.md has the measurement.

    Raises:
        ConfigError: They leave it open for first weights that are all 0.
    """
    fixed = [tiles.hidden_w_max] * (len(network.sigmas) - 1) + [tiles.readout_w_max]
    return tuple(
        layer.settings.w_max or of_run or _w_max_of(network, layer, max(spreads), model)
        for layer, of_run, spreads in zip(network.synaptic, fixed, network.sigmas, strict=True)
    )


def _w_max_of(network: Plan, layer: LayerPlan, spread: float, model: DeviceModel) -> float:
    """What `w_max_of` says of one layer whose first weights have a spread."""
    if spread == 0.0:
        raise ConfigError(
            f"{network.network.title(layer.index)}: sigma_init = 0 leaves its weights no window; "
            "give its w_max, or a sigma_init above 0; nothing was written"
        )
    return open_w_max(layer.rows, spread, model)


def open_w_max(rows: int, spread: float, model: DeviceModel) -> float:
    """What `w_max_of` says of an array of so many rows whose first weights have a spread > 0."""
    steps = STEP_NOISE / math.sqrt(rows) * model.errors_across
    return min(max(steps, 4.0 * spread), 2000.0 * spread)


def check_update_noise(model: DeviceModel, config: Training) -> None:
    """Refuse `update_noise` of a device that has a spread of its own.

    Raises:
        ConfigError: It has.
    """
    if config.update_noise and not isinstance(model, GaussianUpdate):
        raise ConfigError(
            f"update_noise = {config.update_noise:g} needs a gaussian_update device; "
            f"{config.device} has its own spread"
        )


def with_update_noise(
    model: DeviceModel, config: Training, sigma_init_siemens: float
) -> DeviceModel:
    """The device with the noise that `update_noise` asks for, of the first weights of a layer."""
    check_update_noise(model, config)
    if not isinstance(model, GaussianUpdate) or config.update_noise == 0.0:
        return model
    sigma = config.update_noise * sigma_init_siemens
    return replace(model, update_sigma_siemens=sigma)
