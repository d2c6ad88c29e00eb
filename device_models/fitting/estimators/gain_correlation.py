"""How the gains of a device to SETs and to RESETs go together: the spread of its asymmetry.

The log gains u of a device, RESET and SET, are read off its pulses with the standard errors e, so
they are

    Normal(m, sigma^2 [[1, rho], [rho, 1]] + diag(e^2)),

m the means of both polarities. The posterior of sigma and rho is summed up on a grid, with m
integrated out and priors that are flat in ln sigma and in rho.

Source:
    H. D. Patterson and R. Thompson, Biometrika 58, 545-554, 1971 (restricted likelihood: the means
    integrated out). The grid is ours.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import logsumexp

from ..measurements import Floats

FEWEST = 6  # devices that both polarities move
MOST = 2000  # devices that are looked at
SIGMAS, PLACES = 32, 81  # points of the grid
WIDEST = 4.0  # factors below and above a first guess of sigma
VAGUE = 1.6  # width of an interval of rho that says nothing
QUANTILES = (0.025, 0.5, 0.975)


class Correlation(NamedTuple):
    """rho with its 95 % interval, and that of sigma: gains that go together tell less of it."""

    value: float
    low: float
    high: float
    sigma_low: float
    sigma_high: float


def estimate(gains: Floats) -> Correlation | None:
    """The correlation of the log gains; None of few devices. An interval may say nothing (`VAGUE`).

    Args:
        gains: Log gains and their standard errors, of RESET and SET, (2, 2, devices); nan where
            pulses do not determine them.
    """
    finite = np.isfinite(gains).all((0, 1))
    if finite.sum() < FEWEST:
        return None
    u, e = gains[:, :, finite][:, :, :MOST]
    guess = float(np.sqrt(max(u.var(axis=1, ddof=1).mean() - (e**2).mean(), (e**2).mean() * 0.01)))
    sigma = guess * np.geomspace(1.0 / WIDEST, WIDEST, SIGMAS)
    rho = np.linspace(-0.995, 0.995, PLACES)
    logs = np.array([[_log_likelihood(u, e, s, r) for r in rho] for s in sigma])
    chance = np.exp(logs - logsumexp(logs))
    low, value, high = _quantiles(rho, chance.sum(0))
    sigma_low, _, sigma_high = _quantiles(sigma, chance.sum(1))
    return Correlation(value, low, high, sigma_low, sigma_high)


def _quantiles(values: Floats, weight: Floats) -> list[float]:
    """`QUANTILES` of a distribution on a grid."""
    quantiles: list[float] = np.interp(QUANTILES, np.cumsum(weight) - 0.5 * weight, values).tolist()
    return quantiles


def _log_likelihood(u: Floats, e: Floats, sigma: float, rho: float) -> float:
    """Restricted log likelihood of some devices; `u` and `e` have the shape (2, devices)."""
    (a, b), c = sigma**2 + e**2, rho * sigma**2
    det = a * b - c**2
    inverse = np.array([[b, np.full_like(b, -c)], [np.full_like(b, -c), a]]) / det
    weight, pulled = inverse.sum(2), np.einsum("ijd,jd->i", inverse, u)
    square = np.einsum("id,ijd,jd->", u, inverse, u) - pulled @ np.linalg.solve(weight, pulled)
    return float(-0.5 * (np.log(det).sum() + np.linalg.slogdet(weight)[1] + square))
