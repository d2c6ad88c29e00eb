"""How `xbar train` makes settings of what was typed."""

import pytest

from cli.train import assignments, settings
from crossbar.training.config import Training
from crossbar.wires.wires import Wires
from device_models.errors import ConfigError


def typed(*sets, **options):
    return settings(options | assignments(sets), None)


def test_nothing_typed_is_the_default():
    assert typed() == Training()


def test_wires_are_both_lines_and_a_part_may_be_set_alone():
    assert typed(wires="2").wires == Wires(2.0, 2.0)
    assert typed("wires.bit_ohms=3", wires="2").wires == Wires(2.0, 3.0)
    found = typed("wires.drive_both_ends=true", "tile_rows=64", "wires_refresh=epoch")
    assert (found.wires.drive_both_ends, found.tile_rows, found.wires_refresh) == (
        True,
        64,
        "epoch",
    )


def test_bits_switch_the_converters_on():
    found = typed("periphery.adc_inl_lsb=0.5", adc_bits="5").periphery
    assert (found.kind, found.adc_bits, found.adc_inl_lsb) == ("adc", 5, 0.5)
    assert typed().periphery.kind == "ideal"


def test_network_and_training_options_meet_their_settings():
    found = typed("network.steps=50", ei="95:5", hidden="30", learning_rate="0.02", mapping="dale")
    assert (found.network.ei, found.network.hidden, found.network.steps) == ("95:5", 30, 50)
    assert (found.learning_rate, found.mapping) == (0.02, "dale")


@pytest.mark.parametrize(
    ("sets", "options", "message"),
    [
        (["wires"], {}, "--set takes NAME=VALUE, not 'wires'"),
        (["wires.word_ohm=2"], {}, "sets an unknown field 'word_ohm'; did you mean 'word_ohms'?"),
        (["wire.word_ohms=2"], {}, "--set wire.word_ohms names no part of the settings"),
        (["wires.word_ohms=-1"], {}, "--set wires.word_ohms = -1 is outside [0, 1e+09] ohm"),
        ([], {"wires": "many"}, "--wires must be a number in [0, 1e+09] ohm, not 'many'"),
        ([], {"adc_bits": "99"}, "--adc-bits = 99 is outside [1, 16] bit"),
        ([], {"learning_rate": "-1"}, "--lr = -1 is outside [0, 100]"),
        ([], {"mapping": "pairs"}, "--mapping must be one of"),
        (["periphery.adc_noise_lsb=1"], {}, "does nothing with periphery.kind = ideal"),
        (["faults.stuck_low_share=0.6", "faults.stuck_high_share=0.6"], {}, "together exceed 1"),
    ],
)
def test_a_wrong_setting_is_named_as_it_was_typed(sets, options, message):
    with pytest.raises(ConfigError) as found:
        typed(*sets, **options)
    assert message in str(found.value)
