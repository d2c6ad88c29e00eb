"""A graph that was trained elsewhere: the network, and the numbers that it comes with."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from device_models.errors import ConfigError
from device_models.npz import UNREADABLE, reason
from device_models.record import Record

from ..snn.losses import MaxOverTime, MseCount
from ..snn.network import Network
from ..snn.neurons import Leaky
from ..snn.parameters import BIAS, WEIGHTS
from ..snn.topology import Conv2d, Dense, Recurrent
from . import DT_SECONDS
from .chain import Node, Stage, as_text, chain_of, stride_of
from .files import read_graph
from .neurons import neurons_of

MOST_WEIGHT = 1e30  # of float32
DT_RANGE = 1e-6, 1.0  # of `data.dt_seconds`


class NirNetwork(NamedTuple):
    """A graph in steps of dt.

    Attributes:
        network: Its layers; scored by `mse_count` where its output spikes.
        arrays: Weights and biases by the names of `snn.parameters`, float32.
        shape: Of its input.
        dt_seconds: Of a step.
        says_reset: Of each stage, whether its node says in metadata what a spike does.
    """

    network: Network
    arrays: dict[str, np.ndarray]
    shape: tuple[int, ...]
    dt_seconds: float
    says_reset: tuple[bool, ...]

    @property
    def sizes(self) -> str:
        """`784-100-10`."""
        columns = [a.shape[1] for n, a in self.arrays.items() if n.startswith(WEIGHTS)]
        return "-".join(map(str, [int(np.prod(self.shape)), *columns]))

    @property
    def largest(self) -> list[float]:
        """The largest weight of each crossbar, without sign."""
        weights = [a for n, a in self.arrays.items() if n.startswith(WEIGHTS)]
        return [float(np.abs(each).max(initial=0.0)) for each in weights]


def read_network(path: Path, dt_seconds: float | None = None) -> NirNetwork:
    """The network of a file.

    Args:
        path: Of the graph.
        dt_seconds: Of a step; None: what its metadata say, else `DT_SECONDS`.

    Raises:
        ConfigError: It is no graph, or none of layers that there are here; names file and node.
    """
    graph = read_graph(path)
    try:
        with np.errstate(all="ignore"):  # what is not finite is refused
            return network_of(graph, dt_seconds)
    except ConfigError as e:
        raise ConfigError(f"{path}: {e}") from e
    except UNREADABLE as e:  # a value that is none of its node
        raise ConfigError(f"{path} is no NIR graph: {reason(e)}") from e


def network_of(graph: Any, dt_seconds: float | None = None) -> NirNetwork:
    """The network of a `nir.NIRGraph`; see `read_network`."""
    dt = _step(graph) if dt_seconds is None else dt_seconds
    shape, stages = chain_of(graph)
    layers: list[Record] = []
    arrays: dict[str, np.ndarray] = {}
    for number, stage in enumerate(stages):
        layer, weights, bias = _layer(stage, dt)
        layers.append(layer)
        arrays[f"{WEIGHTS}{number}"] = weights
        if bias is not None:
            arrays[f"{BIAS}{number}"] = bias
    fires = bool(layers) and layers[-1].neuron.SPIKES  # type: ignore[attr-defined]
    network = Network(layers=tuple(layers), loss=MseCount() if fires else MaxOverTime())
    says = tuple("reset" in stage.neuron.value.metadata for stage in stages)
    return NirNetwork(network, arrays, shape, dt, says)


def notes_of(path: Path, read: NirNetwork, network: Network) -> list[str]:
    """What is to be said of a graph that a network was made of, line by line."""
    lines = [
        f"note: {path} is {read.sizes}, taken in steps of {read.dt_seconds:g} s "
        "(data.dt_seconds) by forward Euler"
    ]
    silent = [
        f"--set network.layers.{i}.neuron.reset=subtract"
        for i, (layer, says) in enumerate(zip(network.layers, read.says_reset, strict=False))
        if not says and isinstance(n := layer.neuron, Leaky) and n.reset == "zero"  # type: ignore[attr-defined]
    ]
    if silent:
        lines.append(
            f"note: {path} says that a spike resets to 0, as NIR has it; snnTorch writes the same "
            f"where it subtracts the threshold: {' '.join(silent)}"
        )
    return lines


def _step(graph: Any) -> float:
    """The step that a graph says in its metadata, else the usual one."""
    given = graph.metadata.get("dt_seconds", DT_SECONDS)
    try:
        dt = float(given)
    except (TypeError, ValueError):
        dt = float("nan")
    if not DT_RANGE[0] <= dt <= DT_RANGE[1]:
        raise ConfigError(
            f"its metadata have dt_seconds = {as_text(given)}, outside {list(DT_RANGE)} s"
        )
    return dt


def _layer(stage: Stage, dt: float) -> tuple[Record, np.ndarray, np.ndarray | None]:
    """The layer of a stage, its weights (rows, columns), and its bias (columns,) if it has one."""
    node = stage.weights
    weight, bias = _finite(node, "weight"), _bias(node)
    outputs = len(weight)
    if node.kind == "Conv2d":
        kernel, stride = weight.shape[2], stride_of(node)
        places = int(np.prod([1 + (n - kernel) // stride for n in stage.shape[1:]]))
        settings, gain = neurons_of(stage.neuron, outputs * places, dt)
        gain = _of_channels(stage.neuron, gain.reshape(outputs, places))
    else:
        settings, gain = neurons_of(stage.neuron, outputs, dt)
    rows = _single(node, (weight.reshape(outputs, -1) * gain[:, None]).T)
    if bias is not None:
        bias = _single(node, bias * gain)
    common: dict[str, Any] = {
        "neuron": settings,
        "bias": "none" if bias is None else "digital",
        "sigma_init": min(float(rows.std(dtype=float)), 100.0) or None,
    }
    if stage.feedback is not None:
        rows = np.concatenate([rows, _single(stage.feedback, _fed_back(stage, bias) * gain)])
        layer: Record = Recurrent(neurons=outputs, **common)
    elif node.kind == "Conv2d":
        layer = Conv2d(channels=outputs, kernel=kernel, stride=stride, **common)
    else:
        layer = Dense(neurons=outputs, **common)
    return layer, rows, bias


def _fed_back(stage: Stage, bias: np.ndarray | None) -> np.ndarray:
    """Weights (neurons, neurons) by which neurons drive themselves, from row to column."""
    node: Any = stage.feedback
    if node.kind == "Conv2d" or stage.weights.kind == "Conv2d":
        raise node.refused("only Linear or Affine layers feed back here")
    if stage.neuron.kind != "CubaLIF":
        raise node.refused(
            f"it feeds {stage.neuron.title} back; of neurons that drive themselves CubaLIF is "
            "allowed, which take a spike in one step later"
        )
    if bias is not None or _bias(node) is not None:
        raise node.refused("a layer that feeds back has no bias here; 0 is allowed")
    weight = _finite(node, "weight")
    count = len(stage.weights.value.weight)
    if weight.shape != (count, count):
        raise node.refused(f"its weight is {weight.shape}; {(count, count)} is needed")
    return weight.T


def _bias(node: Node) -> np.ndarray | None:
    """The bias of weights, (outputs,) float64; None if there is none, or it is 0."""
    if getattr(node.value, "bias", None) is None:
        return None
    bias = _finite(node, "bias")
    if bias.shape != (len(node.value.weight),):
        raise node.refused(f"its bias is {bias.shape}; {(len(node.value.weight),)} is needed")
    return bias if bias.any() else None


def _of_channels(node: Node, gain: np.ndarray) -> np.ndarray:
    """The factor of each channel (channels,) of those of its places (channels, places)."""
    if (gain != gain[:, :1]).any():
        raise node.refused(
            "r or v_threshold differ inside a channel, whose places share their weights here"
        )
    return gain[:, 0]


def _finite(node: Node, name: str) -> np.ndarray:
    """An array of a node as float64."""
    array = np.asarray(getattr(node.value, name))
    if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
        raise node.refused(f"its {name} holds what is no finite number")
    return array.astype(np.float64)


def _single(node: Node, values: np.ndarray) -> np.ndarray:
    """Values as float32."""
    if not np.abs(values).max(initial=0.0) <= MOST_WEIGHT:
        raise node.refused(f"a weight times r / v_threshold is above {MOST_WEIGHT:g}")
    return np.ascontiguousarray(values, np.float32)
