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
    known_read: bool  # from the model, for the chain tells nothing
    read_measured: bool  # whether the model's read noise was measured, not assumed
    flat: float  # variance of every step while nothing is known of it, else 0

    @property
    def nested(self) -> bool:
        """Whether pieces of the histories of the same devices are resampled, not the devices."""
        return len(self.device_of_unit) > int(self.device_of_unit.max()) + 1

    def by_device(self, of_units: Floats, power: int = 1) -> Floats:
        """Sums over the units of each device, times their weight to a power, in every resample.

        Args:
            of_units: Shape (units,), or (1 + resamples, units).
            power: 2 for variances.

        Returns:
            (1 + resamples, devices). Devices that are resampled themselves are not weighted here.
        """
        if not self.nested:
            return np.broadcast_to(of_units, self.weight.shape)
        members = self.device_of_unit[:, None] == np.arange(int(self.device_of_unit.max()) + 1)
        return np.asarray((self.weight**power * of_units) @ members.astype(np.float64))

    @property
    def device_weight(self) -> Floats:
        """How often each resample takes each device, (1 + resamples, devices)."""
        if not self.nested:
            return self.weight
        return np.ones((len(self.weight), int(self.device_of_unit.max()) + 1))


def reads(work: Work, g: Floats) -> Floats:
    """Variance of a reading, siemens squared: of the model; zero if that one is only assumed."""
    assumed = work.known_read and not work.read_measured
    return np.zeros(len(g)) if assumed else read_variance(work.model, g)


def law_step(work: Work) -> Floats:
    """Expected step of every pulse at `work.g` for a device of gain 1."""
    up, down = step(work.model, work.g, 1), step(work.model, work.g, -1)
    return np.where(work.chain.polarity > 0, up, down)


def step_variance(work: Work) -> Floats:
    """Variance expected of every step, siemens squared; never zero."""
    if work.flat:
        return np.full(len(work.g), work.flat)
    s = law_step(work)
    return np.maximum((s * work.c2c) ** 2 + 2.0 * reads(work, work.g), 1e-6 * s**2 + 1e-24)


def residuals(work: Work) -> tuple[Floats, Floats, Floats]:
    """Expected step, residual (signed as conductance) and expected variance of every pulse.

    The law is taken at the reading before the pulse: unlike `work.g` it knows the draws of earlier
    pulses, which would leak into r_n r_(n-1); its own error enters by the slope of s only.
    """
    s = work.gain * law_step(replace(work, g=work.chain.before))
    own = work.gain * law_step(work) * work.c2c
    expected = np.maximum(own**2 + 2.0 * reads(work, work.g), 1e-6 * s**2 + 1e-24)
    return s, (work.chain.dg - s) * work.chain.polarity, expected


def _products(work: Work, r: Floats) -> tuple[Bools, Floats]:
    """Pulses with a usable neighbour on both sides; r_n r_(n+1) + r_n r_(n-1)."""
    usable = work.used
    joined = work.chain.linked[1:] & usable[1:] & usable[:-1]
    inner, products = np.zeros(len(r), bool), np.zeros(len(r))
    inner[1:-1] = joined[:-1] & joined[1:]
    products[1:-1] = r[1:-1] * (r[:-2] + r[2:])
    return inner, np.where(inner, products, 0.0)


def c2c_squared(work: Work, weight: Floats) -> Floats:
    """c2c^2 of every resample, below zero by chance; see the docstring of `steps`."""
    s, r, v = residuals(work)
    unit, count = work.unit, len(work.device_of_unit)
    inner, products = _products(work, r)
    # A gain fitted to the residuals takes its own variance out of their squares and products.
    lost = s**2 * work.sampling
    own = r**2 + products + 3.0 * lost
    if work.known_read:
        inner = work.used
        own = r**2 + lost - reads(work, work.chain.before) - reads(work, work.chain.after)
    size = s**2 / v**2 * inner
    top, bottom = bootstrap.sums(unit, count, own * size, s**2 * size)
    return np.asarray((weight @ top) / np.maximum(weight @ bottom, 1e-300))
