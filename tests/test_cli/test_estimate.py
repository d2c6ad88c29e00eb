"""`xbar estimate`: a report for a run, and every wrong input in one line with nothing written."""

import json
import shutil
import subprocess
import sys

import pytest
import xbar_commands

from crossbar.energy.chip import load_chip
from crossbar.energy.costs import load_costs
from device_models.schema import dump

pytestmark = pytest.mark.usefixtures("here")

FILES = {"estimate.json", "items.csv", "report.html", "report.md"}
DRAWN = {f"{name}.{kind}" for name in ("energy", "area", "tornado", "certainty")
         for kind in ("png", "svg")}  # fmt: skip

NETWORK = """
layers:
- {kind: dense, neurons: 30, ei: 80:20}
- {kind: dense, neurons: 10, neuron: leaky_integrator}
"""


def run(*args, command="estimate"):
    return xbar_commands.command(command, *args)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    """A run of one epoch on an ideal device; not to be changed."""
    folder = tmp_path_factory.mktemp("trained")
    return xbar_commands.small_run(folder, "--device", "ideal", *data)


# --- what it does --------------------------------------------------------------------------------


def test_a_run_gets_a_report_and_a_person_a_table(trained, here):
    ended = run(trained, "--out", "report", "--draws", 300)
    assert (ended.exit_code, ended.stderr) == (0, "")
    assert {path.name for path in (here / "report").iterdir()} == FILES | DRAWN
    results = json.loads((here / "report" / "estimate.json").read_bytes())["runs"][0]["results"]
    for name in ("energy of an inference", "time of an inference", "energy of a SOP", "area",
                 "operations per joule", "leakage", "energy of the training", "SOP of an inference",
                 "spikes of an inference", "simulated accuracy", "ADC", "buffers"):  # fmt: skip
        assert any(line.startswith(f"{name} ") for line in ended.stdout.splitlines()), name
    assert f"{results['accuracy']:.2%}" in ended.stdout
    assert "a chip may score 2.32 points less" in ended.stdout
    assert "those of exact columns; --sweep adc_bits=6 tests" in ended.stdout
    assert ended.stdout.splitlines()[-1].split() == ["report", "report/report.html"]
    assert (
        results["accuracy"] == json.loads((trained / "summary.json").read_text())["test_accuracy"]
    )


def test_the_report_lies_in_the_run_by_default_and_is_replaced(trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "own")
    first = run(folder, "--no-figures", "--json", "--seed", 3)
    assert first.exit_code == 0, first.stderr
    assert {path.name for path in (folder / "estimate").iterdir()} == FILES
    numbers = (folder / "estimate" / "estimate.json").read_bytes()
    assert json.loads(first.stdout) == json.loads(numbers)
    assert run(folder, "--no-figures", "--seed", 3).exit_code == 0
    assert (folder / "estimate" / "estimate.json").read_bytes() == numbers
    assert run(folder, "--no-figures", "--seed", 4).exit_code == 0
    assert (folder / "estimate" / "estimate.json").read_bytes() != numbers


def test_runs_and_chips_are_compared(trained, tmp_path):
    other = shutil.copytree(trained, tmp_path / "other")
    ended = run(trained, other, "--chip", "research_130nm", "--chip", "analog_28nm",
                "--out", "both", "--json", "--draws", 50)  # fmt: skip
    assert ended.exit_code == 0, ended.stderr
    runs = json.loads(ended.stdout)["runs"]
    names = [f"{n} on {c}" for n in ("run", "other") for c in ("research_130nm", "analog_28nm")]
    assert [each["name"] for each in runs] == names
    joules = [each["results"]["joules_per_inference"]["typical"] for each in runs]
    assert joules[:2] == joules[2:]
    assert joules[0] > joules[1]
    assert (tmp_path / "here" / "both" / "runs.svg").stat().st_size > 1000


def test_costs_of_ones_own_come_over_those_that_ship(trained, here):
    entry = load_costs(["default"]).entries["driver_row"]
    (here / "mine.yaml").write_text(
        "name: mine\nentries:\n  driver_row: {low: 1, typical: 2, high: 3, unit: J, "
        "source: a guess, mark: P}\n", "utf-8",
    )  # fmt: skip
    ended = run(trained, "--costs", "mine.yaml", "--out", "x", "--no-figures", "--json")
    assert ended.exit_code == 0, ended.stderr
    used = json.loads(ended.stdout)["runs"][0]["constants"]["driver_row"]
    assert used["value"] == {"low": 1.0, "typical": 2.0, "high": 3.0}
    assert used["source"] == "a guess" != entry.source


def test_a_network_that_was_never_run_is_assumed_and_says_so(here):
    (here / "net.yaml").write_text(NETWORK, "utf-8")
    ended = run("--network", "net.yaml", "--rates", "2,5", "--out", "x", "--no-figures")
    assert ended.exit_code == 0, ended.stderr
    assert "assumed                   spikes at the given rates" in ended.stdout
    assert "simulated accuracy" not in ended.stdout
    results = json.loads((here / "x" / "estimate.json").read_bytes())["runs"][0]["results"]
    assert results["assumed"] is True
    assert results["accuracy"] is None
    assert results["input_spikes_per_inference"] == pytest.approx(784 * 2 * 0.1, rel=0.05)
    assert results["spikes_per_inference"] == pytest.approx(30 * 5 * 0.1, rel=0.15)


def test_a_sweep_tests_the_run_anew_and_draws_the_front(trained, data, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "own")
    call = (folder, "--sweep", "adc_bits=1,6", "tile=64", "--draws", 50, "--out", "x", *data)
    ended = run(*call, "--pareto")
    assert ended.exit_code == 0, ended.stderr
    explored = json.loads((tmp_path / "here" / "x" / "estimate.json").read_bytes())["explored"]
    assert [tuple(each["settings"].values()) for each in explored] == [
        (1, 64), (6, 64)
    ]  # fmt: skip
    best = [each for each in explored if each["pareto_front"]]
    for each in explored:
        beaten = [
            b for b in best
            if b["accuracy"] >= each["accuracy"]
            and b["joules"]["typical"] <= each["joules"]["typical"]
            and b["m2"]["typical"] <= each["m2"]["typical"] and b is not each
        ]  # fmt: skip
        assert each["pareto_front"] == (not beaten)
    shown = [line for line in ended.stdout.splitlines() if " bits, tile " in line]
    assert len(shown) == len(best)
    assert explored[1]["accuracy"] > explored[0]["accuracy"]
    assert explored[1]["joules"]["typical"] > explored[0]["joules"]["typical"]
    assert (tmp_path / "here" / "x" / "front.png").exists()
    written = {path: path.stat().st_mtime_ns for path in (folder / "explore").iterdir()}
    assert run(*call, "--no-figures").exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in (folder / "explore").iterdir()} == written


@pytest.mark.parametrize("figures", [True, False])
def test_nobody_waits_for_torch_or_numba(trained, here, figures):
    arguments = ["estimate", str(trained), "--out", "x", *([] if figures else ["--no-figures"])]
    code = (
        "import sys\nfrom cli.main import main\n"
        f"main({arguments!r}, standalone_mode=False)\n"
        "print(*sys.modules, sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    modules = set(done.stderr.split())
    assert "crossbar.energy.estimate" in modules
    assert not modules & {"torch", "numba", "scipy"}
    assert ("matplotlib" in modules) == figures


# --- wrong input ---------------------------------------------------------------------------------


def chip_file(here, **changes):
    text = dump(load_chip("proposal_28nm"))
    for name, value in changes.items():
        (line,) = [each for each in text.splitlines() if each.startswith(f"{name}:")]
        text = text.replace(line, f"{name}: {value}")
    (here / "chip.yaml").write_text(text, "utf-8")
    return ("--chip", "chip.yaml")


def costs_file(here, entry):
    (here / "mine.yaml").write_text(f"name: mine\nentries:\n  driver_row: {entry}\n", "utf-8")
    return ("--costs", "mine.yaml")


def refused(here, before, *args):
    """One line on stderr, exit 2, nothing written; the line without its `Error: `."""
    ended = run(*args)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("Error: ")
    assert ended.stderr.endswith("\n")
    assert "nothing was " in ended.stderr or "no report was written" in ended.stderr
    assert files(here) == before
    return ended.stderr.removeprefix("Error: ").strip()


GOOD = "{low: 1, typical: 2, high: 3, unit: J, source: x, mark: P}"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (GOOD.replace("unit: J", "unit: kWh"), ["mine.yaml:3:", "unit must be", "'kWh'"]),
        (GOOD.replace("low: 1", "low: -1"), ["mine.yaml:3:", "low = -1", "outside [0, "]),
        (GOOD.replace("typical: 2, ", ""), ["mine.yaml:3:", "missing key", "typical"]),
        (GOOD.replace("low: 1", "low: 5"), ["mine.yaml:3:", "low, typical and high must rise"]),
        (GOOD.replace("low: 1", "low: .nan"), ["mine.yaml:3:", "low"]),
        (GOOD.replace("unit: J", "unit: m2"), ["mine.yaml", "driver_row.unit must be J"]),
    ],
)
def test_wrong_constants_are_refused(trained, here, entry, words):
    args = costs_file(here, entry)
    message = refused(here, files(here), trained, *args, "--out", "x")
    for word in words:
        assert word in message


def test_an_entry_that_nothing_reads_is_refused(trained, here):
    (here / "mine.yaml").write_text(f"name: m\nentries:\n  driver_raw: {GOOD}\n", "utf-8")
    message = refused(here, files(here), trained, "--costs", "mine.yaml", "--out", "x")
    assert "did you mean 'driver_row'?" in message


def test_a_node_without_data_names_those_that_have(trained, here):
    args = chip_file(here, node_nm=3)
    message = refused(here, files(here), trained, *args, "--out", "x")
    assert "node_nm = 3 has no scaling data" in message
    assert "130" in message


def test_a_chip_too_small_says_how_many_tiles_are_needed(trained, here):
    args = chip_file(here, tiles=3)
    message = refused(here, files(here), trained, *args, "--out", "x")
    assert "3 tiles" in message
    assert "8" in message  # 784 rows are 7 tiles of 128, the readout is one


def test_a_run_without_its_spikes_says_how_to_get_them(trained, here):
    shutil.copytree(trained, here / "old")
    (here / "old" / "activity.npz").unlink()
    message = refused(here, files(here), "old")
    assert message.startswith("old has no activity.npz")
    assert "xbar train --resume old" in message


def test_a_damaged_activity_is_refused(trained, here):
    shutil.copytree(trained, here / "old")
    whole = (here / "old" / "activity.npz").read_bytes()
    (here / "old" / "activity.npz").write_bytes(whole[: len(whole) // 2])
    assert "xbar train --resume old" in refused(here, files(here), "old")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("RUN", "--chip", "proposal_29nm"), ["no preset 'proposal_29nm'", "did you mean"]),
        (("RUN", "--costs", "defualt"), ["no preset 'defualt'", "did you mean 'default.yaml'?"]),
        (("RUN", "--sweep", "adc_bits"), ["NAME=VALUES", "'adc_bits'"]),
        (("RUN", "--sweep", "adc_bits=3:x"), ["--sweep adc_bits takes values", "'3:x'"]),
        (("RUN", "--sweep", "adc_bits=nan"), ["adc_bits"]),
        (("RUN", "--sweep", "adc_bits=3:6", "adc_bits=4"), ["--sweep adc_bits is given twice"]),
        (("RUN", "--sweep", "adc_bitz=3:6"), ["adc_bitz", "did you mean 'adc_bits'?"]),
        (("RUN", "--sweep", "adc_bits=3:6", "--chip", "analog_28nm"), ["has no converters"]),
        (("RUN", "--sweep", "adc_bits=99"), ["adc_bits", "outside [1, 16]"]),
        (("RUN", "--pareto"), ["--pareto needs --sweep"]),
        (("RUN", "--rates", "4,5"), ["--rates needs --network"]),
        (("RUN", "--network", "net.yaml", "--rates", "4,5"), ["give one of them"]),
        (("--network", "net.yaml", "--out", "x"), ["--network needs --rates"]),
        (("--network", "net.yaml", "--rates", "4,5"), ["--network needs --out"]),
        (("--network", "net.yaml", "--rates", "4", "--out", "x"), ["1 rates are given", "needs 2"]),
        (("--network", "net.yaml", "--rates", "4,-5", "--out", "x"), ["-5", "outside [0, "]),
        (("--network", "net.yaml", "--rates", "4,x", "--out", "x"), ["--rates takes numbers"]),
        (("--network", "no.yaml", "--rates", "4,5", "--out", "x"), ["no.yaml"]),
        ((), ["name a RUN"]),
        (("nowhere",), ["nowhere is no run"]),
        (("net.yaml",), ["net.yaml is a file"]),
        (("RUN", "--draws", "-1"), ["--draws = -1", "outside [0, 1000000]"]),
        (("RUN", "--seed", "x"), ["--seed must be a whole number"]),
        (("RUN", "--out", "."), [". holds something other than a report"]),
        (("RUN", "--out", "net.yaml"), ["net.yaml is a file"]),
    ],
)
def test_wrong_input_is_one_line_and_nothing_is_written(trained, here, args, words):
    (here / "net.yaml").write_text(NETWORK, "utf-8")
    inside = files(trained)
    args = [trained if each == "RUN" else each for each in args]
    message = refused(here, files(here), *args)
    for word in words:
        assert word in message
    assert files(trained) == inside
