"""A trained network as a graph of NIR, with what it lies on as metadata."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np

from device_models.errors import ConfigError

from ..snn.parameters import Parameters
from ..snn.plan import LayerPlan, Plan
from ..snn.topology import Conv2d, Dense, Recurrent
from .neurons import node_of


def graph_of(
    nir: ModuleType,
    network: Plan,
    parameters: Parameters,
    of_layers: Sequence[Mapping[str, Any]],
    of_graph: Mapping[str, Any],
) -> Any:
    """The `nir.NIRGraph` of a network; read again in steps of its dt it is the same one.

    Args:
        nir: The library.
        network: Layers, sizes, clock.
        parameters: Its numbers.
        of_layers: Metadata of the weights of each layer.
        of_graph: Metadata of the graph; `dt_seconds` comes in addition.

    Raises:
        ConfigError: NIR has no such layer; names it.
    """
    shape = _shape(network.layers[0])
    nodes = {"input": nir.Input(input_type=np.array(shape))}
    edges: list[tuple[str, str]] = []
    last = "input"

    def add(name: str, node: Any) -> None:
        nonlocal last
        nodes[name] = node
        edges.append((last, name))
        last = name

    for number, layer in enumerate(network.layers):
        try:
            _check(layer)
            sent = layer.sent.shape
            neurons = node_of(nir, layer.neuron, sent, network.dt_seconds)
        except ConfigError as e:
            raise ConfigError(f"{network.network.title(number)}: {e}") from e
        if len(shape) > 1 and not isinstance(layer.settings, Conv2d):
            add(f"flatten{number}", nir.Flatten(input_type=np.array(shape), start_dim=0))
        weights = parameters.weights[number]
        node = _weights(nir, layer, weights, parameters.biases[number], shape)
        node.metadata = dict(of_layers[number])
        add(f"weights{number}", node)
        add(f"neurons{number}", neurons)
        if layer.recurrent_rows:
            own = weights[-layer.recurrent_rows :]
            nodes[f"recurrent{number}"] = nir.Linear(weight=np.ascontiguousarray(own.T))
            edges += [(last, f"recurrent{number}"), (f"recurrent{number}", last)]
        shape = sent
    add("output", nir.Output(output_type=np.array(shape)))
    metadata = {**of_graph, "dt_seconds": network.dt_seconds}
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def _shape(layer: LayerPlan) -> tuple[int, ...]:
    """Of the input: that of an image where a convolution looks at it."""
    if not isinstance(layer.settings, Conv2d):
        return (layer.lines,)
    numbers: Any = layer.settings.numbers(layer.incoming)
    return numbers.channels_in, numbers.rows_in, numbers.columns_in


def _check(layer: LayerPlan) -> None:
    """Refuse a layer that NIR does not have.

    Raises:
        ConfigError: It is one.
    """
    if not isinstance(layer.settings, Dense | Recurrent | Conv2d):
        raise ConfigError(
            f"NIR has no layer such as {layer.kind}; dense, recurrent and conv2d are allowed"
        )
    if isinstance(layer.settings, Conv2d) and layer.settings.pool > 1:
        raise ConfigError(
            f"pool = {layer.settings.pool} takes the largest current, and NIR has no such pool; "
            "1 is allowed"
        )


def _weights(
    nir: ModuleType,
    layer: LayerPlan,
    weights: np.ndarray,
    bias: np.ndarray | None,
    shape: tuple[int, ...],
) -> Any:
    """The node of the weights (rows, columns) of lines and of a bias."""
    lines = layer.array.rows - (layer.bias == "row")
    if layer.bias == "row":
        bias = weights[lines]
    weight = np.ascontiguousarray(weights[:lines].T)
    if isinstance(layer.settings, Conv2d):
        k = layer.settings.kernel
        none = np.zeros(layer.columns, np.float32)
        return nir.Conv2d(
            input_shape=tuple(shape[1:]), weight=weight.reshape(layer.columns, -1, k, k),
            stride=layer.settings.stride, padding=0, dilation=1, groups=1,
            bias=none if bias is None else bias,
        )  # fmt: skip
    return nir.Linear(weight=weight) if bias is None else nir.Affine(weight=weight, bias=bias)
