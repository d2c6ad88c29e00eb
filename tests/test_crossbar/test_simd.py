"""Lanes against numpy, number by number."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from crossbar.snn.engines.buffers import CACHE_LINE, aligned
from crossbar.snn.kernels.simd import (
    BITS,
    LANES,
    absolute,
    add_panel,
    as_wide,
    bits,
    change_mask,
    data_pointer,
    load,
    load_panel,
    load_u16x4,
    lowest,
    plus_row,
    root,
    select,
    splat,
    store,
    store_panel,
    total,
    write,
)
from device_models.jit import jit

each_kind = pytest.mark.parametrize("kind", [np.float32, np.float64])


def numbers(kind, seed=0):
    """Numbers of both signs, with zeros, infinities and a nan among them, and positive ones."""
    draw = np.random.default_rng(seed)
    x = draw.standard_normal(3 * LANES).astype(kind)
    x[[1, 5]], x[7], x[9], x[11] = 0.0, np.inf, -np.inf, np.nan
    return x, draw.uniform(0.5, 2.0, 3 * LANES).astype(kind)


@jit
def arithmetic(x, y, at, number, out):
    """Results of all operators, one block of `out` each."""
    a, b, to = load(data_pointer(x), at), load(data_pointer(y), at), data_pointer(out)
    store(to, 0 * LANES, a + b)
    store(to, 1 * LANES, a - b)
    store(to, 2 * LANES, a * b)
    store(to, 3 * LANES, a / b)
    store(to, 4 * LANES, number * a)
    store(to, 5 * LANES, absolute(a))
    store(to, 6 * LANES, root(b))
    store(to, 7 * LANES, select(a > number, a, b))
    store(to, 8 * LANES, select(a == b, a, splat(number)))
    a += b
    store(to, 9 * LANES, a)


@each_kind
@pytest.mark.parametrize("at", [0, 3, LANES])
def test_operators_are_those_of_numpy(kind, at):
    x, y = numbers(kind)
    y[at + 2], number = x[at + 2], kind(0.3)
    out = np.zeros(11 * LANES, kind)
    out[-LANES:] = 7.0
    arithmetic(x, y, at, number, out)
    a, b = x[at : at + LANES], y[at : at + LANES]
    with np.errstate(invalid="ignore"):
        expected = [
            a + b, a - b, a * b, a / b, number * a, abs(a), np.sqrt(b),
            np.where(a > number, a, b), np.where(a == b, a, number), a + b,
        ]  # fmt: skip
    assert_array_equal(out.reshape(11, LANES)[:10], np.array(expected, kind))
    assert (out[-LANES:] == 7.0).all()


@jit
def compare(x, number):
    """Bits of a comparison, and the lowest of them."""
    mask = bits(load(data_pointer(x), 0) > number)
    return mask, lowest(mask) if mask != 0 else -1


@each_kind
def test_bits_name_the_lanes(kind):
    x, _ = numbers(kind)
    for number in (kind(-10.0), kind(0.4), kind(np.inf)):
        above = np.flatnonzero(x[:LANES] > number)
        first = above[0] if len(above) else -1
        assert compare(x, number) == (sum(1 << int(i) for i in above), first)


@jit
def summed(x):
    """Sum over lanes, and over those of their squares."""
    a = load(data_pointer(x), 0)
    return total(a), total(a * a)


@each_kind
def test_total_is_the_sum_over_lanes(kind):
    x = np.arange(LANES, dtype=kind)
    assert summed(x) == (x.sum(), (x * x).sum())


@jit
def widened(x, like, out):
    """float32 lanes in another dtype."""
    store(data_pointer(out), 0, as_wide(load(data_pointer(x), 0), load(data_pointer(like), 0)))


@each_kind
def test_lanes_become_wide_without_loss(kind):
    x, _ = numbers(np.float32)
    out = np.zeros(LANES, kind)
    widened(x, np.zeros(LANES, kind), out)
    assert_array_equal(out, x[:LANES].astype(kind))


@jit
def written(out, places):
    """Squares at some places; nobody reads them here."""
    to, where = data_pointer(out), [data_pointer(places) for _ in range(1)]
    for i in range(places.shape[0]):
        write(to, where[0][i], i * i)


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.uint16, np.uint8])
def test_numbers_are_written_where_they_belong(kind):
    out = np.full(10, 7, kind)
    written(out, np.array([8, 0, 3]))
    assert out.tolist() == [1, 7, 7, 4, 7, 7, 7, 7, 0, 7]


@jit
def panelled(x, at, out):
    """Three blocks of x from a place on, plus x from its beginning; and added to what is there."""
    none = splat(x[0] - x[0])
    panel = load_panel(data_pointer(x), at, (none, none, none))
    store_panel(data_pointer(out), LANES, plus_row(panel, data_pointer(x), 0))
    add_panel(data_pointer(out), 4 * LANES + 1, panel)


@each_kind
@pytest.mark.parametrize("at", [0, 5])
def test_a_panel_is_so_many_blocks(kind, at):
    x = np.random.default_rng(0).standard_normal(4 * LANES).astype(kind)
    out = np.full(8 * LANES, 7.0, kind)
    panelled(x, at, out)
    size = 3 * LANES
    expected = np.full(8 * LANES, 7.0, kind)
    expected[LANES : LANES + size] = x[at : at + size] + x[:size]
    expected[4 * LANES + 1 : 4 * LANES + 1 + size] += x[at : at + size]
    assert_array_equal(out, expected)


@jit
def where_it_turns(numbers, at):
    """Bits of the change_mask among 64 numbers."""
    return change_mask(data_pointer(numbers), at)


@jit
def words(numbers, at):
    """Four 16-bit numbers."""
    return load_u16x4(data_pointer(numbers), at)


@pytest.mark.parametrize("at", [0, 3])
def test_turns_are_where_a_number_differs_from_the_next(at):
    numbers = np.random.default_rng(at).integers(0, 2, BITS + at + 1).astype(np.uint8)
    found = np.uint64(np.int64(where_it_turns(numbers, at)))
    bit = [bool(found >> np.uint64(i) & np.uint64(1)) for i in range(BITS)]
    assert_array_equal(bit, numbers[at : at + BITS] != numbers[at + 1 : at + BITS + 1])


def test_a_word_is_four_numbers():
    numbers = np.array([9, 9, 9, 9, 1, 2, 3, 0xFFFF], np.uint16)
    assert words(numbers, 1) & (2**64 - 1) == 1 | 2 << 16 | 3 << 32 | 0xFFFF << 48


@pytest.mark.parametrize("shape", [(3,), (5, 16), (2, 7, 16), (4, 300, 112)])
def test_aligned_zeros_begin_with_a_cache_line(shape):
    for _ in range(20):
        made = aligned(shape, np.float32)
        assert made.ctypes.data % CACHE_LINE == 0
        assert made.shape == shape
        assert made.flags.c_contiguous
        assert not made.any()
