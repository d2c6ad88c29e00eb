"""The one step law against the equations in the docstrings of the models, a device at a time."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close
from xbar_devices import registered

from device_models import physics
from device_models.registry import MODELS
from device_models.step_law import StepLaw, step_siemens

EQUATIONS = {  # share of the window moved at x, for SET and RESET
    "oxram": lambda p, x: (
        p.set_fraction * math.exp(-p.set_beta * x),
        p.reset_fraction * math.exp(-p.reset_beta * (1.0 - x)),
    ),
    "soft_bounds": lambda p, x: (p.set_fraction * (1.0 - x), p.reset_fraction * x),
    "linear_step": lambda p, x: (
        p.set_fraction * (1.0 + p.set_slope * x), p.reset_fraction * (1.0 + p.reset_slope * x),
    ),
    "exp_step": lambda p, x: (
        p.set_fraction * (1.0 - p.set_a * math.exp(p.set_gamma * z_of(p, x))),
        p.reset_fraction * (1.0 - p.reset_a * math.exp(-p.reset_gamma * z_of(p, x))),
    ),
    "log_step": lambda p, x: (
        bernstein(p, x, *(getattr(p, f"set_fraction_{k}") for k in range(4))),
        bernstein(p, x, *(getattr(p, f"reset_fraction_{k}") for k in range(4))),
    ),
    "signed_step": lambda p, x: tuple(
        max(bernstein(p, x, *fractions), 0.05 * max(fractions)) for fractions in (
            [getattr(p, f"{way}_fraction_{k}") for k in range(4)] for way in ("set", "reset")
        )
    ),
    "ideal": lambda p, x: (1.0 / p.states, 1.0 / p.states),
    "gaussian_update": lambda p, x: (1.0 / p.states, 1.0 / p.states),
}  # fmt: skip


def z_of(p, x):
    """The exponent of `ExpStep` before gamma."""
    return p.z_slope * (2.0 * x - 1.0) + p.z_offset


def bernstein(p, x, a, b, c, d):
    """A cubic in the place of ln g between the logarithms of the ends of the window."""
    g = p.g_min_siemens + p.window_siemens * x
    y = math.log(max(g, p.g_min_siemens) / p.g_min_siemens)
    y = min(y / math.log(p.g_max_siemens / p.g_min_siemens), 1.0)
    z = 1.0 - y
    return a * z**3 + 3.0 * b * y * z**2 + 3.0 * c * y**2 * z + d * y**3


def clipped(share, window):
    return max(share * window, physics.LEAST_STEP_SIEMENS)


def test_every_model_without_a_table_has_an_equation_here():
    assert set(MODELS) - {"tabulated"} == set(EQUATIONS)


@pytest.mark.parametrize("name", EQUATIONS)
@given(x=st.lists(st.floats(-0.1, 1.1), min_size=1, max_size=8))
@settings(derandomize=True, deadline=None, max_examples=30)
def test_a_model_moves_as_its_docstring_says(name, x):
    model = registered(name)
    window = model.window_siemens
    g = model.g_min_siemens + window * torch.tensor(x, dtype=torch.float64)
    moves = [[clipped(share, window) for share in EQUATIONS[name](model, v)] for v in x]
    up, down = torch.tensor(moves, dtype=torch.float64).T
    assert_close(model.step_siemens(g, torch.tensor(1)), up, rtol=1e-12, atol=1e-16)
    assert_close(model.step_siemens(g, torch.tensor(-1)), down, rtol=1e-12, atol=1e-16)


numbers = st.floats(-2.0, 2.0)
laws = st.builds(
    StepLaw,
    fraction=st.floats(1e-3, 1.0),
    level=numbers | st.just(0.0),
    slope=numbers | st.just(0.0),
    bend=numbers | st.just(0.0),
    offset=numbers,
    rate=numbers,
)


@given(up=laws, down=laws)
@settings(derandomize=True, deadline=None, max_examples=100)
def test_signs_choose_the_law_and_terms_are_the_same_law(up, down):
    x = torch.linspace(0.0, 1.0, 7, dtype=torch.float64)[:, None]
    counts = torch.tensor([3, -1, 0], dtype=torch.int32)
    steps = step_siemens(1e-6 + 1e-3 * x, counts, up, down, 1e-6, 1e-3)
    for column, law in enumerate((up, down, down)):
        level, slope, scale, rate = law.terms
        shares = [level + slope * v + scale * math.exp(rate * v) for v in x.flatten().tolist()]
        expected = torch.tensor([clipped(share, 1e-3) for share in shares], dtype=torch.float64)
        assert_close(steps[:, column], expected, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize("name", EQUATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mixed_signs_give_the_very_steps_of_each_sign(name, dtype):
    model = registered(name)
    g = model.g_min_siemens + model.window_siemens * torch.linspace(0.0, 1.0, 100, dtype=dtype)
    counts = torch.arange(-50, 50, dtype=torch.int32)
    up, down = (model.step_siemens(g, torch.tensor(sign)) for sign in (1, -1))
    before = g.clone()
    assert torch.equal(model.step_siemens(g, counts), torch.where(counts > 0, up, down))
    assert torch.equal(g, before)
    assert up.dtype == dtype
