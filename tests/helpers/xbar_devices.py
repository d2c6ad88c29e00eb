"""Devices and arrays of them, for tests."""

import dataclasses

import torch

from device_models.model import DeviceState
from device_models.presets import load_device
from device_models.registry import MODELS

NOISE_SIEMENS = 2e-5
PULSED = {  # what every kind of pulsed device needs
    "status": "invented",
    "sources": {},
    "g_min_siemens": 1e-6,
    "g_max_siemens": 1e-4,
    "c2c_sigma": 0.35,
    "d2d_step_sigma": 0.2,
    "d2d_bound_sigma": 0.1,
    "read_floor": 0.01,
    "read_fraction": 0.01,
    "read_knee_ohms": 3e3,
    "read_exponent": 0.7,
    "read_cap": 0.5,
    "set_volts": 1.2,
    "reset_volts": 1.3,
    "width_seconds": 1e-7,
}
TABLE = {  # three bins by four levels
    "c2c_sigma": 0.0,
    "bins": (0.05, 0.4, 0.9),
    "levels": (0.05, 0.3, 0.6, 0.9),
    "set_steps": (0.01, 0.02, 0.03, 0.05, 0.0, 0.01, 0.02, 0.03, -0.005, 0.005, 0.01, 0.02),
    "reset_steps": (
        -0.02,
        -0.01,
        -0.005,
        0.005,
        -0.03,
        -0.02,
        -0.01,
        0.0,
        -0.05,
        -0.03,
        -0.02,
        0.0,
    ),
}
VALID = {  # of each registered model without a preset of its name
    "soft_bounds": {"set_fraction": 0.03, "reset_fraction": 0.02},
    "linear_step": {
        "set_fraction": 0.03, "set_slope": -0.6, "reset_fraction": 0.01, "reset_slope": 0.7,
    },
    "exp_step": {  # ten times the steps of Gong et al.
        "set_fraction": 0.00675, "set_a": -1.18445, "set_gamma": 5.0,
        "reset_fraction": 0.005, "reset_a": -0.081404, "reset_gamma": 5.0,
        "z_slope": -0.5, "z_offset": -0.5,
    },
    "log_step": {  # a hump, and steps beside the law that lead the wrong way
        "set_fraction_0": 0.01, "set_fraction_1": 0.06, "set_fraction_2": 0.02,
        "set_fraction_3": 0.004, "reset_fraction_0": 0.003, "reset_fraction_1": 0.01,
        "reset_fraction_2": 0.02, "reset_fraction_3": 0.05, "c2c_additive_siemens": 1e-6,
        "d2d_step_correlation": 0.6,
    },
    "signed_step": {  # SETs lead down near the top, RESETs up near the bottom
        "set_fraction_0": 0.03, "set_fraction_1": 0.02, "set_fraction_2": 0.01,
        "set_fraction_3": -0.01, "reset_fraction_0": -0.004, "reset_fraction_1": 0.001,
        "reset_fraction_2": 0.02, "reset_fraction_3": 0.04, "c2c_additive_siemens": 4e-7,
        "c2c_quantum_siemens": 3e-7,
    },
    "tabulated": TABLE,
}  # fmt: skip
EVERYTHING = {  # every part of the physics of pulsed devices at once
    "slow_fraction": 0.02,
    "slow_exponent": 0.5,
    "slow_cap": 0.4,
    "read_d2d_sigma": 0.5,
    "slow_d2d_sigma": 0.5,
    "telegraph_traps": 1.0,
    "telegraph_fraction": 0.05,
    "telegraph_exponent": 0.3,
    "telegraph_sigma": 0.5,
    "telegraph_duty_sigma": 1.0,
    "set_threshold_volts": 1.15,
    "reset_threshold_volts": 1.25,
    "d2d_threshold_volts": 0.05,
    "set_kind": "abrupt",
    "full_set_siemens": 8e-4,
    "full_set_sigma": 0.1,
    "full_set_d2d_share": 0.5,
    "full_set_memory_share": 0.6,
    "full_set_memory_cycles": 50.0,
    "full_set_d2d_noise_sigma": 0.3,
    "relax_sigma_siemens": 2e-6,
    "relax_drift_siemens": -1e-6,
    "relax_activation_ev": 1.0,
    "stuck_high_share": 0.03,
    "stuck_high_siemens": 2e-3,
    "stuck_low_share": 0.05,
    "stuck_low_siemens": 1e-7,
    "endurance_pulses": 1000.0,
    "endurance_sigma": 1.0,
    "verified_fraction": 0.01,
    "verified_exponent": 0.667,
}


NOISE = "read_d2d", "slow_d2d", "telegraph"  # how the fields of `read_noise` and traps begin
LEVELS = {  # relaxation by conductance
    "relax_levels_siemens": (1e-4, 6e-4), "relax_drifts_siemens": (1e-6, -3e-6),
    "relax_ups_siemens": (2e-6, 1e-6), "relax_downs_siemens": (1e-6, 4e-6),
    "relax_tail_dof": 3.0, "relax_onset_decades": 1.0, "relax_run_sigma": 0.2,
    "relax_run_shift": 0.2, "relax_activation_ev": 1.0,
}  # fmt: skip
PRESETS = {"oxram": "oxram_literature"}  # a model whose plainest preset has another name


def registered(name):
    """A device of a registered model: its preset, or the one of `VALID`."""
    return (
        MODELS[name](**PULSED | VALID[name])
        if name in VALID
        else load_device(PRESETS.get(name, name))
    )


def all_devices():
    """Name -> device: one of every registered model, and the variants of some."""
    devices = {name: registered(name) for name in MODELS}
    table = devices["tabulated"]
    twice = {name: 2 * getattr(table, name) for name in ("set_steps", "reset_steps")}
    ends = {"low_siemens": (1e-6, 3e-6), "high_siemens": (7e-5, 1e-4)}
    devices["tables of two"] = dataclasses.replace(table, **twice, **ends)
    devices["shipped oxide"] = load_device("oxram")
    trapped = {name: x for name, x in EVERYTHING.items() if name.startswith(NOISE)}
    devices["oxide with traps"] = dataclasses.replace(devices["shipped oxide"], **trapped)
    devices["everything"] = dataclasses.replace(load_device("oxram_literature"), **EVERYTHING)
    devices["rates by level"] = dataclasses.replace(load_device("oxram_literature"), **LEVELS)
    noisy = {"update_sigma_siemens": NOISE_SIEMENS}
    plain = devices["gaussian_update"]
    devices["noise on all"] = dataclasses.replace(plain, **noisy)
    devices["noise on programmed"] = dataclasses.replace(plain, **noisy, noise_on="programmed")
    return devices


QUIET = {
    "c2c_sigma": 0.0,
    "c2c_additive_siemens": 0.0,
    "c2c_quantum_siemens": 0.0,
    "d2d_step_sigma": 0.0,
    "d2d_bound_sigma": 0.0,
    "read_floor": 0.0,
    "read_fraction": 0.0,
    "update_sigma_siemens": 0.0,
}


def quiet(model, **changes):
    """The device with every spread at zero, all optional physics off, and with `changes`."""
    own = {f.name: f for f in dataclasses.fields(model)}
    silent = {name: own[name].default for name in EVERYTHING if name in own}
    silent |= {name: value for name, value in QUIET.items() if name in own}
    if "levels" in own:  # a table without spread: the second level of each bin
        for name in ("set_steps", "reset_steps"):
            width, values = len(model.levels), getattr(model, name)
            rows = (values[i + 1] for i in range(0, len(values), width))
            silent[name] = tuple(v for v in rows for _ in range(width))
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
