"""Kernels of the inner ear: filtered spectra, hair cells, fibres, bushy cells.

Constants stand here because kernels are compiled with them.

Source:
    R. Meddis, J. Acoust. Soc. Am. 79, 702, 1986, and 83, 1056, 1988; bushy cells and constants as
    in the Heidelberg data sets. Sampling by inverse hazard is ours.
"""

import math

import numpy as np

from device_models.jit import jit

RATE_HERTZ = 24_000
DT = 1.0 / RATE_HERTZ
A, B, G, Y, L, R, X, H, POOL = 5.0, 300.0, 2000.0, 5.05, 2500.0, 6580.0, 66.3, 50_000.0, 1.0
FIBRES = 40
DEAD_SAMPLES = 24  # of a fibre, and refractory ones of a bushy cell: 1 ms
MEMBRANE_DECAY, SYNAPSE_DECAY = math.exp(-DT / 1e-3), math.exp(-DT / 0.5e-3)
WEIGHT = 13e3 / FIBRES * DT
CERTAIN = 1.0 - 1e-12  # the largest probability of which a hazard is taken


@jit
def filtered(spectrum, table, below, fraction, result):
    """Spectra of the channels, such that an inverse real transform gives the real part.

    Args:
        spectrum: (points,) complex64, of the sound, frequencies of at least 0.
        table, below, fraction: See `membrane.table` and `membrane.interpolation`.
        result: (channels, points // 2 + 1) complex64; written.
    """
    points = len(spectrum)
    for channel in range(len(table)):
        entries = table[channel]
        for k in range(points // 2 + 1):
            i, j = below[k], (points - k) % points
            v = entries[i] + fraction[k] * (entries[i + 1] - entries[i])
            z = v * spectrum[k]
            i = below[j]
            v = entries[i] + fraction[j] * (entries[i + 1] - entries[i])
            result[channel, k] = np.float32(0.5) * (z + np.conj(v * spectrum[j]))


@jit
def release(velocity, hazard):
    """The hair cell: what the membrane's velocity lets a fibre expect.

    Of pools q (free transmitter), c (cleft) and w (reprocessed), at rest before the first sample,
    with k = g dt (s + A) / (s + A + B), 0 below s = -A, and all right sides old,

        q += max(y dt (M - q), 0) - k q + x dt w
        c += k q - (l + r) dt c,   w += r dt c - x dt w

    each kept at 0 at least; p = h dt c is the probability of a spike in the sample.

    Args:
        velocity: (samples,) of the membrane.
        hazard: (samples + 1,) float64; written: the sum of -ln(1 - p) over all samples before.
    """
    rest = G * A / (A + B)
    c = POOL * Y * rest / (L * rest + Y * (L + R))
    q, w = c * (L + R) / rest, c * R / X
    total = 0.0
    hazard[0] = 0.0
    for n in range(len(velocity)):
        s = float(velocity[n]) + A
        k = G * DT * s / (s + B) if s > 0.0 else 0.0
        fresh = max(Y * DT * (POOL - q), 0.0)
        ejected, taken, again = k * q, R * DT * c, X * DT * w
        q = max(q + fresh - ejected + again, 0.0)
        c = max(c + ejected - (L + R) * DT * c, 0.0)
        w = max(w + taken - again, 0.0)
        total -= math.log1p(-min(H * DT * c, CERTAIN))
        hazard[n + 1] = total


@jit
def fibre_spikes(hazard, counts, generator):
    """Spikes of the 40 fibres of a channel, added up.

    A fibre spikes in a sample with probability p and is dead for 1 ms from then on. That is drawn
    by its waiting times: the next spike is where the hazard has grown by an exponential number of
    mean 1 since the fibre was alive again. The law is that of a coin for every sample.

    Args:
        hazard: See `release`.
        counts: (samples,) uint8; written.
        generator: One number is drawn for each spike, and one more for each fibre.
    """
    samples = len(counts)
    counts[:] = 0
    for _ in range(FIBRES):
        alive = 0
        while alive < samples:
            goal = hazard[alive] + generator.standard_exponential()
            if hazard[samples] < goal:
                break
            low, high = alive, samples - 1  # hazard[spike + 1] is the first at the goal or above
            while low < high:
                middle = (low + high) // 2
                if hazard[middle + 1] < goal:
                    low = middle + 1
                else:
                    high = middle
            counts[low] += 1
            alive = low + DEAD_SAMPLES


@jit
def bushy_cell(counts, spikes):
    """A leaky integrate-and-fire neuron behind the fibres of a channel.

        I = I e^(-dt / 0.5 ms) + count,   v = v e^(-dt / 1 ms) + dt w I

    It spikes where v reaches 1, in the last sample no more; v is 0 for the next 24 samples, while
    I goes on.

    Args:
        counts: (samples,) spikes of its fibres.
        spikes: Written: the samples of its spikes; a spike every 25 samples at most.

    Returns:
        How many there are.
    """
    current, v, waits, number = 0.0, 0.0, 0, 0
    for n in range(len(counts)):
        current = current * SYNAPSE_DECAY + counts[n]
        if waits > 0:
            waits -= 1
            continue
        v = v * MEMBRANE_DECAY + WEIGHT * current
        if v >= 1.0:
            if n + 1 < len(counts):
                spikes[number] = n
                number += 1
            v, waits = 0.0, DEAD_SAMPLES
    return number


@jit
def channel_spikes(velocity, first, generator, times, units):
    """Spikes of some channels, one channel after the other.

    Args:
        velocity: (channels, samples) of the membrane.
        first: Number of the first channel.
        generator: See `fibre_spikes`.
        times, units: (channels x (samples // 25 + 1),) uint16; written: sample and channel.

    Returns:
        How many spikes there are, and how many of fibres.
    """
    channels, samples = velocity.shape
    hazard, counts = np.empty(samples + 1, np.float64), np.empty(samples, np.uint8)
    number, of_fibres = 0, 0
    for channel in range(channels):
        release(velocity[channel], hazard)
        fibre_spikes(hazard, counts, generator)
        for n in range(samples):
            of_fibres += counts[n]
        end = number + bushy_cell(counts, times[number:])
        units[number:end] = first + channel
        number = end
    return number, of_fibres
