"""Van Rossum distances: by integration, by elephant where it is here, and what they must be."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from crossbar.metrics.spike_distances import block_means, distances, traces

TAU = 3.7


def trains(seed=0, shape=(2, 5, 40), share=0.15):
    return (np.random.default_rng(seed).random(shape) < share).astype(np.float64)


def by_integration(a, b, tau, *, fine=200, tail=60):
    """int (f_a - f_b)^2 dt / tau on a fine grid, by the midpoint rule."""
    t = (np.arange((len(a) + tail) * fine) + 0.5) / fine
    trace = [
        sum(np.where(t >= k, np.exp(-(t - k) / tau), 0.0) for k in np.flatnonzero(s)) + 0.0 * t
        for s in (a, b)
    ]
    return float(((trace[0] - trace[1]) ** 2).sum() / fine / tau)


def test_the_textbook_form_is_the_integral():
    spikes = trains()
    result = distances(spikes, TAU)
    expected = [[by_integration(a, b, TAU) for b in spikes[1]] for a in spikes[1]]
    assert_allclose(result[1], expected, rtol=1e-4, atol=1e-6)


def test_the_published_form_is_its_sum_over_the_steps():
    spikes = trains()
    f = traces(spikes, TAU)
    expected = np.sqrt(((f[0][:, None] - f[0][None]) ** 2).sum(-1) / TAU)
    assert_allclose(distances(spikes, TAU, "published")[0], expected, rtol=1e-9, atol=1e-9)


def test_a_spike_more_is_a_half_and_two_spikes_far_apart_are_one():
    none, one, other = np.zeros((3, 200))
    one[10], other[190] = 1.0, 1.0
    result = distances(np.stack([none, one, other]), TAU)
    assert_allclose(result[0, 1], 0.5, rtol=1e-12)
    assert_allclose(result[1, 2], 1.0, rtol=1e-9)
    assert_allclose(np.diag(result), 0.0, atol=1e-12)
    assert_allclose(result, result.T, rtol=1e-12)


def test_elephant_says_the_same():
    dissimilarity = pytest.importorskip(
        "elephant.spike_train_dissimilarity", reason="elephant is not installed"
    )
    neo = pytest.importorskip("neo")
    ms = pytest.importorskip("quantities").ms
    spikes = trains(1, (6, 60))
    given = [neo.SpikeTrain(np.flatnonzero(s) * ms, t_stop=60 * ms) for s in spikes]
    theirs = dissimilarity.van_rossum_distance(given, time_constant=TAU * ms)
    assert_allclose(np.sqrt(2.0 * distances(spikes, TAU)), theirs, rtol=1e-6, atol=1e-6)


def test_blocks_leave_out_the_pairs_of_a_neuron_with_itself():
    matrix = np.array([[0.0, 2.0, 5.0], [2.0, 0.0, 7.0], [5.0, 7.0, 0.0]])
    means = block_means(matrix, 2)
    assert means["E-E"] == 2.0
    assert means["E-I"] == 6.0
    assert np.isnan(means["I-I"])
