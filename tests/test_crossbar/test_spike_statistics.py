"""Rates, intervals, components and tests of spikes: toys by hand, scipy, plain loops."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from crossbar.metrics.comparisons import (
    PAIRED,
    STUDENT,
    WELCH,
    compare_means,
    compare_ranks,
    holm,
)
from crossbar.metrics.pca import principal_components
from crossbar.metrics.rates import class_counts, epochs_to_converge, psth_hz, rates_hz
from crossbar.metrics.run_tests import between_groups
from crossbar.metrics.spike_distances import PAIRS, distances
from crossbar.metrics.spike_intervals import moments, neuron_intervals, pooled_intervals
from crossbar.metrics.spike_sums import Spikes, SpikeSums
from device_models.errors import ShapeError

RASTERS = np.array([  # two samples of three neurons in six steps
    [[1, 0, 1, 0, 0, 1], [0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0]],
    [[0, 1, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 1, 0]],
])  # fmt: skip


def spikes_in(rasters):
    """Every spike of some rasters (samples, neurons, steps)."""
    return Spikes(*np.nonzero(rasters))


def test_rates_and_psth_of_a_toy():
    samples, neurons, times = spikes_in(RASTERS)
    counts = class_counts(np.array([1, 0])[samples], neurons, times, (2, 3, 6))
    assert (counts == RASTERS[::-1]).all()
    images = np.array([2, 1])
    assert_allclose(rates_hz(counts.sum(-1), images, 0.006)[1], [3 / 0.006, 1 / 0.006, 0.0])
    assert_allclose(psth_hz(counts, images, 1e-3)[1], np.array([1, 0, 2, 0, 0, 1]) / 3 * 1e3)
    assert np.isnan(rates_hz(counts.sum(-1), np.array([0, 1]), 0.006)[0]).all()
    with pytest.raises(ShapeError, match="outside of"):
        class_counts(np.array([2]), np.array([0]), np.array([0]), (2, 3, 6))


def test_intervals_are_those_of_one_neuron_in_one_sample():
    samples, neurons, times = spikes_in(RASTERS)
    result = neuron_intervals(samples, neurons, times, (3, 6))
    expected = np.zeros((3, 6))
    expected[0, 2] = expected[0, 3] = expected[1, 1] = 1
    assert (result == expected).all()
    shuffled = np.random.default_rng(0).permutation(len(times))
    again = neuron_intervals(samples[shuffled], neurons[shuffled], times[shuffled], (3, 6))
    assert (again == expected).all()


def test_pooled_intervals_are_gaps_of_the_population_as_published():
    samples, _, times = spikes_in(RASTERS)
    expected = np.zeros(6, int)
    for raster in RASTERS:  # the published code: np.where of a raster (steps, neurons)
        gaps = np.diff(np.where(raster.T)[0])
        expected += np.bincount(gaps, minlength=6)
    assert (pooled_intervals(samples, times, 6) == expected).all()


def test_moments_of_a_histogram_are_those_of_its_numbers():
    numbers = np.array([1, 1, 2, 5, 5, 5, 9, 12])
    said = moments(np.bincount(numbers))
    assert said.intervals == 8
    assert said.mean == numbers.mean()
    assert said.median == np.median(numbers)
    assert said.cv == pytest.approx(numbers.std() / numbers.mean())
    assert np.isnan(moments(np.zeros(4, int)).median)


def test_epochs_to_converge_by_hand():
    accuracy = np.array([0.1, 0.5, 0.7, 0.78, 0.8, *[0.8, 0.82] * 4])
    last = accuracy[-10:]
    epoch, threshold = epochs_to_converge(accuracy)
    assert threshold == pytest.approx(last.mean() - last.std())
    assert epoch == next(i for i, a in enumerate(accuracy) if a > threshold)
    assert epochs_to_converge(np.array([0.5, 0.5, 0.5]))[0] == 0


def test_components_are_those_of_the_centred_counts():
    counts = np.random.default_rng(0).poisson([1.0, 4.0, 9.0, 0.2], (5000, 4))
    counts[:, 1] += counts[:, 2]
    result = principal_components(counts)
    _, singular, axes = np.linalg.svd(counts - counts.mean(0), full_matrices=False)
    assert_allclose(result.variances, singular**2 / 4999, rtol=1e-9)
    assert_allclose(np.abs(result.axes), np.abs(axes), atol=1e-9)
    assert result.scores(counts, 2).shape == (5000, 2)
    assert_allclose(result.scores(counts, 4).var(0, ddof=1), result.variances, rtol=1e-9)


def test_sums_over_parts_are_those_of_all_samples():
    rasters = np.random.default_rng(1).random((40, 6, 20)) < 0.2
    labels = np.random.default_rng(2).integers(0, 3, 40)
    sums = SpikeSums(classes=3, neurons=6, excitatory=4, steps=20, tau_steps=1.5)
    for low in (0, 7, 30):
        part = slice(low, {0: 7, 7: 30, 30: 40}[low])
        sums.add(labels[part], spikes_in(rasters[part]))
    assert (sums.of_samples == rasters.sum(-1)).all()
    assert (sums.counts[1] == rasters[labels == 1].sum(0)).all()
    for form in ("published", "textbook"):
        every = distances(rasters, 1.5, form)
        assert_allclose(sums.distances.means(form), every.mean(0), rtol=1e-9, atol=1e-12)
        blocks = [every[:, :4, :4].sum((1, 2)) / 12, every[:, :4, 4:].mean((1, 2)),
                  every[:, 4, 5]]  # fmt: skip
        assert_allclose(sums.distances.per_sample(form), np.stack(blocks, 1), rtol=1e-9)
    assert list(sums.groups) == ["excitatory", "inhibitory"]
    assert sums.pooled["all"].sum() == rasters.sum() - 40


@pytest.mark.parametrize("test", [STUDENT, WELCH, PAIRED])
def test_means_are_compared_as_scipy_does_it(test):
    g = np.random.default_rng(3)
    a, b = g.normal(0.0, 1.0, 9), g.normal(1.0, 2.0, 9)
    done = compare_means(a, b, test)
    theirs = {
        STUDENT: stats.ttest_ind(b, a), WELCH: stats.ttest_ind(b, a, equal_var=False),
        PAIRED: stats.ttest_rel(b, a),
    }[test]  # fmt: skip
    assert (done.statistic, done.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert (done.low, done.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert done.low < b.mean() - a.mean() == done.difference < done.high
    spread = (b - a).std(ddof=1) if test == PAIRED else np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 2)
    degrees = 8 if test == PAIRED else 16
    assert done.effect == pytest.approx(done.difference / spread * (1 - 3 / (4 * degrees - 1)))
    assert done.effect_low < done.effect < done.effect_high


def test_groups_of_one_or_without_spread_have_no_test():
    assert np.isnan(compare_means([1.0], [2.0, 3.0], WELCH).p)
    assert np.isnan(compare_means([1.0, 1.0], [1.0, 1.0], STUDENT).p)
    generator = np.random.default_rng(0)
    assert np.isnan(compare_ranks([[1.0, 1.0], [1.0, 1.0]], generator=generator).p)


def test_ranks_are_compared_as_scipy_does_it():
    g = np.random.default_rng(4)
    groups = [g.integers(0, 9, 12), g.integers(2, 11, 15), g.integers(4, 13, 10)]
    done = compare_ranks(groups, generator=np.random.default_rng(0))
    theirs = stats.kruskal(*groups)
    assert (done.statistic, done.p) == pytest.approx((theirs.statistic, theirs.pvalue))
    assert done.effect == pytest.approx(theirs.statistic / 36)  # epsilon^2 = H / (n - 1)
    assert done.effect_low < done.effect < done.effect_high
    again = compare_ranks(groups, generator=np.random.default_rng(0))
    assert again == done


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, float("nan"), 0.005])[:3] == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert np.isnan(holm([float("nan")])[0])


def test_groups_of_runs_pair_by_seed_within_a_stratum():
    g, runs = np.random.default_rng(5), []
    for noise in ("0.2", "0.6"):
        for ei, shift in (("100:0", 0.0), ("80:20", 0.3), ("50:50", -0.3)):
            for seed in range(5):
                row = {"ei": ei, "noise": noise, "seed": str(seed)}
                row |= {f"distance_published_{p}": 1.0 for p in PAIRS}
                runs.append(row | {"test_accuracy": 0.5 + shift + 0.01 * g.normal()})
    tests = between_groups(runs, "ei", "100:0", ["noise"], np.random.default_rng(0))
    inside = [t for t in tests if t["result"] == "test_accuracy" and t["where"] == "noise 0.6"]
    assert [t["test"] for t in inside] == [*[STUDENT, WELCH, PAIRED] * 2, "kruskal_wallis"]
    a, b = ([r["test_accuracy"] for r in runs if (r["ei"], r["noise"]) == (ei, "0.6")]
            for ei in ("100:0", "80:20"))  # fmt: skip
    assert inside[2]["p"] == pytest.approx(stats.ttest_rel(b, a).pvalue)
    assert inside[1]["groups"] == "100:0 | 80:20"
    assert inside[1]["tests_in_family"] == 4  # two groups in two strata
    assert inside[1]["p_holm"] >= inside[1]["p"]
