"""The pools that the kernels draw their normal numbers from, and draws of many lanes."""

import itertools

import numpy as np
import pytest
from scipy import stats
from xbar_kernels import lane_squares

from crossbar.snn.kernels import counter_rng
from crossbar.snn.kernels.counter_rng import draw_normals, places, sample_key

SIZE, BLOCK = 2**14, 256
POOLS = {"p": counter_rng._P, "q": counter_rng._Q}
each_pool = pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)


def autocorrelation(numbers):
    """Circular, at every lag from 1."""
    power = np.abs(np.fft.rfft(numbers.astype(float))) ** 2
    found = np.fft.irfft(power, len(numbers))
    return found[1:] / found[0]


@each_pool
def test_a_pool_has_no_autocorrelation_at_any_lag(pool):
    """But -1 / (SIZE - 1), the price of a mean of 0; of independent numbers some 8e-3."""
    assert np.abs(autocorrelation(pool[:SIZE]) + 1 / (SIZE - 1)).max() < 1e-6
    independent = np.random.default_rng(1).standard_normal(SIZE)
    assert np.abs(autocorrelation(independent)).max() > 1e-2


@each_pool
def test_a_pool_is_standard_normal(pool):
    own = pool[:SIZE].astype(float)
    assert abs(own.mean()) < 1e-7
    assert abs(own.var() - 1.0) < 1e-6
    assert abs(stats.kurtosis(own)) < 5 * np.sqrt(24 / SIZE)
    assert abs(stats.skew(own)) < 5 * np.sqrt(6 / SIZE)
    assert stats.kstest(own, "norm").pvalue > 6e-7


def test_a_pool_is_circular_and_the_two_differ():
    for pool in POOLS.values():
        assert pool.tolist() == [*pool[:SIZE], *pool[:BLOCK]]
    p, q = (pool[:SIZE].astype(float) for pool in POOLS.values())
    together = np.fft.irfft(np.fft.rfft(p) * np.conj(np.fft.rfft(q)), SIZE) / SIZE
    assert np.abs(together).max() < 6 / np.sqrt(SIZE)


def test_squares_of_two_lanes_are_nearly_uncorrelated():
    """Finite pools leave some: sqrt(2) / (4 sqrt(SIZE)) = 0.0028 at a distance; 5 of these."""
    found = lane_squares()[1:BLOCK]
    limit = 5 * np.sqrt(2) / (4 * np.sqrt(SIZE))
    assert np.abs(found).max() < limit
    out = np.zeros((100_000, 4), np.float32)
    for row, key in zip(out, keys_of(len(out)), strict=True):
        draw_normals(key, 0, row)
    squares = out.astype(float) ** 2
    for first, second in itertools.combinations(range(4), 2):
        seen = np.corrcoef(squares[:, first], squares[:, second])[0, 1]
        assert abs(seen - found[second - first - 1]) * np.sqrt(len(out)) < 5


def keys_of(count):
    return [np.uint64(sample_key(3, number, 0)) for number in range(count)]


def test_a_draw_is_a_sum_of_both_pools_at_places_of_its_block():
    out = np.zeros(600, np.float32)
    for key in keys_of(50):
        draw_normals(key, 9, out)
        for block, first in enumerate(range(0, 600, BLOCK)):
            a, b = places(key, 9, block)
            own = out[first : first + BLOCK]
            expected = (
                counter_rng._P[a : a + len(own)] + counter_rng._Q[b : b + len(own)]
            ) / np.sqrt(2.0)
            np.testing.assert_allclose(own, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lanes", [1, 255, 256, 257, 512, 700])
def test_every_lane_is_drawn_and_more_lanes_do_not_move_the_first(lanes):
    key = keys_of(1)[0]
    short, long = np.full(lanes, np.nan, np.float32), np.full(lanes + 300, np.nan, np.float32)
    draw_normals(key, 4, short)
    draw_normals(key, 4, long)
    assert np.isfinite(short).all()
    assert short.tobytes() == long[:lanes].tobytes()


def test_blocks_steps_and_keys_have_places_of_their_own():
    """20 000 pairs of places out of 2^28: one or none meets another."""
    found = [
        places(key, step, block) for key in keys_of(100) for step in range(50) for block in range(4)
    ]
    assert len(set(found)) >= len(found) - 5
    for part in np.array(found).T:
        counts = np.bincount(part // 128, minlength=SIZE // 128)
        assert stats.chisquare(counts).pvalue > 6e-7


def test_lanes_of_two_blocks_are_uncorrelated():
    """Lane j and lane 256 + j, and their squares, at any distance between the two places."""
    out = np.zeros((4000, 512), np.float32)
    for row, key in zip(out, keys_of(len(out)), strict=True):
        draw_normals(key, 0, row)
    first, second = out[:, :BLOCK].astype(float), out[:, BLOCK:].astype(float)
    for shift in (0, 1, 100):
        x, y = first[:, : BLOCK - shift].ravel(), second[:, shift:].ravel()
        for one, other in ((x, y), (x**2, y**2)):
            assert abs(np.corrcoef(one, other)[0, 1]) * np.sqrt(len(x)) < 5
        assert np.corrcoef(x, y + 0.05 * x)[0, 1] * np.sqrt(len(x)) > 5
