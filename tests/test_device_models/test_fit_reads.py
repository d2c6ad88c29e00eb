"""Read noise from repeated reads: known truth comes back, and measured reads are predicted."""

import dataclasses
from typing import NamedTuple

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic
from xbar_measured import nirram_reads, relaxation_reads

from device_models.fitting.estimators import likelihood, reads, spectra, whittle
from device_models.fitting.events import reads_table
from device_models.fitting.fit import fit
from device_models.fitting.parameter_draws import drawn_models
from device_models.fitting.predictive_checks import Check, checks, excerpt, predictions
from device_models.fitting.result import Fit
from device_models.presets import load_device

NAMES = ("read_floor", "read_fraction", "read_exponent", "slow_fraction", "slow_exponent")
KNEE = load_device("oxram_literature").read_knee_ohms


def random_reads(seed, **changes):
    """A random device and repeated reads of 48 devices at 8 levels."""
    u = np.random.default_rng([9, seed]).uniform
    drawn = {
        "read_floor": u(0.002, 0.02),
        "read_fraction": u(0.005, 0.02),
        "read_exponent": u(0.3, 0.8),
        "slow_fraction": u(0.005, 0.03),
        "slow_exponent": u(0.1, 0.6),
        "slow_shortest_seconds": 0.05,
        "slow_longest_seconds": 2.0,
    }
    model = synthetic.truth(**drawn | changes)
    levels = np.geomspace(2e-6, 9e-5, 8)
    generator = torch.Generator().manual_seed(seed)
    return model, synthetic.repeated_reads(model, generator, levels=levels, each=6, reads=600)


def fitted(table, resamples=1, **changes):
    preset = dataclasses.replace(load_device("oxram_literature"), **changes)
    generator = np.random.default_rng(0)
    return reads.estimate(table, preset, generator=generator, resamples=resamples)


def holds(parameters, name, truth):
    low, high = parameters.intervals[name]
    return low <= truth <= high


# --- known truth ---------------------------------------------------------------------------------


def test_known_truth_comes_back():
    truth, table = random_reads(1)
    parameters = fitted(table)
    tolerance = {"read_floor": 0.1, "read_fraction": 0.1, "read_exponent": 0.05,
                 "slow_fraction": 0.3, "slow_exponent": 0.15}  # fmt: skip
    for name, relative in tolerance.items():
        low, high = parameters.intervals[name]
        true = getattr(truth, name)
        assert parameters.values[name] == pytest.approx(true, rel=relative), name
        assert low - (high - low) < true < high + (high - low), name
    assert (
        parameters.values["slow_longest_seconds"]
        > 10.0 * parameters.values["slow_shortest_seconds"]
    )
    assert "slow_cap" not in parameters.values  # nothing is capped


@pytest.mark.slow
def test_95_percent_intervals_cover_the_truth():
    inside = []
    for seed in range(40):
        truth, table = random_reads(seed)
        parameters = fitted(table)
        inside.append([holds(parameters, name, getattr(truth, name)) for name in NAMES])
    cover = np.mean(inside, 0)
    assert (cover >= 0.90).all(), dict(zip(NAMES, cover, strict=True))
    assert cover.mean() <= 0.99


def test_a_floor_of_nothing_has_an_interval_that_starts_at_nothing():
    uppers = []
    for seed in (2, 4):
        _, table = random_reads(seed, read_floor=0.0)
        low, high = fitted(table).intervals["read_floor"]
        assert low == 0.0
        uppers.append(high)
    assert min(uppers) > 0.001
    assert max(uppers) < 0.04


def test_no_slow_noise_is_said_so_with_an_upper_end():
    _, table = random_reads(3, slow_fraction=0.0)
    parameters = fitted(table)
    assert parameters.values["slow_fraction"] == 0.0
    low, high = parameters.intervals["slow_fraction"]
    assert low == 0.0
    assert high > 0.0
    assert "slow_longest_seconds" not in parameters.values


def test_a_cap_of_the_slow_noise_is_found():
    cap = 0.04
    truth, table = random_reads(
        5, slow_fraction=0.002, slow_exponent=0.9, slow_cap=cap, read_floor=0.003
    )
    parameters = fitted(table)
    # Amplitude and slowest time go together: series of 6 s see little of 2 s.
    assert parameters.values["slow_cap"] == pytest.approx(cap, rel=0.35)
    assert parameters.values["slow_exponent"] == pytest.approx(0.9, abs=0.25)
    assert holds(parameters, "slow_cap", truth.slow_cap)


def test_jumps_of_one_device_do_not_change_the_white_part():
    truth, table = random_reads(1)
    clean = fitted(table, resamples=0)
    g = table.g_siemens.copy()
    g[(table.series == 20) & (table.time_seconds > 3.0)] *= 1.2
    parameters = fitted(dataclasses.replace(table, g_siemens=g), resamples=0)
    for name in ("read_floor", "read_fraction", "read_exponent"):
        assert parameters.values[name] == pytest.approx(clean.values[name], rel=0.1), name
    assert parameters.values["slow_exponent"] == pytest.approx(truth.slow_exponent, abs=0.3)


def test_one_resistance_leaves_floor_and_growth_open():
    model = synthetic.truth(read_floor=0.01, read_fraction=0.0)
    generator = torch.Generator().manual_seed(0)
    table = synthetic.repeated_reads(model, generator, levels=[2e-5], each=12, reads=200)
    parameters = fitted(table)
    assert parameters.intervals["read_floor"][0] == parameters.intervals["read_fraction"][0] == 0.0
    assert parameters.intervals["read_floor"][1] > 0.0099
    assert "read_exponent" not in parameters.values
    assert any("not told apart" in words for words in parameters.warnings)


def test_short_series_without_a_clock_tell_the_white_part():
    rng = np.random.default_rng(1)
    ohms = np.repeat(np.geomspace(1e4, 4e5, 60), 10)
    sigma = np.hypot(0.005, 0.004 * (ohms / KNEE) ** 0.6)
    g = (1.0 + sigma[:, None] * rng.normal(size=(600, 6))) / ohms[:, None]
    series = np.repeat(np.arange(600), 6)
    parameters = fitted(reads_table(series, series, np.full(3600, np.nan), g.ravel(), "no clock"))
    for name, true in (("read_floor", 0.005), ("read_fraction", 0.004), ("read_exponent", 0.6)):
        assert holds(parameters, name, true), name
    assert "slow_fraction" not in parameters.values
    assert any("in the white part" in words for words in parameters.warnings)


def test_without_resamples_there_is_no_interval_and_one_read_tells_nothing():
    _, table = random_reads(0)
    parameters = fitted(table.take(table.series < 8), resamples=0)
    assert all(parameters.intervals[name] == (v, v) for name, v in parameters.values.items())
    one = np.arange(5)
    alone = fitted(reads_table(one, one, np.zeros(5), np.full(5, 1e-5), "single reads"))
    assert not alone.values


# --- the likelihood ------------------------------------------------------------------------------


def table_of(omega, n, dt):
    """Frequencies of one series, and nothing measured."""
    ones, zeros = np.ones(len(omega)), np.zeros(len(omega), np.int64)
    return spectra.Spectra(
        unit=np.zeros(1, np.int64), ohms=np.array([1e5]), series=zeros, power=ones, count=ones,
        octave=zeros, weight=ones, table_index=np.arange(len(omega)), omega=omega,
        reads=np.full(len(omega), float(n)), dt_seconds=np.full(len(omega), dt),
    )  # fmt: skip


@pytest.mark.parametrize("tau", [0.003, 0.4, 50.0, 1e4])
def test_expected_spectrum_is_the_transform_of_the_tapered_autocovariance(tau):
    n, dt = 80, 0.01
    omega = 2.0 * np.pi * np.arange(1, n // 2 + 1) / n
    lags = np.arange(n)
    covariance = (1.0 - lags / n) * np.exp(-lags * dt / tau)
    direct = 2.0 * np.cos(np.outer(omega, lags)) @ covariance - 1.0
    fluctuation, slope = whittle.fluctuation(table_of(omega, n, dt), np.array([tau]))
    np.testing.assert_allclose(fluctuation[0], direct, rtol=1e-6, atol=1e-9)
    later, sooner = (
        whittle.fluctuation(table_of(omega, n, dt), np.array([tau * np.exp(h)]))[0][0]
        for h in (1e-4, -1e-4)
    )
    np.testing.assert_allclose(slope[0], (later - sooner) / 2e-4, rtol=1e-4, atol=1e-7)


def test_slopes_of_the_likelihood_are_right():
    _, table = random_reads(0)
    periodograms = spectra.of_reads(table)
    theta = np.array([1e-4, -4.0, 0.5, -4.5, 0.4, -3.0, 0.7, np.log(0.05)])
    _, gradient, _ = whittle.value(periodograms, theta, KNEE, 0.5)
    for k in range(len(theta)):
        h = np.zeros(len(theta))
        h[k] = 1e-6 if k else 1e-9
        up, down = (whittle.value(periodograms, theta + s * h, KNEE, 0.5).loss for s in (1, -1))
        np.testing.assert_allclose((up - down) / (2.0 * h[k]), gradient[k], rtol=1e-3, atol=0.05)


def test_pooling_like_resistances_hardly_moves_the_minimum():
    rng = np.random.default_rng(2)
    ohms = np.exp(rng.uniform(np.log(1e4), np.log(4e5), 300))
    sigma = 0.004 * (ohms / KNEE) ** 0.6
    g = (1.0 + sigma[:, None] * rng.normal(size=(300, 100))) / ohms[:, None]
    series = np.repeat(np.arange(300), 100)
    time = np.tile(np.arange(100) * 0.1, 300)
    periodograms = spectra.of_reads(reads_table(series, series, time, g.ravel(), "many"))
    pooled = spectra.pooled(periodograms)
    assert len(pooled.ohms) <= spectra.GROUPS
    assert len(pooled.power) < 0.5 * len(periodograms.power)
    theta = np.array([0.0, np.log(0.004), 0.6, -20.0, 0.0, -2.0, 0.0, 0.0])
    exact, quick = (whittle.value(s, theta, KNEE, 0.5) for s in (periodograms, pooled))
    shift = np.linalg.solve(exact.curvature[1:3, 1:3], (exact.gradient - quick.gradient)[1:3])
    sigma_of = np.sqrt(np.diag(np.linalg.inv(exact.curvature[1:3, 1:3])))
    assert (np.abs(shift) < 0.2 * sigma_of).all()


def test_the_profile_of_a_parabola_is_its_interval_and_a_border_cuts_it():
    h = np.array([[4.0, 1.0], [1.0, 3.0]])

    def loss(theta):
        off = theta - np.array([1.0, 2.0])
        return likelihood.Value(0.5 * off @ h @ off, h @ off, h)

    box = likelihood.Box(np.array([0.9, -50.0]), np.array([50.0, 50.0]))
    best = likelihood.minimise(loss, np.array([20.0, -20.0]), box)
    np.testing.assert_allclose(best.at, [1.0, 2.0], rtol=1e-4, atol=0)
    half = 1.96 * np.sqrt(np.linalg.inv(h)[0, 0])
    low, high = likelihood.interval(loss, best, box, 0, 0.5 * 1.96**2)
    assert low == 0.9
    assert high == pytest.approx(1.0 + half, rel=0.02)


# --- measured reads ------------------------------------------------------------------------------


def part_of(measurements, begin, end):
    """The reads of every series from one fraction of it to another."""
    table = measurements.reads[0]
    n = np.bincount(table.series)[table.series]
    index = np.arange(len(table)) - np.searchsorted(table.series, table.series)
    rows = (index >= begin * n) & (index < end * n)
    return dataclasses.replace(measurements, reads=(table.take(rows),))


class Compared(NamedTuple):
    """A fit against reads: checks with drawn parameters, and those at the estimates."""

    fit: Fit
    drawn: list[Check]
    fixed: list[Check]

    def spreads(self, of="drawn"):
        """The quantiles of the five levels."""
        return [check for check in getattr(self, of) if "median" in check.name]

    def lags(self):
        """Whether lag-1 autocorrelations are in their bands, and how far off the estimates are."""
        lag_checks = [
            [c for c in of if "autocorrelation" in c.name] for of in (self.drawn, self.fixed)
        ]
        return [bool(c.inside[0]) for c in lag_checks[0]], np.array(
            [c.effect[0] for c in lag_checks[1]]
        )

    def ratios(self):
        """Distance of the 5 and the 95 % quantile, measured over predicted, of each level."""
        return np.array([np.ptp(c.measured) / np.ptp(c.predicted) for c in self.spreads("fixed")])


def compared(fitted_on, predicted):
    """Reads of five levels against the fit of others."""
    fitted_device = fit(
        fitted_on, load_device("oxram_literature"), generator=np.random.default_rng(0)
    )
    drawn, fixed = (
        checks(predicted, predictions(models, predicted, seed=0))
        for models in (drawn_models(fitted_device, seed=0), fitted_device.model)
    )
    return Compared(fitted_device, drawn, fixed)


def count(quantile_checks, what):
    """How many quantiles but the medians, which are 0, are inside their bands or vague."""
    return sum(int(getattr(check, what)[[0, 1, 3, 4]].sum()) for check in quantile_checks)


def test_measured_reads_keep_their_correlation_at_every_level():
    # What `xbar fit` checks: everything is fitted, an excerpt is compared.
    measurements = relaxation_reads()
    comparison = compared(measurements, excerpt(measurements))
    held, off = comparison.lags()
    assert len(off) == 5
    assert all(held)
    assert np.abs(off).max() < 0.1, off
    assert comparison.fit.model.slow_longest_seconds > 100.0
    # The cell of 253 uS fluctuates by 0.6 of what one law for all five gives; those at 9.5, 96 and
    # 134 uS jump between few levels, and such quantiles are not those of a normal distribution.
    # Five devices tell little: 17 of 20 quantiles are inside, 12 bands are vague.
    assert count(comparison.spreads(), "inside") >= 15
    assert count(comparison.spreads(), "vague") <= 14
    assert comparison.ratios().min() > 0.5
    assert comparison.ratios().max() < 2.2


@pytest.mark.slow
def test_the_first_half_of_measured_reads_predicts_the_second():
    measurements = relaxation_reads()
    first, second = part_of(measurements, 0.0, 0.5), part_of(measurements, 0.5, 1.0)
    _, off_first = compared(first, first).lags()
    assert np.abs(off_first).max() < 0.1, off_first
    comparison = compared(first, second)
    held, off = comparison.lags()
    # 10 of 20 quantiles and 4 of 5 correlations are inside (2 and 1 at the estimates alone), and
    # all 20 bands are wider than the measured spread: five series whose spreads differ by a factor
    # of 60 leave the slow part open by a factor of several.
    assert count(comparison.spreads(), "inside") >= 8
    assert count(comparison.spreads("fixed"), "inside") <= 4
    assert sum(held) >= 3
    assert count(comparison.spreads(), "vague") >= 16
    # Between the halves the correlation itself falls by 0.27, 0.02, 0.17, -0.02 and 0.20, and the
    # spread to a third or less at 10 and 135 uS: the jumps of the first half are not in the second.
    # No stationary law predicts that; it must predict no worse than the first half as it stands.
    assert np.abs(off[[1, 3]]).max() < 0.1, off
    change = off - off_first
    assert (np.abs(off) < np.abs(change) + 0.05).all(), (off, change)
    assert np.abs(off).max() < 0.3, off
    assert comparison.ratios().min() > 0.2
    assert comparison.ratios().max() < 1.5


def test_reads_of_one_measured_cell_are_predicted():
    measurements = nirram_reads()
    comparison = compared(measurements, measurements)
    held, off = comparison.lags()
    assert comparison.spreads()[0].inside.all()
    assert comparison.spreads("fixed")[0].inside.all()
    assert all(held)
    assert np.abs(off).max() < 0.1
    status = {e.name: e.status for e in comparison.fit.estimates}
    assert status["read_exponent"] != "measured"
    assert any("lies beyond the reads" in words for words in comparison.fit.warnings)
