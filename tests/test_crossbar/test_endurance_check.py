"""The dry run: what it expects is what a training sends, and it warns before one."""

import dataclasses
from functools import partial

import pytest
from xbar_training import finish, small, synthetic, trainer_of

from crossbar.experiment.endurance_check import UPDATES, expected_pulses, worn_out
from device_models.presets import load_device

EPOCHS = 3


def busy():
    """Settings of a training of more updates than the dry run makes, with many pulses each."""
    return small(epochs=EPOCHS, learning_rate=0.02, batch_size=8)


def mortal(endurance):
    return dataclasses.replace(load_device("oxram"), endurance_pulses=endurance)


def test_the_expected_pulses_are_near_those_that_are_sent():
    config, data, model = busy(), synthetic(), mortal(1e9)
    dry, real = (trainer_of(config, data, model=model) for _ in range(2))
    assert dry.batches > UPDATES
    expected = expected_pulses(dry, EPOCHS)
    real.start()
    written = sum(int(array.pulses_per_device().sum()) for array in real.emulators)
    finish(real, EPOCHS)
    sent = sum(int(array.pulses_per_device().sum()) for array in real.emulators)
    assert sent > 1.5 * written
    assert 0.5 < (float(expected.sum()) - written) / (sent - written) < 3.0


@pytest.mark.parametrize(("endurance", "warns"), [(0.0, False), (20.0, True), (1e9, False)])
def test_it_warns_where_the_devices_do_not_last(endurance, warns):
    config, model = busy(), mortal(endurance)
    text = worn_out(EPOCHS, model, partial(trainer_of, config, synthetic(), model=model))
    assert text.startswith("warning: 3 epochs will send a device about") == warns
    assert bool(text) == warns
    assert "it lasts 20 (a dry run of 16 updates" in text or not warns


def test_without_epochs_nothing_is_run():
    assert worn_out(0, mortal(1.0), lambda: pytest.fail("a trainer was made")) == ""
