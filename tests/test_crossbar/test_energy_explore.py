"""Other chips for a trained run: tested as if trained there, kept, and the Pareto front."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from xbar_training import changed, small, synthetic, trained

from crossbar.array.periphery import Periphery
from crossbar.energy.counts import count, counts_of_run
from crossbar.energy.design_space import AXES, explore, pareto_front
from crossbar.energy.record_activity import keep
from crossbar.experiment import reevaluate
from crossbar.experiment.run import Run
from device_models.errors import ConfigError, RunError

CONFIG = small(tile_rows=64, tile_columns=32)


def made(folder, config=CONFIG):
    """A trained run with its activity."""
    trainer = trained(config, synthetic())
    run = Run(folder, config, trainer.layers[0].sheet)
    run.save(trainer, trainer.conductances())
    keep(run, trainer)
    return run


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A run that tests read."""
    return made(tmp_path_factory.mktemp("explore") / "run")


@pytest.fixture
def run(shared, tmp_path):
    """A copy of it."""
    folder = tmp_path / "run"
    folder.mkdir()
    for path in shared.folder.iterdir():
        if path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    return Run.open(folder)


def never():
    """Images of a test that must not need any."""
    raise AssertionError("the images were loaded")


def test_the_chip_of_the_run_gives_what_the_run_gave(run):
    """Its counts tiles: the same noise, the same spikes, the same accuracy."""
    (point,) = explore(run.folder, {"tile_rows": [64]}, data=synthetic)
    counts = counts_of_run(run.folder)
    assert point.accuracy == counts.accuracy
    assert count(point.counts.activity, 64, 32) == count(counts.activity, 64, 32)


def test_points_are_those_of_the_same_devices_on_another_chip(run):
    """Against `Trainer.evaluate` of the changed settings, pass by pass."""
    axes = {"adc_bits": [3, 8], "tile": [16, 100], "v_read_volts": [0.1]}
    points = explore(run.folder, axes, data=synthetic, threads=1)
    assert [list(point.settings.values()) for point in points] == [
        [3, 16, 0.1], [3, 100, 0.1], [8, 16, 0.1], [8, 100, 0.1],
    ]  # fmt: skip
    for point in points:
        bits, tile = point.settings["adc_bits"], point.settings["tile"]
        run.config = changed(
            run.config, tile_rows=tile, tile_columns=tile, v_read_volts=0.1,
            periphery=Periphery(kind="adc", adc_bits=bits),
        )  # fmt: skip
        trainer = reevaluate.rebuilt(run, synthetic())
        test = trainer.evaluate()
        accuracy = float((test.predictions == synthetic().test_labels).mean())
        assert point.accuracy == point.counts.accuracy == accuracy
        assert (point.counts.adc_bits, point.counts.v_read_volts) == (bits, 0.1)
        assert (point.counts.tile_rows, point.counts.tile_columns) == (tile, tile)
        for i, counts in enumerate(count(point.counts.activity, tile, tile)):
            assert counts.row_activations == test.activations[i]
            assert sum(counts.active_steps) == test.tile_steps[i]
            assert_allclose(counts.siemens_activations, test.siemens[i], rtol=1e-6)
    hidden = {tuple(layer.fired for layer in point.counts.activity.layers) for point in points}
    assert len(hidden) > 1  # coarse converters change what fires


def test_wires_of_other_tiles_lose_less_the_shorter_they_are(run):
    """Tiles of the checkpoint were 64 x 32: what reads see changes with the length of the lines."""
    points = explore(run.folder, {"wires": [20.0], "tile": [16, 128]}, data=synthetic)
    short, long = (count(p.counts.activity, 16, 16)[0].siemens_dense for p in points)
    ideal = count(counts_of_run(run.folder).activity, 16, 16)[0].siemens_dense
    assert long < 0.98 * short < 0.98 * ideal


def test_a_second_call_reads_what_the_first_one_kept(run):
    axes = {"adc_bits": [4, 6]}
    calls = []
    first = explore(
        run.folder, axes, data=synthetic, progress=lambda done, total: calls.append((done, total))
    )
    assert calls == [(1, 2), (2, 2)]
    second = explore(run.folder, axes, data=never)
    for one, other in zip(first, second, strict=True):
        assert (one.settings, one.accuracy) == (other.settings, other.accuracy)
        assert count(one.counts.activity, 32, 32) == count(other.counts.activity, 32, 32)
        assert one.counts.training == other.counts.training
    stored = sorted((run.folder / "explore").iterdir())
    assert [path.suffix for path in stored] == [".json", ".npz"] * 2
    assert json.loads(stored[0].read_text())["settings"]["adc_bits"] in (4, 6)


@pytest.mark.parametrize("suffix", [".json", ".npz"])
@pytest.mark.parametrize("content", [b"", b"{}", b"PK\3\4 not an archive"])
def test_a_damaged_point_is_tested_anew(run, suffix, content):
    (first,) = explore(run.folder, {"adc_bits": [4]}, data=synthetic)
    (path,) = (run.folder / "explore").glob(f"*{suffix}")
    whole = path.read_bytes()
    path.write_bytes(content)
    (second,) = explore(run.folder, {"adc_bits": [4]}, data=synthetic)
    assert second.accuracy == first.accuracy
    assert path.read_bytes() == whole


def test_another_checkpoint_is_another_point(run):
    explore(run.folder, {"adc_bits": [4]}, data=synthetic)
    made(run.folder, changed(CONFIG, seed=1))
    with pytest.raises(AssertionError, match="the images were loaded"):
        explore(run.folder, {"adc_bits": [4]}, data=never)


KILLED = """
import sys
from pathlib import Path
from xbar_training import synthetic
from crossbar.energy.design_space import AXES, explore
explore(Path(sys.argv[1]), {"adc_bits": list(range(1, 7))}, data=synthetic)
"""


def test_a_killed_exploration_goes_on(run):
    """Killed after the first point at the latest: what is stored is whole, not tested again."""
    paths = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    store = run.folder / "explore"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(run.folder)], env=os.environ | paths
    ) as process:
        while process.poll() is None and not list(store.glob("*.json")):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    before = {path: path.stat().st_mtime_ns for path in store.glob("*.json")}
    assert before
    bits = list(range(1, 7))
    points = explore(run.folder, {"adc_bits": bits}, data=synthetic)
    assert [point.counts.adc_bits for point in points] == bits
    assert all(path.stat().st_mtime_ns == then for path, then in before.items())
    assert explore(run.folder, {"adc_bits": bits}, data=never)[0].accuracy == points[0].accuracy


@pytest.mark.parametrize(
    ("axes", "text"),
    [
        ({"adc_bit": [3]}, "there is no axis 'adc_bit' to explore; did you mean 'adc_bits'?"),
        ({"colour": [3]}, "there is no axis 'colour' to explore; known: wires, tile, tile_rows"),
        ({"adc_bits": []}, "the axis adc_bits has no value"),
        ({"adc_bits": [0]}, "adc_bits = 0 is outside [1, 16] bit"),
        (
            {"adc_bits": [3.5]},
            "adc_bits must be a whole number in [1, 16] bit, not '3.5'",
        ),
        ({"adc_bits": [8, 17]}, "adc_bits = 17 is outside [1, 16] bit"),
        ({"tile": [0]}, "tile = 0 is outside [1, 65536] lines"),
        ({"tile": [float("nan")]}, "tile must be a whole number"),
        ({"tile": [float("inf")]}, "tile must be a whole number"),
        ({"v_read_volts": [0.6]}, "v_read_volts = 0.6 is outside [0.001, 0.5] V"),
        ({"tile": [64], "tile_rows": [64]}, "tile sets the rows and columns of a tile"),
        ({"adc_bits": [8] * 200, "tile": [8] * 200}, "40000 points; at most 10000 are possible"),
    ],
)
def test_impossible_axes_are_one_line_and_nothing_is_tested(run, axes, text):
    with pytest.raises(ConfigError) as raised:
        explore(run.folder, axes, data=never)
    message = str(raised.value)
    assert text in message
    assert message.endswith("; nothing was tested")
    assert not (run.folder / "explore").exists()


def test_every_axis_is_said_and_can_be_explored(run):
    values = {"adc_bits": 5, "tile": 40, "tile_rows": 40, "tile_columns": 40, "v_read_volts": 0.1}
    values["wires"] = 1.0
    assert values.keys() == AXES.keys()
    for name, value in values.items():
        (point,) = explore(run.folder, {name: [value]}, data=synthetic)
        assert point.settings == {name: value}


def test_a_run_without_activity_says_how_to_make_it(run):
    (run.folder / "activity.npz").unlink()
    with pytest.raises(RunError, match=r"write it anew with: xbar train --resume"):
        explore(run.folder, {"adc_bits": [3]}, data=never)


def test_a_full_disk_is_one_line(run, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("device_models.atomic.write", full)
    with pytest.raises(RunError, match=r"cannot be written: No space left on device$"):
        explore(run.folder, {"adc_bits": [3]}, data=synthetic)
    assert list((run.folder / "explore").iterdir()) == []


def test_devices_that_depend_on_the_tile_cannot_move_to_another(tmp_path):
    """Each tile of a reference column holds references of its own."""
    config = changed(CONFIG, mapping="reference_column", tile_columns=16, epochs=0)
    run = made(tmp_path / "run", config)
    with pytest.raises(RunError, match=r"^tile = 8: .* other devices"):
        explore(run.folder, {"tile": [8]}, data=synthetic)


def test_a_mapping_that_no_converter_reads_is_refused(tmp_path):
    run = made(tmp_path / "run", changed(CONFIG, mapping="dale", epochs=0))
    with pytest.raises(ConfigError, match=r"^adc_bits = 8: .* the dale mapping reads the rows"):
        explore(run.folder, {"adc_bits": [8]}, data=synthetic)


def brute_force(points):
    """The front by comparing all pairs."""
    return {
        i
        for i, a in enumerate(points)
        if not np.isnan(a).any()
        and not any((b <= a).all() and (b < a).any() for b in points if not np.isnan(b).any())
    }


@given(
    arrays(
        float,
        st.tuples(st.integers(0, 12), st.integers(1, 4)),
        elements=st.sampled_from([-1.0, 0.0, 1.0, 2.0, float("nan"), float("inf")]),
    )
)
@settings(deadline=None)
def test_the_front_is_that_of_all_pairs(points):
    front = pareto_front(points)
    assert set(front.tolist()) == brute_force(points)
    assert len(set(front.tolist())) == len(front)
    assert (points[front[1:], 0] >= points[front[:-1], 0]).all()
