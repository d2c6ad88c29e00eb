"""Delays of lines: drawn, refused, in whole runs, counted."""

import dataclasses

import numpy as np
import pytest
import torch
from xbar_kernels import counts, events_of, near
from xbar_training import changed, finish, same_bits, small, synthetic, trained, trainer_of

from crossbar.energy.activity import Sizes
from crossbar.energy.activity_checks import check_sizes
from crossbar.energy.assumed import assumed_activity
from crossbar.energy.counts import count
from crossbar.experiment import checkpoint
from crossbar.snn.engines import BoardEngine, DenseEngine, EventEngine, LayerView
from crossbar.snn.engines.protocol import Batch
from crossbar.snn.losses import LastStep
from crossbar.snn.network import Network
from crossbar.snn.neurons import Lsnn, PerfectIntegrator
from crossbar.snn.plan import plan
from crossbar.snn.topology import Delays, Dense, Recurrent
from crossbar.snn.topology.protocol import Signal
from device_models.errors import ConfigError, ShapeError

NEURON = Lsnn(tau_adapt_seconds=50e-3, rise=20.0)
DELAYS = Delays(copies=2, most_steps=20, least_steps=3)
NETWORK = Network(
    layers=(
        DELAYS,
        Recurrent(neurons=12, neuron=NEURON, sigma_init=0.1),
        Dense(neurons=10, neuron=PerfectIntegrator()),
    ),
    loss=LastStep(),
    neuron_spikes_least=0.5,
    neuron_spikes_most=4.0,
)


def plan_on(network, steps=40, inputs=9, classes=10):
    return plan(network, inputs=inputs, classes=classes, steps=steps, dt_seconds=1e-3)


def test_the_delays_of_a_line_differ_rise_and_follow_from_their_seed_alone():
    each = DELAYS.delays(300).reshape(300, 2)
    assert (np.diff(each) > 0).all()
    assert set(each.ravel().tolist()) == set(range(3, 21))
    assert DELAYS.delays(300).tolist() == each.ravel().tolist()
    assert dataclasses.replace(DELAYS, seed=1).delays(300).tolist() != each.ravel().tolist()
    assert DELAYS.register_bits(300) == each[:, 1].sum()


def test_a_line_leaves_as_its_copies_later_and_keeps_its_sign():
    x, _ = counts(8, 40, 9)
    later, _ = DELAYS.run(Signal((9,), np.zeros(9, np.int8)), None, torch.from_numpy(x), None, None)
    expected = np.zeros((8, 40, 18), x.dtype)
    for row, delay in enumerate(DELAYS.delays(9)):
        expected[:, delay:, row] = x[:, : 40 - delay, row // 2]
    np.testing.assert_array_equal(later.numpy(), expected)
    spikes = DELAYS.delayed(events_of(x), 9, 40)
    np.testing.assert_array_equal(reference_counts(spikes), expected)
    sent = DELAYS.sends(Signal((3,), np.array([1, -1, 0], np.int8)))
    assert sent.signs.tolist() == [1, 1, -1, -1, 0, 0]


def reference_counts(events):
    """(8, 40, 18) counts of events."""
    dense = np.zeros((8, 40, 18), np.int64)
    sample = np.repeat(np.arange(8), np.diff(events.offsets))
    np.add.at(dense, (sample, events.times, events.rows), 1)
    return dense


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"most_steps": 40}, r"layers\[0\] \(delays\): most_steps = 40 reaches beyond samples of "
         r"40 steps; \[0, 39\] are allowed; nothing was written$"),
        ({"most_steps": 2, "least_steps": 3}, "least_steps = 3 exceeds most_steps = 2"),
        ({"most_steps": 4, "copies": 6}, "copies = 6 of a line need as many delays, and there are "
         "5 from least_steps = 0 to most_steps = 4"),
    ],
)  # fmt: skip
def test_delays_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        plan_on(Network(layers=(Delays(**settings), *NETWORK.layers[1:]), loss=LastStep()))


def test_more_spikes_than_lines_and_steps_are_refused_before_a_kernel_writes_them():
    network = plan_on(NETWORK)
    engine = EventEngine(network, tile_rows=64, threads=1)
    events = events_of(np.full((1, 40, 9), 5))
    with pytest.raises(ShapeError, match="a sample has 1,800 spikes: delays take 1,440, 4 of each"):
        engine.run(Batch(events, np.zeros(1, np.int64), np.arange(1)), [])


def test_delays_adaptation_and_recurrent_reads_are_counted():
    network = plan_on(NETWORK)
    activity = assumed_activity(network, [50.0, 20.0], generator=np.random.default_rng(2))
    hidden, readout = count(activity, 16, 64)
    layer = activity.layers[0]
    bits = DELAYS.register_bits(9)
    assert (hidden.delay_bits, readout.delay_bits) == (bits, 0)
    assert (hidden.adapting, readout.adapting) == (12, 0)
    assert hidden.delayed == layer.spikes_in > 0
    assert hidden.row_activations == len(layer.inputs.rows)
    assert hidden.row_activations > hidden.delayed + hidden.spikes  # copies, and recurrent reads
    assert (layer.inputs.rows >= 18).sum() == hidden.spikes
    assert hidden.buffer_words == hidden.conversions + hidden.row_activations + hidden.delayed
    with pytest.raises(ValueError, match="its delays are before no layer"):
        check_sizes(Sizes.of(network)._replace(delay_bits=(1 << 33, 0)))


def config(**others):
    base = changed(small(optimizer="adam"), epochs=2, device="ideal.yaml", batch_size=32)
    return changed(base, network=NETWORK, **others)


def test_a_resumed_run_is_the_uninterrupted_one_whatever_the_threads():
    whole, pieces = trained(config(), synthetic()), trainer_of(config(), synthetic(), threads=2)
    pieces.start()
    finish(pieces, 1)
    content = checkpoint.save(pieces, pieces.conductances())
    pieces = trainer_of(config(), synthetic())
    checkpoint.restore(pieces, content)
    finish(pieces, 2)
    same_bits(pieces, whole)
    assert whole.rows[-1]["spikes_per_inference"]["total"] > 6.0


def test_torch_and_boards_give_what_the_kernels_give():
    data, trainer = synthetic(), trainer_of(config(), synthetic())
    trainer.start()
    network, weights = trainer.setup.network, list(trainer.matrices())
    none = np.zeros((0, 0), np.float32)
    views = [LayerView(w, none, np.arange(1.0, 1.0 + len(w))) for w in weights]
    batch = Batch(data.train_events, data.train_labels, np.arange(24))
    events, dense, board = (
        engine.run(batch, views, learn=weights)
        for engine in (
            EventEngine(network, tile_rows=64, threads=1),
            DenseEngine(network, tile_rows=64, device="cpu"),
            BoardEngine(network, trainer.layers),
        )
    )
    assert events.spikes[1].sum() > 100
    for other in (dense, board):
        assert [s.tolist() for s in events.spikes] == [s.tolist() for s in other.spikes]
        for one, another in zip(events.gradients, other.gradients, strict=True):
            near(one, torch.from_numpy(another), 1e-4)
    assert events.activations.tolist() == dense.activations.tolist()
    assert events.tile_steps.tolist() == dense.tile_steps.tolist()
    recorded = EventEngine(network, tile_rows=64, threads=1).run(batch, views, record=True).recorded
    later = DELAYS.delayed(data.train_events.first(24), network.inputs, network.steps)
    for name in ("rows", "times", "offsets"):
        np.testing.assert_array_equal(getattr(recorded[0], name), getattr(later, name))
