"""Event-driven forward and backward pass of the two-layer spiking network, sample by sample.

The dense reference is `crossbar.snn.reference`; its docstring holds the equations. Rows of the
weight matrix are gathered where an input line spiked; the error of a step is scattered where a
weight gradient is due, so the cost follows the spikes. The backward sweep never forms the gradient
of the readout per step and class: with

    A[t] = W2 dL/dF[t] = B[t+1] + alpha A[t+1]
    B[t] = W2 dL/dO[t] = beta B[t+1] + (what the loss injects at step t)

the error that reaches the hidden neurons costs two multiply-adds per neuron and step, whatever the
number of classes.

`forward_converted` is `forward` behind the periphery of `crossbar.periphery`: it adds up columns,
not weights, and turns the columns of one tile into numbers before the next tile is added. The
ideal path stays a function of its own, because it must stay fast.

All kernels share this file, which makes it long: a cached kernel does not notice a change
elsewhere.
"""

import math
from typing import NamedTuple

import numpy as np

from ..jit import jit

_f32, _u32, _i32, _u64 = np.float32, np.uint32, np.int32, np.uint64
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads small numbers over all bits
_ANGLE = np.float32(math.pi / 2.0**32)  # half of 2 pi / 2^32: sin and cos come from the half angle


class Constants(NamedTuple):
    """Numbers of the network that no sample changes, in the dtype of the weights."""

    alpha: np.floating  # decay of the synaptic current per step
    beta: np.floating  # decay of the membrane per step
    threshold: np.floating
    surrogate_scale: np.floating
    one: np.floating
    steps: int
    tile_rows: int


class Weights(NamedTuple):
    """One network as the kernels read it; the variances are empty (0, 0) without read noise."""

    w1: np.ndarray  # (inputs, hidden)
    w2: np.ndarray  # (hidden, classes)
    variance1: np.ndarray  # (inputs, hidden): read-noise variance of one activation, weight units^2
    variance2: np.ndarray  # (hidden, classes)
    siemens1: np.ndarray  # (inputs,) float64: conductance a read of that row drives, siemens
    siemens2: np.ndarray  # (hidden,) float64


class Samples(NamedTuple):
    """The samples of one chunk: events of sample i are `offsets[i]:offsets[i + 1]`, by time."""

    rows: np.ndarray  # (events,) uint16: input line
    times: np.ndarray  # (events,) uint8: step
    offsets: np.ndarray  # (all samples + 1,) int64
    labels: np.ndarray  # (all samples,) int64
    chosen: np.ndarray  # (samples,) int64: which samples this chunk runs
    first_key: int  # number of the chunk's first sample in the noise stream


class Tally(NamedTuple):
    """What a chunk of samples did; arrays are added to, except the two per sample."""

    spikes: np.ndarray  # (hidden,) int64
    predictions: np.ndarray  # (samples,) int64
    losses: np.ndarray  # (samples,) float64: cross-entropy
    activations: np.ndarray  # (2,) int64: word lines driven, per layer
    tile_steps: np.ndarray  # (2,) int64: (row tile, step) pairs with a driven line, per layer
    siemens: np.ndarray  # (2,) float64: conductance summed over the driven word lines, per layer


class Columns(NamedTuple):
    """One layer behind its periphery; `columns` of the array, in the dtype of the weights.

    The errors are those of `crossbar.periphery`. Run r of the combination adds factor[r] times the
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


class Front(NamedTuple):
    """The periphery of both layers."""

    hidden: Columns
    readout: Columns
    clipped: np.ndarray  # (2,) int64: conversions above the range, per layer; added to


class Gradient(NamedTuple):
    """Sum over samples of the gradient of the loss; added to."""

    w1: np.ndarray  # (inputs, hidden)
    w2: np.ndarray  # (hidden, classes)


@jit
def mix32(x):
    """Bijective hash of 32 bits: `lowbias32` of C. Wellons' hash-prospector (2018)."""
    x = _u32(x ^ (x >> _u32(16)))
    x = _u32(x * _u32(0x7FEB352D))
    x = _u32(x ^ (x >> _u32(15)))
    x = _u32(x * _u32(0x846CA68B))
    return _u32(x ^ (x >> _u32(16)))


@jit
def mix64(x):
    """Bijective hash of 64 bits: the finaliser of SplitMix64 (Steele et al., OOPSLA 2014)."""
    x = (x ^ (x >> _u64(30))) * _u64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> _u64(27))) * _u64(0x94D049BB133111EB)
    return x ^ (x >> _u64(31))


@jit
def exponential(bits):
    """-ln(u) of u = (bits / 2^8 + 1/2) / 2^24; the logarithm is that of the Cephes library."""
    u = _f32((_f32(_i32(bits >> _u32(8))) + _f32(0.5)) * _f32(2.0**-24))
    raw = u.view(_i32)
    mantissa = _i32((raw & _i32(0x007FFFFF)) | _i32(0x3F800000)).view(_f32)
    exponent = _f32(_i32(raw >> _i32(23)) - _i32(127))
    big = mantissa > _f32(1.41421356)
    exponent = _f32(exponent + _f32(1.0)) if big else exponent
    x = _f32((mantissa * _f32(0.5) if big else mantissa) - _f32(1.0))
    p = _f32(7.0376836292e-2)
    p = p * x + _f32(-1.1514610310e-1)
    p = p * x + _f32(1.1676998740e-1)
    p = p * x + _f32(-1.2420140846e-1)
    p = p * x + _f32(1.4249322787e-1)
    p = p * x + _f32(-1.6668057665e-1)
    p = p * x + _f32(2.0000714765e-1)
    p = p * x + _f32(-2.4999993993e-1)
    p = p * x + _f32(3.3333331174e-1)
    return -(x - _f32(0.5) * x * x + x * x * x * p + exponent * _f32(0.69314718056))


@jit
def draw_normals(key, step, out):
    """Fill `out` (even length) with standard normals that depend on (key, step, place) alone.

    Box and Muller, Ann. Math. Statist. 29(2), 610-611, 1958, on counter-based bits: no state, so
    the numbers do not depend on threads or on what was drawn before. Tails end at 5.9 sigma.
    """
    half = out.shape[0] // 2
    both = mix64(_u64(key) + _u64(step + 1) * _GOLDEN)
    low, high = _u32(both & _u64(0xFFFFFFFF)), _u32(both >> _u64(32))
    for j in range(half):
        a = mix32(_u32(low + _u32(j)))
        b = mix32(_u32(a ^ high))
        radius = np.sqrt(_f32(2.0) * exponential(a))
        h = _f32(_i32(b)) * _ANGLE
        q = h * h
        s = _f32(-1.98409e-4) + q * _f32(2.7526e-6)
        s = h * (_f32(1.0) + q * (_f32(-0.16666666) + q * (_f32(8.333331e-3) + q * s)))
        c = _f32(2.47637e-5) + q * _f32(-2.6e-7)
        c = _f32(4.1666642e-2) + q * (_f32(-1.388812e-3) + q * c)
        c = _f32(1.0) + q * (_f32(-0.5) + q * c)
        out[j] = radius * _f32(2.0) * s * c
        out[half + j] = radius * (_f32(1.0) - _f32(2.0) * s * s)


@jit
def sample_key(seed, number, layer):
    """Key (uint64) of one sample's read noise in one layer."""
    return mix64(mix64(_u64(seed) + _u64(number) * _GOLDEN) + _u64(layer + 1) * _GOLDEN)


@jit
def add_noise(current, variance, normals, key, step):
    """Add one draw per column, of the variance summed over the driven word lines; clear the sum."""
    draw_normals(key, step, normals)
    for j in range(current.shape[0]):
        current[j] += np.sqrt(variance[j]) * normals[j]
        variance[j] = 0.0


@jit
def lif_step(now, after, current, alpha, beta, threshold):
    """One step of all hidden neurons; returns how many fire.

    A function of its own with a 32-bit counter: only so is the loop vectorised, and four times as
    fast (the compiler has to see that the rows do not overlap).
    """
    fired = _i32(0)
    for j in range(now.shape[0]):
        spike = now[j] > threshold
        fired = _i32(fired + _i32(spike))
        after[j] = alpha - alpha if spike else beta * now[j] + current[j]
        current[j] = alpha * current[j]
    return fired


@jit
def forward(samples, which, weights, c, keys, traces, work, tally):
    """One sample through the network; keeps the membrane of every step and the readout trace.

    Longer than a screen on purpose: split at the event loop, arrays would change hands every step.

    Args:
        samples, which: The sample is `samples.chosen[which]`.
        weights: Effective weights, variances and row conductances.
        c: Constants of the network.
        keys: (2,) uint64, noise keys of the two layers.
        traces: (membrane (steps + 1, hidden), readout (steps + 1, classes)); overwritten.
        work: Scratch rows (current, variance1, normals1, input of the readout, variance2, normals2).
        tally: Counters, added to.
    """
    membrane, readout = traces
    current, sum1, normals1, drive, sum2, normals2 = work
    hidden, classes = weights.w2.shape
    noisy1, noisy2 = weights.variance1.shape[0] > 0, weights.variance2.shape[0] > 0
    event, last = samples.offsets[samples.chosen[which]], samples.offsets[samples.chosen[which] + 1]
    start = int(samples.times[event]) if event < last else c.steps
    zero = c.one - c.one
    current[:] = zero
    drive[:] = zero
    membrane[: start + 1] = zero
    readout[: start + 1] = zero
    for t in range(start, c.steps):
        now = membrane[t]
        fired = lif_step(now, membrane[t + 1], current, c.alpha, c.beta, c.threshold)
        tile = -1
        while event < last and samples.times[event] == t:
            row = samples.rows[event]
            for j in range(hidden):
                current[j] += weights.w1[row, j]
            if noisy1:
                for j in range(hidden):
                    sum1[j] += weights.variance1[row, j]
            if row // c.tile_rows != tile:
                tile = row // c.tile_rows
                tally.tile_steps[0] += 1
            tally.siemens[0] += weights.siemens1[row]
            tally.activations[0] += 1
            event += 1
        if noisy1 and tile >= 0:
            add_noise(current, sum1[:hidden], normals1, keys[0], t)
        for k in range(classes):
            readout[t + 1, k] = c.beta * readout[t, k] + drive[k]
            drive[k] = c.alpha * drive[k]
        if fired > 0:
            tile = -1
            for j in range(hidden):
                if now[j] > c.threshold:
                    for k in range(classes):
                        drive[k] += weights.w2[j, k]
                    if noisy2:
                        for k in range(classes):
                            sum2[k] += weights.variance2[j, k]
                    if j // c.tile_rows != tile:
                        tile = j // c.tile_rows
                        tally.tile_steps[1] += 1
                    tally.siemens[1] += weights.siemens2[j]
                    tally.spikes[j] += 1
            tally.activations[1] += fired
            if noisy2:
                add_noise(drive, sum2[:classes], normals2, keys[1], t)
    return start


@jit
def convert(sums, layer, tile, normals):
    """Columns of one tile, weight units, become codes; returns how many are clipped.

    Codes stay whole numbers until all are added, as on the digital side: what cancels is 0.
    See `crossbar.periphery`; `normals` are the noise of these conversions.
    """
    one, zero = layer.top / layer.top, layer.top - layer.top
    scale, offset, stuck = layer.scale[tile], layer.offset[tile], layer.stuck[tile]
    parabola, cubic = layer.parabola[tile], layer.cubic[tile]
    per_code = one / layer.top
    above = _i32(0)
    for j in range(sums.shape[0]):
        x = sums[j] * scale[j] + offset[j] + layer.noise * normals[j]
        u = min(max(x * per_code, zero), one)
        x += u * (one - u) * (parabola[j] + cubic[j] * (one - u - u))
        code = np.rint(x)
        working = stuck[j] < zero
        above = _i32(above + _i32(working and code > layer.top))
        code = min(max(code, zero), layer.top)
        sums[j] = code if working else stuck[j]
    return above


@jit
def read_out(sums, variance, drawn, layer, tile, key, step, normals):
    """Read noise, conversion, combination of one tile's columns, added to `drawn`; clears the sums.

    Args:
        sums: (columns,) current of the driven lines of the tile, weight units.
        variance: (columns,) of its read noise; (0,) without.
        drawn: (outputs,) what the digital side has of this step, in LSB; added to.
        layer: The periphery.
        tile: Row of tiles.
        key: (2,) uint64, noise keys of reads and of conversions.
        step: Number of this read-out in the noise stream of the sample.
        normals: Scratch of even length, at least (columns,).

    Returns:
        Conversions above the range.
    """
    if variance.shape[0] > 0:
        add_noise(sums, variance, normals, key[0], step)
    above = 0
    if layer.converts:
        if layer.noise > 0.0:
            draw_normals(key[1], step, normals)  # else they are finite and count zero times
        above = convert(sums, layer, tile, normals)
    combine(sums, drawn, layer.runs, layer.factors)
    sums[:] = 0.0
    return above


@jit
def combine(sums, drawn, runs, factors):
    """Add columns to outputs, run by run; see `Columns`."""
    for r in range(runs.shape[0]):
        column, output, length, factor = runs[r, 0], runs[r, 2], runs[r, 3], factors[r]
        to = drawn[output : output + length]
        if runs[r, 1] == 0:
            shared = factor * sums[column]
            for j in range(to.shape[0]):
                to[j] += shared
        else:
            own = sums[column : column + length]
            for j in range(to.shape[0]):
                to[j] += factor * own[j]


@jit
def take_in(current, drawn, layer):
    """Neurons take up what one step drew; clears it. See `crossbar.periphery.Neurons`."""
    for j in range(layer.gain.shape[0]):
        q = current[j] + layer.gain[j] * (layer.lsb * drawn[j]) + layer.injected[j]
        current[j] = min(max(q, -layer.ceiling), layer.ceiling)
        drawn[j] = 0.0


@jit
def add_row(sums, variance, layer, row):
    """One driven word line."""
    for j in range(sums.shape[0]):
        sums[j] += layer.columns[row, j]
    for j in range(variance.shape[0]):
        variance[j] += layer.variance[row, j]


@jit
def forward_converted(samples, which, weights, c, front, keys, traces, work, tally):
    """`forward` behind a periphery: same arguments and results, longer for the same reason.

    Args:
        samples, which, weights, c, traces, tally: See `forward`; of `weights` only the conductances
            of the rows are read.
        front: The periphery.
        keys: (2, 2) uint64, noise keys (reads, conversions) of the two layers.
        work: Scratch (current, drive, then per layer: sums, variance, drawn, normals); the sums and
            what is drawn are zero between calls.
    """
    membrane, readout = traces
    current, drive, sums1, noise1, drawn1, normals1, sums2, noise2, drawn2, normals2 = work
    one, two = front.hidden, front.readout
    hidden, classes = current.shape[0], drive.shape[0]
    event, last = samples.offsets[samples.chosen[which]], samples.offsets[samples.chosen[which] + 1]
    start = int(samples.times[event]) if event < last else c.steps
    zero = c.one - c.one
    current[:] = zero
    drive[:] = zero
    membrane[: start + 1] = zero
    readout[: start + 1] = zero
    for t in range(start, c.steps):
        now = membrane[t]
        fired = lif_step(now, membrane[t + 1], current, c.alpha, c.beta, c.threshold)
        if one.keep < c.one:
            for j in range(hidden):
                current[j] *= one.keep
        tile = -1
        while event < last and samples.times[event] == t:
            row = int(samples.rows[event])
            if row // c.tile_rows != tile:
                if tile >= 0 and one.converts:
                    at = t + c.steps * tile
                    front.clipped[0] += read_out(
                        sums1, noise1, drawn1, one, tile, keys[0], at, normals1
                    )
                tile = row // c.tile_rows
                tally.tile_steps[0] += 1
            add_row(sums1, noise1, one, row)
            tally.siemens[0] += weights.siemens1[row]
            tally.activations[0] += 1
            event += 1
        if tile >= 0:
            at = t + c.steps * tile
            front.clipped[0] += read_out(sums1, noise1, drawn1, one, tile, keys[0], at, normals1)
            take_in(current, drawn1, one)
        for k in range(classes):
            readout[t + 1, k] = c.beta * readout[t, k] + drive[k]
            drive[k] = c.alpha * two.keep * drive[k]
        if fired > 0:
            tile = -1
            for j in range(hidden):
                if now[j] > c.threshold:
                    if j // c.tile_rows != tile:
                        if tile >= 0 and two.converts:
                            at = t + c.steps * tile
                            front.clipped[1] += read_out(
                                sums2, noise2, drawn2, two, tile, keys[1], at, normals2
                            )
                        tile = j // c.tile_rows
                        tally.tile_steps[1] += 1
                    add_row(sums2, noise2, two, j)
                    tally.siemens[1] += weights.siemens2[j]
                    tally.spikes[j] += 1
            tally.activations[1] += fired
            at = t + c.steps * tile
            front.clipped[1] += read_out(sums2, noise2, drawn2, two, tile, keys[1], at, normals2)
            take_in(drive, drawn2, two)
    return start


@jit
def hidden_events(samples, weights, c, out):
    """Which hidden neurons fire when, on the ideal path without noise.

    Args:
        samples, weights, c: See `run_chunk`; the variances are empty.
        out: (samples, steps, hidden) bool, overwritten.
    """
    hidden, classes = weights.w2.shape
    kind = weights.w1.dtype
    traces = (np.zeros((c.steps + 1, hidden), kind), np.zeros((c.steps + 1, classes), kind))
    work = scratch(hidden, classes, kind)
    n = samples.chosen.shape[0]
    tally = Tally(
        np.zeros(hidden, np.int64),
        np.zeros(n, np.int64),
        np.zeros(n),
        np.zeros(2, np.int64),
        np.zeros(2, np.int64),
        np.zeros(2),
    )
    for i in range(n):
        forward(samples, i, weights, c, np.zeros(2, np.uint64), traces, work, tally)
        for t in range(c.steps):
            for j in range(hidden):
                out[i, t, j] = traces[0][t, j] > c.threshold


@jit
def scratch(hidden, classes, kind):
    """The scratch rows of `forward`."""
    return (
        np.zeros(hidden, kind),
        np.zeros(hidden, kind),
        np.zeros(hidden + hidden % 2, np.float32),
        np.zeros(classes, kind),
        np.zeros(classes, kind),
        np.zeros(classes + classes % 2, np.float32),
    )


@jit
def converted_scratch(hidden, classes, front, kind):
    """The scratch rows of `forward_converted`."""
    n, m = front.hidden.columns.shape[1], front.readout.columns.shape[1]
    return (
        np.zeros(hidden, kind),
        np.zeros(classes, kind),
        np.zeros(n, kind),
        np.zeros(n if front.hidden.variance.shape[0] > 0 else 0, kind),
        np.zeros(hidden, kind),
        np.zeros(n + n % 2, np.float32),
        np.zeros(m, kind),
        np.zeros(m if front.readout.variance.shape[0] > 0 else 0, kind),
        np.zeros(classes, kind),
        np.zeros(m + m % 2, np.float32),
    )


@jit
def loss(readout, label, error, when):
    """Cross-entropy of the maximum over time (first one on a tie); its gradient goes to `error`."""
    best = 0
    for k in range(readout.shape[1]):
        when[k] = 0
        for t in range(1, readout.shape[0]):
            if readout[t, k] > readout[when[k], k]:
                when[k] = t
        if readout[when[k], k] > readout[when[best], best]:
            best = k
    top = readout[when[best], best]
    total = 0.0
    for k in range(readout.shape[1]):
        total += math.exp(readout[when[k], k] - top)
    for k in range(readout.shape[1]):
        error[k] = math.exp(readout[when[k], k] - top) / total - (1.0 if k == label else 0.0)
    return best, math.log(total) - (readout[when[label], label] - top)


@jit
def backward(samples, which, weights, c, membrane, start, error, when, work, gradient):
    """Add one sample's weight gradient; the sweep runs from the last maximum to the first event."""
    g_current, g_membrane, a, b, g_f, g_o = work
    hidden, classes = weights.w2.shape
    first, event = (
        samples.offsets[samples.chosen[which]],
        samples.offsets[samples.chosen[which] + 1],
    )
    zero = c.one - c.one
    for scratch in (g_current, g_membrane, a, b, g_f, g_o):
        scratch[:] = zero
    last = 0
    for k in range(classes):
        last = max(last, when[k])
    while event > first and samples.times[event - 1] >= last:
        event -= 1
    for t in range(last, start - 1, -1):
        while event > first and samples.times[event - 1] == t:
            event -= 1
            row = samples.rows[event]
            for j in range(hidden):
                gradient.w1[row, j] += g_current[j]
        fired = _i32(0)  # 32 bits: a wider counter would keep the loop from being vectorised
        for j in range(hidden):
            v = membrane[t, j]
            spike = v > c.threshold
            fired = _i32(fired + _i32(spike))
            passed = zero if spike else g_membrane[j]
            g_current[j] = c.alpha * g_current[j] + passed
            slope = c.one / (c.surrogate_scale * abs(v - c.threshold) + c.one)
            g_membrane[j] = c.beta * passed + a[j] * slope * slope
            a[j] = b[j] + c.alpha * a[j]
            b[j] = c.beta * b[j]
        if fired > 0:
            for j in range(hidden):
                if membrane[t, j] > c.threshold:
                    for k in range(classes):
                        gradient.w2[j, k] += g_f[k]
        for k in range(classes):
            g_f[k] = g_o[k] + c.alpha * g_f[k]
            g_o[k] = c.beta * g_o[k]
            if when[k] == t and t > 0:
                g_o[k] += error[k]
                for j in range(hidden):
                    b[j] += error[k] * weights.w2[j, k]


@jit
def backward_scratch(hidden, classes, kind):
    """The scratch rows of `finish`: error, when, and those of `backward`."""
    rows = (
        np.zeros(hidden, kind),
        np.zeros(hidden, kind),
        np.zeros(hidden, kind),
        np.zeros(hidden, kind),
        np.zeros(classes, kind),
        np.zeros(classes, kind),
    )
    return np.zeros(classes, kind), np.zeros(classes, np.int64), rows


@jit
def finish(samples, i, weights, backward_w2, c, traces, start, back, tally, gradient, learn):
    """After the forward pass of sample i: its loss and (with `learn`) its gradient."""
    error, when, work = back
    label = samples.labels[samples.chosen[i]]
    tally.predictions[i], tally.losses[i] = loss(traces[1], label, error, when)
    if learn:
        carried = Weights(
            weights.w1,
            backward_w2,
            weights.variance1,
            weights.variance2,
            weights.siemens1,
            weights.siemens2,
        )
        backward(samples, i, carried, c, traces[0], start, error, when, work, gradient)


@jit
def run_chunk(samples, weights, backward_w2, c, seed, tally, gradient, learn):
    """Run a chunk of samples one after the other, forward and (with `learn`) backward.

    Args:
        samples: Which samples, and their events.
        weights: The network.
        backward_w2: (hidden, classes), the weights that carry the error back.
        c: Constants.
        seed: 64-bit seed of the read noise of this pass over the data.
        tally, gradient: Added to; `gradient` is not touched without `learn`.
        learn: Whether to sweep back.
    """
    hidden, classes = weights.w2.shape
    kind = weights.w1.dtype
    traces = (np.zeros((c.steps + 1, hidden), kind), np.zeros((c.steps + 1, classes), kind))
    work, back = scratch(hidden, classes, kind), backward_scratch(hidden, classes, kind)
    keys = np.zeros(2, np.uint64)
    for i in range(samples.chosen.shape[0]):
        for layer in range(2):
            keys[layer] = sample_key(seed, samples.first_key + i, layer)
        start = forward(samples, i, weights, c, keys, traces, work, tally)
        finish(samples, i, weights, backward_w2, c, traces, start, back, tally, gradient, learn)


@jit
def run_converted(samples, weights, backward_w2, c, seed, tally, gradient, learn, front):
    """`run_chunk` behind a periphery, `front`; the error is carried back as if there were none."""
    hidden, classes = weights.w2.shape
    kind = weights.w1.dtype
    traces = (np.zeros((c.steps + 1, hidden), kind), np.zeros((c.steps + 1, classes), kind))
    back = backward_scratch(hidden, classes, kind)
    work = converted_scratch(hidden, classes, front, kind)
    keys = np.zeros((2, 2), np.uint64)
    for i in range(samples.chosen.shape[0]):
        for layer in range(2):
            # Conversions have keys of their own: "layers" 2 and 3 of the sample.
            keys[layer, 0] = sample_key(seed, samples.first_key + i, layer)
            keys[layer, 1] = sample_key(seed, samples.first_key + i, 2 + layer)
        start = forward_converted(samples, i, weights, c, front, keys, traces, work, tally)
        finish(samples, i, weights, backward_w2, c, traces, start, back, tally, gradient, learn)
