"""What a network did while it was tested: its spikes, and the conductances they were read through.

A trained run keeps it in a file (`activity_file`); a network that was never run gets it from
assumed rates. Nothing here knows tiles, converters or joules: `counts` cuts it into tiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..snn.encodings.events import Events, Held
from .reads import PLAIN, Beside, Driven, Reads, rows_driven

if TYPE_CHECKING:
    from ..snn.plan import Plan


@dataclass(frozen=True, eq=False)
class LayerActivity:
    """One crossbar and the neurons that it drives.

    Attributes:
        name: `hidden 1`, `hidden 2`, ... or `readout`.
        inputs: Spikes on its word lines, by step and line. Spikes of a recurrent layer itself
            are on the lines behind those that come in; those of an inhibitory neuron are not here.
        columns: Bit lines of the array under the mapping of the run, all copies.
        outputs: Neurons driven.
        siemens: (rows, columns) float32, conductance as reads saw it at the time.
        fan_out: (rows,) int64, synapses of each line with a device that is not stuck.
        fired: Spikes that its neurons sent to the next one; 0 for the readout.
        recurrent_rows: Lines, the last ones, that its neurons drive; 0 without recurrence.
        nonzero: (rows,) int64, weights of each line that are not exactly zero; None: `fan_out`.
        reads: How lines meet rows; by default each line has its own and is read once a step.
        held: Amplitudes that drive the lines in the place of `inputs`; None: spikes do.
        beside: What an inhibitory neuron did; None without.
        delayed: Spikes that came into the delays of its lines.
        delay_bits: Of these delays, see `topology.delays`; 0 without.
        adapting: Neurons with an adaptive threshold, a second number to update in every step.
        steps: Of an inference, where this layer has another number than the activity; None: that.
        planes: Steps in which an amplitude comes in, bit by bit; 1: spikes do. Neurons are updated
            once in so many.
    """

    name: str
    inputs: Events
    columns: int
    outputs: int
    siemens: np.ndarray
    fan_out: np.ndarray
    fired: int
    recurrent_rows: int = 0
    nonzero: np.ndarray | None = None
    reads: Reads = PLAIN
    held: Held | None = None
    beside: Beside | None = None
    delayed: int = 0
    delay_bits: int = 0
    adapting: int = 0
    steps: int | None = None
    planes: int = 1

    @property
    def spikes_in(self) -> int:
        """Spikes that came in, before delays made copies of them."""
        return self.delayed if self.delay_bits else len(self.inputs.rows)

    @property
    def neurons(self) -> int:
        """Neurons behind the crossbar, an inhibitory one among them."""
        return (self.reads.neurons or self.outputs) + (self.beside is not None)

    @property
    def spikes(self) -> int:
        """Spikes of all of them."""
        return self.fired + (0 if self.beside is None else self.beside.spikes)

    @property
    def amplitudes(self) -> np.ndarray | None:
        """(inferences, lines) shares of the read voltage that drive lines; None: spikes do."""
        return None if self.held is None else self.held.codes / np.float32(self.held.top)

    @property
    def dac_bits(self) -> int:
        """Of the converters that set its amplitudes; 0 where spikes drive it."""
        return 0 if self.held is None else self.held.bits

    def rows_driven(self, steps: int) -> Driven:
        """How often each row was driven, in inferences of so many steps."""
        gain = 1.0 if self.held is None else self.held.gain
        driven = rows_driven(self.reads, self.inputs, self.rows, steps, self.amplitudes, gain)
        if self.beside is None:
            return driven
        across = self.fired, self.fired / self.outputs
        for counts, read_across in zip(driven, across, strict=True):
            counts[-2:] = self.beside.reads, read_across
        return driven

    def operations(self, of_rows: np.ndarray, steps: int) -> int:
        """Weights that are driven, of so many, (rows,), of each row; see `rows_driven`."""
        times = self.rows_driven(steps).times
        if self.beside is None:
            return int(times @ of_rows)
        return int(times[:-1] @ of_rows[:-1] + times[-1] * of_rows[-1] // self.outputs)

    @property
    def nonzero_weights(self) -> np.ndarray:
        """(rows,) weights of each line that are not exactly zero."""
        return self.fan_out if self.nonzero is None else self.nonzero

    @property
    def rows(self) -> int:
        """Word lines."""
        return len(self.siemens)

    @property
    def connected(self) -> int:
        """Synapses with a device that is not stuck."""
        return int(self.fan_out.sum())


@dataclass(frozen=True, eq=False)
class Activity:
    """What a network did during some inferences, whatever the chip.

    Attributes:
        layers: The crossbars, that of the readout last.
        inferences: Images.
        steps: Time steps of each.
        dt_seconds: Duration of a step, network time.
        assumed: Made from assumed rates, not from a run.
    """

    layers: tuple[LayerActivity, ...]
    inferences: int
    steps: int
    dt_seconds: float
    assumed: bool


class Snapshot(NamedTuple):
    """What a `LayerActivity` says of a crossbar; see there."""

    siemens: np.ndarray
    fan_out: np.ndarray
    nonzero: np.ndarray


class Sizes(NamedTuple):
    """What an activity file says of its network; per crossbar the output's is last."""

    inputs: int
    hidden: tuple[int, ...]  # neurons of each layer that sends spikes
    names: tuple[str, ...]  # of the crossbars
    crossbars: tuple[tuple[int, int], ...]  # (rows, outputs)
    sources: tuple[int, ...]  # layer whose spikes come in; -1: the input
    senders: tuple[int, ...]  # layer that the neurons of the crossbar are
    recurrent_rows_of: tuple[int, ...]  # rows that its own neurons drive
    steps: int
    dt_seconds: float
    reads: tuple[Reads, ...] = ()  # of the crossbars; empty: plain ones
    unit: float = 0.0  # of held amplitudes, see `Held`; 0: spikes drive the first layer
    top: int = 0  # likewise
    # Of the crossbars: reads by a spike of the inhibitory neuron, 0 without one; empty: 0.
    own_reads: tuple[int, ...] = ()
    delay_bits: tuple[int, ...] = ()  # of the delays of its lines; likewise
    adapting: tuple[int, ...] = ()  # neurons with an adaptive threshold; likewise

    @classmethod
    def of(cls, network: "Plan", held: Held | None = None) -> "Sizes":
        """Those of a network that spikes, or held amplitudes, come into."""
        is_held = held is not None
        each = [Reads.of(layer, is_held=is_held and not layer.index) for layer in network.synaptic]
        return cls(
            network.inputs, network.recorded, network.names, network.crossbars, network.sources,
            tuple(layer.index for layer in network.synaptic), network.recurrent_rows_of,
            network.steps, network.dt_seconds, tuple(each),
            0.0 if held is None else held.unit, 0 if held is None else held.top,
            tuple(layer.own_reads for layer in network.synaptic),
            tuple(delay_bits(network, layer.index) for layer in network.synaptic),
            tuple(
                layer.outputs * getattr(layer.neuron, "ADAPTS", False) for layer in network.synaptic
            ),
        )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class RunMetadata:
    """What `activity.npz` says of the run beside its spikes.

    Attributes:
        epochs: Done.
        training_images: Shown, all epochs together.
        accuracy: Test accuracy of the last epoch.
        accuracy_interval: 95 % interval of the test images alone.
        ei, mapping, device, seed: Settings of the run.
        v_read_volts, t_read_seconds: Of a read.
        pulse_seconds: Duration of a programming pulse.
        endurance_pulses: That the device is said to last; None if its file does not say.
        tile_rows, tile_columns: Of the tiles that it was trained on.
        adc_bits: Of its converters; None where it had none.
        is_analog: Whether neurons integrated the currents themselves; columns are exact otherwise.
        is_sliced: See `mappings.Mapping`.
    """

    epochs: int
    training_images: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    ei: str
    mapping: str
    device: str
    seed: int
    v_read_volts: float
    t_read_seconds: float
    pulse_seconds: float
    endurance_pulses: float | None
    tile_rows: int
    tile_columns: int
    adc_bits: int | None
    is_analog: bool = False
    is_sliced: bool = False


def delay_bits(network: "Plan", index: int) -> int:
    """Bits of the delays right before a layer; 0 without."""
    before = network.layers[index - 1] if index else None
    if before is None or before.kind != "delays":
        return 0
    return int(before.settings.register_bits(before.lines))


def driven(lines: Events, feedback: Events | None, inputs: int) -> Events:
    """What drives the word lines of a crossbar: lines that come in and, behind them, feedback.

    Args:
        lines: Spikes that come in.
        feedback: Spikes of the layer itself, if it is recurrent.
        inputs: Lines that come in.
    """
    if feedback is None:
        return lines
    samples = np.arange(len(lines))
    fed_back = feedback.rows.astype(np.int64) + inputs
    parts = [(lines, lines.rows.astype(np.int64)), (feedback, fed_back)]
    keys = [
        np.repeat(samples, np.diff(e.offsets)) << 40 | e.times.astype(np.int64) << 24 | rows
        for e, rows in parts
    ]
    key = np.sort(np.concatenate(keys), kind="stable")
    rows = key & 0xFFFFFF
    kind = np.uint16 if int(fed_back.max(initial=inputs)) < 1 << 16 else np.uint32
    times = (key >> 24 & 0xFFFF).astype(lines.times.dtype)
    return Events(rows.astype(kind), times, lines.offsets + feedback.offsets)


def apart(events: Events, neurons: int, steps: int, own_reads: int) -> tuple[Events, Beside]:
    """The spikes of so many neurons, and what the one behind them, which inhibits them, did."""
    others = events.rows < neurons
    counts = np.concatenate([[0], np.cumsum(others)])
    spikes = Events(events.rows[others], events.times[others], counts[events.offsets])
    times = events.times[~others]
    return spikes, Beside(
        len(times), own_reads * int(np.count_nonzero(times < steps - 1)), own_reads
    )


def layers_of(
    network: Sizes, spikes: Sequence[Events], arrays: Sequence[Snapshot]
) -> tuple[LayerActivity, ...]:
    """The layers of a network.

    Args:
        network: Its sizes.
        spikes: Of the input and of every layer that sends some, its inhibitory neuron last.
        arrays: The crossbars.
    """
    layers, every = [], list(spikes)
    for i, (name, array, (rows, outputs)) in enumerate(
        zip(network.names, arrays, network.crossbars, strict=True)
    ):
        fed_back, sender = network.recurrent_rows_of[i], network.senders[i] + 1
        sent, beside = every[sender] if sender < len(spikes) else None, None
        own_reads = network.own_reads[i] if network.own_reads else 0
        bits = network.delay_bits[i] if network.delay_bits else 0
        if own_reads and sent is not None:
            sent, beside = apart(sent, outputs, network.steps, own_reads)
            every[sender] = sent
        layers.append(
            LayerActivity(
                name=name,
                inputs=driven(
                    every[network.sources[i] + 1],
                    sent if fed_back and beside is None else None,
                    rows - fed_back,
                ),
                columns=array.siemens.shape[1],
                outputs=outputs,
                siemens=array.siemens,
                fan_out=array.fan_out,
                fired=0 if sent is None else len(sent.rows),
                recurrent_rows=fed_back,
                nonzero=array.nonzero,
                reads=network.reads[i] if network.reads else PLAIN,
                held=spikes[0].held if network.sources[i] < 0 else None,
                beside=beside,
                delayed=len(every[network.sources[i]].rows) if bits else 0,
                delay_bits=bits,
                adapting=network.adapting[i] if network.adapting else 0,
            )
        )
    return tuple(layers)
