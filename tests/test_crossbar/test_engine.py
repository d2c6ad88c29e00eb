"""The engine: threads change no bit, several layers equal the reference, spikes without noise."""

import dataclasses
import functools

import numpy as np
import pytest
import torch
from torch.testing import assert_close
from xbar_kernels import FLOAT32, driven_lines, events_of, near, some
from xbar_training import MARGIN, margins, plan_for, plan_of, small, synthetic, trainer_of

from crossbar.array.periphery import Periphery
from crossbar.experiment.builder import engine as engine_for
from crossbar.experiment.config import Training
from crossbar.snn import reference
from crossbar.snn.engines import Batch, DenseEngine, EventEngine, LayerView
from crossbar.snn.engines.dense import Crossbar
from crossbar.snn.kernels import pointers
from crossbar.snn.kernels.records import LayerArrays
from crossbar.snn.plan import plan
from device_models.errors import ConfigError

SAMPLES, TILE_ROWS = 37, 16  # no multiple of the chunks
NETWORKS = {
    "one": plan_of(inputs=30, hidden=20, classes=5, steps=50, ei="none"),
    "deep": plan_of(inputs=30, hidden=(20, 12), classes=5, steps=50, ei="none"),
    "recurrent": plan_of(
        inputs=30, hidden=(20, 12), classes=5, steps=50, ei="none", recurrent=True
    ),
}
each_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
deep_networks = pytest.mark.parametrize("network", list(NETWORKS.values())[1:])


@functools.cache
def inputs(network):
    """Counts (samples, steps, inputs), their events and labels; the first two are empty."""
    generator = np.random.default_rng([61, network.inputs])
    x = generator.poisson(0.02, (SAMPLES, network.steps, network.inputs))
    x[:2] = 0
    return x, events_of(x), generator.integers(0, network.classes, SAMPLES)


def layers_of(network, *, noise=0.0):
    """Signed weights of 32 bits that make every layer fire; all devices as noisy."""
    generator = np.random.default_rng([62, len(network.hidden)])
    found = []
    for rows, outputs in network.crossbars:
        weights = 3.0 * generator.standard_normal((rows, outputs)) / np.sqrt(rows)
        variance = np.full((rows, outputs) if noise else (0, 0), noise**2, np.float32)
        siemens = generator.uniform(0.0, 1e-3, rows)
        found.append(LayerView(weights.astype(np.float32), variance, siemens))
    return found


def run(network, layers, chosen, *, threads=1, learn=True):
    """A pass of an engine of so many threads."""
    engine = EventEngine(network, tile_rows=TILE_ROWS, threads=threads)
    _, events, labels = inputs(network)
    back = [layer.weights for layer in layers] if learn else None
    return engine.run(Batch(events, labels, chosen, 5, 100), layers, learn=back)


def bits(done):
    """All that a pass says, as bytes."""
    parts = [part if isinstance(part, tuple) else (part,) for part in done]
    return [[array.tobytes() for array in part] for part in parts]


@each_network
@pytest.mark.parametrize("samples", [5, SAMPLES])
def test_threads_change_no_bit(network, samples):
    layers = layers_of(network, noise=0.05)
    one, *others = (
        run(network, layers, np.arange(samples), threads=threads) for threads in (1, 2, 3)
    )
    assert all(spikes.any() for spikes in one.spikes)
    assert all(gradient.any() for gradient in one.gradients)
    for other in others:
        assert bits(one) == bits(other)
    silent = run(network, layers_of(network), np.arange(samples))
    assert bits(silent) != bits(one)


def expected(network, layers):
    """What the reference makes of the samples that keep their distance from a threshold."""
    x, _, labels = inputs(network)
    weights = [torch.tensor(layer.weights).double().requires_grad_() for layer in layers]
    x, labels = torch.from_numpy(x).double(), torch.from_numpy(labels)
    outcome = reference.simulate(network, weights, x, labels)
    kept = np.flatnonzero(margins(outcome).numpy() >= MARGIN)
    assert len(kept) > SAMPLES // 2
    gradients = torch.autograd.grad(outcome.losses[kept].mean(), weights)
    return kept, x[kept], some(outcome, kept), gradients


@deep_networks
def test_a_pass_is_that_of_the_reference(network):
    """The layers before the readout carry errors on: 32 bits lose as much as in the first."""
    layers = layers_of(network)
    kept, x, outcome, gradients = expected(network, layers)
    done = run(network, layers, kept)
    losses = torch.from_numpy(done.losses)
    assert_close(losses, outcome.losses, rtol=FLOAT32.loss, atol=FLOAT32.loss_floor)
    assert done.predictions.tolist() == outcome.predictions.tolist()
    found = [spikes.tolist() for spikes in done.spikes]
    assert found == [spikes.sum((0, 1)).tolist() for spikes in outcome.spikes]
    driven = driven_lines(network, x, outcome)
    assert done.activations.tolist() == [int(lines.sum()) for lines in driven]
    siemens = [
        float((lines * torch.from_numpy(layer.siemens)).sum())
        for lines, layer in zip(driven, layers, strict=True)
    ]
    assert_close(done.siemens.tolist(), siemens, rtol=1e-12, atol=0.0)
    for gradient, wanted, shape in zip(done.gradients, gradients, network.crossbars, strict=True):
        assert gradient.shape == shape
        near(gradient, wanted, FLOAT32.hidden)


@deep_networks
def test_hidden_spikes_are_those_of_the_reference_without_noise(network):
    noisy = layers_of(network, noise=0.5)
    kept, _, outcome, _ = expected(network, layers_of(network))
    engine = EventEngine(network, tile_rows=TILE_ROWS, threads=1)
    quiet = [layer._replace(variance=np.zeros((0, 0), np.float32)) for layer in noisy]
    _, events, labels = inputs(network)
    found = engine.run(Batch(events, labels, kept), quiet, record=True).recorded
    for fired, spikes in zip(found, outcome.spikes, strict=True):
        np.testing.assert_array_equal(dense_of(fired, *spikes.shape[1:]), spikes.numpy() > 0)


def dense_of(events, steps, neurons):
    """Which neurons fire in each step, bool (samples, steps, neurons)."""
    fired = np.zeros((len(events), steps, neurons), bool)
    sample = np.repeat(np.arange(len(events)), np.diff(events.offsets))
    fired[sample, events.times, events.rows] = True
    assert fired.sum() == len(events.rows)
    return fired


@each_network
@pytest.mark.parametrize("room", [None, 1, 4000])
def test_recorded_spikes_are_those_of_the_noisy_pass(network, room, monkeypatch):
    """In one part or in many: the noise of a sample hangs on its number alone."""
    if room:
        monkeypatch.setattr("crossbar.snn.engines.events._BUFFER", room)
    layers, chosen = layers_of(network, noise=0.05), np.arange(SAMPLES)[::-1].copy()
    _, events, labels = inputs(network)
    for engine in (
        EventEngine(network, tile_rows=TILE_ROWS, threads=2),
        DenseEngine(network, tile_rows=TILE_ROWS, device="cpu"),
    ):
        batch = Batch(events, labels, chosen, 5, 100)
        told, done = engine.run(batch, layers), engine.run(batch, layers, record=True)
        found = done.recorded
        assert_close(done.siemens, told.siemens, rtol=1e-12, atol=0.0)
        assert bits(done._replace(siemens=told.siemens, recorded=())) == bits(told)
        for fired, spikes, neurons in zip(found, told.spikes, network.hidden, strict=True):
            dense = dense_of(fired, network.steps, neurons)
            np.testing.assert_array_equal(dense.sum((0, 1)), spikes)
            key = np.repeat(np.arange(SAMPLES), np.diff(fired.offsets)) << 40
            key |= fired.times.astype(np.int64) << 20 | fired.rows
            assert (np.diff(key) > 0).all()


@deep_networks
def test_without_backward_weights_there_is_no_gradient(network):
    layers = layers_of(network, noise=0.05)
    learned, tested = (run(network, layers, np.arange(9), learn=learn) for learn in (True, False))
    assert tested.gradients == ()
    assert tested.losses.tobytes() == learned.losses.tobytes()


def test_the_error_goes_back_by_the_weights_that_are_given():
    """Those of the first layer and of its own rows matter where they carry an error on."""
    network = NETWORKS["recurrent"]
    layers = layers_of(network)
    _, events, labels = inputs(network)
    engine = EventEngine(network, tile_rows=TILE_ROWS, threads=1)

    def gradients(change):
        back = [np.array(layer.weights) for layer in layers]
        change(back)
        chosen = np.arange(SAMPLES)
        batch = Batch(events, labels, chosen)
        return [g.copy() for g in engine.run(batch, layers, learn=back).gradients]

    def changed(change):
        pairs = zip(gradients(lambda back: None), gradients(change), strict=True)
        return [bool((a != b).any()) for a, b in pairs]

    def input_rows(back):
        back[0][: network.inputs] = 0.0

    def own_rows_of_the_first(back):
        back[0][network.inputs :] = 0.0

    def own_rows_of_the_second(back):
        back[1][network.hidden[0] :] = 0.0

    def readout(back):
        back[2][:, 1] = 0.0

    assert changed(input_rows) == [False, False, False]
    assert changed(own_rows_of_the_first) == [True, False, False]
    assert changed(own_rows_of_the_second) == [True, True, False]
    assert changed(readout) == [True, True, False]


# Dense torch in the place of the kernels


def dense_run(network, layers, chosen, *, back=None, noise_key=5):
    engine = DenseEngine(network, tile_rows=TILE_ROWS, device="cpu")
    _, events, labels = inputs(network)
    return engine.run(Batch(events, labels, chosen, noise_key, 100), layers, learn=back)


@each_network
def test_dense_torch_gives_what_the_kernels_give(network):
    layers = layers_of(network)
    chosen, *_ = expected(network, layers)
    _, events, labels = inputs(network)
    generator = np.random.default_rng(67)
    back = [w.weights * generator.uniform(0.5, 1.5, w.weights.shape).astype("f4") for w in layers]
    kernels = EventEngine(network, tile_rows=TILE_ROWS, threads=1)
    ours = kernels.run(Batch(events, labels, chosen), layers, learn=back)
    dense = dense_run(network, layers, chosen, back=back)
    for name in ("predictions", "activations", "tile_steps", "clipped"):
        assert getattr(dense, name).tolist() == getattr(ours, name).tolist(), name
    assert [s.tolist() for s in dense.spikes] == [s.tolist() for s in ours.spikes]
    assert_close(dense.siemens, ours.siemens, rtol=1e-6, atol=0.0)
    # Both are of 32 bits: each is as far from the reference as the tolerance says.
    both = {"rtol": 2 * FLOAT32.loss, "atol": 2 * FLOAT32.loss_floor}
    assert_close(dense.losses, ours.losses, **both)
    for found, wanted in zip(dense.gradients, ours.gradients, strict=True):
        near(found, torch.from_numpy(wanted), 2 * FLOAT32.hidden)


def test_the_bias_of_a_linear_readout_carries_no_error_back():
    one = NETWORKS["one"]
    *hidden, readout = one.network.layers
    settings = dataclasses.replace(
        one.network, layers=(*hidden, dataclasses.replace(readout, bias="digital"))
    )
    network = plan(
        settings, inputs=one.inputs, classes=one.classes, steps=one.steps,
        dt_seconds=one.dt_seconds,
    )  # fmt: skip
    plain = layers_of(one)
    bias = np.linspace(-0.1, 0.1, one.classes, dtype=np.float32)
    layers = [plain[0], plain[1].with_bias(bias)]
    chosen, *_ = expected(one, plain)
    _, events, labels = inputs(one)
    back = [layer.weights for layer in layers]
    kernels = EventEngine(network, tile_rows=TILE_ROWS, threads=1)
    ours = kernels.run(Batch(events, labels, chosen), layers, learn=back)
    torch_engine = DenseEngine(network, tile_rows=TILE_ROWS, device="cpu")
    dense = torch_engine.run(Batch(events, labels, chosen), layers, learn=back)
    for found, wanted in zip(dense.gradients, ours.gradients, strict=True):
        assert wanted[-1].any()
        near(found, torch.from_numpy(wanted), 2 * FLOAT32.hidden)


def test_read_noise_of_dense_torch_has_the_variance_of_the_devices():
    """One input spike drives one row: 37 samples x 20 columns a seed, 5 sigma."""
    network = NETWORKS["one"]
    silent, noisy = layers_of(network), layers_of(network, noise=0.05)
    assert (dense_run(network, silent, np.arange(9)).losses
            == dense_run(network, silent, np.arange(9), noise_key=6).losses).all()  # fmt: skip
    crossbar, lines = noisy[0], torch.zeros(4000, 1, network.inputs)
    lines[:, 0, [1, 4, 7]] = 1.0
    drawn = Crossbar(crossbar, torch.device("cpu"), torch.Generator().manual_seed(3), 1, None)(
        lines
    )
    mean = crossbar.weights[[1, 4, 7]].sum(0)
    z = (drawn[:, 0].numpy() - mean) / (0.05 * np.sqrt(3.0))
    assert abs(z.mean() * np.sqrt(z.size)) < 5
    assert abs((z.var() - 1.0) * np.sqrt(z.size / 2)) < 5
    first, again, other = (
        dense_run(network, noisy, np.arange(9), noise_key=k).losses for k in (5, 5, 6)
    )
    assert first.tolist() == again.tolist() != other.tolist()


def test_a_device_that_torch_does_not_have_is_refused():
    for name in ("cuda:77", "warp"):
        with pytest.raises(ConfigError, match=f"--accelerator {name}: torch has no such device"):
            DenseEngine(NETWORKS["one"], tile_rows=1, device=name)


def test_the_settings_say_which_engine_converts():
    for name, kind in (("dense", DenseEngine), ("events", EventEngine)):
        config = Training(engine=name, periphery=Periphery(kind="adc"))
        assert isinstance(engine_for(config, plan_for(config), (), 1), kind)


def test_the_columns_of_a_table_are_those_that_the_engine_overwrites():
    """The fields of a layer in the order in which the kernels read them."""
    fields = list(named_fields(LayerArrays.__annotations__))
    assert fields[pointers.GRADIENT] == "gradient"
    assert fields[pointers.BY_TRAINED] == "by_trained"
    assert fields[pointers.KIND] == ["group", "kind"]


def named_fields(annotations):
    for name, kind in annotations.items():
        if hasattr(kind, "_fields"):
            yield from named_fields(kind.__annotations__)
        else:
            yield name


def test_layers_behind_one_kind_of_periphery_keep_their_own_columns():
    """16 bits: what the ideal layers give, but for a sample whose spikes hang on one code."""
    config = small(
        network={"hidden": (20, 12), "ei": "none"},
        periphery=Periphery(kind="adc", adc_bits=16, adc_clip_share=0.0), epochs=0,
    )  # fmt: skip
    trainer = trainer_of(config, synthetic())
    trainer.start()
    ideal = trainer.evaluate_with(Periphery())
    apart = np.abs(trainer.evaluate().losses - ideal.losses)
    assert np.quantile(apart, 0.9) < 0.05 < ideal.losses.std()
