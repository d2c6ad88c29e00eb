"""Device files: where they are found, what the shipped ones hold."""

import numbers
from pathlib import Path

import pytest
from xbar_devices import VALID

from device_models.errors import ConfigError
from device_models.presets import load_device, preset_names
from device_models.record import declared
from device_models.registry import MODELS, name_of
from device_models.schema import dump, load_tagged

each_preset = pytest.mark.parametrize("name", preset_names())
OWN = "model: ideal\nstatus: invented\ng_min_siemens: 2e-6\ng_max_siemens: 1e-3\nstates: 64\n"
OWN += "sources: {states: mine}\n"


def test_every_model_has_a_preset_or_a_device_in_the_laws():
    presets = {name.removesuffix(".yaml") for name in preset_names()}
    assert set(MODELS) == presets & set(MODELS) | set(VALID)


@each_preset
def test_a_preset_loads_by_both_spellings(name):
    model = load_device(name)
    assert model == load_device(name.removesuffix(".yaml"))
    assert name_of(model) in MODELS


@each_preset
def test_every_number_a_preset_gives_has_a_source(name):
    """A number left at its default is a part of the physics that is switched off."""
    model = load_device(name)
    fields = {f: field for f, (field, _) in declared(type(model)).items()}
    numeric = {
        f
        for f, field in fields.items()
        if isinstance(getattr(model, f), numbers.Real) and getattr(model, f) != field.default
    }
    assert numeric <= set(model.sources)
    assert all(text.strip() for text in model.sources.values())


@pytest.mark.parametrize("name", ["gong2018_exp", "taox_tabulated", "enode_tabulated"])
def test_every_source_says_how_sure_it_is(name):
    kinds = {text.partition(":")[0] for text in load_device(name).sources.values()}
    assert kinds <= {"measured", "literature", "assumed"}


@each_preset
def test_a_preset_survives_being_written_and_read(name, tmp_path):
    model = load_device(name)
    copy = tmp_path / "copy.yaml"
    copy.write_text(dump(model, ("model", name_of(model))), "utf-8")
    assert load_tagged(copy, "model", MODELS) == model
    assert load_device(str(copy)) == model


def test_a_file_beats_the_preset_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("oxram.yaml").write_text(OWN, "utf-8")
    assert load_device("oxram.yaml").g_min_siemens == 2e-6
    assert load_device("oxram").g_min_siemens == 1e-6  # no file has this name


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("oxarm.yaml", "did you mean 'oxram.yaml'?"),
        ("idael", "did you mean 'ideal.yaml'?"),
        ("zzz", f"presets: {', '.join(preset_names())}"),
        ("no/such/folder/mine.yaml", f"presets: {', '.join(preset_names())}"),
    ],
)
def test_an_unknown_device_is_told_the_nearest_or_all(typed, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        load_device(typed)
    assert str(error.value) == f"no device file and no preset {typed!r}; {hint}"


def test_a_directory_is_no_device(tmp_path):
    with pytest.raises(ConfigError) as error:
        load_device(str(tmp_path))
    assert str(error.value) == f"{tmp_path}: Is a directory; nothing was read"


def test_the_cause_comes_before_what_follows_from_it(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("model: soft_bounds\nstatus: invented\nset_fractoin: 0.1\nc2c_sigma: 9\n")
    with pytest.raises(ConfigError) as error:
        load_device(str(path))
    assert str(error.value).replace(str(path), "mine.yaml").split("\n") == [
        "mine.yaml:3:1: unknown key 'set_fractoin'; did you mean 'set_fraction'?",
        "mine.yaml:4:12: c2c_sigma = 9 is outside [0, 5]",
        "mine.yaml:1:1: missing keys sources, g_min_siemens, g_max_siemens, d2d_step_sigma, "
        "d2d_bound_sigma, set_volts, reset_volts, width_seconds, read_floor, read_fraction, "
        "read_knee_ohms, read_exponent, read_cap, reset_fraction",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("2e-6", "1e-2", r":\d+:\d+: the window is empty: g_min_siemens = 0.01 must be below"),
        ("states: 64", "states: 1", r":5:9: states = 1 is outside \[2, 1073741824\] states"),
        ("states: 64", "sates: 64", r":5:1: unknown key 'sates'; did you mean 'states'\?"),
        ("invented", "guessed", "status must be one of measured, digitised, literature, invented"),
        ("{states:", "{sates:", "sources names unknown parameters: sates"),
        ("model: ideal", "model: idael", r":1:8: model must be one of .*did you mean 'ideal'"),
    ],
)
def test_a_wrong_device_file_is_refused_with_its_place(old, new, message, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(OWN.replace(old, new), "utf-8")
    with pytest.raises(ConfigError, match=message):
        load_device(str(path))
