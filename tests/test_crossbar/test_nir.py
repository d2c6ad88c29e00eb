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
from crossbar.experiment.typed_settings import settings_of
from crossbar.snn import reference
from crossbar.snn.encodings.events import Events

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
        np.testing.assert_allclose(of_steps(outcome.membrane[index]), flat, **CLOSE)
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
