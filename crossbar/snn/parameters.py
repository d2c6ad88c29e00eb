"""The numbers of a network that are trained: weights on devices, and those that lie on none.

In a file they are arrays with the number of their crossbar behind a name: `w0` (rows, columns);
`bias0` (columns,), a digital bias; and one (neurons,) for each number that the neurons have of
their own, such as `threshold0`.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from device_models.errors import ShapeError
from device_models.streams import stream

from .plan import Plan, initial_biases, initial_weights

WEIGHTS, BIAS = "w", "bias"


class Parameters(NamedTuple):
    """The numbers of one network; of each crossbar one entry, that of the output layer last.

    Attributes:
        weights: (rows, columns) float32.
        biases: Digital ones, (columns,) float32; None where there are none.
        trained: What neurons have of their own, (numbers, neurons) float32; likewise.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray | None, ...]
    trained: tuple[np.ndarray | None, ...]


def initial(network: Plan, seed: int) -> Parameters:
    """What a training with this seed begins with."""
    weights = initial_weights(network, generator=stream("initial weights", seed))
    biases = initial_biases(network, generator=stream("initial biases", seed))
    trained = [layer.first_trained if layer.trained else None for layer in network.synaptic]
    return Parameters(weights, tuple(biases), tuple(trained))


def shapes_of(network: Plan) -> dict[str, tuple[int, ...]]:
    """Name and shape of each array of a file; the weights come first."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number, shape in enumerate(network.crossbars):
        shapes[f"{WEIGHTS}{number}"] = shape
    for number, layer in enumerate(network.synaptic):
        if layer.bias == "digital":
            shapes[f"{BIAS}{number}"] = (layer.columns,)
        shapes |= {f"{name}{number}": (layer.outputs,) for name in layer.trained}
    return shapes


def to_arrays(parameters: Parameters, network: Plan) -> dict[str, np.ndarray]:
    """The arrays of a file by name, in the order of `shapes_of`."""
    arrays = {f"{WEIGHTS}{i}": weights for i, weights in enumerate(parameters.weights)}
    for number, layer in enumerate(network.synaptic):
        bias, numbers = parameters.biases[number], parameters.trained[number]
        if bias is not None:
            arrays[f"{BIAS}{number}"] = bias
        if numbers is not None:
            for name, values in zip(layer.trained, numbers, strict=True):
                arrays[f"{name}{number}"] = values
    return arrays


def check_parameters(parameters: Parameters, network: Plan) -> None:
    """Refuse numbers that are not those of a network: kernels believe their shapes.

    Raises:
        ShapeError: They have other shapes, or one is not finite.
    """
    layers = len(network.crossbars)
    if any(len(part) != layers for part in parameters):
        raise ShapeError(f"numbers of {len(parameters.weights)} layers, the network has {layers}")
    for index, (weights, bias, trained) in enumerate(zip(*parameters, strict=True)):
        layer = network.synaptic[index]
        needed = [
            network.crossbars[index],
            (layer.columns,) if layer.bias == "digital" else None,
            (len(layer.trained), layer.outputs) if layer.trained else None,
        ]
        given = [None if part is None else part.shape for part in (weights, bias, trained)]
        if given != needed:
            raise ShapeError(f"{layer.name} has numbers of shapes {given}, it needs {needed}")
        arrays = [part for part in (weights, bias, trained) if part is not None]
        if any(each.dtype != np.float32 or not np.isfinite(each).all() for each in arrays):
            raise ShapeError(f"{layer.name} has a number that is not finite, or no float32")


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Parameters:
    """What `to_arrays` gave, from names alone; `arr_0` is `w0`.

    Raises:
        KeyError: The weights of a crossbar are missing.
        ValueError: A name is none of a file, or what belongs together has several shapes.
    """
    named = {name.replace("arr_", WEIGHTS): array for name, array in arrays.items()}
    of_crossbar: dict[int, dict[str, np.ndarray]] = {}
    for name, array in named.items():
        match = re.fullmatch(r"([a-z_]+)(\d+)", name)
        if match is None:
            raise ValueError(f"{name} names no array of a network")
        of_crossbar.setdefault(int(match[2]), {})[match[1]] = array
    weights, biases, trained = [], [], []
    for number in range(len(of_crossbar)):
        numbered = of_crossbar[number]
        weights.append(numbered.pop(WEIGHTS))
        biases.append(numbered.pop(BIAS, None))
        trained.append(np.stack(list(numbered.values())) if numbered else None)
    return Parameters(tuple(weights), tuple(biases), tuple(trained))
