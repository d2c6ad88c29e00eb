"""Devices of aihwkit as ours: the moments of their steps, and what is refused."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from xbar_devices import gen

from device_models import step_spread
from device_models.aihwkit import from_aihwkit
from device_models.errors import ConfigError
from device_models.presets import load_device
from device_models.to_aihwkit import to_aihwkit

WINDOW = {"g_min_siemens": 1e-6, "g_max_siemens": 1e-4}
OFF = {"write_noise_std": 0.0}
GONG_ES = {  # numbers of the presets of aihwkit 1.2
    "class": "ReRamESPresetDevice", "dw_min": 0.00135, "up_down": 0.259359, "w_max": 1.0,
    "w_min": -1.0, "a": -0.5, "b": -0.5, "gamma_up": 5.0, "gamma_down": 5.0, "A_up": -1.18445,
    "A_down": -0.081404, "dw_min_dtod": 0.2, "up_down_dtod": 0.05, "w_max_dtod": 0.3,
    "w_min_dtod": 0.3, "dw_min_std": 5.0,
}  # fmt: skip
GONG_SB = {
    "class": "ReRamSBPresetDevice", "dw_min": 0.002, "up_down": 0.0, "w_max": 1.25, "w_min": -0.75,
    "mult_noise": False, "dw_min_dtod": 0.3, "up_down_dtod": 0.01, "w_max_dtod": 0.24,
    "w_min_dtod": 0.4, "dw_min_std": 3.75,
}  # fmt: skip
HFO2 = {
    "class": "ReRamArrayHfO2PresetDevice", "dw_min": 0.4622, "dw_min_dtod_log_normal": True,
    "up_down": 0.0, "w_max": 1.0, "w_min": -1.0, "mult_noise": False, "dw_min_dtod": 0.7125,
    "up_down_dtod": 0.01, "w_max_dtod": 0.4295, "w_min_dtod": 0.599, "dw_min_std": 0.2174,
}  # fmt: skip
CONFIGS = {"ES": GONG_ES, "SB": GONG_SB, "HfO2": HFO2}
configs = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
DEVICES = 400_000


def ours(config, **more):
    return from_aihwkit(config, load_device("oxram"), **WINDOW, **more)


def weights(model, config):
    """Siemens of a weight."""
    span = WINDOW["g_max_siemens"] - WINDOW["g_min_siemens"]
    return span / (config["w_max"] - config["w_min"])


def drawn(model, config, sign, weight):
    """One unclipped pulse of many devices at a weight, in weights."""
    unit = weights(model, config)
    g = torch.full((1, DEVICES), WINDOW["g_min_siemens"] + (weight - config["w_min"]) * unit)
    gains = step_spread.gains(model, torch.randn((2, 1, DEVICES), generator=gen(1)))
    gain = gains["set_gain"] if sign > 0 else gains["reset_gain"]
    signs = torch.full((1, DEVICES), sign)
    step = model.draw_step_siemens(g, signs, {}, generator=gen(2)).mul_(gain)
    after = step_spread.add(model, step, g, signs, gain, generator=gen(3))
    return after.double().numpy() / unit, gain


def shape_of(config, sign, w):
    """f of the law at a weight, by the definition of aihwkit."""
    if "A_up" in config:
        z = 2.0 * config["a"] * w / (config["w_max"] - config["w_min"]) + config["b"]
        way = "up" if sign > 0 else "down"
        return 1.0 - config[f"A_{way}"] * math.exp(sign * config[f"gamma_{way}"] * z)
    return 1.0 - w / config["w_max" if sign > 0 else "w_min"]


def defined(config, sign, w):
    """Mean and variance of one pulse by the definition of aihwkit, drawn: weights."""
    rng = np.random.default_rng(5)
    xi, of_bias, c2c = rng.standard_normal((3, DEVICES))
    spread = config["dw_min_dtod"]
    gain = np.exp(spread * xi) if config.get("dw_min_dtod_log_normal") else 1.0 + spread * xi
    bias = min(config["up_down"], 0.0) if sign > 0 else -max(config["up_down"], 0.0)
    size = config["dw_min"] * (gain + sign * config["up_down_dtod"] * of_bias + bias)
    f = shape_of(config, sign, w)
    noise = config["dw_min_std"] * c2c
    return size * (f + noise) if config.get("mult_noise") is False else size * f * (1.0 + noise)


@configs
@pytest.mark.parametrize("sign", [1, -1])
def test_steps_have_the_moments_of_aihwkit(config, sign):
    """Both sides are drawn; 400,000 of each leave an error of the mean of its spread over 632."""
    model = ours(config)
    for w in (0.0, 0.4):
        step, _ = drawn(model, config, sign, w)
        expected = defined(config, sign, w)
        error = 6.0 * expected.std() / math.sqrt(DEVICES)
        assert_allclose(step.mean(), expected.mean(), atol=error, rtol=5e-3)
        assert_allclose(step.std(), expected.std(), rtol=0.03)


def test_the_steps_of_the_gong_preset_are_those_that_aihwkit_gives():
    """Noise-free steps up and down that aihwkit 1.2 was run for."""
    config = GONG_ES | {"w_max_dtod": 0.0, "w_min_dtod": 0.0, "dw_min_dtod": 0.0, "up_down_dtod": 0}
    model = ours(config)
    run = {-0.9: (0.0025953, 0.0011044), 0.0: (0.0014813, 0.0019914), 0.9: (0.0013638, 0.0104076)}
    for w, steps in run.items():
        g = torch.tensor(WINDOW["g_min_siemens"] + (w + 1.0) * weights(model, config)).double()
        mine = [float(model.step_siemens(g, torch.tensor(s))) for s in (1, -1)]
        assert_allclose(np.array(mine) / weights(model, config), steps, rtol=1e-4)


@configs
def test_the_upper_bound_has_its_mean_and_spread(config):
    model = ours(config)
    state = model.manufacture((1, 200_000), generator=gen(0))
    bound = state.traits["g_high"].double().numpy()
    spread = config["w_max_dtod"] * config["w_max"] * weights(model, config)
    assert_allclose(bound.mean(), WINDOW["g_max_siemens"], rtol=3e-3)
    assert_allclose(bound.std(), spread, rtol=0.01)


@configs
def test_there_and_back_is_the_same_device(config):
    config = config | {"up_down": 0.0, "w_min_dtod": 0.0, "w_max": 1.0, "w_min": -1.0}
    model = ours(config)
    back = to_aihwkit(model)
    again = from_aihwkit(back, load_device("oxram"), **WINDOW)
    g = torch.linspace(2e-6, 8e-5, 9, dtype=torch.float64)
    for sign in (1, -1):
        steps = [m.step_siemens(g, torch.tensor(sign)).numpy() for m in (model, again)]
        assert_allclose(*steps, rtol=0.01)
    for name in ("d2d_step_sigma", "d2d_step_correlation", "d2d_bound_sigma", "c2c_sigma",
                 "c2c_additive_siemens"):  # fmt: skip
        assert_allclose(getattr(again, name), getattr(model, name), rtol=1e-3, err_msg=name)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"class": "PowStepDevice"}, "is of the kind 'PowStepDevice', for which xbar has no law"),
        ({"class": None}, "gives no 'class'"),
        ({"write_noise_std": 75.0}, r"no law for write_noise_std = 75 .*--without write_noise"),
        ({"dw_min": "big"}, "dw_min of ReRamESPresetDevice must be a number, not 'big'"),
        ({"dw_min": math.nan}, "must be finite"),
        ({"dw_min": 10**400}, "must be finite"),
        ({"dw_min": 0}, "dw_min of ReRamESPresetDevice must be above 0, not 0"),
        ({"dw_min_std": -0.3}, "makes no device here: .*c2c_sigma = -0.3 is outside"),
        ({"class": ["a"]}, "is of the kind"),
        ({"class": "SoftBoundsDevice", "mult_noise": True, "w_min": 0.0}, "one bound is 0"),
        ({"w_max": -2.0}, "must both rise"),
        ({"up_down": 1.5}, "leaves no step in one direction"),
        ({"w_max_dtod": 3.0}, "at most 48%"),
        ({"dw_min_sdt": 0.3}, "no field .dw_min_sdt.; did you mean .dw_min_std.?"),
    ],
)
def test_what_has_no_law_is_named(changes, words):
    with pytest.raises(ConfigError, match=words) as refused:
        ours(GONG_ES | changes)
    assert str(refused.value).endswith("nothing was written")


def test_a_key_without_a_law_may_be_left_out_by_name():
    model = ours(GONG_ES | {"write_noise_std": 75.0}, without=("write_noise_std",))
    assert "without its write_noise_std" in model.sources["c2c_sigma"]
