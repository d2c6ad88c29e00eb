"""Devices of aihwkit as device files of xbar; back leads `to_aihwkit`.

aihwkit counts in weights w between the bounds of a device; here the mean bounds are the ends of a
window in siemens, so a weight is K = (g_max - g_min) / (w_max - w_min) siemens. One pulse there is

    up:    dw_min (gain + r + min(up_down, 0)) f_up(w)        gain = 1 + dw_min_dtod xi
    down:  dw_min (gain - r - max(up_down, 0)) f_down(w)      r = up_down_dtod xi'

with gain = exp(dw_min_dtod xi) where dw_min_dtod_log_normal; times 1 + dw_min_std xi, or plus
dw_min_std of its size at f = 1 where mult_noise is false. f is 1 (ConstantStep), 1 + g w with
g = -|gamma| / bound (LinearStep, signed where allow_increasing; SoftBounds: gamma 1), or that of
ExpStep.

Both polarities of a device are here log-normal with unit median: the mean m and the variance v of
the numbers in brackets give the same first two moments with

    sigma^2 = ln(1 + v / m^2),   median = m exp(-sigma^2 / 2),

and their covariance gives `d2d_step_correlation`. One sigma stands for both polarities: where
up_down makes them differ it is their quadratic mean, and the means still hold exactly. Bounds are
normal there, on both sides of their mean; here half-normal inside the window and relative to g. The
window is widened so that the mean of the upper bound and its spread hold; the mean of the lower one
holds, its spread does not. Slopes follow the mean bounds. What has no law here is refused by name,
unless it is left out on demand.

aihwkit itself writes no file of a device. Its devices are dataclasses, so

    json.dump({"class": type(device).__name__, **dataclasses.asdict(device)}, file)

is one; {"device": {...}} around it is taken, too.

Source:
    M. J. Rasch et al., AICAS 2021; the devices of aihwkit 1.2 as its documentation defines them.
"""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from scipy.optimize import brentq
from scipy.special import ndtr

from .errors import ConfigError, DataError
from .exp_step import ExpStep
from .linear_step import LinearStep
from .pulsed import Pulsed
from .record import did_you_mean, shown
from .soft_bounds import SoftBounds

CLASSES = {  # class of aihwkit -> the law of its step
    "ConstantStepDevice": "constant",
    "IdealizedPresetDevice": "constant",
    "GokmenVlasovPresetDevice": "constant",
    "LinearStepDevice": "linear",
    "CapacitorPresetDevice": "linear",
    "EcRamPresetDevice": "linear",
    "EcRamMOPresetDevice": "linear",
    "SoftBoundsDevice": "soft",
    "SoftBoundsReferenceDevice": "soft",
    "ReRamSBPresetDevice": "soft",
    "ReRamArrayOMPresetDevice": "soft",
    "ReRamArrayHfO2PresetDevice": "soft",
    "ExpStepDevice": "exp",
    "ReRamESPresetDevice": "exp",
}
COMMON = (
    "dw_min", "dw_min_dtod", "dw_min_std", "up_down", "up_down_dtod", "w_max", "w_max_dtod",
    "w_min", "w_min_dtod",
)  # fmt: skip
OF_LAW = {
    "constant": (),
    "linear": ("gamma_up", "gamma_down", "mult_noise"),
    "soft": ("mult_noise",),
    "exp": ("A_up", "A_down", "gamma_up", "gamma_down", "a", "b"),
}
LAWLESS = {  # what would act, were it not at the value that switches it off
    "write_noise_std": 0, "diffusion": 0, "lifetime": 0, "corrupt_devices_prob": 0,
    "gamma_up_dtod": 0, "gamma_down_dtod": 0, "slope_up_dtod": 0, "slope_down_dtod": 0,
    "reference_mean": 0, "reference_std": 0, "subtract_symmetry_point": False,
    "dw_min_std_add": 0, "dw_min_std_slope": 0,
}  # fmt: skip
ACTLESS = frozenset((  # other fields of aihwkit's devices: nothing here depends on them
    "class", "construction_seed", "corrupt_devices_range", "count_pulses", "diffusion_dtod",
    "dw_min_dtod_log_normal", "enforce_consistency", "lifetime_dtod", "perfect_bias", "reset",
    "reset_dtod", "reset_std", "allow_increasing", "mean_bound_reference", "reverse_up",
    "reverse_down", "apply_write_noise_on_set", "enable_loading_method",
))  # fmt: skip
NOTHING = "nothing was written"
LARGEST = 1e30  # of a number
FIELDS_OF_PRESET = frozenset(  # the others switch physics on, of which aihwkit says nothing
    f.name for f in dataclasses.fields(Pulsed) if f.default is dataclasses.MISSING
) - {"status", "sources"}


class Gains(NamedTuple):
    """Two log-normal gains: their medians, the spread and the correlation of their logarithms."""

    up: float
    down: float
    sigma: float
    correlation: float


def read_config(path: Path) -> dict[str, Any]:
    """The device of a JSON file.

    Raises:
        DataError: It cannot be read, or is no JSON object.
    """
    try:
        config = json.loads(path.read_text("utf-8-sig"))
    except OSError as e:
        raise DataError(f"{path}: {e.strerror or e}; {NOTHING}") from e
    except (ValueError, RecursionError) as e:
        raise DataError(f"{path}: no JSON: {e}; {NOTHING}") from e
    if isinstance(config, dict) and isinstance(config.get("device"), dict):
        config = config["device"]
    if not isinstance(config, dict):
        raise DataError(
            f"{path}: a device is a JSON object, not {type(config).__name__}; {NOTHING}"
        )
    return config


def from_aihwkit(
    config: dict[str, Any],
    preset: Pulsed,
    *,
    g_min_siemens: float,
    g_max_siemens: float,
    without: tuple[str, ...] = (),
) -> Pulsed:
    """The device of a configuration of aihwkit, see the module.

    Args:
        config: "class" and the fields of a device; all that its law uses must be there.
        preset: Source of what aihwkit does not know: voltages, read noise.
        g_min_siemens: Conductance of the mean w_min.
        g_max_siemens: Conductance of the mean w_max.
        without: Keys that have no law here and are left out.

    Raises:
        ConfigError: The class is of a kind that has no law here, a key is missing or no number,
            or a key acts that has no law.
    """
    kind, numbers = _checked(config, without)
    try:
        return _device(kind, numbers, config, preset, (g_min_siemens, g_max_siemens), without)
    except (ConfigError, ArithmeticError, ValueError) as e:
        text = "; ".join(str(e).removesuffix(f"; {NOTHING}").splitlines())
        raise ConfigError(f"{config['class']} makes no device here: {text}; {NOTHING}") from e


def _device(
    kind: str,
    numbers: dict[str, float],
    config: dict[str, Any],
    preset: Pulsed,
    window: tuple[float, float],
    without: tuple[str, ...],
) -> Pulsed:
    """The device of checked numbers; arguments as `from_aihwkit`."""
    g_min_siemens, g_max_siemens = window
    span = numbers["w_max"] - numbers["w_min"]
    if not (span > 0.0 and 0.0 < g_min_siemens < g_max_siemens):
        raise ConfigError(
            f"w_min = {numbers['w_min']:g}, w_max = {numbers['w_max']:g} and the window "
            f"{g_min_siemens:g} to {g_max_siemens:g} S must both rise, above 0 S; {NOTHING}"
        )
    siemens = (g_max_siemens - g_min_siemens) / span
    bound_sigma = _bound_sigma(numbers, siemens, g_max_siemens)
    low = g_min_siemens / mean_exp(-bound_sigma)
    high = g_max_siemens / mean_exp(bound_sigma)
    gains = _gains(numbers)
    # Weights of the ends of the widened window: laws count from these.
    ends = tuple(numbers["w_min"] + (g - g_min_siemens) / siemens for g in (low, high))
    cls, law = _law(kind, numbers, gains, (ends[0], ends[1]))
    law |= {
        "g_min_siemens": low, "g_max_siemens": high, "d2d_step_sigma": gains.sigma,
        "d2d_step_correlation": gains.correlation, "d2d_bound_sigma": bound_sigma,
    }  # fmt: skip
    law |= _spread(kind, numbers, siemens)
    shared = {n: getattr(preset, n) for n in FIELDS_OF_PRESET - law.keys()}
    shared |= {"status": "literature", "sources": _sources(config, law, preset, without)}
    return cls(**shared | law)


def _checked(config: dict[str, Any], without: tuple[str, ...]) -> tuple[str, dict[str, float]]:
    """The law of a configuration and its numbers; see `from_aihwkit`."""
    name = config.get("class")
    if not isinstance(name, str) or name not in CLASSES:
        asked = "gives no 'class'" if name is None else f"is of the kind {shown(name)}"
        hint = did_you_mean(str(name), CLASSES) or f"; known: {', '.join(CLASSES)}"
        raise ConfigError(f"the configuration {asked}, for which xbar has no law{hint}; {NOTHING}")
    kind = CLASSES[name]
    acting = [
        f"{key} = {shown(config[key])}"
        for key, off in LAWLESS.items()
        if config.get(key, off) != off and key not in without
    ]
    bounded = config.get("w_max_dtod") or config.get("w_min_dtod")
    if kind == "linear" and bounded and not config.get("mean_bound_reference", True):
        acting.append("mean_bound_reference = False")
    fields = {*COMMON, *LAWLESS, *ACTLESS}.union(*OF_LAW.values())
    for key in sorted(config.keys() - fields):
        if hint := did_you_mean(key, fields):
            raise ConfigError(f"{name} has no field {shown(key)}{hint}; {NOTHING}")
    if acting:
        raise ConfigError(
            f"xbar has no law for {', '.join(acting)} of {name}; leave it out by name "
            f"(--without {acting[0].partition(' ')[0]}) or set it off; {NOTHING}"
        )
    numbers = dict[str, float]()
    for key in COMMON + OF_LAW[kind]:
        if key not in config:
            raise ConfigError(f"{name} lacks {key}; {NOTHING}")
        value = config[key]
        if isinstance(value, bool) != (key == "mult_noise") or not isinstance(value, int | float):
            what = "true or false" if key == "mult_noise" else "a number"
            raise ConfigError(f"{key} of {name} must be {what}, not {shown(value)}; {NOTHING}")
        if not abs(value) <= LARGEST:  # false for nan
            raise ConfigError(f"{key} of {name} must be finite, not {shown(value)}; {NOTHING}")
        numbers[key] = float(value)
    if numbers["dw_min"] <= 0.0:
        raise ConfigError(f"dw_min of {name} must be above 0, not {numbers['dw_min']:g}; {NOTHING}")
    numbers["log_normal"] = float(bool(config.get("dw_min_dtod_log_normal", False)))
    if kind == "linear" and not config.get("allow_increasing", False):
        numbers |= {key: abs(numbers[key]) for key in ("gamma_up", "gamma_down")}
    return kind, numbers


def moments(numbers: dict[str, float]) -> tuple[float, float, float, float]:
    """Means of the gains up and down, their variance and their covariance."""
    spread, r, bias = numbers["dw_min_dtod"], numbers["up_down_dtod"], numbers["up_down"]
    mean, variance = 1.0, spread**2
    if numbers["log_normal"]:
        mean = math.exp(spread**2 / 2.0)
        variance = mean**2 * math.expm1(spread**2)
    up, down = mean + min(bias, 0.0), mean - max(bias, 0.0)
    if min(up, down) <= 0.0:
        raise ConfigError(f"up_down = {bias:g} leaves no step in one direction; {NOTHING}")
    return up, down, variance + r**2, variance - r**2


def _gains(numbers: dict[str, float]) -> Gains:
    """The log-normal gains of the same moments; see the module."""
    up, down, variance, covariance = moments(numbers)
    squares = [math.log1p(variance / mean**2) for mean in (up, down)]
    square = sum(squares) / 2.0
    common = math.log1p(max(covariance / (up * down), -0.99))
    correlation = min(max(common / square, -1.0), 1.0) if square > 0.0 else 0.0
    medians = (up * math.exp(-square / 2.0), down * math.exp(-square / 2.0))
    return Gains(*medians, math.sqrt(square), correlation)


def _spread(kind: str, numbers: dict[str, float], siemens: float) -> dict[str, float]:
    """`c2c_sigma` and `c2c_additive_siemens`."""
    if kind in ("constant", "exp") or numbers["mult_noise"]:
        return {"c2c_sigma": numbers["dw_min_std"], "c2c_additive_siemens": 0.0}
    up, down, variance, _ = moments(numbers)
    size = math.sqrt((up**2 + down**2) / 2.0 + variance)
    beside = numbers["dw_min"] * numbers["dw_min_std"] * size * siemens
    return {"c2c_sigma": 0.0, "c2c_additive_siemens": beside}


def _law(
    kind: str, numbers: dict[str, float], gains: Gains, ends: tuple[float, float]
) -> tuple[type[Pulsed], dict[str, Any]]:
    """The class and the fields of its law, over the window whose ends are these weights."""
    low, high = ends
    width = high - low
    up, down = (numbers["dw_min"] * gain / width for gain in (gains.up, gains.down))
    if kind == "exp":
        span = numbers["w_max"] - numbers["w_min"]
        slope = numbers["a"] * width / span
        middle = (low + high) / 2.0
        return ExpStep, {
            "set_fraction": up, "set_a": numbers["A_up"], "set_gamma": numbers["gamma_up"],
            "reset_fraction": down, "reset_a": numbers["A_down"],
            "reset_gamma": numbers["gamma_down"],
            "z_slope": slope,
            "z_offset": numbers["b"] + 2.0 * numbers["a"] * middle / span,
        }  # fmt: skip
    gammas = {"constant": (0.0, 0.0), "soft": (1.0, 1.0)}.get(kind)
    rising, falling = gammas or (numbers["gamma_up"], numbers["gamma_down"])
    # 1 + g w with g = -gamma / bound: its value at the floor of the window, and its slope over x.
    fields = dict[str, Any]()
    for way, size, gamma, bound in (
        ("set", up, rising, numbers["w_max"]), ("reset", down, falling, numbers["w_min"])
    ):  # fmt: skip
        if gamma and not bound:
            raise ConfigError("a slope counts from its bound, and one bound is 0")
        per_weight = -gamma / bound if gamma else 0.0
        floor = 1.0 + per_weight * low
        fields |= {f"{way}_floor": size * floor, f"{way}_slope": size * per_weight * width}
    return _linear(fields)


def _linear(fields: dict[str, float]) -> tuple[type[Pulsed], dict[str, Any]]:
    """Soft bounds where both steps end at the window, else a linear step; floor and slope given."""
    up, rise = fields["set_floor"], fields["set_slope"]
    down, fall = fields["reset_floor"], fields["reset_slope"]
    if abs(up + rise) < 1e-9 * up and abs(down) < 1e-9 * fall:
        return SoftBounds, {"set_fraction": up, "reset_fraction": fall}
    # A RESET that vanishes at the floor has no slope relative to it: a step of 2 per mille there.
    down = max(down, fall * 2e-3)
    return LinearStep, {
        "set_fraction": up, "set_slope": rise / up, "reset_fraction": down,
        "reset_slope": fall / down,
    }  # fmt: skip


def mean_exp(sigma: float) -> float:
    """Mean of exp(-sigma |z|), z standard normal."""
    return 2.0 * math.exp(sigma**2 / 2.0) * float(ndtr(-sigma))


def relative_spread(sigma: float) -> float:
    """Standard deviation of exp(-sigma |z|) over its mean."""
    return math.sqrt(max(mean_exp(2.0 * sigma) / mean_exp(sigma) ** 2 - 1.0, 0.0))


def _bound_sigma(numbers: dict[str, float], siemens: float, g_max_siemens: float) -> float:
    """Half-normal spread with the relative spread of the upper bound."""
    spread = numbers["w_max_dtod"] * abs(numbers["w_max"]) * siemens / g_max_siemens
    if spread == 0.0:
        return 0.0
    if spread > relative_spread(1.0):
        raise ConfigError(
            f"w_max_dtod = {numbers['w_max_dtod']:g} spreads the upper bound by {spread:.0%} of "
            f"its conductance; at most {relative_spread(1.0):.0%} has a law here; {NOTHING}"
        )
    return float(brentq(lambda sigma: relative_spread(sigma) - spread, 0.0, 1.0, xtol=1e-12))


def _sources(
    config: dict[str, Any], law: dict[str, Any], preset: Pulsed, without: tuple[str, ...]
) -> dict[str, str]:
    """Where each number is from."""
    left = f", without its {', '.join(without)}" if without else ""
    origin = f"literature: aihwkit {config['class']}{left}"
    sources = {name: origin for name in law if name not in ("g_min_siemens", "g_max_siemens")}
    window = "assumed: weights have no unit; the window of the mean bounds was given, widened by"
    sources |= dict.fromkeys(("g_min_siemens", "g_max_siemens"), f"{window} d2d_bound_sigma")
    for name in FIELDS_OF_PRESET - law.keys():
        if name in preset.sources:
            words = preset.sources[name].partition(":")[2].strip()
            sources[name] = f"assumed: aihwkit does not say; as the preset ({words})"
    return sources
