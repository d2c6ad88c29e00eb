"""Relaxation of known devices comes back; half of the measured cells predicts the other half."""

import dataclasses

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic
from xbar_measured import bake, relaxation

from device_models.fitting.estimators import retention
from device_models.fitting.fit import fit
from device_models.fitting.measurements import Retention
from device_models.fitting.parameter_draws import drawn_models
from device_models.fitting.predictive_checks import checks, excerpt, predictions
from device_models.presets import load_device

LEVELS = np.linspace(5e-6, 9e-5, 8)
SECONDS = (1e-3, 1e-1, 1.0, 1e2, 1e4)
NAMES = (
    "relax_sigma_siemens", "relax_drift_siemens", "relax_peak_siemens", "relax_sharpness",
    "relax_tail_sigma", "relax_onset_seconds",
)  # fmt: skip


def rng(seed=0):
    return np.random.default_rng(seed)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def random_retention(seed):
    """A random device and five readings of 480 devices over seven decades."""
    u = rng([11, seed]).uniform
    model = synthetic.truth(
        read_floor=0.005,
        read_fraction=0.0,
        relax_sigma_siemens=u(1e-7, 6e-7),
        relax_drift_siemens=u(-3e-7, 0.0),
        relax_peak_siemens=u(2e-5, 6e-5),
        relax_sharpness=u(0.5, 3.0),
        relax_tail_sigma=u(0.0, 1.0),
        relax_onset_seconds=10 ** u(-2.7, -0.5),
    )
    table = synthetic.retention(model, gen(seed), levels=LEVELS, each=60, seconds=SECONDS)
    return model, table


def blind(model):
    """The window of a device, everything else forgotten."""
    ends = {n: getattr(model, n) for n in ("g_min_siemens", "g_max_siemens")}
    return dataclasses.replace(load_device("oxram_literature"), **ends)


def estimated(table, preset, resamples=200):
    return retention.estimate(table, preset, generator=rng(), resamples=resamples)


def outcomes(seeds):
    """Whether the interval holds the truth, and the error in interval widths, per experiment."""
    inside, errors = [], []
    for seed in seeds:
        truth, table = random_retention(seed)
        preset = blind(truth)
        parameters = estimated(table, preset)
        true = np.array([getattr(truth, name) for name in NAMES])
        # An onset that is not identified is the preset's, and its interval covers no truth.
        value = np.array([parameters.values.get(name, getattr(preset, name)) for name in NAMES])
        ends = np.array(
            [parameters.intervals.get(n, (v, v)) for n, v in zip(NAMES, value, strict=True)]
        )
        inside.append((ends[:, 0] <= true) & (true <= ends[:, 1]))
        errors.append((value - true) / np.maximum(np.ptp(ends, axis=1), 1e-12))
    return np.array(inside), np.array(errors)


def test_known_relaxation_comes_back():
    inside, errors = outcomes((0, 1))
    assert np.abs(errors).max() < 1.3  # about 5 standard errors: an interval is 3.9 wide
    assert inside.mean() > 0.6


@pytest.mark.slow
def test_95_percent_intervals_cover_the_truth():
    inside, _ = outcomes(range(40))
    coverage = dict(zip(NAMES, inside.mean(0), strict=True))
    assert min(coverage.values()) >= 0.9, coverage
    assert inside.mean() <= 0.99, coverage


def test_a_device_that_had_moved_before_its_first_reading_is_brought_back():
    """Four decades pass before the first reading; taken for the start, the peak would be off."""
    truth = synthetic.truth(
        read_floor=0.002, read_fraction=0.0, relax_sigma_siemens=4e-7, relax_drift_siemens=-6e-7,
        relax_peak_siemens=4e-5, relax_sharpness=2.0, relax_onset_seconds=1e-6,
    )  # fmt: skip
    table = synthetic.retention(truth, gen(1), levels=LEVELS, each=200)
    parameters = estimated(table, blind(truth))
    assert "relax_onset_seconds" not in parameters.values  # it was over before the first reading
    assert parameters.values["relax_peak_siemens"] == pytest.approx(4e-5, rel=0.04)
    assert parameters.values["relax_drift_siemens"] == pytest.approx(-6e-7, rel=0.1)
    assert parameters.values["relax_sharpness"] == pytest.approx(2.0, rel=0.15)


def test_the_read_error_comes_off_without_repeated_reads():
    truth, table = random_retention(3)
    parameters = estimated(table, blind(truth))
    assert parameters.values["read_fraction"] == pytest.approx(0.005, rel=0.15)
    assert parameters.values["read_exponent"] == pytest.approx(0.0, abs=0.15)


def test_without_relaxation_the_interval_of_its_spread_reaches_zero_and_is_no_point():
    truth = synthetic.truth(
        read_floor=0.01, read_fraction=0.0, relax_sigma_siemens=0.0, relax_drift_siemens=1e-9
    )
    table = synthetic.retention(truth, gen(), levels=LEVELS, each=60, seconds=SECONDS)
    low, high = estimated(table, blind(truth)).intervals["relax_sigma_siemens"]
    assert low == 0.0
    assert 1e-10 < high < 5e-7  # a read error at 50 uS


def heated(model, kelvins, *, each=250, seconds=5e3):
    """Two readings of devices kept at a temperature in between."""
    parts = []
    for k, kelvin in enumerate(kelvins):
        state = synthetic.placed(model, gen(k), LEVELS, each)
        before = synthetic.read(model, state, gen(100 + k))
        later = model.advance(state, seconds, generator=gen(), temperature_kelvin=kelvin)
        n = len(before)
        parts.append(
            Retention(
                device=np.arange(n) + k * n,
                time_seconds=np.full(n, seconds),
                g_siemens=synthetic.read(model, later, gen(200 + k)),
                initial_siemens=before,
                target_siemens=np.full(n, np.nan),
                temperature_kelvin=np.full(n, kelvin),
            )
        )
    return Retention.join(parts)


HOT = {
    "read_floor": 0.005, "read_fraction": 0.0, "relax_sigma_siemens": 3e-7,
    "relax_drift_siemens": -2e-7, "relax_peak_siemens": 4e-5, "relax_onset_seconds": 1e-3,
}  # fmt: skip


def test_temperatures_that_follow_the_law_tell_the_activation_energy():
    truth = synthetic.truth(**HOT, relax_activation_ev=0.8)
    known = {n: HOT[n] for n in ("read_floor", "read_fraction", "relax_onset_seconds")}
    preset = dataclasses.replace(blind(truth), **known)
    parameters = estimated(heated(truth, (300.0, 350.0, 400.0)), preset)
    low, high = parameters.intervals["relax_activation_ev"]
    assert low < 0.8 < high
    assert high - low < 0.5
    assert parameters.values["relax_sigma_siemens"] == pytest.approx(3e-7, rel=0.15)


def test_temperatures_that_break_the_law_keep_the_presets_energy_and_say_so():
    up = synthetic.truth(**HOT | {"relax_drift_siemens": 4e-7})
    down = synthetic.truth(**HOT | {"relax_drift_siemens": -4e-7})
    table = Retention.join([heated(up, (350.0,)), heated(down, (300.0, 400.0))])
    apart = dataclasses.replace(table, device=np.arange(len(table)))
    parameters = estimated(apart, blind(up))
    assert "relax_activation_ev" not in parameters.values
    assert (
        "relaxation is fitted at 300 K, relax_activation_ev is the preset's"
        in parameters.warnings[0]
    )


def test_few_devices_fit_what_they_tell_and_two_keep_the_preset():
    truth, table = random_retention(5)
    parameters = estimated(table.take(table.device % 60 == 0), blind(truth))
    assert parameters.values.keys() == {"relax_sigma_siemens", "relax_drift_siemens"}
    none = estimated(table.take(table.device < 2), blind(truth))
    assert not none.values
    assert "needs 3 devices" in none.warnings[0]


# --- measured sets -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def halves():
    """The fit of every second cell of technology B, and the other cells."""
    whole = relaxation("B")
    table = whole.retention[0]
    odd = table.device % 2 == 1
    half = dataclasses.replace(whole, retention=(table.take(odd),))
    other = dataclasses.replace(whole, retention=(table.take(~odd),))
    return fit(half, load_device("oxram_literature"), generator=rng()), other


def test_the_bands_are_narrow_and_the_tails_lie_outside(halves):
    """Thousands of cells leave no room in the parameters: the law itself fails, in the tails.

    Quantiles in three ranges at three times; distances relative to the spread from 5 to 95 %.
    """
    fitted, other = halves
    other = excerpt(other)
    compared = checks(other, predictions(drawn_models(fitted, seed=0), other, seed=0))
    inside = np.stack([check.inside for check in compared])
    off = np.abs([check.effect for check in compared])
    assert inside.shape == (9, 5)
    assert not np.any([check.vague for check in compared])
    assert inside.mean() >= 0.2  # 14 of 45; one of the 18 tails
    assert off[:, 2].max() < 0.03
    assert off[:, [1, 3]].max() < 0.1
    assert off[:, [0, 4]].max() < 0.4


def test_half_of_the_cells_predicts_how_the_other_half_relaxes(halves):
    """Gap of the quantiles of the change, over the measured spread from 5 to 95 %.

    The law fails in the tails, from 5 to 95 %: above 80 uS they are predicted up to three times as
    wide as measured, and between 20 and 60 uS more cells lose conductance than predicted, which
    also moves the lower quartile.
    """
    fitted, other = halves
    simulated = predictions(fitted.model, other, seed=0, count=1)[0].retention[0]
    measured = other.retention[0]
    gaps = []
    for low, high in ((5, 20), (20, 40), (40, 60), (60, 80), (80, 100), (100, 125)):
        at = (measured.initial_siemens > low * 1e-6) & (measured.initial_siemens < high * 1e-6)
        for seconds in (1.0, 1e2, 1e4):
            rows = at & (measured.time_seconds == seconds)
            levels = (0.05, 0.25, 0.5, 0.75, 0.95)
            observed, expected = (
                np.quantile((t.g_siemens - t.initial_siemens)[rows], levels)
                for t in (measured, simulated)
            )
            gaps.append(np.abs(observed - expected) / np.ptp(observed))
    gaps = np.array(gaps).reshape(6, 3, 5)
    assert gaps[..., 2].max() < 0.06
    assert gaps[..., 3].max() < 0.13
    assert gaps[..., 1].max() < 0.26
    assert gaps[:3, :, (0, 4)].max() < 0.45
    assert gaps[3, :, (0, 4)].max() < 0.75


@pytest.mark.parametrize("technology", ["A", "B"])
def test_measured_bakes_follow_no_arrhenius_law(technology):
    parameters = estimated(
        bake(technology).retention[0], load_device("oxram_literature"), resamples=0
    )
    assert "relax_activation_ev" not in parameters.values
    assert "do not follow one Arrhenius law" in parameters.warnings[0]
