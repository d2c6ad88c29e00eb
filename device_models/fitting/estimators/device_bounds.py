"""Ends of the window from devices that each stop at a bound of their own.

A device whose full SETs all end at one level is at its own bound, g_high = g_max exp(-sigma |z|)
with z of the device (`Pulsed`), and after full RESETs at g_low = g_min exp(sigma |z'|). The mean
level of a device is read with an error e of known spread s: the reads of its cycles, and slow noise
that outlasts them. So the distance of ln g from the end, x = sigma |z| + s e, has the density

    f(x) = 2 / w phi(x / w) Phi(sigma x / (s w)),        w^2 = sigma^2 + s^2.

The posterior of both ends and of sigma, which they share, is summed up on a grid, with priors that
are flat in the logarithms of all three. Without errors that is the exponential law of the least of
n distances; with errors beyond sigma the ends are told by the means of the devices.

Source:
    A. Azzalini, Scand. J. Statist. 12, 171-178, 1985 (the sum of a normal and a half-normal number
    is skew-normal). That the bounds are half-normal is the model of `Pulsed`.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import log_ndtr, logsumexp

from ..measurements import Floats, Ints

FEWEST = 8  # devices
SHARP = 0.3  # spread of the cycles of a device over that of the devices: more is no bound
READ_SPREADS = 1.2  # of one read: a spread of the cycles within it is that of the reads
ALIKE = 1e-6  # spread of the devices below which there is none
QUARTILES = 1.349  # distance of those of a normal number of spread 1
MOST_SLOW = 0.3  # slow noise beyond which its spread over devices hides their bounds
LEAST_ERROR = 0.02  # of the spread of the devices; a smaller one changes nothing
SIGMAS, PLACES = 48, 320  # points of the grid
WIDEST = 6.0  # factors below and above a first guess of sigma
QUANTILES = (0.025, 0.5, 0.975)


class End(NamedTuple):
    """Levels at one end of the window.

    Attributes:
        sign: 1 for full SETs, -1 for full RESETs.
        logs: Mean ln g of every device, (devices,).
        error: Spread of the error of these means.
    """

    sign: int
    logs: Floats
    error: float


class Bound(NamedTuple):
    """A number with its 95 % interval and its draws, (resamples,)."""

    value: float
    interval: tuple[float, float]
    draws: Floats


class Bounds(NamedTuple):
    """Ends of a window, by their signs, and the spread of the devices inside it, in ln g."""

    ends_siemens: dict[int, Bound]
    sigma: Bound


def end_of(sign: int, logs: Floats, device: Ints, read: float, slow: float) -> End | None:
    """The levels at one end; None where the devices have no bounds of their own.

    Args:
        sign: 1 for full SETs, -1 for full RESETs.
        logs: ln g, (cycles,).
        device: Of each.
        read: Relative spread of one read there; 0: unknown.
        slow: Of the noise that is slower than the cycles.
    """
    names, which, count = np.unique(device, return_inverse=True, return_counts=True)
    n = len(names)
    if n < FEWEST or count.min() < 2 or slow > MOST_SLOW:
        return None
    mean = np.bincount(which, logs) / count
    within = float(np.sqrt(((logs - mean[which]) ** 2).sum() / (len(logs) - n)))
    across = float(mean.std(ddof=1))
    if across < ALIKE or not (within < SHARP * across or within < READ_SPREADS * read):
        return None
    error = np.sqrt(within**2 / count.mean() + slow**2)
    return End(sign, mean, max(float(error), LEAST_ERROR * across))


def are_hidden(logs: Floats, read: float, slow: float) -> bool:
    """Whether slow noise explains the levels of all devices, so that it hides their bounds.

    Args:
        logs: ln g, (cycles,).
        read: As of `end_of`.
        slow: Likewise.
    """
    quarter, rest = np.quantile(logs, (0.25, 0.75))
    spread = (rest - quarter) / QUARTILES
    return bool(slow > MOST_SLOW and spread < READ_SPREADS * np.hypot(read, slow))


def bounds(ends: list[End], resamples: int, generator: np.random.Generator) -> Bounds:
    """The ends of the window and the spread that they share.

    Args:
        ends: At least one.
        resamples: Joint draws.
        generator: Of the draws.
    """
    guess = np.sqrt(np.mean([_first_variance(end) for end in ends]))
    sigma = guess * np.geomspace(1.0 / WIDEST, WIDEST, SIGMAS)
    places = [_places(end, guess) for end in ends]
    tables = [_log_likelihood(*each, sigma) for each in zip(ends, places, strict=True)]
    given_sigma = sum(logsumexp(table, axis=1) for table in tables)
    weight = np.exp(given_sigma - logsumexp(given_sigma))
    row = generator.choice(SIGMAS, size=resamples, p=weight)
    ends_siemens = {}
    for end, place, table in zip(ends, places, tables, strict=True):
        chance = np.exp(table - logsumexp(table, axis=1)[:, None])
        at = _quantiles(place, weight @ chance)
        level = (chance[row].cumsum(1) < generator.random((resamples, 1))).sum(1)
        draws = place[np.minimum(level, PLACES - 1)]
        ends_siemens[end.sign] = _bound(np.exp(end.sign * at), np.exp(end.sign * draws))
    return Bounds(ends_siemens, _bound(_quantiles(sigma, weight), sigma[row]))


def _bound(quantiles: Floats, draws: Floats) -> Bound:
    low, value, high = np.sort(quantiles).tolist()
    return Bound(value, (low, high), draws)


def _first_variance(end: End) -> float:
    """sigma^2 by moments, at least a part of what is seen."""
    seen = float(end.logs.var(ddof=1))
    return max(seen - end.error**2, 0.1 * seen) / (1.0 - 2.0 / np.pi)


def _places(end: End, guess: float) -> Floats:
    """Signed ln g of the end that are tried."""
    x, wide = end.sign * end.logs, float(np.hypot(guess, end.error))
    top, middle = x.max(), x.mean()
    return np.linspace(min(middle, top - 4.0 * end.error), top + 1.5 * wide, PLACES)


def _log_likelihood(end: End, places: Floats, sigma: Floats) -> Floats:
    """Of every sigma and place, (sigmas, places)."""
    wide = np.hypot(sigma, end.error)[:, None]
    total = np.zeros((len(sigma), len(places)))
    for level in end.sign * end.logs:
        x = (places - level) / wide
        total += log_ndtr(x * (sigma[:, None] / end.error)) - 0.5 * x**2 - np.log(wide)
    return total


def _quantiles(values: Floats, weight: Floats) -> Floats:
    """`QUANTILES` of a distribution on a grid."""
    total = np.cumsum(weight) - 0.5 * weight
    return np.interp(QUANTILES, total / weight.sum(), values)
