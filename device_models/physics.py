"""Laws that pulsed devices share, as pure functions of tensors. Each file of a model names its own
step; everything here is the same for all of them.

Device time only moves what is not independent from read to read: slow fluctuation and relaxation.
"""

import math

import torch
from torch import Tensor

BOLTZMANN_EV_PER_KELVIN = 8.617333e-5
COMPONENTS = 4  # relaxation times that make up the slow fluctuation, spaced evenly in log time
LEAST_STEP_SIEMENS = 1e-12
MOST_CELLS = 1 << 16  # of `between`; knots that lie closer are searched


def by_sign(counts: Tensor, up: Tensor | float, down: Tensor | float, dtype: torch.dtype) -> Tensor:
    """`up` where counts > 0, else `down`, exactly.

    The slow reference is torch.where, whose branches cost ten times as much where signs are mixed.

    Args:
        counts: Signed whole numbers, any shape.
        up: Finite; a tensor of `dtype` that broadcasts against `counts`, or a number.
        down: As `up`.
        dtype: Of the result, floating.
    """
    return choose(rising(counts, dtype), up, down)


def rising(counts: Tensor, dtype: torch.dtype) -> Tensor:
    """1 where counts > 0, else 0: the mask of `choose`."""
    return counts.clamp(0, 1).to(dtype)


def choose(mask: Tensor, up: Tensor | float, down: Tensor | float) -> Tensor:
    """`up` where a mask is 1, `down` where it is 0, exactly: see `by_sign`."""
    # lerp returns its very ends at weights 0 and 1.
    low, high = torch.as_tensor(down, dtype=mask.dtype), torch.as_tensor(up, dtype=mask.dtype)
    return torch.lerp(low, high, mask)


def at_least(step_siemens: Tensor) -> Tensor:
    """Steps of at least `LEAST_STEP_SIEMENS`, because trainers divide by them. Consumes its input.

    So small that no device moves visibly by it.
    """
    return step_siemens.clamp_(min=LEAST_STEP_SIEMENS)


def between(values: Tensor, knots: Tensor | tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """The interval of rising knots each value is in, and how far along it (0..1, held outside)."""
    grid = torch.as_tensor(knots, dtype=values.dtype)
    interval = _interval(values.flatten(), grid)
    low, high = grid.index_select(0, interval), grid.index_select(0, interval + 1)
    part = (values.flatten() - low).div_(high.sub_(low)).clamp_(0.0, 1.0)
    return interval.view_as(values), part.view_as(values)


def _interval(values: Tensor, grid: Tensor) -> Tensor:
    """How many of the inner knots lie below each value: `torch.bucketize`, four times as fast.

    A search costs a branch per knot. Equal cells that hold one knot at most leave one comparison.

    Args:
        values: Shape (n,).
        grid: Rising knots, shape (k,).
    """
    width = float((grid[1:] - grid[:-1]).min()) / 2.0
    first, count = float(grid[0]), float(grid[-1] - grid[0]) / width if width > 0.0 else math.inf
    if count > MOST_CELLS or len(grid) == 2:
        return torch.bucketize(values, grid[1:-1])
    # A value on the edge of two cells may be put in either: a cell begins a little early.
    edges = first + width * (torch.arange(int(count) + 2, dtype=torch.float64) - 0.1)
    least = torch.bucketize(edges, grid[1:-1].double())
    cell = ((values - first) / width).clamp_(0.0, int(count) + 1.0).long()
    interval = least.index_select(0, cell)
    return interval.add_(values > grid.index_select(0, interval + 1)).clamp_(max=len(grid) - 2)


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
    # exp(log), for pow takes three times as long; above 0, for 0 times log 0 is no number.
    x = (g * knee_ohms).clamp_(min=1e-30)
    return x.log_().mul_(-exponent).exp_().mul_(fraction).clamp_(max=cap)


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
    decay, innovation = (part.to(slow.dtype)[:, None, None] for part in memory(seconds, times))
    return decay * slow + innovation * torch.randn(slow.shape, generator=generator)


def memory(seconds: float, times: list[float]) -> tuple[Tensor, Tensor]:
    """rho and sqrt(1 - rho^2) of `step_fluctuation`, float64, one per time constant."""
    ratios = torch.tensor([seconds / tau for tau in times], dtype=torch.float64)
    # Not sqrt(1 - rho^2) of 32-bit numbers, which is zero for an interval of 1e-8 tau.
    return torch.exp(-ratios), torch.sqrt(-torch.expm1(-2.0 * ratios))


def relaxation_siemens(
    g: Tensor, amount_siemens: float, peak_siemens: float, sharpness: float = 1.0
) -> Tensor:
    """Size of the relaxation per decade of time: amount (x exp(1 - x))^sharpness, x = g / peak.

    Small in both end states and largest in between, as in the measured arrays of `oxram`. Near the
    peak it is a bell of width peak / sqrt(sharpness). Ours.

    Args:
        g: Conductance, siemens, positive.
        amount_siemens: Size at the peak.
        peak_siemens: Where it is largest.
        sharpness: Power of the hump; above 1 it is narrower.
    """
    x = g / peak_siemens
    return x.log().sub_(x).add_(1.0).mul_(sharpness).exp_().mul_(amount_siemens)


def draw_relaxation(shape: torch.Size, tail_sigma: float, *, generator: torch.Generator) -> Tensor:
    """Random factor z of the relaxation, one per pulse: symmetric, with tails if asked for.

    z is normal times a log-normal of median 1 and spread `tail_sigma`: a few devices relax much
    more than most. A tail of 0 draws one normal number per device and nothing else.

    Args:
        shape: Of the result.
        tail_sigma: Spread of the logarithm of the size.
        generator: Source of both factors.
    """
    z = torch.randn(shape, generator=generator)
    if tail_sigma > 0.0:
        z *= torch.exp(tail_sigma * torch.randn(shape, generator=generator))
    return z


def draw_stuck(
    shape: tuple[int, int],
    high: tuple[float, float],
    low: tuple[float, float],
    *,
    generator: torch.Generator,
) -> Tensor | None:
    """See `DeviceModel.draw_stuck`; `high` and `low` are a share of the devices and its siemens."""
    if high[0] + low[0] == 0.0:
        return None
    u = torch.rand(shape, generator=generator)
    stuck = torch.full(shape, math.nan, dtype=torch.float64)
    stuck[u < high[0]] = high[1]
    stuck[u >= 1.0 - low[0]] = low[1]
    return stuck


def decades(since_seconds: Tensor, onset_seconds: float) -> Tensor:
    """log10(1 + t / onset): zero right after a pulse, logarithmic later."""
    return torch.log1p(since_seconds / onset_seconds) / math.log(10.0)


def acceleration(temperature_kelvin: float, reference_kelvin: float, activation_ev: float) -> float:
    """Arrhenius factor by which device time runs faster than at the reference temperature."""
    inverse = 1.0 / reference_kelvin - 1.0 / temperature_kelvin
    return math.exp(activation_ev / BOLTZMANN_EV_PER_KELVIN * inverse)
