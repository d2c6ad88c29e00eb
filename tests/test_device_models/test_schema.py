import itertools
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from xbar_records import (
    NEURONS,
    Adaptive,
    Array,
    Dense,
    Everything,
    Lif,
    Linear,
    MaxPool,
    Read,
    Tile,
)  # fmt: skip

from device_models.errors import ConfigError
from device_models.schema import dump, load, load_tagged

GOOD = "array:\n  rows: 4\n  cols: 8\nread:\n  v_read_volts: 0.2\n"


@pytest.fixture
def read_as(tmp_path):
    """Load text (or bytes) as a record; messages start with `tile.yaml:`."""
    path = tmp_path / "tile.yaml"

    def read(text, cls=Everything):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, cls)

    return read


@pytest.fixture
def refusal(read_as, tmp_path):
    """The lines of the ConfigError that a file gives."""

    def lines(text, cls=Everything):
        with pytest.raises(ConfigError) as caught:
            read_as(text, cls)
        return str(caught.value).replace(f"{tmp_path}/", "").split("\n")

    return lines


# --- files: messages -----------------------------------------------------------------------------


def test_all_problems_of_a_file_come_in_one_error_by_line(refusal):
    text = (
        "array:\n  rows: 4\n  colls: 8\n"
        "read:\n  # volts\n  v_read_volts: 0.9\n  adc_bits: 8.5\n  adc_bits: 8\n"
    )
    assert refusal(text, Tile) == [
        "tile.yaml:3:3: unknown key 'array.colls'; did you mean 'cols'?",
        "tile.yaml:8:3: read.adc_bits is given twice (first on line 7)",
        "tile.yaml:6:17: read.v_read_volts = 0.9 is outside [0.001, 0.5] V: "
        "more disturbs the state",
        "tile.yaml:7:13: read.adc_bits must be a whole number in [1, 16] bit, not '8.5'",
    ]


def test_what_a_mapping_lacks_is_one_line_and_comes_last(refusal):
    assert refusal("array: {zzz: 4}\nread: {adc_bits: 99}\n", Tile) == [
        "tile.yaml:1:9: unknown key 'array.zzz'; known: rows, cols",
        "tile.yaml:2:18: read.adc_bits = 99 is outside [1, 16] bit",
        "tile.yaml:1:8: missing keys array.rows, array.cols",
        "tile.yaml:2:7: missing key read.v_read_volts",
    ]


def test_a_rule_between_fields_is_reported_at_its_mapping(refusal):
    assert refusal("# comment\nlimit_volts: 0.1\n") == [
        "tile.yaml:2:1: limit_volts = 0.1 must be at least read.v_read_volts = 0.2"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "1:1: the file must be a mapping of name, ei,"),
        ("5\n", "1:1: the file must be a mapping of name, ei,"),
        ("---\n", "2:1: the file must be a mapping of name, ei,"),
        ("read: 5\n", "1:7: read must be a mapping of v_read_volts, adc_bits, not '5'"),
        ("read:\n", "1:6: read must be a mapping of v_read_volts, adc_bits, not empty"),
        ("epochs:\n", "1:8: epochs must be a whole number in [0, 100000] epochs, not empty"),
        ("name:\n", "1:6: name must be text, not empty"),
        ("note:\n", "1:6: note must be text or null, not empty"),
        ("epochs: [3]\n", "1:9: epochs must be a whole number in [0, 100000] epochs, not a list"),
        ("noisy: {a: b}\n", "1:8: noisy must be true or false, not a mapping"),
        (
            "layers: {a: 5}\n",
            "1:9: layers must be a list, each item a whole number in [1, 4096], not",
        ),
        ("layers: five\n", "1:9: layers must be a whole number in [1, 4096], not 'five'"),
        ("layers: 0\n", "1:9: layers = 0 is outside [1, 4096]"),
        (
            "layers:\n",
            "1:8: layers must be a list, each item a whole number in [1, 4096], not empty",
        ),
        ("layers: [5, 0]\n", "1:13: layers[1] = 0 is outside [1, 4096]"),
        ("reads: [{v_read_volts: 9}]\n", "1:24: reads[0].v_read_volts = 9 is outside"),
        ("sources: [a]\n", "1:10: sources must be a mapping of text to text, not a list"),
        ("sources: {a: [b]}\n", "1:14: sources.a must be text, not a list"),
        ("sources: {a: b, a: c}\n", "1:17: sources.a is given twice (first on line 1)"),
        ("sources: {[a]: b}\n", "1:11: a key of sources must be text, not a list"),
        ("joules: {read: 2}\n", "1:16: joules.read = 2 is outside [0, 1] J"),
        ("lr: 1\nlr: 2\n", "2:1: lr is given twice (first on line 1)"),
        ("epoch: 3\n", "1:1: unknown key 'epoch'; did you mean 'epochs'?"),
        ("zzz: 3\n", "1:1: unknown key 'zzz'; known: name, ei,"),
        ("<<: {lr: 1}\n", "1:1: unknown key '<<'; known:"),
        ('"a\\nb": 1\n', "1:1: unknown key 'a\\nb'; known:"),
        ("scheme: Dale\n", "1:9: scheme must be one of pair, one_sided, dale, not 'Dale'; did you"),
        ("colour: blue\n", "1:9: colour must be one of red, green, not 'blue'"),
        ("colours: [red, gren]\n", "1:16: colours[1] must be one of red, green, not 'gren'; did"),
        (
            "neuron: adaptiv\n",
            "1:9: neuron must be one of lif, adaptive, or a mapping with the key kind, not "
            "'adaptiv'; did you mean 'adaptive'?",
        ),
        (
            "neuron: []\n",
            "1:9: neuron must be one of lif, adaptive, or a mapping with the key kind, n",
        ),
        ("neuron: {}\n", "1:9: missing key neuron.kind: one of lif, adaptive"),
        ("neuron: {knid: lif}\n", "1:10: unknown key 'neuron.knid'; did you mean 'kind'?"),
        ("neuron: {kind: [lif]}\n", "1:16: neuron.kind must be one of lif, adaptive, not a list"),
        (
            "neuron: {kind: fil}\n",
            "1:16: neuron.kind must be one of lif, adaptive, not 'fil'",
        ),
        ("neuron: {kind: lif, rise: 1}\n", "1:21: unknown key 'neuron.rise'; known: beta"),
        ("neuron: {kind: lif, beta: 2}\n", "1:27: neuron.beta = 2 is outside [0, 1]"),
        ("neuron: {kind: lif, kind: lif}\n", "1:21: neuron.kind is given twice (first on line 1)"),
        ("neuron: {kind: adaptive, rise: 1}\n", "1:9: neuron: rise = 1 must not exceed beta = 0.8"),
        (
            "neuron: null\n",
            "1:9: neuron must be one of lif, adaptive, or a mapping with the key kind, n",
        ),
        (
            "other: 1\n",
            "1:8: other must be one of lif, adaptive, or a mapping with the key kind or nu",
        ),
        (
            "stack: {kind: dense}\n",
            "1:8: stack must be a list, each item one of dense, max_pool, or a",
        ),
        ("stack: dense\n", "1:8: stack must be a mapping {kind: dense, neurons: ...}, not 'dense'"),
        (
            "stack:\n  - max_pool\n  - {kind: dense, neurons: 0}\n",
            "3:28: stack[1].neurons = 0 is outside [1, 4096]",
        ),
        (
            "stack: [{kind: dense, neurons: 1, neuron: {kind: lif, bet: 0}}]\n",
            "1:55: unknown key 'stack[0].neuron.bet'; did you mean 'beta'?",
        ),
        (
            "lr: 1\n---\nlr: 2\n",
            "2:1: not YAML: expected a single document in the stream but found",
        ),
        ("lr: [1\n", "2:1: not YAML:"),
        ("lr: *x\n", "1:5: not YAML: found undefined alias 'x'"),
        ("lr: 1\n\tname: x\n", "2:1: not YAML: a tab: indent with spaces"),
        ("lr: 1\nname: \x00\n", "2:7: not YAML: character '\\x00' is not allowed"),
    ],
)
def test_a_mistake_in_a_file_is_one_line_with_its_place(refusal, text, message):
    (line,) = refusal(text)
    assert line.startswith(f"tile.yaml:{message}")


def test_one_item_of_a_list_needs_no_brackets(read_as):
    assert read_as("layers: 5\n").layers == (5,) == read_as("layers: [5]\n").layers
    assert read_as("layers: []\n").layers == ()


@pytest.mark.parametrize("text", ["1e400", "-1", ".inf", ".nan", "nan", "inf", "1_0", "0x1", "٣"])
def test_what_is_no_number_in_range_is_refused(refusal, text):
    (line,) = refusal(f"lr: {text}\n")
    assert line.startswith("tile.yaml:1:5: lr ")


@pytest.mark.parametrize("text", ["1e3", "3.0", "1_000", "0x10", "1:30", "true", "9" * 5000])
def test_an_int_takes_whole_numbers_only(refusal, text):
    (line,) = refusal(f"epochs: {text}\n")
    assert line.startswith("tile.yaml:1:9: epochs must be a whole number in [0, 100000] epochs, ")
    assert len(line) < 200


@pytest.mark.parametrize("text", ["on", "no", "yes", "True", "FALSE", "1", "~", "null"])
def test_a_bool_is_true_or_false_and_nothing_else(refusal, text):
    assert refusal(f"noisy: {text}\n") == [
        f"tile.yaml:1:8: noisy must be true or false, not {text!r}"
    ]


@pytest.mark.parametrize("text", ["auto", "none", "Null", "'null'", "''", ""])
def test_only_null_is_null(refusal, text):
    (line,) = refusal(f"limit_volts: {text}\n")
    assert "limit_volts must be a number in [0, 3] V or null, not" in line


# --- files: what is read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("ei: 80:20", "ei", "80:20"),
        ("ei: 95:5", "ei", "95:5"),
        ("name: on", "name", "on"),
        ("name: 012", "name", "012"),
        ("name: null", "name", "null"),
        ("name: ''", "name", ""),
        ("lr: 1e-6", "lr", 1e-6),
        ("lr: 1e1", "lr", 10.0),
        ("lr: 5", "lr", 5.0),
        ("lr: .5", "lr", 0.5),
        ("epochs: 012", "epochs", 12),
        ("epochs: +3", "epochs", 3),
        ("noisy: false", "noisy", False),
        ("bits: 2", "bits", 2),
        ("scheme: dale", "scheme", "dale"),
        ("limit_volts: null", "limit_volts", None),
        ("limit_volts: ~", "limit_volts", None),
        ("limit_volts: 1.5", "limit_volts", 1.5),
        ("note: null", "note", None),
        ("note: 'null'", "note", "null"),
        ("seed: 7", "seed", 7),
        ("layers: []", "layers", ()),
        ("layers: [7, 8]", "layers", (7, 8)),
        ("lines: ~", "lines", None),
        ("lines: [1]", "lines", (1,)),
        ("sources: {}", "sources", {}),
        ("sources: {a: 80:20, 1: no}", "sources", {"a": "80:20", "1": "no"}),
        ("joules: {read: 1e-12}", "joules", {"read": 1e-12}),
        ("read: {v_read_volts: 0.1}", "read", Read(v_read_volts=0.1)),
        ("reads: [{v_read_volts: 0.1}]", "reads", (Read(v_read_volts=0.1),)),
        ("\ufefflr: 2", "lr", 2.0),
        ("colour: green", "colour", "green"),
        ("colours: red", "colours", ("red",)),
        ("neuron: lif", "neuron", Lif()),
        ("neuron: {beta: 0.5, kind: lif}", "neuron", Lif(beta=0.5)),
        ("other: null", "other", None),
        ("other: lif", "other", Lif()),
        ("stack: max_pool", "stack", (MaxPool.Options(),)),
        (
            "stack: [{kind: dense, neurons: 3, neuron: {kind: adaptive, rise: 0}}, max_pool]",
            "stack",
            (Dense(neurons=3, neuron=Adaptive(rise=0.0)), MaxPool.Options()),
        ),
    ],
)
def test_a_scalar_means_what_it_says(read_as, text, name, value):
    found = getattr(read_as(text), name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "{}\n"])
def test_an_empty_file_is_the_record_of_all_defaults(read_as, text):
    assert read_as(text) == Everything()


def test_an_empty_file_lacks_every_required_key(refusal):
    assert refusal("", Tile) == [
        "tile.yaml:1:1: missing keys array, read",
    ]


def test_nested_records_are_read(read_as):
    assert read_as(GOOD, Tile) == Tile(array=Array(rows=4, cols=8), read=Read(v_read_volts=0.2))


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: None, "No such file or directory"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.write_bytes(b"lr: \xff"), "not UTF-8 text (byte 0xff at offset 4)"),
    ],
    ids=["missing", "directory", "latin-1"],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, make, reason):
    path = tmp_path / "x.yaml"
    make(path)
    with pytest.raises(ConfigError) as caught:
        load(path, Everything)
    assert str(caught.value) == f"{path}: {reason}; nothing was read"


@pytest.mark.parametrize(
    ("text", "column"), [("[" * 200_000, 33), ("a: " + "{a: " * 50_000, 125), ("- " * 9999, 65)]
)
def test_a_very_deep_file_is_refused(refusal, text, column):
    assert refusal(text) == [f"tile.yaml:1:{column}: not YAML: nested too deeply"]


def test_an_alias_of_itself_is_refused(refusal):
    (line,) = refusal("&a read: &b {v_read_volts: *b}\n")
    assert line == "tile.yaml:1:28: not YAML: *b stands inside what it stands for"


def test_a_file_of_many_values_is_refused_an_alias_counting_as_what_it_stands_for(refusal):
    names = "abcdefghij"
    bomb = "a: &a [1, 2, 3, 4, 5]\n" + "".join(
        f"{near}: &{near} [{', '.join(['*' + far] * 5)}]\n"
        for far, near in itertools.pairwise(names)
    )
    assert refusal(bomb) == ["tile.yaml:6:8: not YAML: more than 10,000 values"]
    assert refusal("- 1\n" * 10_001) == ["tile.yaml:10000:3: not YAML: more than 10,000 values"]
    assert refusal("#" * (1 << 18) + "\n") == [
        "tile.yaml: more than 262,144 bytes; nothing was read"
    ]


def test_the_first_hundred_problems_of_a_file_are_told(refusal):
    lines = refusal("".join(f"strange{i}: 1\n" for i in range(400)))
    assert len(lines) == 101
    assert lines[99].startswith("tile.yaml:100:1: unknown key 'strange99'")
    assert lines[100] == "tile.yaml: there may be more; mend these first"


def test_half_of_a_surrogate_pair_is_no_text(refusal):
    unknown, name = refusal('name: "a\\ud800"\n"\\ud802": 1\n')
    assert unknown.startswith(r"tile.yaml:2:1: unknown key '\ud802'; known: ")
    assert name == r"tile.yaml:1:7: name must be text that UTF-8 can hold, not 'a\ud800'"
    (key,) = refusal('read: {v_read_volts: 0.1}\nsources: {"\\ud801": x}\n')
    assert key.endswith(r"sources has a key that UTF-8 cannot hold: '\ud801'")


@given(data=st.binary())
@example(data=b'name: "\\U7fffffff"')
@example(data=b"\xef\xbb\xbf")
@example(data=b"%YAML 9.9\n--- {}")
@example(data=b"? [a]\n: b")
@example(data=b"!!python/object:os.system {}")
def test_any_bytes_give_a_record_or_a_config_error(tmp_path_factory, data):
    check_any(tmp_path_factory, data)


@given(
    data=st.lists(
        st.sampled_from(
            [
                *"-?:,[]{}#&*!|>'\"%@` \n\t~",
                *Everything.__dataclass_fields__,
                *NEURONS,
                "kind: ",
                "0.5",
                ": ",
                "\n  ",
            ]
        )
    )
)
def test_any_yaml_like_text_gives_a_record_or_a_config_error(tmp_path_factory, data):
    check_any(tmp_path_factory, "".join(data).encode())


def check_any(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    try:
        assert isinstance(load(path, Everything), Everything)
    except ConfigError as e:
        lines = str(e).split("\n")
        assert all(line.startswith(f"{path}:") for line in lines)
        assert all(line.isprintable() for line in lines)


# --- the tag -------------------------------------------------------------------------------------

MODELS = {"read": Read, "linear": Linear}


@pytest.fixture
def tagged_refusal(tmp_path):
    def text_of(text):
        path = tmp_path / "oxram.yaml"
        path.write_text(text)
        with pytest.raises(ConfigError) as caught:
            load_tagged(path, "model", MODELS)
        return str(caught.value).removeprefix(f"{path}:")

    return text_of


def test_the_tag_selects_the_class_and_is_not_passed_on(tmp_path):
    path = tmp_path / "oxram.yaml"
    path.write_text("step_fraction: 0.1\nmodel: linear\n")
    assert load_tagged(path, "model", MODELS) == Linear(step_fraction=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("step_fraction: 1\n", "1:1: missing key model: one of read, linear"),
        ("", "1:1: missing key model: one of read, linear"),
        (
            "step_fraction: 1\nmodel: linaer\n",
            "2:8: model must be one of read, linear, not 'linaer'; did you mean 'linear'?",
        ),
        ("model: [read]\n", "1:8: model must be one of read, linear, not a list"),
        ("model:\n", "1:7: model must be one of read, linear, not empty"),
        ("[]\n", "1:1: the file must be a mapping with the key 'model', not a list"),
        (
            "model: linear\nmodel: read\nstep_fraction: 0\n",
            "2:1: model is given twice (first on line 1)",
        ),
        ("model: linear\n", "1:1: missing key step_fraction"),
        ("modle: linear\n", "1:1: unknown key 'modle'; did you mean 'model'?"),
    ],
)
def test_a_wrong_tag_is_named_with_its_place(tagged_refusal, text, message):
    assert tagged_refusal(text) == message


# --- dump ----------------------------------------------------------------------------------------

texts = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    [
        "80:20",
        "on",
        "null",
        "~",
        "",
        "1e-6",
        "012",
        "a: b",
        "# x",
        "- y",
        "\n",
        "\x85 \u2028x",
        "<<",
    ]
)
neurons = st.builds(Lif, beta=st.floats(0.0, 1.0)) | st.builds(
    Adaptive, beta=st.floats(0.5, 1.0), rise=st.floats(0.0, 0.5)
)
layers = st.builds(Dense, neurons=st.integers(1, 4096), neuron=neurons) | st.builds(
    MaxPool.Options, size=st.integers(1, 8)
)
reads = st.builds(Read, v_read_volts=st.floats(1e-3, 0.5), adc_bits=st.integers(1, 16))
records = st.builds(
    Everything,
    name=texts,
    ei=texts,
    scheme=st.sampled_from(["pair", "one_sided", "dale"]),
    bits=st.sampled_from([1, 2, 4]),
    noisy=st.booleans(),
    epochs=st.integers(0, 100_000),
    lr=st.floats(0.0, 100.0),
    limit_volts=st.none() | st.floats(0.5, 3.0),
    seed=st.none() | st.integers(0, 2**63 - 1),
    note=st.none() | texts,
    free=st.floats(allow_nan=False, allow_infinity=False),
    layers=st.lists(st.integers(1, 4096), max_size=3).map(tuple),
    lines=st.none() | st.lists(st.integers(), max_size=3).map(tuple),
    sources=st.dictionaries(texts, texts, max_size=3),
    joules=st.dictionaries(texts, st.floats(0.0, 1.0), max_size=3),
    read=reads,
    reads=st.lists(reads, max_size=2).map(tuple),
    colours=st.none() | st.lists(st.sampled_from(["red", "green"]), max_size=2).map(tuple),
    neuron=neurons,
    other=st.none() | neurons,
    stack=st.lists(layers, max_size=2).map(tuple),
)


@given(record=records)
def test_what_was_dumped_is_loaded_back_equal(tmp_path_factory, record):
    path = tmp_path_factory.getbasetemp() / "dumped.yaml"
    path.write_text(dump(record), "utf-8")
    assert load(path, Everything) == record


def test_a_dumped_tag_selects_the_class(tmp_path):
    record, path = Linear(step_fraction=1e-17), tmp_path / "d.yaml"
    path.write_text(dump(record, ("model", "linear")))
    assert path.read_text() == "model: linear\nstep_fraction: 1.0e-17\n"
    assert load_tagged(path, "model", MODELS) == record


def test_a_record_out_of_a_table_is_dumped_with_its_name(tmp_path):
    text = dump(Dense(neurons=3, neuron=Adaptive()))
    assert text == "neurons: 3\nneuron:\n  kind: adaptive\n  beta: 0.8\n  rise: 0.1\n"


def test_numpy_scalars_are_dumped_in_full(tmp_path):
    record, path = Read(v_read_volts=np.float32(0.1), adc_bits=np.int16(4)), tmp_path / "d.yaml"
    path.write_text(dump(record))
    assert path.read_text() == "v_read_volts: 0.10000000149011612\nadc_bits: 4\n"
    assert load(path, Read) == record


# --- cost ----------------------------------------------------------------------------------------


def test_the_schema_imports_only_yaml_and_the_standard_library():
    code = (
        "import sys; before = set(sys.modules); import device_models.schema\n"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before}\n"
        "print(*new - sys.stdlib_module_names)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    found = {name for name in run.stdout.split() if "cython" not in name}  # of yaml's C half
    assert found == {"device_models", "yaml"} | (found & {"_yaml"})


def test_a_key_that_lives_in_a_record_inside_is_found_there(tmp_path):
    path = tmp_path / "my.yaml"
    path.write_text("v_read_volts: 0.1\nrise: 0.1\n", "utf-8")
    with pytest.raises(ConfigError) as raised:
        load(path, Everything)
    assert str(raised.value).splitlines() == [
        f"{path}:1:1: unknown key 'v_read_volts'; did you mean 'read.v_read_volts'?",
        f"{path}:2:1: unknown key 'rise'; did you mean 'neuron.rise'?",
    ]
