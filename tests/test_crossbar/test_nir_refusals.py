"""What a graph of NIR says and there is not here is named: the node, its type, what is allowed."""

import numpy as np
import pytest
from xbar_nir import DT, chain, input_of, lif, output_of, small

from crossbar.nir.files import read_graph
from crossbar.nir.reading import network_of
from crossbar.nir.writing import graph_of
from crossbar.snn.network import Network
from crossbar.snn.neurons import AdaptiveLif, LeakyIntegrator
from crossbar.snn.parameters import initial
from crossbar.snn.plan import plan
from crossbar.snn.topology import Conv2d, Dense, MaxPool
from device_models.errors import ConfigError

nir = pytest.importorskip("nir", reason="nir is not installed: pip install 'xbar-hil[nir]'")
h5py = pytest.importorskip("h5py")
FULL, SQUARE = np.ones(20), np.zeros((20, 20))
NOT_FINITE = "holds what is no finite number"
NONE_HERE = "there is no such layer here; allowed are Input, Flatten, Linear, Affine, Conv2d, LIF"


def flatten(n):
    return nir.Flatten(input_type=np.array([n]), start_dim=0)


def conv(**values):
    given = {
        "input_shape": None, "weight": np.zeros((2, 1, 3, 3)), "stride": 1, "padding": 0,
        "dilation": 1, "groups": 1, "bias": np.zeros(2),
    }  # fmt: skip
    return nir.Conv2d(**given | values)


def pool():
    two = np.array([2, 2])
    return nir.SumPool2d(kernel_size=two, stride=two, padding=0 * two)


def cuba(**more):
    names = "tau_mem", "tau_syn", "r", "v_leak", "v_threshold", "v_reset"
    values = 1e-3, 1e-3, 1.0, 0.0, 1.0, 0.0
    return nir.CubaLIF(
        **{name: value * FULL for name, value in zip(names, values, strict=True)}, **more
    )


def follow(graph, *more, without=()):
    graph.edges = [edge for edge in graph.edges if edge not in without] + list(more)


# Values of a node of the small graph, and what is said of it
VALUES = {
    "weights nan": ("1", {"weight": np.full((20, 784), np.nan)}, f"its weight {NOT_FINITE}"),
    "weights text": ("1", {"weight": np.full((20, 784), "a")}, f"its weight {NOT_FINITE}"),
    "weights large": ("1", {"weight": np.full((20, 784), 1e38)}, "r / v_threshold is above 1e+30"),
    "weights 3 d": ("1", {"weight": np.zeros((2, 5, 784))}, "is 2 x 5 x 784; it has to be outputs"),
    "fewer lines": ("1", {"weight": np.zeros((20, 700))}, "is 20 x 700, and 784 lines come in"),
    "bias inf": ("3", {"bias": np.full(10, np.inf)}, f"its bias {NOT_FINITE}"),
    "bias shape": ("3", {"bias": np.ones(4)}, "its bias is (4,); (10,) is needed"),
    "v_reset": ("2", {"v_reset": 0.1 * FULL}, "v_reset = 0.1; 0 is allowed"),
    "v_leak": ("2", {"v_leak": -0.5 * FULL}, "v_leak = -0.5; 0 is allowed"),
    "threshold": ("2", {"v_threshold": 0.0 * FULL}, "v_threshold = 0; it has to be above 0"),
    "r": ("2", {"r": -FULL}, "r = -1; it has to be above 0"),
    "tau 0": ("2", {"tau": 0.0 * FULL}, "tau = 0; it has to be above 0"),
    "tau nan": ("2", {"tau": np.nan * FULL}, f"tau {NOT_FINITE}"),
    "tau short": ("2", {"tau": 0.5 * DT * FULL}, "tau = 5e-05 s is shorter than a step of 0.0001"),
    "taus": ("2", {"tau": np.linspace(1, 2, 20)}, "tau differs between its neurons (1 and 1.05263"),
    "neurons": ("2", {"r": np.ones(19)}, "r is of 19 neurons, and 20 come in"),
    "reset": ("2", {"metadata": {"reset": "hard"}}, "reset = 'hard'; one of zero, subtract"),
}  # fmt: skip
# A node in the place of one of it
NODES = {
    "scale": ("3", nir.Scale(scale=FULL), f"node '3' (Scale): {NONE_HERE}"),
    "pool": ("3", pool(), f"node '3' (SumPool2d): {NONE_HERE}"),
    "neurons behind neurons": ("3", lif(nir, 20), "node '3' (LIF): no weights stand before it"),
    "weights twice": ("2", nir.Linear(weight=SQUARE), "it follows node '1' (Linear); neurons have"),
    "no neurons": ("4", flatten(10), "node '5' (Output): it follows node '3' (Affine)"),
    "silent": ("2", nir.I(r=FULL), "never spikes"),
    "no input": ("0", flatten(784), "the graph has 0 nodes of type Input; it needs one"),
    "output": ("5", output_of(nir, 11), "node '5' (Output): its shape is 11, and 10 comes in"),
    "shape": ("0", input_of(nir, -3), "node '0' (Input): its shape is -3; whole numbers above 0"),
    "image": ("0", input_of(nir, 1, 28, 28), "it gets 1 x 28 x 28; put a Flatten before it"),
    "convolution of lines": ("1", conv(), "is 2 x 1 x 3 x 3, and 784 comes in; it has to be 1 x"),
    "subtract": ("2", cuba(metadata={"reset": "subtract"}), "reset = 'subtract'; zero is allowed"),
}  # fmt: skip
# What is done to nodes and edges
GRAPHS = {
    "two outputs": (lambda g: g.nodes.update(x=output_of(nir, 10)), "2 nodes of type Output"),
    "left": (lambda g: g.nodes.update(x=lif(nir, 3)), "node 'x' (LIF): it does not lie between"),
    "cycle": (lambda g: follow(g, ("4", "1")), "node '1' (Linear): it is fed by '0' and '4'"),
    "branch": (lambda g: follow(g, ("2", "4")), "node '2' (LIF): it leads to '3' and '4'"),
    "dead end": (lambda g: follow(g, without=[("2", "3")]), "node '2' (LIF): it leads nowhere"),
    "no such node": (lambda g: follow(g, ("2", "x")), "from '2' to 'x' names no node: 'x'"),
    "step": (lambda g: g.metadata.update(dt_seconds=-1.0), "dt_seconds = -1, outside [1e-06, 1"),
}  # fmt: skip


def refusal_of(graph):
    """The one line that refuses it."""
    with pytest.raises(ConfigError) as refused:
        network_of(graph)
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("name", VALUES)
def test_values(name):
    graph = small(nir)
    node, values, message = VALUES[name]
    for field, value in values.items():
        setattr(graph.nodes[node], field, value)
    refusal = refusal_of(graph)
    assert refusal.startswith(f"node '{node}' ({type(graph.nodes[node]).__name__}): ")
    assert message in refusal


@pytest.mark.parametrize("name", NODES)
def test_nodes(name):
    graph = small(nir)
    number, node, message = NODES[name]
    graph.nodes[number] = node
    assert message in refusal_of(graph)


@pytest.mark.parametrize("name", GRAPHS)
def test_graphs(name):
    graph = small(nir)
    change, message = GRAPHS[name]
    change(graph)
    assert message in refusal_of(graph)


def test_feedback():
    for neurons, own, message in (
        (lif(nir, 20), nir.Linear(weight=SQUARE), "it feeds node '2' (LIF) back; of neurons that"),
        (cuba(), nir.Affine(weight=SQUARE, bias=FULL), "a layer that feeds back has no bias here"),
        (cuba(), nir.Linear(weight=np.zeros((20, 7))), "its weight is (20, 7); (20, 20) is needed"),
    ):
        graph = small(nir)
        graph.nodes |= {"2": neurons, "own": own}
        follow(graph, ("2", "own"), ("own", "2"))
        assert message in refusal_of(graph)


def test_one_layer_is_no_network():
    graph = chain(
        nir, input_of(nir, 5), nir.Linear(weight=np.ones((3, 5))), lif(nir, 3), output_of(nir, 3)
    )
    assert "layers holds 1" in refusal_of(graph)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"padding": 1}, "padding = [1, 1]; 0 is allowed"),
        ({"padding": "same"}, "padding = 'same'; 0 is allowed"),
        ({"dilation": 2}, "dilation = [2, 2]; 1 is allowed"),
        ({"groups": 2}, "groups = 2; 1 is allowed"),
        ({"stride": (1, 2)}, "stride = [1, 2]; one number above 0 is allowed"),
        ({"weight": np.zeros((2, 1, 3, 4))}, "it has to be channels x channels x k x k"),
        ({"weight": np.zeros((2, 1, 40, 40))}, "its kernel is larger than the 28 x 28 image"),
        ({"weight": np.zeros((2, 3, 3, 3))}, "and 1 x 28 x 28 comes in; it has to be 3 x rows"),
    ],
)
def test_convolutions(values, message):
    shape = 2, 26, 26
    graph = chain(
        nir, input_of(nir, 1, 28, 28), conv(**values), lif(nir, shape), output_of(nir, *shape)
    )
    refusal = refusal_of(graph)
    assert refusal.startswith("node '1' (Conv2d): ")
    assert message in refusal


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (MaxPool(), r"layers\[0\] \(max_pool\): NIR has no layer such as max_pool"),
        (Conv2d(channels=2, pool=2), "pool = 2 takes the largest current"),
        (Dense(neurons=4, neuron=AdaptiveLif()), "NIR has no neurons such as AdaptiveLif"),
    ],
)
def test_layers_that_nir_has_not(layer, message):
    layers = layer, Dense(neurons=7), Dense(neurons=5, neuron=LeakyIntegrator())
    network = plan(Network(layers=layers), inputs=(8, 8), classes=5, steps=9, dt_seconds=1e-3)
    with pytest.raises(ConfigError, match=message):
        graph_of(nir, network, initial(network, 0), [{}] * 3, {})


# Files


def damaged(path, change):
    """A graph in a file that is changed."""
    nir.write(path, small(nir))
    with h5py.File(path, "r+") as file:
        change(file)


def linked(file):
    del file["node/nodes/1/weight"]
    file["node/nodes/1/weight"] = h5py.ExternalLink("other.h5", "/secret")


def looped(file):
    file["node/nodes/1/again"] = file["node"]


def vast(file):
    del file["node/nodes/1/weight"]
    file.create_dataset(
        "node/nodes/1/weight", shape=(1 << 20, 1 << 20), dtype="f4", chunks=(64, 64)
    )


def without(name):
    def change(file):
        del file[name]

    return change


def retyped(file):
    del file["node/nodes/1/type"]
    file["node/nodes/1/type"] = "Nothing"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (linked, "weight is a link that leads elsewhere"),
        (looped, "its groups are more than 16 deep"),
        (vast, "its arrays take more than 4.29e+09 bytes"),
        (without("node"), "no NIR graph"),
        (without("node/edges"), "no NIR graph"),
        (without("node/nodes/2/tau"), "no NIR graph"),
        (without("node/nodes/0/shape"), "no NIR graph"),
        (retyped, "no NIR graph"),
    ],
)
def test_files(change, message, tmp_path):
    path = tmp_path / "a.nir"
    damaged(path, change)
    with pytest.raises(ConfigError) as refused:
        read_graph(path)
    assert str(refused.value).startswith(str(path))
    assert message in str(refused.value)


def test_files_that_are_cut_off_or_none(tmp_path):
    path = tmp_path / "a.nir"
    nir.write(path, small(nir))
    whole = path.read_bytes()
    for content in (b"", b"text", whole[:8], whole[: len(whole) // 2], whole[:100] + bytes(900)):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="is no NIR graph: "):
            read_graph(path)
    nir.write(path, lif(nir, 3))
    with pytest.raises(ConfigError, match="it holds one node, LIF"):
        read_graph(path)
    with pytest.raises(ConfigError, match="there is no file"):
        read_graph(tmp_path / "b.nir")
