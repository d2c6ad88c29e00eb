"""What a network did while it was tested: its spikes, and the conductances they were read through.

A trained run keeps it in `activity.npz`; a network that was never run gets it from assumed rates.
Nothing here knows tiles, converters or joules: `counts` cuts it into tiles.
"""

import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from device_models import atomic
from device_models.errors import ConfigError, RunError
from device_models.npz import UNREADABLE, reason

from ..snn.encodings.events import Events, Held
from .reads import PLAIN, Driven, Reads, rows_driven

if TYPE_CHECKING:
    from ..snn.plan import Plan

FILE = "activity.npz"
EVENTS = ("rows", "times", "offsets")
HELD = "0.codes"


@dataclass(frozen=True, eq=False)
class LayerActivity:
    """One crossbar and the neurons that it drives.

    Attributes:
        name: `hidden 1`, `hidden 2`, ... or `readout`.
        inputs: Spikes on its word lines, by step and line. Spikes of a recurrent layer itself
            are on the lines behind those that come in.
        columns: Bit lines of the array under the mapping of the run, all copies.
        outputs: Neurons driven.
        siemens: (rows, columns) float32, conductance as reads saw it at the time.
        fan_out: (rows,) int64, synapses of each line with a device that is not stuck.
        fired: Spikes that its neurons sent; 0 for the readout.
        recurrent_rows: Lines, the last ones, that its neurons drive; 0 without recurrence.
        nonzero: (rows,) int64, weights of each line that are not exactly zero; None: `fan_out`.
        reads: How lines meet rows; by default each line has its own and is read once a step.
        held: Amplitudes that drive the lines in the place of `inputs`; None: spikes do.
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

    @property
    def neurons(self) -> int:
        """Neurons behind the crossbar."""
        return self.reads.neurons or self.outputs

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
        return rows_driven(self.reads, self.inputs, self.rows, steps, self.amplitudes, gain)

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
    hidden: tuple[int, ...]  # lines of each layer that sends spikes
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

    @classmethod
    def of(cls, network: "Plan", held: Held | None = None) -> "Sizes":
        """Those of a network that spikes, or held amplitudes, come into."""
        is_held = held is not None
        each = [Reads.of(layer, is_held=is_held and not layer.index) for layer in network.synaptic]
        return cls(
            network.inputs, network.hidden, network.names, network.crossbars, network.sources,
            tuple(layer.index for layer in network.synaptic), network.recurrent_rows_of,
            network.steps, network.dt_seconds, tuple(each),
            0.0 if held is None else held.unit, 0 if held is None else held.top,
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


def layers_of(
    network: Sizes, spikes: Sequence[Events], arrays: Sequence[Snapshot]
) -> tuple[LayerActivity, ...]:
    """The layers of a network.

    Args:
        network: Its sizes.
        spikes: Of the input and of every layer that sends some.
        arrays: The crossbars.
    """
    layers = []
    for i, (name, array, (rows, outputs)) in enumerate(
        zip(network.names, arrays, network.crossbars, strict=True)
    ):
        fed_back, sender = network.recurrent_rows_of[i], network.senders[i] + 1
        sent = spikes[sender] if sender < len(spikes) else None
        layers.append(
            LayerActivity(
                name=name,
                inputs=driven(
                    spikes[network.sources[i] + 1], sent if fed_back else None, rows - fed_back
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
            )
        )
    return tuple(layers)


def write_activity(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write `activity.npz` into a run folder, whole or not at all.

    Args:
        folder: Of the run.
        arrays: As `pack` gives them.

    Raises:
        OSError: It cannot be written; what was there is untouched.
    """
    save(folder / FILE, arrays)


def pack(
    network: "Plan", about: RunMetadata, spikes: Sequence[Events], arrays: Sequence[Snapshot]
) -> dict[str, np.ndarray]:
    """The arrays of an activity file.

    Args:
        network: Its sizes.
        about: What to say of the run beside it.
        spikes, arrays: See `layers_of`.
    """
    held = spikes[0].held
    header = json.dumps({"network": Sizes.of(network, held)._asdict(), "run": vars(about)})
    packed = {"about": np.frombuffer(header.encode(), np.uint8)}
    fields = [{name: getattr(events, name) for name in EVENTS} for events in spikes]
    for parts in (fields, [array._asdict() for array in arrays]):
        for i, part in enumerate(parts):
            packed |= {f"{i}.{name}": array for name, array in part.items()}
    return packed if held is None else packed | {HELD: held.codes}


def save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a file, whole or not at all.

    Raises:
        OSError: It cannot be written; what was there is untouched.
    """
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub wants the flag first
    atomic.write(path, file.getvalue())


def events_of(arrays: Mapping[str, np.ndarray], start: str, lines: int, steps: int) -> Events:
    """Events of a file.

    Raises:
        ValueError: They are no events of such a layer.
    """
    parts = [arrays[start + name] for name in EVENTS]
    events = Events(parts[0], parts[1], parts[2])
    kinds = [array.dtype for array in parts]
    if kinds != [np.uint16, np.uint8 if steps <= 255 else np.uint16, np.int64] or any(
        array.ndim != 1 for array in parts
    ):
        raise ValueError(f"{start}rows, times and offsets are no events")
    ends = events.offsets
    whole = len(ends) and ends[0] == 0 and ends[-1] == len(events.rows) == len(events.times)
    if not whole or (np.diff(ends) < 0).any():
        raise ValueError(f"{start}offsets do not fit the events")
    if events.rows.max(initial=0) >= lines or events.times.max(initial=0) >= steps:
        raise ValueError(f"{start}rows or times lie outside {lines} lines and {steps} steps")
    order = np.diff(events.times.astype(np.int32) << 16 | events.rows) > 0
    order[ends[(ends > 0) & (ends < len(events.rows))] - 1] = True  # a sample begins anew
    if not order.all():
        raise ValueError(f"{start}rows and times are not sorted")
    return events


def read_arrays(
    path: Path, wanted: str, only: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """The arrays of an npz file.

    Args:
        path: The file.
        wanted: End of the message if it cannot be read.
        only: Names of those that are read, all of them in the file; None for all.

    Raises:
        RunError: It cannot be read.
    """
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            return {name: file[name] for name in (file.files if only is None else only)}
    except UNREADABLE as e:
        raise RunError(f"{path} cannot be read ({reason(e)}); {wanted}") from e


def read_activity(folder: Path) -> Activity:
    """The activity of a run.

    Raises:
        RunError: It has none, or the file is damaged.
    """
    return read_run(folder)[0]


def read_run(folder: Path) -> tuple[Activity, RunMetadata]:
    """The activity of a run, and what the file says of the run beside it.

    Raises:
        RunError: It has none, or the file is damaged.
    """
    path, wanted = folder / FILE, f"write it anew with: xbar train --resume {folder}"
    if not (folder / "checkpoint.npz").is_file():
        raise RunError(f"{folder} is no run: it has no checkpoint.npz")
    if not path.is_file():
        if _reads_across(folder):
            wanted = "that of an inhibitory neuron is in no such file; summary.json has its reads"
        raise RunError(f"{folder} has no {FILE}, the spikes of its last test; {wanted}")
    arrays = read_arrays(path, wanted)
    try:
        return unpack(arrays)
    except (*UNREADABLE, ConfigError) as e:
        raise RunError(
            f"{path} is damaged, or of another version of xbar ({reason(e)}); {wanted}"
        ) from e


def _reads_across(folder: Path) -> bool:
    """Whether a run has an inhibitory neuron."""
    if not (folder / "config.yaml").is_file():
        return False
    from ..experiment.run import Run  # torch comes with it

    layers = Run.open(folder).config.network.layers
    return any(getattr(layer, "reads_across", False) for layer in layers)


def unpack(arrays: Mapping[str, np.ndarray]) -> tuple[Activity, RunMetadata]:
    """An activity from its arrays, as `pack` gave them.

    Raises:
        ValueError, KeyError, TypeError, ConfigError: They are no such arrays.
    """
    header = json.loads(arrays["about"].tobytes())
    network = Sizes(**from_json(header["network"]))
    network = network._replace(reads=tuple(Reads(*map(_tuple, each)) for each in network.reads))
    about = RunMetadata(**from_json(header["run"]))
    lines = network.inputs, *network.hidden
    spikes = [events_of(arrays, f"{i}.", n, network.steps) for i, n in enumerate(lines)]
    if network.top:
        held = Held(arrays[HELD], network.unit, network.top)
        if held.codes.shape != (len(spikes[0]), network.inputs) or held.codes.dtype != np.int16:
            raise ValueError("its amplitudes are not those of its input")
        spikes[0] = replace(spikes[0], held=held)
    crossbars = [
        Snapshot(*(arrays[f"{i}.{n}"] for n in Snapshot._fields))
        for i in range(len(network.crossbars))
    ]
    check_layers(network, spikes, crossbars)
    layers = layers_of(network, spikes, crossbars)
    return Activity(layers, len(spikes[0]), network.steps, network.dt_seconds, False), about


def from_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings from JSON, which knows no tuple."""
    return {n: _tuple(v) for n, v in settings.items()}


def _tuple(value: Any) -> Any:
    """A list as a tuple; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


def check_layers(network: Sizes, spikes: Sequence[Events], arrays: Sequence[Snapshot]) -> None:
    """Refuse what is no activity of such a network.

    Raises:
        ValueError: Why.
    """
    if len({len(events) for events in spikes}) > 1:
        raise ValueError("its layers saw different numbers of images")
    for (rows, _), (g, *counted) in zip(network.crossbars, arrays, strict=True):
        fits = g.ndim == 2 and len(g) == rows and g.dtype == np.float32
        if not fits or any(each.shape != (rows,) or each.dtype != np.int64 for each in counted):
            raise ValueError("its conductances are not those of its network")
        if not np.isfinite(g).all():
            raise ValueError("a conductance is not finite")
