"""Device files: where they are found, what the shipped ones hold."""

import numbers
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from xbar_devices import VALID

from device_models.errors import ConfigError
from device_models.presets import load_device, preset_names
from device_models.record import declared, shown
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


MARKED = "gong2018_exp", "taox_tabulated", "enode_tabulated"
MARKED += "hfo2_multilevel", "taox_analog", "voltage_tables"


@pytest.mark.parametrize("name", MARKED)
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
        ("x" * 300, f"presets: {', '.join(preset_names())}"),
        ("\0", f"presets: {', '.join(preset_names())}"),
        ("no/such/folder/mine.yaml", f"presets: {', '.join(preset_names())}"),
    ],
)
def test_an_unknown_device_is_told_the_nearest_or_all(typed, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        load_device(typed)
    assert str(error.value) == f"no device file and no preset {shown(typed)}; {hint}"


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
        ("invented", "guessed", "one of measured, mixed, digitised, literature, invented"),
        ("{states:", "{sates:", "sources names unknown parameters: sates"),
        ("model: ideal", "model: idael", r":1:8: model must be one of .*did you mean 'ideal'"),
    ],
)
def test_a_wrong_device_file_is_refused_with_its_place(old, new, message, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(OWN.replace(old, new), "utf-8")
    with pytest.raises(ConfigError, match=message):
        load_device(str(path))


# --- files that start from another ---------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Files of text below an empty folder that is not the current one."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def write(**texts):
        for name, text in texts.items():
            (tmp_path / f"{name}.yaml").write_bytes(
                text if isinstance(text, bytes) else text.encode()
            )
        return tmp_path

    return write


def refusal(path):
    """The lines with which a device file is refused, without its folder."""
    with pytest.raises(ConfigError) as error:
        load_device(str(path))
    return str(error.value).replace(f"{path.parent}/", "").split("\n")


@pytest.mark.parametrize("name", ["oxram.yaml", "oxram"])
def test_a_file_gives_only_what_differs_from_a_preset(name, folder):
    path = folder(mine=f"base: {name}\nc2c_sigma: 0.5\n") / "mine.yaml"
    oxram = load_device("oxram")
    source = {"c2c_sigma": "assumed: set in mine.yaml, which gives no source"}
    assert load_device(str(path)) == replace(
        oxram, c2c_sigma=0.5, status="invented", sources=oxram.sources | source
    )


def test_a_base_has_a_base_and_lies_beside_the_file_that_names_it(folder):
    here = folder(a="states: 32\nbase: deep/b.yaml\n")
    (here / "deep").mkdir()
    (here / "deep" / "b.yaml").write_text("base: ideal.yaml\nstates: 8\ng_min_siemens: 3e-6\n")
    (here / "deep" / "ideal.yaml").write_text(OWN)  # beats the preset of its name
    model = load_device(str(here / "a.yaml"))
    assert (model.states, model.g_min_siemens, model.g_max_siemens) == (32, 3e-6, 1e-3)


def test_a_file_with_the_name_of_a_preset_may_start_from_it(folder):
    path = folder(ideal="base: ideal.yaml\nstates: 32\n") / "ideal.yaml"
    assert load_device(str(path)).states == 32


def test_what_replaces_a_number_is_not_measured_unless_its_file_says_so(folder):
    here = folder(
        base="base: oxram\nstatus: literature\nc2c_sigma: 0.5\nread_exponent: 1\n"
        "sources: {read_exponent: 'literature: a book', set_beta: 'measured: later'}\n",
        silent="base: base.yaml\nread_exponent: 0.9\n",
        loud="base: base.yaml\nread_exponent: 0.9\nstatus: measured\n"
        "sources: {read_exponent: 'measured: mine'}\n",
        only_sources="base: base.yaml\nsources: {reset_beta: 'literature: mine'}\n",
    )
    of = {name: load_device(str(here / f"{name}.yaml")) for name in
          ("base", "silent", "loud", "only_sources")}  # fmt: skip
    assert {name: model.status for name, model in of.items()} == {
        "base": "literature", "silent": "invented", "loud": "measured",
        "only_sources": "literature",
    }  # fmt: skip
    unsaid = "assumed: set in {}.yaml, which gives no source"
    assert of["base"].sources["c2c_sigma"] == unsaid.format("base")
    assert of["base"].sources["read_exponent"] == "literature: a book"
    assert of["silent"].sources["read_exponent"] == unsaid.format("silent")
    assert of["loud"].sources["read_exponent"] == "measured: mine"
    assert of["only_sources"].sources["reset_beta"] == "literature: mine"
    inherited = load_device("oxram").sources["read_fraction"]
    for model in of.values():
        assert model.sources["set_beta"] == "measured: later"
        assert model.sources["read_fraction"] == inherited


def test_what_is_written_of_a_device_needs_no_base(folder):
    here = folder(mine="base: other.yaml\nstates: 32\n", other=OWN)
    model = load_device(str(here / "mine.yaml"))
    (here / "run.yaml").write_text(dump(model, ("model", name_of(model))))
    (here / "other.yaml").unlink()
    assert load_tagged(here / "run.yaml", "model", MODELS) == model


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("base: oxarm\n",
         ["1:7: base: no device file and no preset 'oxarm'; did you mean 'oxram.yaml'?"]),
        ("base: [a]\n", ["1:7: base must be the name of a file, not a list"]),
        ("base:\n", ["1:6: base must be the name of a file, not empty"]),
        ("base: ideal\nbase: oxram\n", ["2:7: base is given twice"]),
        ("states: 2\nbase: x.yaml\n",
         ["2:7: base leads back to a file that starts from it: x.yaml -> x.yaml"]),
        (
            "base: other.yaml\nmodel: gaussian_update\n",
            ["2:8: model is 'gaussian_update', but 'ideal' in the base, other.yaml:1:8; "
             "a file keeps that of its base"],
        ),
        ("base: other.yaml\nmodel: ideal\nsates: 3\n",
         ["3:1: unknown key 'sates'; did you mean 'states'?"]),
        ("base: other.yaml\nstates: 1\n", ["2:9: states = 1 is outside [2, 1073741824] states"]),
        ("base: other.yaml\nsources: [a]\n",
         ["2:10: sources must be a mapping of text to text, not a list"]),
        ("base: other.yaml\nstates: 3\nstates: 4\n",
         ["3:1: states is given twice (first on line 2)"]),
        (
            "base: other.yaml\nstatus: guessed\n",
            ["2:9: status must be one of measured, mixed, digitised, literature, invented, not "
             "'guessed'"],
        ),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_with_a_base_is_named_with_its_place(text, lines, folder):
    here = folder(x=text, other=OWN)
    assert refusal(here / "x.yaml") == [f"x.yaml:{line}" for line in lines]


@pytest.mark.parametrize(
    ("other", "lines"),
    [
        (OWN.replace("1e-3", "many"),
         ["other.yaml:4:16: g_max_siemens must be a number in [1e-09, 1] S, not 'many'"]),
        (OWN + "sates: 1\n", ["other.yaml:7:1: unknown key 'sates'; did you mean 'states'?"]),
        ("base: mine.yaml\n", ["other.yaml:1:7: base leads back to a file that starts from it: "
                               "mine.yaml -> other.yaml -> mine.yaml"]),
        ("- 1\n", ["other.yaml:1:1: a base must be a mapping, not a list"]),
        ("a: [\n",
         ["other.yaml:2:1: not YAML: expected the node content, but found '<stream end>'"]),
        (b"\xff", ["other.yaml: not UTF-8 text (byte 0xff at offset 0); nothing was read"]),
        ("status: invented\n",
         ["mine.yaml:1:1: missing key model: one of ideal, gaussian_update, oxram, soft_bounds, "
          "linear_step, exp_step, log_step, signed_step, tabulated"]),
        ("model: ideal\n",
         ["mine.yaml:1:1: missing keys status, sources, g_min_siemens, g_max_siemens"]),
    ],
)  # fmt: skip
def test_a_mistake_in_a_base_is_named_with_the_file_that_is_to_blame(other, lines, folder):
    here = folder(mine="base: other.yaml\nstates: 32\n", other=other)
    assert refusal(here / "mine.yaml") == lines


def test_a_folder_is_no_base(folder):
    here = folder(mine="base: elsewhere\n")
    assert refusal(here / "mine.yaml") == ["elsewhere: Is a directory; nothing was read"]


words = st.sampled_from(
    [*"-?:,[]{}#&*!|>'\"%@` \n\t~/.\0", "base: ", "model: ", "ideal", "status: ", "invented",
     "b.yaml", "a.yaml", "sources: ", "{states: x}", "states: ", "32", "\n", "&a ", "*a",
     "\\ud800", "\\0"]
)  # fmt: skip


@given(
    near=st.binary(max_size=40) | st.lists(words).map(lambda parts: "".join(parts).encode()),
    far=st.sampled_from(["", OWN, "base: ideal\n", "base: a.yaml\n"]).map(str.encode) | st.binary(),
)
@example(near=b"base: '" + b"x" * 5000 + b"'", far=b"")
@example(near=b'base: "\\ud800"', far=b"")
@example(near=b'base: "\\0"', far=b"")
@example(near=b"base: b.yaml\nx: &a {x: *a}", far=b"x: &a {x: *a}")
@example(near=b"base: b.yaml\n&a [*a]: 1", far=b"? [1]\n: 2")
@example(near=b"base: b.yaml\nmodel: [ideal]", far=b"model: {a: b}")
@example(near=b"base: &a [*a]", far=b"")
def test_any_bytes_in_a_chain_give_a_device_or_a_config_error(tmp_path_factory, near, far):
    folder = tmp_path_factory.getbasetemp() / "chain"
    folder.mkdir(exist_ok=True)
    (folder / "a.yaml").write_bytes(b"base: b.yaml\n" + near if b"base" not in near else near)
    (folder / "b.yaml").write_bytes(far)
    try:
        assert name_of(load_device(str(folder / "a.yaml"))) in MODELS
    except ConfigError as e:
        lines = str(e).split("\n")
        assert all(line.startswith(str(folder)) for line in lines)
        assert all(line.isprintable() for line in lines)
