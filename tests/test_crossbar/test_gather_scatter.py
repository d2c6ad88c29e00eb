"""Events parted into time bins, and rows of a crossbar gathered and scattered, against numpy."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from crossbar.snn.engines.buffers import aligned
from crossbar.snn.kernels.carry import fill_blocks, multiply
from crossbar.snn.kernels.forward import find_bins
from crossbar.snn.kernels.gather_scatter import WIDE, gather, scatter
from crossbar.snn.kernels.records import CrossbarRows, EventSlice, TimeBins
from crossbar.snn.kernels.simd import LANES, data_pointer
from device_models.jit import jit

STEPS, ROWS = 100, 40
each_kind = pytest.mark.parametrize("kind", [np.float32, np.float64])


def empty_bins(kind=np.float32, capacity=0):
    """Memory for the bins of a sample, filled with what a former one could have left."""
    of_steps = [np.full(STEPS + 2, 55, np.int64) for _ in range(3)]
    line_ends = np.full(ROWS + 2, 55, np.int64)
    times, panel = np.full(capacity, 55, np.uint8), np.full((STEPS + 2, WIDE * LANES), 55.0, kind)
    return TimeBins(*of_steps, line_ends, times, panel, ROWS, capacity)


@jit
def pointers_of(bins):
    return TimeBins(
        data_pointer(bins.steps), data_pointer(bins.ends), data_pointer(bins.slots),
        data_pointer(bins.line_ends), data_pointer(bins.line_times),
        data_pointer(bins.panel), bins.lines, bins.capacity,
    )  # fmt: skip


@jit
def bins_of(rows, times, first, last, bins, steps):
    """`find_bins` of arrays that are no pointers yet."""
    lines = EventSlice(data_pointer(rows), data_pointer(times), first, last)
    return find_bins(lines, pointers_of(bins), steps)


@jit
def gathered(rows, times, span, bins, layer, drive):
    """`gather` of arrays that are no pointers yet."""
    lines, own = (
        EventSlice(data_pointer(rows), data_pointer(times), span[0], span[1]),
        pointers_of(bins),
    )
    found = find_bins(lines, own, drive.shape[0] - 1)
    crossbar = CrossbarRows(
        data_pointer(layer.matrix), data_pointer(layer.siemens), layer.inputs,
        data_pointer(layer.tile_of), layer.neurons, layer.width, layer.stride,
        data_pointer(layer.windows), data_pointer(layer.corners),
    )  # fmt: skip
    gather(lines, own, found, crossbar, data_pointer(drive))
    return found


@jit
def scattered(rows, times, span, bins, number, changes, offset, gradient):
    """`scatter` of arrays that are no pointers yet."""
    lines, own = (
        EventSlice(data_pointer(rows), data_pointer(times), span[0], span[1]),
        pointers_of(bins),
    )
    find_bins(lines, own, changes.shape[0])
    width = changes.shape[1]
    scatter(lines, own, number, data_pointer(changes), width, offset, data_pointer(gradient))


def sample(count, seed=0):
    """Events of one sample by time and line, with those of others before and behind them."""
    draw = np.random.default_rng(seed)
    times = np.sort(draw.integers(0, STEPS, count)).astype(np.uint8)
    around = np.full(3, times[0] if count else 5, np.uint8)  # the same step: not to be joined
    rows = draw.integers(0, ROWS, count + 6).astype(np.uint16)
    rows[3:-3] = rows[3:-3][np.lexsort((rows[3:-3], times))]
    return rows, np.concatenate([around, times, around]), (3, 3 + count)


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 66, 128, 129, 130, 331, 1000])
def test_bins_are_the_runs_of_equal_steps(count):
    rows, times, (first, last) = sample(count, seed=count)
    bins = empty_bins()
    found = bins_of(rows, times, first, last, bins, STEPS)
    steps, sizes = np.unique(times[first:last], return_counts=True)
    assert found == len(steps)
    assert_array_equal(bins.steps[:found], steps)
    assert bins.steps[found] == -1
    assert_array_equal(bins.ends[: found + 1], first + np.cumsum([0, *sizes]))
    slots = np.zeros(STEPS + 1, int)
    slots[steps] = np.arange(1, found + 1)
    assert_array_equal(bins.slots[: STEPS + 1], slots)


def test_events_at_the_end_of_all_are_not_read_beyond():
    """The last sample ends where the array does: what lies behind belongs to nobody."""
    for count in (64, 65, 128):
        rows, times, (first, last) = sample(count)
        alone = bins_of(rows[3:-3].copy(), times[3:-3].copy(), 0, count, empty_bins(), STEPS)
        assert alone == bins_of(rows, times, first, last, empty_bins(), STEPS)


@each_kind
@pytest.mark.parametrize("blocks", [1, 2, 3, 6, 7, 8, 10, 13, 18])
def test_bins_drive_the_sums_of_their_rows(kind, blocks):
    rows, times, span = sample(200, seed=blocks)
    width = blocks * LANES
    matrix = aligned((ROWS, width), kind)
    matrix[:] = np.random.default_rng(1).standard_normal(matrix.shape)
    none = np.zeros(ROWS)
    layer = CrossbarRows(
        matrix, none, ROWS, np.zeros(ROWS, np.int32), width, width, width,
        np.zeros((0, 4), np.int32), np.zeros(0, np.int32),
    )  # fmt: skip
    drive = aligned((STEPS + 1, width), kind)
    bins = empty_bins(kind)
    found = gathered(rows, times, span, bins, layer, drive)
    own_rows, own_times = rows[slice(*span)], times[slice(*span)]
    expected = [matrix[own_rows[own_times == step]].sum(0) for step in bins.steps[:found]]
    assert_allclose(
        drive[1 : found + 1], expected, rtol=0, atol=1e-5 if kind is np.float32 else 1e-12
    )
    assert not drive[0].any()
    assert not drive[found + 1 :].any()
    by_lines = aligned((STEPS + 1, width), kind)
    gathered(rows, times, span, empty_bins(kind, capacity=200), layer, by_lines)
    assert_array_equal(by_lines, drive)


@each_kind
@pytest.mark.parametrize("blocks", [1, 3, 7, 11])
@pytest.mark.parametrize("offset", [0, 5])
def test_changes_reach_the_rows_of_their_bins(kind, blocks, offset):
    rows, times, span = sample(300, seed=blocks)
    width = blocks * LANES
    changes = np.random.default_rng(2).standard_normal((STEPS, width)).astype(kind)
    gradient = aligned((offset + ROWS + 1, width), kind)
    gradient[:] = 1.0
    by_lines, bins, number = gradient.copy(), empty_bins(kind), 50
    scattered(rows, times, span, bins, number, changes, offset, gradient)
    scattered(rows, times, span, empty_bins(kind, capacity=300), number, changes, offset, by_lines)
    assert_array_equal(by_lines, gradient)
    expected = np.ones(gradient.shape)
    own_rows, own_times = rows[slice(*span)], times[slice(*span)]
    is_in = np.isin(own_times, bins.steps[:number])
    assert 0 < is_in.sum() < len(is_in)
    np.add.at(expected, offset + own_rows[is_in].astype(int), changes[own_times[is_in]])
    assert_allclose(gradient, expected, rtol=0, atol=1e-4 if kind is np.float32 else 1e-12)


@jit
def multiplied(back, derivatives, errors, start, last):
    """`multiply` of arrays that are no pointers yet."""
    sizes = back.shape[1], derivatives.shape[1], errors.shape[1]
    pointers = data_pointer(back), data_pointer(derivatives), data_pointer(errors)
    multiply(pointers[0], pointers[1], pointers[2], sizes, start, last)


@each_kind
@pytest.mark.parametrize("lines", [16, 64, 75, 144])
@pytest.mark.parametrize(("start", "last"), [(0, 12), (4, 7), (3, 7), (2, 3), (1, 9)])
def test_errors_carried_back_are_a_product_with_the_weights(kind, lines, start, last):
    draw = np.random.default_rng(lines + last)
    back = draw.standard_normal((21, lines)).astype(kind)
    derivatives = draw.standard_normal((13, 32)).astype(kind)
    blocks = np.zeros((-(-lines // 16), 21, 16), kind)
    errors = np.full((13, 16 * len(blocks)), 99.0, kind)
    fill_blocks(back.T, blocks.ravel())
    multiplied(blocks, derivatives, errors, start, last)
    expected, steps = np.full(errors.shape, 99.0), slice(start, last + 1)
    expected[steps] = 0.0
    expected[steps, :lines] = derivatives[steps, :21].astype(float) @ back
    assert_allclose(errors, expected, rtol=0, atol=2e-5 if kind is np.float32 else 1e-13)
