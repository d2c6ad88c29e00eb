"""Counts of tiles equal a slow count over dense spikes, to the last event."""

import dataclasses
import functools
import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from xbar_training import fashion, finish, plan_of, small, synthetic, trained

from crossbar.array.periphery import Periphery
from crossbar.energy.activity import Activity, Sizes, Snapshot, layers_of
from crossbar.energy.activity_file import unpack
from crossbar.energy.counts import COUNTED, count, counts_of_run
from crossbar.energy.record_activity import keep, recorded
from crossbar.experiment.run import Run
from crossbar.snn.encodings.events import Events
from crossbar.synapses.policies.tiki_taka import TikiTaka
from device_models.errors import ConfigError, RunError


def dense_of(events, steps, lines):
    """Spikes as bool (samples, steps, lines), one event at a time."""
    dense = np.zeros((len(events), steps, lines), bool)
    for sample in range(len(events)):
        for event in range(events.offsets[sample], events.offsets[sample + 1]):
            dense[sample, events.times[event], events.rows[event]] = True
    return dense


def slow_counts(layer, after, steps, tile_rows, tile_columns):
    """Every count of one layer by loops over inferences, steps, tiles and lines."""
    lines = dense_of(layer.inputs, steps, layer.rows)
    down = [range(r, min(r + tile_rows, layer.rows)) for r in range(0, layer.rows, tile_rows)]
    right = range(0, layer.columns, tile_columns)
    counts = dict.fromkeys(
        ("row_activations", "drives", "conversions", "conversions_dense", "neuron_updates",
         "synaptic_operations", "synaptic_operations_dense", "buffer_words"), 0,
    )  # fmt: skip
    active, siemens, siemens_dense = [0] * len(down), 0.0, 0.0
    for sample in lines:
        for step in sample:
            counts["neuron_updates"] += layer.outputs
            for i, rows in enumerate(down):
                driven = [row for row in rows if step[row]]
                counts["conversions_dense"] += layer.columns
                counts["row_activations"] += len(driven)
                counts["drives"] += len(driven) * len(right)
                if driven:
                    active[i] += 1
                    counts["conversions"] += layer.columns
                    counts["buffer_words"] += layer.columns if len(down) > 1 else 0
                for row in rows:
                    siemens_dense += float(layer.siemens[row].astype(float).sum())
                    counts["synaptic_operations_dense"] += layer.outputs
                for row in driven:
                    siemens += float(layer.siemens[row].astype(float).sum())
                    counts["synaptic_operations"] += int(layer.fan_out[row])
                    counts["buffer_words"] += 1
    hearers = len(right) if layer.recurrent_rows else 0
    hearers += 0 if after is None else len(range(0, after.columns, tile_columns))
    counts["hops"] = layer.fired * hearers
    tiles = len(down) * len(right)
    counts |= {
        "active_steps": tuple(active), "tiles_down": len(down), "tiles_across": len(right),
        "utilisation": layer.siemens.size / (tiles * tile_rows * tile_columns),
        "name": layer.name, "rows": layer.rows, "outputs": layer.outputs,
        "columns": layer.columns, "tile_rows": tile_rows, "tile_columns": tile_columns,
        "delayed": 0, "delay_bits": 0, "adapting": 0, "dac_bits": 0, "own_reads": 0,
        "busiest_line": int(lines.sum((0, 1)).max()),
        "spikes": layer.fired, "neurons": layer.outputs, "positions": 1,
        "reads": counts["neuron_updates"] // layer.outputs,
    }  # fmt: skip
    return counts, siemens, siemens_dense


def check(activity, tile_rows, tile_columns):
    """Compare all layers with the slow count."""
    counted = count(activity, tile_rows, tile_columns)
    following = [*activity.layers[1:], None]
    for layer_counts, layer, after in zip(counted, activity.layers, following, strict=True):
        wanted, siemens, dense = slow_counts(layer, after, activity.steps, tile_rows, tile_columns)
        fields = dataclasses.asdict(layer_counts)
        assert_allclose(fields.pop("siemens_activations"), siemens, rtol=1e-9, atol=0.0)
        assert_allclose(fields.pop("siemens_dense"), dense, rtol=1e-9, atol=0.0)
        assert fields == wanted


def drawn(network, samples, chance, seed, copies=2):
    """An activity of random spikes, conductances and connections."""
    generator = np.random.default_rng(seed)
    spikes = []
    for lines in network.inputs_of:
        dense = generator.random((samples, network.steps, lines)) < chance
        dense[generator.random(samples) < 0.3] = False
        sample, step, line = np.nonzero(dense)
        ends = np.concatenate([[0], np.cumsum(np.bincount(sample, minlength=samples))])
        spikes.append(Events(line.astype(np.uint16), step.astype(np.uint8), ends.astype(np.int64)))
    arrays = [
        Snapshot(
            generator.uniform(1e-6, 1e-4, (rows, outputs * copies)).astype(np.float32),
            generator.integers(0, outputs + 1, rows),
            generator.integers(0, outputs + 1, rows),
        )
        for rows, outputs in network.crossbars
    ]
    return Activity(
        layers_of(Sizes.of(network), spikes, arrays), samples, network.steps, 1e-3, False
    )


@given(
    hidden=st.lists(st.integers(1, 7), min_size=1, max_size=3),
    inputs=st.integers(1, 12),
    steps=st.integers(2, 6),
    samples=st.integers(1, 4),
    recurrent=st.booleans(),
    chance=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    tile_rows=st.integers(1, 13),
    tile_columns=st.integers(1, 13),
    copies=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
@settings(deadline=None)
def test_counts_equal_the_slow_count(
    hidden, inputs, steps, samples, recurrent, chance, tile_rows, tile_columns, copies, seed
):
    network = plan_of(
        inputs=inputs, hidden=tuple(hidden), steps=steps, recurrent=recurrent, classes=2
    )
    activity = drawn(network, samples, chance, seed, copies)
    check(activity, tile_rows, tile_columns)


REAL = {
    "default": small(device="oxram.yaml"),
    "recurrent": small(network={"hidden": (20, 12), "recurrent": True}),
    "converted": small(periphery=Periphery(kind="adc", adc_bits=5, adc_noise_lsb=0.5)),
}


@functools.cache
def real(name):
    """The activity of a trained network."""
    trainer = trained(REAL[name], synthetic())
    return unpack(recorded(trainer, 0.5))[0]


@pytest.mark.parametrize("tile", [(128, 128), (64, 16), (100, 7), (1024, 1024)])
@pytest.mark.parametrize("name", REAL)
def test_counts_of_a_trained_network_equal_the_slow_count(name, tile):
    whole = real(name)
    images = 6  # of the images: the slow count takes its time
    layers = tuple(
        dataclasses.replace(layer, inputs=first_of(layer.inputs, images)) for layer in whole.layers
    )
    assert all(len(layer.inputs.rows) for layer in layers)
    check(dataclasses.replace(whole, layers=layers, inferences=images), *tile)


def first_of(events, samples):
    """The events of the first samples."""
    end = events.offsets[samples]
    return Events(events.rows[:end], events.times[:end], events.offsets[: samples + 1])


@pytest.mark.slow
def test_counts_of_fashion_mnist_equal_the_slow_count():
    """The default network on real images, all test images of them."""
    config = small(network={"hidden": 100}, batch_size=256, epochs=1)
    trainer = trained(config, fashion(2048, 100))
    activity, _ = unpack(recorded(config, trainer.layers[0].sheet, trainer))
    check(activity, 128, 128)


def test_a_finer_tile_is_active_as_often_or_more_in_all_and_less_each():
    """Cut in two, a row of tiles is active where either half is: counts of halves cover it."""
    activity = real("default")
    coarse, fine = (count(activity, rows, 128)[0] for rows in (128, 64))
    for i, steps in enumerate(coarse.active_steps):
        halves = fine.active_steps[2 * i : 2 * i + 2]
        assert max(halves) <= steps <= sum(halves)
    assert fine.row_activations == coarse.row_activations
    assert fine.synaptic_operations == coarse.synaptic_operations
    assert fine.siemens_activations == coarse.siemens_activations


def test_silence_leaves_what_does_not_depend_on_spikes():
    activity = real("default")
    none = Events(np.zeros(0, np.uint16), np.zeros(0, np.uint8), np.zeros(65, np.int64))
    quiet = tuple(dataclasses.replace(layer, inputs=none, fired=0) for layer in activity.layers)
    for before, after in zip(
        count(activity, 64, 64),
        count(dataclasses.replace(activity, layers=quiet), 64, 64),
        strict=True,
    ):
        one, other = (dataclasses.asdict(each) for each in (before, after))
        same = {name for name in one if one[name] == other[name]}
        assert same == {
            "name", "rows", "outputs", "neurons", "positions", "reads", "columns", "tiles_down",
            "tiles_across", "tile_rows", "tile_columns", "conversions_dense", "neuron_updates",
            "dac_bits", "own_reads", "siemens_dense", "synaptic_operations_dense", "utilisation",
                "delayed", "delay_bits", "adapting",
        } | ({"spikes", "hops"} if before.name == "readout" else set())  # fmt: skip
        changed = set(one) - same
        assert not any(np.any(other[name]) for name in changed)


@pytest.mark.parametrize(("rows", "columns"), [(0, 128), (128, 0), (-1, 1)])
def test_a_tile_without_lines_is_refused(rows, columns):
    with pytest.raises(ConfigError, match=r"tile_(rows|columns) = (0|-1) is outside \[1, 65536\]"):
        count(real("default"), rows, columns)


def saved(trainer, config, folder):
    """A trainer as a run with activity."""
    run = Run(folder, config, trainer.layers[0].sheet)
    run.save(trainer, trainer.conductances())
    keep(run, trainer)
    return run


def test_a_run_is_counted_from_its_files(tmp_path):
    config = small(network={"hidden": (20, 12)}, tile_rows=64, seed=3)
    trainer = trained(config, synthetic())
    run = saved(trainer, config, tmp_path / "run")
    summary = run.write_summary(trainer.rows)
    counts = counts_of_run(run.folder)
    assert counts.folder == str(run.folder)
    assert (counts.epochs, counts.training_images) == (2, 2 * 192)
    assert counts.accuracy == summary["test_accuracy"]
    assert counts.accuracy_interval == tuple(summary["test_accuracy_interval"])
    assert (counts.ei, counts.mapping, counts.device, counts.seed) == (
        "80:20", "one_sided", "oxram.yaml", 3,
    )  # fmt: skip
    assert (counts.v_read_volts, counts.t_read_seconds) == (0.2, 100e-9)
    assert (counts.tile_rows, counts.tile_columns, counts.adc_bits) == (64, 128, None)
    assert counts.pulse_seconds == trainer.layers[0].sheet.width_seconds
    assert [each.name for each in counts.training] == ["hidden 1", "hidden 2", "readout"]
    for each, layer in zip(counts.training, trainer.layers, strict=True):
        assert {n: getattr(each, n) for n in COUNTED} == {
            n: getattr(layer.board.counters, n) for n in COUNTED
        }
        pulses = layer.board.pulses_per_device().double()
        assert each.pulses_per_device_mean == float(pulses.mean()) > 0
        assert each.pulses_per_device_max == float(pulses.max())


def test_rows_and_summary_say_it_by_layer(tmp_path):
    config = small(network={"hidden": (20, 12)}, policy="tiki_taka", mapping="reference_column")
    trainer = trained(config, synthetic())
    names = ["hidden 1", "hidden 2", "readout"]
    names += [f"{name}, fast array" for name in names]
    summary = saved(trainer, config, tmp_path / "run").write_summary(trainer.rows)
    for row in trainer.rows:
        assert [each["name"] for each in row["layers"]] == names
        for part in ("set", "reset"):
            assert sum(each["pulses"][part] for each in row["layers"]) == row["pulses"][part]
        for name, total in row["reads"].items():
            assert sum(each["reads"][name] for each in row["layers"]) == total
    for i, each in enumerate(summary["layers"]):
        counters = trainer.boards[i].counters
        assert each["name"] == names[i]
        assert each["pulses"]["set"] == counters.set_pulses
        assert each["reads"]["row_activations"] == counters.row_activations
        assert_allclose(each["energy_joules"]["write"], counters.write_joules, rtol=1e-9)
        assert each["pulses_per_device"] == trainer.rows[-1]["layers"][i]["pulses_per_device"]
    assert [each.name for each in counts_of_run(tmp_path / "run").training] == names
    assert isinstance(trainer.policies[0], TikiTaka)


def test_activity_of_another_epoch_is_refused(tmp_path):
    config = small(epochs=1)
    trainer = trained(config, synthetic())
    run = saved(trainer, config, tmp_path / "run")
    finish(trainer, 2)
    run.save(trainer, trainer.conductances())
    text = (
        f"{run.folder}: its activity.npz is of epoch 1, its checkpoint of epoch 2; finish it with: "
        f"xbar train --resume {run.folder}"
    )
    with pytest.raises(RunError) as raised:
        counts_of_run(run.folder)
    assert str(raised.value) == text


def test_a_damaged_checkpoint_is_one_line(tmp_path):
    config = small(epochs=0)
    trainer = trained(config, synthetic())
    run = saved(trainer, config, tmp_path / "run")
    path = run.folder / "checkpoint.npz"
    whole = path.read_bytes()
    arrays = dict(np.load(path))
    for about in (b"[]", b"{", json.dumps({"counters": [{}], "rows": [], "epoch": 0}).encode()):
        np.savez(path, **arrays | {"about": np.frombuffer(about, np.uint8)})
        with pytest.raises(RunError, match=r"checkpoint.npz is damaged") as raised:
            counts_of_run(run.folder)
        assert "\n" not in str(raised.value)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match=r"checkpoint.npz cannot be read"):
        counts_of_run(run.folder)


def test_counting_pays_for_nothing_heavy(tmp_path):
    config = small(epochs=0)
    saved(trained(config, synthetic()), config, tmp_path / "run")
    code = (
        "import sys; from pathlib import Path; from crossbar.energy.counts import *\n"
        "found = counts_of_run(Path(sys.argv[1])); count(found.activity, 64, 64)\n"
        "sys.exit(bool({'torch', 'numba', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], check=True)
