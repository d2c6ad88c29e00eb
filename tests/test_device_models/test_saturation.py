"""Ramps that outlast the way to the bound: their later pulses must not count as steps."""

import numpy as np
import pytest
import torch
from xbar_synthetic import trains, truth

from device_models.fitting.estimators.saturation import up_to_the_bound
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
