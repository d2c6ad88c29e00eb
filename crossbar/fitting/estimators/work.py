"""What the parts of a fit of single pulses share: state, and moments of the residuals."""

from dataclasses import dataclass, replace

import numpy as np

from device_models.pulsed import Pulsed

from ..measurements import Floats, Ints
from . import bootstrap
from .chain import Bools, Chain
from .laws import read_variance, step


@dataclass(frozen=True, eq=False)
class Fitted:
    """One polarity: repeats of scale and shape, and the gain of each device.

    Attributes:
        scale: Of the step of the median device, shape (1 + resamples,).
        shape: Same shape.
        gain: Relative to the law of `scale[0]` and `shape[0]`; nan: the device has no pulse.
        error: Standard error of ln gain.
    """

    scale: Floats
    shape: Floats
    gain: Floats
    error: Floats


@dataclass(frozen=True, eq=False)
class Work:
    """Everything the parts of one fit share; replaced, never changed."""

    chain: Chain
    model: Pulsed
    unit: Ints
    device_of_unit: Ints
    weight: Floats
    g: Floats  # conductance before each pulse, free of its read error
    used: Bools
    gain: Floats  # of each pulse's device and polarity
    sampling: Floats  # squared relative error of that gain
    c2c: float
    read: float  # relative sigma of a read
    known_read: bool  # from the model, for the chain tells nothing
    read_measured: bool  # whether the model's read noise was measured, not assumed
    flat: float  # variance of every step while nothing is known of it, else 0


def known_reads(work: Work, g: Floats) -> Floats:
    """Read variance from other measurements, siemens squared; zero where there is none."""
    return read_variance(work.model, g) if work.read_measured else np.zeros(len(g))


def law_step(work: Work) -> Floats:
    """Expected step of every pulse at `work.g` for a device of gain 1."""
    up, down = step(work.model, work.g, 1), step(work.model, work.g, -1)
    return np.where(work.chain.polarity > 0, up, down)


def step_variance(work: Work) -> Floats:
    """Variance expected of every step, siemens squared; never zero."""
    if work.flat:
        return np.full(len(work.g), work.flat)
    s = law_step(work)
    noise = 2.0 * (work.read * work.g) ** 2
    if work.known_read:
        noise = 2.0 * known_reads(work, work.g)
    return np.maximum((s * work.c2c) ** 2 + noise, 1e-6 * s**2 + 1e-24)


def residuals(work: Work) -> tuple[Floats, Floats, Floats]:
    """Expected step, residual (signed as conductance) and expected variance of every pulse.

    The law is taken at the reading before the pulse: unlike `work.g` it knows the draws of earlier
    pulses, which would leak into r_n r_(n-1); its own error enters by the slope of s only.
    """
    s = work.gain * law_step(replace(work, g=work.chain.before))
    return s, (work.chain.dg - s) * work.chain.polarity, step_variance(work)


def _products(work: Work, r: Floats) -> tuple[Bools, Floats]:
    """Pulses with a usable neighbour on both sides; r_n r_(n+1) + r_n r_(n-1)."""
    usable = work.used
    joined = work.chain.linked[1:] & usable[1:] & usable[:-1]
    inner, products = np.zeros(len(r), bool), np.zeros(len(r))
    inner[1:-1] = joined[:-1] & joined[1:]
    products[1:-1] = r[1:-1] * (r[:-2] + r[2:])
    return inner, np.where(inner, products, 0.0)


def read_pairs(work: Work, r: Floats, lost: Floats) -> tuple[Floats, Floats, Bools]:
    """-r_n r_(n-1) less `lost`, the squared shared reading, and whether there is one."""
    y, pair = np.zeros(len(r)), np.zeros(len(r), bool)
    pair[1:] = work.chain.linked[1:] & work.used[1:] & work.used[:-1]
    y[1:] = -r[1:] * r[:-1]
    return y - lost, work.chain.before**2, pair


def variances(work: Work, weight: Floats) -> tuple[Floats, Floats]:
    """c2c^2 and the relative read variance of every resample; see the docstring of the module."""
    s, r, v = residuals(work)
    unit, count = work.unit, len(work.device_of_unit)
    inner, products = _products(work, r)
    # A gain fitted to the residuals takes its own variance out of their squares and products.
    lost = s**2 * work.sampling
    if work.known_read:
        inner = work.used
        noise = known_reads(work, work.chain.before)
        own = r**2 + lost - noise - known_reads(work, work.chain.after)
    else:
        own = r**2 + products + 3.0 * lost
    size = s**2 / v**2 * inner
    top, bottom = bootstrap.sums(unit, count, own * size, s**2 * size)
    c2 = np.maximum((weight @ top) / np.maximum(weight @ bottom, 1e-300), 0.0)
    if work.known_read:
        return c2, np.zeros_like(c2)
    y, g2, pair = read_pairs(work, r, lost)
    precision = g2 / v**2 * pair
    top, bottom = bootstrap.sums(unit, count, y * precision, g2 * precision)
    return c2, np.maximum((weight @ top) / np.maximum(weight @ bottom, 1e-300), 0.0)
