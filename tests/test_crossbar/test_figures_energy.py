"""The report of an estimate: sums that can be redone, pictures of the numbers, a quiet page."""

import base64
import csv
import dataclasses
import io
import json
import math
import re
import shutil
import subprocess

import numpy as np
import pytest
from xbar_energy import SILENT, toy_activity, toy_chip, toy_costs, toy_run
from xbar_page import Page

from crossbar.energy.estimate import estimate
from crossbar.energy.metrics import metrics
from crossbar.energy.results import COMPONENTS
from crossbar.energy.study import DesignPoint, RunEstimate, Study
from crossbar.energy.uncertainty import monte_carlo, tornado
from crossbar.figures import energy, energy_runs, style
from crossbar.reports.energy import PICTURES, check_folder, content, write_report
from crossbar.reports.energy_limits import LEFT_OUT
from crossbar.reports.energy_numbers import untested
from crossbar.reports.page import (
    Bullets,
    Callout,
    Cell,
    Picture,
    ReportTable,
    Section,
    Text,
    html,
    markdown,
)
from device_models.errors import RunError
from device_models.units import format_count, format_si

CHROMIUM = shutil.which("chromium")
DRAWS = 200


def studied(run=None, chip=None, **changes):
    """One run on one chip, parts in full."""
    run, chip, costs = run or toy_run(), chip or toy_chip(), toy_costs()
    percentiles = monte_carlo(run, chip, costs, draws=DRAWS, generator=np.random.default_rng(1))
    parts = {
        "runs": (RunEstimate("toy <1>", estimate(run, chip, costs), percentiles),),
        "costs": ("toy & co",),
        "draws": DRAWS,
        "seed": 1,
        "bars": tuple(tornado(run, chip, costs)),
        "metrics": (metrics(run),),
    }
    return Study(**parts | changes)


def compared():
    """Two runs and three chips of an exploration, the second of which is beaten."""
    first = studied()
    other = dataclasses.replace(toy_run(), accuracy=0.7, accuracy_interval=(0.65, 0.75))
    second = dataclasses.replace(studied(other).runs[0], name="other")
    chips = [({"adc_bits": 2, "tile": 4}, 0.4, True), ({"adc_bits": 3, "tile": 4}, 0.3, False),
             ({"adc_bits": 5, "tile": 4}, 0.5, True)]  # fmt: skip
    explored = tuple(
        DesignPoint(settings, accuracy, estimate(
            toy_run(), toy_chip(adc_bits=settings["adc_bits"]), toy_costs(
                adc_conversion=dataclasses.replace(
                    toy_costs().entries["adc_conversion"], low=settings["adc_bits"],
                    typical=2 * settings["adc_bits"], high=3 * settings["adc_bits"],
                )
            )
        ), best)
        for settings, accuracy, best in chips
    )  # fmt: skip
    return dataclasses.replace(
        first, runs=(*first.runs, second), metrics=first.metrics * 2, explored=explored
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """A report with everything in it: (study, its folder, its files by name)."""
    study, folder = compared(), tmp_path_factory.mktemp("out") / "report"
    return study, folder, {path.name: path for path in write_report(study, folder)}


# --- numbers -------------------------------------------------------------------------------------


def test_everything_is_written_and_nothing_else(report):
    _, folder, files = report
    pictures = {f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg")}
    assert set(files) == {"report.html", "report.md", "items.csv", "estimate.json", *pictures}
    assert {path.name for path in folder.iterdir()} == set(files)


def test_the_sums_can_be_redone_from_the_json(report):
    study, _, files = report
    numbers = json.loads(files["estimate.json"].read_bytes())
    assert numbers["format"] == "xbar estimate 1"
    for run, run_estimate in zip(numbers["runs"], study.runs, strict=True):
        seconds = {
            "joules": run["results"]["seconds_per_inference"],
            "joules_dense": run["results"]["seconds_per_inference_dense"],
        }
        for of, key in (("joules", "count"), ("joules_dense", "count_dense")):
            for end in ("low", "typical", "high"):
                total = run["results"]["leakage_watts"][end] * seconds[of][end]
                total += sum(
                    item[key] * item["unit_joules"][end]
                    for item in run["items"]
                    if item["component"] != "leakage"
                )
                assert total == pytest.approx(
                    getattr(getattr(run_estimate.estimate, of), end), rel=1e-12
                )
        area = sum(item["count"] * item["unit_m2"]["typical"] for item in run["area"])
        assert area == pytest.approx(run_estimate.estimate.m2.typical, rel=1e-12)
        results = run["results"]
        assert results["joules_per_inference"] == dataclasses.asdict(run_estimate.estimate.joules)
        assert results["synaptic_operations_per_inference"] * numbers["runs"][0]["run"][
            "inferences"
        ] == sum(layer["synaptic_operations"] for layer in run["counts"])
        assert {item["cost"] for item in run["items"]} <= set(run["constants"])


def test_every_constant_of_the_json_says_where_it_comes_from(report):
    study, _, files = report
    constants = json.loads(files["estimate.json"].read_bytes())["runs"][0]["constants"]
    assert set(constants) == set(study.first.used)
    for name, constant in constants.items():
        assert constant == dataclasses.asdict(study.first.used[name])
        assert constant["source"] == "toy"
        assert constant["mark"] == "P"


def test_neurobench_metrics_are_told_under_their_names(report):
    study, _, files = report
    neurobench = json.loads(files["estimate.json"].read_bytes())["runs"][0]["neurobench"]
    assert neurobench == study.metrics[0]
    assert {"Footprint", "ActivationSparsity", "SynapticOperations"} <= set(neurobench)
    assert "SynapticOperations, Effective_ACs" in " ".join(
        Page(files["report.html"].read_text()).text
    )


def test_rows_of_the_csv_are_products(report):
    study, _, files = report
    rows = list(csv.DictReader(io.StringIO(files["items.csv"].read_text())))
    assert len(rows) == sum(len(r.estimate.items) + len(r.estimate.training) for r in study.runs)
    for row in rows:
        # The time that leaks is itself uncertain: only the typical row of leakage is a product.
        for end in ("typical",) if row["component"] == "leakage" else ("low", "typical", "high"):
            unit = float(row[f"unit_joules_{end}"])
            assert float(row["count"]) * unit == pytest.approx(float(row[f"joules_{end}"]))
            assert float(row["count_dense"]) * unit == pytest.approx(
                float(row[f"joules_dense_{end}"])
            )
    inference = [r for r in rows if (r["run"], r["of"]) == ("toy <1>", "inference")]
    total = sum(float(row["joules_typical"]) for row in inference)
    assert total == pytest.approx(study.first.joules.typical, rel=1e-12)


# --- words ---------------------------------------------------------------------------------------


def test_the_page_says_what_a_proposal_needs(report):
    study, _, files = report
    text = " ".join(Page(files["report.html"].read_text()).text)
    for wanted in ("toy <1>", "toy & co", "What is left out", "How far simulation flatters",
                   "Where the energy goes", "Mapping onto tiles", "What it hangs on", "How certain",
                   "Training and lifetime", "Runs beside each other", "Other chips", "Constants",
                   "a lower bound", "200 draws", *LEFT_OUT):  # fmt: skip
        assert wanted in text
    for value in vars(study.first.joules).values():
        assert format_si(value, "J", digits=3) in text
    assert format_si(study.first.joules_dense.typical, "J", digits=3) in text
    assert "50.00% simulated (95 %: 40.00% to 60.00%); a chip may score 2.32 points less" in text
    for name in study.first.used:
        assert name in text


def test_page_and_markdown_have_the_same_sections_and_tables(report):
    _, _, files = report
    page, text = (files[f"report.{kind}"].read_text() for kind in ("html", "md"))
    assert re.findall(r"<h2>(.*?)</h2>", page) == re.findall(r"^## (.*)$", text, re.MULTILINE)
    rules = re.findall(r"^\|(?: -+:? \|)+$", text, re.MULTILINE)
    assert len(rules) == page.count("<table>") > 10
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) - 2 * len(rules) == page.count("<tr>") - len(rules)
    assert set(re.findall(r"!\[.*?\]\((.*?)\)", text)) == {f"{name}.png" for name in PICTURES}


def told_of(run, chip):
    """What is said of an accuracy that was not tested on such a chip."""
    return untested(studied(run, chip).first)


def test_what_was_assumed_and_what_was_not_tested_is_said():
    assert "exact columns" in untested(studied().first)
    assert "adc_bits=3" in untested(studied().first)
    assert not untested(studied(toy_run(adc_bits=3)).first)
    analog = toy_chip(adc_kind="none", neuron="analog")
    assert "exact columns; xbar train --set periphery.kind=analog" in told_of(toy_run(), analog)
    assert not told_of(toy_run(is_analog=True), analog)
    assert "those of analog neurons; --sweep" in told_of(toy_run(is_analog=True), toy_chip())
    nothing = math.nan
    run = toy_run(
        dataclasses.replace(toy_activity(), assumed=True), accuracy=nothing,
        accuracy_interval=(nothing, nothing), training=(),
    )  # fmt: skip
    page = _page(studied(run))
    assert "this network was never run" in page
    assert "none: this network was never run" in page
    assert "nan" not in page
    assert content(studied(run))["runs"][0]["results"]["accuracy"] is None


def test_a_silent_network_has_a_report():
    page = _page(studied(toy_run(toy_activity(SILENT, SILENT))))
    assert "0 sent by hidden neurons" in page
    assert "nan" not in page


def _page(study):
    from crossbar.reports.energy_sections import sections

    return " ".join(Page(html("x", sections(study), {})).text)


def test_blocks_are_written_as_html_and_markdown():
    blocks = [
        Callout([Text("a < b")]),
        Bullets(["c", "d"]),
        ReportTable(["x", ">y"], [["p|q", "<1>"]]),
        Picture("seen", "drawn"),
        Picture("unseen", "not drawn"),
    ]
    parts = [Section("k", "T & U", blocks)]
    page = html("<t>", parts, {"seen": b"png"})
    assert '<div class="box"><p>a &lt; b</p>' in page
    assert '<td>p|q</td><td class="n">&lt;1&gt;</td>' in page
    assert base64.b64encode(b"png").decode() in page
    assert "not drawn" not in page
    assert Page(page).references == ["#k", "data:image/png;base64,cG5n"]
    assert markdown("t", parts, {"seen": b"png"}) == (
        "# t\n\n## T & U\n\n> a \\< b\n\n- c\n- d\n\n| x | y |\n| --- | ---: |\n"
        "| p\\|q | \\<1> |\n\n"
        "![drawn](seen.png)\n\n*drawn*\n"
    )


@pytest.mark.parametrize(
    ("cell", "as_html", "as_text"),
    [
        (Cell("a<b", "code"), '<td class="n"><code>a&lt;b</code></td>', "a\\<b"),
        (Cell("assumed", "assumed"), '<td class="n"><span class="assumed">assumed</span></td>',
         "assumed"),
        (Cell("7", "out", below="1 to <2"),
         '<td class="n out">7<br><span class="in">1 to &lt;2</span></td>', "7 (1 to \\<2)"),
        (Cell("7", below="1 to 9", wide=True),
         '<td class="n">7<br><span class="in">1 to 9 <i>wide</i></span></td>', "7 (1 to 9, wide)"),
    ],
)  # fmt: skip
def test_a_cell_shows_its_mark_and_its_second_line(cell, as_html, as_text):
    parts = [Section("k", "T", [ReportTable([">x"], [[cell]])])]
    assert as_html in html("t", parts, {})
    assert f"| {as_text} |" in markdown("t", parts, {})


def test_a_lead_stands_before_the_links_and_leads_to_a_section():
    lead = [Text("a & b:", link=("k", "see")), Callout([Bullets(["careful"])])]
    page = html("t", [Section("k", "T", [])], {}, lead=lead)
    before, _, after = page.partition("<nav>")
    assert '<p>a &amp; b: <a href="#k">see</a>.</p>' in before
    assert '<div class="box"><ul><li>careful</li></ul>' in before
    assert Page(page).references == ["#k", "#k"]
    assert 'id="k"' in after


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(41.6e-9, 3, "41.6 nJ"), (999.6e-9, 3, "1 \N{MICRO SIGN}J"), (0.0, 3, "0 J"),
     (999.6e-9, 4, "999.6 nJ"), (2e-18, 3, "0.002 fJ")],
)  # fmt: skip
def test_three_digits_and_a_prefix(value, digits, text):
    assert format_si(value, "J", digits=digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(12_345.6, "12,346"), (999.4, "999"), (0.00123, "0.00123"), (math.inf, "\N{EM DASH}")],
)
def test_counts_have_no_prefix(value, text):
    assert format_count(value) == text


# --- pictures ------------------------------------------------------------------------------------


def test_bars_are_as_long_as_the_energy_of_each_component():
    e = studied().first
    gated, dense = energy.components(e).axes
    for axes, of in ((gated, "joules"), (dense, "joules_dense")):
        whole = {}
        for patch in axes.patches:
            if abs(patch.get_y() + patch.get_height() / 2) < 1e-9:  # the first bar: all layers
                whole[patch.get_facecolor()] = patch.get_width()
        factor = sum(whole.values()) / getattr(e, of).typical
        assert math.log10(factor) == pytest.approx(round(math.log10(factor)), abs=1e-9)
        for name in COMPONENTS:
            joules = sum(getattr(i, of).typical for i in e.items if i.component == name)
            drawn = whole[matplotlib_colour(energy.COLOURS[name])]
            assert drawn == pytest.approx(factor * joules, abs=1e-9 * factor)


def matplotlib_colour(name):
    from matplotlib.colors import to_rgba

    return to_rgba(name)


def test_a_tornado_reaches_from_low_to_high_widest_first():
    study = studied()
    (axes,) = energy.tornado(study.bars, study.first.joules.typical).axes
    ends = [p.get_x() + p.get_width() for p in axes.patches]
    factor = style_factor(study)
    for i, bar in enumerate(study.bars[: energy.MOST_BARS]):
        assert ends[2 * i] == pytest.approx(factor * bar.low_joules)
        assert ends[2 * i + 1] == pytest.approx(factor * bar.high_joules)
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        bar.name for bar in study.bars[: energy.MOST_BARS]
    ]


def style_factor(study):
    from device_models.units import si_prefix

    drawn = study.bars[: energy.MOST_BARS]
    return si_prefix(max(max(bar.low_joules, bar.high_joules) for bar in drawn))[0]


def test_the_front_is_dark_and_joined():
    figure = energy.draw(compared())["front"]
    joined = [(40.0, "2 bits, tile 4"), (50.0, "5 bits, tile 4")]
    for axes, wanted in zip(figure.axes, (joined, joined[1:]), strict=True):  # all have one area
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        assert [dot.get_color() for dot in dots].count(style.INHIBITORY) == 2
        (steps,) = [line for line in axes.lines if line.get_color() == style.HIGHLIGHT]
        assert list(steps.get_ydata()) == [height for height, _ in wanted]
        assert [text.get_text() for text in axes.texts] == [name for _, name in wanted]


def test_runs_far_apart_share_a_logarithmic_axis():
    near = energy.run_point(studied().runs[0])
    far = dataclasses.replace(near, joules=near.joules * 100.0)
    assert energy_runs.runs([near, far]).axes[0].get_xscale() == "log"


def test_without_draws_and_others_their_pictures_are_left_out():
    first = studied().runs[0]
    alone = studied(runs=(dataclasses.replace(first, percentiles={}),), draws=0, bars=())
    assert set(energy.draw(alone)) == {"energy", "area"}
    assert "How certain" not in _page(alone)


def test_the_same_study_gives_the_same_bytes(tmp_path, report):
    study, _, files = report
    again = write_report(study, tmp_path / "again")
    for path in again:
        assert path.read_bytes() == files[path.name].read_bytes(), path.name


def test_a_report_replaces_a_report_and_nothing_else(tmp_path):
    study = studied()
    write_report(study, tmp_path / "out")
    files = write_report(study, tmp_path / "out", figures=False)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {p.name for p in files}
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").write_text("precious")
    for call in (check_folder, lambda folder: write_report(study, folder, figures=False)):
        with pytest.raises(RunError, match="something other than a report; no report was written"):
            call(other)
        with pytest.raises(RunError, match="is a file; name a folder; no report was written"):
            call(other / "mine.txt")
    assert [path.name for path in other.iterdir()] == ["mine.txt"]


# --- the network is not asked --------------------------------------------------------------------


def test_the_page_refers_to_nothing_outside_and_is_made_for_paper(report):
    _, _, files = report
    page = files["report.html"].read_text()
    assert not re.search(r"(?:https?:)?//[a-z]", re.sub(r"base64,[^\"]+", "", page))
    assert "url(" not in page
    assert "@import" not in page
    references = Page(page).references
    drawn = [r for r in references if r.startswith("data:image/png;base64,")]
    assert {base64.b64decode(r.partition(",")[2]) for r in drawn} == {
        path.read_bytes() for path in files.values() if path.suffix == ".png"
    }
    anchors = [r for r in references if not r.startswith("data:")]
    assert all(r.startswith("#") and f'id="{r[1:]}"' in page for r in anchors)
    assert "@media print" in page


def requests(page, folder):
    """Addresses that a page asks for in a browser; the browser itself is told that none exists."""
    log = folder / "net.json"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
             "--no-first-run", "--disable-component-update",
             "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={folder / 'profile'}",
             f"--log-net-log={log}", "--dump-dom"]  # fmt: skip
    done = subprocess.run(
        [CHROMIUM, *flags, page.as_uri()], check=True, capture_output=True, text=True, timeout=120
    )
    events = [e.get("params", {}) for e in json.loads(log.read_text())["events"]]
    # What the browser asks on its own account has no origin.
    asked = {
        e["url"]
        for e in events
        if "url" in e and e.get("initiator", "not an origin") != "not an origin"
    }
    return asked, done.stdout


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_a_browser_shows_the_page_and_asks_for_nothing(report, tmp_path):
    _, _, files = report
    asked, dom = requests(files["report.html"], tmp_path)
    assert "How far simulation flatters" in dom
    assert asked == set()


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_test_above_would_notice_a_picture_from_elsewhere(tmp_path):
    page = tmp_path / "page.html"
    page.write_text('<img src="http://example.org/x.png"><p style="background:url(//a.b/c)">x')
    asked, _ = requests(page, tmp_path)
    assert "http://example.org/x.png" in asked
