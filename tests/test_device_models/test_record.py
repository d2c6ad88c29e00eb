import dataclasses
import math

import numpy as np
import pytest
from xbar_records import Array, Everything, Linear, Read

from device_models.errors import ConfigError
from device_models.schema import Record, describe, override, quantity

VALID = {
    Read: {"v_read_volts": 0.2, "adc_bits": 8},
    Array: {"rows": 2, "cols": 3},
    Linear: {"step_fraction": 0.5},
}


@pytest.mark.parametrize("cls", VALID)
def test_values_just_outside_a_range_are_refused(cls):
    for f in dataclasses.fields(cls):
        low, high = f.metadata["range"].low, f.metadata["range"].high
        for bad in (math.nextafter(low, -math.inf), math.nextafter(high, math.inf), math.nan):
            with pytest.raises(ConfigError, match=rf"\.{f.name} (= .* is outside|must be)"):
                cls(**VALID[cls] | {f.name: bad})


@pytest.mark.parametrize("cls", VALID)
def test_values_on_the_edge_of_a_range_are_accepted(cls):
    for f in dataclasses.fields(cls):
        for edge in (f.metadata["range"].low, f.metadata["range"].high):
            assert getattr(cls(**VALID[cls] | {f.name: edge}), f.name) == edge


def test_integers_just_outside_a_range_are_refused():
    for bad in (0, 17):
        with pytest.raises(ConfigError) as caught:
            Read(v_read_volts=0.2, adc_bits=bad)
        assert str(caught.value) == f"Read.adc_bits = {bad} is outside [1, 16] bit"


def test_a_record_names_all_its_wrong_fields_at_once():
    with pytest.raises(ConfigError) as caught:
        Read(v_read_volts=0.9, adc_bits=8.5)
    assert str(caught.value) == (
        "Read.v_read_volts = 0.9 is outside [0.001, 0.5] V: more disturbs the state\n"
        "Read.adc_bits must be a whole number in [1, 16] bit, not 8.5"
    )


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", True, "must be a whole number in [0, 100000] epochs, not True"),
        ("lr", "0.1", "must be a number in [0, 100], not '0.1'"),
        ("lr", math.nan, "= nan is outside [0, 100]"),
        ("lr", None, "must be a number in [0, 100], not None"),
        ("free", math.inf, "must be a finite number, not inf"),
        ("noisy", 1, "must be true or false, not 1"),
        ("bits", True, "must be one of 1, 2, 4, not True"),
        ("scheme", "pairs", "must be one of pair, one_sided, dale, not 'pairs'; did you mean"),
        ("layers", [1], "must be a list, each item a whole number in [1, 4096], not [1]"),
        ("layers", (1, 0), "[1] = 0 is outside [1, 4096]"),
        ("seed", 1.5, "must be a whole number in [0, 9223372036854775807] or null, not 1.5"),
        ("sources", {1: "a"}, "must be a mapping of text to text, not {1: 'a'}"),
        ("sources", {"a": 1}, ".a must be text, not 1"),
        ("joules", {"read": 2.0}, ".read = 2 is outside [0, 1] J"),
        ("read", None, "must be a mapping of v_read_volts, adc_bits, not None"),
        ("name", b"x" * 500, "must be text, not b'xxx"),
        pytest.param("epochs", 10**5000, "= 0x", id="huge"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name, value, message):
    with pytest.raises(ConfigError) as caught:
        Everything(**{name: value})
    text = str(caught.value)
    assert text.removeprefix(f"Everything.{name}").lstrip().startswith(message)
    assert "\n" not in text
    assert len(text) < 200


def test_numpy_scalars_are_welcome():
    assert Read(v_read_volts=np.float32(0.25), adc_bits=np.int64(4)).adc_bits == 4


@pytest.mark.parametrize("hint", [list[int], tuple[int, int], int | str, dict[int, str], object])
def test_a_type_that_no_file_could_hold_is_refused_by_name(hint):
    cls = dataclasses.make_dataclass("Odd", [("x", hint)], bases=(Record,), frozen=True)
    with pytest.raises(TypeError, match="a record cannot hold"):
        describe(cls(x=object()))


def test_a_default_may_be_declared_beside_the_range():
    cls = dataclasses.make_dataclass(
        "Given", [("x", int, quantity("", 1, 3, default=2))], bases=(Record,), frozen=True
    )
    assert cls().x == 2


# --- override ------------------------------------------------------------------------------------


def test_override_takes_what_the_user_typed():
    texts = {
        "epochs": ("3", "--epochs"),
        "lr": ("1e-3", "--lr"),
        "ei": ("80:20", "--ei"),
        "noisy": ("false", "--noisy"),
        "limit_volts": ("null", "--limit"),
        "layers": ("100, 10", "--layers"),
        "lines": ("null", "--lines"),
    }
    before = Everything(limit_volts=1.0, lines=(1,))
    after = override(before, texts)
    assert after == Everything(epochs=3, lr=1e-3, ei="80:20", noisy=False, layers=(100, 10))
    assert before.limit_volts == 1.0


def test_override_with_nothing_changes_nothing():
    assert override(Everything(), {}) == Everything()


def test_override_names_every_wrong_value_as_the_user_typed_it():
    texts = {
        "epochs": ("-3", "--epochs"),
        "lr": ("x", "--lr"),
        "layers": ("100,0", "--layers"),
        "read": ("x", "--read"),
        "epoch": ("3", "--set epoch"),
    }
    with pytest.raises(ConfigError) as caught:
        override(Everything(), texts)
    assert str(caught.value).split("\n") == [
        "--epochs = -3 is outside [0, 100000] epochs",
        "--lr must be a number in [0, 100], not 'x'",
        "--layers[1] = 0 is outside [1, 4096]",
        "--read must be a mapping of v_read_volts, adc_bits, not 'x'",
        "--set epoch sets an unknown field 'epoch'; did you mean 'epochs'?",
    ]


def test_override_reports_a_broken_rule_between_fields():
    with pytest.raises(ConfigError, match=r"^limit_volts = 0\.1 must be at least"):
        override(Everything(), {"limit_volts": ("0.1", "--limit-volts")})


# --- describe --------------------------------------------------------------------------------------


def test_describe_gives_name_value_unit_and_what_is_allowed():
    rows = describe(Everything(lr=1e-6, limit_volts=2.5, sources={"step": "paper"}))
    assert ("epochs", "10", "epochs", "[0, 100000]") in rows
    assert ("lr", "1e-06", "", "[0, 100]") in rows
    assert ("limit_volts", "2.5", "V", "[0, 3] or null") in rows
    assert ("seed", "null", "", "[0, 9223372036854775807] or null") in rows
    assert ("scheme", "pair", "", "pair, one_sided, dale") in rows
    assert ("noisy", "true", "", "true or false") in rows
    assert ("layers", "100, 10", "", "a list, each item a whole number in [1, 4096]") in rows
    assert ("sources", "step: paper", "", "a mapping of text to text") in rows
    assert ("read.v_read_volts", "0.2", "V", "[0.001, 0.5]") in rows
