"""An uncertain window widens the intervals of the step law by what it moves them."""

import dataclasses

import numpy as np
import pytest
from xbar_synthetic import truth

from device_models.fitting.estimators.laws import step
from device_models.fitting.estimators.parameters import ParameterSet
from device_models.fitting.estimators.window_error import HALF, widened

MODEL, RNG = truth(), np.random.default_rng(0)
NARROW = ParameterSet(
    values={"set_fraction": MODEL.set_fraction, "set_beta": MODEL.set_beta},
    intervals={
        "set_fraction": (MODEL.set_fraction, MODEL.set_fraction),
        "set_beta": (MODEL.set_beta, MODEL.set_beta),
    },
)


def window(error):
    g = MODEL.g_max_siemens
    ends = (g * (1.0 - error), g * (1.0 + error))
    return ParameterSet(values={"g_max_siemens": g}, intervals={"g_max_siemens": ends})


def test_scale_and_shape_move_with_the_window_so_that_steps_stay():
    """In fractions of a window 1 % wider the same steps have 1 % more bend, from 1 uS up."""
    found = widened(NARROW, MODEL, window(0.01), RNG)
    low, high = found.intervals["set_beta"]
    assert (high - low) / 2.0 == pytest.approx(0.01 * MODEL.set_beta, rel=0.05)
    low, high = found.intervals["set_fraction"]
    assert np.log(high / low) / 2.0 == pytest.approx(0.01, rel=0.05)
    wider = dataclasses.replace(
        MODEL, g_max_siemens=MODEL.g_max_siemens * 1.01, set_beta=MODEL.set_beta * 1.01,
        set_fraction=MODEL.set_fraction / 1.01,
    )  # fmt: skip
    g = np.linspace(MODEL.g_min_siemens, MODEL.g_max_siemens, 20)
    np.testing.assert_allclose(step(wider, g, 1), step(MODEL, g, 1), rtol=1e-3)


def test_independent_errors_add_as_squares():
    wide = MODEL.set_beta - 0.04, MODEL.set_beta + 0.04
    own = dataclasses.replace(NARROW, intervals=NARROW.intervals | {"set_beta": wide})
    low, high = widened(own, MODEL, window(0.02), RNG).intervals["set_beta"]
    assert (high - low) / 2.0 == pytest.approx(np.hypot(0.04, 0.02 * MODEL.set_beta), rel=0.05)
    assert pytest.approx(1.96, abs=1e-3) == HALF


def test_a_window_without_an_error_changes_nothing():
    for error in (0.0, None):
        found = widened(NARROW, MODEL, window(error) if error is not None else ParameterSet(), RNG)
        assert found.intervals == NARROW.intervals


def test_a_law_without_a_shape_moves_its_scale_alone():
    from device_models.fitting.estimators.laws import as_model

    soft = as_model(MODEL, "soft_bounds")
    one = ParameterSet(
        values={"set_fraction": soft.set_fraction},
        intervals={"set_fraction": (soft.set_fraction, soft.set_fraction)},
    )
    found = widened(one, soft, window(0.01), RNG)
    assert set(found.intervals) == {"set_fraction"}
    assert found.intervals["set_fraction"][1] > soft.set_fraction
