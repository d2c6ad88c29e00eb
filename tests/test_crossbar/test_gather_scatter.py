"""Events parted into volleys, and rows of a crossbar gathered and scattered, against numpy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from crossbar.snn.engines.buffers import aligned
from crossbar.snn.kernels.forward import find_volleys
from crossbar.snn.kernels.gather_scatter import gather, scatter
from crossbar.snn.kernels.pointers import borrow_volleys
from crossbar.snn.kernels.records import CrossbarRows, EventSlice, TimeBins
from crossbar.snn.kernels.simd import LANES, borrowed
from device_models.jit import jit

STEPS, ROWS = 100, 40
each_kind = pytest.mark.parametrize("kind", [np.float32, np.float64])


def empty_volleys():
    """Room for the volleys of a sample, filled with what a former one could have left."""
    return TimeBins(*(np.full(STEPS + 2, 55, np.int64) for _ in TimeBins._fields))


@jit
def volleys_of(rows, times, first, last, volleys, steps):
    """`find_volleys` of arrays that are not borrowed yet."""
    lines = EventSlice(borrowed(rows), borrowed(times), first, last)
    return find_volleys(lines, borrow_volleys(volleys), steps)


@jit
def gathered(rows, times, span, volleys, layer, drive):
    """`gather` of arrays that are not borrowed yet."""
    lines, own = (
        EventSlice(borrowed(rows), borrowed(times), span[0], span[1]),
        borrow_volleys(volleys),
    )
    found = find_volleys(lines, own, drive.shape[0] - 1)
    crossbar = CrossbarRows(
        borrowed(layer.matrix), borrowed(layer.siemens), layer.inputs, borrowed(layer.tile_of),
        layer.neurons, layer.width, layer.stride,
    )  # fmt: skip
    gather(lines, own, found, crossbar, borrowed(drive))
    return found


@jit
def scattered(rows, times, span, volleys, number, changes, offset, gradient):
    """`scatter` of arrays that are not borrowed yet."""
    lines, own = (
        EventSlice(borrowed(rows), borrowed(times), span[0], span[1]),
        borrow_volleys(volleys),
    )
    find_volleys(lines, own, changes.shape[0])
    width = changes.shape[1]
    scatter(lines, own, number, borrowed(changes), width, offset, borrowed(gradient))


def sample(count, seed=0):
    """Events of one sample by time, with those of others before and behind them."""
    draw = np.random.default_rng(seed)
    times = np.sort(draw.integers(0, STEPS, count)).astype(np.uint8)
    around = np.full(3, times[0] if count else 5, np.uint8)  # the same step: not to be joined
    rows = draw.integers(0, ROWS, count + 6).astype(np.uint16)
    return rows, np.concatenate([around, times, around]), (3, 3 + count)


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 66, 128, 129, 130, 331, 1000])
def test_volleys_are_the_runs_of_equal_steps(count):
    rows, times, (first, last) = sample(count, seed=count)
    volleys = empty_volleys()
    found = volleys_of(rows, times, first, last, volleys, STEPS)
    steps, sizes = np.unique(times[first:last], return_counts=True)
    assert found == len(steps)
    assert_array_equal(volleys.steps[:found], steps)
    assert volleys.steps[found] == -1
    assert_array_equal(volleys.ends[: found + 1], first + np.cumsum([0, *sizes]))
    slots = np.zeros(STEPS + 1, int)
    slots[steps] = np.arange(1, found + 1)
    assert_array_equal(volleys.slots[: STEPS + 1], slots)


def test_events_at_the_end_of_all_are_not_read_beyond():
    """The last sample ends where the array does: what lies behind belongs to nobody."""
    for count in (64, 65, 128):
        rows, times, (first, last) = sample(count)
        alone = volleys_of(rows[3:-3].copy(), times[3:-3].copy(), 0, count, empty_volleys(), STEPS)
        assert alone == volleys_of(rows, times, first, last, empty_volleys(), STEPS)


@each_kind
@pytest.mark.parametrize("blocks", [1, 2, 3, 6, 7, 8, 10, 13, 18])
def test_volleys_drive_the_sums_of_their_rows(kind, blocks):
    rows, times, span = sample(200, seed=blocks)
    width = blocks * LANES
    matrix = aligned((ROWS, width), kind)
    matrix[:] = np.random.default_rng(1).standard_normal(matrix.shape)
    none = np.zeros(ROWS)
    layer = CrossbarRows(matrix, none, ROWS, np.zeros(ROWS, np.int32), width, width, width)
    drive = aligned((STEPS + 1, width), kind)
    volleys = empty_volleys()
    found = gathered(rows, times, span, volleys, layer, drive)
    own_rows, own_times = rows[slice(*span)], times[slice(*span)]
    expected = [matrix[own_rows[own_times == step]].sum(0) for step in volleys.steps[:found]]
    assert_allclose(
        drive[1 : found + 1], expected, rtol=0, atol=1e-5 if kind is np.float32 else 1e-12
    )
    assert not drive[0].any()
    assert not drive[found + 1 :].any()


@each_kind
@pytest.mark.parametrize("blocks", [1, 3, 7, 11])
@pytest.mark.parametrize("offset", [0, 5])
def test_changes_reach_the_rows_of_their_volleys(kind, blocks, offset):
    rows, times, span = sample(300, seed=blocks)
    width = blocks * LANES
    changes = np.random.default_rng(2).standard_normal((STEPS, width)).astype(kind)
    gradient = aligned((offset + ROWS + 1, width), kind)
    gradient[:] = 1.0
    volleys, number = empty_volleys(), 50
    scattered(rows, times, span, volleys, number, changes, offset, gradient)
    expected = np.ones(gradient.shape)
    own_rows, own_times = rows[slice(*span)], times[slice(*span)]
    is_in = np.isin(own_times, volleys.steps[:number])
    assert 0 < is_in.sum() < len(is_in)
    np.add.at(expected, offset + own_rows[is_in].astype(int), changes[own_times[is_in]])
    assert_allclose(gradient, expected, rtol=0, atol=1e-4 if kind is np.float32 else 1e-12)
