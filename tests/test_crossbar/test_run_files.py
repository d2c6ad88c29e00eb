"""Files of a run say what they hold; whatever does not fit is refused before it is used."""

import copy
import io
import json
from pathlib import Path

import numpy as np
import pytest
from fuzz_readers import activities, trainer

from crossbar.energy.activity_file import unpack
from crossbar.experiment.row_schema import checked_rows, checked_summary
from crossbar.experiment.transfer import parameters_of
from crossbar.snn.parameters import check_parameters, initial, to_arrays
from device_models.errors import ConfigError, ShapeError

ROWS = Path(__file__).resolve().parents[1] / "fuzz" / "metrics.jsonl"


def rows():
    """Two epochs as JSON has them."""
    return [json.loads(line) for line in ROWS.read_text().splitlines()]


def test_rows_are_given_back_as_they_are():
    assert checked_rows(rows()) == rows()
    assert json.dumps(checked_rows(rows())) == json.dumps(rows())
    summary = {"test_accuracy": 0.5, "epochs": rows(), "more": 1}
    assert checked_summary(summary) == summary


@pytest.mark.parametrize(
    ("way", "value", "text"),
    [
        ((0, "test_accuracy"), "high", r"rows\[0\].test_accuracy must be a number, not 'high'"),
        ((1, "test_accuracy"), 1.5, "an accuracy of 1.5 is no share"),
        ((1, "test_images"), 0, "without test images"),
        ((1, "epoch"), 7, "not those of epochs one after the other"),
        ((0, "layers", 0, "name"), "other", "arrays change from epoch to epoch"),
        ((0, "pulses"), {"set": 1}, r"rows\[0\].pulses lacks reset"),
        ((0, "spikes_per_inference", "layers"), 3, "must be a list"),
        ((1, "mapping"), None, "must be a mapping"),
    ],
)
def test_a_row_that_is_none_is_refused_by_name(way, value, text):
    changed = copy.deepcopy(rows())
    *path, last = way
    part = changed
    for key in path:
        part = part[key]
    part[last] = value
    with pytest.raises(ValueError, match=text):
        checked_rows(changed)


def test_no_row_is_none():
    for empty in ([], {}, None, "x"):
        with pytest.raises(ValueError, match="rows"):
            checked_rows(empty)


def activity():
    """The arrays of an activity file, and its header."""
    with np.load(io.BytesIO(activities()[0])) as file:
        arrays = {name: file[name] for name in file.files}
    return arrays, json.loads(arrays["about"].tobytes())


def test_a_whole_activity_is_read():
    assert unpack(activity()[0])[0].inferences == 4


@pytest.mark.parametrize(
    ("part", "key", "value", "text"),
    [
        ("run", "tile_rows", 0, r"tile_rows = 0 is outside \[1, 65536\]"),
        ("run", "accuracy", 7, "accuracy = 7 is outside"),
        ("run", "v_read_volts", "x", "about.run.v_read_volts must be a number"),
        ("network", "steps", 0, "steps = 0 is outside"),
        ("network", "hidden", [], "is driven by no layer|has 784 rows|other neurons"),
        ("network", "sources", [5, 0], "is driven by no layer"),
        ("network", "sources", [0, 0], "rows, which its lines do not drive"),
        ("network", "names", ["a"], "different numbers of layers"),
        ("network", "crossbars", [[784, 6], [1 << 40, 10]], "a layer has no lines, or more than"),
        ("network", "recurrent_rows_of", [784, 0], "is driven by no layer"),
        ("network", "own_reads", [-1, 0], "read less than never"),
        ("network", "reads", [[[1, 2, 2], [9, 1, 1, 1], False, 0, False]] * 2, "do not drive"),
        ("network", "top", 7, "amplitudes have no unit"),
    ],
)
def test_a_header_that_no_network_has_is_refused(part, key, value, text):
    arrays, about = activity()
    about[part][key] = value
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with pytest.raises(ValueError, match=text):
        unpack(arrays)


@pytest.mark.parametrize(
    ("name", "change", "text"),
    [
        ("0.siemens", lambda g: -g, "negative or not finite"),
        ("0.siemens", lambda g: g[:, :3], "not those of its network"),
        ("1.fan_out", lambda n: n + 100, "more weights of a line than there are"),
        ("1.nonzero", lambda n: n - 100, "more weights of a line than there are"),
    ],
)
def test_arrays_that_no_network_has_are_refused(name, change, text):
    arrays, _ = activity()
    arrays[name] = change(arrays[name])
    with pytest.raises(ValueError, match=text):
        unpack(arrays)


def test_a_weight_beyond_float32_is_refused(tmp_path):
    network = trainer().setup.network
    arrays = to_arrays(initial(network, 0), network)
    arrays["w1"] = arrays["w1"].astype(np.float64)
    path = tmp_path / "w.npz"
    for wrong in (1e39, np.nan, -np.inf):
        arrays["w1"][2, 3] = wrong
        np.savez(path, **arrays)
        with pytest.raises(ConfigError, match="w1 holds what is no finite number"):
            parameters_of(path, network, None)


def test_numbers_of_another_network_reach_no_kernel():
    setup = trainer().setup
    first = initial(setup.network, 0)
    check_parameters(first, setup.network)
    w0, w1 = first.weights
    for weights, text in [
        ((w0,), "numbers of 1 layers, the network has 2"),
        ((w0[1:], w1), "has numbers of shapes .* it needs"),
        ((w0, w1 * np.float32(np.nan)), "a number that is not finite"),
        ((w0, w1.astype(np.float64)), "or no float32"),
    ]:
        part = replace_all(first, weights)
        with pytest.raises(ShapeError, match=text):
            check_parameters(part, setup.network)


def replace_all(first, weights):
    """The same with other weights; as many layers of each part."""
    return first._replace(
        weights=weights, biases=first.biases[: len(weights)], trained=first.trained[: len(weights)]
    )
