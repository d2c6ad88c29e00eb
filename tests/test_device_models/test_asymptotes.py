"""Ends of a window that pulses only approach, told from where their steps vanish."""

from dataclasses import replace

import numpy as np
import pytest

from device_models.fitting.estimators import bootstrap
from device_models.fitting.estimators.asymptotes import asymptote
from device_models.fitting.measurements import Pulses

LOW, HIGH, UP, DOWN = 8e-6, 60e-6, 0.05, 0.06


def trains(devices=1, pulses=40, spread=0.0, seed=0):
    """SET trains, then RESET trains, by soft bounds; the steps of a pulse spread."""
    random = np.random.default_rng(seed)
    rows = []
    for device in range(devices):
        g = LOW + 1e-6
        for ramp, sign in enumerate((1, -1)):
            for k in range(pulses):
                mean = UP * (HIGH - g) if sign > 0 else -DOWN * (g - LOW)
                after = g + mean * (1.0 + spread * random.standard_normal())
                rows.append((device, 2 * device + ramp, k, sign, g, after))
                g = after
    names = ("device", "ramp", "index", "polarity", "g_before_siemens", "g_after_siemens")
    return table_of(dict(zip(names, map(np.array, zip(*rows, strict=True)), strict=True)))


def table_of(columns):
    """Pulses of unknown amplitude and width."""
    unknown = np.full(len(columns["device"]), np.nan)
    return Pulses(source="made", v_volts=unknown, width_seconds=unknown, **columns)


def ends_of(table, resamples=200):
    """The draws of both ends."""
    unit, devices = bootstrap.units(table.device, table.ramp)
    drawn = bootstrap.weights(len(devices), resamples, np.random.default_rng(1))
    reached = table.g_before_siemens.min(), table.g_after_siemens.max()
    return {sign: asymptote(table, sign, unit, drawn, reached) for sign in (-1, 1)}


def test_exact_steps_give_both_ends_though_neither_was_reached():
    table = trains()
    assert table.g_after_siemens.max() < 0.9 * HIGH
    ends = ends_of(table)
    np.testing.assert_allclose(ends[1], HIGH, rtol=1e-9)
    np.testing.assert_allclose(ends[-1], LOW, rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_intervals_hold_the_ends_where_steps_spread(seed):
    ends = ends_of(trains(devices=12, spread=0.3, seed=seed))
    for sign, truth in ((-1, LOW), (1, HIGH)):
        low, high = bootstrap.interval(ends[sign], 12)
        assert low < truth < high
        assert high - low < 0.3 * truth


def test_steps_that_do_not_fall_tell_no_end():
    table = trains()
    after = table.g_before_siemens + 1e-6 * table.polarity
    assert ends_of(replace(table, g_after_siemens=after)) == {-1: None, 1: None}
