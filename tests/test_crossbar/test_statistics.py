"""Confidence intervals against published tables and against counted trials."""

import numpy as np
import pytest

from crossbar.metrics.statistics import student_interval, wilson_interval


def test_the_interval_of_a_mean_is_students():
    mean, half = student_interval(np.array([[1.0, 2.0, 3.0], [4.0, 4.0, 4.0]]))
    np.testing.assert_allclose(mean, [2.0, 4.0], rtol=1e-12)
    np.testing.assert_allclose(half, [4.302653 / np.sqrt(3.0), 0.0], rtol=1e-6)
    assert student_interval([5.0])[1] == 0.0


def test_the_interval_of_a_fraction_is_wilsons():
    """0.6 of 10: the ends solve |p - 0.6| = z sqrt(p (1 - p) / 10)."""
    for p in wilson_interval(0.6, 10):
        assert abs(p - 0.6) == pytest.approx(1.959964 * np.sqrt(p * (1 - p) / 10), rel=1e-9)
    assert wilson_interval(0.0, 5)[0] == 0.0
    assert wilson_interval(1.0, 5)[1] == 1.0


def test_both_intervals_hold_the_truth_in_95_of_100_experiments():
    draw = np.random.default_rng(3)
    mean, half = student_interval(draw.normal(2.0, 3.0, (4000, 4)))
    assert np.mean(np.abs(mean - 2.0) <= half) == pytest.approx(0.95, abs=0.015)
    ends = np.array([wilson_interval(k / 200, 200) for k in draw.binomial(200, 0.7, 4000)])
    held = (ends[:, 0] <= 0.7) & (ends[:, 1] >= 0.7)
    assert held.mean() == pytest.approx(0.95, abs=0.015)
