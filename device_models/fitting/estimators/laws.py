"""The step models that can be fitted: which field scales the step, which ones shape it.

The equation itself stays in the model: a shape is tried by asking a model that has it.
"""

import copy
import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.special import ndtri

from ... import physics
from ...errors import ConfigError
from ...model import DeviceModel
from ...pulsed import Pulsed
from ...record import declared, did_you_mean
from ...registry import MODELS, name_of
from ..measurements import Floats


class Law(NamedTuple):
    """Step of one polarity of one model.

    Attributes:
        scale: Field that the step is proportional to; "" if the model has none.
        shape: Field that bends it; "" if the model has none.
        low: Smallest value of the shape that is tried.
        high: Largest.
        remark: What the user must know of the shape.
        linear: Fields in which the step is linear, the scale first; "" without a shape then.
        least: Smallest value of these.
    """

    scale: str
    shape: str = ""
    low: float = 0.0
    high: float = 0.0
    remark: str = ""
    linear: tuple[str, ...] = ()
    least: float = 0.0

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields of the step."""
        return self.linear or tuple(filter(None, (self.scale, self.shape)))

    def grid(self, points: int = 201) -> Floats:
        """Values of the shape to try, denser near zero; one that is ignored without a shape."""
        if not self.shape:
            return np.zeros(1)
        return np.sinh(np.linspace(np.arcsinh(self.low), np.arcsinh(self.high), points))


FRACTIONS = [tuple(f"{way}_fraction_{k}" for k in range(4)) for way in ("set", "reset")]
LAWS: dict[str, tuple[Law, Law]] = {  # model -> SET, RESET
    "oxram": (
        Law("set_fraction", "set_beta", -5.0, 20.0),
        Law("reset_fraction", "reset_beta", -5.0, 20.0),
    ),
    "soft_bounds": (Law("set_fraction"), Law("reset_fraction")),
    "linear_step": (
        Law("set_fraction", "set_slope", -2.0, 500.0),
        Law("reset_fraction", "reset_slope", -2.0, 500.0),
    ),
    # A constant and an exponential of free sizes. The decay is fixed: where gamma is small
    # the two can hardly be distinguished, and z_slope only scales gamma.
    "exp_step": (
        Law("set_fraction", "set_a", -20.0, 0.9, "set_gamma, z_slope and z_offset are held"),
        Law("reset_fraction", "reset_a", -1.0, 0.05, "reset_gamma, z_slope and z_offset are held"),
    ),
    "log_step": (
        Law("set_fraction_0", linear=FRACTIONS[0]),
        Law("reset_fraction_0", linear=FRACTIONS[1]),
    ),
    "signed_step": (
        Law("set_fraction_0", linear=FRACTIONS[0], least=-1.0),
        Law("reset_fraction_0", linear=FRACTIONS[1], least=-1.0),
    ),
}
HELD = {  # where the preset is of another model: aihwkit's ReRamES, as in `gong2018_exp`
    "set_a": -1.18445, "set_gamma": 5.0, "reset_a": -0.081404, "reset_gamma": 5.0,
    "z_slope": -0.5, "z_offset": -0.5,
}  # fmt: skip
LEVELS = (0.01, 0.05, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.95, 0.99)  # of step tables
MOST_BINS = 24  # of step tables


def fittable() -> list[str]:
    """Registered models whose step can be fitted here: those with a law, and measured tables."""
    return [*LAWS, "tabulated"]


def as_model(preset: DeviceModel, name: str) -> Pulsed:
    """The preset with the step law of another model, its parameters still to be fitted.

    Raises:
        ConfigError: The step of that model, or the preset itself, cannot be fitted.
    """
    names = ", ".join(fittable())
    if not isinstance(preset, Pulsed):
        raise ConfigError("the preset has no pulses to fit; --preset takes a model such as oxram")
    if name not in fittable():
        raise ConfigError(f"--model {name!r} cannot be fitted; known: {names}; nothing was fitted")
    cls = MODELS[name]
    if type(preset) is cls:  # a signed law is no positive one
        return preset
    shared = {f.name: getattr(preset, f.name) for f in dataclasses.fields(Pulsed)}
    law_fields = {f for f in cls.__dataclass_fields__ if f not in shared}
    shared["sources"] = {k: v for k, v in preset.sources.items() if k in shared}
    for law in LAWS.get(name, ()):
        start = {law.scale: 0.02, law.shape: 0.5 * law.low + 0.5 * min(law.high, 1.0)}
        start |= dict.fromkeys(law.linear, 0.02)
        shared |= {k: v for k, v in start.items() if k in law_fields}
    if name == "exp_step":
        shared |= HELD
        shared["sources"] |= dict.fromkeys(HELD, "literature: aihwkit preset ReRamES")
    if name == "tabulated":
        shared |= _as_tables(preset)
    return cls(**shared)  # type: ignore[return-value]


def _as_tables(preset: Pulsed) -> dict[str, Any]:
    """The step law of a model as the tables of `Tabulated`, which hold its spreads too."""
    bins = np.linspace(0.0, 1.0, MOST_BINS)
    g = preset.g_min_siemens + preset.window_siemens * bins
    z, up_down = ndtri(np.array(LEVELS)), list[Floats]()
    for polarity in (1, -1):
        s = step(preset, g, polarity)[:, None]
        beside = beside_variance(preset, s)
        spread = np.sqrt((preset.c2c_sigma * s) ** 2 + beside)
        up_down.append((s + spread * z) / preset.window_siemens)
    up, down = up_down
    return {
        "c2c_sigma": 0.0,
        "c2c_additive_siemens": 0.0,
        "c2c_quantum_siemens": 0.0,
        "bins": tuple(bins.tolist()),
        "levels": LEVELS,
        "set_steps": tuple(up.ravel().tolist()),
        "reset_steps": tuple((-down[:, ::-1]).ravel().tolist()),
    }


def step(model: DeviceModel, g: Floats, polarity: int, **changes: float) -> Floats:
    """Mean step in its direction, siemens, of the model with `changes`, at conductances `g`."""
    changed = copy.copy(model)
    for name, value in changes.items():
        if name:  # not `replace`: it checks all fields, a thousand times in a fit
            object.__setattr__(changed, name, value)
    tensor = torch.from_numpy(np.ascontiguousarray(g, np.float64))
    sign = torch.tensor(float(polarity), dtype=torch.float64)
    return np.asarray(changed.mean_siemens(tensor, sign).numpy(), np.float64)


def beside_variance(model: Pulsed, s: Floats) -> Floats:
    """Variance of steps beside the factor of their means `s`, siemens squared; `step_spread`."""
    return np.asarray(model.c2c_additive_siemens**2 + model.c2c_quantum_siemens * np.abs(s))


def read_variance(model: DeviceModel, g: Floats) -> Floats:
    """Variance of the white part of one read, siemens squared."""
    sigma = model.read_sigma_siemens(torch.from_numpy(np.ascontiguousarray(g, np.float64)))
    return np.zeros(len(g)) if sigma is None else np.asarray(sigma.numpy(), np.float64) ** 2


def relative_noise(model: Pulsed, g_siemens: float) -> tuple[float, float]:
    """Relative spread of one read, and of the slow noise, at some conductance, over all devices.

    The squares are means over the factors of devices, whose logarithms are normal.
    """
    g = torch.tensor([g_siemens], dtype=torch.float64)
    slow = physics.growing_fraction(
        g, model.slow_fraction, model.read_knee_ohms, model.slow_exponent, model.slow_cap
    )
    white = float(read_variance(model, g.numpy())[0]) ** 0.5 / g_siemens
    factors = [math.exp(sigma**2) for sigma in (model.read_d2d_sigma, model.slow_d2d_sigma)]
    return white * factors[0], float(slow) * factors[1]


def check_keep(model: DeviceModel, keep: Sequence[str]) -> None:
    """Refuse fields that the fitted model does not have.

    Raises:
        ConfigError: There is one.
    """
    fields = declared(type(model))
    if unknown := [name for name in keep if name not in fields]:
        begun = next((name for name in fields if name.startswith(unknown[0])), unknown[0])
        hint = did_you_mean(begun, fields) or "; xbar devices FILE lists them"
        raise ConfigError(f"--keep {unknown[0]} is no parameter of {name_of(model)}{hint}")
