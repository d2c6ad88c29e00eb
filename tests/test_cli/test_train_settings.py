"""How `xbar train` makes settings of what was typed."""

import subprocess
import sys

import pytest
from click import Context

from cli.text import names_of
from cli.train import assignments, read_settings, train
from crossbar.datasets import DATASETS
from crossbar.experiment.config import Training
from crossbar.mappings import MAPPINGS
from crossbar.snn.encodings import ENCODINGS
from crossbar.snn.network import Network
from crossbar.synapses.optimizers import OPTIMIZERS
from crossbar.synapses.policies import POLICIES
from crossbar.wires.wires import Wires
from device_models.errors import ConfigError
from device_models.record import Tagged
from device_models.schema import dump


def typed(*sets, **options):
    return read_settings(options | assignments(sets), None)


def test_nothing_typed_is_the_default():
    assert typed() == Training()


def test_wires_are_both_lines_and_a_part_may_be_set_alone():
    assert typed(wires="2").wires == Wires(2.0, 2.0)
    assert typed("wires.bit_ohms=3", wires="2").wires == Wires(2.0, 3.0)
    found = typed("wires.drive_both_ends=true", "tiles.tile_rows=64", "wires.refresh=epoch")
    assert (found.wires.drive_both_ends, found.tiles.tile_rows, found.wires.refresh) == (
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
    assert (found.network.ei, found.network.hidden, found.data.steps) == (
        "95:5",
        (30,),
        50,
    )
    assert (found.optimizer.learning_rate, found.mapping) == (0.02, MAPPINGS["dale"].Options())


def test_layers_are_typed_with_commas():
    network = typed(hidden="30,20", recurrent="true", ei="50:50").network
    assert (network.hidden, network.recurrent) == ((30, 20), True)
    assert typed(hidden="30,20").network.recurrent is False
    assert typed("network.hidden=40,30,20", "network.recurrent=true").network == Network(
        hidden=(40, 30, 20), recurrent=True
    )


@pytest.mark.parametrize(
    ("line", "hidden"),
    [("20", (20,)), ("[20]", (20,)), ("[30, 20]", (30, 20)), ("\n  - 30\n  - 20", (30, 20))],
)
def test_a_file_names_one_layer_or_several(tmp_path, line, hidden):
    """A number alone, as in files of before there were several layers, is one layer."""
    path = tmp_path / "my.yaml"
    path.write_text(f"seed: 1\nnetwork:\n  ei: 80:20\n  hidden: {line}\n", "utf-8")
    found = read_settings({}, str(path))
    assert found == Training(seed=1, network=Network(hidden=hidden))
    path.write_text(dump(found), "utf-8")
    assert read_settings({}, str(path)) == found


def test_recurrence_is_written_and_read_back(tmp_path):
    path, config = tmp_path / "my.yaml", Training(network=Network(hidden=(3, 2), recurrent=True))
    path.write_text(dump(config), "utf-8")
    assert "\n  hidden:\n  - 3\n  - 2\n  recurrent: true\n" in path.read_text("utf-8")
    assert read_settings({}, str(path)) == config


@pytest.mark.parametrize(
    "line", ["[]", "{}", "20 30", "[20, [30]]", "[20, 1.5]", "", "[0]", "'20'"]
)
def test_what_names_no_layers_is_refused_by_line(tmp_path, line):
    path = tmp_path / "my.yaml"
    path.write_text(f"network:\n  hidden: {line}\n", "utf-8")
    with pytest.raises(ConfigError, match="hidden"):
        read_settings({}, str(path))


@pytest.mark.parametrize(
    ("sets", "options", "message"),
    [
        (["wires"], {}, "--set takes NAME=VALUE, not 'wires'"),
        (
            ["wires.word_ohm=2"],
            {},
            "unknown field 'wires.word_ohm'; did you mean 'wires.word_ohms'?",
        ),
        (
            ["wire.word_ohms=2"],
            {},
            "unknown field 'wire.word_ohms'; did you mean 'wires.word_ohms'?",
        ),
        (["wires.word_ohms=-1"], {}, "--set wires.word_ohms = -1 is outside [0, 1e+09] ohm"),
        ([], {"wires": "many"}, "--wires must be a number in [0, 1e+09] ohm, not 'many'"),
        ([], {"adc_bits": "99"}, "--adc-bits = 99 is outside [1, 16] bit"),
        ([], {"learning_rate": "-1"}, "--lr = -1 is outside [0, 100]"),
        ([], {"hidden": "30,0"}, "--hidden[1] = 0 is outside [1, 65535] neurons"),
        ([], {"hidden": "30;20"}, "--hidden[0] must be a whole number"),
        ([], {"hidden": ""}, "hidden must name the neurons of one hidden layer or more"),
        ([], {"mapping": "pairs"}, "--mapping must be one of"),
        (["periphery.adc_noise_lsb=1"], {}, "does nothing with periphery.kind = ideal"),
        (["faults.stuck_low_share=0.6", "faults.stuck_high_share=0.6"], {}, "together exceed 1"),
    ],
)
def test_a_wrong_setting_is_named_as_it_was_typed(sets, options, message):
    with pytest.raises(ConfigError) as found:
        typed(*sets, **options)
    assert message in str(found.value)


TABLES = {
    "optimizer": OPTIMIZERS,
    "policy": POLICIES,
    "mapping": MAPPINGS,
    "data_set": DATASETS,
    "encoding": ENCODINGS,
}


@pytest.mark.parametrize("name", TABLES)
def test_help_lists_the_names_of_the_table(name):
    (option,) = [o for o in train.params if o.name == name]
    *first, last = TABLES[name]
    assert names_of(option.table) == [*first, last]
    assert f"{', '.join(first)} or {last}." in option.get_help_record(Context(train))[1]
    default = getattr(Training(), name, None)
    if default is not None:
        assert option.default_name == Tagged(TABLES[name]).name_of(default)


def test_help_waits_for_neither_torch_nor_numba():
    code = (
        "import sys\nfrom cli.main import main\n"
        "main(['train', '--help'], standalone_mode=False)\n"
        "sys.exit(bool({'torch', 'numba', 'scipy'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
