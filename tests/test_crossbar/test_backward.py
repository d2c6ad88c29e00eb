"""What carries the error back, and what training costs besides energy."""

import numpy as np
import pytest
import torch
from xbar_training import finish, small, synthetic, trainer_of

from crossbar.experiment.endurance import wear
from crossbar.experiment.run import summary
from crossbar.snn.engines import Batch, LayerView
from crossbar.synapses.backward_weights import backward_weights
from device_models.presets import load_device
from device_models.streams import stream_key

KINDS = ("readback", "true", "sign")


@pytest.fixture(scope="module", params=["oxram_literature.yaml", "ideal.yaml"])
def trainer(request):
    """After one epoch."""
    trainer = trainer_of(small(device=request.param), synthetic())
    trainer.start()
    finish(trainer, 1)
    return trainer


def told(trainer):
    """Kind -> backward weights of all layers, from one read-back and one look at the layers."""
    known = [layer.read_back() for layer in trainer.layers]
    seen = [layer.weights for layer in trainer.effective()]
    return {kind: backward_weights(kind, known, seen) for kind in KINDS}, known, seen


def test_true_are_the_effective_weights_and_readback_what_was_read(trainer):
    found, known, seen = told(trainer)
    for place in range(len(trainer.layers)):
        assert np.array_equal(found["true"][place], seen[place])
        assert np.array_equal(found["readback"][place], known[place].weights.numpy())
        is_exact = trainer.layers[place].board.read_sigma is None
        assert np.array_equal(found["true"][place], found["readback"][place]) == is_exact


def test_signs_have_the_mean_size_and_the_sign_of_what_was_read(trainer):
    found, *_ = told(trainer)
    for signs, read in zip(found["sign"], found["readback"], strict=True):
        assert signs.dtype == np.float32
        assert np.array_equal(np.sign(signs), np.sign(read))
        assert np.unique(np.abs(signs[read != 0])).size == 1
        assert np.abs(signs).max() == np.abs(read).mean()


def gradients(trainer, backward):
    """Of one batch, per layer, as the engine gives them for some backward weights."""
    layers = [LayerView(*layer) for layer in trainer.effective()]
    key, data = stream_key("read noise", 0, 1, 0), trainer.data
    batch = Batch(data.train_events, data.train_labels, np.arange(64), key)
    return trainer.setup.engine.run(batch, layers, learn=backward).gradients


def test_only_gradients_below_the_readout_depend_on_what_carries_the_error_back(trainer):
    """The readout's gradient needs no weight. Signs still point the hidden one downhill."""
    found, *_ = told(trainer)
    hidden, readout = zip(*(gradients(trainer, found[kind]) for kind in KINDS), strict=True)
    assert all(np.array_equal(readout[0], other) for other in readout[1:])
    is_exact = trainer.layers[-1].board.read_sigma is None
    assert np.array_equal(hidden[0], hidden[1]) == is_exact
    assert not np.array_equal(hidden[0], hidden[2])
    flat = [g.ravel().astype(np.float64) for g in hidden]
    cosine = flat[1] @ flat[2] / np.linalg.norm(flat[1]) / np.linalg.norm(flat[2])
    assert 0.2 < cosine < 0.999


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_trains_with_the_backward_weights_it_is_told(kind, monkeypatch):
    from crossbar.experiment import trainer as module

    asked = []

    def noted(wanted, known, seen):
        asked.append(wanted)
        return backward_weights(wanted, known, seen)

    monkeypatch.setattr(module, "backward_weights", noted)
    trainer = trainer_of(small(backward=kind, epochs=1), synthetic())
    trainer.start()
    finish(trainer, 1)
    assert asked == [kind] * trainer.batches


# Wear


def given(trainer, counts):
    """The trainer with some pulses on the devices of its readout that are ever programmed."""
    board = trainer.layers[-1].board
    chosen = trainer.layers[-1].mapping.selected()
    board.pulsed[chosen] = torch.arange(int(chosen.sum()), dtype=torch.int32) % counts
    return board.pulsed[chosen]


def test_wear_is_mean_percentile_and_largest_of_the_devices_that_are_programmed():
    trainer = trainer_of(small(network={"hidden": 200}), synthetic())
    own = given(trainer, 1500).numpy()
    others = np.zeros(int(trainer.layers[0].mapping.selected().sum()))
    every = np.sort(np.concatenate([own, others]))
    found = wear(trainer.layers[0].sheet, trainer.emulators, [])
    pulses = found["pulses_per_device"]
    assert pulses["max"] == every[-1]
    assert pulses["mean"] == pytest.approx(every.mean(), rel=1e-12)
    high = pulses["percentile_99_9"]
    assert (every <= high).mean() >= 0.999 > (every < high).mean()
    assert found["endurance_pulses"] is None  # the preset gives none
    assert "fast_array" not in found


def test_wear_is_told_against_the_endurance_of_the_device():
    import dataclasses

    model = dataclasses.replace(load_device("oxram_literature"), endurance_pulses=1e6)
    trainer = trainer_of(small(), synthetic(), model=model)
    assert wear(trainer.layers[0].sheet, trainer.emulators, [])["endurance_pulses"] == 1e6


@pytest.mark.parametrize(
    ("settings", "policy", "optimizer"),
    [
        ({"policy": "stochastic"}, 0.0, 0.0),
        ({"policy": "accumulate"}, 4.0, 0.0),
        ({"policy": "stochastic", "optimizer": "adam"}, 0.0, 8.0),
    ],
)
def test_a_summary_tells_wear_and_digital_memory(settings, policy, optimizer):
    """All pulses of the run, those of the first programming too, are on some device."""
    trainer = trainer_of(small(epochs=1, **settings), synthetic())
    trainer.start()
    finish(trainer, 1)
    found = summary(trainer.rows)
    kept = found["digital_bytes_per_synapse"]
    assert kept["policy"] == pytest.approx(policy, abs=0.1)
    assert kept["optimizer"] == pytest.approx(optimizer, abs=0.1)
    assert kept["total"] == kept["policy"] + kept["optimizer"] + kept["read_back"]
    devices = sum(int(layer.mapping.selected().sum()) for layer in trainer.layers)
    pulses = found["wear"]["pulses_per_device"]
    assert pulses["mean"] * devices == pytest.approx(sum(found["pulses"].values()), rel=1e-9)
    assert pulses["mean"] < pulses["percentile_99_9"] <= pulses["max"]
