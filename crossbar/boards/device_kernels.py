"""The laws of pulsed devices, one device at a time, for kernels.

The slow references are `DeviceModel.step_siemens`, `Pulsed.relaxed`, `Pulsed.conductance` and
`Pulsed.read_sigma_siemens`, where the equations are. All numbers are float32 in siemens, ohms and
seconds.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from device_models import physics, read_noise
from device_models.jit import inlined, jit
from device_models.log_step import LogStep
from device_models.model import DeviceState
from device_models.pulse_law import ceiling_siemens
from device_models.pulsed import Pulsed
from device_models.signed_step import SignedStep
from device_models.step_law import StepLaw
from device_models.tabulated import Tabulated

from .fast_math import exp, log

Number = np.float32
TINY = Number(1e-30)  # as in `physics.growing_fraction`
ZERO, ONE = Number(0.0), Number(1.0)
TO_DECADES = Number(1.0 / np.log(10.0))
SLOW_SCALE = Number(physics.COMPONENTS**-0.5)
PIECE = 1024  # devices
TRAITS = "g_low", "g_high", "set_gain", "reset_gain"  # see `Pulsed.manufacture`


class Bend(NamedTuple):
    """`StepTerms` of one polarity."""

    level: Number
    slope: Number
    scale: Number
    rate: Number


class Cubic(NamedTuple):
    """`LogLaw` of one polarity."""

    constant: Number
    linear: Number
    square: Number
    cube: Number


class Cubics(NamedTuple):
    """The steps of a `LogStep`; `per_log` is one over the logarithm of the window.

    `least` is that of a step, siemens; minus infinity of a `SignedStep`.
    """

    rising: Cubic
    falling: Cubic
    per_log: Number
    least: Number


class Growth(NamedTuple):
    """Arguments of `physics.growing_fraction`."""

    fraction: Number
    knee: Number
    exponent: Number
    cap: Number


class Laws(NamedTuple):
    """What `Pulsed` says of its devices.

    `floor` and `width` are of the window, `ceiling` is what a current limit leaves of a SET, and
    `beside` the square of the additive spread;
    `by_level` says that relaxation has rates by conductance, and no `drift` to `sharpness`.
    """

    up: Bend
    down: Bend
    floor: Number
    width: Number
    least_step: Number
    least_g: Number
    drift: Number
    spread: Number
    peak: Number
    sharpness: Number
    by_level: bool
    onset: Number
    slow: Growth
    read: Growth
    read_floor: Number
    telegraph: Growth
    ceiling: Number
    quantum: Number
    beside: Number


def laws_of(p: Pulsed) -> Laws | None:
    """The laws of a model; None where steps have no law, or where a pulse may move nothing."""
    has_no_law = isinstance(p, LogStep | Tabulated)  # see `cubics_of` and `step_tables_of`
    up, down = (StepLaw(0.0) if has_no_law else p.step_law(sign) for sign in (1, -1))
    if up is None or down is None or p.set_kind == "abrupt" or p.may_stand_still:
        return None
    if p.relax_cycle_exponent != 0.0:  # the dynamics count pulses
        return None
    knee = p.read_knee_ohms
    return Laws(
        up=Bend(*map(Number, up.terms)),
        down=Bend(*map(Number, down.terms)),
        floor=Number(p.g_min_siemens),
        width=Number(p.window_siemens),
        least_step=Number(physics.LEAST_STEP_SIEMENS),
        least_g=Number(p.g_min_siemens / 100),
        drift=Number(p.relax_drift_siemens),
        spread=Number(p.relax_sigma_siemens),
        peak=Number(p.relax_peak_siemens),
        sharpness=Number(p.relax_sharpness),
        by_level=bool(p.relax_levels_siemens),
        onset=Number(p.relax_onset_seconds),
        slow=Growth(*map(Number, (p.slow_fraction, knee, p.slow_exponent, p.slow_cap))),
        read=Growth(*map(Number, (p.read_fraction, knee, p.read_exponent, p.read_cap))),
        read_floor=Number(p.read_floor),
        telegraph=Growth(
            *map(Number, (p.telegraph_fraction, knee, p.telegraph_exponent, p.telegraph_cap))
        ),
        ceiling=Number(ceiling_siemens(p, None)),
        quantum=Number(p.c2c_quantum_siemens),
        beside=Number(p.c2c_additive_siemens**2),
    )


def cubics_of(p: Pulsed) -> Cubics | None:
    """The steps of a model that depend on ln g; None of any other."""
    if not isinstance(p, LogStep):
        return None
    rising, falling = (Cubic(*map(Number, p.log_law(sign))) for sign in (1, -1))
    least = -math.inf if isinstance(p, SignedStep) else physics.LEAST_STEP_SIEMENS
    return Cubics(rising, falling, Number(1.0 / p.log_width), Number(least))


class DeviceArrays(NamedTuple):
    """Devices as kernels take them, flat; what they have not is empty.

    Attributes:
        g: `DeviceState.g`.
        traits: `TRAITS` of each device, side by side: (devices, 4).
        kick: Dynamics, as the next; how pulses leave them is in `relaxation_kernel`.
        since: Seconds, float64.
        slow: `read_noise.slow_deviation`.
        read: `DeviceModel.conductance`.
        sigma: `DeviceModel.read_sigma_siemens` of it, times `white`.
        traps: `telegraph.deviation`.
        white: Factor of the device to its white noise.
    """

    g: np.ndarray
    traits: np.ndarray
    kick: np.ndarray
    since: np.ndarray
    slow: np.ndarray
    read: np.ndarray
    sigma: np.ndarray
    traps: np.ndarray
    white: np.ndarray


def interleaved(state: DeviceState) -> tuple[DeviceState, np.ndarray]:
    """The same state, its `TRAITS` as views of `DeviceArrays.traits`, float32; and these."""
    every = torch.stack([state.traits[name] for name in TRAITS], -1)
    views = dict(zip(TRAITS, every.unbind(-1), strict=True))
    traits = every.view(-1, len(TRAITS)).numpy()
    return DeviceState(state.g, state.traits | views, state.dynamics), traits


def arrays_of(
    state: DeviceState,
    traits: np.ndarray,
    slow: Tensor,
    traps: Tensor,
    read: Tensor,
    sigma: Tensor | None,
) -> DeviceArrays:
    """Views of a state and of what is kept beside it; all are contiguous."""
    none = read.new_zeros(0)
    kick = state.dynamics.get("kick", none)
    since = state.dynamics.get("since_seconds", none.double())
    spread = none if sigma is None else sigma
    white = state.traits.get(read_noise.WHITE, none)
    parts = (kick, since, slow, read, spread, traps, white)
    flat = (a.numpy().reshape(-1) for a in parts)
    return DeviceArrays(state.g.numpy().reshape(-1), traits, *flat)


@inlined
def step(laws: Laws, cubics: Cubics | None, is_down: bool, g: Number) -> Number:
    """Expected step of one pulse; without `cubics` compiled as if there were none."""
    if cubics is not None:
        cubic = cubics.falling if is_down else cubics.rising
        y = min(log(max(g / laws.floor, ONE)) * cubics.per_log, ONE)
        share = cubic.constant + y * (cubic.linear + y * (cubic.square + y * cubic.cube))
        return max(share * laws.width, cubics.least)
    law = laws.down if is_down else laws.up
    x = (g - laws.floor) / laws.width
    bent = law.level + law.slope * x + law.scale * exp(law.rate * x)
    return max(bent * laws.width, laws.least_step)


@inlined
def growing(law: Growth, g: Number) -> Number:
    """`physics.growing_fraction`."""
    return min(law.fraction * exp(-law.exponent * log(max(g * law.knee, TINY))), law.cap)


@jit
def relax(g: np.ndarray, kick: np.ndarray, since: np.ndarray, read: np.ndarray, laws: Laws) -> None:
    """`Pulsed.relaxed` of some devices, into `read`; `kick` is empty where nothing relaxes."""
    for i in range(0 if kick.shape[0] else g.shape[0]):
        read[i] = g[i]
    drift, spread, peak, onset = laws.drift, laws.spread, laws.peak, laws.onset
    if laws.by_level:  # a kick is the whole rate, or of no effect where no time has passed
        for i in range(kick.shape[0]):
            late = log(ONE + Number(max(since[i], 0.0)) / onset) * TO_DECADES
            read[i] = max(g[i] + kick[i] * late, laws.least_g)
        return
    for i in range(kick.shape[0]):
        x = g[i] / peak
        shape = exp(laws.sharpness * (log(x) - x + ONE))
        late = log(ONE + Number(since[i]) / onset) * TO_DECADES
        read[i] = max(g[i] + (drift + spread * kick[i]) * shape * late, laws.least_g)


@jit
def refresh_reads(devices: DeviceArrays, laws: Laws) -> None:
    """What reads see of all devices: `read` and `sigma`, piece by piece in the nearest cache."""
    g, _, kick, since, slow, read, sigma, traps, white = devices
    least, floor = laws.least_g, laws.read_floor * laws.read_floor
    for first in range(0, g.shape[0], PIECE):
        last = min(first + PIECE, g.shape[0])
        # Pieces of their own: loops that do not begin at 0 are not vectorised.
        reads, fluctuation, trapped = read[first:last], slow[first:last], traps[first:last]
        spread, factor = sigma[first:last], white[first:last]
        relax(g[first:last], kick[first:last], since[first:last], reads, laws)
        for i in range(fluctuation.shape[0]):
            share = growing(laws.slow, reads[i]) * fluctuation[i]
            reads[i] = max(reads[i] * (ONE + share), least)
        for i in range(trapped.shape[0]):
            share = growing(laws.telegraph, reads[i]) * trapped[i]
            reads[i] = max(reads[i] * (ONE + share), least)
        for i in range(spread.shape[0]):
            growth = growing(laws.read, max(reads[i], least))
            spread[i] = reads[i] * np.sqrt(growth * growth + floor)
        for i in range(min(factor.shape[0], spread.shape[0])):
            spread[i] *= factor[i]


@jit
def take(values: np.ndarray, device: np.ndarray) -> np.ndarray:
    """`values[device]`, which takes a second to compile; empty where `values` are."""
    taken = np.empty(device.shape[0] if values.shape[0] else 0, values.dtype)
    for k in range(taken.shape[0]):
        taken[k] = values[np.uint32(device[k])]
    return taken


@jit
def gather(devices: DeviceArrays, device: np.ndarray) -> DeviceArrays:
    """Copies of the devices at flat indices."""
    g, all_traits, kick, since, slow, _, sigma, traps, white = devices
    traits = np.empty((device.shape[0], len(TRAITS)), Number)
    for k in range(device.shape[0]):
        i = np.uint32(device[k])
        for trait in range(len(TRAITS)):
            traits[k, trait] = all_traits[i, trait]
    read = np.empty(device.shape[0], Number)
    spread = np.empty(device.shape[0] if sigma.shape[0] else 0, Number)
    parts = take(g, device), traits, take(kick, device), take(since, device), take(slow, device)
    noise = take(traps, device), take(white, device)
    return DeviceArrays(
        parts[0], parts[1], parts[2], parts[3], parts[4], read, spread, noise[0], noise[1]
    )


@jit
def scatter(devices: DeviceArrays, device: np.ndarray, gathered: DeviceArrays) -> None:
    """Conductances, and what reads see of them, back from copies at flat indices."""
    for k in range(device.shape[0]):
        i = np.uint32(device[k])
        devices.g[i], devices.read[i] = gathered.g[k], gathered.read[k]
        if gathered.sigma.shape[0]:
            devices.sigma[i] = gathered.sigma[k]


@jit
def fluctuate(
    slow: np.ndarray, parts: np.ndarray, noise: np.ndarray, memory: np.ndarray, fresh: np.ndarray
) -> None:
    """`physics.step_fluctuation` of `parts` (components, devices), and their sum, in place.

    `noise` is of their shape; of each component, `memory` stays and `fresh` comes from the noise.
    """
    for first in range(0, slow.shape[0], PIECE):
        total = slow[first : first + PIECE]
        for i in range(total.shape[0]):
            total[i] = ZERO
        for part in range(parts.shape[0]):
            old, new = parts[part, first : first + PIECE], noise[part, first : first + PIECE]
            a, b = memory[part], fresh[part]
            for i in range(total.shape[0]):
                old[i] = a * old[i] + b * new[i]
                total[i] += old[i] * SLOW_SCALE
