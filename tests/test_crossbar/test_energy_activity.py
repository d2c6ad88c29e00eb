"""Spikes kept of a run are those of its last test, whatever lies between; the file is checked."""

import functools
import io
import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from xbar_training import finish, plan_of, same_bits, small, synthetic, trained, trainer_of

from crossbar.array.faults import Faults
from crossbar.array.periphery import Periphery
from crossbar.energy import activity as activities
from crossbar.energy import record_activity
from crossbar.energy.activity import Activity
from crossbar.energy.activity_file import events_of, read_activity, read_arrays, unpack
from crossbar.energy.assumed import assumed_activity, assumed_run
from crossbar.energy.counts import count
from crossbar.energy.record_activity import fan_out, keep
from crossbar.experiment.run import Run
from crossbar.snn.encodings.constant import Constant
from crossbar.snn.encodings.events import Events
from crossbar.wires.wires import Wires
from device_models.errors import ConfigError, RunError

DEEP = {"hidden": (20, 12)}
RECURRENT = DEEP | {"recurrent": True}
CONVERTED = Periphery(kind="adc", adc_bits=6, adc_noise_lsb=0.5, adc_offset_lsb=0.3)
CHIPS = {
    "one layer": small(),
    "deep": small(network=DEEP, tile_rows=100, tile_columns=16),
    "recurrent": small(network=RECURRENT, tile_rows=48),
    "converted": small(periphery=CONVERTED, tile_rows=100),
    "converted, recurrent": small(network=RECURRENT, periphery=CONVERTED, tile_rows=30),
    "wires": small(wires=Wires(2.0, 2.0), tile_rows=64, tile_columns=64, epochs=1),
    "copies": small(
        faults=Faults(stuck_low_share=0.1), copies=2, averaged=1, placement="remap", tile_rows=50
    ),
}
each_chip = pytest.mark.parametrize("name", CHIPS)


@functools.cache
def done_with(name):
    """A trained trainer of one of the chips."""
    return trained(CHIPS[name], synthetic())


@pytest.fixture
def saved(tmp_path):
    """A function that saves a trainer as a run with activity."""

    def save(trainer, config):
        run = Run(tmp_path / "run", config, trainer.layers[0].sheet)
        before = trainer.conductances()
        run.save(trainer, before)
        keep(run, trainer)
        return run

    return save


@each_chip
def test_kept_spikes_are_those_of_the_test_that_the_metrics_report(name, saved):
    """Events, row activations, active steps, conversions, joules; read noise and converters too."""
    config, trainer = CHIPS[name], done_with(name)
    boards = [layer.board for layer in trainer.layers]
    before = [board.counters for board in boards]
    test = trainer.evaluate()
    spent = [board.counters - then for board, then in zip(boards, before, strict=True)]
    row = trainer.rows[-1]
    assert float((test.predictions == trainer.data.test_labels).mean()) == row["test_accuracy"]
    activity = read_activity(saved(trainer, config).folder)
    assert (activity.inferences, activity.steps, activity.assumed) == (64, 100, False)
    counts = count(activity, config.tiles.tile_rows, config.tiles.tile_columns)
    for i, (layer, counted, board) in enumerate(zip(activity.layers, counts, boards, strict=True)):
        assert counted.row_activations == test.activations[i] > 0
        assert sum(counted.active_steps) == test.tile_steps[i]
        assert counted.drives == spent[i].row_activations
        assert counted.conversions == spent[i].column_conversions
        v, t = board.info.read_volts, board.info.read_seconds
        assert_allclose(counted.siemens_activations * v**2 * t, spent[i].read_joules, rtol=1e-6)
        if i < len(test.spikes):
            assert layer.fired == test.spikes[i].sum() > 0
            first, after = layer.outputs, activity.layers[i + 1]
            own_rows = np.bincount(after.inputs.rows, minlength=after.rows)[:first]
            np.testing.assert_array_equal(own_rows, test.spikes[i])
    each = [layer.fired / activity.inferences for layer in activity.layers[:-1]]
    assert each == row["spikes_per_inference"]["layers"]


@each_chip
def test_a_restored_run_writes_the_same_activity_to_the_last_byte(name, saved):
    config = CHIPS[name]
    run = saved(done_with(name), config)
    path = run.folder / "activity.npz"
    first = path.read_bytes()
    path.unlink()
    again = trainer_of(config, synthetic(), threads=2)
    rows = list(done_with(name).rows)
    Run.open(run.folder).restore(again)
    keep(run, again)
    assert path.read_bytes() == first
    assert again.rows == rows


def test_keeping_the_activity_changes_nothing_that_is_trained_afterwards(saved):
    config = CHIPS["converted, recurrent"]
    one, other = (trainer_of(config, synthetic()) for _ in range(2))
    for trainer in (one, other):
        trainer.start()
        finish(trainer, 1)
    saved(one, config)
    for trainer in (one, other):
        finish(trainer, 2)
    same_bits(one, other)


def test_own_spikes_stand_behind_the_lines_that_come_in():
    lines = Events(np.uint16([2, 0, 1]), np.uint8([1, 3, 0]), np.int64([0, 2, 3]))
    feedback = Events(np.uint16([1, 0]), np.uint8([1, 2]), np.int64([0, 2, 2]))
    events = activities.driven(lines, feedback, 3)
    assert events.rows.tolist() == [2, 4, 3, 0, 1]
    assert events.times.tolist() == [1, 1, 2, 3, 0]
    assert events.offsets.tolist() == [0, 4, 5]
    assert activities.driven(lines, feedback, 65_535).rows.max() == 65_536


def test_a_synapse_is_connected_while_one_of_its_devices_moves():
    """Pairs of devices: stuck ones are known from the map of the board."""
    config = small(mapping="pair", faults=Faults(stuck_low_share=0.4), network={"ei": "none"})
    for layer in trainer_of(config, synthetic()).layers:
        plus, minus = layer.board.broken.dead.chunk(2, dim=1)
        wanted = (~(plus & minus)).sum(1)
        assert fan_out(layer, layer.board).tolist() == wanted.tolist()
        assert wanted.sum() < plus.numel()


def test_under_dales_law_only_the_own_device_of_a_row_connects():
    config = small(faults=Faults(stuck_low_share=0.3))
    layer = trainer_of(config, synthetic()).layers[0]
    plus, _ = layer.board.broken.dead.chunk(2, dim=1)
    assert fan_out(layer, layer.board).tolist() == (~plus).sum(1).tolist()


def test_without_activity_the_message_says_how_to_make_it(saved):
    folder = saved(done_with("one layer"), CHIPS["one layer"]).folder
    (folder / "activity.npz").unlink()
    text = (
        f"{folder} has no activity.npz, the spikes of its last test; write it anew with: "
        f"xbar train --resume {folder}"
    )
    with pytest.raises(RunError) as raised:
        read_activity(folder)
    assert str(raised.value) == text
    with pytest.raises(RunError, match=r"is no run: it has no checkpoint.npz"):
        read_activity(folder / "nowhere")


def damaged(arrays, **changed):
    """The bytes of an activity file with some arrays changed."""
    file = io.BytesIO()
    np.savez(file, **(arrays | changed))
    return file.getvalue()


def test_a_damaged_file_is_one_line(saved):
    folder = saved(done_with("deep"), CHIPS["deep"]).folder
    path = folder / "activity.npz"
    whole, arrays = path.read_bytes(), read_arrays(path, "")
    lost = {name: array for name, array in arrays.items() if name != "1.times"}
    turned = arrays["0.times"].copy()
    turned[:2] = turned[1::-1][:2] + np.uint8([1, 0])
    about = json.loads(arrays["about"].tobytes())
    del about["run"]["seed"]
    middle = len(whole) // 2
    contents = [
        b"", b"nonsense", whole[:-50], whole[:middle],
        whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        damaged(lost),
        damaged(arrays, **{"1.rows": arrays["1.rows"] + np.uint16(20)}),
        damaged(arrays, **{"1.rows": arrays["1.rows"].astype(float)}),
        damaged(arrays, **{"0.times": turned}),
        damaged(arrays, **{"0.offsets": arrays["0.offsets"][:-1]}),
        damaged(arrays, **{"0.offsets": arrays["0.offsets"][::-1].copy()}),
        damaged(arrays, **{"1.siemens": arrays["1.siemens"][:, 0]}),
        damaged(arrays, **{"1.siemens": arrays["1.siemens"] * np.float32(np.nan)}),
        damaged(arrays, **{"2.fan_out": arrays["2.fan_out"][1:]}),
        damaged(arrays, about=np.frombuffer(b"{}", np.uint8)),
        damaged(arrays, about=np.frombuffer(json.dumps(about).encode(), np.uint8)),
    ]  # fmt: skip
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(RunError, match=r"activity.npz (cannot be read|is damaged)") as raised:
            read_activity(folder)
        assert "\n" not in str(raised.value)
        assert str(raised.value).endswith(f"xbar train --resume {folder}")


def test_a_line_may_spike_twice_in_a_step_but_not_go_back():
    def arrays(rows):
        times = np.ones(len(rows), np.uint8)
        parts = np.array(rows, np.uint16), times, np.array([0, len(rows)])
        return dict(zip(("rows", "times", "offsets"), parts, strict=True))

    assert events_of(arrays([2, 3, 3]), "", 4, 5).rows.tolist() == [2, 3, 3]
    with pytest.raises(ValueError, match="not sorted"):
        events_of(arrays([3, 2, 3]), "", 4, 5)


def test_a_full_disk_leaves_the_old_file(saved, monkeypatch):
    run = saved(done_with("one layer"), CHIPS["one layer"])
    path = run.folder / "activity.npz"
    first = path.read_bytes()

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("device_models.atomic.write", full)
    with pytest.raises(OSError, match="No space left on device"):
        keep(run, done_with("one layer"))
    assert path.read_bytes() == first


def test_of_many_spikes_those_of_the_first_images_are_kept(monkeypatch):
    """As many as fit; the accuracy stays that of all images, and the file stays small."""
    trainer = done_with("deep")
    whole, about = unpack(record_activity.recorded(trainer, 0.5))
    each = trainer.rows[-1]["spikes_per_inference"]["total"]
    monkeypatch.setattr(record_activity, "MOST_SPIKES", int(10.5 * each))
    part, of_part = unpack(record_activity.recorded(trainer, 0.5))
    assert (part.inferences, whole.inferences) == (10, 64)
    assert vars(of_part) == vars(about)
    for few, every in zip(part.layers, whole.layers, strict=True):
        ends = every.inputs.offsets[:11]
        assert few.inputs.offsets.tolist() == ends.tolist()
        assert few.inputs.rows.tolist() == every.inputs.rows[: ends[-1]].tolist()
        assert few.inputs.times.tolist() == every.inputs.times[: ends[-1]].tolist()
    monkeypatch.setattr(record_activity, "MOST_SPIKES", 0)
    assert unpack(record_activity.recorded(trainer, 0.5))[0].inferences == 1


NETWORK = plan_of(inputs=200, hidden=(40, 30), recurrent=True, classes=5, steps=60)


def test_assumed_spikes_have_the_assumed_rates():
    """Binomial counts: five standard errors, and a rate 20 % off is outside them."""
    rates = (20.0, 50.0, 8.0)
    activity = assumed_activity(
        NETWORK, rates, generator=np.random.default_rng(4), inferences=50, mean_siemens=1e-5
    )
    assert activity.assumed
    fired = [np.count_nonzero(activity.layers[0].inputs.rows < 200)]
    fired += [layer.fired for layer in activity.layers[:-1]]
    for n, lines, rate in zip(fired, NETWORK.inputs_of, rates, strict=True):
        trials, p = 50 * 60 * lines, rate * 1e-3
        error = np.sqrt(trials * p * (1.0 - p))
        assert abs(n - trials * p) < 5 * error < 0.2 * trials * p
    assert [layer.rows for layer in activity.layers] == [240, 70, 30]
    assert [layer.recurrent_rows for layer in activity.layers] == [40, 30, 0]
    for layer in activity.layers:
        driven = np.bincount(layer.inputs.rows, minlength=layer.rows)
        assert (driven > 0).all()
    (first, *_) = count(activity, 128, 128)
    assert_allclose(first.siemens_activations, first.row_activations * 80 * 1e-5, rtol=1e-5)


@pytest.mark.parametrize(("mean", "least", "bits"), [(0.0, 0, 3), (0.5, -3, 3)])
def test_assumed_amplitudes_are_all_codes(mean, least, bits):
    """They are read once, rates are of the hidden layers, and only lines with a code are driven."""
    network = plan_of(inputs=40, hidden=(30,), classes=5, steps=60)
    code = Constant.Options(bits=3, mean=(mean,))
    draw = np.random.default_rng(3)
    first, readout = assumed_activity(network, (50.0,), generator=draw, constant=code).layers
    assert np.unique(first.held.codes).tolist() == list(range(least, code.top + 1))
    assert (first.dac_bits, readout.dac_bits) == (bits, 0)
    assert (first.held.gain, len(first.inputs.rows)) == (1.0, 0)
    counted, _ = count(Activity((first, readout), 100, 60, 1e-3, True), 128, 128)
    assert counted.row_activations == np.count_nonzero(first.held.codes)
    assert counted.reads == 100
    with pytest.raises(ConfigError, match=r"2 rates are given, .* needs 1: amplitudes drive its"):
        assumed_activity(network, (1.0, 1.0), generator=draw, constant=code)


def test_the_highest_rate_is_a_spike_in_every_step():
    network = plan_of(inputs=200, hidden=(40, 30), classes=5, steps=60)
    activity = assumed_activity(
        network, (1000.0, 0.0, 1000.0), generator=np.random.default_rng(0), inferences=2
    )
    first, second, readout = count(activity, 128, 128)
    assert first.synaptic_operations == first.synaptic_operations_dense
    assert first.conversions == first.conversions_dense
    assert (second.row_activations, second.conversions, second.buffer_words) == (0, 0, 0)
    assert readout.row_activations == 2 * 60 * 30


@pytest.mark.parametrize(
    ("rates", "more", "text"),
    [
        ((1.0, 2.0), {}, "2 rates are given, the network needs 3: of an input line and of a"),
        ((1.0, 2.0, -1.0), {}, "a rate of -1 Hz is outside [0, 1000] Hz: one spike per step"),
        ((1.0, 1001.0, 1.0), {}, "a rate of 1001 Hz is outside [0, 1000] Hz"),
        ((1.0, float("nan"), 1.0), {}, "a rate of nan Hz is outside [0, 1000] Hz"),
        ((1.0, 1.0, 1.0), {"inferences": 0}, "inferences = 0 is outside [1, 100000]"),
        ((1.0, 1.0, 1.0), {"mean_siemens": -1.0}, "mean_siemens = -1 is outside [0, 1]"),
        ((1.0, 1.0, 1.0), {"devices_per_synapse": 0}, "devices_per_synapse = 0 is outside"),
    ],
)
def test_impossible_assumptions_are_refused(rates, more, text):
    with pytest.raises(ConfigError) as raised:
        assumed_activity(NETWORK, rates, generator=np.random.default_rng(0), **more)
    assert text in str(raised.value)
    assert "\n" not in str(raised.value)


FILE = """
layers:
- {kind: dense, neurons: 8}
- {kind: dense, neurons: 4}
- {kind: dense, neurons: 3, neuron: leaky_integrator}
data: {inputs: 20, classes: 3, steps: 10}
"""


def test_a_network_file_becomes_a_run_without_training(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(
        "inputs: 20\nlayers:\n- {kind: dense, neurons: 8}\n- {kind: dense, neurons: 4}\n"
        "- {kind: dense, neurons: 3, neuron: leaky_integrator}\ndata: {steps: 10}\n"
    )
    run = assumed_run(path, (100.0, 50.0, 50.0), generator=np.random.default_rng(1))
    assert (run.training, run.epochs, run.activity.assumed) == ((), 0, True)
    assert [layer.rows for layer in run.activity.layers] == [20, 8, 4]
    assert np.isnan(run.accuracy)
    path.write_text(path.read_text().replace("steps: 10", "steps: 10, encoding: constant"))
    held = assumed_run(path, (50.0, 50.0), generator=np.random.default_rng(1))
    assert [layer.dac_bits for layer in held.activity.layers] == [8, 0, 0]
    path.write_text("inputs: 0\n")
    with pytest.raises(ConfigError, match=r"net.yaml:1:9: inputs = 0 is outside"):
        assumed_run(path, (1.0, 1.0), generator=np.random.default_rng(1))
