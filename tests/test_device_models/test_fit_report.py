import base64
import dataclasses
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from xbar_measured import crosssim_ramps, nirram_cycles, relaxation, relaxation_reads
from xbar_page import Page

from crossbar.figures import fit as pictures
from crossbar.figures import fit_noise
from crossbar.reports.fit import write_report
from device_models.errors import RunError
from device_models.fitting.events import reads_table
from device_models.fitting.measurements import (
    KINDS,
    Cycles,
    FileNotes,
    Measurements,
    Pulses,
    Retention,
    StepTable,
    Written,
    merge,
)
from device_models.fitting.parameter_draws import drawn_models
from device_models.fitting.predictive_checks import (
    SIMULATIONS,
    band,
    checked_model,
    checks,
    excerpt,
    predictions,
)
from device_models.fitting.quantities import steps_of, summarise
from device_models.fitting.read_paths import LONG_SERIES
from device_models.fitting.read_series import autocorrelation
from device_models.fitting.result import Candidate, Fit, ParameterEstimate
from device_models.fitting.simulate import LONGEST_RUN, simulate
from device_models.presets import load_device
from device_models.streams import torch_stream
from device_models.units import format_si

DEVICES, PULSES = 40, 30
SLOW = {"slow_fraction": 0.02, "slow_shortest_seconds": 0.01, "slow_longest_seconds": 1.0}
RELAX = {"relax_sigma_siemens": 2e-6, "relax_drift_siemens": -5e-7, "relax_onset_seconds": 1e-3}


@pytest.fixture(scope="module")
def model():
    levels = {"full_set_siemens": 5e-4, "full_set_sigma": 0.1, "full_reset_siemens": 1e-5}
    spread = {"full_reset_sigma": 0.4, "d2d_step_sigma": 0.1, "c2c_sigma": 0.2}
    stuck = {"stuck_high_share": 0.2, "stuck_high_siemens": 2e-3, "verified_fraction": 0.01}
    quiet = {"read_fraction": 0.001, "read_floor": 0.002}
    return replace(
        load_device("oxram_literature"), **levels, **spread, **stuck, **quiet, **SLOW, **RELAX
    )


def plan():
    """Experiments without their results: starting points, times and targets only."""
    device = np.repeat(np.arange(DEVICES), 2 * PULSES)
    index = np.tile(np.arange(PULSES), 2 * DEVICES)
    polarity = np.tile(np.repeat([1, -1], PULSES), DEVICES)
    start = np.where(polarity > 0, 5e-5, 6e-4)
    unknown = np.full(len(device), np.nan)
    pulses = Pulses(
        device=device, ramp=(polarity < 0).astype(int), index=index, polarity=polarity,
        g_before_siemens=start, g_after_siemens=start, v_volts=unknown, width_seconds=unknown,
    )  # fmt: skip
    twice = np.repeat(np.arange(DEVICES), 2)
    cycles = Cycles(
        device=twice, cycle=np.tile([0, 1], DEVICES),
        lrs_siemens=np.full(len(twice), 1e-3), hrs_siemens=np.full(len(twice), 1e-5),
    )  # fmt: skip
    series = np.repeat([0, 1], 400)
    g = np.where(series, 4e-4, 1e-4)
    reads = reads_table(series, series, np.tile(np.arange(400) * 0.01, 2), g, "reads")
    times = np.tile([0.0, 1.0, 100.0], DEVICES)
    thrice = np.repeat(np.arange(DEVICES), 3)
    g = np.repeat(np.linspace(5e-5, 2e-4, DEVICES), 3)
    retention = Retention(
        device=thrice, time_seconds=times, g_siemens=g, initial_siemens=g,
        target_siemens=g, temperature_kelvin=np.full(len(g), np.nan),
    )  # fmt: skip
    target = np.full(DEVICES, 2e-4)
    written = Written(
        device=np.arange(DEVICES), target_siemens=target, g_siemens=target,
        stuck=0 * thrice[::3], reached=0 * thrice[::3] - 1,
    )  # fmt: skip
    levels = np.linspace(0.05, 0.95, 7)
    bins = np.linspace(1e-4, 5e-4, 5)
    table = StepTable(
        device=0, polarity=1, g_siemens=bins, levels=levels, dg_siemens=np.ones((7, 5))
    )
    return Measurements(
        pulses=(pulses,), cycles=(cycles,), reads=(reads,), retention=(retention,),
        written=(written,), steps=(table,), devices=tuple(map(str, range(DEVICES))),
    )  # fmt: skip


def only(measured, *kinds):
    return replace(measured, **{kind: () for kind in KINDS if kind not in kinds})


def generator(seed=0):
    return torch_stream("test", seed)


@pytest.fixture(scope="module")
def measured(model):
    note = FileNotes(
        path="probe <station>.csv", format="long", units="r_ohms -> siemens", used=4321,
        dropped={"without a reading": 12, "negative reading": 3}, ignored=("operator",),
    )  # fmt: skip
    return replace(simulate(model, plan(), generator=generator()), notes=(note,))


def fit_of(model, measured, **statuses):
    estimates = tuple(
        ParameterEstimate(
            name=f.name, value=value, low=value - 0.1 * abs(value),
            high=value + 0.1 * abs(value), source="probe & station",
            unit=f.metadata["range"].unit, status=statuses.get(f.name, "measured"),
            devices=40, rows=1200,
        )
        for f in dataclasses.fields(model)
        if isinstance(value := getattr(model, f.name), float)
    )  # fmt: skip
    candidates = (
        Candidate(name="oxram", log_likelihood=10.25, difference=0.0, standard_error=0.0),
        Candidate(name="linear_step", log_likelihood=9.5, difference=-0.75, standard_error=0.125),
    )
    return Fit(
        model=model, estimates=estimates, candidates=candidates, measurements=measured,
        warnings=("few devices < 50",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def report(model, measured, tmp_path_factory):
    folder = tmp_path_factory.mktemp("out") / "report"
    fit = fit_of(model, measured, read_cap="assumed", set_volts="literature")
    return fit, write_report(fit, folder, seed=1, simulations=5)


# --- simulation ----------------------------------------------------------------------------------


def test_a_prediction_has_the_tables_of_the_measurement(model, measured):
    again = simulate(model, measured, generator=generator(5))
    fixed = {"g_before_siemens", "g_after_siemens", "lrs_siemens", "hrs_siemens", "g_siemens",
             "initial_siemens", "stuck", "dg_siemens"}  # fmt: skip
    for kind in KINDS:
        for old, new in zip(getattr(measured, kind), getattr(again, kind), strict=True):
            for field in dataclasses.fields(old):
                if field.name not in fixed or (kind, field.name) == ("steps", "g_siemens"):
                    np.testing.assert_array_equal(
                        getattr(old, field.name), getattr(new, field.name)
                    )


def test_the_same_generator_gives_the_same_prediction_and_no_global_number_is_drawn(
    model, measured
):
    before = torch.random.get_rng_state()
    one, two = (simulate(model, measured, generator=generator(3)) for _ in range(2))
    np.testing.assert_array_equal(one.pulses[0].g_after_siemens, two.pulses[0].g_after_siemens)
    np.testing.assert_array_equal(one.reads[0].g_siemens, two.reads[0].g_siemens)
    assert torch.equal(before, torch.random.get_rng_state())


def test_one_reading_between_two_pulses_stays_one(model, measured):
    again = simulate(model, measured, generator=generator(4)).pulses[0]
    inner = again.index > 0
    np.testing.assert_array_equal(
        again.g_before_siemens[inner], again.g_after_siemens[np.flatnonzero(inner) - 1]
    )


def test_rows_may_come_in_any_order(model, measured):
    table = measured.pulses[0]
    order = np.random.default_rng(0).permutation(len(table))
    straight, mixed = (
        simulate(model, Measurements(pulses=(t,)), generator=generator(1)).pulses[0]
        for t in (table, table.take(order))
    )
    np.testing.assert_array_equal(straight.g_after_siemens[order], mixed.g_after_siemens)


def test_ramps_without_spread_follow_the_mean_law_from_their_start():
    quiet = dict.fromkeys(("c2c_sigma", "d2d_step_sigma", "d2d_bound_sigma"), 0.0)
    silent = replace(load_device("oxram_literature"), **quiet, read_floor=0.0, read_fraction=0.0)
    table = simulate(silent, only(plan(), "pulses"), generator=generator()).pulses[0]
    g = torch.from_numpy(table.g_before_siemens)
    step = silent.step_siemens(g, torch.from_numpy(table.polarity)) * torch.from_numpy(
        table.polarity
    )
    np.testing.assert_allclose(
        table.g_after_siemens - table.g_before_siemens, step, rtol=2e-4, atol=1e-10
    )
    first = (table.index == 0) & (table.polarity > 0)
    np.testing.assert_allclose(table.g_before_siemens[first], 5e-5, rtol=1e-6)


def test_a_long_ramp_starts_anew_at_its_measured_conductance(model):
    n = 2 * LONGEST_RUN
    one = np.zeros(n, int)
    g = np.where(np.arange(n) < LONGEST_RUN, 1e-4, 7e-4)
    table = Pulses(
        device=one, ramp=one, index=np.arange(n), polarity=one + 1, g_before_siemens=g,
        g_after_siemens=g, v_volts=g * np.nan, width_seconds=g * np.nan,
    )  # fmt: skip
    simulated = simulate(model, Measurements(pulses=(table,)), generator=generator()).pulses[0]
    assert simulated.g_before_siemens[[0, LONGEST_RUN]] == pytest.approx([1e-4, 7e-4], rel=0.1)


@pytest.mark.parametrize("reads", [LONG_SERIES // 2, 4 * LONG_SERIES])
def test_reads_have_the_correlation_of_the_model_stepped_or_filtered(model, reads):
    """Lag 1 of four equal components of unit time constant tau and white noise of spread w:
    s^2 mean(exp(-dt / tau)) / (s^2 + w^2); 30 series, so within 0.05 (5 sigma)."""
    series = np.repeat(np.arange(30), reads)
    g = np.full(len(series), 1.0 / model.read_knee_ohms)
    time = np.tile(np.arange(reads) * 0.01, 30)
    table = reads_table(series, series, time, g, "reads")
    simulated = simulate(model, Measurements(reads=(table,)), generator=generator()).reads[0]
    parts = tuple(np.split(simulated.g_siemens / g - 1.0, 30))
    taus = 0.01 * 100.0 ** (np.arange(4) / 3)
    white = (0.001**2 + 0.002**2) / 0.02**2
    rho = np.exp(-0.01 / taus).mean() / (1.0 + white)
    shortening = (2 * taus.mean() / 4) / (0.01 * reads)  # each series is about its own mean
    measured = autocorrelation(parts, np.array([1]))[0]
    assert abs(measured - rho) < 0.05 + shortening
    assert np.concatenate(parts).std() == pytest.approx(0.02 * (1 + white) ** 0.5, rel=0.1)


def test_retention_begins_at_the_first_reading_and_spreads_with_time(model, measured):
    table = measured.retention[0]
    change = (table.g_siemens - table.initial_siemens).reshape(DEVICES, 3)
    assert (change[:, 0] == 0.0).all()
    assert 0.0 < change[:, 1].std() < change[:, 2].std()


def test_stuck_devices_keep_their_level_and_are_told_as_stuck(model):
    written = simulate(model, only(plan(), "written"), generator=generator()).written[0]
    assert 2 <= written.stuck.sum() <= 16  # of 40, a fifth
    assert written.g_siemens[written.stuck == 1] == pytest.approx(2e-3, rel=0.2)
    assert written.g_siemens[written.stuck == 0] == pytest.approx(2e-4, rel=0.2)


# --- checks --------------------------------------------------------------------------------------


def test_the_band_is_that_of_one_more_repetition():
    draws = np.exp(2.0 * np.random.default_rng(0).standard_normal((80, 4000)))  # far from normal
    for n in (SIMULATIONS, 79):
        low, middle, high = band(draws[:n])
        inside = np.mean((draws[n] > low) & (draws[n] < high))
        assert abs(inside - 0.95) < 5 * (0.95 * 0.05 / 4000) ** 0.5
        np.testing.assert_allclose(middle, draws[:n].mean(0), rtol=1e-12)


def test_a_number_that_most_repetitions_lack_has_no_band():
    assert np.isnan(band(np.array([[np.nan], [np.nan], [1.0]]))[1]).all()


def test_a_model_reproduces_its_own_quantiles(model):
    """Over three sets, for the numbers of one hang together: 86, 88, 94 % inside."""
    inside = []
    for seed in range(3):
        again = simulate(model, plan(), generator=generator(seed))
        compared = checks(again, predictions(model, again, seed=0))
        assert {check.kind for check in compared} == {
            "pulses",
            "cycles",
            "reads",
            "retention",
            "written",
        }
        inside += [check.inside for check in compared]
    inside = np.concatenate(inside)
    assert len(inside) > 300
    assert inside.mean() > 0.88


def test_a_step_that_is_wrong_by_30_percent_is_flagged(model, measured):
    pulses = only(measured, "pulses")
    for name, sign in (("set_fraction", "SET"), ("reset_fraction", "RESET")):
        wrong = replace(model, **{name: 1.3 * getattr(model, name)})
        compared = checks(pulses, predictions(wrong, pulses, seed=0, count=10))
        medians = {
            c.name: bool(c.inside[len(c.inside) // 2])
            for c in compared
            if f" {sign} " in f" {c.name}" and "wrong way" not in c.name
        }
        assert len(medians) >= 3
        assert sum(medians.values()) <= 1, medians


def test_a_spread_that_nothing_informed_is_off_in_the_checks(model, measured):
    assumed = fit_of(model, measured, d2d_step_sigma="assumed", c2c_sigma="assumed")
    silent, off = checked_model(assumed)
    assert off == ("d2d_step_sigma",)
    assert silent == replace(model, d2d_step_sigma=0.0)
    assert checked_model(fit_of(model, measured)) == (model, ())


def test_an_excerpt_keeps_whole_ramps(measured):
    table = excerpt(measured, 1000).pulses[0]
    assert 0 < len(table) <= 1000
    ramps = np.unique(table.device * 2 + table.ramp, return_counts=True)[1]
    assert (ramps == PULSES).all()


def test_numbers_of_a_summary_are_quantiles_of_the_table(measured):
    named = {q.name: q for q in summarise(measured, measured)}
    wanted = np.quantile(measured.cycles[0].lrs_siemens, [0.05, 0.25, 0.5, 0.75, 0.95])
    np.testing.assert_allclose(named["LRS"].numbers, wanted, rtol=1e-12)
    assert named["LRS"].rows == 2 * DEVICES


# --- the report ----------------------------------------------------------------------------------


def test_json_holds_the_numbers_of_the_fit(report):
    fit, files = report
    content = json.loads(files[1].read_text())
    assert content["format"] == "xbar fit report 1"
    assert [ParameterEstimate(**e) for e in content["estimates"]] == list(fit.estimates)
    assert [Candidate(**c) for c in content["candidates"]] == list(fit.candidates)
    assert content["warnings"] == list(fit.warnings)
    (note,) = content["files"]
    assert (note["used"], note["dropped"]) == (4321, dict(fit.measurements.notes[0].dropped))
    assert note["v_read_volts"] is None
    models = drawn_models(fit, seed=1, count=5)
    simulated = predictions(models, fit.measurements, seed=1)
    for check, written in zip(checks(fit.measurements, simulated), content["checks"], strict=True):
        assert written["name"] == check.name
        assert written["measured"] == check.measured.tolist()
        assert written["low"] == check.low.tolist()
        assert written["inside"] == check.inside.tolist()
        assert written["vague"] == check.vague.tolist()


def test_the_page_says_what_was_read_and_what_was_found(report):
    fit, files = report
    page = Page(files[0].read_text())
    text = "\n".join(page.text)
    for estimate in fit.estimates:
        assert estimate.name in text
        assert format_si(estimate.value, estimate.unit) in text
        interval = (
            f"{format_si(estimate.low, estimate.unit)} to {format_si(estimate.high, estimate.unit)}"
        )
        assert (interval in text) or estimate.status != "measured" or estimate.value == 0.0
    for wanted in ("probe <station>.csv", "4,321", "12 without a reading; 3 negative reading",
                   "columns not used: operator", "few devices < 50", "-0.7500", "0.1250",
                   "Where the model fails", "Limits", "probe & station"):  # fmt: skip
        assert wanted in text
    wide = sum(sum(check["vague"]) for check in json.loads(files[1].read_text())["checks"])
    assert files[0].read_text().count("<i>wide</i>") == wide
    for status in ("measured", "literature", "assumed"):
        assert f'<span class="{status}">{status}</span>' in files[0].read_text()


def test_the_page_needs_no_network_and_holds_its_pictures(report):
    _, files = report
    html = files[0].read_text()
    assert not re.search(r"(?:https?:)?//[a-z]", re.sub(r"base64,[^\"]+", "", html))
    references = Page(html).references
    images = [r for r in references if r.startswith("data:image/png;base64,")]
    drawn = [base64.b64decode(image.partition(",")[2]) for image in images]
    assert drawn == [path.read_bytes() for path in files if path.suffix == ".png"]
    assert {path.stem for path in files if path.suffix == ".png"} == {
        "steps", "residuals", "traces", "cycles", "quantiles", "read_noise", "relaxation",
    }  # fmt: skip
    anchors = [r for r in references if not r.startswith("data:")]
    assert all(r.startswith("#") and f'id="{r[1:]}"' in html for r in anchors)
    assert sorted(files[0].parent.iterdir()) == sorted(files)  # no partial file is left


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(1.234e-5, "S", "12.34 \N{MICRO SIGN}S"), (3e3, "ohm", "3 kohm"), (0.25, "", "0.25"),
     (-5e-7, "S per decade", "-500 nS per decade"), (0.0, "V", "0 V"),
     (1e6, "pulses", "1e+06 pulses"), (float("nan"), "S", "\N{EM DASH}")],
)  # fmt: skip
def test_numbers_are_shown_with_their_unit(value, unit, text):
    assert format_si(value, unit) == text


def test_failures_are_listed_plainly(model, measured, tmp_path):
    pulses = only(measured, "pulses")
    wrong = fit_of(replace(model, set_fraction=1.3 * model.set_fraction), pulses)
    files = write_report(wrong, tmp_path / "wrong", seed=0, simulations=6)
    compared = json.loads(files[1].read_text())["checks"]
    failed = [c["name"] for c in compared for inside in c["inside"] if not inside]
    fails = files[0].read_text().partition('id="fails"')[2].partition("</section>")[0]
    assert fails.count("<tr>") == 1 + len(failed) > 3
    assert all(name in fails for name in failed)
    assert f"{len(failed)} of {sum(len(c['inside']) for c in compared)} checked numbers" in fails


def test_a_second_report_replaces_the_first_and_its_pictures(model, measured, tmp_path):
    write_report(fit_of(model, only(measured, "steps")), tmp_path, seed=0, simulations=2)
    assert (tmp_path / "steps.png").exists()
    files = write_report(fit_of(model, only(measured, "cycles")), tmp_path, seed=0, simulations=2)
    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert [path.name for path in files if path.suffix == ".png"] == ["cycles.png", "quantiles.png"]


def test_the_same_seed_gives_the_same_bytes(model, measured, tmp_path):
    one, two = (
        write_report(fit_of(model, only(measured, "written", "steps")), tmp_path / name, seed=7,
                     simulations=3)
        for name in "ab"
    )  # fmt: skip
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]


def test_without_measurements_the_page_says_so(model, tmp_path):
    files = write_report(fit_of(model, Measurements()), tmp_path / "empty", seed=0, simulations=2)
    text = "\n".join(Page(files[0].read_text()).text)
    assert "Nothing could be checked." in text
    assert [path.name for path in files] == ["report.html", "report.json", "quantiles.csv"]


def test_a_folder_of_something_else_is_left_alone(model, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(RunError) as caught:
        write_report(fit_of(model, Measurements()), tmp_path, seed=0)
    message = f"{tmp_path} holds something other than a report; no report was written"
    assert str(caught.value) == message
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    with pytest.raises(RunError, match=r"thesis\.tex is a file; name a folder; no report was"):
        write_report(fit_of(model, Measurements()), tmp_path / "thesis.tex", seed=0)


# --- measured sets -------------------------------------------------------------------------------


def test_measured_sets_can_be_drawn(model):
    reads = relaxation_reads()
    short = reads.reads[0].take(np.arange(len(reads.reads[0])) % 100_000 < 3000)
    parts = [nirram_cycles(), crosssim_ramps(), relaxation("B"), replace(reads, reads=(short,))]
    measured = excerpt(merge(parts), 4000)
    simulated = predictions(model, measured, seed=0, count=2)
    steps = pictures.steps(model, measured, simulated)
    assert [axes.get_title(loc="left") for axes in steps.axes] == [
        f"{name}: {len(steps_of(measured, sign)[0]):,} steps"
        for sign, name in ((1, "SET"), (-1, "RESET"))
    ]
    assert len(fit_noise.read_noise(measured, simulated).axes) == 10
    assert len(fit_noise.relaxation(measured, simulated).axes) == 6
