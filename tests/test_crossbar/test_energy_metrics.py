"""Metrics equal plain sums over dense spikes and, where it is installed, the package NeuroBench."""

import contextlib

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from xbar_training import plan_of

from crossbar.energy import metrics
from crossbar.energy.activity import Activity, Sizes, Snapshot, layers_of
from crossbar.energy.assumed import assumed_run
from crossbar.snn import reference
from crossbar.snn.encodings.events import Events

SAMPLES, CUT = 9, 0.2  # images; share of the weights that are exactly zero
NETWORKS = {
    "one layer": plan_of(inputs=30, hidden=20, classes=5, steps=40, ei="none"),
    "deep": plan_of(inputs=30, hidden=(20, 12), classes=5, steps=40, ei="none"),
    "recurrent": plan_of(
        inputs=30, hidden=(20, 12), classes=5, steps=40, ei="none", recurrent=True
    ),
}
each_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def events_of(dense):
    """Bool (samples, steps, lines) as events."""
    sample, step, line = np.nonzero(dense)
    ends = np.concatenate([[0], np.cumsum(np.bincount(sample, minlength=len(dense)))])
    return Events(line.astype(np.uint16), step.astype(np.uint8), ends)


def simulated(network, cut):
    """Weights, dense input, the reference's outcome and the activity of a network that fires."""
    generator = np.random.default_rng(71)
    weights = []
    for rows, outputs in network.crossbars:
        w = 3.0 * generator.standard_normal((rows, outputs)) / np.sqrt(rows)
        w[generator.random(w.shape) < cut] = 0.0
        weights.append(w)
    x = generator.random((SAMPLES, network.steps, network.inputs)) < 0.03
    x[:2] = False  # two that see nothing
    x[:, :4] = False
    leaves = [torch.from_numpy(w) for w in weights]
    labels = torch.zeros(SAMPLES, dtype=torch.int64)
    outcome = reference.simulate(network, leaves, torch.from_numpy(x).double(), labels)
    spikes = [x, *(s.numpy() > 0 for s in outcome.spikes)]
    assert all(layer.any() for layer in spikes)
    arrays = [
        Snapshot(np.zeros(w.shape, np.float32), np.full(len(w), w.shape[1]), (w != 0).sum(1))
        for w in weights
    ]
    layers = layers_of(Sizes.of(network), [events_of(s) for s in spikes], arrays)
    activity = Activity(layers, SAMPLES, network.steps, network.dt_seconds, False)
    return weights, spikes, outcome, activity


@each_network
def test_metrics_equal_sums_over_dense_spikes(network):
    weights, spikes, _, activity = simulated(network, CUT)
    feedback = [*spikes[1:], None] if network.recurrent else [None] * len(spikes)
    lines = [
        a if b is None else np.concatenate((a, b), 2) for a, b in zip(spikes, feedback, strict=True)
    ]
    effective = sum(
        int((x.astype(int) @ (w != 0)).sum()) for x, w in zip(lines, weights, strict=True)
    )
    dense = sum(network.steps * w.size for w in weights)
    assert metrics.synaptic_operations(activity) == {
        "Effective_MACs": 0.0,
        "Effective_ACs": effective / SAMPLES,
        "Dense": dense,
    }
    silent = [1.0 - s.mean() for s in spikes[1:]]
    by_layer = metrics.activation_sparsity_by_layer(activity)
    assert_allclose(list(by_layer.values()), silent, rtol=1e-12)
    every = np.concatenate([s.ravel() for s in spikes[1:]])
    assert_allclose(metrics.activation_sparsity(activity), 1.0 - every.mean(), rtol=1e-12)
    zeros = sum(int((w == 0).sum()) for w in weights) / sum(w.size for w in weights)
    assert metrics.connection_sparsity(activity) == round(zeros, 4) > 0.1
    assert metrics.footprint(activity) == 4 * sum(w.size for w in weights)


@each_network
def test_membranes_move_as_in_the_reference(network):
    """Where every weight is other than zero, the first spike that comes in moves all membranes."""
    _, _, outcome, activity = simulated(network, 0.0)
    changed = 0
    for membrane in outcome.membrane:
        changed += membrane[:, 0].numel()
        changed += int(torch.count_nonzero(membrane[:, 1:] - membrane[:, :-1]))
    assert metrics.membrane_updates(activity) == changed / SAMPLES
    neurons = sum(network.hidden)
    assert metrics.neuron_operations(activity) == {
        "Effective Neuron Ops": 8 * changed / SAMPLES,
        "Neuron Dense Ops": 8 * neurons * network.steps,
    }
    assert changed < neurons * network.steps * SAMPLES


def test_a_network_that_says_nothing_of_zero_weights_has_none(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text(
        "layers:\n- {kind: dense, neurons: 8}\n- {kind: dense, neurons: 10, "
        "neuron: leaky_integrator}\ndata: {steps: 10}\n"
    )
    run = assumed_run(path, (100.0, 50.0), generator=np.random.default_rng(1))
    values = metrics.metrics(run)
    assert values["ConnectionSparsity"] == 0.0
    assert values["ParameterCount"] == 20 * 8 + 8 * 3
    assert_allclose(values["ActivationSparsity"], 0.95, atol=0.02)
    assert set(values) == {
        "Footprint", "ParameterCount", "ConnectionSparsity", "ClassificationAccuracy",
        "ActivationSparsity", "ActivationSparsityByLayer", "SynapticOperations", "MembraneUpdates",
        "NeuronOperations",
    }  # fmt: skip


def replayed(weights, spikes, outcome):
    """The network as modules that NeuroBench hooks into, with the spikes it had; and the input."""
    snn = pytest.importorskip("snntorch")

    class Synaptic(snn.SpikingNeuron):
        """Neurons that fire and move as before; NeuroBench prices them by their class name."""

        def __init__(self, fired, membrane):
            super().__init__(threshold=1.0, init_hidden=True, output=False, reset_mechanism="zero")
            self.fired, self.course, self.step = fired, membrane, 0
            self.mem = torch.zeros(membrane.shape[0], membrane.shape[2])

        def forward(self, current):
            self.mem, out = self.course[:, self.step], self.fired[:, self.step]
            self.step += 1
            return out

    class Replay(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for i, w in enumerate(weights):
                linear = torch.nn.Linear(*w.shape, bias=False)
                linear.weight.data = torch.from_numpy(w.T).float().contiguous()
                self.add_module(f"synapses {i}", linear)
                if i < len(outcome.spikes):
                    fired = outcome.spikes[i].float()
                    neurons = Synaptic(fired, outcome.membrane[i])
                    self.add_module(f"hidden {i + 1}", neurons)

        def forward(self, x):
            for step in range(x.shape[1]):
                lines = x[:, step]
                for i, w in enumerate(weights):
                    hidden = i < len(outcome.spikes)
                    feedback = outcome.spikes[i][:, step].float() if hidden else None
                    if len(w) > lines.shape[1]:
                        lines = torch.cat((lines, feedback), 1)
                    lines = getattr(self, f"synapses {i}")(lines)
                    if hidden:
                        lines = getattr(self, f"hidden {i + 1}")(lines)
            return lines

    return Replay(), snn, torch.from_numpy(spikes[0]).float()


@each_network
@pytest.mark.parametrize("cut", [0.0, CUT])
def test_metrics_equal_those_of_the_package(network, cut):
    workload = pytest.importorskip("neurobench.metrics.workload")
    static = pytest.importorskip("neurobench.metrics.static")
    models = pytest.importorskip("neurobench.models")
    weights, spikes, outcome, activity = simulated(network, cut)
    net, snn, x = replayed(weights, spikes, outcome)
    model = models.TorchModel(net)
    assert metrics.parameter_count(activity) == static.ParameterCount()(model)
    assert metrics.connection_sparsity(activity) == static.ConnectionSparsity()(model)
    assert metrics.footprint(activity) == footprint_of_weights(static, model)
    model.add_activation_module(snn.SpikingNeuron)
    model.register_hooks()
    with contextlib.closing(Hooks(model)), torch.no_grad():
        model(x)
        batch = (x, torch.zeros(SAMPLES))
        named = {
            name: getattr(workload, name)()(model, None, batch)
            for name in (
                "SynapticOperations", "ActivationSparsity", "ActivationSparsityByLayer",
                "MembraneUpdates", "NeuronOperations",
            )
        }  # fmt: skip
    assert metrics.synaptic_operations(activity) == named["SynapticOperations"]
    assert metrics.activation_sparsity(activity) == named["ActivationSparsity"]
    assert metrics.activation_sparsity_by_layer(activity) == named["ActivationSparsityByLayer"]
    if cut == 0.0:  # see `metrics.membrane_updates`
        assert metrics.membrane_updates(activity) == named["MembraneUpdates"]
        assert metrics.neuron_operations(activity) == named["NeuronOperations"]
    else:
        assert metrics.membrane_updates(activity) >= named["MembraneUpdates"]


class Hooks:
    """The hooks of a model, to be closed."""

    def __init__(self, model):
        self.close = model.cleanup_hooks


def footprint_of_weights(static, model):
    """NeuroBench's footprint without the buffers in which snntorch keeps constants of neurons."""
    buffers = sum(b.numel() * b.element_size() for b in model.__net__().buffers())
    return static.Footprint()(model) - buffers
