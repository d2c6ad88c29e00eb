"""A network as the arguments of `kernels.bptt.run_chunk`: kinds in groups, what outputs inject."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from device_models.errors import ShapeError

from ..kernels import records
from ..kernels.carry import STEPS
from ..kernels.held import HeldInput
from ..plan import LayerPlan, Plan
from .buffers import aligned, padded


class Kinds(NamedTuple):
    """The kinds of the layers of a network."""

    first: tuple[records.LayerKind, ...]  # those of the type of the first layer
    others: tuple[tuple[records.LayerKind, ...], ...] | None  # those of each other type
    places: tuple[tuple[int, int], ...]  # group of each layer but the last, and its place
    output: records.LayerKind


def kinds_of(
    network: Plan,
    fronts: Sequence[Any],
    dtype: Callable[[float], Any],
    *,
    is_held: bool = False,
) -> Kinds:
    """The layers of a network by kind.

    Args:
        network: The layers.
        fronts: `adc.FrontRecords` of every crossbar, or None.
        dtype: Of the weights.
        is_held: Whether amplitudes drive the first layer, see `kernels.held`.
    """
    kinds = [_kind(network, layer, fronts, dtype) for layer in network.layers]
    if is_held:
        kinds[0] = kinds[0]._replace(topology=HeldInput(kinds[0].topology))
    groups: dict[Any, list[records.LayerKind]] = {}
    places = []
    for kind in kinds[:-1]:
        group = groups.setdefault(signature(kind), [])
        if has_arrays(kind) or kind not in group:  # layers that are alike share their kind
            group.append(kind)
        place = len(group) - 1 if has_arrays(kind) else group.index(kind)
        places.append((list(groups).index(signature(kind)), place))
    first, *others = map(tuple, groups.values())
    return Kinds(first, tuple(others) or None, tuple(places), kinds[-1])


def _kind(
    network: Plan, layer: LayerPlan, fronts: Sequence[Any], dtype: Callable[[float], Any]
) -> records.LayerKind:
    """What one layer is made of."""
    neuron = None if layer.neuron is None else layer.neuron.numbers(network.dt_seconds, dtype)
    front = None if layer.crossbar is None else fronts[layer.crossbar]
    columns, integrator = (None, None) if front is None else front
    return records.LayerKind(layer.settings.numbers(layer.incoming), neuron, columns, integrator)


def signature(record: Any) -> Any:
    """What the compiler tells apart: the types of a record and of the records in it."""
    parts = [signature(part) for part in record] if hasattr(record, "_fields") else []
    return type(record), *parts


def has_arrays(record: Any) -> bool:
    """Whether there is an array in a record or in one of the records in it."""
    return isinstance(record, np.ndarray) or (
        isinstance(record, tuple) and any(map(has_arrays, record))
    )


def table_of(slots: Sequence[Sequence[records.LayerArrays]]) -> np.ndarray:
    """What `kernels.pointers.layer_at` reads, of each slot: the arrays must outlive it."""
    return np.array([[list(fields_of(layer)) for layer in layers] for layers in slots], np.int64)


def slots_of(network: Plan) -> int:
    """How many samples sweep back together, each with scratch memory of its own."""
    numbers = (layer.settings.numbers(layer.incoming) for layer in network.layers)
    return STEPS if any(getattr(each, "TOGETHER", False) for each in numbers) else 1


def address(array: np.ndarray, dtype: np.typing.DTypeLike) -> int:
    """Where the numbers of an array in C order begin.

    Raises:
        ShapeError: It is in another order, or holds other numbers: the kernels would read garbage.
    """
    if not array.flags.c_contiguous or array.dtype != dtype:
        raise ShapeError(
            f"the kernels take {np.dtype(dtype)} numbers in C order, not {array.dtype}"
        )
    return int(array.__array_interface__["data"][0])


def fields_of(record: Any) -> Iterator[int]:
    """Numbers of a record and of the records in it, in order; an array by its address."""
    for field in record:
        if isinstance(field, tuple):
            yield from fields_of(field)
        elif isinstance(field, np.ndarray):
            yield address(field, field.dtype)
        else:
            yield int(field)


def injection(
    network: Plan, back: np.ndarray | None, dtype: type[np.floating] = np.float32
) -> records.Injected | None:
    """What linear output neurons inject into the layer before; None if they are not linear.

    Args:
        network: The layers.
        back: (outputs, padded neurons before): output weights, transposed; None: no gradient.
        dtype: Of the weights.
    """
    *_, before, output = network.layers
    if not output.is_linear:
        return None
    width = padded(before.outputs)
    return records.Injected(
        output.neuron.numbers(network.dt_seconds, dtype),
        aligned((network.steps + 2, width), dtype),
        np.zeros(network.steps + 1, np.int64),
        np.zeros((0, 0), dtype) if back is None else back,
    )


def lowest(network: Plan) -> int:
    """The first layer with weights."""
    return network.synaptic[0].index


def carries_back(network: Plan, layer: LayerPlan) -> bool:
    """Whether the weights of a layer carry an error back, row by row."""
    is_read = layer.index > lowest(network) or layer.recurrent_rows > 0
    return is_read and not (layer.index == len(network.layers) - 1 and layer.is_linear)
