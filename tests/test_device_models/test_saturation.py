"""Ramps that outlast the way to the bound: their later pulses must not count as steps."""

import dataclasses

import numpy as np
import pytest
import torch
from xbar_synthetic import trains, truth

from device_models.fitting.estimators.pulse_train import PulseTrain
from device_models.fitting.estimators.saturation import starts, up_to_the_bound
from device_models.fitting.fit import fit
from device_models.fitting.measurements import Measurements, Pulses
from device_models.presets import load_device


def ramp(after, *, start=1e-5, polarity=1):
    n = len(after)
    return Pulses(
        device=np.zeros(n),
        ramp=np.zeros(n),
        index=np.arange(n),
        polarity=np.full(n, polarity),
        g_before_siemens=np.r_[start, after[:-1]],
        g_after_siemens=after,
        v_volts=np.full(n, np.nan),
        width_seconds=np.full(n, np.nan),
    )


def test_a_plateau_ends_the_window_and_not_its_noise():
    level = 1e-5 + 9e-5 * np.minimum(1.0, np.arange(1, 101) / 50.0)
    noise = 1e-6 * np.random.default_rng(0).normal(size=100)
    before, after = up_to_the_bound(ramp(level + noise))
    assert after.max() == pytest.approx(1e-4, rel=0.005)
    assert before.max() == after.max()
    assert after[:40] == pytest.approx((level + noise)[:40], rel=1e-12)


def test_a_ramp_without_a_plateau_and_a_short_one_are_left_alone():
    for table in (ramp(np.linspace(1.1e-5, 1e-4, 100)), ramp(np.full(20, 1e-4))):
        assert (up_to_the_bound(table)[1] == table.g_after_siemens).all()


@pytest.mark.usefixtures("unranked")
def test_pulses_after_the_arrival_do_not_bias_the_spreads():
    """Trains of 300 pulses arrive after about 60; the fit once gave c2c 0.0 and d2d 0.7 here."""
    model = truth(c2c_sigma=0.35, d2d_step_sigma=0.3)
    table = trains(model, torch.Generator().manual_seed(1), devices=150, pulses=300)
    measured = Measurements(pulses=(table,), devices=tuple(map(str, range(150))))
    fitted = fit(measured, load_device("oxram"), generator=np.random.default_rng(0), bootstrap=60)
    estimates = {e.name: e for e in fitted.estimates}
    for name in ("c2c_sigma", "d2d_step_sigma", "set_beta", "read_floor"):
        e, true = estimates[name], getattr(model, name)
        room = 0.3 * (e.high - e.low)  # 3 standard errors in all: an interval has 2
        assert e.low - room < true < e.high + room, e
    assert estimates["c2c_sigma"].value == pytest.approx(0.35, abs=0.02)
    assert estimates["d2d_step_sigma"].value == pytest.approx(0.3, abs=0.06)


def ramps_from(begins, reached, *, sign=1):
    """Ramps of one device, of 12 pulses each, that begin afresh; RESETs to there in between."""
    parts = []
    for number, (start, end) in enumerate(zip(begins, reached, strict=True)):
        for k, (first, last, way) in enumerate(((start, end, sign), (end * 1.01, start, -sign))):
            one = ramp(np.linspace(first, last, 13)[1:], start=first, polarity=way)
            parts.append(dataclasses.replace(one, ramp=np.full(12, 2 * number + k)))
    return PulseTrain.of(Pulses.join(parts))


QUIET = truth(read_floor=1e-3, read_fraction=0.0)


def test_ramps_that_begin_at_one_level_show_the_bound():
    train = ramps_from([1e-6, 1.2e-6, 1.1e-6], [4e-5, 6e-5, 5e-5])
    low, high = starts(train, QUIET)[:, 0]
    assert low == pytest.approx(1.1e-6, rel=0.02)
    assert np.isnan(high)  # those of the other polarity begin anywhere


def test_a_few_ramps_from_elsewhere_do_not_hide_the_bound():
    train = ramps_from([1e-6, 1.2e-6, 1.1e-6, 3e-5], [4e-5, 6e-5, 5e-5, 5e-5])
    assert starts(train, QUIET)[0, 0] == pytest.approx(1.1e-6, rel=0.02)


def test_two_ramps_or_ramps_that_begin_anywhere_show_none():
    assert np.isnan(starts(ramps_from([1e-6, 1.1e-6], [5e-5, 5e-5]), QUIET)).all()
    train = ramps_from([1e-6, 2e-5, 4e-5, 6e-5], [9e-5, 9e-5, 9e-5, 9e-5])
    assert np.isnan(starts(train, QUIET)[0, 0])


def test_readings_beyond_a_level_show_that_it_is_no_bound():
    train = ramps_from([2e-5, 2.01e-5, 2.02e-5], [6e-5, 6e-5, 6e-5])
    after = train.after.copy()
    after[np.flatnonzero(train.polarity < 0)[-1]] = 1e-6
    moved = dataclasses.replace(train, after=after)
    assert not np.isnan(starts(train, QUIET)[0, 0])
    assert np.isnan(starts(moved, QUIET)[0, 0])
