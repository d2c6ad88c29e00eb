"""Devices and arrays of them, for tests."""

import dataclasses

import torch

from device_models.model import DeviceState
from device_models.presets import load_device
from device_models.registry import MODELS

NOISE_SIEMENS = 2e-5


def all_devices():
    """Name -> device: the preset of every registered model, and the noisy kinds of one."""
    devices = {name: load_device(name) for name in MODELS}
    noisy = {"update_sigma_siemens": NOISE_SIEMENS}
    plain = devices["gaussian_update"]
    devices["noise on all"] = dataclasses.replace(plain, **noisy)
    devices["noise on programmed"] = dataclasses.replace(plain, **noisy, noise_on="programmed")
    return devices


QUIET = {
    "c2c_sigma": 0.0,
    "d2d_step_sigma": 0.0,
    "d2d_bound_sigma": 0.0,
    "read_floor": 0.0,
    "read_fraction": 0.0,
    "update_sigma_siemens": 0.0,
}


def quiet(model, **changes):
    """The device with every spread at zero, and with `changes`."""
    own = {f.name for f in dataclasses.fields(model)}
    silent = {name: value for name, value in QUIET.items() if name in own}
    return dataclasses.replace(model, **silent | changes)


def gen(seed=0):
    """A generator."""
    return torch.Generator().manual_seed(seed)


def at(model, x, *, seed=0):
    """New devices at fractions `x` of the window, (rows, columns)."""
    made = model.manufacture(tuple(x.shape), generator=gen(seed))
    g = (model.g_min_siemens + model.window_siemens * x).to(made.g.dtype)
    return DeviceState(
        g.clamp(model.g_min_siemens, model.g_max_siemens), made.traits, made.dynamics
    )


def everywhere(x):
    """A selection of all devices."""
    return torch.ones(x.shape, dtype=torch.bool)


def program(model, state, counts, *, seed=0, selected=None):
    """`DeviceModel.program` of all devices, or of the selected ones."""
    chosen = everywhere(state.g) if selected is None else selected
    return model.program(state, counts, chosen, generator=gen(seed))


def unit(model):
    """Pulses that make up some 2 % of the window: 1, or many for a fine-grained device."""
    return max(1, int(model.pulses_across / 50))
