"""What the kernels read and write: plain records of arrays.

Inside `run_chunk` the same records hold the pointers of the arrays (`simd.data_pointer`), which
cost nothing to pass on.
"""

from typing import Any, NamedTuple

import numpy as np


class Constants(NamedTuple):
    """Numbers of the network that no sample changes, floats in the dtype of the weights."""

    one: np.floating
    spikes_most: np.floating  # of a hidden layer in a sample, beyond which they are penalised; or 0
    spikes_least: np.floating
    spikes_penalty: np.floating
    steps: int
    tile_rows: int
    crossbars: int
    is_restless: int  # whether neurons may spike before anything comes in: a bias drives them
    rates: Any = None  # `rates.RateBounds`; None: spikes of single neurons are not bounded


class CrossbarRows(NamedTuple):
    """One crossbar as the kernels read it.

    The rows of a recurrent layer are the lines that come in, then its own neurons. Beside the
    weights of a row lie the variances of one of its activations, so that both arrive from memory
    together; without read noise there are none. Of a layer without synapses all is empty.
    """

    matrix: np.ndarray  # (rows, neurons) or (rows, 2 neurons): weights, weight units^2 of variance
    siemens: np.ndarray  # (lines and rows behind them,) float64: conductance that each drives
    inputs: int  # rows of the lines that come in
    tile_of: np.ndarray  # (rows,) int32: row of tiles that each lies in
    neurons: int  # without padding
    width: int  # weights of a row, with padding
    stride: int  # numbers in a row of the matrix
    windows: np.ndarray  # (lines, 4) int32: of a convolution, see `convolution`; empty of others
    corners: np.ndarray  # (positions,) int32: first line of each one's kernel, channels innermost


class Samples(NamedTuple):
    """The samples of one chunk: events of sample i are `offsets[i]:offsets[i + 1]`, by time."""

    rows: np.ndarray  # (events,) uint16: input line
    times: np.ndarray  # (events,) uint8, of more than 255 steps uint16: step
    offsets: np.ndarray  # (all samples + 1,) int64
    labels: np.ndarray  # (all samples,) int64
    chosen: np.ndarray  # (samples,) int64: which samples this chunk runs
    first_key: int  # number of the chunk's first sample in the noise stream
    held: np.ndarray = np.zeros((0, 0), np.int16)  # (all samples, lines): amplitudes, not spikes
    unit: float = 1.0  # of one of them


class EventSlice(NamedTuple):
    """Events of one sample that come into a layer: `first:last` of the arrays, by time, by line."""

    rows: np.ndarray  # (events,) uint16
    times: np.ndarray  # (events,) as in `Samples`
    first: int
    last: int


class TimeBins(NamedTuple):
    """The steps of one sample in which lines spike; scratch that every sample overwrites.

    Bin i is the events `ends[i]:ends[i + 1]`, in step `steps[i]`; behind the last step stands -1.
    What belongs to it in other records stands in row i + 1; row 0 stands for no bin. Line r of many
    events (`by_line`) spikes in the steps `line_times[line_ends[r] : line_ends[r + 1]]`.
    """

    steps: np.ndarray  # (steps + 1,) int64
    ends: np.ndarray  # (steps + 2,) int64
    slots: np.ndarray  # (steps + 1,) int64: number of the bin of each step, from 1; 0 for none
    line_ends: np.ndarray  # (lines + 2,) int64
    line_times: np.ndarray  # (capacity,), as in `Samples`
    panel: (
        np.ndarray
    )  # (steps + 2, `gather_scatter.WIDE` blocks): what is near while lines are taken
    lines: int
    capacity: int  # events that `line_times` holds; 0: no event is ordered by its line


class BatchStats(NamedTuple):
    """What a chunk of samples did; arrays are added to, except the two per sample."""

    spikes: np.ndarray  # (layers, neurons of the widest) int64
    predictions: np.ndarray  # (samples,) int64
    losses: np.ndarray  # (samples,) float64
    activations: np.ndarray  # (crossbars,) int64: word lines driven
    tile_steps: np.ndarray  # (crossbars,) int64: (row tile, step) pairs with a driven line
    siemens: np.ndarray  # (crossbars,) float64: conductance summed over the driven word lines
    clipped: np.ndarray  # (crossbars,) int64: conversions above the range
    # Every spike of the layers, sample by sample, by time and neuron; empty: none is recorded.
    # (layers, buffer for all); once shrunk, one array of each layer.
    recorded_rows: Any  # uint16: neuron; behind all the one beside
    recorded_times: Any  # as in `Samples`: step
    recorded_ends: np.ndarray  # (layers, samples + 1) int64: where those of a sample end
    width: int  # neurons of the widest layer


class ConverterErrors(NamedTuple):
    """Errors of the converters of one layer, (down, columns) each; `crossbar.array.periphery`."""

    offset: np.ndarray  # LSB
    parabola: np.ndarray  # LSB
    cubic: np.ndarray  # LSB
    stuck: np.ndarray  # code, or -1


class Converters(NamedTuple):
    """The converters of one layer."""

    scale: np.ndarray  # (down, columns): LSB per weight unit, with gain and droop
    errors: ConverterErrors | None  # None: they have none beyond their gain
    top: np.floating  # highest code
    noise: np.floating  # LSB, spread of a conversion


class Columns(NamedTuple):
    """One layer behind its periphery, in the dtype of the weights; columns and outputs are padded.

    Run r of the combination adds factor[r] times the converted column c + s i to output o + i, for
    i below its length, where (c, s, o, length) is runs[r] and s is 0 or 1.
    """

    matrix: (
        np.ndarray
    )  # (rows, columns) or (rows, 2 columns): conductances, variances; weight units
    width: int  # columns
    stride: int  # numbers in a row of the matrix
    converters: Converters | None  # None: neurons integrate the currents themselves
    lsb: np.floating  # weight units; 1 without converters
    runs: np.ndarray  # (runs, 4) int64
    factors: np.ndarray  # (runs,)
    gain: np.ndarray  # (outputs,) of the neurons
    injected: np.ndarray  # (outputs,): offset of the neurons, in steps that drive a line
    sums: np.ndarray  # (2 columns,): scratch of one thread


class Integrator(NamedTuple):
    """Neurons that keep currents on a capacitor; see `crossbar.array.periphery.Neurons`."""

    keep: np.floating
    ceiling: np.floating


class LayerKind(NamedTuple):
    """What a layer is made of: the types pick its kernels."""

    topology: Any
    neuron: Any
    front: Any  # `Columns`, or None
    integrator: Any  # `Integrator`, or None


class LayerTrace(NamedTuple):
    """What one layer does in one sample; scratch that every sample overwrites.

    `membranes` are those of each step, and then the derivative of the loss by what the step drives;
    the events are the spikes, by time and neuron.
    """

    drive: np.ndarray  # (steps + 1, 2 neurons): what bins drive, and its variance; row 0 is 0
    membranes: np.ndarray  # (steps + 1, neurons)
    errors: np.ndarray  # (steps + 1, neurons): derivative of the loss by the spikes of each step
    fired: np.ndarray  # (steps, 4 words) uint16: who spikes in each step, a bit each
    rows: np.ndarray  # (steps x neurons,) uint16
    times: np.ndarray  # (steps x neurons,), as in `Samples`
    # (2 x states x neurons + steps,): state of neurons that step together, and a variance; behind
    # them a number of each step.
    work: np.ndarray
    width: int  # neurons, padding included
    words: int  # of 64 neurons each that `fired` holds of a step
    values: np.ndarray  # (lines,): amplitudes of the sample, of the first layer where they are held
    maps: np.ndarray  # scratch of a convolution: what its positions add up to, errors of its lines
    # (positions x (1 + words) + rows,) int64: tiles that a position drives in a step, a bit each,
    # then the rows that it drives; behind these masks rows are listed.
    marks: np.ndarray


class LayerArrays(NamedTuple):
    """All arrays of one layer; of one thread."""

    crossbar: CrossbarRows
    trace: LayerTrace
    bins: TimeBins  # of what comes in
    recurrent_bins: TimeBins  # of its own spikes, where they drive it; of those of a neuron beside
    back: np.ndarray  # (rows, neurons): the weights that carry the error back
    gradient: np.ndarray  # (rows, neurons), added to
    trained: np.ndarray  # (numbers, neurons): what each neuron has of its own, `neuron.of_block`
    by_trained: np.ndarray  # the same: its gradient, added to
    number: int  # of the layer
    place: int  # of its crossbar; -1 without
    is_penalised: int  # whether its number of spikes is bounded
    takes_injected: int  # see `topology.protocol`
    beside: int  # neurons whose spikes stay in the layer, see `plan.LayerPlan`: 0 or 1
    group: int  # where its `LayerKind` stands, see `bptt.run_chunk`
    kind: int


class Company(NamedTuple):
    """Samples that one layer sweeps back together."""

    layers: Any  # `LayerArrays` of each, pointers
    starts: np.ndarray  # (samples,) int64: steps where the sweeps end
    lasts: np.ndarray  # (samples,) int64: and begin
    size: int  # samples; those behind are of no interest


class Injected(NamedTuple):
    """What linear output neurons inject into the layer before; see `backward`."""

    neuron: Any  # numbers of the output neurons
    rows: np.ndarray  # (steps + 2, neurons of the layer before); row 0 is 0
    slots: np.ndarray  # (steps + 1,) int64: row that each step takes in
    back: np.ndarray  # (classes, neurons of the layer before): output weights, transposed
