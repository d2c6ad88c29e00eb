import json
import subprocess
import sys

import pytest
from click.testing import CliRunner
from matplotlib.image import imread

from cli.devices import headline, si
from cli.main import main
from device_models.homes import headlines
from device_models.presets import load_device, preset_names


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*args):
    result = CliRunner().invoke(main, ["devices", *args])
    return result.exit_code, result.stdout, result.stderr


OWN = """\
model: ideal
status: measured
g_min_siemens: 0
g_max_siemens: 1e-3
states: 50
sources: {}
"""


# --- the list ------------------------------------------------------------------------------------


def test_the_list_names_every_preset_with_its_window(here):
    code, stdout, stderr = run()
    assert (code, stderr) == (0, "")
    assert stdout == (
        "enode_tabulated.yaml   tabulated        measured    "
        "298 uS .. 978 uS (3.36 kohm .. 1.02 kohm)\n"
        "    A device that repeats the steps of one measured device, "
        "place by place of its own range.\n"
        "gaussian_update.yaml   gaussian_update  literature  1 uS .. 1 mS (1 Mohm .. 1 kohm)\n"
        "    The noise model of the seed paper: every programming operation adds "
        "Normal(0, sigma).\n"
        "gong2018_exp.yaml      exp_step         literature  1 uS .. 100 uS (1 Mohm .. 10 kohm)\n"
        "    A device with an exponential correction to a constant step, per polarity.\n"
        "hfo2_multilevel.yaml   soft_bounds      literature  1 uS .. 100 uS (1 Mohm .. 10 kohm)\n"
        "    A device that approaches each bound exponentially in the number of pulses.\n"
        "ideal.yaml             ideal            invented    1 uS .. 1 mS (1 Mohm .. 1 kohm)\n"
        "    Reads without noise and moves by exactly what it was told, in `states` equal steps.\n"
        "oxram.yaml             oxram            mixed       1 uS .. 1 mS (1 Mohm .. 1 kohm)\n"
        "    Filamentary oxide RRAM in the 1e3..1e6 ohm window, programmed by identical pulses.\n"
        "oxram_literature.yaml  oxram            literature  1 uS .. 1 mS (1 Mohm .. 1 kohm)\n"
        "    Filamentary oxide RRAM in the 1e3..1e6 ohm window, programmed by identical pulses.\n"
        "taox_analog.yaml       log_step         mixed       "
        "1.61 mS .. 2.49 mS (623 ohm .. 402 ohm)\n"
        "    A device whose step depends on ln G by a polynomial of third degree, per polarity.\n"
        "taox_tabulated.yaml    tabulated        measured    "
        "10 uS .. 133 uS (99.7 kohm .. 7.54 kohm)\n"
        "    A device that repeats the steps of one measured device, "
        "place by place of its own range.\n"
        "voltage_tables.yaml    oxram            mixed       "
        "3.98 uS .. 31 uS (251 kohm .. 32.3 kohm)\n"
        "    Filamentary oxide RRAM in the 1e3..1e6 ohm window, programmed by identical pulses.\n"
        "\n"
        "xbar devices NAME shows one with its sources and its picture.\n"
    )
    assert list(here.iterdir()) == []


def test_the_list_as_json_is_in_si_units():
    code, stdout, stderr = run("--json")
    assert (code, stderr) == (0, "")
    found = json.loads(stdout)
    assert [row["name"] for row in found] == preset_names()
    oxram = next(row for row in found if row["name"] == "oxram.yaml")
    assert (oxram["g_min_siemens"], oxram["r_max_ohms"]) == (1e-6, pytest.approx(1e6))


@pytest.mark.parametrize(
    ("args", "option"),
    [(["--out", "a.png"], "--out"), (["--seed", "1"], "--seed"), (["--no-figure"], "--no-figure")],
)
def test_an_option_of_the_picture_needs_a_device(here, args, option):
    message = f"Error: {option} needs a device, as in xbar devices oxram.yaml; nothing was drawn\n"
    assert run(*args) == (2, "", message)
    assert list(here.iterdir()) == []


# --- one device ----------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", preset_names())
def test_a_preset_is_shown_with_every_parameter_and_source_and_drawn(here, preset):
    code, stdout, stderr = run(preset)
    picture = preset.removesuffix(".yaml") + ".png"
    assert (code, stderr) == (0, f"figure: {picture}\n")
    assert [entry.name for entry in here.iterdir()] == [picture]
    assert imread(picture)[:, :, :3].std() > 0.05
    words = " ".join(stdout.split())
    for name, source in load_device(preset).sources.items():
        assert f"\n{name} " in stdout
        assert " ".join(source.split()) in words
    assert max(map(len, stdout.splitlines())) <= 100


def test_a_parameter_is_printed_with_value_unit_range_and_source():
    _, stdout, _ = run("gaussian_update", "--no-figure")
    assert stdout.startswith(
        "gaussian_update: model gaussian_update, parameters: literature\n"
        "The noise model of the seed paper: every programming operation adds "
        "Normal(0, sigma).\n"
        "window 1 uS .. 1 mS (1 Mohm .. 1 kohm)\n"
        "\n"
        "g_min_siemens         1e-06     S       [0, 1]\n"
        "    Kilgore et al., Sci. Rep. 15, 24798 (2025): devices of 1 kohm to 1 Mohm\n"
    )
    assert "\nnoise_on              all" in stdout


def test_json_holds_the_same_for_machines_and_nothing_else_is_on_stdout():
    code, stdout, stderr = run("oxram.yaml", "--json", "--no-figure")
    assert (code, stderr) == (0, "")
    found = json.loads(stdout)
    oxram = load_device("oxram")
    assert (found["model"], found["status"], found["figure"]) == ("oxram", oxram.status, None)
    printed = {row["name"]: row["value"] for row in found["parameters"]}
    for name in oxram.sources:
        value = getattr(oxram, name)
        assert printed[name] == (list(value) if isinstance(value, tuple) else value), name
    knee = next(row for row in found["parameters"] if row["name"] == "read_knee_ohms")
    assert (knee["unit"], knee["source"]) == ("ohm", oxram.sources["read_knee_ohms"])


def test_the_picture_goes_where_it_is_told_to_and_json_says_where(here):
    (here / "figures").mkdir()
    code, stdout, stderr = run("ideal", "--json", "--out", "figures/a.png")
    assert (code, json.loads(stdout)["figure"]) == (0, "figures/a.png")
    assert stderr == "figure: figures/a.png\n"
    assert [str(path.relative_to(here)) for path in here.rglob("*.png")] == ["figures/a.png"]


def test_an_own_device_without_sources_or_lower_bound_is_shown(here):
    (here / "my.device.yaml").write_text(OWN)
    code, stdout, stderr = run("my.device.yaml")
    assert (code, stderr) == (0, "figure: my.device.png\n")
    assert "window 0 S .. 1 mS (open .. 1 kohm)\n" in stdout
    assert stdout.count("    no source given\n") == 3
    _, stdout, _ = run("my.device.yaml", "--json", "--no-figure")
    assert json.loads(stdout)["r_max_ohms"] is None


def test_a_device_that_starts_from_another_is_shown_whole(here):
    (here / "mine.yaml").write_text("base: oxram\nc2c_sigma: 0.5\n")
    code, stdout, stderr = run("mine.yaml", "--no-figure")
    assert (code, stderr) == (0, "")
    assert stdout.startswith("mine.yaml: model oxram, parameters: invented\n")
    assert "\n    assumed: set in mine.yaml, which gives no source\n" in stdout
    assert f"\n    {load_device('oxram').sources['reset_volts']}\n" in stdout


def test_the_seed_decides_the_picture(here):
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run("oxram", "--seed", seed, "--out", f"{name}.png")[0] == 0
    a, b, c = ((here / f"{name}.png").read_bytes() for name in "abc")
    assert a == b
    assert a != c


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["oxran"],
            "no device file and no preset 'oxran'; did you mean 'oxram.yaml'?; nothing was drawn",
        ),
        (["."], ".: Is a directory; nothing was read"),
        (
            ["oxram", "--seed", "-1"],
            "--seed = -1 is outside [0, 9223372036854775807]; nothing was drawn",
        ),
        (
            ["oxram", "--seed", "one"],
            "--seed must be a whole number in [0, 9223372036854775807], not 'one'; "
            "nothing was drawn",
        ),
        (
            ["oxram", "--out", "a.png", "--no-figure"],
            "--out and --no-figure exclude each other; nothing was drawn",
        ),
        (["oxram", "--out", "."], ". is a folder; name a .png file; no figure was written"),
        (["oxram", "--out", "a.pdf"], "a.pdf must end in .png; no figure was written"),
        (["oxram", "--out", "no/a.png"], "there is no folder no; no figure was written"),
        (
            ["oxram", "--out", f"{'a' * 300}.png"],
            f"{'a' * 300}.png: File name too long; no figure was written",
        ),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_printed_or_written(here, args, message):
    assert run(*args) == (2, "", f"Error: {message}\n")
    assert list(here.iterdir()) == []


def test_a_mistake_in_a_file_is_named_by_its_line(here):
    (here / "mine.yaml").write_text(OWN.replace("50", "1"))
    message = "mine.yaml:5:9: states = 1 is outside [2, 1073741824] states; nothing was drawn"
    assert run("mine.yaml") == (2, "", f"Error: {message}\n")
    assert [entry.name for entry in here.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0 S"), (1e-6, "1 uS"), (999.9e-6, "1 mS"), (1.5e-9, "1.5 nS"), (1.0, "1 S"),
     (1e-18, "0.001 fS"), (2e12, "2e+03 GS")],
)  # fmt: skip
def test_a_value_is_written_with_the_prefix_that_suits_it(value, text):
    assert si(value, "S") == text


def test_the_list_says_of_a_device_what_its_own_page_says():
    for head in headlines():
        assert head == headline(head.name, load_device(head.name))


# --- weight --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "unwanted"),
    [
        (["--help"], {"torch", "matplotlib", "yaml"}),
        ([], {"torch", "numpy"}),
        (["oxram", "--no-figure"], {"matplotlib"}),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(args, unwanted):
    code = (
        "import sys\nfrom cli.main import main\n"
        f"main({['devices', *args]!r}, standalone_mode=False)\n"
        f"sys.exit(bool({unwanted!r} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


# --- from aihwkit --------------------------------------------------------------------------------

SOFT = {
    "class": "SoftBoundsDevice", "dw_min": 0.01, "dw_min_dtod": 0.2, "dw_min_std": 0.3,
    "up_down": 0.1, "up_down_dtod": 0.02, "w_max": 1.0, "w_max_dtod": 0.0, "w_min": -1.0,
    "w_min_dtod": 0.0, "mult_noise": True, "write_noise_std": 2.0,
}  # fmt: skip


def test_a_device_of_aihwkit_becomes_a_device_file(here):
    (here / "soft.json").write_text(json.dumps({"device": SOFT}))
    asked = "my.yaml", "--from-aihwkit", "soft.json", "--window", "1e-6:5e-5"
    code, stdout, stderr = run(*asked, "--without", "write_noise_std")
    assert (code, stdout, stderr) == (0, "my.yaml: soft_bounds from SoftBoundsDevice\n", "")
    model = load_device("my.yaml")
    assert (model.g_min_siemens, model.g_max_siemens) == (1e-6, 5e-5)
    assert model.set_fraction > model.reset_fraction
    assert "without its write_noise_std" in model.sources["set_fraction"]


@pytest.mark.parametrize(
    ("config", "args", "words"),
    [
        (SOFT, (), "no law for write_noise_std = 2 of SoftBoundsDevice"),
        (SOFT | {"class": "PiecewiseStepDevice"}, (), "of the kind 'PiecewiseStepDevice'"),
        (SOFT, ("--window", "wide"), "--window must be LOW:HIGH in siemens, not 'wide'"),
        ([1], (), "a device is a JSON object, not list"),
    ],
)
def test_a_device_of_aihwkit_without_a_law_is_named_and_nothing_written(here, config, args, words):
    (here / "soft.json").write_text(json.dumps(config))
    code, stdout, stderr = run("my.yaml", "--from-aihwkit", "soft.json", *args)
    assert (code, stdout) == (2, "")
    assert words in stderr
    assert stderr.endswith("nothing was written\n")
    assert [entry.name for entry in here.iterdir()] == ["soft.json"]


def test_options_of_aihwkit_need_it_and_a_file():
    assert "--window and --without need --from-aihwkit" in run("oxram", "--without", "x")[2]
    assert "needs the device file to write" in run("--from-aihwkit", "soft.json")[2]
