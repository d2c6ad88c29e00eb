"""Full SET and RESET cycles: known truth comes back, and half an array predicts the other."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic
from scipy.stats import norm
from xbar_measured import nirram_cycles

from device_models.fitting.estimators import cycles
from device_models.fitting.estimators.cycles import FEWEST, TABLE, variances
from device_models.fitting.fit import fit
from device_models.fitting.parameter_draws import drawn_models
from device_models.fitting.predictive_checks import checks, predictions
from device_models.fitting.simulate import simulate
from device_models.open_loop import levels
from device_models.presets import load_device
from device_models.schema import dump

NAMES = [
    f"full_{kind}_{what}" for kind in ("set", "reset") for what in ("siemens", "sigma", "d2d_share")
]
TWO_MODES = {  # RESET fails in one cycle of ten
    "full_levels": (0.01, 0.1, 0.3, 0.5, 0.7, 0.88, 0.92, 0.99),
    "full_set_quantiles_siemens": (5e-5, 6e-5, 7e-5, 7.3e-5, 7.5e-5, 7.7e-5, 7.8e-5, 8e-5),
    "full_reset_quantiles_siemens": (1.5e-6, 3e-6, 5e-6, 6e-6, 8e-6, 1.5e-5, 6e-5, 9e-5),
}


def rng(seed=0):
    return np.random.default_rng(seed)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def random_cycles(seed):
    """A random device, and three cycles of 128 of its kind."""
    u = rng([13, seed]).uniform
    model = synthetic.truth(
        full_set_siemens=u(4e-5, 6e-5),
        full_set_sigma=u(0.03, 0.15),
        full_set_d2d_share=u(0.1, 0.9),
        full_reset_siemens=u(5e-6, 1.5e-5),
        full_reset_sigma=u(0.1, 0.4),
        full_reset_d2d_share=u(0.1, 0.9),
    )
    return model, synthetic.cycles(model, gen(seed), devices=128, each=3)


def estimated(table, model, resamples=0):
    return cycles.estimate(table, model, generator=rng(), resamples=resamples)


def test_levels_spreads_and_shares_come_back():
    model = synthetic.truth(
        full_set_siemens=6e-5, full_set_sigma=0.1, full_set_d2d_share=0.7,
        full_reset_siemens=1e-5, full_reset_sigma=0.4, full_reset_d2d_share=0.3,
    )  # fmt: skip
    parameters = estimated(synthetic.cycles(model, gen(), devices=1000, each=3), model)
    assert parameters.values["full_set_siemens"] == pytest.approx(6e-5, rel=0.02)
    assert parameters.values["full_reset_siemens"] == pytest.approx(1e-5, rel=0.06)
    # Standard errors are near 0.03 (sigma) and 0.015 to 0.02 (share); limits are 4 of them.
    for name in ("full_set_sigma", "full_reset_sigma"):
        assert parameters.values[name] == pytest.approx(getattr(model, name), rel=0.12), name
    for name in ("full_set_d2d_share", "full_reset_d2d_share"):
        assert parameters.values[name] == pytest.approx(getattr(model, name), abs=0.08), name


@pytest.mark.slow
def test_95_percent_intervals_cover_the_truth():
    held = []
    for seed in range(40):
        truth, table = random_cycles(seed)
        parameters = estimated(table, truth, resamples=200)
        ends = np.array([parameters.intervals[name] for name in NAMES]).T
        true = [getattr(truth, name) for name in NAMES]
        held.append((ends[0] <= true) & (true <= ends[1]))
    coverage = dict(zip(NAMES, np.mean(held, 0), strict=True))
    assert min(coverage.values()) >= 0.90, coverage


def test_intervals_hold_the_truth_of_a_few_experiments():
    for seed in range(3):
        truth, table = random_cycles(seed)
        parameters = estimated(table, truth, resamples=60)
        for name in NAMES:
            low, high = parameters.intervals[name]
            room = high - low  # half a width beyond either end: 4 standard errors
            assert low - room / 2 < getattr(truth, name) < high + room / 2, (seed, name)
            assert low <= parameters.values[name] <= high


def test_equal_devices_get_no_share_and_an_interval_from_zero():
    model = synthetic.truth(full_set_siemens=6e-5, full_set_sigma=0.1)
    parameters = estimated(
        synthetic.cycles(model, gen(1), devices=300, each=3), model, resamples=100
    )
    low, high = parameters.intervals["full_set_d2d_share"]
    assert low == 0.0
    assert parameters.values["full_set_d2d_share"] <= high
    assert 0.01 < high < 0.2


def test_a_table_takes_two_modes_as_they_are():
    model = synthetic.truth(**TWO_MODES, full_reset_d2d_share=0.3)
    parameters = estimated(synthetic.cycles(model, gen(), devices=2000, each=2), model)
    assert parameters.tables["full_levels"] == pytest.approx(TABLE)
    true, p = levels(model, -1), np.array(TABLE[2:-2])
    knots = norm.ppf(true.probabilities)
    q = np.log(parameters.tables["full_reset_quantiles_siemens"][2:-2])
    reached = norm.cdf(np.interp(q, np.log(true.quantiles_siemens), knots))
    error = np.sqrt(p * (1 - p) / 2000)  # at most: cycles of one device are alike
    assert np.abs((reached - p) / error).max() < 4
    assert (
        parameters.values["full_reset_siemens"]
        == parameters.tables["full_reset_quantiles_siemens"][9]
    )
    # The log-normal of the same summary would put the failed cells at the wrong conductance.
    log_normal = parameters.values["full_reset_siemens"] * np.exp(
        parameters.values["full_reset_sigma"] * norm.ppf(0.95)
    )
    assert log_normal < 0.7 * true.at(torch.tensor([1.645]))


def test_few_cycles_give_no_table_and_drop_the_presets():
    model = synthetic.truth(**TWO_MODES)
    table = synthetic.cycles(model, gen(), devices=FEWEST // 2 - 1, each=2)
    device = fit(synthetic.measured(40, cycles=(table,)), model, generator=rng(), bootstrap=0).model
    assert device.full_levels == device.full_set_quantiles_siemens == ()
    assert device.full_set_siemens is not None
    assert "full_set_quantiles_siemens" not in device.sources
    enough = synthetic.cycles(model, gen(), devices=FEWEST // 2, each=2)
    probabilities = estimated(enough, model).tables["full_levels"]
    assert min(probabilities) * FEWEST >= 1.0
    assert len(probabilities) == 15


def test_one_cycle_per_device_keeps_the_presets_shares_and_says_so():
    model = synthetic.truth(full_set_sigma=0.1, full_set_siemens=6e-5, full_set_d2d_share=0.4)
    once = synthetic.cycles(model, gen(), devices=100, each=1)
    result = fit(synthetic.measured(100, cycles=(once,)), model, generator=rng(), bootstrap=0)
    assert result.model.full_set_d2d_share == 0.4
    warning = (
        "one cycle per device: how levels divide between devices and cycles keeps the preset's"
    )
    assert any(w.startswith(warning) for w in result.warnings)
    status = {e.name: e.status for e in result.estimates}
    assert status["full_set_sigma"] == "measured"
    assert status["full_set_d2d_share"] != "measured"


def test_variances_split_within_and_between():
    z = rng(1).normal(size=(400, 1)) * 0.5 + rng(2).normal(size=(400, 8)) * 0.2
    within, between = variances(z.ravel(), np.repeat(np.arange(400), 8))
    assert within == pytest.approx(0.2, rel=0.08)
    assert between == pytest.approx(0.5, rel=0.16)


def test_the_device_file_marks_tables_measured_loads_and_is_shown(tmp_path):
    from cli.devices import page, show

    model = synthetic.truth(**TWO_MODES)
    table = synthetic.cycles(model, gen(), devices=100, each=2)
    measured = synthetic.measured(100, cycles=(table,))
    device = fit(measured, load_device("oxram_literature"), generator=rng(), bootstrap=10).model
    for name in ("full_levels", "full_set_quantiles_siemens", "full_reset_quantiles_siemens"):
        assert device.sources[name] == "measured: 100 devices, 200 rows; synthetic cycles"
    path = tmp_path / "my.yaml"
    path.write_text(dump(device, ("model", "oxram")))
    assert load_device(str(path)) == device
    text = page(show(str(path), None, None, no_figure=True)[0])
    assert "full_reset_quantiles_siemens" in text


def test_simulated_devices_keep_their_levels_over_cycles():
    model = synthetic.truth(
        full_set_siemens=5e-5, full_set_sigma=0.1, full_set_d2d_share=0.8,
        full_reset_siemens=1e-5, full_reset_sigma=0.2,
    )  # fmt: skip
    table = synthetic.cycles(model, gen(), devices=2000, each=2)
    again = simulate(model, synthetic.measured(2000, cycles=(table,)), generator=gen(5)).cycles[0]
    for g, between in ((again.lrs_siemens, 0.8), (again.hrs_siemens, 0.0)):
        first, second = np.log(g).reshape(2000, 2).T
        assert np.corrcoef(first, second)[0, 1] == pytest.approx(between, abs=0.1)


# --- measured ------------------------------------------------------------------------------------


def halves():
    """1,024 cells cut into random halves, five times."""
    measured = nirram_cycles()
    table = measured.cycles[0]
    for seed in range(5):
        first = rng([17, seed]).permutation(1024)[table.device] < 512
        yield tuple(
            dataclasses.replace(measured, cycles=(table.take(rows),)) for rows in (first, ~first)
        )


@functools.cache
def drawn_halves():
    """Devices drawn from the fit of one half, and the other half, for every cut."""
    preset = load_device("oxram_literature")
    return [(drawn_models(fit(a, preset, generator=rng()), seed=0), b) for a, b in halves()]


def checked(change):
    """Each half against the fit of the other with a change: {name: its checks in every cut}."""
    every = []
    for models, other in drawn_halves():
        changed = [dataclasses.replace(m, **change) for m in models]
        every.append(checks(other, predictions(changed, other, seed=0)))
    return {group[0].name: group for group in zip(*every, strict=True)}


@pytest.fixture(scope="module")
def fitted():
    """The checks of the fits as they are."""
    return checked({})


def inside(group):
    """Fraction of the cuts in which each quantile lies in its band."""
    return np.mean([check.inside for check in group], 0)


def test_half_of_the_cells_predicts_the_levels_of_the_other_half(fitted):
    no_tables = dict.fromkeys(("full_set_quantiles_siemens", "full_reset_quantiles_siemens"), ())
    log_normal = checked(no_tables | {"full_levels": ()})
    for name in ("LRS", "HRS"):
        # Of a true law 95 % lie inside; the five of one cut go together.
        assert inside(fitted[name]).mean() >= 0.9, inside(fitted[name])
        assert inside(fitted[name]).min() >= 0.7, inside(fitted[name])
        assert not np.any([check.vague for check in fitted[name]])
        assert inside(log_normal[name]).mean() < 0.7, inside(log_normal[name])


def test_the_share_predicts_how_far_a_cell_is_from_its_cycle_before(fitted):
    apart = checked({"full_set_d2d_share": 0.0, "full_reset_d2d_share": 0.0})
    for kind in ("LRS", "HRS"):
        name = f"{kind} over that of the cycle before"
        off, before = (
            np.abs(np.mean([np.log(c.measured / c.predicted) for c in cuts[name]], 0))
            for cuts in (fitted, apart)
        )
        assert inside(fitted[name])[2] >= 0.8
        assert (off[[1, 3]] < 0.7 * before[[1, 3]]).all(), (off, before)
