"""What a device remembers from one full SET or RESET to the next: the law of the scores of cycles.

Cycle number k of device i has the score

    z_ik = sqrt(s) u_i + sqrt(1 - s) kappa_i [ sqrt(m) x_ik + sqrt(1 - m) e_ik ]

with u, e independent and Normal(0, 1) (e is new in every cycle), x_ik an Ornstein-Uhlenbeck process
of unit variance whose correlation falls by e in L cycles, and kappa_i = exp(sigma n_i - sigma^2),
n Normal(0, 1): some devices are noisier than others. As E kappa^2 = 1, z has unit variance and s is
the correlation of two cycles far apart. z is a mixture of normal numbers, of the distribution

    F(z) = E_n Phi(z / sqrt(s + (1 - s) kappa(n)^2)),

so Phi^-1(F(z)) is Normal(0, 1) exactly, and `open_loop.Levels` gives a level to that.

Source:
    G. E. Uhlenbeck and L. S. Ornstein, Phys. Rev. 36, 823, 1930. The law of scores is ours.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .record import Record, quantity

Floats = NDArray[np.float64]
NODES = np.linspace(
    -5.0, 5.0, 41
)  # of the mean over the noise of devices, so near that F is smooth
WEIGHTS = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()
WARP_RANGE, WARP_KNOTS = 30.0, 121  # how far below 0, and at how many scores F is tabulated
LEAST = 1e-300  # probability and density


@dataclass(frozen=True, kw_only=True)
class RemembersCycles(Record):
    """The fields of the law of this file, for the levels after SET and RESET; 0 switches it off.

    m is `_memory_share`, L is `_memory_cycles`, sigma is `_d2d_noise_sigma`; s is the
    `_d2d_share` of the device. full_levels_correlation is that of u_i after SET and after RESET.
    """

    full_set_memory_share: float = quantity("", 0.0, 1.0, default=0.0)
    full_set_memory_cycles: float = quantity("cycles", 1.0, 1e7, default=100.0)
    full_set_d2d_noise_sigma: float = quantity("", 0.0, 2.0, default=0.0)
    full_reset_memory_share: float = quantity("", 0.0, 1.0, default=0.0)
    full_reset_memory_cycles: float = quantity("cycles", 1.0, 1e7, default=100.0)
    full_reset_d2d_noise_sigma: float = quantity("", 0.0, 2.0, default=0.0)
    full_levels_correlation: float = quantity("", -1.0, 1.0, default=0.0)


class CycleLaw(NamedTuple):
    """The numbers of one polarity: s, m, L and sigma of the module."""

    d2d_share: float = 0.0
    memory_share: float = 0.0
    memory_cycles: float = 100.0
    d2d_noise_sigma: float = 0.0

    def score(
        self, white: Tensor, device: Tensor | None, noise: Tensor | None, memory: Tensor | None
    ) -> Tensor:
        """Phi^-1(F(z)) of some cycles, standard normal.

        Args:
            white: e, shape (...).
            device: u, broadcast to `white`; None: the cycle is that of a new device.
            noise: kappa, likewise; None: 1.
            memory: x, likewise; None: a cycle without others.
        """
        z = white
        if memory is not None and self.memory_share > 0.0:
            z = self.memory_share**0.5 * memory + (1.0 - self.memory_share) ** 0.5 * z
        if device is None:
            return z
        if noise is not None:
            z = z * noise
        z = self.d2d_share**0.5 * device + (1.0 - self.d2d_share) ** 0.5 * z
        return z if noise is None else self.normal(z)

    def normal(self, z: Tensor) -> Tensor:
        """Phi^-1(F(z)), shape of `z`, between the ends of `warp`."""
        knots, scores, _ = warp(self.d2d_share, self.d2d_noise_sigma)
        return torch.from_numpy(np.interp(z.double().numpy(), knots, scores)).to(z.dtype)


def warp(d2d_share: float, d2d_noise_sigma: float) -> tuple[Floats, Floats, Floats]:
    """F as a table: z, Phi^-1(F(z)) and the logarithm of the density of z, (2 WARP_KNOTS - 1,)."""
    from scipy.special import ndtr, ndtri

    kappa2 = np.exp(2.0 * d2d_noise_sigma * NODES - 2.0 * d2d_noise_sigma**2)
    spread = np.sqrt(d2d_share + (1.0 - d2d_share) * kappa2)
    # Below 0 alone: a probability near 1 would lose its digits.
    knots = -np.expm1(np.linspace(np.log1p(WARP_RANGE), 0.0, WARP_KNOTS))
    below = knots[:, None] / spread
    scores = ndtri(np.maximum(ndtr(below) @ WEIGHTS, LEAST))
    density = np.log(np.maximum(np.exp(-0.5 * below**2) @ (WEIGHTS / spread), LEAST))
    density -= 0.5 * np.log(2.0 * np.pi)
    rising, even = ((knots, scores), density)
    odd = [np.concatenate([half, -half[-2::-1]]) for half in rising]
    return odd[0], odd[1], np.concatenate([even, even[-2::-1]])


def step(
    memory: Tensor, cycles: Tensor | float, memory_cycles: float, *, generator: torch.Generator
) -> Tensor:
    """x of the module some cycles later: rho x + sqrt(1 - rho^2) z with rho = exp(-cycles / L).

    Args:
        memory: x, unit variance. Not modified.
        cycles: How many, a number or one per device, broadcast to `memory`.
        memory_cycles: L.
        generator: Source of z, one number per device.
    """
    passed = torch.as_tensor(cycles, dtype=torch.float64) / memory_cycles
    z = torch.randn(memory.shape, generator=generator, dtype=memory.dtype)
    # As in `physics.memory`: of one cycle in 1e7, sqrt(1 - rho^2) in 32 bits is zero.
    innovation = torch.sqrt(-torch.expm1(-2.0 * passed)).to(memory.dtype)
    return torch.exp(-passed).to(memory.dtype) * memory + innovation * z
