"""Rates of relaxation of devices that pulses moved, one device at a time.

The slow reference is `device_models.relaxation.rate_siemens`, where the equation is.

A rate matters when time passes or somebody looks at the state, and most devices are pulsed many
times before. So a pulse leaves behind what was drawn for it (`drawn`): the first number as `kick`,
and -1 minus the second one as `since_seconds`, where it tells that no time has passed either.
`settle` makes the rate of both; the conductance is still that after the pulse.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models import relaxation
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


def drawn(
    p: Relaxing, rates: Rates | None, devices: int, generator: torch.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`kick`, float32, and `since_seconds`, float64, of devices that a pulse has just moved.

    Args:
        p: The model; nothing is drawn for one that does not relax, and both are empty.
        rates: Its law.
        devices: How many.
        generator: Source of the numbers.
    """
    if not p.relaxes:
        return np.empty(0, Number), np.empty(0)
    numbers = relaxation.draw_numbers(p, torch.Size((devices,)), generator=generator)
    since = np.full(devices, 0.0 if rates is None else -1.0)
    if len(numbers) > 1:
        since -= numbers[1].numpy()
    return numbers[0].numpy(), since


def settle(
    p: Relaxing,
    rates: Rates | None,
    g: np.ndarray,
    kick: np.ndarray,
    since: np.ndarray,
    traits: Mapping[str, Tensor],
) -> None:
    """Make rates of what was drawn for devices since they were settled last.

    Args:
        p: The model.
        rates: The law.
        g: Conductances of all devices, flat, siemens.
        kick: Of all devices, see the module. Changed in place, as the next.
        since: Likewise.
        traits: Of all devices; `relax_size` and `relax_shift` may be among them.
    """
    device = np.flatnonzero(since < 0.0) if rates is not None else np.empty(0, np.int64)
    if rates is None or not len(device):
        return
    z, second = (torch.from_numpy(a[device]) for a in (kick, since))
    if p.relax_tail_dof < relaxation.NORMAL_DOF:
        z = relaxation.student(p, z, (-1.0 - second).float())
    effects = (traits.get(name) for name in ("relax_size", "relax_shift"))
    none = np.empty(0, Number)
    size, shift = (none if t is None else t.numpy().reshape(-1)[device] for t in effects)
    kick[device], since[device] = z.numpy(), 0.0
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
    """Rates in place of z, `kick` of some devices; see `settle`."""
    last = knots.shape[0] - 2
    for number, one in enumerate(device):
        value, z, k = g[one], kick[one], 0
        while k < last and value > knots[k + 1]:
            k += 1
        part = min(max((value - knots[k]) / (knots[k + 1] - knots[k]), ZERO), ONE)
        drift = _between(rates[k, 0], rates[k + 1, 0], part)
        up = _between(rates[k, 1], rates[k + 1, 1], part)
        down = _between(rates[k, 2], rates[k + 1, 2], part)
        rate = drift + (up if z > ZERO else down) * z
        if size.shape[0]:
            rate = (rate + shift[number] * (up + down) * HALF) * size[number]
        kick[one] = rate
