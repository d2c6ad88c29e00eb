"""Optimisers: against torch's, against themselves after a restart, and what they remember."""

import dataclasses

import pytest
import torch
from torch.testing import assert_close
from xbar_devices import gen
from xbar_training import changed, finish, same_bits, small, synthetic, trained, trainer_of

from crossbar.experiment import checkpoint
from crossbar.experiment.config import Training
from crossbar.synapses.optimizers import OPTIMIZERS
from crossbar.synapses.policies.frozen import Frozen
from device_models.errors import ConfigError, RunError

SHAPE = (37, 19)
RATE = 0.003
TORCH = {
    "sgd": lambda weights: torch.optim.SGD(weights, lr=RATE),
    "momentum": lambda weights: torch.optim.SGD(weights, lr=RATE, momentum=0.9),
    "adam": lambda weights: torch.optim.Adam(weights, lr=RATE),
    "rmsprop": lambda weights: torch.optim.RMSprop(weights, lr=RATE, alpha=0.9, eps=1e-7),
}
each_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def gradients(number=12):
    """Of sizes from 1e-6 to 1e-2, as those of quiet and busy lines; some are zero."""
    sizes = torch.logspace(-6, -2, SHAPE[1])
    found = [sizes * torch.randn(SHAPE, generator=gen(seed)) for seed in range(number)]
    return [torch.where(torch.rand(SHAPE, generator=gen(99)) < 0.1, 0.0, g) for g in found]


@each_optimizer
def test_changes_are_those_of_torch(name):
    """Over 12 updates, to 3e-6 of the largest change of one of them; torch runs in 64 bits."""
    rule, weights = OPTIMIZERS[name](SHAPE), torch.zeros(SHAPE, dtype=torch.float64)
    theirs, total = TORCH[name]([weights]), torch.zeros(SHAPE, dtype=torch.float64)
    for gradient in gradients():
        total += rule.wanted(gradient.numpy().copy(), RATE).double()
        weights.grad = gradient.double()
        theirs.step()
    largest = float(weights.abs().max()) / 12
    assert_close(total, weights, rtol=0.0, atol=3e-6 * largest)
    assert largest > 1e-6


@each_optimizer
def test_the_next_change_hangs_on_the_state_alone(name):
    whole, first = OPTIMIZERS[name](SHAPE), OPTIMIZERS[name](SHAPE)
    for gradient in gradients(5):
        for rule in (whole, first):
            rule.wanted(gradient.numpy().copy(), RATE)
    second = OPTIMIZERS[name](SHAPE)
    second.restore({part: kept.clone() for part, kept in first.state().items()})
    for gradient in gradients(3):
        one, other = (rule.wanted(gradient.numpy().copy(), RATE) for rule in (whole, second))
        assert torch.equal(one, other)


@each_optimizer
def test_the_memory_of_an_optimizer_is_what_it_says(name):
    kept = [part for part in OPTIMIZERS[name](SHAPE).state().values() if part.shape == SHAPE]
    assert sum(part.element_size() for part in kept) == OPTIMIZERS[name].bytes_per_weight


@each_optimizer
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_run_resumed_after_each_epoch_is_the_uninterrupted_one(name, schedule):
    config = small(optimizer=name, schedule=schedule, epochs=3)
    whole, pieces = trained(config, synthetic()), trainer_of(config, synthetic())
    pieces.start()
    before = pieces.conductances()
    for epoch in range(1, 4):
        content = checkpoint.save(pieces, before)
        pieces = trainer_of(config, synthetic())
        checkpoint.restore(pieces, content)
        finish(pieces, epoch)
    same_bits(pieces, whole)


def test_the_test_above_would_notice_forgotten_moments():
    config = small(optimizer="adam", epochs=2)
    whole, pieces = trained(config, synthetic()), trainer_of(config, synthetic())
    pieces.start()
    finish(pieces, 1)
    for rule in pieces.optimizers:
        rule.restore({part: torch.zeros_like(kept) for part, kept in rule.state().items()})
    finish(pieces, 2)
    with pytest.raises(AssertionError):
        same_bits(pieces, whole)


def test_a_checkpoint_without_moments_is_refused():
    config = small(optimizer="sgd", epochs=0)
    source = trained(config, synthetic())
    content = checkpoint.save(source, source.conductances())
    other = trainer_of(changed(config, optimizer="adam"), synthetic())
    with pytest.raises(RunError, match="the checkpoint cannot be read"):
        checkpoint.restore(other, content)


@each_optimizer
def test_a_rate_left_open_is_that_of_the_optimizer(name):
    options = OPTIMIZERS[name].Options
    assert options().first_rate == options.default_rate > 0.0
    assert options(learning_rate=0.5).first_rate == 0.5
    assert small(optimizer=name, learning_rate=0.5).optimizer == options(learning_rate=0.5)


@each_optimizer
def test_a_cosine_falls_to_zero_over_the_training(name):
    options = OPTIMIZERS[name].Options(learning_rate=2.0, schedule="cosine")
    assert [options.rate(x) for x in (0, 0.5, 1.0, 1.1)] == pytest.approx([2.0, 1.0, 0.0, 0.0])
    steady = dataclasses.replace(options, schedule="constant")
    assert [steady.rate(x) for x in (0, 0.7, 1.1)] == [2.0] * 3


def test_an_unknown_optimizer_names_those_there_are():
    with pytest.raises(ConfigError, match="sgd, momentum, adam, rmsprop"):
        Training(optimizer="adagrad")


class Asked(Frozen):
    """Keeps the wanted change, and sends nothing."""

    def update(self, wanted, estimate, *, generator):
        self.wanted = wanted.clone()


def test_a_rate_in_pulses_counts_mean_steps_of_each_layer():
    """The wanted change of sgd is linear in its rate: in pulses, times the step of the layer."""
    asked = {}
    for unit in ("weight", "pulses"):
        config = small(learning_rate=0.5, rate_unit=unit, epochs=1, batch_size=192)
        trainer = trainer_of(config, synthetic())
        trainer.start()
        spies = [Asked(layer.mapping.shape) for layer in trainer.layers]
        trainer.policies = spies
        finish(trainer, 1)
        asked[unit] = [spy.wanted for spy in spies]
    for layer, plain, counted in zip(trainer.layers, *asked.values(), strict=True):
        model = layer.sheet
        step = model.window_siemens / model.pulses_across / layer.mapping.update_unit_siemens
        assert layer.mean_step == pytest.approx(step, rel=1e-12)
        torch.testing.assert_close(counted, plain * step, rtol=1e-6, atol=0.0)
        assert plain.any()


def test_a_rate_in_pulses_is_given_and_has_no_baseline():
    with pytest.raises(ConfigError, match="rate_unit = pulses needs a learning_rate"):
        small(rate_unit="pulses")
    with pytest.raises(ConfigError, match="no pulses to count"):
        small(rate_unit="pulses", learning_rate=0.5).float_baseline()
