"""The network's settings, its E:I ratio and its initial weights."""

import math

import numpy as np
import pytest
from scipy import stats
from torch.testing import assert_close

from crossbar.snn.network import Network, excitatory_fraction, initial_weights, signs
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
    assert Network(ei=text).excitatory == (None if fraction is None else (int(100 * fraction),))


@pytest.mark.parametrize("text", NO_RATIOS)
def test_no_ratio_is_refused_and_the_message_says_what_is_allowed(text):
    message = (
        "ei must be a ratio that adds up to 100 such as 80:20, a share in [0, 1] such as 0.8, "
        f"or none, not {text!r}"
    )
    for refuse in (excitatory_fraction, lambda ei: Network(ei=ei)):
        with pytest.raises(ConfigError) as error:
            refuse(text)
        assert str(error.value) == message


@pytest.mark.parametrize("ei", ["50:50", "70:30", "75:25", "80:20", "90:10", "95:5", "100:0"])
@pytest.mark.parametrize("hidden", [100, 200])
def test_the_published_ratios_give_whole_numbers_of_neurons(ei, hidden):
    """int(N r) of the published code, where N r is a whole number: rounding must not lose one."""
    assert Network(ei=ei, hidden=hidden).excitatory == (hidden * int(ei.split(":")[0]) // 100,)


def test_a_share_of_a_neuron_is_inhibitory():
    assert Network(ei="50:50", hidden=5).excitatory == (2,)
    assert Network(ei="0.99", hidden=10).excitatory == (9,)
    assert Network(ei="50:50", hidden=(5, 4, 1)).excitatory == (2, 2, 0)


@pytest.mark.parametrize("ei", ["50:50", "80:20", "95:5", "100:0", "0:100"])
def test_signs_count_as_the_ratio_says_and_excitatory_neurons_come_first(ei):
    excitatory = int(ei.split(":")[0])
    inputs, hidden = signs(Network(ei=ei))
    assert inputs.tolist() == [1] * 784
    assert hidden.tolist() == [1] * excitatory + [-1] * (100 - excitatory)
    assert {inputs.dtype, hidden.dtype} == {np.dtype(np.int8)}


def test_without_dales_law_no_sign_is_bound():
    inputs, hidden = signs(Network(ei="none", inputs=3, hidden=2))
    assert (inputs.tolist(), hidden.tolist()) == ([0, 0, 0], [0, 0])


# Sizes


def test_a_number_alone_is_one_hidden_layer():
    assert Network(hidden=30) == Network(hidden=(30,))
    assert Network(hidden=30).hidden == (30,)
    assert Network().hidden == (100,)


def test_no_hidden_layer_is_refused():
    with pytest.raises(ConfigError, match="hidden must name the neurons of one hidden layer or"):
        Network(hidden=())


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
    network = Network(inputs=9, hidden=hidden, classes=4, recurrent=recurrent)
    assert network.crossbars == crossbars
    assert network.inputs_of == (9, *hidden)
    assert network.neurons == sum(hidden)
    assert [len(sign) for sign in signs(network)] == [rows for rows, _ in crossbars]


def test_rows_of_own_neurons_have_the_signs_of_the_neurons():
    network = Network(inputs=3, hidden=(4, 5), recurrent=True, ei="50:50")
    one, two = [1, 1, -1, -1], [1, 1, -1, -1, -1]
    first, second, readout = (sign.tolist() for sign in signs(network))
    assert (first, second, readout) == ([1, 1, 1, *one], [*one, *two], two)
    assert all(not sign.any() for sign in signs(Network(hidden=(4, 5), recurrent=True, ei="none")))


def test_decays_are_those_of_the_time_constants():
    network = Network()
    assert_close(network.alpha, 0.818730753, rtol=1e-9, atol=0.0)
    assert_close(network.beta, 0.904837418, rtol=1e-9, atol=0.0)
    assert_close(Network(tau_mem_seconds=5e-3).beta, 0.818730753, rtol=1e-9, atol=0.0)
    assert_close(network.seconds, 0.1, rtol=1e-12, atol=0.0)


BAD_VALUES = {
    "inputs": [0, 65536, 7.5],
    "hidden": [0, 65536, True, (20, 0), (65536, 20), (20, 7.5)],
    "classes": [1, 1001],
    "steps": [1, 256],
    "dt_seconds": [0.0, -1e-3, math.nan],
    "tau_mem_seconds": [0.0, math.inf],
    "tau_syn_seconds": [0.0, 10.1],
    "surrogate_scale": [-1.0],
    "sigma_init": [-0.001, math.nan],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in BAD_VALUES.items() for v in vs])
def test_a_value_outside_its_range_is_refused_by_name(name, value):
    with pytest.raises(ConfigError, match=rf"Network\.{name}(\[\d\])? "):
        Network(**{name: value})


# Initial weights


def weights(seed=0, **settings):
    network = Network(**settings)
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
    assert Network().hidden_sigma == 0.001
    assert Network(sigma_init=0.02).hidden_sigma == 0.02
    assert Network(sigma_init=0.02, ei="none").hidden_sigma == 0.02
    free = Network(ei="none").hidden_sigma
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
        Network(spikes_least=9.0, spikes_most=8.0)
    assert Network(spikes_least=9.0).spikes_most is None


@pytest.mark.parametrize(
    ("settings", "least"),
    [({}, 0.0), ({"hidden": (9, 8)}, 5.0), ({"hidden": (9, 8), "spikes_least": 0.0}, 0.0)],
)
def test_several_layers_are_kept_from_silence(settings, least):
    assert Network(**settings).least_spikes == least
