"""What an engine is handed, before a kernel believes it: it writes where the numbers say."""

import math
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from device_models.arrays import check_array
from device_models.errors import ConfigError, ShapeError

from ..encodings.checks import NOTHING, check_events, check_range
from ..encodings.events import Events
from ..kernels import loss, neuron, topology
from ..kernels.dispatch import missing_kernels
from ..plan import LayerPlan, Plan
from ..plan_checks import check_held
from .buffers import REPEATS, repeats
from .protocol import Batch, LayerView

MOST_TILES = 64  # rows of them below a convolution; see `kernels.records.LayerTrace.marks`
SETS = 4  # whose events are known to be whole: training and test samples, of two epochs


class BatchChecks:
    """Looks at what is run on one network; at the events of a set once."""

    def __init__(self, network: Plan) -> None:
        """Take a network."""
        self._network = network
        self._whole: deque[weakref.ref[Events]] = deque(maxlen=SETS)

    def samples(self, batch: Batch) -> None:
        """Refuse samples that the network cannot take.

        Raises:
            ShapeError: It names what is wrong: a type, a shape, a line, a step, a label, a sample.
            ConfigError: They are amplitudes, and its first layer takes none.
        """
        if not isinstance(batch, Batch):
            raise ShapeError(f"a batch must be a Batch, not {type(batch).__name__}; {NOTHING}")
        network, events = self._network, batch.events
        if not any(known() is events for known in self._whole):
            lines, steps = network.inputs, network.steps
            check_events(events, lines=lines, steps=steps, what="samples")
            if repeats(network.network.layers[0]) > 1:
                check_count(events, lines * steps * REPEATS)
            if events.held is not None:
                check_held(network)
            self._whole.append(weakref.ref(events))
        count = len(events)
        check_array(batch.labels, "labels of the samples", np.int64, (count,), NOTHING)
        chosen, what = batch.chosen, "numbers of the samples"
        check_array(chosen, what, np.int64, (-1,), NOTHING, in_one_piece=False)
        check_range(chosen, count, "sample", f"there are {count}")
        labels, classes = batch.labels[chosen], network.classes
        check_range(labels, classes, "label of the samples", f"the network has {classes} classes")

    def layers(self, layers: Sequence[LayerView]) -> None:
        """Refuse crossbars that are not those of the network.

        Raises:
            ShapeError: It names the layer and what is wrong.
        """
        self._check_number("crossbars", layers)
        for plan, view in zip(self._network.synaptic, layers, strict=True):
            shape, name = (plan.matrix_rows, plan.columns), plan.name
            _check(view.weights, f"{name}: weights", np.float32, shape)
            if view.variance.size:
                _check(view.variance, f"{name}: variance", np.float32, shape)
                if view.variance.min() < 0.0:
                    raise ShapeError(f"{name}: a variance is negative; {NOTHING}")
            _check(view.siemens, f"{name}: siemens", np.float64, shape[:1])
            self._check_trained(plan, view)

    def learn(self, learn: Sequence[np.ndarray] | None) -> None:
        """Refuse weights that carry the error back and are not those of the network.

        Raises:
            ShapeError: It names the layer and what is wrong.
        """
        if learn is None:
            return
        self._check_number("weights that carry the error back", learn)
        for plan, back in zip(self._network.synaptic, learn, strict=True):
            # The row of a digital bias carries nothing back.
            shape = (-1, plan.columns) if plan.bias == "digital" else (plan.rows, plan.columns)
            _check(back, f"{plan.name}: weights that carry the error back", np.float32, shape)

    def _check_trained(self, plan: LayerPlan, view: LayerView) -> None:
        """Refuse numbers of neurons that they do not have."""
        if view.trained is not None:
            shape = (len(plan.trained), plan.outputs)
            _check(view.trained, f"{plan.name}: numbers of its neurons", np.float32, shape)

    def _check_number(self, what: str, given: Sequence[object]) -> None:
        """Refuse another number of layers."""
        if len(given) != len(self._network.synaptic):
            raise ShapeError(
                f"{len(given)} {what}: the network has {len(self._network.synaptic)}; {NOTHING}"
            )


def check_count(events: Events, most: int) -> None:
    """Refuse samples of more spikes than kernels that take them line by line have memory for.

    Raises:
        ShapeError: There is one.
    """
    count = int(np.diff(events.offsets).max(initial=0))
    if count > most:
        raise ShapeError(
            f"a sample has {count:,} spikes: delays take {most:,}, {REPEATS} of each line and "
            f"step; {NOTHING}"
        )


def _check(array: object, what: str, dtype: np.typing.DTypeLike, shape: tuple[int, ...]) -> None:
    """Refuse an array of another type or shape, or one that holds nan or an infinity."""
    check_array(array, what, dtype, shape, NOTHING, in_one_piece=False)
    # Squares are added up sooner than looked at one by one, but may overflow.
    if not (math.isfinite(np.vdot(array, array)) or np.isfinite(array).all()):  # type: ignore[call-overload]  # an array by now
        raise ShapeError(f"{what}: one is not finite; {NOTHING}")


def check_tiles(network: Plan, tile_rows: int) -> None:
    """Refuse convolutions on more rows of tiles than a position marks, a bit of a word each.

    Raises:
        ConfigError: There is one.
    """
    for layer in network.synaptic:
        if layer.array.positions > 1 and layer.rows > MOST_TILES * tile_rows:
            raise ConfigError(
                f"{network.network.title(layer.index)}: its {layer.rows} rows lie on more than "
                f"{MOST_TILES} rows of tiles, which the kernels do not count; raise "
                f"tiles.tile_rows = {tile_rows} or choose engine = dense; nothing was written"
            )


def check_kernels(network: Plan, loss_numbers: Any) -> None:
    """Refuse a network with a kind that this engine cannot compile.

    Raises:
        ConfigError: It names the kind and the kernels that it lacks.
    """
    needed: list[tuple[Any, tuple[Callable[..., Any], ...]]] = [(loss_numbers, (loss.score,))]
    for layer in network.layers:
        of_layer = layer.settings.numbers(layer.incoming)
        needed.append((of_layer, (topology.forward, topology.backward, topology.carry)))
        if layer.neuron is not None:
            of_neuron = layer.neuron.numbers(network.dt_seconds)
            needed.append((of_neuron, (neuron.begin, neuron.step, neuron.step_back)))
    for record, stubs in needed:
        if names := missing_kernels(record, stubs):
            raise ConfigError(
                f"engine = events: {type(record).__name__} has no kernels {', '.join(names)}: "
                "choose engine = dense, or give it some (crossbar.snn.kernels.dispatch.implements)"
            )
