"""Oxide RRAM: gradual soft-bound SET and RESET, spread in every step, reads noisier at high R."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .model import DeviceModel, DeviceState, Programmed, check_shapes
from .record import quantity


@dataclass(frozen=True, kw_only=True)
class Oxram(DeviceModel):
    """Filamentary oxide RRAM in the 1e3..1e6 ohm window, programmed by identical pulses.

    With W the width of the window and x = (g - g_min) / W, one pulse moves a device by

        SET:    + a_set   set_fraction   W exp(-set_beta x)
        RESET:  - a_reset reset_fraction W exp(-reset_beta (1 - x))

    times its own draw Normal(1, c2c_sigma) (cycle to cycle), and then clips g to the device's own
    bounds. a_set and a_reset are log-normal with unit median and spread d2d_step_sigma; the bounds
    are g_min exp(+|z|) and g_max exp(-|z|), z of spread d2d_bound_sigma (device to device). One
    read of a device at resistance R has the relative spread

        sqrt(read_floor^2 + min(read_cap, read_fraction (R / read_knee_ohms)^read_exponent)^2)

    white over reads. A pulse of V volts and width t costs V^2 t (g_before + g_after) / 2.

    Source:
        Step: D. Querlioz et al., IEEE Trans. Nanotechnol. 12(3), 288-295, 2013. Read: growth of the
        telegraph noise with R, S. Ambrogio et al., IEEE Trans. Electron Devices 61(8), 2014. Pulse
        energy: as in NeuroSim. The spread of the bounds is ours.
    """

    set_fraction: float = quantity("", 1e-6, 1.0)
    set_beta: float = quantity("", 0.0, 20.0)
    reset_fraction: float = quantity("", 1e-6, 1.0)
    reset_beta: float = quantity("", 0.0, 20.0)
    c2c_sigma: float = quantity("", 0.0, 5.0)
    d2d_step_sigma: float = quantity("", 0.0, 3.0)
    d2d_bound_sigma: float = quantity("", 0.0, 1.0)
    read_floor: float = quantity("", 0.0, 1.0)
    read_fraction: float = quantity("", 0.0, 1.0)
    read_knee_ohms: float = quantity("ohm", 1.0, 1e9)
    read_exponent: float = quantity("", 0.0, 5.0)
    read_cap: float = quantity("", 0.0, 1.0)
    set_volts: float = quantity("V", 0.0, 10.0, why="the board's range")
    reset_volts: float = quantity("V", 0.0, 10.0, why="the board's range; a magnitude")
    width_seconds: float = quantity("s", 1e-12, 1.0)

    def manufacture(self, shape: tuple[int, int], *, generator: torch.Generator) -> DeviceState:
        """See `DeviceModel.manufacture`."""
        z = torch.randn((4, *shape), generator=generator)
        low = self.g_min_siemens * torch.exp(self.d2d_bound_sigma * z[0].abs())
        high = self.g_max_siemens * torch.exp(-self.d2d_bound_sigma * z[1].abs())
        traits = {
            "g_low": torch.minimum(low, high),
            "g_high": high.clamp(min=self.g_min_siemens),
            "set_gain": torch.exp(self.d2d_step_sigma * z[2]),
            "reset_gain": torch.exp(self.d2d_step_sigma * z[3]),
        }
        return DeviceState(traits["g_low"].clone(), traits)

    def program(
        self, state: DeviceState, counts: Tensor, selected: Tensor, *, generator: torch.Generator
    ) -> Programmed:
        """See `DeviceModel.program`; devices without a pulse cost nothing."""
        check_shapes(state, counts, selected)
        pulsed = counts.flatten().nonzero().squeeze(1)
        g_all = state.g.flatten().clone()
        wanted = counts.flatten()[pulsed]
        energy = 0.0
        for done in range(int(wanted.abs().max()) if len(pulsed) else 0):
            more = wanted.abs() > done
            devices, signs = pulsed[more], wanted[more].sign()
            g_all[devices], joules = self._pulse(state, g_all[devices], devices, signs, generator)
            energy += joules
        return Programmed(DeviceState(g_all.view_as(state.g), state.traits), energy)

    def _pulse(
        self,
        state: DeviceState,
        g: Tensor,
        devices: Tensor,
        signs: Tensor,
        generator: torch.Generator,
    ) -> tuple[Tensor, float]:
        """One pulse to each of the flat indices `devices`: conductances after, joules."""
        low, high, set_gain, reset_gain = (
            state.traits[name].flatten()[devices]
            for name in ("g_low", "g_high", "set_gain", "reset_gain")
        )
        is_set = signs > 0
        draw = torch.randn(g.shape, generator=generator).mul_(self.c2c_sigma).add_(1.0)
        gain = torch.where(is_set, set_gain, -reset_gain)
        after = g + gain * draw * self.step_siemens(g, signs)
        # Clamp last: the noise, not the mean step, is what could leave the bounds.
        after = torch.minimum(torch.maximum(after, low), high)
        volts_squared = torch.where(is_set, self.set_volts**2, self.reset_volts**2)
        joules = float((volts_squared * (g + after)).sum(dtype=torch.float64))
        return after, joules * self.width_seconds / 2

    def step_siemens(self, g: Tensor, counts: Tensor) -> Tensor:
        """See `DeviceModel.step_siemens`: the mean step of a device of median gain."""
        x = (g - self.g_min_siemens) / self.window_siemens
        up = self.set_fraction * torch.exp(-self.set_beta * x)
        down = self.reset_fraction * torch.exp(self.reset_beta * (x - 1.0))
        return self.window_siemens * torch.where(counts > 0, up, down)

    def read_sigma_siemens(self, g: Tensor) -> Tensor | None:
        """See `DeviceModel.read_sigma_siemens`; the law is in the docstring of the class."""
        if self.read_floor == self.read_fraction == 0.0:
            return None
        growth = (g * self.read_knee_ohms).pow(-self.read_exponent) * self.read_fraction
        return g * torch.sqrt(growth.clamp_(max=self.read_cap).square_().add_(self.read_floor**2))

    def pulses(self, counts: Tensor) -> tuple[int, int]:
        """Every count is a pulse of its own."""
        return int(counts.clamp(min=0).sum()), int(-counts.clamp(max=0).sum())
