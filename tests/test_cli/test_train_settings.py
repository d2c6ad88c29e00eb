"""How `xbar train` makes settings of what was typed."""

import pytest

from cli.train import assignments, settings
from crossbar.experiment.config import Training
from crossbar.snn.network import Network
from crossbar.wires.wires import Wires
from device_models.errors import ConfigError
from device_models.schema import dump


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
    found = typed("data.steps=50", ei="95:5", hidden="30", learning_rate="0.02", mapping="dale")
    assert (found.plan.ei, found.plan.hidden, found.plan.steps) == (
        "95:5",
        (30,),
        50,
    )
    assert (found.learning_rate, found.mapping) == (0.02, "dale")


def test_layers_are_typed_with_commas():
    network = typed(hidden="30,20", recurrent="true", ei="50:50").plan
    assert (network.hidden, network.recurrent, network.ei) == ((30, 20), True, "50:50")
    assert typed(hidden="30,20").plan.recurrent is False
    assert typed(hidden="40,30,20", recurrent="true").network == Network.of(
        hidden=(40, 30, 20), recurrent=True
    )


def test_a_part_of_a_layer_is_set_by_its_number():
    network = typed("network.layers.0.neuron.tau_mem_seconds=5e-3", hidden="30").network
    assert network.layers[0].neurons == 30
    assert network.layers[0].neuron.tau_mem_seconds == 5e-3


def test_layers_are_written_and_read_back(tmp_path):
    path = tmp_path / "my.yaml"
    config = Training(network=Network.of(hidden=(3, 2), recurrent=True))
    path.write_text(dump(config), "utf-8")
    assert settings({}, str(path)) == config


@pytest.mark.parametrize("text", ["0", "20 30", "1.5", ""])
def test_what_names_no_layers_is_refused(text):
    with pytest.raises(ConfigError, match="hidden"):
        typed(hidden=text)
