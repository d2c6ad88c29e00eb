"""Devices that stop at bounds of their own tell where the window ends, and how they spread."""

import numpy as np
import pytest

from device_models.fitting.estimators.device_bounds import upper_bound


def levels(rng, *, devices=24, cycles=5, sigma=0.15, noise=0.002, top=1e-3):
    """ln g after full SETs, and the devices."""
    own = np.log(top) - sigma * np.abs(rng.normal(size=devices))
    logs = np.repeat(own, cycles) + noise * rng.normal(size=devices * cycles)
    return logs, np.repeat(np.arange(devices), cycles)


def test_intervals_hold_the_end_and_the_spread():
    """400 arrays: 95 % and five standard errors, 1.1 % each."""
    held = np.zeros(2)
    for seed in range(400):
        rng = np.random.default_rng(seed)
        bound = upper_bound(*levels(rng), 0, rng)
        low, high = bound.g_max_interval
        held[0] += low <= 1e-3 <= high
        low, high = bound.sigma_interval
        held[1] += low <= 0.15 <= high
    assert (held / 400 > 0.95 - 5 * 0.011).all(), held / 400
    assert (held / 400 < 1.0).all(), held / 400


def test_the_end_is_hardly_biased_and_lies_above_every_device():
    ends = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        logs, device = levels(rng)
        bound = upper_bound(logs, device, 100, rng)
        assert bound.g_max_siemens > np.exp(logs).max() * 0.99
        assert bound.draws.min() >= bound.g_max_siemens * 0.98
        ends.append(bound.g_max_siemens)
    assert np.mean(ends) == pytest.approx(1e-3, rel=0.0025)  # 0.8 % of spread over sqrt(200)


def test_levels_that_change_from_cycle_to_cycle_are_no_bounds():
    rng = np.random.default_rng(0)
    assert upper_bound(*levels(rng, noise=0.1), 0, rng) is None
    assert upper_bound(*levels(rng, devices=5), 0, rng) is None
    assert upper_bound(*levels(rng, cycles=1), 0, rng) is None
