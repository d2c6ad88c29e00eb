import dataclasses
import math

import numpy as np
import pytest
from xbar_records import (
    COLOURS,
    LAYERS,
    NEURONS,
    Adaptive,
    Array,
    Dense,
    Everything,
    Lif,
    Linear,
    MaxPool,
    Read,
)  # fmt: skip

from device_models.describe import describe
from device_models.errors import ConfigError
from device_models.schema import Record, override, quantity, tagged

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
        ("colour", "gren", "must be one of red, green, not 'gren'; did you mean 'green'?"),
        ("colours", ("red", 2), "[1] must be one of red, green, not 2"),
        ("neuron", "lif", "must be a mapping {kind: lif}, not 'lif'"),
        ("neuron", None, "must be one of lif, adaptive, or a mapping with the key kind, not None"),
        ("neuron", Linear(step_fraction=0.5), "must be one of lif, adaptive, or a mapping with"),
        (
            "stack",
            (Lif(),),
            "[0] must be one of dense, max_pool, or a mapping with the key kind, n",
        ),
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


# --- tables --------------------------------------------------------------------------------------


def test_a_name_that_was_registered_later_counts(monkeypatch):
    with pytest.raises(ConfigError, match="must be one of red, green, not 'blue'"):
        Everything(colour="blue")
    monkeypatch.setitem(COLOURS, "blue", 3)
    monkeypatch.setitem(NEURONS, "linear", Linear)
    assert Everything(colour="blue").colour == "blue"
    assert Everything(neuron=Linear(step_fraction=0.5)).neuron.step_fraction == 0.5
    assert ("colour", "red", "", "red, green, blue") in describe(Everything())


def test_a_table_without_one_class_per_name_is_a_mistake_of_the_programmer():
    cls = dataclasses.make_dataclass(
        "Odd", [("x", Record, tagged({"a": Lif, "b": Lif}))], bases=(Record,), frozen=True
    )
    with pytest.raises(TypeError, match="two of a, b share a record class"):
        cls(x=Lif())


def test_a_key_that_is_a_field_too_is_a_mistake_of_the_programmer():
    cls = dataclasses.make_dataclass(
        "Odd", [("x", Record, tagged(NEURONS, key="beta"))], bases=(Record,), frozen=True
    )
    with pytest.raises(TypeError, match="Lif has a field beta, the key that names it"):
        cls(x=Lif())


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


STACK = Everything(
    stack=(Dense(neurons=3, neuron=Lif(beta=0.5)), MaxPool.Options()),
    reads=(Read(v_read_volts=0.1),),
)


@pytest.mark.parametrize(
    ("texts", "changes"),
    [
        ({"read.adc_bits": "4"}, {"read": Read(v_read_volts=0.2, adc_bits=4)}),
        ({"reads.0.adc_bits": "4"}, {"reads": (Read(v_read_volts=0.1, adc_bits=4),)}),
        ({"layers.1": "7"}, {"layers": (100, 7)}),
        ({"joules.read": "0.5", "sources.a": "x"},
         {"joules": {"read": 0.5}, "sources": {"a": "x"}}),
        ({"colour": "green", "colours": "red,green"},
         {"colour": "green", "colours": ("red", "green")}),
        ({"neuron": "lif"}, {"neuron": Lif()}),
        ({"neuron": "adaptive"}, {"neuron": Adaptive(rise=0.5)}),
        ({"neuron.kind": "adaptive", "neuron.beta": "1"}, {"neuron": Adaptive(rise=0.5, beta=1.0)}),
        ({"neuron.kind": "lif", "neuron.beta": "0.5"}, {"neuron": Lif(beta=0.5)}),
        ({"neuron.beta": "0.3", "neuron.rise": "0.2"}, {"neuron": Adaptive(beta=0.3, rise=0.2)}),
        ({"other": "lif"}, {"other": Lif()}),
        ({"other": "null"}, {"other": None}),
        ({"stack": "max_pool, max_pool"}, {"stack": (MaxPool.Options(), MaxPool.Options())}),
        ({"stack.0.neurons": "5"},
         {"stack": (Dense(neurons=5, neuron=Lif(beta=0.5)), MaxPool.Options())}),
        (
            {"stack.1.kind": "dense", "stack.1.neurons": "5", "stack.1.neuron.beta": "1"},
            {"stack": (STACK.stack[0], Dense(neurons=5, neuron=Lif(beta=1.0)))},
        ),
    ],
)  # fmt: skip
def test_override_takes_names_with_dots(texts, changes):
    assert override(STACK, texts) == dataclasses.replace(STACK, **changes)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"read.adc_bit": "4"},
         "--x sets an unknown field 'read.adc_bit'; did you mean 'read.adc_bits'?"),
        ({"raed.adc_bits": "4"},
         "--x sets an unknown field 'raed.adc_bits'; did you mean 'read.adc_bits'?"),
        ({"v_read_volts": "1"},
         "--x sets an unknown field 'v_read_volts'; did you mean 'read.v_read_volts'?"),
        ({"epochs.x": "1"}, "--x sets an unknown field 'epochs.x'"),
        ({"layers.2": "1"}, "--x sets an unknown field 'layers.2'; known: 0, 1"),
        ({"layers.-1": "1"}, "--x sets an unknown field 'layers.-1'; did you mean 'layers.1'?"),
        ({"lines.0": "1"}, "--x sets an unknown field 'lines.0'"),
        ({"stack.7.size": "1"},
         "--x sets an unknown field 'stack.7.size'; did you mean 'stack.1.size'?"),
        ({"reads.0.v_read_volts": "9"},
         "--x = 9 is outside [0.001, 0.5] V: more disturbs the state"),
        ({"joules.a": "9"}, "--x = 9 is outside [0, 1] J"),
        ({"colour": "gren"}, "--x must be one of red, green, not 'gren'; did you mean 'green'?"),
        ({"neuron": "lfi"}, "--x must be one of lif, adaptive, not 'lfi'; did you mean 'lif'?"),
        ({"neuron.kind": "null"}, "--x must be one of lif, adaptive, not 'null'"),
        ({"neuron.kind.beta": "1"},
         "--x sets an unknown field 'neuron.kind.beta'; did you mean 'neuron.beta'?"),
        ({"neuron.rise": "1"}, "neuron: rise = 1 must not exceed beta = 0.8"),
        ({"neuron": "lif", "neuron.kind": "lif"},
         "--x, --x exclude each other: all of them set neuron"),
        ({"layers": "1", "layers.0": "1"}, "--x, --x exclude each other: all of them set layers"),
        ({"other.beta": "1"}, "--x needs other.kind, one of lif, adaptive too"),
        ({"other": "lfi"},
         "--x must be one of lif, adaptive or null, not 'lfi'; did you mean 'lif'?"),
        ({"stack.1.kind": "dense"}, "--x needs stack.1.neurons too"),
        ({"stack": "dense"}, "--x[0] must be a mapping {kind: dense, neurons: ...}, not 'dense'"),
        ({"read": "5"}, "--x must be a mapping of v_read_volts, adc_bits, not '5'"),
        ({"": "5"}, "--x sets an unknown field ''; known: name, ei,"),
        ({"read.": "5"}, "--x sets an unknown field 'read.'; known: v_read_volts, adc_bits"),
    ],
)  # fmt: skip
def test_override_names_what_is_wrong_with_a_name_with_dots(texts, message):
    with pytest.raises(ConfigError) as caught:
        override(STACK, {name: (text, "--x") for name, text in texts.items()})
    line = str(caught.value)
    assert line.startswith(message)
    assert "\n" not in line


def test_override_without_a_label_names_the_field():
    with pytest.raises(ConfigError, match=r"^reads\.0\.adc_bits = 99 is outside"):
        override(STACK, {"reads.0.adc_bits": "99"})


def test_a_rule_between_fields_sees_all_that_was_typed():
    low = {"limit_volts": "0.1", "read.v_read_volts": "0.05"}
    assert override(Everything(), low).limit_volts == 0.1


def test_every_row_of_describe_is_a_name_that_override_takes():
    rows = {name: value for name, value, _, _ in describe(STACK) if value}
    assert override(Everything(stack=STACK.stack, reads=STACK.reads), rows) == STACK


def test_override_reports_a_broken_rule_between_fields():
    with pytest.raises(ConfigError, match=r"^limit_volts = 0\.1 must be at least"):
        override(Everything(), {"limit_volts": ("0.1", "--limit-volts")})


# --- describe -------------------------------------------------------------------------------------


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
    assert ("colour", "red", "", "red, green") in rows
    assert ("neuron.kind", "adaptive", "", "lif, adaptive") in rows
    assert ("neuron.rise", "0.5", "", "[0, 2]") in rows
    items = f"a list, each item one of {', '.join(LAYERS)}, or a mapping with the key kind"
    assert ("stack", "", "", items) in rows


def test_describe_gives_the_items_of_a_list_of_records():
    rows = [row for row in describe(STACK) if row[0].startswith("stack")]
    assert rows == [
        ("stack.0.kind", "dense", "", "dense, max_pool"),
        ("stack.0.neurons", "3", "", "[1, 4096]"),
        ("stack.0.neuron.kind", "lif", "", "lif, adaptive"),
        ("stack.0.neuron.beta", "0.5", "", "[0, 1]"),
        ("stack.1.kind", "max_pool", "", "dense, max_pool"),
        ("stack.1.size", "2", "", "[1, 8]"),
    ]


def test_numbers_of_numpy_become_numbers_of_python():
    """So a record can be written as JSON and YAML whatever made its numbers."""

    @dataclasses.dataclass(frozen=True)
    class Pair(Record):
        count: int = quantity("", 0, 9)
        share: float = quantity("", 0.0, 1.0)

    pair = Pair(np.int64(3), np.float32(0.5))
    assert (type(pair.count), type(pair.share)) == (int, float)
    assert pair == Pair(3, 0.5)
