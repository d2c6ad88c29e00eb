"""Laws that pulsed devices share, as pure functions of tensors. Each file of a model names its own
step; everything here is the same for all of them.

Device time only moves what is not independent from read to read: slow fluctuation and relaxation.
"""

import math

import torch
from torch import Tensor

BOLTZMANN_EV_PER_KELVIN = 8.617333e-5
COMPONENTS = 4  # relaxation times that make up the slow fluctuation, spaced evenly in log time


def growing_fraction(
    g: Tensor, fraction: float, knee_ohms: float, exponent: float, cap: float
) -> Tensor:
    """Relative spread that grows with resistance: min(cap, fraction (R / knee)^exponent).

    Args:
        g: Conductance, siemens, positive.
        fraction: Relative spread at the knee.
        knee_ohms: Where it is `fraction`.
        exponent: Power of the resistance.
        cap: Largest relative spread.

    Source:
        S. Ambrogio et al., IEEE Trans. Electron Devices 61(8), 2014: telegraph noise against R.
    """
    return (g * knee_ohms).pow(-exponent).mul_(fraction).clamp_(max=cap)


def relaxation_times(shortest_seconds: float, longest_seconds: float) -> list[float]:
    """Time constants of the slow fluctuation, seconds, evenly spaced in the logarithm."""
    ratio = longest_seconds / shortest_seconds
    return [shortest_seconds * ratio ** (k / (COMPONENTS - 1)) for k in range(COMPONENTS)]


def step_fluctuation(
    slow: Tensor, seconds: float, times: list[float], *, generator: torch.Generator
) -> Tensor:
    """Advance independent Ornstein-Uhlenbeck components by some device time.

    A sum of equal components with evenly spaced log time constants has a 1/f spectrum between
    their inverses. With rho = exp(-seconds / tau), x <- rho x + sqrt(1 - rho^2) z is exact for any
    interval.

    Args:
        slow: Components, unit variance, shape (COMPONENTS, rows, columns). Not modified.
        seconds: Interval.
        times: Time constant of each component, seconds.
        generator: Source of z.

    Source:
        P. Dutta and P. M. Horn, Rev. Mod. Phys. 53, 497-516, 1981.
    """
    rho = torch.tensor([math.exp(-seconds / tau) for tau in times])[:, None, None]
    z = torch.randn(slow.shape, generator=generator)
    return rho * slow + (1.0 - rho.square()).sqrt() * z


def relaxation_siemens(g: Tensor, amount_siemens: float, peak_siemens: float) -> Tensor:
    """Size of the relaxation per decade of time: amount (g / peak) exp(1 - g / peak).

    Small in both end states and largest in between, as in the measured arrays of `oxram`. Ours.
    """
    x = g / peak_siemens
    return amount_siemens * x * torch.exp(1.0 - x)


def decades(since_seconds: Tensor, onset_seconds: float) -> Tensor:
    """log10(1 + t / onset): zero right after a pulse, logarithmic later."""
    return torch.log10(1.0 + since_seconds / onset_seconds)


def acceleration(temperature_kelvin: float, reference_kelvin: float, activation_ev: float) -> float:
    """Arrhenius factor by which device time runs faster than at the reference temperature."""
    inverse = 1.0 / reference_kelvin - 1.0 / temperature_kelvin
    return math.exp(activation_ev / BOLTZMANN_EV_PER_KELVIN * inverse)
