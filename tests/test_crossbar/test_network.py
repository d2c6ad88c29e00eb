"""The network's settings, its E:I ratio and its initial weights."""

import math
import re

import numpy as np
import pytest
from scipy import stats
from torch.testing import assert_close
from xbar_training import DATA, plan_of

from crossbar.datasets import DATASETS
from crossbar.datasets.settings import DataSettings
from crossbar.experiment.network_settings import NETWORKS, load_network
from crossbar.snn.network import Network
from crossbar.snn.neurons import AdaptiveLif, LeakyIntegrator, Lif
from crossbar.snn.plan import initial_weights, plan, signs
from crossbar.snn.topology import Dense, MaxPool, Recurrent
from crossbar.snn.topology.synaptic import excitatory_fraction
from device_models.errors import ConfigError

RATIOS = {
    "80:20": 0.8,
    "50:50": 0.5,
    "95:5": 0.95,
    "100:0": 1.0,
    "0:100": 0.0,
    "0.8": 0.8,
    "1": 1.0,
    "0": 0.0,
    "12.5:87.5": 0.125,
    "none": None,
}
NO_RATIOS = [
    *("80:30", "-1", "80:20:0", "nan", "1.2", "", "inf", "-inf", "nan:nan", "inf:-inf", "-20:120"),
    *("120:-20", "80", "100", "80:", ":20", ":", "80/20", "80%", "None", "NONE", "eighty:twenty"),
    *("1.0000001", "-0.0000001", "79.9:20", "0.8:0.2", "4820"),
]


@pytest.mark.parametrize(("text", "fraction"), RATIOS.items())
def test_a_ratio_is_the_excitatory_share(text, fraction):
    assert excitatory_fraction(text) == fraction
    assert plan_of(ei=text).excitatory == (None if fraction is None else (int(100 * fraction),))


@pytest.mark.parametrize("text", NO_RATIOS)
def test_no_ratio_is_refused_and_the_message_says_what_is_allowed(text):
    message = (
        "ei must be a ratio that adds up to 100 such as 80:20, a share in [0, 1] such as 0.8, "
        f"or none, not {text!r}"
    )
    for refuse in (excitatory_fraction, lambda ei: plan_of(ei=ei)):
        with pytest.raises(ConfigError) as error:
            refuse(text)
        assert str(error.value) == message


@pytest.mark.parametrize("ei", ["50:50", "70:30", "75:25", "80:20", "90:10", "95:5", "100:0"])
@pytest.mark.parametrize("hidden", [100, 200])
def test_the_published_ratios_give_whole_numbers_of_neurons(ei, hidden):
    """int(N r) of the published code, where N r is a whole number: rounding must not lose one."""
    assert plan_of(ei=ei, hidden=hidden).excitatory == (hidden * int(ei.split(":")[0]) // 100,)


def test_a_share_of_a_neuron_is_inhibitory_but_one_is_excitatory():
    """A layer of inhibitory neurons alone learned nothing: 80:20 of one neuron."""
    assert plan_of(ei="50:50", hidden=5).excitatory == (2,)
    assert plan_of(ei="0.99", hidden=10).excitatory == (9,)
    assert plan_of(ei="50:50", hidden=(5, 4, 1)).excitatory == (2, 2, 1)
    assert plan_of(ei="0:100", hidden=5).excitatory == (0,)


@pytest.mark.parametrize("ei", ["50:50", "80:20", "95:5", "100:0", "0:100"])
def test_signs_count_as_the_ratio_says_and_excitatory_neurons_come_first(ei):
    excitatory = int(ei.split(":")[0])
    inputs, hidden = signs(plan_of(ei=ei))
    assert inputs.tolist() == [1] * 784
    assert hidden.tolist() == [1] * excitatory + [-1] * (100 - excitatory)
    assert {inputs.dtype, hidden.dtype} == {np.dtype(np.int8)}


def test_without_dales_law_no_sign_is_bound():
    inputs, hidden = signs(plan_of(ei="none", inputs=3, hidden=2))
    assert (inputs.tolist(), hidden.tolist()) == ([0, 0, 0], [0, 0])


# Sizes


def test_a_number_alone_is_one_hidden_layer():
    assert Network.of(hidden=30) == Network.of(hidden=(30,))
    assert plan_of(hidden=30).hidden == (30,)
    assert plan_of().hidden == (100,)
    assert Network() == Network.of()


def test_no_hidden_layer_is_refused():
    with pytest.raises(ConfigError, match="hidden must name the neurons of one hidden layer or"):
        plan_of(hidden=())


@pytest.mark.parametrize(
    ("hidden", "recurrent", "crossbars"),
    [
        ((30,), False, ((9, 30), (30, 4))),
        ((30,), True, ((39, 30), (30, 4))),
        ((30, 20), False, ((9, 30), (30, 20), (20, 4))),
        ((30, 20), True, ((39, 30), (50, 20), (20, 4))),
    ],
)
def test_crossbars_have_a_row_for_every_line_and_every_own_neuron(hidden, recurrent, crossbars):
    network = plan_of(inputs=9, hidden=hidden, classes=4, recurrent=recurrent)
    assert network.crossbars == crossbars
    assert network.inputs_of == (9, *hidden)
    assert network.neurons == sum(hidden)
    assert [len(sign) for sign in signs(network)] == [rows for rows, _ in crossbars]


def test_rows_of_own_neurons_have_the_signs_of_the_neurons():
    network = plan_of(inputs=3, hidden=(4, 5), recurrent=True, ei="50:50")
    one, two = [1, 1, -1, -1], [1, 1, -1, -1, -1]
    first, second, readout = (sign.tolist() for sign in signs(network))
    assert (first, second, readout) == ([1, 1, 1, *one], [*one, *two], two)
    assert all(not sign.any() for sign in signs(plan_of(hidden=(4, 5), recurrent=True, ei="none")))


def test_decays_are_those_of_the_time_constants():
    alpha, beta, *_ = Lif().numbers(1e-3)
    assert_close(alpha, 0.818730753, rtol=1e-9, atol=0.0)
    assert_close(beta, 0.904837418, rtol=1e-9, atol=0.0)
    assert_close(Lif(tau_mem_seconds=5e-3).numbers(1e-3).beta, 0.818730753, rtol=1e-9, atol=0.0)
    assert_close(plan_of().seconds, 0.1, rtol=1e-12, atol=0.0)


BAD_VALUES = {
    "neurons": [0, 65536, True, 7.5],
    "sigma_init": [-0.001, math.nan],
    "w_max": [0.0],
    "ei": ["4820"],
    "mapping": ["pari"],
    "neuron": ["lif"],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in BAD_VALUES.items() for v in vs])
def test_a_value_of_a_layer_outside_its_range_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=rf"(Dense\.)?{name} "):
        Dense(**{"neurons": 3, name: value})


@pytest.mark.parametrize("steps", [1, 65536])
def test_steps_that_no_event_can_name_are_refused(steps):
    with pytest.raises(ConfigError, match=rf"steps = {steps} is outside \[2, 65535\]"):
        plan_of(steps=steps)


@pytest.mark.parametrize("inputs", [65536, (256, 257), 0])
def test_lines_that_no_event_can_name_are_refused(inputs):
    with pytest.raises(ConfigError, match="an event names a line in two bytes"):
        plan_of(inputs=inputs)


# Layers that do not follow one another

LI = LeakyIntegrator()
WRONG = {
    "readout not last": (
        (Dense(neurons=9, neuron=LI), Dense(neurons=10, neuron=LI)),
        "layers[0] (dense, 9 neurons, LeakyIntegrator) never spikes",
    ),
    "last layer that spikes": (
        (Dense(neurons=9), Dense(neurons=10)),
        "layers[1] (dense, 10 neurons, Lif) is the last layer, and the loss max_over_time scores "
        "the membranes of neurons that never spike",
    ),
    "pool at the end": ((Dense(neurons=9), MaxPool()), "layers[1] (max_pool) is the last layer"),
    "E:I that binds no row": (
        (Dense(neurons=9), Dense(neurons=10, ei="80:20", neuron=LI)),
        "layers[1] (dense, 10 neurons, LeakyIntegrator) has ei = 80:20, but is the last layer",
    ),
    "one layer": ((Dense(neurons=10, neuron=LI),), "layers holds 1"),
    "recurrent without spikes": (
        (Dense(neurons=9), Recurrent(neurons=10, neuron=LI)),
        "layers[1] (recurrent, 10 neurons, LeakyIntegrator) gets 9 lines: its neurons never spike",
    ),
    "pool without image": (
        (Dense(neurons=16), MaxPool(), Dense(neurons=10, neuron=LI)),
        "layers[1] (max_pool) gets 16 lines: it pools an image, and gets 16 lines in no image",
    ),
    "pool that does not divide": (
        (MaxPool(size=3), Dense(neurons=10, neuron=LI)),
        "layers[0] (max_pool) gets 28 x 28 lines: its windows of 3 x 3 do not tile the 28 x 28",
    ),
    "pool of both signs": (
        (Dense(neurons=16, ei="50:50", image=(2, 8)), MaxPool(), Dense(neurons=10, neuron=LI)),
        "layers[1] (max_pool) gets 2 x 8 lines: a window holds excitatory and inhibitory lines",
    ),
    "classes": (
        (Dense(neurons=9), Dense(neurons=7, neuron=LI)),
        "layers[1] (dense, 7 neurons, LeakyIntegrator) is the last layer and has 7 outputs; the "
        "data set has 10 classes",
    ),
}


@pytest.mark.parametrize(("layers", "message"), WRONG.values(), ids=WRONG)
def test_layers_that_do_not_fit_are_refused_by_number_and_shape(layers, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        plan(Network(layers=layers), **DATA | {"inputs": (28, 28)})


def test_an_image_must_have_a_place_for_each_neuron():
    with pytest.raises(ConfigError, match="image = 3, 4 must be two numbers, rows and columns"):
        Dense(neurons=13, image=(3, 4))


def test_a_pool_has_no_crossbar_and_passes_signs_on():
    network = plan(
        Network(
            layers=(
                MaxPool(size=2), Dense(neurons=12, ei="0.67", image=(6, 2)), MaxPool(size=2),
                Recurrent(neurons=4, ei="75:25"), Dense(neurons=10, neuron=LI),
            )
        ),
        **DATA | {"inputs": (4, 8)},
    )  # fmt: skip
    assert network.crossbars == ((8, 12), (3 + 4, 4), (4, 10))
    assert network.names == ("hidden 1", "hidden 2", "readout")
    assert network.hidden == (8, 12, 3, 4)
    assert (network.sources, network.recurrent_rows_of, network.neurons) == (
        (0, 2, 3),
        (0, 4, 0),
        16,
    )
    first, second, readout = (sign.tolist() for sign in signs(network))
    assert (first, readout) == ([1] * 8, [1, 1, 1, -1])
    assert second == [1, 1, -1, 1, 1, 1, -1]


# Files


def test_every_preset_is_a_network_on_its_data():
    assert set(NETWORKS.names()) >= {"kilgore", "alif", "max_pool", "mse_count"}
    for name in NETWORKS.names():
        file = load_network(name)
        data = file.data or DataSettings()
        assert file.plan().classes == len(DATASETS[data.set].class_names)


def test_the_published_network_is_that_of_the_defaults():
    file = load_network("kilgore")
    network = plan(file.network, **DATA)
    assert network.sigmas == plan_of().sigmas
    assert [layer.neuron for layer in network.layers] == [
        layer.neuron for layer in plan_of().layers
    ]
    assert file.data.steps == 100
    assert file.training["batch_size"] == "256"


def test_a_preset_near_another_name_is_suggested():
    with pytest.raises(ConfigError, match=r"did you mean 'kilgore\.yaml'"):
        load_network("kilgor")


BAD_FILES = {
    "layers: [{kind: dens, neurons: 3}]": (
        r"1:17: layers\[0\]\.kind must be one of dense, .*'dense'"
    ),
    "layers:\n- {kind: dense, neurons: 3, neuron: {kind: lif, tau_mem_seconds: 0}}": (
        r"2:\d+: layers\[0\]\.neuron\.tau_mem_seconds = 0 is outside \[1e-06, 10\] s"
    ),
    "layers:\n- {kind: max_pool, size: 2, ei: '80:20'}": r"2:\d+: unknown key 'layers\[0\]\.ei'",
    "loss: {kind: mse_count, correct_rate: 2}": (
        r"1:\d+: loss\.correct_rate = 2 is outside \[0, 1\]"
    ),
}


@pytest.mark.parametrize(("text", "message"), BAD_FILES.items())
def test_a_wrong_file_is_refused_by_line_and_column(tmp_path, text, message):
    path = tmp_path / "net.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_network(path)


def test_short_forms_change_the_hidden_layers_alone():
    network = load_network("alif").network
    found = network.with_short_forms(hidden=(30, 20), ei="80:20", recurrent=False, sigma_init=0.1)
    assert [type(layer) for layer in found.layers] == [Dense, Dense, Dense]
    assert [layer.neurons for layer in found.layers] == [30, 20, 10]
    assert [layer.ei for layer in found.layers] == ["80:20", "80:20", None]
    assert [layer.sigma_init for layer in found.layers] == [0.1, None, None]
    assert all(isinstance(layer.neuron, AdaptiveLif) for layer in found.layers[:-1])
    assert network.with_short_forms() == network


# Initial weights


def weights(seed=0, **settings):
    network = plan_of(**settings)
    return network, initial_weights(network, generator=np.random.default_rng([31, seed]))


@pytest.mark.parametrize("ei", ["50:50", "80:20", "100:0", "0:100"])
def test_initial_weights_obey_dales_law(ei):
    network, (w1, w2) = weights(ei=ei)
    assert (w1.shape, w2.shape) == ((784, 100), (100, 10))
    assert {w1.dtype, w2.dtype} == {np.dtype(np.float32)}
    assert (w1 > 0).all()
    (excitatory,) = network.excitatory
    assert (w2[:excitatory] > 0).all()
    assert (w2[excitatory:] < 0).all()


def test_dales_law_folds_the_weights_that_the_free_network_has():
    """One generator, one draw: the ratio changes signs, nothing else."""
    _, (free1, free2) = weights(ei="none", sigma_init=0.002)
    network, (w1, w2) = weights(ei="80:20", sigma_init=0.002)
    bound = signs(network)[1][:, None]
    np.testing.assert_array_equal(w1, np.abs(free1))
    np.testing.assert_array_equal(w2, bound * np.abs(free2))


def test_default_spreads_are_the_published_ones():
    assert plan_of().hidden_sigma == 0.001
    assert plan_of(sigma_init=0.02).hidden_sigma == 0.02
    assert plan_of(sigma_init=0.02, ei="none").hidden_sigma == 0.02
    free = plan_of(ei="none").hidden_sigma
    assert_close(free, 7 * (1 - 0.904837418) / 28, rtol=1e-8, atol=0.0)


def z_of_spread(values, sigma):
    """Distance of the root mean square from `sigma`, in standard errors; folding leaves it be."""
    square = np.square(values.astype(float) / sigma)
    return float((square.mean() - 1.0) * np.sqrt(square.size / 2))


def many_readouts(**settings):
    """W2 of 100 networks of 4 inputs: 100 000 numbers."""
    return np.stack([weights(seed, inputs=4, **settings)[1][1] for seed in range(100)])


# 78 400 and 100 000 numbers: 0.25 % standard error, so a 5 % error is 20 of them. False alarm of
# 5 sigma: 6e-7.
READOUT_SIGMA = 0.0666138  # 7 (1 - 0.904837418) / sqrt(100)


@pytest.mark.parametrize("ei", ["80:20", "100:0", "none"])
@pytest.mark.parametrize("sigma", [0.001, 0.075])
def test_spread_of_the_input_weights_is_sigma_init(ei, sigma):
    _, (w1, _) = weights(ei=ei, sigma_init=sigma)
    assert abs(z_of_spread(w1, sigma)) < 5


@pytest.mark.parametrize("ei", ["50:50", "80:20", "none"])
def test_spread_of_the_readout_weights_is_the_published_one(ei):
    assert abs(z_of_spread(many_readouts(ei=ei), READOUT_SIGMA)) < 5


def test_spread_of_the_readout_follows_the_membrane():
    found = many_readouts(tau_mem_seconds=5e-3)
    assert abs(z_of_spread(found, 0.126888)) < 5  # 7 (1 - exp(-1 / 5)) / sqrt(100)


def test_the_tests_above_would_notice_3_percent():
    _, (w1, _) = weights(sigma_init=0.00103)
    assert abs(z_of_spread(w1, 0.001)) > 5
    assert abs(z_of_spread(1.03 * many_readouts(), READOUT_SIGMA)) > 5


# Seven tests below 5 sigma; 19 600 to 400 000 numbers each.
DEEP = {"inputs": 196, "hidden": (400, 100), "recurrent": True}


@pytest.mark.parametrize("ei", ["80:20", "none"])
def test_spreads_of_layers_behind_the_first_and_of_own_neurons(ei):
    """7 (1 - beta) / sqrt(lines), but under Dale's law a layer drives itself by `sigma_init`."""
    network, found = weights(ei=ei, **DEEP)
    scaled = {n: 7 * (1 - 0.904837418) / math.sqrt(n) for n in (196, 400, 100)}
    free = ei == "none"
    first = scaled[196] if free else 1e-3
    wanted = [
        (first, scaled[400] if free else first),
        (scaled[400], scaled[100] if free else first),
    ]
    for w, lines, (of_lines, of_own) in zip(found, network.inputs_of, wanted, strict=False):
        assert abs(z_of_spread(w[:lines], of_lines)) < 5
        assert abs(z_of_spread(w[lines:], of_own)) < 5
        assert abs(z_of_spread(1.05 * w[lines:], of_own)) > 5
    assert (
        abs(
            z_of_spread(np.stack([weights(n, ei=ei, **DEEP)[1][2] for n in range(20)]), scaled[100])
        )
        < 5
    )


def test_dales_law_holds_in_every_crossbar():
    network, found = weights(ei="80:20", **DEEP)
    for w, sign in zip(found, signs(network), strict=True):
        assert w.dtype == np.float32
        assert (w * sign[:, None] > 0).all()


def test_free_weights_are_normal_and_bound_ones_half_normal():
    _, (free, _) = weights(ei="none", sigma_init=0.001)
    _, (bound, _) = weights(seed=1, ei="80:20", sigma_init=0.001)
    assert abs(free.astype(float).mean() / 0.001 * np.sqrt(free.size)) < 5
    assert stats.kstest(free.ravel() / 0.001, "norm").pvalue > 6e-7
    assert stats.kstest(bound.ravel() / 0.001, "halfnorm").pvalue > 6e-7
    assert stats.kstest(bound.ravel() / 0.00105, "halfnorm").pvalue < 6e-7


def test_weights_come_from_the_generator_alone():
    one, again, other = (weights(seed)[1] for seed in (0, 0, 1))
    assert all(a.tobytes() == b.tobytes() for a, b in zip(one, again, strict=True))
    assert all(a.tobytes() != b.tobytes() for a, b in zip(one, other, strict=True))


def test_fewer_spikes_are_not_allowed_than_asked_for():
    with pytest.raises(ConfigError, match="spikes_least = 9 exceeds spikes_most = 8"):
        plan_of(spikes_least=9.0, spikes_most=8.0)
    assert plan_of(spikes_least=9.0).spikes_most is None


@pytest.mark.parametrize(
    ("settings", "least"),
    [({}, 0.0), ({"hidden": (9, 8)}, 5.0), ({"hidden": (9, 8), "spikes_least": 0.0}, 0.0)],
)
def test_several_layers_are_kept_from_silence(settings, least):
    assert plan_of(**settings).least_spikes == least
