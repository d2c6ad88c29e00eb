"""Graphs of NIR: what comes out of devices is what the graph, or the framework behind it, does."""

import numpy as np
import pytest
import torch
from xbar_nir import (
    chain,
    drive,
    input_of,
    lif,
    output_of,
    run_cuba_lif,
    run_if,
    run_lif,
    run_readout,
    small,
)
from xbar_training import bars

import crossbar as xb
from crossbar.datasets.dataset import Half, LoadedDataset
from crossbar.datasets.encode import encode
from crossbar.experiment.typed_settings import settings_of
from crossbar.nir.files import write_graph
from crossbar.nir.reading import read_network
from crossbar.nir.writing import graph_of
from crossbar.snn import reference
from crossbar.snn.encodings.events import Events
from crossbar.snn.network import Network
from crossbar.snn.neurons import Leaky, LeakyIntegrator, PerfectIntegrator
from crossbar.snn.parameters import from_arrays, initial
from crossbar.snn.plan import plan
from crossbar.snn.topology import Conv2d, Dense, Recurrent

nir = pytest.importorskip("nir", reason="nir is not installed: pip install 'xbar-hil[nir]'")
SAMPLES = 12
CLOSE = {"rtol": 1e-6, "atol": 1e-6}  # weights are float32, and so are conductances


@pytest.fixture(scope="module")
def images():
    """Few bars in the place of a data set."""
    samples, labels = bars(64, SAMPLES)
    halves = (slice(None, 64), slice(64, None))
    train, test = (Half(samples[part], labels[part].astype(np.uint8)) for part in halves)
    names = tuple("0123456789")
    return LoadedDataset(title="bars", class_names=names, train=train, test=test, origin="here")


@pytest.fixture
def trained(images, tmp_path, monkeypatch):
    """A graph programmed into ideal devices: what they then do, (steps, samples, ...) of each."""
    monkeypatch.chdir(tmp_path)

    def run(graph, **given):
        nir.write("graph.nir", graph)
        given = {"device": "ideal.yaml", "epochs": "0", "data.steps": "60"} | given
        config = settings_of(given, xb.Training(), "graph.nir")
        done = xb.train(config, dataset=images, notice=lambda line: None)
        return done.trainer

    return run


def inputs_of(trainer):
    """Spikes of the test images, (samples, steps, lines)."""
    network, data = trainer.setup.network, trainer.data
    everyone = np.arange(SAMPLES)
    return reference.dense(data.test_events, everyone, network, torch.float64).numpy()


def outcome_of(trainer):
    """What the weights that lie on the devices do in float64."""
    weights = [torch.from_numpy(w).double() for w in trainer.matrices()]
    labels = torch.from_numpy(trainer.data.test_labels)
    return reference.simulate(
        trainer.setup.network, weights, torch.from_numpy(inputs_of(trainer)), labels
    )


def of_steps(tensor):
    """(samples, steps, neurons) as (steps, samples, neurons)."""
    return tensor.numpy().swapaxes(0, 1)


def kernel_spikes(trainer):
    """Spikes of every layer as the kernels of the training count them, (samples, lines) each."""
    found = []
    for layer, events in zip(
        trainer.setup.network.senders, trainer.evaluate(record=True).recorded, strict=True
    ):
        counts = np.zeros((SAMPLES, layer.outputs), int)
        assert isinstance(events, Events)
        sample = np.repeat(np.arange(SAMPLES), np.diff(events.offsets))
        np.add.at(counts, (sample, events.rows), 1)
        found.append(counts)
    return found


def check(trainer, *layers):
    """Membranes in thresholds and spikes of each layer are these (steps, samples, ...)."""
    outcome = outcome_of(trainer)
    for index, (membranes, spikes) in enumerate(layers):
        flat = membranes.reshape(*membranes.shape[:2], -1)
        close = CLOSE | {"atol": CLOSE["atol"] * np.abs(flat).max()}  # sums of hundreds of weights
        np.testing.assert_allclose(of_steps(outcome.membrane[index]), flat, **close)
        flat = spikes.reshape(*spikes.shape[:2], -1)
        np.testing.assert_array_equal(of_steps(outcome.spikes[index]), flat)
        np.testing.assert_array_equal(kernel_spikes(trainer)[index], flat.sum(0))
        assert 0.01 < spikes.mean() < 0.7


def test_lif_and_affine_do_what_the_graph_says(trained):
    """Own thresholds and resistances of every neuron lie in the weights."""
    graph = small(nir, threshold=1.3)
    graph.nodes["2"].v_threshold = np.linspace(0.8, 1.7, 20)
    graph.nodes["2"].r = np.linspace(4.0, 6.0, 20)
    trainer = trained(graph)
    nodes = [graph.nodes[str(i)] for i in range(6)]
    x = inputs_of(trainer).swapaxes(0, 1)
    hidden = run_lif(nodes[2], np.array([drive(nodes[1], step) for step in x]))
    output = run_lif(nodes[4], np.array([drive(nodes[3], step) for step in hidden[1]]))
    check(
        trainer,
        (hidden[0] / nodes[2].v_threshold, hidden[1]),
        (output[0] / nodes[4].v_threshold, output[1]),
    )


def test_a_convolution_integrate_and_fire_and_leaky_integrators(trained):
    draw = np.random.default_rng(3)
    shape = 3, 12, 12
    graph = chain(
        nir,
        input_of(nir, 1, 28, 28),
        nir.Conv2d(
            input_shape=(28, 28), weight=draw.normal(0.5, 0.5, (3, 1, 5, 5)), stride=2, padding=0,
            dilation=1, groups=1, bias=np.array([0.01, 0.0, -0.02]),
        ),
        lif(nir, shape, threshold=1.2),
        nir.Flatten(input_type=np.array(shape), start_dim=0),
        nir.Linear(weight=draw.normal(0.01, 0.1, (15, 432))),
        nir.IF(r=np.full(15, 5e3), v_threshold=np.full(15, 0.9)),
        nir.Linear(weight=draw.normal(0.0, 0.4, (10, 15))),
        nir.LI(tau=np.full(10, 2e-3), r=np.full(10, 3.0), v_leak=np.zeros(10)),
        output_of(nir, 10),
    )  # fmt: skip
    trainer = trained(graph)
    nodes = [graph.nodes[str(i)] for i in range(9)]
    x = inputs_of(trainer).swapaxes(0, 1).reshape(60, SAMPLES, 1, 28, 28)
    first = run_lif(nodes[2], np.array([drive(nodes[1], step) for step in x]))
    flat = first[1].reshape(60, SAMPLES, -1)
    second = run_if(nodes[5], np.array([drive(nodes[4], step) for step in flat]))
    check(trainer, (first[0] / 1.2, first[1]), (second[0] / 0.9, second[1]))
    read_out = run_readout(nodes[7], np.array([drive(nodes[6], step) for step in second[1]]))
    np.testing.assert_allclose(of_steps(outcome_of(trainer).readout), read_out, **CLOSE)


def cuba(kind, n, **fires):
    full = lambda value: np.full(n, value)  # noqa: E731
    return kind(
        tau_mem=full(10e-4), tau_syn=full(4e-4), r=full(8.0), v_leak=full(0.0), w_in=full(3.0),
        **{name: full(value) for name, value in fires.items()},
    )  # fmt: skip


@pytest.mark.parametrize("inside", [False, True], ids=["flat", "graph in a graph"])
def test_current_based_neurons_that_drive_themselves(trained, inside):
    draw = np.random.default_rng(4)
    own = nir.Linear(weight=draw.normal(0.0, 0.2, (20, 20)))
    fires = cuba(nir.CubaLIF, 20, v_threshold=1.4, v_reset=0.0)
    extra, edges, neurons = {"own": own}, [("2", "own"), ("own", "2")], fires
    if inside:
        extra, edges = {}, []
        neurons = nir.NIRGraph(
            nodes={"i": input_of(nir, 20), "n": fires, "w": own, "o": output_of(nir, 20)},
            edges=[("i", "n"), ("n", "w"), ("w", "n"), ("n", "o")],
        )
    graph = chain(
        nir, input_of(nir, 784), nir.Linear(weight=draw.normal(0.02, 0.1, (20, 784))), neurons,
        nir.Affine(weight=draw.normal(0.0, 0.4, (10, 20)), bias=draw.normal(0.0, 0.1, 10)),
        cuba(nir.CubaLI, 10), output_of(nir, 10), extra=extra, edges=edges,
    )  # fmt: skip
    trainer = trained(graph)
    x = inputs_of(trainer).swapaxes(0, 1)
    driven = np.array([drive(graph.nodes["1"], step) for step in x])
    hidden = run_cuba_lif(fires, driven, own)
    check(trainer, (hidden[0] / 1.4, hidden[1]))
    last = np.array([drive(graph.nodes["3"], step) for step in hidden[1]])
    read_out = run_readout(graph.nodes["4"], last)
    np.testing.assert_allclose(of_steps(outcome_of(trainer).readout), read_out, **CLOSE)


def test_a_perfect_integrator(trained):
    graph = small(nir)
    graph.nodes["4"] = nir.I(r=np.full(10, 2e3))
    trainer = trained(graph)
    x = inputs_of(trainer).swapaxes(0, 1)
    hidden = run_lif(graph.nodes["2"], np.array([drive(graph.nodes["1"], step) for step in x]))
    last = np.array([drive(graph.nodes["3"], step) for step in hidden[1]])
    read_out = run_readout(graph.nodes["4"], last)
    np.testing.assert_allclose(of_steps(outcome_of(trainer).readout), read_out, **CLOSE)


# Other frameworks


@pytest.mark.parametrize("reset", ["subtract", "zero"])
def test_snntorch_does_the_same(trained, reset):
    """Linear-Leaky-Linear-Leaky, exported by snnTorch: membranes and spikes of every step."""
    snn = pytest.importorskip("snntorch", reason="snntorch is not installed")
    from snntorch.export_nir import export_to_nir

    draw = torch.Generator().manual_seed(1)

    def leaky(n, beta, threshold):
        return snn.Leaky(
            beta=torch.full((n,), beta), threshold=torch.full((n,), threshold),
            reset_mechanism=reset, init_hidden=True, output=True,
        )  # fmt: skip

    layers = [
        torch.nn.Linear(784, 20), leaky(20, 0.9, 1.0), torch.nn.Linear(20, 10), leaky(10, 0.8, 0.7)
    ]  # fmt: skip
    with torch.no_grad():
        layers[0].weight.copy_(0.05 + 0.1 * torch.randn((20, 784), generator=draw))
        layers[2].weight.copy_(0.2 + 0.5 * torch.randn((10, 20), generator=draw))
        for each in (layers[0], layers[2]):
            each.bias.copy_(0.03 * torch.randn(each.bias.shape, generator=draw))
    for each in (layers[1], layers[3]):
        each.output = False  # for the export, which follows tensors
    with pytest.warns(DeprecationWarning, match="extract_nir_graph"):  # that snnTorch calls
        graph = export_to_nir(torch.nn.Sequential(*layers), torch.zeros(784))
    for each in (layers[1], layers[3]):
        each.output = True
    said = {f"network.layers.{i}.neuron.reset": reset for i in (0, 1)}
    trainer = trained(graph, **(said if reset == "subtract" else {}))

    recorded = [], [], [], []
    with torch.no_grad():
        for each in layers:
            each.double()  # sums of float32 would round more than the devices
        for each in (layers[1], layers[3]):
            each.reset_mem()
        for step in torch.from_numpy(inputs_of(trainer)).unbind(1):
            hidden, membrane = layers[1](layers[0](step))
            output, last = layers[3](layers[2](hidden.double()))
            for kept, value in zip(recorded, (membrane, hidden, last / 0.7, output), strict=True):
                kept.append(value.numpy())
    first, spikes, second, output = map(np.array, recorded)
    check(trainer, (first, spikes), (second, output))


def test_a_subtracting_reset_may_stand_in_the_metadata(trained):
    graph = small(nir)
    for name in ("2", "4"):
        graph.nodes[name].metadata["reset"] = "subtract"
    trainer = trained(graph)
    nodes = [graph.nodes[str(i)] for i in range(6)]
    x = inputs_of(trainer).swapaxes(0, 1)
    hidden = run_lif(nodes[2], np.array([drive(nodes[1], step) for step in x]), subtract=True)
    last = np.array([drive(nodes[3], step) for step in hidden[1]])
    check(trainer, hidden, run_lif(nodes[4], last, subtract=True))


# There and back

LI = LeakyIntegrator()
ROUND = {
    "lif, leaky integrator": (Dense(neurons=12, ei="80:20"), Dense(neurons=5, neuron=LI)),
    "leaky, biases": (
        Dense(neurons=12, neuron=Leaky(beta=0.85), bias="digital"),
        Dense(neurons=9, neuron=Leaky(beta=0.0, reset="zero"), bias="row"),
        Dense(neurons=5, neuron=LeakyIntegrator(tau_syn_seconds=None)),
    ),
    "convolution, integrate and fire": (
        Conv2d(channels=4, kernel=3, stride=2, neuron=Leaky(beta=1.0), bias="row"),
        Dense(neurons=5, neuron=PerfectIntegrator()),
    ),
    "recurrent": (Recurrent(neurons=9), Dense(neurons=5, neuron=LI)),
}  # fmt: skip


@pytest.mark.parametrize("name", ROUND)
def test_a_graph_of_a_network_is_that_network(name, tmp_path):
    network = plan(
        Network(layers=ROUND[name], spikes_least=0.0), inputs=(8, 8), classes=5, steps=40,
        dt_seconds=1e-3,
    )  # fmt: skip
    first = initial(network, seed=3)
    draw = np.random.default_rng(0)
    strong = [draw.normal(0.1, 0.4, w.shape).astype(np.float32) for w in first.weights]
    first = first._replace(weights=tuple(strong))
    graph = graph_of(nir, network, first, [{}] * 9, {"made_by": "a test"})
    write_graph(tmp_path / "a.nir", graph)
    read = read_network(tmp_path / "a.nir")
    assert read.dt_seconds == 1e-3
    again = plan(read.network, inputs=(8, 8), classes=5, steps=40, dt_seconds=1e-3)
    x = torch.from_numpy((draw.random((6, 40, 64)) < 0.3).astype(float))
    done = [
        reference.simulate(net, [torch.from_numpy(m).double() for m in matrices(net, p)], x, zeros)
        for zeros in [torch.zeros(6, dtype=torch.int64)]
        for net, p in ((network, first), (again, from_arrays(read.arrays)))
    ]
    assert all(spikes.any() for spikes in done[0].spikes)
    torch.testing.assert_close(done[1].spikes, done[0].spikes, rtol=0.0, atol=0.0)
    torch.testing.assert_close(done[1].membrane, done[0].membrane, **CLOSE)
    torch.testing.assert_close(done[1].readout, done[0].readout, **CLOSE)
    nir.read(tmp_path / "a.nir")  # which looks at types


def matrices(network, parameters):
    """Weights, and the row of a digital bias behind them."""
    pairs = zip(parameters.weights, parameters.biases, strict=True)
    return [w if b is None else np.vstack([w, b]) for w, b in pairs]


def test_a_run_is_exported_and_read_again(images, tmp_path, monkeypatch):
    """Weights, mapping, device and settings stand in the graph; the same spikes come out of it."""
    monkeypatch.chdir(tmp_path)
    quiet = {"dataset": images, "notice": lambda line: None}
    network = Network(layers=(Dense(neurons=20, ei="80:20"), Dense(neurons=10, neuron=LI)))
    settings = xb.Training(device="ideal.yaml", epochs=1, batch_size=32, network=network)
    run = xb.train(settings, **quiet)
    monkeypatch.setattr(
        type(run), "load_data", lambda run, *_, **__: encode(images, run.config.data, seed=0)
    )
    assert xb.export_nir(run.folder, "a.nir") == xb.export_nir(run, "b.nir").with_name("a.nir")
    graph = nir.read("a.nir")
    siemens = run.trainer.conductances()
    np.testing.assert_array_equal(
        graph.nodes["weights0"].metadata["conductances_siemens"], siemens[0]
    )
    assert graph.nodes["weights1"].metadata["mapping"] == "one_sided"
    assert "model: ideal" in graph.metadata["device"]
    assert "80:20" in graph.metadata["settings"]
    for name, weights in zip(("weights0", "weights1"), run.trainer.weights(), strict=True):
        np.testing.assert_array_equal(graph.nodes[name].weight, weights.T)
    config = xb.from_nir("a.nir", xb.Training(device="ideal.yaml", epochs=0))
    assert config.data.dt_seconds == 1e-3
    again = xb.train(config, **quiet)
    for mine, other in zip(again.trainer.weights(), run.trainer.weights(), strict=True):
        np.testing.assert_allclose(mine, other, rtol=0.0, atol=1e-6 * np.abs(other).max())
    for mine, other in zip(kernel_spikes(again.trainer), kernel_spikes(run.trainer), strict=True):
        np.testing.assert_array_equal(mine, other)


# Steps


def test_a_graph_takes_the_steps_that_are_typed_or_else_its_own(tmp_path):
    path = tmp_path / "a.nir"
    nir.write(path, small(nir))
    assert read_network(path).dt_seconds == 1e-4
    beta = [read_network(path, dt).network.layers[0].neuron.beta for dt in (None, 2e-4)]
    assert beta == pytest.approx([0.8, 0.6])
    nir.write(path, small(nir, metadata={"dt_seconds": 5e-5}, tau=2e-3))
    assert read_network(path).dt_seconds == 5e-5
    typed = settings_of({"data.dt_seconds": "1e-3"}, xb.Training(), None)
    assert xb.from_nir(path, typed).data.dt_seconds == 5e-5  # the default says nothing
    assert (
        settings_of({"data.dt_seconds": "2.5e-4"}, xb.Training(), str(path)).data.dt_seconds
        == 2.5e-4
    )
    assert xb.from_nir(path, dt_seconds=1e-4).data.dt_seconds == 1e-4
