"""Devices that stop at bounds of their own tell where the window ends, and how they spread."""

import numpy as np
import pytest
from scipy import integrate, stats

from device_models.fitting.estimators.device_bounds import (
    End,
    _log_likelihood,
    bounds,
    end_of,
)

ENDS = {1: 1e-3, -1: 1e-6}  # siemens


def levels(rng, sign, *, devices=24, cycles=5, sigma=0.15, noise=0.002, slow=0.0):
    """ln g after full SETs or RESETs, and the devices."""
    inside = sigma * np.abs(rng.normal(size=devices))
    each = np.log(ENDS[sign]) - sign * inside + slow * rng.normal(size=devices)
    logs = np.repeat(each, cycles) + noise * rng.normal(size=devices * cycles)
    return logs, np.repeat(np.arange(devices), cycles)


def window(seed, resamples=0):
    """The bounds of an array whose low end is read with as much noise as the devices spread."""
    rng = np.random.default_rng(seed)
    high = end_of(1, *levels(rng, 1), 0.002, 0.0)
    low = end_of(-1, *levels(rng, -1, noise=0.05, slow=0.1), 0.18, 0.1)
    return bounds([high, low], resamples, rng)


def test_intervals_hold_both_ends_and_the_spread():
    """80 arrays: 95 % and four standard errors, 2.4 % each; the values are hardly biased."""
    truth = np.array([*ENDS.values(), 0.15])
    found = [window(seed) for seed in range(80)]
    rows = [(*(b.ends_siemens[sign] for sign in ENDS), b.sigma) for b in found]
    low, high = np.array([[n.interval for n in row] for row in rows]).transpose(2, 0, 1)
    held = ((low <= truth) & (truth <= high)).mean(0)
    assert (held > 0.95 - 4 * 0.024).all(), held
    assert (held < 1.0).sum() > 1, held
    values = np.array([[number.value for number in row] for row in rows])
    off = np.abs(values.mean(0) / truth - 1.0)  # four standard errors each
    assert (off < (0.003, 0.015, 0.06)).all(), off


def test_draws_spread_as_the_intervals():
    bound = window(0, resamples=4000)
    for number in (*bound.ends_siemens.values(), bound.sigma):
        low, high = np.quantile(number.draws, (0.025, 0.975))
        assert (low, high) == pytest.approx(number.interval, rel=0.1 if number is bound.sigma
                                            else 0.005)  # fmt: skip


def test_the_density_is_that_of_a_half_normal_number_with_a_normal_error():
    """Against the convolution, by quadrature."""
    sigma, error, place = 0.15, 0.1, 0.3
    for level in (-0.2, 0.1, 0.25, 0.45):
        expected, _ = integrate.quad(
            lambda x, at=place - level: 2.0 * stats.norm.pdf(x, scale=sigma)
            * stats.norm.pdf(at - x, scale=error), 0.0, 3.0,
        )  # fmt: skip
        end = End(1, np.array([level]), error)
        log = _log_likelihood(end, np.array([place]), np.array([sigma]))[0, 0]
        # Without the factor sqrt(2 pi) / 2 of the density, which is the same everywhere.
        assert np.exp(log) * 2.0 / np.sqrt(2.0 * np.pi) == pytest.approx(expected, rel=1e-9)


def test_levels_that_change_from_cycle_to_cycle_are_no_bounds():
    rng = np.random.default_rng(0)
    assert end_of(1, *levels(rng, 1, noise=0.1), 0.01, 0.0) is None
    assert end_of(1, *levels(rng, 1, noise=0.1), 0.1, 0.0) is not None  # as a read does
    assert end_of(1, *levels(rng, 1, devices=5), 0.01, 0.0) is None
    assert end_of(1, *levels(rng, 1, cycles=1), 0.01, 0.0) is None
