"""Pulses of devices whose law is none of ours: what is said of them."""

from dataclasses import replace

import numpy as np
import torch
import xbar_synthetic as synthetic

from device_models.fitting.fit import fit
from device_models.fitting.fit_warnings import closing_window, wearing_levels
from device_models.fitting.measurements import Cycles, Pulses
from device_models.fitting.misfits import misfits, predict
from device_models.presets import load_device

DEVICES = 2


def ramps(pulses, count):
    """Polarity of every pulse of trains up and down."""
    return np.repeat([1 if k % 2 == 0 else -1 for k in range(count)], pulses)


def table(g, polarity, rng):
    """Pulses of conductances of shape (devices, pulses + 1), read with an error of 0.3 %."""
    g = g * (1.0 + 0.003 * rng.standard_normal(g.shape))
    ramp = np.cumsum(np.diff(polarity, prepend=polarity[0]) != 0)
    index = np.arange(len(polarity)) - np.searchsorted(ramp, ramp)
    unknown = np.full(len(g) * len(polarity), np.nan)
    return Pulses(
        device=np.repeat(np.arange(len(g)), len(polarity)), ramp=np.tile(ramp, len(g)),
        index=np.tile(index, len(g)), polarity=np.tile(polarity, len(g)),
        g_before_siemens=g[:, :-1].ravel(), g_after_siemens=g[:, 1:].ravel(),
        v_volts=unknown, width_seconds=unknown,
    )  # fmt: skip


def yakopcic(rng, polarity, *, border=0.6, decay=6.0):
    """Steps are constant up to a border of the state, and vanish exponentially beyond.

    Source:
        C. Yakopcic et al., IEEE Electron Device Lett. 32(10), 1436-1438, 2011: its window.
    """
    x = np.full((DEVICES, len(polarity) + 1), 0.05)
    for t, sign in enumerate(polarity):
        now = x[:, t] if sign > 0 else 1.0 - x[:, t]
        beyond = np.exp(decay * (border - now)) * ((border - now) / (1.0 - border) + 1.0)
        step = 0.05 * np.where(now < border, 1.0, beyond) * (1.0 + 0.1 * rng.standard_normal())
        now = np.clip(now + step, 0.0, 1.0)
        x[:, t + 1] = now if sign > 0 else 1.0 - now
    return 5e-6 + 9e-5 * x


def closing(rng, polarity, *, lost):
    """Steps towards bounds that close in by a share of the window."""
    g = np.full((DEVICES, len(polarity) + 1), 1e-5)
    for t, sign in enumerate(polarity):
        gone = lost * t / len(polarity)
        bound = 9.5e-5 - 9e-5 * gone if sign > 0 else 5e-6 + 4.5e-5 * gone
        step = 0.08 * np.exp(0.2 * rng.standard_normal(DEVICES))
        g[:, t + 1] = g[:, t] + step * (bound - g[:, t])
    return g


def test_steps_that_stop_at_a_border_are_named_as_a_misfit():
    rng = np.random.default_rng(0)
    polarity = ramps(60, 4)
    pulses = table(yakopcic(rng, polarity), polarity, rng)
    preset = load_device("oxram_literature")
    fitted = fit(synthetic.measured(DEVICES, pulses=(pulses,)), preset, generator=rng, bootstrap=0)
    (misfit,) = misfits(predict(fitted, seed=0).checks)
    assert misfit.kind == "pulses"


def test_a_window_that_closes_is_named():
    rng = np.random.default_rng(0)
    polarity = ramps(30, 8)
    (words,) = closing_window(table(closing(rng, polarity, lost=0.35), polarity, rng))
    assert "levels after SET change by -" in words
    assert "those after RESET by +" in words
    assert closing_window(table(closing(rng, polarity, lost=0.0), polarity, rng)) == []


def test_a_window_that_stays_is_not_named():
    generator = torch.Generator().manual_seed(0)
    pulses = synthetic.trains(synthetic.truth(), generator, devices=5, pulses=20, ramps=6)
    assert closing_window(pulses) == []


def cycled(rng, *, drift, devices=12, cycles=200):
    """Cycles whose LRS gains `drift` decades over all of them, with a memory of each device's."""
    cycle = np.tile(np.arange(cycles), devices)
    wander = np.cumsum(rng.standard_normal((devices, cycles)), 1) * 0.002
    decades = wander + drift * np.arange(cycles) / cycles
    decades += 0.05 * rng.standard_normal(decades.shape)
    return Cycles(
        device=np.repeat(np.arange(devices), cycles), cycle=cycle,
        lrs_siemens=1e-4 * 10 ** decades.ravel(), hrs_siemens=np.full(cycle.size, np.nan),
    )  # fmt: skip


def test_levels_that_wear_are_named_where_no_endurance_is_given():
    rng = np.random.default_rng(0)
    immortal = replace(load_device("oxram"), endurance_pulses=0.0)
    (words,) = wearing_levels(cycled(rng, drift=0.1), immortal)
    assert "LRS by +0." in words
    assert "over 199 cycles" in words
    assert "HRS" not in words
    mortal = replace(immortal, endurance_pulses=1e9)
    assert wearing_levels(cycled(rng, drift=0.1), mortal) == []


def test_devices_that_wander_each_their_own_way_do_not_wear():
    immortal = replace(load_device("oxram"), endurance_pulses=0.0)
    found = [
        wearing_levels(cycled(np.random.default_rng(k), drift=0.0), immortal) for k in range(40)
    ]
    assert sum(map(bool, found)) <= 1
