"""How `xbar train` makes settings of what was typed."""

import subprocess
import sys

import pytest
from click import Context

from cli.text import names_of
from cli.train import assignments, read_settings, train
from crossbar.datasets import DATASETS
from crossbar.experiment import builder
from crossbar.experiment.config import Training
from crossbar.experiment.network_settings import NETWORKS, located_in
from crossbar.mappings import MAPPINGS
from crossbar.snn.encodings import ENCODINGS
from crossbar.snn.network import Network
from crossbar.snn.neurons import NEURONS
from crossbar.synapses.optimizers import OPTIMIZERS
from crossbar.synapses.policies import POLICIES
from crossbar.wires.wires import Wires
from device_models.errors import ConfigError
from device_models.record import Tagged
from device_models.schema import dump


def typed(*sets, **options):
    return read_settings(options | assignments(sets), None, None)


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


def default_with(**short):
    """The network of the default run, with short forms."""
    return Training().network.with_short_forms(**short)


def test_network_and_training_options_meet_their_settings():
    found = typed("data.steps=50", ei="95:5", hidden="30", learning_rate="0.02", mapping="dale")
    assert found.network == default_with(hidden=30, ei="95:5")
    assert (found.data.steps, found.optimizer.learning_rate) == (50, 0.02)
    assert found.mapping == MAPPINGS["dale"].Options()


def test_layers_are_typed_with_commas():
    found = typed(hidden="30,20", recurrent="true", ei="50:50")
    assert found.network == default_with(hidden=(30, 20), recurrent=True, ei="50:50")
    assert typed(hidden="30,20").network == default_with(hidden=(30, 20))
    assert typed("network.layers.0.neurons=40").network == default_with(hidden=40)


def test_layers_are_written_and_read_back(tmp_path):
    path = tmp_path / "my.yaml"
    config = Training(network=Network.of(hidden=(3, 2), recurrent=True))
    path.write_text(dump(config), "utf-8")
    assert "layers:\n  - kind: recurrent\n" in path.read_text("utf-8")
    assert "    neurons: 3\n" in path.read_text("utf-8")
    assert read_settings({}, str(path), None) == config


LAYERS = """\
data: {steps: 25}
layers:
  - {kind: dense, neurons: 30, neuron: alif}
  - {kind: dense, neurons: 10, neuron: leaky_integrator}
training: {optimizer: adam, optimizer.learning_rate: 0.1, epochs: 9}
"""


def test_a_network_file_brings_its_settings_and_options_go_over_it(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(LAYERS, "utf-8")
    found = read_settings({"hidden": "40,20", "epochs": "2"}, None, str(path))
    hidden = [layer.neurons for layer in found.network.layers]
    assert (hidden, found.data.steps, found.epochs) == ([40, 20, 10], 25, 2)
    assert {type(layer.neuron) for layer in found.network.layers[:2]} == {NEURONS["alif"]}
    assert found.optimizer == OPTIMIZERS["adam"].Options(learning_rate=0.1, schedule="cosine")


@pytest.mark.parametrize("name", NETWORKS.names())
def test_every_preset_of_a_network_is_a_training(name):
    found = read_settings({}, None, name)
    data = DATASETS[found.data.set]
    assert builder.plan_of(found, data).crossbars[-1][1] == len(data.class_names)
    assert found.optimizer.first_rate > 0.0


def test_the_published_network_is_what_the_seed_paper_trains():
    found = read_settings({}, None, "kilgore")
    assert found.optimizer == OPTIMIZERS["sgd"].Options(learning_rate=0.01)
    assert (found.batch_size, found.data.steps) == (256, 100)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("kind: dense, neurons: 30", "kind: dens, neurons: 30"),
         "net.yaml:3:12: layers[0].kind must be one of dense, recurrent, conv2d, lateral, "
         "max_pool, delays, not 'dens'; did you mean 'dense'?"),
        (("neurons: 30", "neurons: 0"), "net.yaml:3:28: layers[0].neurons = 0 is outside"),
        (("optimizer: adam", "optimiser: adam"), "optimiser sets an unknown field 'optimiser'; did "
         "you mean 'optimizer'?"),
        (("steps: 25", "step: 25"), "unknown key 'data.step'; did you mean 'steps'?"),
        (("data: {", "inputs: 20\ndata: {"), "inputs = 20, but samples of fashion_mnist have 784 "
         "lines"),
    ],
)  # fmt: skip
def test_a_wrong_network_file_is_refused_by_its_name(tmp_path, change, message):
    path = tmp_path / "net.yaml"
    path.write_text(LAYERS.replace(*change), "utf-8")
    with pytest.raises(ConfigError) as raised:
        read_settings({}, None, str(path))
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_misspelt_preset_is_told_the_nearest():
    with pytest.raises(ConfigError, match=r"did you mean 'kilgore\.yaml'"):
        read_settings({}, None, "kilgor")


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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layers:\n  - {kind: max_pool, size: 20}\n"
         "  - {kind: dense, neurons: 10, neuron: leaky_integrator}\n",
         r":2:5: layers\[0\] \(max_pool\) gets 28 x 28 lines: .*; nothing was written$"),
        ("# nothing\nlayers:\n  - {kind: dense, neurons: 20}\n"
         "  - {kind: dense, neurons: 9, neuron: leaky_integrator}\n",
         r":4:5: layers\[1\] \(dense, 9 neurons, .* has 9 outputs; the data set has 10 classes"),
        ("layers:\n  - {kind: dense, neurons: 20}\n  - {kind: dense, neurons: 10}\n",
         r":3:5: layers\[1\] \(dense, 10 neurons, Lif\) is the last layer, and the loss"),
        ("layers:\n  - {kind: dense, neurons: 20}\n  - {kind: lateral, neurons: 10, inhibition: "
         "reset_line, neuron: leaky_integrator}\n",
         r":3:5: layers\[1\] \(lateral, .* neurons never spike; make it dense, or .* written$"),
        ("# nothing\n", r"is empty; a network file gives layers; nothing was written$"),
    ],
)  # fmt: skip
def test_layers_that_do_not_fit_are_told_by_their_place_in_the_file(text, message, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as raised:
        read_settings({}, None, str(path))
    assert str(raised.value).startswith(str(path))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("layer", "title"),
    [
        ("{kind: recurrent, neurons: 9, neuron: lif}", "(recurrent, 9 neurons, Lif)"),
        ("{kind: lateral, neurons: 9, neuron: snu}", "(lateral, 9 neurons, Snu)"),
        ("{kind: max_pool, size: 2}", "(max_pool)"),
    ],
)
def test_amplitudes_into_what_takes_spikes_alone_are_told_by_their_place(layer, title, tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(
        f"layers:\n  - {layer}\n  - {{kind: dense, neurons: 10, neuron: leaky_integrator}}\n"
    )
    with pytest.raises(ConfigError) as raised:
        read_settings({"encoding": "constant"}, None, str(path))
    assert str(raised.value).startswith(
        f"{path}:2:5: layers[0] {title} gets amplitudes of a constant code and takes spikes alone"
    )


@pytest.mark.parametrize("name", ["csnn_mnist", "csnn_cifar10"])
@pytest.mark.parametrize("options", [{"board": "tcp://nowhere:1"}, {}])
def test_a_bias_that_is_on_no_board_is_told_by_its_place_before_a_board_is_opened(name, options):
    with pytest.raises(ConfigError) as raised:
        read_settings(options, None, name, dry_run=not options)
    path, line, column, text = str(raised.value).split(":", 3)
    assert path.endswith(f"presets/{name}.yaml")
    written = NETWORKS.find(name).read_text().splitlines()[int(line) - 1]
    assert written[int(column) - 1 :].startswith("{kind: conv2d")
    assert text.startswith(" layers[0] (conv2d, ")
    assert "bias = digital is on no board; make it row" in text


def test_what_is_said_of_a_layer_later_is_told_by_its_place():
    place = NETWORKS.find("csnn_mnist")
    for text, told in (
        ("layers[1] (conv2d): no", f"{place}:7:5: layers[1] (conv2d): no"),
        ("epochs: no", "epochs: no"),
    ):
        with pytest.raises(ConfigError) as raised, located_in("csnn_mnist"):
            raise ConfigError(text)
        assert str(raised.value) == told


@pytest.mark.parametrize(
    ("sets", "given", "message"),
    [
        (("seed=1", "seed=2"), (), "--set seed is given twice"),
        (("seed=2",), ("seed",), "--seed and --set seed are one setting"),
        (("optimizer.learning_rate=0.2",), ("learning_rate",), "--lr and --set optimizer"),
    ],
)
def test_a_setting_that_is_given_twice_is_refused(sets, given, message):
    with pytest.raises(ConfigError, match=message):
        assignments(sets, given)
    assert assignments(("wires.word_ohms=3",), ("wires",)) == {"wires.word_ohms": "3"}
