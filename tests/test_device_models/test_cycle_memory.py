"""What a device remembers from cycle to cycle: its law, its likelihood, its fit and its misfit."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic
from scipy.special import ndtr
from scipy.stats import multivariate_normal
from torch.testing import assert_close

from device_models import cycle_memory
from device_models.cycle_memory import CycleLaw
from device_models.fitting.cycle_series import memories, ordered
from device_models.fitting.estimators import cycle_memory as estimator
from device_models.fitting.estimators.cycle_likelihood import Parameters, Scores
from device_models.fitting.estimators.cycle_likelihood import log_likelihood as of_devices
from device_models.fitting.estimators.cycle_scores import line_variances
from device_models.fitting.fit import fit
from device_models.fitting.measurements import Cycles
from device_models.fitting.misfits import misfits, predict
from device_models.open_loop import MEMORY, full_level, levels, manufacture
from device_models.presets import load_device

MEMORY_FIELDS = {
    "full_set_siemens": 6e-5, "full_set_sigma": 0.1, "full_set_d2d_share": 0.4,
    "full_set_memory_share": 0.6, "full_set_memory_cycles": 30.0,
    "full_reset_siemens": 1e-5, "full_reset_sigma": 0.4, "full_reset_d2d_share": 0.5,
    "full_reset_memory_share": 0.5, "full_reset_memory_cycles": 15.0,
    "full_set_d2d_noise_sigma": 0.3, "full_reset_d2d_noise_sigma": 0.3,
    "full_levels_correlation": -0.5,
}  # fmt: skip
CYCLE = np.array([0, 1, 2, 5, 6, 40, 0, 3, 4, 5])  # of two devices, with gaps
DEVICE = np.array([0] * 6 + [1] * 4)


def rng(seed=0):
    return np.random.default_rng(seed)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def dense(y, law):
    """Log-likelihood of each device by its covariance matrix; no noise of devices."""
    logs = []
    for d in range(2):
        at = CYCLE[d == DEVICE]
        near = np.exp(-np.abs(at[:, None] - at) / law.memory_cycles)
        within = law.memory_share * near + (1.0 - law.memory_share) * np.eye(len(at))
        cover = law.d2d_share + (1.0 - law.d2d_share) * within
        logs.append(multivariate_normal.logpdf(y[d == DEVICE], cov=cover))
    return np.array(logs)


def numbers(law, log_noise=-np.inf):
    logits = (np.log(s / (1.0 - s)) for s in (law.d2d_share, law.memory_share))
    return Parameters(*logits, np.log(law.memory_cycles), log_noise, 0.3, 0.2)


def test_the_filter_is_the_dense_normal_likelihood():
    law, y = CycleLaw(0.3, 0.7, 8.0), rng(1).normal(size=len(CYCLE))
    wanted = dense(0.2 + y * np.exp(0.15), law) + 0.15 * np.bincount(DEVICE)
    scores = Scores(y, ordered(DEVICE, CYCLE))
    np.testing.assert_allclose(of_devices(scores, numbers(law)), wanted, rtol=1e-9)


def test_mean_and_variance_of_a_sample_vary_as_they_do_in_sampled_ones():
    devices, cycles, samples = 12, 20, 4000
    lag = np.abs(np.subtract.outer(np.arange(cycles), np.arange(cycles)))
    rho = 0.3 + 0.7 * (0.6 * np.exp(-lag / 4.0) + 0.4 * (lag == 0))
    y = rng().multivariate_normal(np.zeros(cycles), rho, size=(samples, devices))
    mean, log_scale = line_variances(0.3, 0.6, 4.0, devices, cycles)
    assert y.mean((1, 2)).var() == pytest.approx(mean, rel=0.1)
    assert (y**2).mean((1, 2)).var() == pytest.approx(log_scale, rel=0.1)


def test_the_noise_of_devices_is_integrated_out():
    law, sigma = CycleLaw(0.3, 0.7, 8.0), 0.4
    y0 = rng(1).normal(size=len(CYCLE))
    y = 0.2 + y0 * np.exp(0.15)
    z, at, density = cycle_memory.warp(0.3, sigma)
    x = np.interp(y, at, z)
    slope = 0.15 - 0.5 * y**2 - 0.5 * np.log(2 * np.pi) - np.interp(x, z, density)
    n, weight = np.polynomial.hermite_e.hermegauss(60)
    each = []
    for node in n:  # kappa at every node, as a device of another scale and share
        v = 0.7 * np.exp(2 * sigma * node - 2 * sigma**2)
        scale = (0.3 + v) ** 0.5
        logs = dense(x / scale, law._replace(d2d_share=0.3 / (0.3 + v)))
        each.append(logs - np.log(scale) * np.bincount(DEVICE))
    wanted = np.log(weight / weight.sum() @ np.exp(each)) + np.bincount(DEVICE, slope)
    scores = Scores(y0, ordered(DEVICE, CYCLE))
    np.testing.assert_allclose(of_devices(scores, numbers(law, np.log(sigma))), wanted, atol=1e-2)


def test_scores_of_noisy_devices_are_standard_normal():
    model = synthetic.truth(**MEMORY_FIELDS | {"full_set_d2d_noise_sigma": 0.8})
    law, shape = levels(model, 1).cycles, (1, 40_000)
    traits, _ = manufacture(model, shape, generator=gen())
    white = torch.randn(shape, generator=gen(1))
    z = law.score(white, traits["set_level_score"], traits["set_level_noise"], None)
    raw = law.d2d_share**0.5 * traits["set_level_score"]
    raw = raw + (1 - law.d2d_share) ** 0.5 * traits["set_level_noise"] * white
    for at in (-2.5, -1.0, 0.0, 2.0):
        error = (ndtr(at) * (1 - ndtr(at)) / shape[1]) ** 0.5
        assert abs(float((z <= at).double().mean()) - ndtr(at)) < 5 * error
    heavy = float((raw <= -2.5).double().mean())  # without the warp the tail would be too heavy
    assert heavy - ndtr(-2.5) > 5 * (ndtr(-2.5) / shape[1]) ** 0.5


def test_many_cycles_at_once_are_as_many_single_ones():
    at_once = cycle_memory.step(torch.ones(40_000), 12.0, 30.0, generator=gen())
    one_by_one, generator = torch.ones(40_000), gen(1)
    for _ in range(12):
        one_by_one = cycle_memory.step(one_by_one, 1.0, 30.0, generator=generator)
    for x in (at_once, one_by_one):
        decay = np.exp(-12 / 30)
        spread = (1 - decay**2) ** 0.5
        assert abs(float(x.mean()) - decay) < 5 * spread / 200
        assert abs(float(x.std()) / spread - 1) < 5 / 80_000**0.5


def test_an_abrupt_set_remembers_and_a_reset_does_not_count():
    model = synthetic.truth(
        set_kind="abrupt", g_max_siemens=1e-3,
        **MEMORY_FIELDS | {"full_set_d2d_share": 0.0, "full_set_d2d_noise_sigma": 0.0,
                           "full_reset_d2d_noise_sigma": 0.0, "full_set_memory_share": 1.0},
    )  # fmt: skip
    shape = (1, 4000)
    everything, sets = torch.ones(shape, dtype=torch.bool), torch.ones(shape, dtype=torch.int64)
    state = model.manufacture(shape, generator=gen())
    assert state.dynamics[MEMORY].shape == shape
    generator, half = gen(1), sets.clone()
    half[:, ::2] = -1  # RESET: their memory stands still
    first = model.program(state, sets, everything, generator=generator).state
    second = model.program(first, 3 * half, everything, generator=generator).state
    assert torch.equal(second.dynamics[MEMORY][:, ::2], first.dynamics[MEMORY][:, ::2])
    one, other = (torch.log(s.g[:, 1::2].double()).flatten() for s in (first, second))
    seen = float(torch.corrcoef(torch.stack([one, other]))[0, 1])
    assert abs(np.arctanh(seen) - np.arctanh(np.exp(-3 / 30))) < 5 / 2000**0.5
    assert_close(second.g[:, 1::2], full_level(model, 1, (1, 2000), {},
                 second.dynamics[MEMORY][:, 1::2], generator=gen()))  # fmt: skip


def test_a_device_without_memory_has_no_state_of_one():
    off = {n: getattr(load_device("oxram"), n) for n in MEMORY_FIELDS if "memory_share" in n}
    assert set(off.values()) == {0.0}
    model = synthetic.truth(set_kind="abrupt", full_set_siemens=6e-5, full_set_d2d_share=0.4)
    state = model.manufacture((4, 4), generator=gen())
    assert MEMORY not in state.dynamics
    assert not [n for n in state.traits if n.endswith("_noise")]


def test_a_path_with_gaps_has_the_correlations_of_the_law():
    cycle = np.tile([0, 7, 8], 20_000)
    order = ordered(np.repeat(np.arange(20_000), 3), cycle)
    x = memories(order, CycleLaw(0.0, 1.0, 10.0), generator=gen()).double().view(-1, 3)
    seen = np.corrcoef(x.numpy().T)
    for (i, a), (j, b) in itertools.combinations(enumerate((0, 7, 8)), 2):
        assert abs(np.arctanh(seen[i, j]) - np.arctanh(np.exp((a - b) / 10))) < 5 / 20_000**0.5


@pytest.fixture(scope="module")
def remembering():
    """A device that remembers, and the fit of 60 of its kind."""
    model = synthetic.truth(**MEMORY_FIELDS)
    table = synthetic.cycles(model, gen(2), devices=60, each=50)
    measured = synthetic.measured(60, cycles=(table,))
    return model, fit(measured, load_device("oxram_literature"), generator=rng(), bootstrap=60)


def test_intervals_hold_the_truth(remembering):
    truth, fitted = remembering
    for e in fitted.estimates:
        if e.name in MEMORY_FIELDS:
            room = (e.high - e.low) / 2  # half a width beyond either end: 4 standard errors
            assert e.status == "measured", e.name
            assert e.low < e.value < e.high
            assert e.low - room < getattr(truth, e.name) < e.high + room, e


def test_what_it_fitted_it_predicts(remembering):
    assert not misfits(predict(remembering[1], seed=0).checks)


def test_one_device_tells_its_memory_and_not_the_share_of_devices():
    model = synthetic.truth(**MEMORY_FIELDS)
    table = synthetic.cycles(model, gen(3), devices=1, each=800)
    table = dataclasses.replace(table, lrs_siemens=np.full(800, np.nan))
    preset = load_device("oxram_literature")
    fitted = fit(synthetic.measured(1, cycles=(table,)), preset, generator=rng(), bootstrap=20)
    status = {e.name: e.status for e in fitted.estimates}
    assert status["full_reset_memory_share"] == status["full_reset_memory_cycles"] == "measured"
    assert status["full_reset_d2d_share"] != "measured"
    assert status["full_reset_d2d_noise_sigma"] != "measured"
    assert status["full_set_memory_share"] != "measured"
    assert any("the share of devices in the levels is unknown" in w for w in fitted.warnings)


def test_independent_cycles_have_no_memory_and_an_interval_from_zero():
    device, cycle = np.repeat(np.arange(40), 20), np.tile(np.arange(20), 40)
    law = estimator.fit(rng(4).normal(size=800), device, cycle, 40, rng())
    assert law.values["memory_share"] == law.intervals["memory_share"][0] == 0.0
    assert "memory_cycles" not in law.values
    assert law.values["d2d_noise_sigma"] == law.intervals["d2d_noise_sigma"][0] == 0.0
    assert law.intervals["d2d_noise_sigma"][1] < 0.4
    assert law.intervals["d2d_share"][0] == 0.0


def test_a_vector_autoregressive_memory_is_named_as_a_misfit():
    devices, each = 40, 60
    x = rng(3).normal(size=(2, devices, each + 50))
    for k in range(2, each + 50):  # the state before last pulls back, and one state on the other
        x[0, :, k] += 0.5 * x[0, :, k - 1] - 0.6 * x[0, :, k - 2] + 0.3 * x[1, :, k - 1]
        x[1, :, k] += -0.6 * x[1, :, k - 1] + 0.2 * x[1, :, k - 2]
    z = (x / x.std(axis=(1, 2), keepdims=True))[:, :, 50:].reshape(2, -1)
    table = Cycles(
        device=np.repeat(np.arange(devices), each), cycle=np.tile(np.arange(each), devices),
        lrs_siemens=6e-5 * np.exp(0.1 * z[0]), hrs_siemens=1e-5 * np.exp(0.4 * z[1]),
    )  # fmt: skip
    measured = synthetic.measured(devices, cycles=(table,))
    fitted = fit(measured, load_device("oxram_literature"), generator=rng(), bootstrap=40)
    (misfit,) = misfits(predict(fitted, seed=0).checks)
    assert misfit.kind == "cycles"
    assert f"{misfit.outside} of {misfit.total} checked numbers" in str(misfit)
    assert "correlation of cycles" in str(misfit)
