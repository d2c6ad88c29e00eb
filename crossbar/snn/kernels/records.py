"""What the kernels read and write: plain records of arrays.

Inside `run_chunk` the same records hold the arrays borrowed (`lanes.borrowed`): flat pointers, which
cost nothing to pass on.
"""

from typing import NamedTuple

import numpy as np


class Constants(NamedTuple):
    """Numbers of the network that no sample changes, floats in the dtype of the weights."""

    alpha: np.floating  # decay of the synaptic current per step
    beta: np.floating  # decay of the membrane per step
    threshold: np.floating
    surrogate_scale: np.floating
    one: np.floating
    spikes_most: np.floating  # of a hidden layer in a sample, beyond which they are penalised; or 0
    spikes_least: np.floating
    spikes_penalty: np.floating
    steps: int
    tile_rows: int
    classes: int  # without padding


class CrossbarRows(NamedTuple):
    """One crossbar as the kernels read it.

    The rows of a recurrent layer are the lines that come in, then its own neurons. Beside the
    weights of a row lie the variances of one of its activations, so that both arrive from memory
    together; without read noise there are none.
    """

    matrix: np.ndarray  # (rows, neurons) or (rows, 2 neurons): weights, weight units^2 of variance
    siemens: np.ndarray  # (rows,) float64: conductance a read of that row drives, siemens
    inputs: int  # rows of the lines that come in
    tile_of: np.ndarray  # (rows,) int32: row of tiles that each lies in
    neurons: int  # without padding
    width: int  # with padding
    stride: int  # numbers in a row of the matrix


class Samples(NamedTuple):
    """The samples of one chunk: events of sample i are `offsets[i]:offsets[i + 1]`, by time."""

    rows: np.ndarray  # (events,) uint16: input line
    times: np.ndarray  # (events,) uint8: step
    offsets: np.ndarray  # (all samples + 1,) int64
    labels: np.ndarray  # (all samples,) int64
    chosen: np.ndarray  # (samples,) int64: which samples this chunk runs
    first_key: int  # number of the chunk's first sample in the noise stream


class EventSlice(NamedTuple):
    """Events of one sample that come into a layer: `first:last` of the arrays, by time, by line."""

    rows: np.ndarray  # (events,) uint16
    times: np.ndarray  # (events,) uint8
    first: int
    last: int


class TimeBins(NamedTuple):
    """The steps of one sample in which lines spike; scratch that every sample overwrites.

    Volley i is the events `ends[i]:ends[i + 1]`, in step `steps[i]`; behind the last step stands -1.
    What belongs to it in other records stands in row i + 1; row 0 stands for no volley.
    """

    steps: np.ndarray  # (steps + 1,) int64
    ends: np.ndarray  # (steps + 1,) int64
    slots: np.ndarray  # (steps + 1,) int64: number of the volley of each step, from 1; 0 for none


class BatchStats(NamedTuple):
    """What a chunk of samples did; arrays are added to, except the two per sample.

    The last crossbar is that of the readout.
    """

    spikes: np.ndarray  # (hidden layers, neurons of the widest) int64
    predictions: np.ndarray  # (samples,) int64
    losses: np.ndarray  # (samples,) float64: cross-entropy
    activations: np.ndarray  # (crossbars,) int64: word lines driven
    tile_steps: np.ndarray  # (crossbars,) int64: (row tile, step) pairs with a driven line
    siemens: np.ndarray  # (crossbars,) float64: conductance summed over the driven word lines
    clipped: np.ndarray  # (crossbars,) int64: conversions above the range
    # Every spike of the hidden layers, sample by sample, by time and neuron; empty: none is kept.
    kept_rows: np.ndarray  # (hidden layers, room for all) uint16: neuron
    kept_times: np.ndarray  # (hidden layers, room for all) uint8: step
    kept_ends: np.ndarray  # (hidden layers, samples + 1) int64: where those of a sample end
    width: int  # neurons of the widest layer


class Columns(NamedTuple):
    """One layer behind its periphery; `columns` of the array, in the dtype of the weights.

    The errors are those of `crossbar.array.periphery`. Run r of the combination adds factor[r] times the
    converted column c + s i to output o + i, for i below its length, where (c, s, o, length) is
    runs[r] and s is 0 or 1.
    """

    columns: np.ndarray  # (rows, columns): conductances that reads see, weight units
    variance: np.ndarray  # (rows, columns): of one activation, weight units^2; (0, 0) without noise
    scale: np.ndarray  # (down, columns): LSB per weight unit, with gain and droop
    offset: np.ndarray  # (down, columns) LSB
    parabola: np.ndarray  # (down, columns) LSB
    cubic: np.ndarray  # (down, columns) LSB
    stuck: np.ndarray  # (down, columns): code, or -1
    lsb: np.floating  # weight units; 1 without converters
    top: np.floating  # highest code
    noise: np.floating  # LSB, spread of a conversion
    runs: np.ndarray  # (runs, 4) int64
    factors: np.ndarray  # (runs,)
    gain: np.ndarray  # (outputs,) of the neurons
    injected: np.ndarray  # (outputs,): offset of the neurons
    keep: np.floating
    ceiling: np.floating
    converts: bool  # False: neurons integrate the currents themselves


class LayerTrace(NamedTuple):
    """The time course of one layer in one sample; scratch that every sample overwrites.

    `trace` is the membrane of each step, and then the derivative of the loss by what the step
    drives; the events are the spikes, by time and neuron.
    """

    drive: np.ndarray  # (steps + 1, 2 neurons): what volleys drive, and its variance; row 0 is 0
    trace: np.ndarray  # (steps + 1, neurons)
    errors: np.ndarray  # (steps + 1, neurons): derivative of the loss by the spikes of each step
    fired: np.ndarray  # (steps, 4 words) uint16: who spikes in each step, a bit each
    rows: np.ndarray  # (steps x neurons,) uint16
    times: np.ndarray  # (steps x neurons,) uint8
    work: np.ndarray  # (2 x neurons,): state of a layer that drives itself
    width: int  # neurons, padding included
    words: int  # of 64 neurons each that `fired` holds of a step


class OutputTrace(NamedTuple):
    """The readout in one sample; scratch that every sample overwrites. All (classes,) and more."""

    drive: np.ndarray  # (steps + 1, 2 classes): see `LayerTrace`
    trace: np.ndarray  # (steps + 1, classes)
    best: np.ndarray  # maximum of every class over time
    when: np.ndarray  # first step that reaches it, 0 if none does; as floats, for the lanes' sake
    error: np.ndarray  # derivative of the loss by `best`
    class_error: (
        np.ndarray
    )  # (classes + 1, neurons of the last hidden layer): see `backward.inject_loss`
    class_error_slots: (
        np.ndarray
    )  # (steps + 1,) int64: row of `class_error` that each step takes in
    width: int  # classes, padding included


class Scratch(NamedTuple):
    """What every sample overwrites; of one thread."""

    courses: tuple[LayerTrace, ...]  # of the hidden layers
    scores: OutputTrace
    volleys: tuple[TimeBins, ...]  # of what comes into each crossbar
