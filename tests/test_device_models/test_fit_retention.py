"""Relaxation of known devices comes back; half of the measured cells predicts the other half."""

import dataclasses

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic
from xbar_measured import bake, relaxation

from device_models.fitting.estimators import relaxation_likelihood, retention
from device_models.fitting.estimators.changes import COLUMNS, Changes, changes_of
from device_models.fitting.estimators.relaxation_likelihood import Likelihood
from device_models.fitting.fit import fit
from device_models.fitting.measurements import Measurements, Retention
from device_models.fitting.parameter_draws import drawn_models
from device_models.fitting.predictive_checks import checks, excerpt, predictions
from device_models.fitting.simulate import simulate
from device_models.presets import load_device

LEVELS = np.linspace(5e-6, 9e-5, 8)
SECONDS = (1e-3, 1e-1, 1.0, 1e2, 1e4)
WINDOW = {"g_min_siemens": 1e-6, "g_max_siemens": 1e-4}
QUIET = {"read_floor": 0.005, "read_fraction": 0.0}
LAW = {  # up below 40 uS, down above
    "relax_levels_siemens": (2e-5, 9e-5), "relax_drifts_siemens": (2e-7, -5e-7),
    "relax_ups_siemens": (3e-7, 4e-7), "relax_downs_siemens": (2e-7, 6e-7),
    "relax_tail_dof": 3.0, "relax_onset_seconds": 1e-3,
}  # fmt: skip


def rng(seed=0):
    return np.random.default_rng(seed)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def estimated(table, resamples=200, **changes):
    preset = dataclasses.replace(load_device("oxram_literature"), **WINDOW | changes)
    return retention.estimate(table, preset, generator=rng(), resamples=resamples)


def rate(parameters, name, g):
    """Draws of a rate at some conductance, S per decade."""
    knots = np.append(0.0, parameters.tables["relax_levels_siemens"])
    draws = parameters.draws[name]
    return np.array([np.interp(g, knots, np.append(0.0, row)) for row in draws])


def test_slopes_of_the_likelihood_are_its_derivatives():
    """Where readings had moved before the first one, stop at the floor, and differ in run."""
    n, u = 60, rng(3).uniform
    columns = {name: u(0.2, 2.0, n) for name in COLUMNS} | {
        "change": rng(4).normal(0.0, 0.1, n), "run": np.arange(n) % 2, "session": np.arange(n) % 2,
        "seconds": 10.0 ** u(0.0, 4.0, n), "read2": np.full(n, 1e-4), "slow2": np.full(n, 1e-5),
        "began_seconds": np.where(np.arange(n) < 20, 0.01, 0.0), "at_floor": np.arange(n) % 7 == 0,
    }  # fmt: skip
    law = Likelihood(
        Changes(device=np.arange(n), read_measured=False, motion=0.1, unit_siemens=1.0, **columns),
        np.array([0.5, 1.5]), 10.0,
    )  # fmt: skip
    p = {
        "drift": [0.1, -0.2], "spread": [-1.0, -2.0], "skew": [0.2, -0.1], "dof": [1.2],
        "onset": [-3.0], "decades": [1.5], "error": [-4.0], "power": [0.5], "activation": [0.4],
        "exponent": [0.2], "size": [0.1, -0.2], "shift": [0.2, -0.1],
        "session_size": [0.1, 0.2], "session_shift": [0.3, -0.2],
    }  # fmt: skip
    p = {name: np.array(values) for name, values in p.items()}
    for name, slopes in law(p)[1].items():
        for i in range(len(p[name])):
            step = 1e-5 * np.eye(len(p[name]))[i]
            up, down = (law(p | {name: p[name] + sign * step})[0] for sign in (1.0, -1.0))
            np.testing.assert_allclose(slopes[:, i], (up - down) / 2e-5, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("onset", "decades"), [(1e-3, 0.3), (1e-2, 1.0), (0.3, 2.0), (0.01, 3.0)])
def test_the_sum_over_onsets_and_scales_is_their_mean(monkeypatch, onset, decades):
    """Slopes by what the nodes stand for, against 16 times as many, in standard errors of a fit."""
    truth = synthetic.truth(
        **QUIET, **LAW | {"relax_onset_seconds": onset}, relax_onset_decades=decades
    )
    table = synthetic.retention(truth, gen(1), levels=LEVELS, each=30, seconds=SECONDS)
    preset = dataclasses.replace(load_device("oxram_literature"), **WINDOW)
    changes = changes_of(table, np.zeros(len(table), np.int64), preset, read_measured=False)
    unit = changes.unit_siemens
    rates = {n: np.array(LAW[f"relax_{n}s_siemens"]) / unit / changes.motion
             for n in ("drift", "up", "down")}  # fmt: skip
    zero = np.zeros(1)
    p = {
        "drift": rates["drift"], "spread": np.log(rates["up"] * rates["down"]) / 2.0,
        "skew": np.log(rates["up"] / rates["down"]) / 2.0, "dof": np.log([3.0]),
        "onset": np.log([onset]), "decades": np.array([decades]), "error": np.log([0.005]),
        "power": zero + 1.0, "activation": zero, "exponent": zero, "size": zero, "shift": zero,
        "session_size": np.zeros(4), "session_shift": np.zeros(4),
    }  # fmt: skip
    levels = np.array(LAW["relax_levels_siemens"]) / unit
    slopes = Likelihood(changes, levels, 10.0)(p)[1]
    monkeypatch.setattr(relaxation_likelihood, "SCALES", np.arange(-4.4, 3.6, 0.3))
    monkeypatch.setattr(relaxation_likelihood, "ONSETS", np.arange(-4.5, 4.5, 0.2))
    monkeypatch.setattr(relaxation_likelihood, "FARTHEST", 4.2)
    exact = Likelihood(changes, levels, 10.0)(p)[1]
    for name in ("onset", "decades", "dof"):
        off = (slopes[name] - exact[name]).sum()
        assert abs(off) < 0.25 * np.sqrt((exact[name] ** 2).sum()), name


def test_devices_of_one_onset_have_the_likelihood_of_an_onset_without_spread():
    n, u = 20, rng(3).uniform
    columns = {name: u(0.2, 2.0, n) for name in COLUMNS} | {
        name: np.zeros(n, np.int64) for name in ("run", "session", "at_floor", "began_seconds")
    }
    changes = Changes(
        device=np.arange(n), read_measured=False, motion=0.1, unit_siemens=1.0, **columns
    )
    p = {"drift": [0.1], "spread": [-1.0], "skew": [0.2], "dof": [1.2], "onset": [-3.0]}
    p = {name: np.array(values) for name, values in p.items()}
    p |= dict.fromkeys(("decades", "activation", "exponent", "size", "shift"), np.zeros(1))
    p |= dict.fromkeys(("session_size", "session_shift"), np.zeros(1))
    one, several = (
        Likelihood(changes, np.ones(1), 10.0, onsets_differ=differ)(p)[0]
        for differ in (False, True)
    )
    np.testing.assert_allclose(one, several, rtol=1e-12)


def test_known_relaxation_comes_back():
    truth = synthetic.truth(**QUIET, **LAW, relax_onset_decades=1.0)
    table = synthetic.retention(truth, gen(1), levels=LEVELS, each=30, seconds=SECONDS)
    parameters = estimated(table)
    for name, low, high in (
        ("relax_drifts_siemens", 2e-7, -3e-7), ("relax_ups_siemens", 3e-7, 3.7143e-7),
        ("relax_downs_siemens", 2e-7, 4.8571e-7),
    ):  # fmt: skip
        for g, true in ((2e-5, low), (7e-5, high)):
            draws = rate(parameters, name, g)
            assert abs(draws.mean() - true) < 4.0 * draws.std(), (name, g)
            assert draws.std() < 2e-7
    assert parameters.values["relax_tail_dof"] < 10.0
    low, high = parameters.intervals["relax_onset_decades"]
    assert low < 1.0 < high
    fraction, exponent = (parameters.values[f"read_{name}"] for name in ("fraction", "exponent"))
    error = fraction * (2e4 / truth.read_knee_ohms) ** exponent  # at 50 uS
    assert error == pytest.approx(0.005, rel=0.5)
    highest = parameters.values["relax_measured_to_siemens"]
    assert highest == table.initial_siemens.max()


def test_a_device_above_the_last_level_relaxes_on_and_the_drift_changes_sign():
    quiet = {"relax_ups_siemens": (0.0, 0.0), "relax_downs_siemens": (0.0, 0.0)}
    device = synthetic.truth(**synthetic.COLD, **LAW | quiet)
    table = synthetic.retention(
        device, gen(), levels=(1e-5, 9e-5, 3e-4), each=1, seconds=(1e-9, 0.999e-3)
    )
    decades = np.log10(1.999)
    change = (table.g_siemens - table.initial_siemens)[1::2] / decades
    np.testing.assert_allclose(change, [1e-7, -5e-7, -5e-7], rtol=0.01)


HEAT = {**LAW, "relax_activation_ev": 0.8}


def test_sessions_do_not_make_up_for_an_onset_before_the_first_reading():
    law = LAW | dict.fromkeys(("relax_ups_siemens", "relax_downs_siemens"), (3e-7, 3e-7))
    law |= {"relax_drifts_siemens": (-1e-6, -1e-6), "relax_tail_dof": 30.0}
    truth = synthetic.truth(read_floor=2e-4, read_fraction=0.0, **law)
    seconds = (0.1, 1.0, 1e1, 1e2, 1e3, 1e4)
    levels = np.linspace(3e-5, 9e-5, 6)
    table = synthetic.retention(truth, gen(2), levels=levels, each=20, seconds=seconds)
    parameters = estimated(table)
    low, high = parameters.intervals["relax_onset_seconds"]
    assert low < 1e-3 < high
    drift = rate(parameters, "relax_drifts_siemens", 5e-5)
    assert drift.mean() == pytest.approx(-1e-6, abs=1e-7)
    assert parameters.values["relax_session_sigma"] < 0.03


def test_temperatures_tell_the_activation_energy_and_how_runs_differ():
    truth = synthetic.truth(**QUIET, **HEAT, relax_run_sigma=0.15, relax_run_shift=0.1)
    kelvins = (300.0, 330.0, 360.0, 390.0, 420.0)
    parameters = estimated(
        synthetic.bakes(truth, gen(1), levels=LEVELS, kelvins=kelvins, each=20),
        **QUIET, relax_onset_seconds=1e-3,
    )  # fmt: skip
    for name in ("relax_activation_ev", "relax_run_sigma", "relax_run_shift"):
        low, high = parameters.intervals[name]
        assert low < getattr(truth, name) < high, name


def test_two_runs_that_differ_by_a_tenth_leave_the_activation_energy_in_its_interval():
    """The warmer run relaxes a tenth less: taken for heat alone, this is another energy."""
    truth = synthetic.truth(**QUIET, **HEAT)
    cold = synthetic.bakes(truth, gen(3), levels=LEVELS, kelvins=(300.0,), each=50)
    less = {
        name: tuple(0.9 * x for x in LAW[name])
        for name in ("relax_drifts_siemens", "relax_ups_siemens", "relax_downs_siemens")
    }
    smaller = dataclasses.replace(truth, **less)
    warm = synthetic.bakes(smaller, gen(4), levels=LEVELS, kelvins=(360.0,), each=50)
    warm = dataclasses.replace(warm, device=warm.device + 2000)
    parameters = estimated(Retention.join([cold, warm]), **QUIET, relax_onset_seconds=1e-3)
    low, high = parameters.intervals["relax_activation_ev"]
    assert low < 0.8 < high
    assert high - low < 2.0
    assert "how runs differ is assumed" in parameters.warnings[0]


def test_cycled_devices_tell_their_exponent():
    truth = synthetic.truth(**QUIET, **LAW)
    fresh = synthetic.retention(truth, gen(5), levels=LEVELS, each=15, seconds=SECONDS[:4])
    grown = {name: tuple(2.0 * x for x in LAW[name]) for name in LAW if name.startswith("relax_u")}
    grown |= {"relax_drifts_siemens": (4e-7, -1e-6), "relax_downs_siemens": (4e-7, 1.2e-6)}
    old = synthetic.retention(
        dataclasses.replace(truth, **grown), gen(6), levels=LEVELS, each=15, seconds=SECONDS[:4]
    )
    n = len(fresh)
    table = Retention.join([
        dataclasses.replace(fresh, cycles=np.zeros(n)),
        dataclasses.replace(old, cycles=np.full(n, 3e3), device=old.device + n),
    ])  # fmt: skip
    parameters = estimated(table, relax_cycle_pulses=1e3)  # (1 + 3)^0.5 = 2
    low, high = parameters.intervals["relax_cycle_exponent"]
    assert low < 0.5 < high
    assert high - low < 0.6


def test_a_new_run_is_drawn_for_every_temperature():
    """Devices of one run move together, those of another one by another size."""
    loud = {"relax_ups_siemens": (0.0, 0.0), "relax_downs_siemens": (0.0, 0.0)}
    model = synthetic.truth(**synthetic.COLD, **LAW | loud, relax_run_sigma=0.5)
    table = synthetic.bakes(model, gen(), levels=(8e-5,), kelvins=(300.0, 301.0), each=20)
    again = simulate(model, Measurements(retention=(table,)), generator=gen(9)).retention[0]
    change = (again.g_siemens - again.initial_siemens).reshape(2, 20)
    assert np.ptp(change, 1).max() < 1e-3 * abs(change).min()
    assert abs(change[0, 0] / change[1, 0] - 1.0) > 0.05


def test_few_devices_fit_what_they_tell_and_two_keep_the_preset():
    truth = synthetic.truth(**QUIET, **LAW)
    table = synthetic.retention(truth, gen(5), levels=LEVELS, each=1, seconds=SECONDS)
    parameters = estimated(table)
    assert len(parameters.tables["relax_levels_siemens"]) == 1
    assert not {"relax_tail_dof", "relax_onset_seconds"} & parameters.values.keys()
    none = estimated(table.take(table.device < 2))
    assert not none.values
    assert "needs 3 devices" in none.warnings[0]


# --- measured sets -------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "technology"), [(relaxation, "B"), (bake, "B")])
def test_half_of_the_cells_predicts_how_the_other_half_relaxes(kind, technology):
    """Quantiles of the change in ranges of conductance, by time or temperature."""
    whole = kind(technology)
    table = whole.retention[0]
    odd = table.device % 2 == 1
    half, other = (
        dataclasses.replace(whole, retention=(table.take(rows),)) for rows in (odd, ~odd)
    )
    fitted = fit(half, load_device("oxram_literature"), generator=rng())
    other = excerpt(other)
    compared = checks(other, predictions(drawn_models(fitted, seed=0), other, seed=0))
    inside = np.concatenate([check.inside for check in compared])
    assert inside.mean() >= 0.8  # 38 of 45 and 75 of 75
