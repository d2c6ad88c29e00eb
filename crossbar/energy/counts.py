"""Events of a network on a chip of tiles, counted; energies are these times a price each.

A word line that crosses several tiles is one line and has a driver in each. A tile converts its
columns in a step that drives one of its lines, and in no other: `conversions` is that count, and
`conversions_dense` what a chip without event gating does.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np

from device_models.errors import ConfigError, RunError
from device_models.npz import UNREADABLE, reason
from device_models.typed_json import checked, parse

from ..array.counters import Counters
from .activity import Activity, LayerActivity, RunMetadata
from .activity_file import read_arrays, read_run
from .reads import active_reads

COUNTED = (
    "set_pulses", "reset_pulses", "device_reads", "programming_operations", "programmed_devices",
    "write_joules", "read_joules", "row_activations", "column_conversions",
)  # fmt: skip


class _Pulses(TypedDict):
    """Of `_Array`."""

    mean: float
    max: float


class _Array(TypedDict):
    """Of `_Row`."""

    name: str
    pulses_per_device: _Pulses


class _Row(TypedDict):
    """Of `_Checkpoint`."""

    layers: tuple[_Array, ...]


class _Checkpoint(TypedDict):
    """What of a checkpoint is used here."""

    epoch: int
    counters: tuple[Counters, ...]
    rows: tuple[_Row, ...]


@dataclass(frozen=True)
class LayerCounts:
    """Totals of one layer over all inferences of an `Activity`.

    Attributes:
        name: As in the activity.
        rows: Word lines.
        outputs: Weights of a row.
        neurons: Behind the crossbar; more than outputs where positions share it.
        positions: Reads of a step that share the crossbar.
        reads: In all inferences, if none were left out.
        own_reads: Those of them that drive the row of an inhibitory neuron alone.
        columns: Bit lines.
        tiles_down: Tiles along a bit line: rows of tiles.
        tiles_across: Tiles along a word line.
        tile_rows: Word lines of a tile.
        tile_columns: Bit lines of a tile.
        dac_bits: Of the converters that set the amplitudes of its lines; 0 where spikes drive them.
        row_activations: (line, step) pairs that were driven, once per line.
        busiest_line: Activations of the word line that was driven most often.
        drives: The same per tile: a line has a driver in each tile that it crosses.
        active_steps: Of each row of tiles, reads with a driven line in it: of a layer without
            positions, (inference, step) pairs.
        conversions: Columns read out, gated: `columns` in each active read.
        conversions_dense: Columns read out if every row of tiles were read every time, of its own
            reads the one that the row lies in.
        neuron_updates: Neurons x steps x inferences; of amplitudes that come bit by bit, once each.
        spikes: Sent by its neurons.
        hops: Spikes x tiles that must hear of them: those across the next crossbar, and those
            across its own crossbar if the layer is recurrent; those of an inhibitory neuron these
            alone.
        siemens_activations: Conductance of a line summed over its activations, siemens; times
            V^2 t it is the energy of the reads. Read across, a bit line counts as an activation of
            the mean conductance of the row.
        siemens_dense: The same if every line were driven in every read but own ones.
        synaptic_operations: Connected synapses of a line summed over its activations; the devices
            of one weight count once.
        synaptic_operations_dense: Rows x outputs x reads but own ones.
        buffer_words: Conversions that wait for those of another row of tiles, input events, and
            spikes that are written into delays: each copy is an input event once more.
        delayed: Spikes that are written into delays.
        delay_bits: Memory of delays: of each line, one bit for each step of its longest one.
        adapting: Neurons whose threshold is updated in every step as well.
        utilisation: Devices of the array / devices of its tiles.
    """

    name: str
    rows: int
    outputs: int
    neurons: int
    positions: int
    reads: int
    own_reads: int
    columns: int
    tiles_down: int
    tiles_across: int
    tile_rows: int
    tile_columns: int
    dac_bits: int
    row_activations: int
    busiest_line: int
    drives: int
    active_steps: tuple[int, ...]
    conversions: int
    conversions_dense: int
    neuron_updates: int
    spikes: int
    hops: int
    siemens_activations: float
    siemens_dense: float
    synaptic_operations: int
    synaptic_operations_dense: int
    buffer_words: int
    delayed: int
    delay_bits: int
    adapting: int
    utilisation: float


@dataclass(frozen=True)
class WriteCounts:
    """What programming did to one array over a whole run, its reads included.

    Attributes:
        name: Of its layer.
        set_pulses, reset_pulses, device_reads, programming_operations, programmed_devices,
            write_joules, read_joules, row_activations, column_conversions: See
            `crossbar.array.counters.Counters`.
        pulses_per_device_mean: Over the devices that are ever programmed.
        pulses_per_device_max: Of the one that got most.
        endurance_pulses: That the device is said to last; None if its file does not say.
    """

    name: str
    set_pulses: int
    reset_pulses: int
    device_reads: int
    programming_operations: int
    programmed_devices: int
    write_joules: float
    read_joules: float
    row_activations: int
    column_conversions: int
    pulses_per_device_mean: float
    pulses_per_device_max: float
    endurance_pulses: float | None


@dataclass(frozen=True, eq=False, kw_only=True)
class RunCounts(RunMetadata):
    """A finished run as an estimate needs it; see also `RunMetadata`.

    Attributes:
        folder: Of the run.
        activity: Of its last test.
        training: Of every array.
    """

    folder: str
    activity: Activity
    training: tuple[WriteCounts, ...]


def count(activity: Activity, tile_rows: int, tile_columns: int) -> tuple[LayerCounts, ...]:
    """Count the events of an activity on tiles of one size.

    Args:
        activity: What the network did.
        tile_rows: Word lines of a tile.
        tile_columns: Bit lines of a tile.

    Raises:
        ConfigError: A tile has no line.
    """
    for name, lines in (("tile_rows", tile_rows), ("tile_columns", tile_columns)):
        if lines < 1:
            raise ConfigError(f"{name} = {lines} is outside [1, 65536] lines; nothing was counted")
    across = [-(-layer.columns // tile_columns) for layer in activity.layers]
    hearers = [
        after + (across_own if layer.recurrent_rows else 0)
        for layer, across_own, after in zip(activity.layers, across, [*across[1:], 0], strict=True)
    ]
    return tuple(
        count_layer(
            layer,
            heard,
            activity.inferences * (layer.steps or activity.steps),
            tile_rows,
            tile_columns,
        )
        for layer, heard in zip(activity.layers, hearers, strict=True)
    )


def count_layer(
    layer: LayerActivity, hearers: int, all_steps: int, tile_rows: int, tile_columns: int
) -> LayerCounts:
    """Count one layer.

    Args:
        layer: What it did.
        hearers: Tiles that a spike of its neurons goes to.
        all_steps: Steps of all inferences together.
        tile_rows: Word lines of a tile.
        tile_columns: Bit lines of a tile.
    """
    down, across = -(-layer.rows // tile_rows), -(-layer.columns // tile_columns)
    steps = all_steps // max(1, len(layer.inputs))
    reads = len(layer.inputs) * layer.reads.per_inference(steps)
    beside_reads = 0 if layer.beside is None else all_steps * layer.beside.repeats
    driven, squares = layer.rows_driven(steps)
    siemens = layer.siemens.sum(1, dtype=np.float64)
    activations, active = int(driven.sum()), active_steps(layer, tile_rows, steps)
    conversions = sum(active) * layer.columns
    return LayerCounts(
        name=layer.name,
        rows=layer.rows,
        outputs=layer.outputs,
        neurons=layer.neurons,
        positions=layer.reads.positions,
        reads=reads + beside_reads,
        own_reads=beside_reads,
        columns=layer.columns,
        tiles_down=down,
        tiles_across=across,
        tile_rows=tile_rows,
        tile_columns=tile_columns,
        dac_bits=layer.dac_bits,
        row_activations=activations,
        busiest_line=int(driven.max(initial=0)),
        drives=activations * across,
        active_steps=active,
        conversions=conversions,
        conversions_dense=layer.columns * (down * reads + beside_reads),
        neuron_updates=layer.neurons * all_steps // layer.planes,
        spikes=layer.spikes,
        hops=layer.fired * hearers + (layer.spikes - layer.fired) * across,
        siemens_activations=float(squares @ siemens),
        siemens_dense=float(siemens.sum()) * reads,
        synaptic_operations=layer.operations(layer.fan_out, steps),
        synaptic_operations_dense=layer.rows * layer.outputs * reads,
        buffer_words=(conversions if down > 1 else 0) + activations + layer.delayed,
        delayed=layer.delayed,
        delay_bits=layer.delay_bits,
        adapting=layer.adapting,
        utilisation=layer.rows * layer.columns / (down * across * tile_rows * tile_columns),
    )


def active_steps(layer: LayerActivity, tile_rows: int, steps: int) -> tuple[int, ...]:
    """Of each row of tiles, reads with a driven line in it, in inferences of so many steps.

    Of a layer that is read once a step these are (inference, step) pairs.
    """
    active = list(_active_steps(layer, tile_rows, steps))
    if layer.beside is not None:
        active[(layer.rows - 2) // tile_rows] += layer.beside.reads
    return tuple(active)


def _active_steps(layer: LayerActivity, tile_rows: int, steps: int) -> tuple[int, ...]:
    """`active_steps`, without the reads of an inhibitory neuron.

    Events are sorted by inference, step and line, so those of one pair and one row of tiles stand
    together: each of their groups has one first event.
    """
    events, down = layer.inputs, -(-layer.rows // tile_rows)
    if layer.reads.kernel or layer.reads.has_bias_row or layer.reads.is_held:
        return active_reads(layer.reads, events, layer.rows, steps, layer.amplitudes, tile_rows)
    if not len(events.rows):
        return (0,) * down
    tile = (np.arange(layer.rows) // tile_rows).astype(np.int32)[events.rows]
    first = np.empty(len(tile), bool)
    np.not_equal(events.times[1:], events.times[:-1], out=first[1:])
    first[1:] |= tile[1:] != tile[:-1]
    starts = events.offsets[:-1]
    first[starts[starts < len(first)]] = True
    return tuple(np.bincount(tile[first], minlength=down).tolist())


def counts_of_run(folder: Path) -> RunCounts:
    """What a run did, from its files alone.

    Raises:
        RunError: There is no run, its activity is missing, damaged or of another epoch than its
            checkpoint.
    """
    activity, about = read_run(folder)
    return run_counts(folder, activity, about, writes(folder, about))


def run_counts(
    folder: Path, activity: Activity, about: RunMetadata, training: tuple[WriteCounts, ...]
) -> RunCounts:
    """The record of a run."""
    return RunCounts(folder=str(folder), activity=activity, training=training, **vars(about))


def writes(folder: Path, about: RunMetadata) -> tuple[WriteCounts, ...]:
    """What the boards of a run counted up to its checkpoint.

    Raises:
        RunError: The checkpoint cannot be read, or is not of the activity's epoch.
    """
    path = folder / "checkpoint.npz"
    arrays = read_arrays(path, "the run is lost", ("about",))
    try:
        header = checked(_Checkpoint, parse(arrays["about"].tobytes()), "about")
        epoch, counters = header["epoch"], header["counters"]
        if not header["rows"]:
            raise ValueError("it has no epoch")
        wear = header["rows"][-1]["layers"]
        if len(wear) != len(counters):
            raise ValueError(f"it counts {len(counters)} arrays and names {len(wear)}")
    except UNREADABLE as e:
        raise RunError(f"{path} is damaged ({reason(e)}); the run is lost") from e
    if epoch != about.epochs:
        raise RunError(
            f"{folder}: its activity.npz is of epoch {about.epochs}, its checkpoint of epoch "
            f"{epoch}; finish it with: xbar train --resume {folder}"
        )
    return tuple(
        WriteCounts(
            name=array["name"],
            **{each: getattr(counted, each) for each in COUNTED},
            pulses_per_device_mean=array["pulses_per_device"]["mean"],
            pulses_per_device_max=array["pulses_per_device"]["max"],
            endurance_pulses=about.endurance_pulses,
        )
        for counted, array in zip(counters, wear, strict=True)
    )
