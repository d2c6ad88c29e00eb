"""The window of a device of which only pulses are known: the range they reached."""

import numpy as np

from device_models.pulsed import Pulsed

from ..measurements import Pulses
from . import bootstrap
from .part import Part

EXTREMES = (0.005, 0.995)  # of all readings: no read error, no stuck device sets the window


def estimate(
    pulses: Pulses, model: Pulsed, *, generator: np.random.Generator, resamples: int
) -> Part:
    """`g_min_siemens` and `g_max_siemens`; the step law counts in fractions of what lies between."""
    unit, devices_of = bootstrap.units(pulses.device, pulses.ramp)
    drawn = bootstrap.weights(len(devices_of), resamples, generator)
    g = np.concatenate([pulses.g_before_siemens, pulses.g_after_siemens])
    order = np.argsort(g)
    ordered, whose = g[order], np.tile(unit, 2)[order]
    ends = np.empty((len(drawn), 2))
    for i, weight in enumerate(drawn):
        total = np.cumsum(weight[whose])
        at = np.searchsorted(total, np.array(EXTREMES) * total[-1])
        ends[i] = ordered[np.minimum(at, len(g) - 1)]
    low, high = np.maximum(ends[:, 0], 1e-12), ends[:, 1]
    if not low[0] < high[0]:
        words = "the pulses do not move the devices: the preset's window is kept"
        return Part(warnings=(words,))
    draws = {"g_min_siemens": low, "g_max_siemens": high}
    return Part(
        values={name: float(d[0]) for name, d in draws.items()},
        intervals={n: bootstrap.interval(d, len(devices_of)) for n, d in draws.items()},
        words=dict.fromkeys(draws, "reached by the pulses (0.5 and 99.5 % of the readings)"),
        devices=len(np.unique(pulses.device)),
        rows=len(pulses),
        files=(pulses.source,),
    )
