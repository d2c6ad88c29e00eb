"""Trains of pulses of several amplitudes and widths, on simulated devices."""

import itertools

import numpy as np

from device_models.fitting.measurements import Measurements, Pulses
from device_models.fitting.simulate import simulate

VOLTS = {1: (1.05, 1.2, 1.35), -1: (1.1, 1.3, 1.5)}
SECONDS = (2e-8, 1e-7, 1e-6)


def plan(*, devices=24, pulses=15, volts=VOLTS, seconds=SECONDS, low=2e-6, high=8e-5):
    """One ramp of every amplitude and width on every device, SETs from low, RESETs from high."""
    ramps = [(sign, v, t) for sign in volts for v, t in itertools.product(volts[sign], seconds)]
    sign, v, t = (np.repeat(column, pulses) for column in np.array(ramps).T)
    n = len(sign)
    start = np.where(sign > 0, low, high)
    return Pulses(
        device=np.repeat(np.arange(devices), n),
        ramp=np.tile(np.repeat(np.arange(len(ramps)), pulses), devices),
        index=np.tile(np.arange(n) % pulses, devices),
        polarity=np.tile(sign, devices),
        g_before_siemens=np.tile(start, devices),
        g_after_siemens=np.tile(start, devices),
        v_volts=np.tile(sign * v, devices),
        width_seconds=np.tile(t, devices),
        source="several shapes",
    )


def measured(model, generator, **how):
    """The plan carried out on new devices of a model."""
    return simulate(model, Measurements(pulses=(plan(**how),)), generator=generator)
