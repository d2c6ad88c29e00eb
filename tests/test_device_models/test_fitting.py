"""Known truth comes back: experiments simulated with the models, fitted, compared."""

import dataclasses

import numpy as np
import pytest
import torch
import xbar_synthetic as synthetic

from device_models.errors import CalibrationError, ConfigError
from device_models.fitting.estimators import (
    model_selection,
    steps,
    variance_components,
    write_verify,
)
from device_models.fitting.estimators.bootstrap import interval, units, weights
from device_models.fitting.estimators.noise_law import fit as grow
from device_models.fitting.estimators.parameters import ParameterSet
from device_models.fitting.fit import _estimates, applied, fit, preset_source
from device_models.fitting.measurements import KINDS, Measurements, Pulses
from device_models.presets import load_device
from device_models.record import declared
from device_models.registry import name_of
from device_models.schema import dump

RESAMPLES = 60
SETTINGS = {"resamples": RESAMPLES}


def rng(seed=0):
    return np.random.default_rng(seed)


def gen(seed=0):
    return torch.Generator().manual_seed(seed)


def blind(model):
    """The window of a device, everything else forgotten."""
    shipped = load_device("oxram_literature")
    ends = {n: getattr(model, n) for n in ("g_min_siemens", "g_max_siemens")}
    return dataclasses.replace(shipped, **ends)


def test_writes_give_the_spread_and_the_stuck_share():
    model = synthetic.truth(verified_fraction=0.01, verified_exponent=0.5)
    table = synthetic.written(model, gen(), targets=[1e-5, 2e-5, 5e-5, 8e-5], each=400,
                              high_share=0.03, high_siemens=5e-4)  # fmt: skip
    parameters = write_verify.estimate(table, blind(model), generator=rng(), **SETTINGS)
    assert parameters.values["verified_fraction"] == pytest.approx(0.01, rel=0.2)
    assert parameters.values["verified_exponent"] == pytest.approx(0.5, abs=0.15)
    assert parameters.values["stuck_high_share"] == pytest.approx(0.03, abs=0.02)
    assert parameters.values["stuck_high_siemens"] == pytest.approx(5e-4)
    assert parameters.values["stuck_low_share"] == 0.0


def test_spread_between_has_the_closed_form_of_equal_errors():
    values, errors = rng(8).normal(size=50), np.full(50, 0.5)
    spread = variance_components.between(values, errors, np.zeros(50, np.int64))
    assert spread.sigma == pytest.approx(np.sqrt(values.var(ddof=1) - 0.25), rel=1e-6)
    assert spread.low < spread.sigma < spread.high


def test_growth_is_exact_without_noise():
    ohms = np.geomspace(1e4, 1e6, 12)
    y = 0.01**2 + 0.02**2 * (ohms / 3e3) ** (2 * 0.5)
    law = grow(np.ones((2, 12)), y, ohms, np.ones(12), knee=3e3,
               exponents=np.array([0.3, 0.5, 0.7]), with_floor=True)  # fmt: skip
    for got, true in zip(law, (0.01, 0.02, 0.5), strict=True):
        np.testing.assert_allclose(got, true, rtol=1e-6, atol=0)


def test_intervals_are_wider_than_percentiles_for_few_units():
    draws = np.append(0.0, rng().normal(size=4000))
    assert interval(draws, 100000)[1] == pytest.approx(1.96, abs=0.15)
    assert interval(draws, 3)[1] > 1.9 * 1.96
    assert interval(np.array([1.0]), 5) == (1.0, 1.0)


def test_resamples_take_as_many_units_as_there_are_and_one_device_is_cut():
    drawn = weights(7, 5, rng())
    assert (drawn.sum(1) == 7).all()
    assert (drawn[0] == 1).all()
    unit, device_of_unit = units(np.zeros(100, np.int64), np.zeros(100, np.int64))
    assert len(device_of_unit) == 20
    assert (device_of_unit == 0).all()
    assert (np.diff(unit) >= 0).all()


# --- the whole fit -------------------------------------------------------------------------------


def small(**changes):
    """A small experiment of every kind, and its truth."""
    model = synthetic.truth(d2d_step_sigma=0.3, **changes)
    levels = np.geomspace(5e-6, 8e-5, 4)
    pulses = synthetic.trains(model, gen(1), devices=8, pulses=40)
    series = synthetic.repeated_reads(model, gen(2), levels=levels, each=2, reads=100)
    return model, synthetic.measured(8, pulses=(pulses,), reads=(series,))


@pytest.fixture(scope="module")
def fitted():
    _, measurements = small()
    return fit(measurements, load_device("oxram_literature"), generator=rng(), bootstrap=20)


def test_every_number_has_a_status_and_the_rest_keeps_the_preset(fitted):
    shipped = load_device("oxram_literature")
    estimates = {e.name: e for e in fitted.estimates}
    assert estimates["c2c_sigma"].status == "measured"
    assert estimates["c2c_sigma"].source.startswith("measured: ")
    assert "95 % interval" in estimates["c2c_sigma"].source
    assert estimates["set_volts"].status == "literature"
    assert estimates["set_volts"].value == shipped.set_volts
    assert estimates["relax_sigma_siemens"].status == "assumed"
    assert fitted.model.status == "mixed"  # d2d_bound_sigma is the preset's
    prefixes = ("measured:", "literature:", "assumed:")
    assert all(text.startswith(prefixes) for text in fitted.model.sources.values())
    assert all(e.low <= e.value <= e.high for e in fitted.estimates)
    every_source(fitted, shipped)


def every_source(fitted, preset):
    """Every field has a source: "measured" names a file of this fit, all others the preset."""
    model, estimates = fitted.model, {e.name: e for e in fitted.estimates}
    files = {t.source for kind in KINDS for t in getattr(fitted.measurements, kind)}
    for name in declared(type(model)):
        if name in ("status", "sources") or getattr(model, name) in (None, ()):
            continue
        source = model.sources[name]
        if source.startswith("measured:"):
            assert any(file in source for file in files), (name, source)
            assert name not in estimates or estimates[name].status == "measured"
        else:
            assert getattr(model, name) == getattr(preset, name), name
            assert source == preset_source(preset.sources.get(name, ""))[1], name
            assert name not in estimates or estimates[name].status != "measured"


KIND_OF = {
    "reads": lambda m: synthetic.repeated_reads(m, gen(), levels=[2e-6, 9e-6, 4e-5], reads=100),
    "cycles": lambda m: synthetic.cycles(m, gen(), devices=12, each=4),
    "retention": lambda m: synthetic.retention(m, gen(), levels=[1e-5, 4e-5], each=12),
    "written": lambda m: synthetic.written(m, gen(), targets=[1e-5, 8e-5], each=40),
}


@pytest.mark.parametrize("kind", KIND_OF)
def test_what_is_the_presets_never_says_measured(kind):
    sources = {"slow_cap": "measured: reads of another day"}
    preset = dataclasses.replace(load_device("oxram"), slow_cap=0.0985)
    preset = dataclasses.replace(preset, sources=preset.sources | sources)
    truth = synthetic.truth(slow_fraction=0.02, slow_exponent=0.3, slow_cap=0.25)
    table = dataclasses.replace(KIND_OF[kind](truth), source="mine.csv")
    measurements = Measurements(**{kind: (table,)}, devices=tuple(map(str, range(99))))
    result = fit(measurements, preset, generator=rng(), bootstrap=2)
    every_source(result, preset)
    if kind == "reads" and result.model.slow_cap == preset.slow_cap:
        assert any(text.startswith("slow_cap = 0.0985 is the preset's") for text in result.warnings)


def test_a_number_at_the_border_of_its_range_is_a_bound_and_no_point():
    parameters = ParameterSet(
        values={"c2c_sigma": 7.0, "set_beta": 20.0, "relax_peak_siemens": 1e-9},
        intervals={"c2c_sigma": (6.0, 8.0), "set_beta": (20.0, 20.0),
                   "relax_peak_siemens": (1e-9, 1e-9)},
    )  # fmt: skip
    preset = load_device("oxram_literature")
    device, warned = applied(preset, parameters)
    assert len(warned) == 3
    estimates = {e.name: e for e in _estimates(device, preset, [parameters], with_intervals=True)}
    for name, low, high in (
        ("c2c_sigma", 0.5, 5.0), ("set_beta", 2.0, 20.0), ("relax_peak_siemens", 1e-9, 1e-8)
    ):  # fmt: skip
        assert estimates[name].low == pytest.approx(low)
        assert estimates[name].high == pytest.approx(high)
        assert "bound only" in estimates[name].source


def test_the_fitted_file_loads_and_drives_a_chip(fitted, tmp_path):
    from xbar_devices import gen as torch_gen
    from xbar_devices import program

    path = tmp_path / "my.yaml"
    path.write_text(dump(fitted.model, ("model", name_of(fitted.model))))
    device = load_device(str(path))
    assert device == fitted.model
    state = device.manufacture((3, 4), generator=torch_gen())
    after = program(device, state, torch.full((3, 4), 2)).state
    assert after.g.shape == (3, 4)
    assert (after.g >= state.g).any()


def test_the_same_seed_gives_the_same_fit(fitted):
    again = fit(fitted.measurements, load_device("oxram_literature"), generator=rng(), bootstrap=20)
    assert again.estimates == fitted.estimates
    assert again.candidates == fitted.candidates


def test_candidates_are_ranked_and_the_true_law_wins(fitted):
    assert fitted.candidates[0].difference == 0.0
    likelihoods = [c.log_likelihood for c in fitted.candidates]
    assert likelihoods == sorted(likelihoods, reverse=True)
    assert {"oxram", "soft_bounds", "linear_step"} <= {c.name for c in fitted.candidates}


def test_one_device_keeps_the_presets_spread_and_says_so():
    model = synthetic.truth()
    pulses = synthetic.trains(model, gen(), devices=1, pulses=100, ramps=4)
    shipped = load_device("oxram_literature")
    fitted = fit(synthetic.measured(1, pulses=(pulses,)), shipped, generator=rng(), bootstrap=20)
    assert fitted.model.d2d_step_sigma == shipped.d2d_step_sigma
    assert {e.name: e.status for e in fitted.estimates}["d2d_step_sigma"] == "literature"
    assert any(w.startswith("one device only: d2d_step_sigma is not") for w in fitted.warnings)


@pytest.mark.usefixtures("unranked")
def test_without_reset_pulses_the_reset_law_is_kept_and_said_so():
    pulses = synthetic.trains(synthetic.truth(), gen(), devices=4, pulses=60, ramps=1)
    shipped = load_device("oxram_literature")
    fitted = fit(synthetic.measured(4, pulses=(pulses,)), shipped, generator=rng(), bootstrap=0)
    assert fitted.model.reset_fraction == shipped.reset_fraction
    assert "no RESET pulses: the RESET law keeps the preset's parameters" in fitted.warnings


def test_what_cannot_be_fitted_is_refused():
    empty = synthetic.measured(0)
    with pytest.raises(CalibrationError, match="no rows that inform a parameter; nothing was fit"):
        fit(empty, load_device("oxram_literature"), generator=rng())
    with pytest.raises(ConfigError, match="'ideal' cannot be fitted; known: oxram"):
        fit(empty, load_device("oxram_literature"), generator=rng(), model="ideal")
    with pytest.raises(ConfigError, match="the preset has no pulses to fit"):
        fit(empty, load_device("ideal"), generator=rng())


def test_pulses_that_share_no_reading_are_not_linked():
    pulses = synthetic.trains(synthetic.truth(), gen(), devices=2, pulses=30)
    apart = dataclasses.replace(pulses, index=2 * np.arange(len(pulses)))
    parameters = steps.estimate(apart, synthetic.truth(), generator=rng(), resamples=0)
    assert "read_floor" not in parameters.values
    assert any("c2c_sigma contains the read noise" in w for w in parameters.warnings)


def test_no_table_is_modified_whether_fitted_or_ranked():
    pulses = synthetic.trains(synthetic.truth(), gen(), devices=3, pulses=20)
    before = {n: getattr(pulses, n).copy() for n in ("device", "g_before_siemens", "index")}
    fitted = fit(
        synthetic.measured(3, pulses=(pulses,)),
        load_device("oxram_literature"),
        generator=rng(),
        bootstrap=5,
        model="tabulated",
    )
    assert fitted.candidates
    for name, column in before.items():
        assert (getattr(pulses, name) == column).all()
    assert isinstance(pulses, Pulses)


def test_a_law_by_which_nothing_moves_on_average_is_no_candidate(monkeypatch):
    """RESET after RESET of devices that are down already: levels scatter and rise a little."""
    monkeypatch.setattr(model_selection, "fittable", lambda: ("log_step",))
    shape, random = (6, 12), rng()
    g = 1e-6 * np.exp(0.1 * random.standard_normal((6, 13)) + 0.05 * np.arange(13))
    number, unknown = np.indices(shape), np.full(g[:, 1:].size, np.nan)
    pulses = Pulses(
        device=number[0].ravel(),
        ramp=np.zeros(g[:, 1:].size, np.int64),
        index=number[1].ravel(),
        polarity=np.full(g[:, 1:].size, -1),
        g_before_siemens=g[:, :-1].ravel(),
        g_after_siemens=g[:, 1:].ravel(),
        v_volts=unknown,
        width_seconds=unknown,
        source="levels after RESET",
    )
    preset = load_device("oxram.yaml")
    assert model_selection.candidates(pulses, preset, generator=random) == ()
