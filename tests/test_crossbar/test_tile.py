"""Reading: one draw per column is one draw per device, in distribution.

Statistical limits are 5 sigma, two-sided (false alarm 6e-7), on fixed seeds; each has a twin which
shows that a spread wrong by 5 % would be noticed.
"""

import pytest
import torch
from scipy import stats
from torch.testing import assert_close
from xbar_devices import gen
from xbar_stats import FALSE_ALARM, z_of_mean, z_of_sigma

from crossbar.array.tile import Tiling, read, read_device_by_device

VECTORS, ROWS, COLUMNS = 4000, 12, 50  # 200 000 currents: standard error of a spread 0.16 %


def drawn(seed):
    """Conductances, their read spread, and one input vector of several voltages."""
    generator = gen(seed)
    g = 10 ** (-6 + 3 * torch.rand((ROWS, COLUMNS), generator=generator, dtype=torch.float64))
    sigma = g * (0.01 + 0.3 * torch.rand(g.shape, generator=generator, dtype=torch.float64))
    v = torch.tensor([0.2, 0, 0.1, 0.2, 0, 0, -0.2, 0.05, 0.2, 0, 0.2, 0.2], dtype=torch.float64)
    return g, sigma, v


@pytest.fixture(scope="module", params=[read, read_device_by_device], ids=["short", "brute"])
def standardised(request):
    """(currents - mean) / spread of many reads, with mean and spread summed one by one."""
    g, sigma, v = drawn(1)
    currents = request.param(g, sigma, v.expand(VECTORS, -1), generator=gen(2))
    mean, variance = torch.zeros(COLUMNS).double(), torch.zeros(COLUMNS).double()
    for i in range(ROWS):
        for j in range(COLUMNS):
            mean[j] += v[i] * g[i, j]
            variance[j] += v[i] ** 2 * sigma[i, j] ** 2
    return (currents - mean) / variance.sqrt()


def test_column_currents_have_the_mean_variance_and_shape_of_the_sum(standardised):
    assert abs(z_of_mean(standardised, 0.0)) < 5
    assert abs(z_of_sigma(standardised, 1.0)) < 5
    assert stats.kstest(standardised.flatten(), "norm").pvalue > FALSE_ALARM


def test_every_column_has_its_own_mean_and_spread(standardised):
    for column in standardised.T:
        assert abs(z_of_mean(column, 0.0)) < 5
        assert abs(z_of_sigma(column, 1.0)) < 5


def test_the_tests_above_would_notice_5_percent(standardised):
    wrong = 1.05 * standardised
    assert abs(z_of_mean(standardised + 0.05, 0.0)) > 5
    assert abs(z_of_sigma(wrong, 1.0)) > 5
    assert stats.kstest(wrong.flatten(), "norm").pvalue < FALSE_ALARM


def test_columns_and_reads_are_independent(standardised):
    """Standard error of a correlation: 1 / sqrt(4000), 1 / sqrt(200 000)."""
    between = torch.corrcoef(standardised.T).fill_diagonal_(0.0)
    assert float(between.abs().max()) < 6 / VECTORS**0.5  # the largest of 1225: 6 sigma
    pairs = torch.stack((standardised[:-1].flatten(), standardised[1:].flatten()))
    assert abs(float(torch.corrcoef(pairs)[0, 1])) < 5 / (VECTORS * COLUMNS) ** 0.5


def test_both_ways_give_one_distribution():
    g, sigma, v = drawn(3)
    short, brute = (
        way(g, sigma, v.expand(VECTORS, -1), generator=gen(seed))
        for seed, way in enumerate((read, read_device_by_device))
    )
    scale = (v.square() @ sigma.square()).sqrt()  # puts the columns together
    short, brute = ((currents - v @ g) / scale for currents in (short, brute))
    assert stats.ks_2samp(short.flatten(), brute.flatten()).pvalue > FALSE_ALARM
    assert stats.ks_2samp(1.05 * short.flatten(), brute.flatten()).pvalue < FALSE_ALARM


def test_without_noise_a_read_is_the_sum_of_ohms_law():
    g, _, v = drawn(4)
    exact = read(g, None, torch.stack((v, 0 * v)), generator=gen())
    for j in range(COLUMNS):
        expected = sum(float(v[i] * g[i, j]) for i in range(ROWS))
        assert_close(float(exact[0, j]), expected, rtol=1e-12, atol=1e-18)
    assert not exact[1].any()


def test_a_vector_that_drives_nothing_reads_nothing_in_spite_of_noise():
    g, sigma, v = drawn(5)
    assert not read(g, sigma, 0 * v[None], generator=gen()).any()


def test_arguments_are_left_alone_and_the_dtype_is_theirs():
    for kind in (torch.float32, torch.float64):
        g, sigma, v = (part.to(kind) for part in drawn(6))
        copies = g.clone(), sigma.clone(), v.clone()
        assert read(g, sigma, v[None], generator=gen()).dtype == kind
        assert read(g, None, v[None], generator=gen()).dtype == kind
        assert all(torch.equal(a, b) for a, b in zip((g, sigma, v), copies, strict=True))


@pytest.mark.parametrize(
    ("rows", "columns", "tile", "down", "across"),
    [
        (784, 200, (128, 128), 7, 2),
        (128, 128, (128, 128), 1, 1),
        (129, 128, (128, 128), 2, 1),
        (1, 1, (128, 64), 1, 1),
        (5, 7, (2, 3), 3, 3),
    ],
)
def test_an_array_is_cut_into_as_many_tiles_as_cover_it(rows, columns, tile, down, across):
    tiling = Tiling(rows, columns, *tile)
    assert (tiling.down, tiling.across) == (down, across)
