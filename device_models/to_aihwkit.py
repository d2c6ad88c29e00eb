"""Device files of xbar as devices of aihwkit; what the numbers mean is in `aihwkit`."""

import math
from typing import Any

from .aihwkit import NOTHING, mean_exp, moments, relative_spread
from .errors import ConfigError
from .exp_step import ExpStep
from .linear_step import LinearStep
from .pulsed import Pulsed
from .soft_bounds import SoftBounds


def to_aihwkit(model: Pulsed) -> dict[str, Any]:
    """A device as "class" and fields of aihwkit, its mean bounds at w = -1 and 1.

    Raises:
        ConfigError: The step law is none of aihwkit's.
    """
    sigma = model.d2d_bound_sigma
    low, high = model.g_min_siemens * mean_exp(-sigma), model.g_max_siemens * mean_exp(sigma)
    to_weight = 2.0 / (high - low)
    middle = ((low + high) / 2.0 - model.g_min_siemens) / model.window_siemens  # x at w = 0
    window = model.window_siemens * to_weight
    if not isinstance(model, SoftBounds | LinearStep | ExpStep):
        raise ConfigError(f"aihwkit has no step of the kind {type(model).__name__}; {NOTHING}")
    if model.c2c_quantum_siemens > 0.0:
        raise ConfigError(f"aihwkit has no c2c_quantum_siemens; {NOTHING}")
    up, down = model.step_law(1), model.step_law(-1)
    if isinstance(model, ExpStep):
        fields = {"class": "ExpStepDevice", "a": 2.0 * model.z_slope / window}
        fields |= {"b": model.z_slope * (2.0 * middle - 1.0) + model.z_offset}
        fields |= {"A_up": model.set_a, "A_down": model.reset_a}
        fields |= {"gamma_up": model.set_gamma, "gamma_down": model.reset_gamma}
        sizes = model.set_fraction * window, model.reset_fraction * window
    else:
        levels = [law.terms.level + law.terms.slope * middle for law in (up, down)]
        slopes = [law.terms.slope / window / level for law, level in zip((up, down), levels,
                                                                      strict=True)]  # fmt: skip
        fields = {"class": "LinearStepDevice", "gamma_up": -slopes[0], "gamma_down": slopes[1]}
        fields |= {"gamma_up_dtod": 0.0, "gamma_down_dtod": 0.0, "mean_bound_reference": True}
        fields |= {"allow_increasing": min(-slopes[0], slopes[1]) < 0.0, "mult_noise": True}
        sizes = levels[0] * window, levels[1] * window
    fields |= _spreads_back(model, sizes, to_weight)
    if model.c2c_additive_siemens > 0.0:
        _add_back(model, fields, to_weight)
    return fields


def _spreads_back(
    model: Pulsed, sizes: tuple[float, float], to_weight: float
) -> dict[str, float | bool]:
    """The fields that all devices of aihwkit share; `sizes` are median steps at f = 1, weights."""
    square = model.d2d_step_sigma**2
    up, down = (size * math.exp(square / 2.0) for size in sizes)
    dw_min = max(up, down)
    variance = math.expm1(square) * (up**2 + down**2) / 2.0 / dw_min**2
    covariance = math.expm1(square * model.d2d_step_correlation) * up * down / dw_min**2
    sigma = model.d2d_bound_sigma
    spread_siemens = relative_spread(sigma) * model.g_max_siemens * mean_exp(sigma)
    return {
        "dw_min": dw_min,
        "up_down": 1.0 - down / up if up >= down else up / down - 1.0,
        "dw_min_dtod": math.sqrt(max(variance + covariance, 0.0) / 2.0),
        "up_down_dtod": math.sqrt(max(variance - covariance, 0.0) / 2.0),
        "dw_min_std": model.c2c_sigma,
        "dw_min_dtod_log_normal": False,
        "w_max": 1.0,
        "w_min": -1.0,
        "w_max_dtod": spread_siemens * to_weight,
        "w_min_dtod": 0.0,
    }


def _add_back(model: Pulsed, fields: dict[str, Any], to_weight: float) -> None:
    """Additive spread instead of a multiplicative one; both at once have no counterpart."""
    if model.c2c_sigma > 0.0 or fields["class"] == "ExpStepDevice":
        raise ConfigError(
            f"aihwkit has no device with c2c_additive_siemens = {model.c2c_additive_siemens:g} "
            f"beside c2c_sigma, nor in {fields['class']}; {NOTHING}"
        )
    up, down, variance, _ = moments(fields | {"log_normal": 0.0})
    size = math.sqrt((up**2 + down**2) / 2.0 + variance)
    fields["mult_noise"] = False
    fields["dw_min_std"] = model.c2c_additive_siemens * to_weight / fields["dw_min"] / size
