"""Rates of relaxation of devices that pulses moved, one device at a time.

The slow reference is `device_models.relaxation.rate_siemens`, where the equation is.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from torch import Tensor

from device_models.jit import inlined, jit
from device_models.relaxation import TABLES, Relaxing

Number = np.float32
ZERO, HALF, ONE = Number(0.0), Number(0.5), Number(1.0)


class Rates(NamedTuple):
    """The law of a device with levels, float32, siemens and siemens per decade.

    Attributes:
        knots: Conductances of the levels, with 0 before them.
        rates: Drift, spread up and spread down at each knot: shape (knots, 3).
    """

    knots: np.ndarray
    rates: np.ndarray


def rates_of(p: Relaxing) -> Rates | None:
    """The law of a model; None where nothing relaxes or one law holds at all conductances."""
    if not (p.relaxes and p.relax_levels_siemens):
        return None
    tables = [(0.0, *getattr(p, name)) for name in TABLES]
    return Rates(
        np.array((0.0, *p.relax_levels_siemens), Number), np.stack(tables, 1).astype(Number)
    )


def start(
    rates: Rates, g: np.ndarray, kick: np.ndarray, device: np.ndarray, traits: Mapping[str, Tensor]
) -> None:
    """Put the rates of some devices in place of what was drawn for them; no time has passed yet.

    Args:
        rates: The law.
        g: Conductances of all devices, flat, siemens.
        kick: Of all devices: what was drawn, then the rate. Changed in place.
        device: Flat indices of those that were pulsed.
        traits: Of all devices; `relax_size` and `relax_shift` may be among them.
    """
    effects = (traits.get(name) for name in ("relax_size", "relax_shift"))
    none = np.empty(0, Number)
    size, shift = (none if t is None else t.numpy().reshape(-1) for t in effects)
    _start(g, kick, device, rates.knots, rates.rates, size, shift)


@inlined
def _between(low: Number, high: Number, part: Number) -> Number:
    """`torch.lerp`."""
    return low + part * (high - low) if part < HALF else high - (high - low) * (ONE - part)


@jit
def _start(
    g: np.ndarray,
    kick: np.ndarray,
    device: np.ndarray,
    knots: np.ndarray,
    rates: np.ndarray,
    size: np.ndarray,
    shift: np.ndarray,
) -> None:
    """See `start`."""
    last = knots.shape[0] - 2
    for one in device:
        value, z, k = g[one], kick[one], 0
        while k < last and value > knots[k + 1]:
            k += 1
        part = min(max((value - knots[k]) / (knots[k + 1] - knots[k]), ZERO), ONE)
        drift = _between(rates[k, 0], rates[k + 1, 0], part)
        up = _between(rates[k, 1], rates[k + 1, 1], part)
        down = _between(rates[k, 2], rates[k + 1, 2], part)
        rate = drift + (up if z > ZERO else down) * z
        if size.shape[0]:
            rate = (rate + shift[one] * (up + down) * HALF) * size[one]
        kick[one] = rate
