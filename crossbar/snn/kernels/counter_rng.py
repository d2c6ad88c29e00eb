"""Normal numbers by counting: a draw depends on its key, its step and its place alone.

A draw is the sum of two numbers of two fixed pools, (p[a + j] + q[b + j]) / sqrt 2, where a and b
are hashed from key, step and block, and j is the place in the block. The Fourier coefficients of a
pool are of one size, their phases random: over all a and b every place has mean 0 and variance 1,
and two places of a block are uncorrelated but for -1 / (size - 1). Squares of two places have
correlations of some 0.003, those of a pool of this size. There are 2^28 sums; the tails end at 5.4
sigma. Ours; seven times as fast as normals from uniform numbers, which took a third of a noisy
pass.
"""

import math

import numpy as np

from device_models.jit import inlined, jit

from .simd import as_wide, data_pointer, load

_f32, _u64 = np.float32, np.uint64
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio: spreads small numbers over all bits
_BITS = 14
_SIZE = 1 << _BITS
BLOCK = 256  # places that share a and b
_HALF = np.float32(math.sqrt(0.5))


def pool(seed: int) -> np.ndarray:
    """`_SIZE` normal numbers without autocorrelation, and the first `BLOCK` of them once more."""
    phases = np.fft.rfft(np.random.default_rng(seed).standard_normal(_SIZE))
    phases /= np.abs(phases)
    phases[0] = 0.0
    numbers = np.fft.irfft(phases, _SIZE)
    numbers /= numbers.std()
    return np.concatenate([numbers, numbers[:BLOCK]]).astype(np.float32)


_P, _Q = pool(1), pool(2)


@jit
def mix64(x):
    """Bijective hash of 64 bits: the finaliser of SplitMix64 (Steele et al., OOPSLA 2014)."""
    x = (x ^ (x >> _u64(30))) * _u64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> _u64(27))) * _u64(0x94D049BB133111EB)
    return x ^ (x >> _u64(31))


@jit
def sample_key(seed, number, layer):
    """Key (uint64) of one sample's read noise in one layer."""
    return mix64(mix64(_u64(seed) + _u64(number) * _GOLDEN) + _u64(layer + 1) * _GOLDEN)


@jit
def places(key, step, block):
    """Where a block of a draw begins in both pools."""
    bits = mix64(_u64(key) + (_u64(step + 1) << _u64(16) | _u64(block)) * _GOLDEN)
    mask = _u64(_SIZE - 1)
    return np.int64(bits & mask), np.int64((bits >> _u64(32)) & mask)


@jit
def draw_normals(key, step, out):
    """Fill `out` with standard normals that depend on (key, step, place) alone."""
    for block in range((out.shape[0] + BLOCK - 1) // BLOCK):
        a, b = places(key, step, block)
        segment = out[block * BLOCK : (block + 1) * BLOCK]
        p, q = _P[a : a + segment.shape[0]], _Q[b : b + segment.shape[0]]
        for j in range(segment.shape[0]):
            segment[j] = (p[j] + q[j]) * _HALF


@inlined
def normals_at(begin, offset, like):
    """A block of lanes of one draw: those from `offset` on of what begins at these two places."""
    a, b = begin
    p, q = load(data_pointer(_P), a + offset), load(data_pointer(_Q), b + offset)
    return as_wide((p + q) * _HALF, like)
