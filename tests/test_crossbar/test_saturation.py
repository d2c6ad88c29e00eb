"""Ramps that outlast the way to the bound: the rest of them must not teach a step."""

import dataclasses

import numpy as np
import torch
from xbar_synthetic import trains, truth

from crossbar.fitting.estimators.saturation import on_the_way
from crossbar.fitting.fit import fit
from crossbar.fitting.measurements import Measurements, Pulses
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


def test_a_ramp_is_kept_up_to_four_fifths_of_its_way_and_one_more():
    rising = 1e-5 + 9e-5 * np.minimum(1.0, np.arange(1, 101) / 50.0)
    assert on_the_way(ramp(rising)).sum() == 41
    falling = 1.1e-4 - rising
    assert on_the_way(ramp(falling, start=1e-4, polarity=-1)).sum() == 41


def test_a_ramp_without_a_plateau_and_a_short_one_are_kept_whole():
    assert on_the_way(ramp(np.linspace(1.1e-5, 1e-4, 100))).all()
    assert on_the_way(ramp(np.full(20, 1e-4))).all()


def test_a_second_ramp_is_judged_by_itself():
    rising = 1e-5 + 9e-5 * np.minimum(1.0, np.arange(1, 101) / 50.0)
    both = Pulses.join([ramp(rising), dataclasses.replace(ramp(rising), device=np.ones(100))])
    assert on_the_way(both).sum() == 82


def test_pulses_after_the_arrival_do_not_bias_the_spreads():
    """Trains of 300 pulses arrive after about 60; the fit once gave c2c 0.0 and d2d 0.7 here."""
    model = truth(c2c_sigma=0.35, d2d_step_sigma=0.3)
    table = trains(model, torch.Generator().manual_seed(1), devices=150, pulses=300)
    measured = Measurements(pulses=(table,), devices=tuple(map(str, range(150))))
    found = fit(
        measured, load_device("oxram_literature"), generator=np.random.default_rng(0), bootstrap=60
    )
    estimates = {e.name: e for e in found.estimates}
    for name, true, slack in (("c2c_sigma", 0.35, 0.1), ("d2d_step_sigma", 0.3, 0.05)):
        e = estimates[name]
        assert e.low - slack < true < e.high + slack, e
        assert abs(e.value - true) < 0.25, e
