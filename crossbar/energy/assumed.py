"""The activity of a network that was never run, from assumed rates."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from device_models.errors import ConfigError
from device_models.record import number

from ..snn.encodings.constant import Constant
from ..snn.encodings.events import Events, Held, amplitudes_of
from ..snn.plan import Plan
from .activity import Activity, Sizes, Snapshot, driven, layers_of
from .counts import RunCounts

INFERENCES = 100
MEAN_SIEMENS = 20e-6  # of a device, where nothing is known; ours, amid the presets' windows
DEVICES = 2  # of a synapse: a pair


def assumed_activity(
    network: Plan,
    rates_hz: Sequence[float],
    *,
    generator: np.random.Generator,
    devices_per_synapse: int = DEVICES,
    mean_siemens: float = MEAN_SIEMENS,
    inferences: int = INFERENCES,
    constant: Constant.Options | None = None,
) -> Activity:
    """Draw spikes: every line fires in every step with the same probability, rate x dt.

    Args:
        network: Its sizes.
        rates_hz: Of an input line, unless amplitudes drive it, then of a neuron of each hidden
            layer; delays have none of their own.
        generator: Source of the spikes.
        devices_per_synapse: Bit lines of an output.
        mean_siemens: Conductance of every device.
        inferences: How many to draw.
        constant: Settings of amplitudes in the place of input spikes, all of them as likely.

    Raises:
        ConfigError: There is another number of rates than of layers, or a number is out of range.
    """
    is_held = constant is not None
    check(network, rates_hz, devices_per_synapse, mean_siemens, inferences, is_held=is_held)
    held = None if constant is None else amplitudes(inferences, network.inputs, constant, generator)
    spikes = [] if held is None else [amplitudes_of(held, steps=network.steps)]
    rates = iter(rates_hz)
    for layer in (None, *network.senders)[is_held:]:
        if layer is not None and layer.kind == "delays":
            spikes.append(layer.settings.delayed(spikes[-1], layer.lines, network.steps))
            continue
        lines = network.inputs if layer is None else layer.outputs
        chance = next(rates) * network.dt_seconds
        spikes.append(bernoulli(inferences, network.steps, lines, chance, generator))
    for i, layer in enumerate(network.senders, 1):
        if layer.beside:
            spikes[i] = with_beside(spikes[i], layer.outputs)
    arrays = [
        Snapshot(
            np.full((rows, outputs * devices_per_synapse), mean_siemens, np.float32),
            np.full(rows, outputs, np.int64),
            np.full(rows, outputs, np.int64),
        )
        for rows, outputs in network.crossbars
    ]
    layers = layers_of(Sizes.of(network, held), spikes, arrays)
    return Activity(layers, inferences, network.steps, network.dt_seconds, assumed=True)


def with_beside(spikes: Events, neurons: int) -> Events:
    """Spikes of so many neurons, and of one behind them that fires in every step with a spike."""
    sample = np.repeat(np.arange(len(spikes)), np.diff(spikes.offsets))
    samples, times = np.unique(np.stack([sample, spikes.times]), axis=1)
    ends = np.searchsorted(samples, np.arange(len(spikes) + 1))
    rows = np.zeros(len(times), np.uint16)
    return driven(spikes, Events(rows, times.astype(spikes.times.dtype), ends), neurons)


def check(
    network: Plan,
    rates_hz: Sequence[float],
    devices_per_synapse: int,
    mean_siemens: float,
    inferences: int,
    *,
    is_held: bool,
) -> None:
    """Refuse what cannot be drawn.

    Raises:
        ConfigError: See `assumed_activity`.
    """
    hidden = sum(layer.kind != "delays" for layer in network.senders)
    most = 1.0 / network.dt_seconds
    wanted = hidden + (not is_held)
    if len(rates_hz) != wanted:
        line = "amplitudes drive its input lines, so" if is_held else "of an input line and"
        raise ConfigError(
            f"{len(rates_hz)} rates are given, the network needs {wanted}: {line} of a neuron of "
            f"each of its {hidden} hidden layers"
        )
    for rate in rates_hz:
        if not 0.0 <= rate <= most:
            raise ConfigError(
                f"a rate of {number(rate)} Hz is outside [0, {number(most)}] Hz: one spike per step"
            )
    for name, value, low, high in (
        ("devices_per_synapse", devices_per_synapse, 1, 64),
        ("mean_siemens", mean_siemens, 0.0, 1.0),
        ("inferences", inferences, 1, 100_000),
    ):
        if not low <= value <= high:
            raise ConfigError(f"{name} = {number(value)} is outside [{low:g}, {high:g}]")


def amplitudes(
    samples: int, lines: int, options: Constant.Options, generator: np.random.Generator
) -> Held:
    """Codes of a constant input, all of them as likely; full brightness stands for 1."""
    top = options.top
    least = -top if options.is_signed else 0
    codes = generator.integers(least, top, (samples, lines), np.int16, endpoint=True)
    return Held(codes, 1.0 / top, top)


def bernoulli(
    samples: int, steps: int, lines: int, chance: float, generator: np.random.Generator
) -> Events:
    """Spikes of lines that fire independently in every step."""
    rows, times, counts = [], [], [0]
    for _ in range(samples):  # one at a time: bounds the memory
        step, line = np.nonzero(generator.random((steps, lines), np.float32) < chance)
        rows.append(line.astype(np.uint16))
        times.append(step.astype(np.uint8 if steps <= 255 else np.uint16))
        counts.append(len(line))
    return Events(np.concatenate(rows), np.concatenate(times), np.cumsum(counts))


def assumed_run(
    path: Path,
    rates_hz: Sequence[float],
    *,
    generator: np.random.Generator,
    v_read_volts: float = 0.2,
    t_read_seconds: float = 100e-9,
) -> RunCounts:
    """A network file as an estimate needs it: no training, and no accuracy (nan).

    Args:
        path: `NetworkFile` as YAML, or the name of a preset.
        rates_hz: See `assumed_activity`; of no input line where the input is a constant code.
        generator: Source of the spikes.
        v_read_volts: Of a read.
        t_read_seconds: Of a read.

    Raises:
        ConfigError: The file is wrong, or a rate is.
    """
    from ..experiment.network_settings import load_network  # imports torch

    file = load_network(path)
    network, code = file.plan(), None if file.data is None else file.data.encoding
    constant = code if isinstance(code, Constant.Options) else None
    nothing = float("nan")
    return RunCounts(
        folder=str(path),
        activity=assumed_activity(network, rates_hz, generator=generator, constant=constant),
        training=(),
        epochs=0,
        training_images=0,
        accuracy=nothing,
        accuracy_interval=(nothing, nothing),
        ei=network.ei,
        mapping="pair",
        device="assumed",
        seed=0,
        v_read_volts=v_read_volts,
        t_read_seconds=t_read_seconds,
        pulse_seconds=0.0,
        endurance_pulses=None,
        tile_rows=128,
        tile_columns=128,
        adc_bits=None,
    )
