"""A graph as what comes one behind the other: weights, neurons behind them, feedback of these."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from device_models.errors import ConfigError
from device_models.record import shown

WEIGHTS = "Linear", "Affine", "Conv2d"
NEURONS = "LIF", "CubaLIF", "IF", "LI", "CubaLI", "I"
MOST_TOLD = 9  # values of an array that a message repeats
ALLOWED = ("Input", "Flatten", *WEIGHTS, *NEURONS, "Output")


class Stage(NamedTuple):
    """Weights and the neurons behind them, each a node and what messages call it.

    Attributes:
        shape: Of what comes in, without a batch: (lines,) or (channels, rows, columns).
        weights, neuron: The nodes.
        feedback: Weights by which the neurons drive themselves; None without.
    """

    shape: tuple[int, ...]
    weights: "Node"
    neuron: "Node"
    feedback: "Node | None"


class Node(NamedTuple):
    """A node of a graph."""

    name: str
    value: Any

    @property
    def kind(self) -> str:
        """Its type as NIR calls it."""
        return type(self.value).__name__

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"node {self.name!r} ({self.kind})"

    def refused(self, reason: str) -> ConfigError:
        """The error that names it."""
        return ConfigError(f"{self.title}: {reason}")


def chain_of(graph: Any) -> tuple[tuple[int, ...], list[Stage]]:
    """The shape of the input of a graph, and its stages.

    Raises:
        ConfigError: It is no chain of layers that there are here; names the node.
    """
    nodes, edges = _flat(graph)
    for node in nodes.values():
        if node.kind not in ALLOWED:
            raise node.refused(f"there is no such layer here; allowed are {', '.join(ALLOWED)}")
    feedback = _feedback(nodes, edges)
    inner = {node.name for node in feedback.values()}
    path = list(_path(nodes, [edge for edge in edges if not inner & {*edge}]))
    if left := [node for node in nodes.values() if node not in path and node.name not in inner]:
        raise left[0].refused("it does not lie between Input and Output")
    shape = _whole(path[0], path[0].value.output_type.get("output"))
    return shape, list(_stages(path, shape, feedback))


def _flat(graph: Any, before: str = "") -> tuple[dict[str, Node], list[tuple[str, str]]]:
    """Nodes and edges, those of graphs inside among them, named `graph.node`."""
    nodes: dict[str, Node] = {}
    edges = [(before + a, before + b) for a, b in dict.fromkeys(map(tuple, graph.edges))]
    for name, value in graph.nodes.items():
        node = Node(before + name, value)
        if node.kind != "NIRGraph":
            nodes[node.name] = node
            continue
        inside, between = _flat(value, f"{node.name}.")
        ends = [_only(inside.values(), kind, node) for kind in ("Input", "Output")]
        into = [b for a, b in between if a == ends[0].name]
        outof = [a for a, b in between if b == ends[1].name]
        gone = {end.name for end in ends}
        edges += [(a, b) for a, b in between if not gone & {a, b}]
        edges = [(a, c) for a, b in edges for c in (into if b == node.name else [b])]
        edges = [(c, b) for a, b in edges for c in (outof if a == node.name else [a])]
        nodes |= {n: inner for n, inner in inside.items() if n not in gone}
    return nodes, edges


def _only(nodes: Iterable[Node], kind: str, graph: Node | None = None) -> Node:
    """The one node of a kind in a graph.

    Raises:
        ConfigError: There is none, or several.
    """
    found = [node for node in nodes if node.kind == kind]
    if len(found) != 1:
        where = "the graph" if graph is None else graph.title
        raise ConfigError(f"{where} has {len(found)} nodes of type {kind}; it needs one")
    return found[0]


def _feedback(nodes: dict[str, Node], edges: list[tuple[str, str]]) -> dict[str, Node]:
    """Neurons -> the weights by which they drive themselves, and nothing else."""
    found: dict[str, Node] = {}
    for node in nodes.values():
        ends = {b for a, b in edges if a == node.name}, {a for a, b in edges if b == node.name}
        if node.kind not in WEIGHTS or ends[0] != ends[1] or len(ends[0]) != 1:
            continue
        (neuron,) = ends[0]
        if neuron in found:
            raise node.refused(f"{found[neuron].title} feeds back to {neuron!r} already")
        if neuron in nodes and nodes[neuron].kind in NEURONS:
            found[neuron] = node
    return found


def _path(nodes: dict[str, Node], edges: list[tuple[str, str]]) -> Iterator[Node]:
    """The nodes from Input to Output.

    Raises:
        ConfigError: An edge leads nowhere, or the nodes are no chain.
    """
    for a, b in edges:
        for name in (a, b):
            if name not in nodes:
                raise ConfigError(f"the edge from {a!r} to {b!r} names no node: {name!r}")
    node, last = _only(nodes.values(), "Input"), _only(nodes.values(), "Output")
    seen = {node.name}
    yield node
    while node != last:
        after = [b for a, b in edges if a == node.name]
        if len(after) != 1:
            ends = "nowhere" if not after else f"to {' and '.join(map(repr, after))}"
            raise node.refused(f"it leads {ends}; layers here come one behind the other")
        node = nodes[after[0]]
        if node.name in seen:
            raise node.refused(
                "it lies on a cycle; only Linear or Affine between neurons and themselves feed back"
            )
        before = [a for a, b in edges if b == node.name]
        if len(before) > 1:
            raise node.refused(
                f"it is fed by {' and '.join(map(repr, before))}; layers here come one behind the "
                "other, and only Linear or Affine between neurons and themselves feed back"
            )
        seen.add(node.name)
        yield node


def _stages(path: list[Node], shape: tuple[int, ...], feedback: dict[str, Node]) -> Iterator[Stage]:
    """The stages of a path."""
    weights: Node | None = None
    incoming = shape
    for node in path[1:]:
        if node.kind == "Flatten":
            shape = _flattened(node, shape)
        elif node.kind in WEIGHTS:
            if weights is not None:
                raise node.refused(f"it follows {weights.title}; neurons have to stand between")
            weights, incoming, shape = node, shape, _sent(node, shape)
        elif node.kind in NEURONS:
            if weights is None:
                raise node.refused("no weights stand before it: Linear, Affine or Conv2d")
            yield Stage(incoming, weights, node, feedback.get(node.name))
            weights = None
        elif weights is not None:
            raise node.refused(
                f"it follows {weights.title}; neurons have to stand between, such as LI, which are "
                "read out"
            )
    given = _whole(path[-1], path[-1].value.input_type.get("input"))
    if np.prod(given) != np.prod(shape):
        raise path[-1].refused(f"its shape is {_said(given)}, and {_said(shape)} comes in")


def _flattened(node: Node, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape behind a Flatten.

    Raises:
        ConfigError: It has not these dimensions.
    """
    first, last = int(node.value.start_dim), int(node.value.end_dim)
    last += len(shape) if last < 0 else 0
    if not 0 <= first <= last < len(shape):
        if len(shape) == 1:
            return shape
        raise node.refused(
            f"dimensions {first} to {int(node.value.end_dim)} are none of {_said(shape)}"
        )
    return (*shape[:first], int(np.prod(shape[first : last + 1])), *shape[last + 1 :])


def _sent(node: Node, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape behind weights.

    Raises:
        ConfigError: They do not fit what comes in.
    """
    weight = np.asarray(node.value.weight)
    if node.kind == "Conv2d":
        return _convolved(node, weight, shape)
    if weight.ndim != 2:
        raise node.refused(f"its weight is {_said(weight.shape)}; it has to be outputs x inputs")
    lines = [n for n in shape if n != 1] or [1]
    if len(lines) > 1:
        raise node.refused(f"it gets {_said(shape)}; put a Flatten before it")
    if lines[0] != weight.shape[1]:
        raise node.refused(f"its weight is {_said(weight.shape)}, and {lines[0]} lines come in")
    return (weight.shape[0],)


def _convolved(node: Node, weight: np.ndarray, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape behind a convolution; see `_sent`."""
    value = node.value
    if weight.ndim != 4 or weight.shape[2] != weight.shape[3]:
        raise node.refused(
            f"its weight is {_said(weight.shape)}; it has to be channels x channels x k x k"
        )
    if len(shape) != 3 or shape[0] != weight.shape[1]:
        raise node.refused(
            f"its weight is {_said(weight.shape)}, and {_said(shape)} comes in; it has to be "
            f"{weight.shape[1]} x rows x columns"
        )
    none = {"padding": 0, "dilation": 1, "groups": 1}
    for name, allowed in none.items():
        given = getattr(value, name)
        is_it = given == "valid" if isinstance(given, str) else np.all(np.equal(given, allowed))
        if not is_it:
            raise node.refused(f"{name} = {as_text(given)}; {allowed} is allowed")
    stride = stride_of(node)
    down, across = (1 + (n - weight.shape[2]) // stride for n in shape[1:])
    if min(down, across) < 1:
        raise node.refused(f"its kernel is larger than the {_said(shape[1:])} image that comes in")
    return weight.shape[0], down, across


def stride_of(node: Node) -> int:
    """The stride of a convolution, one for rows and columns.

    Raises:
        ConfigError: There are two.
    """
    strides = {int(n) for n in np.ravel(node.value.stride)}
    if len(strides) != 1 or min(strides) < 1:
        raise node.refused(f"stride = {as_text(node.value.stride)}; one number above 0 is allowed")
    return strides.pop()


def _whole(node: Node, shape: Any) -> tuple[int, ...]:
    """A shape of whole numbers.

    Raises:
        ConfigError: It is none.
    """
    given = None if shape is None else np.asarray(shape)
    if given is None or given.dtype.kind not in "iu" or given.ndim > 1 or not (given > 0).all():
        raise node.refused(f"its shape is {as_text(shape)}; whole numbers above 0 are needed")
    return tuple(int(n) for n in given.ravel()) or (1,)


def as_text(value: Any) -> str:
    """A wrong value as a message repeats it: the first of many, one line."""
    items = np.ravel(value)[:MOST_TOLD].tolist()
    return shown(items[0] if np.size(value) == 1 else items)


def _said(shape: Any) -> str:
    """`784 x 100`."""
    return " x ".join(str(int(n)) for n in shape) or "a number"
