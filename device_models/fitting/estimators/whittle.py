"""Likelihood of repeated reads from their spectra.

A series of n reads at intervals dt, x = g / mean(g) - 1, has the periodogram
I(k) = |sum_t x_t exp(-2 pi i k t / n)|^2 / n. Its expectation under the noise of `Pulsed` is

    S(k) = white(R)^2 + slow(R)^2 / K sum_j P_j(k),
    P_j(k) = 2 Re(1 / (1 - z) - z (1 - rho^n) / (n (1 - z)^2)) - 1,
    rho = exp(-dt / tau_j),  z = rho exp(-2 pi i k / n),

which is exact for a short series too: the triangle of lags and the missing mean (k = 0) are in it.
Up to a constant the negative log-likelihood is sum(log S + I / S). Frequencies are pooled in bins
of one tenth. No device follows the laws exactly: log I of the n frequencies of an octave scatters
by 1 / n and by a misfit m^2, common to them and estimated, so they count for n / (1 + n m^2).
Otherwise the fast ones of a long series, which are many, would decide all, and the total spread be
missed. The misfit counts least where it matters least (`_relevance`). Without misfit every
frequency counts for one. The rules of misfit and relevance are not from the source.

Source:
    A. M. Sykulski et al., Biometrika 106(2), 251-266, 2019: debiased Whittle likelihood.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma

from ... import physics
from ..measurements import Floats, Ints
from .likelihood import Value
from .spectra import Spectra

MOST_MISFIT = 1.0  # of m^2: a law that is nowhere near must not switch off the data
MANY = 8  # frequencies in a bin that the misfit is estimated from
LEAST = 1e-20  # relative variance that every reading has: a constant series is possible
NAMES = (
    "read_floor", "read_fraction", "read_exponent", "slow_fraction", "slow_exponent",
    "slow_shortest_seconds", "slow_longest_seconds", "slow_cap",
)  # fmt: skip


def fluctuation(spectra: Spectra, times: Floats) -> tuple[Floats, Floats]:
    """Expected P of components of unit variance, and its slopes in the logarithms of the times.

    Args:
        spectra: Has the table of frequencies.
        times: Time constant of each component, seconds.

    Returns:
        Both of shape (components, table).
    """
    no_clock, short = np.isnan(spectra.dt_seconds), np.isnan(spectra.omega)
    h = np.where(no_clock, 1.0, spectra.dt_seconds) / times[:, None]
    n, rho = spectra.reads, np.exp(-h)
    z = rho * np.exp(-1j * np.where(short, np.pi, spectra.omega))
    a = 1.0 / (1.0 - z)
    left, left_slope = -np.expm1(-n * h) / n, -h * np.exp(-n * h)
    p = 2.0 * np.real(a - z * a**2 * left) - 1.0
    slope = 2.0 * np.real(z * a**2 * (h - h * (1.0 + 2.0 * z * a) * left - left_slope))
    p, slope = np.where(short, -np.expm1(-h), p), np.where(short, -h * rho, slope)
    return np.where(no_clock, 0.0, p), np.where(no_clock, 0.0, slope)


def expected(
    spectra: Spectra, theta: Floats, knee: float, read_cap: float
) -> tuple[Floats, Floats]:
    """S of every entry, and its slopes.

    Args:
        spectra: The entries.
        theta: read_floor^2, then the logarithms of the other `NAMES`, exponents as they are.
        knee: Resistance at which the fractions hold.
        read_cap: Largest growing part of the white noise.

    Returns:
        Shapes (entries,) and (entries, parameters).
    """
    floor2, fraction, grows, slow, slow_grows, shortest, longest, cap = theta
    decade = np.log(spectra.ohms / knee)
    log_white, log_slow = fraction + grows * decade, slow + slow_grows * decade
    free_white, free_slow = log_white < np.log(read_cap), log_slow < cap
    white = np.exp(2.0 * np.minimum(log_white, np.log(read_cap)))[spectra.series]
    k = np.arange(physics.COMPONENTS)[:, None] / (physics.COMPONENTS - 1)
    p, p_slope = fluctuation(spectra, np.exp(shortest + k[:, 0] * (longest - shortest)))
    amount = np.exp(2.0 * np.minimum(log_slow, cap))[spectra.series]
    slow_power = amount * p.mean(0)[spectra.table_index]
    slopes = np.empty((len(slow_power), len(NAMES)))
    slopes[:, 0] = 1.0
    slopes[:, 1] = 2.0 * white * free_white[spectra.series]
    slopes[:, 2] = slopes[:, 1] * decade[spectra.series]
    slopes[:, 3] = 2.0 * slow_power * free_slow[spectra.series]
    slopes[:, 4] = slopes[:, 3] * decade[spectra.series]
    slopes[:, 5] = amount * ((1.0 - k) * p_slope).mean(0)[spectra.table_index]
    slopes[:, 6] = amount * (k * p_slope).mean(0)[spectra.table_index]
    slopes[:, 7] = 2.0 * slow_power - slopes[:, 3]
    return LEAST + floor2 + white + slow_power, slopes


def parts(
    spectra: Spectra, theta: Floats, knee: float, read_cap: float
) -> tuple[Floats, Floats, Floats]:
    """White^2 and slow^2 of each series, and mean P of each entry of the table; see the module."""
    floor2, fraction, grows, slow, slow_grows, shortest, longest, cap = theta
    decade = np.log(spectra.ohms / knee)
    white = floor2 + np.exp(2.0 * np.minimum(fraction + grows * decade, np.log(read_cap)))
    k = np.arange(physics.COMPONENTS) / (physics.COMPONENTS - 1)
    p, _ = fluctuation(spectra, np.exp(shortest + k * (longest - shortest)))
    return white + LEAST, np.exp(2.0 * np.minimum(slow + slow_grows * decade, cap)), p.mean(0)


def value(spectra: Spectra, theta: Floats, knee: float, read_cap: float) -> Value:
    """Negative log-likelihood with its gradient and expected curvature."""
    s, slopes = expected(spectra, theta, knee, read_cap)
    ratio, steep = spectra.power / s, slopes / s[:, None]
    loss = float(spectra.weight @ (np.log(s) + ratio))
    gradient = (spectra.weight * (1.0 - ratio)) @ steep
    return Value(loss, gradient, (steep * spectra.weight[:, None]).T @ steep)


def score_variance(
    spectra: Spectra, theta: Floats, knee: float, read_cap: float, free: NDArray[np.bool_]
) -> Floats:
    """Variance of the score, from its scatter between devices and from the model.

    Few devices determine only few directions of the score, so the scatter between n of them is
    drawn towards the variance that the model expects, times the mean excess over it, as 2 p devices
    more would draw it. One device has no scatter but that of its frequencies about S.

    Returns:
        Shape (parameters, parameters).
    """
    s, slopes = expected(spectra, theta, knee, read_cap)
    steep, w = slopes / s[:, None], spectra.weight
    model = (steep * (w**2 / spectra.count)[:, None]).T @ steep
    of_entry = spectra.unit[spectra.series]
    each = (w * (1.0 - spectra.power / s))[:, None] * steep
    units, p = int(spectra.unit.max()) + 1, int(free.sum())
    scores = np.stack([np.bincount(of_entry, column, minlength=units) for column in each.T], 1)
    scores = scores - scores.mean(0)
    excess = float(
        np.average(spectra.count * (spectra.power / s - 1.0) ** 2, weights=w / spectra.count)
    )
    if units == 1:
        return max(1.0, excess) * model
    between = scores.T @ scores * units / (units - min(p, max(1.0, units / 4)))
    which = np.ix_(free, free)
    inverse = np.linalg.pinv(model[which], rcond=1e-12, hermitian=True)
    excess = max(1.0, float(np.trace(inverse @ between[which])) / p)
    drawn: Floats = (units * between + 2 * p * excess * model) / (units + 2 * p)
    return drawn


def reweighted(spectra: Spectra, theta: Floats, knee: float, read_cap: float) -> Spectra:
    """The spectra with the weights that fit the misfit m^2 of some parameters."""
    s, _ = expected(spectra, theta, knee, read_cap)
    return replace(spectra, weight=weights(spectra, s))


def weights(spectra: Spectra, s: Floats) -> Floats:
    """As how many each entry counts, from the misfit m^2 of its power about S."""
    octave = np.unique(spectra.octave, return_inverse=True)[1]
    together = np.bincount(octave, spectra.count)[octave]
    tells = (spectra.count >= MANY) & (spectra.power > 0.0)
    misfit = 0.0
    if tells.any():
        n = spectra.count[tells]
        chance = polygamma(1, n) + (digamma(n) - np.log(n)) ** 2
        squares = np.log(spectra.power[tells] / s[tells]) ** 2 - chance
        misfit = float(np.average(squares, weights=n / together[tells]))
        misfit = min(max(misfit, 0.0), MOST_MISFIT)
    forgiven = misfit / _relevance(spectra, s, octave)
    weight: Floats = spectra.count / (1.0 + together * forgiven)
    return weight


def _relevance(spectra: Spectra, s: Floats, octave: Ints) -> Floats:
    """Contribution of an octave to the spread of its series and to that of their differences.

    The mean of the two fractions, over that of an average octave.
    """
    omega = np.nan_to_num(spectra.omega[spectra.table_index], nan=np.pi)
    fractions = np.zeros(len(s))
    for power in (spectra.count * s, spectra.count * s * (1.0 - np.cos(omega))):
        fraction = power / np.bincount(spectra.series, power)[spectra.series]
        fractions += 0.5 * np.bincount(octave, fraction)[octave]
    first = np.unique(octave, return_index=True)[1]
    octaves = np.bincount(spectra.series[first])[spectra.series]
    relevance: Floats = np.maximum(fractions * octaves, LEAST)
    return relevance
